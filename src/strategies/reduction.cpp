// The bias gradient: a two-stage sum over pixels, then images; over images only where there are no more
// pixels (behind fully connected layers). Always in the same order.
#include "ops/reduce.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {
namespace {

bool one_stage(const Problem& p) {
  return p.oh() * p.ow() == 1;
}

Offer offer(const Problem& p, const DeviceProfile& profile, std::int64_t) {
  if (p.direction != Direction::kBackwardBias) return not_served(p);
  if (auto rejection = storage_not_served(p, {Serves::kNarrow})) return *rejection;
  if (auto rejection = too_large(p)) return *rejection;
  WorkspaceLayout layout(profile);
  if (!one_stage(p)) layout.add(p.n * p.k * Problem::kFloatBytes);
  const double dy_bytes = real(p.y_bytes()) * (p.mask ? 2 : 1);  // with a mask y, too
  const Pass planes =
      arithmetic_pass(0, kFullRate, {dy_bytes, real(p.n * p.k), one_stage(p) ? 0.0 : 1.0});
  const Pass channels = arithmetic_pass(0, kFullRate, {real(layout.bytes()), real(p.k)});
  Candidate candidate;
  candidate.workspace_bytes = layout.bytes();
  candidate.predicted_us = predicted_us(profile, {planes, channels});
  candidate.predicted_setup_us = kPredictedBuildUs;
  candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  return std::vector<Candidate>{candidate};
}

std::unique_ptr<Executable> build(const Problem& p, const Config&, Device& device) {
  auto executable = std::make_unique<Executable>();
  const Mask mask = mask_of(p);
  if (one_stage(p)) {
    executable->run.add(sum_parts(device, p.k, p.n, p.accumulate, Region{kDySlot}, mask,
                                  Region{kDbSlot}, p.data_type, p.data_type));
    return executable;
  }
  WorkspaceLayout layout(device.profile());
  const Region sums = layout.add(p.n * p.k * Problem::kFloatBytes);
  executable->workspace_bytes = layout.bytes();
  executable->run.add(plane_sums(device, p, Region{kDySlot}, mask, sums));
  executable->run.add(channel_sums(device, p, sums, Region{kDbSlot}));
  return executable;
}

}  // namespace

extern const Strategy strategy_reduction = {
    "reduction", offer, build, false, nullptr, "ops/bias_gradient ops/sum_parts"};

}  // namespace clconv::core
