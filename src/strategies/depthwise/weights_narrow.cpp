// weights_narrow: weight gradient of planes whose rows fit one vector, or half of one: rows stay in registers, and taps
// see them moved by lanes. For CPUs.
#include <algorithm>

#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/narrow_planes.hpp"
#include "strategies/depthwise/weights_layout.hpp"

namespace clconv::core::depthwise {
namespace {

// Cycles, calibrated on PoCL 3.1, 2-core Zen 5, 2026-11: per row of x beyond what `narrow` takes, per row of dy, per
// tap to add up its lanes.
constexpr double kRowOfX = 3.5, kRowOfDy = 7, kLanesOfTap = 2;

class WeightsNarrowLayout : public WeightsLayout {
 public:
  WeightsNarrowLayout(const Case& c, const Config& config, const NarrowPlanes& planes)
      : WeightsLayout(
            c, config,
            {planes.tile.rb, static_cast<int>(c.problem.kh * c.problem.kw), planes.tile.vw},
            c.problem.n, planes.sets),
        planes_(planes) {}

 protected:
  double unit_cycles() const override {
    const double rows = real(planes_.rows.input(tile_.rows) * planes_.columns.advance);
    return real(planes_.rows_of_tiles()) *
           (planes_.cycles(case_.problem) + kRowOfX * rows + kRowOfDy * tile_.rows);
  }
  double lane_cycles() const override { return kLanesOfTap * tile_.taps; }
  std::unique_ptr<Step> multiply(Device& device, const std::string& defines,
                                 const Region& result) const override {
    const Problem& p = case_.problem;
    const std::int64_t all_sets = planes_.sets * parts_;
    const std::int64_t per_work_group =
        ceil_div(all_sets, 2 * kWorkGroupsPerUnit * case_.profile.compute_units);
    return std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/weights_narrow", "depthwise_weights_narrow",
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
                              {"oh", narrow(p.oh())},
                              {"ow", narrow(p.ow())},
                              {"dy_size", cl_long{p.y_elements()}},
                              {"sets", cl_long{planes_.sets}},
                              {"images", cl_long{units_}},
                              {"images_per_part", cl_long{units_per_part_}},
                              {"part_stride", cl_long{p.w_elements()}},
                              {"all_sets", cl_long{all_sets}},
                              {"sets_per_work_group", cl_long{per_work_group}}},
        one_item_groups(ceil_div(all_sets, per_work_group)));
  }

 private:
  NarrowPlanes planes_;
};

// Tiles of as many rows as registers hold; all of the same height, since what is summed counts once.
std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  int rb = static_cast<int>(std::min<std::int64_t>(p.oh(), c.machine.registers / 2));
  while (p.oh() % rb != 0)
    --rb;
  NarrowTile tile{rb, std::max(8, c.machine.lanes), 2};
  if (NarrowPlanes(p, tile).rejection(p)) tile.planes = 1;
  return {tile.config("weights_narrow")};
}

Fit fit(const Case& c, const Config& config) {
  const Problem& p = c.problem;
  const NarrowPlanes planes(p, NarrowTile::from(config));
  if (auto refused = planes.rejection(p)) return *refused;
  const std::int64_t rest = p.oh() % planes.tile.rb;
  if (rest != 0) return other_than("rows of dy beyond whole tiles", rest, 0);
  return std::make_unique<const WeightsNarrowLayout>(c, config, planes);
}

}  // namespace

extern const Body body_weights_narrow = {
    "weights_narrow", Suits::kCpus, 1, "depthwise/weights_narrow ops/sum_parts", variants, fit};

}  // namespace clconv::core::depthwise
