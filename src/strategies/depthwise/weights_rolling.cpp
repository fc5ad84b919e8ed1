// weights_rolling: weight gradient of planes that are read in place. Going down the rows of x, it keeps the rows of dy
// that see the present row in registers, and the sums of the filter's taps as well. For CPUs.
#include <algorithm>

#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/rolling_planes.hpp"
#include "strategies/depthwise/weights_layout.hpp"

namespace clconv::core::depthwise {
namespace {

// Cycles, PoCL 3.1, 2-core Zen 5, 2026-11: per vector of columns of a band, and per tap of one; per step of one and
// piece of the filter; per vector whose columns are separated; per multiply-add; per tap to add up its lanes.
constexpr double kVector = 30, kTapOfVector = 1.2, kStep = 1.5, kSeparated = 0.8, kProduct = 0.5;
constexpr double kLanesOfTap = 1.5;

class WeightsRollingLayout : public WeightsLayout {
 public:
  WeightsRollingLayout(const Case& c, const Config& config, int sums_columns,
                       const RollingPlanes& planes)
      : WeightsLayout(
            c, config,
            {1, static_cast<int>(c.problem.kh * c.problem.kw), static_cast<int>(planes.vw)},
            c.problem.n * planes.bands(c, 1), c.problem.k),
        sums_columns_(sums_columns),
        planes_(planes),
        band_(ceil_div(planes.rows.steps, planes.bands(c, 1))),
        bands_(ceil_div(planes.rows.steps, band_)) {}

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
    const double steps = real(band_ + (bands_ > 1 ? planes_.roll() - 1 : 0));
    const double step = kStep * pieces + kSeparated * separated + kProduct * taps;
    return real(planes_.vectors()) * (kVector + kTapOfVector * taps + steps * step);
  }
  double lane_cycles() const override { return kLanesOfTap * tile_.taps; }
  std::unique_ptr<Step> multiply(Device& device, const std::string& defines,
                                 const Region& result) const override {
    const Problem& p = case_.problem;
    const std::int64_t all_filters = p.k * parts_;
    const std::int64_t per_work_group =
        ceil_div(all_filters, 2 * kWorkGroupsPerUnit * case_.profile.compute_units);
    return std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/weights_rolling", "depthwise_weights_rolling",
                      defines + planes_.defines()),
        std::vector<Argument>{{"x", Region{kXSlot}},
                              {"dy", Region{kDySlot}},
                              {"y_mask", p.mask ? Region{kYSlot} : Region{kDySlot}},
                              {"result", result},
                              {"groups", narrow(p.c)},
                              {"filters", narrow(p.k / p.c)},
                              {"in_h", narrow(p.h)},
                              {"in_w", narrow(p.w)},
                              {"in_size", cl_long{p.x_elements()}},
                              {"top", narrow(planes_.top())},
                              {"oh", narrow(p.oh())},
                              {"ow", narrow(p.ow())},
                              {"dy_size", cl_long{p.y_elements()}},
                              {"band", narrow(band_)},
                              {"bands", narrow(bands_)},
                              {"units", cl_long{units_}},
                              {"units_per_part", cl_long{units_per_part_}},
                              {"part_stride", cl_long{p.w_elements()}},
                              {"all_filters", cl_long{all_filters}},
                              {"filters_per_work_group", cl_long{per_work_group}}},
        one_item_groups(ceil_div(all_filters, per_work_group)));
  }

 private:
  int sums_columns_;  // columns of the filter whose sums are in registers
  RollingPlanes planes_;
  std::int64_t band_, bands_;
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
