// The direct algorithm, one work-item per result element. Always applies, needs nothing, and is
// what the planner checks the others against. Never a good choice on a large problem.
#include <algorithm>
#include <cmath>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {
namespace {

// Work-items per group: enough to fill a GPU's wavefront; on PoCL a loop the compiler sees whole.
constexpr std::int64_t kLocalSize = 64;

// Fraction of peak, PoCL 3.1 on a 2-core Zen 5, 2026-11: 3.8-4.2 GFLOP/s of 500 on resnet_3x3_56 and
// resnet_1x1_14.
constexpr double kCpuEfficiency = 0.008;
// Multiply-adds among the instructions of the innermost loop, as NVIDIA's compiler makes it (docs/gpu.md).
constexpr double kGpuForward = 0.026, kGpuData = 0.018, kGpuWeights = 0.049;
// Measured: 0.3 to 0.7 of 12 GFLOP/s (Mesa 22.3, llvmpipe, 2-core Zen 5, 2026-11).
constexpr double kItemsEfficiency = 0.04;

std::int64_t local_size(const DeviceProfile& profile) {
  return std::min(kLocalSize, profile.max_work_group_size);
}

std::int64_t results(const Problem& p) {
  return elements_of(p, result_of(p));
}

double gpu_efficiency(const Problem& p) {
  return p.wants_dx() ? kGpuData : p.direction == Direction::kForward ? kGpuForward : kGpuWeights;
}

Offer offer(const Problem& p, const DeviceProfile& profile, std::int64_t) {
  // A data gradient looks at every tap and finds one in stride^2 to multiply.
  const double flops = p.wants_dx() ? p.flops() * (real(p.sh) * real(p.sw)) : p.flops();
  const double efficiency = vectors_are_items(profile)       ? kItemsEfficiency
                            : profile.family == Family::kCpu ? kCpuEfficiency
                                                             : gpu_efficiency(p);
  const Traffic traffic{operand_bytes(p), std::ceil(real(results(p)) / real(local_size(profile)))};
  Candidate candidate;
  candidate.predicted_us = predicted_us(profile, {arithmetic_pass(flops, efficiency, traffic)});
  candidate.predicted_setup_us = kPredictedBuildUs;
  candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  return std::vector<Candidate>{candidate};
}

struct Entry {
  const char* name;
  std::vector<Argument> buffers;
};

Entry entry_of(const Problem& p) {
  const Region x{kXSlot}, weights{kWeightsSlot}, b{kBiasSlot}, r{kResidualSlot}, dy{kDySlot};
  const Region mask{p.mask ? kYSlot : kDySlot};
  switch (p.direction) {
    case Direction::kForward:
      return {"naive_forward",
              {{"x", x}, {"weights", weights}, {"b", b}, {"r", r}, {"y", Region{kYSlot}}}};
    case Direction::kBackwardData:
    case Direction::kTransposed:
      return {"naive_data",
              {{"dy", dy},
               {"y", mask},
               {"weights", weights},
               {"b", b},
               {"r", r},
               {"dx", Region{kDxSlot}}}};
    case Direction::kBackwardWeights:
      return {"naive_weights", {{"x", x}, {"dy", dy}, {"y", mask}, {"result", Region{kDwSlot}}}};
    case Direction::kBackwardBias: break;
  }
  return {"naive_bias", {{"dy", dy}, {"y", mask}, {"db", Region{kDbSlot}}}};
}

std::vector<Argument> sizes_of(const Problem& p) {
  if (p.direction == Direction::kBackwardBias)
    return {{"n", cl_long{p.n}}, {"k", cl_long{p.k}}, {"pixels", cl_long{p.oh() * p.ow()}}};
  std::vector<Argument> sizes = {
      {"n", cl_long{p.n}},    {"c", cl_long{p.c}},   {"h", cl_long{p.h}},
      {"w", cl_long{p.w}},    {"k", cl_long{p.k}},   {"kh", cl_long{p.kh}},
      {"kw", cl_long{p.kw}},  {"sh", cl_long{p.sh}}, {"sw", cl_long{p.sw}},
      {"pt", cl_long{p.pt}},  {"pl", cl_long{p.pl}}, {"dh", cl_long{p.dh}},
      {"dw", cl_long{p.dw}},  {"g", cl_long{p.g}},   {"oh", cl_long{p.oh()}},
      {"ow", cl_long{p.ow()}}};
  if (p.direction != Direction::kBackwardWeights) {
    sizes.insert(sizes.end(), {{"in_image", cl_long{p.input_image()}},
                               {"out_image", cl_long{p.result_image()}}});
  }
  return sizes;
}

std::unique_ptr<Executable> build(const Problem& p, const Config&, Device& device) {
  auto [entry, arguments] = entry_of(p);
  for (const Argument& size : sizes_of(p))
    arguments.push_back(size);
  const std::string defines =
      epilogue_defines(p) + (p.layout == TensorLayout::kNhwc ? " -DNHWC=1" : " -DNHWC=0") +
      (p.weights_layout == WeightsLayout::kKrsc ? " -DKRSC=1" : " -DKRSC=0");
  auto executable = std::make_unique<Executable>();
  executable->run.add(std::make_unique<KernelStep>(
      "naive", device.kernel("naive", entry, defines), with_slopes(p, arguments),
      items(results(p), local_size(device.profile()))));
  return executable;
}

}  // namespace

extern const Strategy strategy_naive = {"naive", offer, build, true, nullptr, "naive"};

}  // namespace clconv::core
