// weights_planes: weight gradient of planes that are read as they lie, all taps in registers. For CPUs.
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/plane_tiles.hpp"
#include "strategies/depthwise/weights_layout.hpp"

namespace clconv::core::depthwise {
namespace {

constexpr double kRowOfDy = 1;  // cycles to load a row of a tile; PoCL 3.1, 2-core Zen 5, 2026-11

class WeightsPlanesLayout : public WeightsLayout {
 public:
  WeightsPlanesLayout(const Case& c, const Config& config, const WeightsTile& tile,
                      const PlaneTiles& tiles)
      : WeightsLayout(c, config, tile, c.problem.n), tiles_(tiles) {}

 protected:
  double unit_cycles() const override {
    const double tiles = real(tiles_.rows_of_tiles() * tiles_.vectors());
    return tiles * (tiles_.cycles(case_) + kRowOfDy * tile_.rows);
  }
  std::unique_ptr<Step> multiply(Device& device, const std::string& defines,
                                 const Region& result) const override {
    const Problem& p = case_.problem;
    return std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/weights_planes", "depthwise_weights_planes",
                      defines + tiles_.defines() + tiles_.overlap_defines()),
        std::vector<Argument>{{"x", Region{kXSlot}},
                              {"dy", Region{kDySlot}},
                              {"y_mask", p.mask ? Region{kYSlot} : Region{kDySlot}},
                              {"result", result},
                              {"groups", narrow(p.c)},
                              {"filters", narrow(p.k / p.c)},
                              {"in_h", narrow(p.h)},
                              {"in_w", narrow(p.w)},
                              {"oh", narrow(p.oh())},
                              {"ow", narrow(p.ow())},
                              {"images", cl_long{units_}},
                              {"images_per_part", cl_long{units_per_part_}},
                              {"part_stride", cl_long{p.w_elements()}}},
        one_item_groups(p.k * parts_));
  }

 private:
  PlaneTiles tiles_;
};

std::optional<Rejection> rejection(const Problem& p, const WeightsTile& tile,
                                   const PlaneTiles& tiles) {
  if (!tile.all_taps(p)) return other_than("taps", tile.taps, p.kh * p.kw);
  return tiles.rejection();
}

// The widest vectors with which the planes can be read, and as many rows.
std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const int widest = c.machine.lanes;
  WeightsTile least = WeightsTile::widest(c, widest);
  // Narrower vectors have no more registers.
  for (int vw = widest; vw >= 4; vw /= 2) {
    WeightsTile tile = WeightsTile::widest(c, vw);
    if (!tile.all_taps(p)) break;
    for (; tile.rows > 0; --tile.rows) {
      if (!rejection(p, tile, PlaneTiles(p, tile.rows, vw))) return {tile.config("weights_planes")};
      least = tile;
    }
  }
  return {least.config("weights_planes")};
}

Fit fit(const Case& c, const Config& config) {
  const WeightsTile tile = WeightsTile::from(config);
  const PlaneTiles tiles(c.problem, tile.rows, tile.vw);
  if (auto refused = rejection(c.problem, tile, tiles)) return *refused;
  return std::make_unique<const WeightsPlanesLayout>(c, config, tile, tiles);
}

}  // namespace

extern const Body body_weights_planes = {
    "weights_planes", Suits::kCpus, 1, "depthwise/weights_planes ops/sum_parts", variants, fit};

}  // namespace clconv::core::depthwise
