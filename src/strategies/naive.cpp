// The direct algorithm, one work-item per result element. Always applies, needs nothing, and is
// what the planner checks the others against. Never a good choice on a large problem.
#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {
namespace {

// Work-items per group: enough to fill a GPU's wavefront; on PoCL a loop the compiler sees whole.
constexpr std::int64_t kLocalSize = 64;

// Fraction of peak, PoCL 3.1 on a 2-core Zen 5, 2026-11: 3.8-4.2 GFLOP/s of 500 on resnet_3x3_56
// and resnet_1x1_14. A GPU's caches serve it better; 0.05 is a guess.
constexpr double kCpuEfficiency = 0.008;
constexpr double kGpuEfficiency = 0.05;

std::int64_t local_size(const DeviceProfile& profile) {
  return std::min(kLocalSize, profile.max_work_group_size);
}

Offer offer(const Problem& p, const DeviceProfile& profile, std::int64_t) {
  const double results = static_cast<double>(p.n * p.k) * static_cast<double>(p.oh() * p.ow());
  Pass pass;
  pass.flops = p.flops();
  pass.efficiency = profile.family == Family::kCpu ? kCpuEfficiency : kGpuEfficiency;
  pass.bytes = static_cast<double>(p.x_bytes() + p.w_bytes() + p.y_bytes());
  pass.groups = results / static_cast<double>(local_size(profile));
  Candidate candidate;
  candidate.predicted_us = predicted_us(profile, {pass});
  candidate.error_bound = summation_error_bound(p.reduction());
  return std::vector<Candidate>{candidate};
}

std::unique_ptr<const Executable> build(const Problem& p, const Config&, Device& device) {
  auto executable = std::make_unique<Executable>();
  const std::vector<Argument> arguments = {
      Region{kXSlot}, Region{kWeightsSlot}, Region{kBiasSlot}, Region{kYSlot},  cl_long{p.n},
      cl_long{p.c},   cl_long{p.h},         cl_long{p.w},      cl_long{p.k},    cl_long{p.kh},
      cl_long{p.kw},  cl_long{p.sh},        cl_long{p.sw},     cl_long{p.pt},   cl_long{p.pl},
      cl_long{p.dh},  cl_long{p.dw},        cl_long{p.g},      cl_long{p.oh()}, cl_long{p.ow()},
  };
  executable->run.add(std::make_unique<KernelStep>(
      "naive", device.kernel("naive", "naive_forward", epilogue_defines(p)), arguments,
      items(p.n * p.k * p.oh() * p.ow(), local_size(device.profile()))));
  return executable;
}

}  // namespace

extern const Strategy strategy_naive = {"naive", offer, build};

}  // namespace clconv::core
