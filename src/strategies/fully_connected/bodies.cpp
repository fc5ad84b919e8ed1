#include "strategies/fully_connected/bodies.hpp"

#include <algorithm>

#include "ops/epilogue.hpp"

namespace clconv::core::fully_connected {

std::int64_t columns_of(const Problem& p) {
  return p.c * p.h * p.w;
}

Region result_region(const Problem& p) {
  return Region{static_cast<int>(result_of(p))};
}

void describe_product(Candidate& candidate, const Problem& p) {
  candidate.predicted_setup_us = kPredictedBuildUs;
  candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
}

double bytes_touched(const Problem& p) {
  return static_cast<double>(p.x_bytes() + p.w_bytes() + p.y_bytes());
}

double tile_cycles(std::int64_t steps, double accumulators, double loads) {
  return static_cast<double>(steps) * std::max({4.0, accumulators / 2, loads / 2 * 1.1});
}

Pass product_pass(const DeviceProfile& profile, double groups, double group_cycles, int width,
                  double bytes) {
  Pass pass;
  pass.flops = groups * group_cycles * 2 * 2 * width;  // at full rate
  // The fraction of it that is reached: all operands come from L2. PoCL 3.1, 2-core Zen 5, 2026-11:
  // n32c2048h1w1k250kh1kw1. On a device that wants no vectors: a guess.
  pass.efficiency = profile.family == Family::kCpu ? 0.6 : 0.02;
  pass.bytes = bytes;
  pass.work_groups = groups;
  return pass;
}

int width_of(const Config& config) {
  const int width = config.get_power_of_two("vw", 4, 16);
  if ((width & (width - 1)) != 0)
    throw Error(Code::kInvalidArgument, "config '" + config.text() + "': vw is no power of two");
  return width;
}

std::string defines_of(const Problem& p, const Config& config) {
  return config.defines() + " " + epilogue_defines(p);
}

}  // namespace clconv::core::fully_connected
