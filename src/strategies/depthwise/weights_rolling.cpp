// weights_rolling: weight gradient of planes that are read in place. Going down the rows of x, it keeps the rows of dy
// that see the present row in registers, and the sums of the filter's taps as well. For CPUs.
#include <algorithm>

#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/rolling_weights.hpp"

namespace clconv::core::depthwise {
namespace {

// Cycles, PoCL 3.1, 2-core Zen 5, 2026-11: per vector of columns of a band, and per tap of one; per step of one and
// piece of the filter; per vector whose columns are separated; per multiply-add; per tap to add up its lanes.
constexpr double kVector = 30, kTapOfVector = 1.2, kStep = 1.5, kSeparated = 0.8, kProduct = 0.5;
constexpr double kLanesOfTap = 1.5;

class WeightsRollingLayout : public RollingWeightsLayout {
 public:
  WeightsRollingLayout(const Case& c, const Config& config, int sums_columns,
                       const RollingPlanes& planes)
      : RollingWeightsLayout(c, config, planes, planes.bands(c, 1), "depthwise/weights_rolling",
                             "depthwise_weights_rolling"),
        sums_columns_(sums_columns) {}

  void describe(Candidate& candidate) const override {
    WeightsLayout::describe(candidate);
    candidate.not_considered = planes_.not_considered(case_.machine);
    // 2-core Zen 5, 2026-11: 37 us, weights_planes of implicit_gemm 20.
    if (case_.problem.k != case_.problem.c)
      candidate.not_considered = "n32c1h28w28k32kh2kw2s2 took twice as long as another strategy";
  }

 protected:
  double unit_cycles() const override {
    const Problem& p = case_.problem;
    const double taps = real(p.kh * p.kw);
    const double pieces = real(ceil_div(p.kw, sums_columns_));
    const double separated = planes_.columns.advance == 2 ? real(planes_.rows.advance * p.kw) : 0;
    const double step = kStep * pieces + kSeparated * separated + kProduct * taps;
    return real(planes_.vectors()) * (kVector + kTapOfVector * taps + real(rows_of_band()) * step);
  }
  double lane_cycles() const override { return kLanesOfTap * tile_.taps; }

 private:
  int sums_columns_;  // columns of the filter whose sums are in registers
};

// As many sums as registers hold beside the rows of dy and, at stride 2, what separates columns (5x5 on 56x56: 63 us
// with 3 columns, 78 with 5, one thread).
std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const RollingPlanes planes(p, c.machine.lanes);
  const std::int64_t other = planes.columns.advance == 2 ? 12 : 2;
  const std::int64_t most =
      std::clamp<std::int64_t>((c.machine.registers - other - planes.roll()) / p.kh, 1, p.kw);
  const std::int64_t columns = ceil_div(p.kw, ceil_div(p.kw, most));
  return {{"weights_rolling", {{"columns", static_cast<int>(columns)}, {"vw", c.machine.lanes}}}};
}

Fit fit(const Case& c, const Config& config) {
  constexpr std::int64_t kMostTaps = 49, kMostRows = 9;
  const Problem& p = c.problem;
  const int columns = config.get("columns", 1, 16);
  const RollingPlanes planes(p, config.get_power_of_two("vw", 4, 16));
  if (columns > p.kw) return above("columns", columns, p.kw);
  if (auto refused = planes.rejection(p)) return *refused;
  if (p.kh * p.kw > kMostTaps) return above("kh*kw", p.kh * p.kw, kMostTaps);
  if (planes.roll() > kMostRows)
    return above("rows of dy that see a row of x", planes.roll(), kMostRows);
  return std::make_unique<const WeightsRollingLayout>(c, config, columns, planes);
}

}  // namespace

extern const Body body_weights_rolling = {
    "weights_rolling", Suits::kCpus, 1, "depthwise/weights_rolling ops/sum_parts", variants, fit};

}  // namespace clconv::core::depthwise
