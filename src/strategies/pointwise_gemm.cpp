// A 1x1 filter at stride 1 without padding: each image already is the matrix, so the convolution is
// one CLBlast product per image and group, straight from x into y. No im2col, no folding.
#include "ops/epilogue.hpp"
#include "ops/gemm.hpp"
#include "ops/pack.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {
namespace {

// Products are steps made one by one; beyond this many another strategy is the better idea.
constexpr std::int64_t kMaxProducts = 4096;

// y^T (pixels x filters, column-major) = x^T (pixels x channels) * W^T, the weights stored with the
// filters innermost: the form that CLBlast copies least for.
Gemm product(const Problem& p) {
  Gemm gemm;
  gemm.transpose_b = true;
  gemm.m = p.h * p.w;
  gemm.n = p.k_per_group();
  gemm.k = p.c_per_group();
  gemm.lda = gemm.ldc = gemm.m;
  gemm.ldb = gemm.n;
  return gemm;
}

std::int64_t temporary_bytes(const Problem& p, const DeviceProfile& profile,
                             GemmParameters parameters) {
  const Gemm gemm = product(p);
  bool aligned = true;
  for (const std::int64_t stride : {gemm.m * gemm.k, gemm.n * gemm.k, gemm.m * gemm.n}) {
    aligned = aligned && stride * Problem::kElementBytes % profile.base_alignment_bytes == 0;
  }
  return gemm_workspace_bytes(profile, parameters, gemm, p.n * p.g > 1 && !aligned);
}

FilterBlocks packing(const Problem& p) {
  return FilterBlocks(p, p.k_per_group());
}

Candidate candidate(const Problem& p, const DeviceProfile& profile, GemmParameters parameters) {
  const Gemm gemm = product(p);
  Candidate c;
  c.config = {{"tuned", parameters == GemmParameters::kTuned ? 1 : 0}};
  WorkspaceLayout layout(profile);
  layout.add(temporary_bytes(p, profile, parameters));
  c.workspace_bytes = layout.bytes();
  c.prepared_weights_bytes = packing(p).bytes(p);
  c.error_bound = summation_error_bound(p.reduction());
  Pass multiply = gemm_pass(profile, parameters, gemm);
  const double products = static_cast<double>(p.n * p.g);
  multiply.flops *= products;
  multiply.bytes *= products;
  multiply.launches *= products;
  Pass finish;
  finish.bytes = p.bias || p.relu ? 2.0 * static_cast<double>(p.y_bytes()) : 0;
  finish.launches = p.bias || p.relu ? 1 : 0;
  finish.groups = static_cast<double>(p.n * p.k);
  c.predicted_us = predicted_us(profile, {multiply, finish});
  return c;
}

Offer offer(const Problem& p, const DeviceProfile& profile, std::int64_t) {
  const std::pair<const char*, std::pair<std::int64_t, std::int64_t>> wanted[] = {
      {"kh", {p.kh, 1}}, {"kw", {p.kw, 1}}, {"sh", {p.sh, 1}}, {"sw", {p.sw, 1}},
      {"pt", {p.pt, 0}}, {"pl", {p.pl, 0}}, {"pb", {p.pb, 0}}, {"pr", {p.pr, 0}},
  };
  for (const auto& [field, values] : wanted) {
    if (values.first != values.second) {
      return Rejection{Reason::kShape, field, values.first, values.second, ""};
    }
  }
  if (auto rejection = too_large(p)) return *rejection;
  if (p.n * p.g > kMaxProducts) {
    return Rejection{Reason::kTooLarge, "n*g", p.n * p.g, kMaxProducts, ""};
  }
  if (auto rejection = gemm_too_large(product(p))) return *rejection;
  std::vector<Candidate> candidates;
  for (const GemmParameters parameters : gemm_parameter_sets(profile)) {
    candidates.push_back(candidate(p, profile, parameters));
  }
  return candidates;
}

std::unique_ptr<const Executable> build(const Problem& p, const Config& config, Device& device) {
  const auto parameters = static_cast<GemmParameters>(config.get("tuned", 0, 1));
  const Gemm gemm = product(p);
  const FilterBlocks blocks = packing(p);
  auto executable = std::make_unique<Executable>();
  const Region packed{kPreparedSlot, 0, blocks.bytes(p)};
  executable->prepared_weights_bytes = packed.bytes;
  executable->prepare.add(pack_filters(device, p, blocks, Region{kWeightsSlot}, packed));
  WorkspaceLayout layout(device.profile());
  const Region temporary = layout.add(temporary_bytes(p, device.profile(), parameters));
  executable->workspace_bytes = layout.bytes();
  for (std::int64_t image = 0; image < p.n; ++image) {
    for (std::int64_t group = 0; group < p.g; ++group) {
      const Matrix x{{kXSlot}, (image * p.c + group * gemm.k) * gemm.m};
      const Matrix weights{packed, group * gemm.k * gemm.n};
      const Matrix y{{kYSlot}, (image * p.k + group * gemm.n) * gemm.m};
      executable->run.add(gemm_step(device, parameters, gemm, x, weights, y, temporary));
    }
  }
  if (p.bias || p.relu) {
    executable->run.add(finish_output(device, p, Region{kBiasSlot}, Region{kYSlot}));
  }
  return executable;
}

}  // namespace

extern const Strategy strategy_pointwise_gemm = {"pointwise_gemm", offer, build};

}  // namespace clconv::core
