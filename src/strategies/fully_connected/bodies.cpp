#include "strategies/fully_connected/bodies.hpp"

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

double tile_cycles(const Machine& machine, std::int64_t steps, double accumulators, double loads) {
  return real(steps) * product_cycles(machine, 1, accumulators, loads);
}

Pass product_pass(const Case& c, double work_groups, double cycles, int width) {
  // All operands come from L2. PoCL 3.1, 2-core Zen 5, 2026-11: n32c2048h1w1k250kh1kw1.
  constexpr double kEfficiency = 0.6;
  return vector_pass(c.profile, {work_groups, cycles, width, kEfficiency},
                     {cached(c.machine, operand_bytes(c.problem)), work_groups});
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
