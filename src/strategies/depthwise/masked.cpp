// masked: forward convolution and data gradient of planes that are read in place with few vector registers: one column
// of the filter after the other, its weights in registers, and a mask instead of code for each border. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/plane_tiles.hpp"

namespace clconv::core::depthwise {
namespace {

// Cycles, PoCL 3.1, 2-core Zen 3, 2026-11: per tile, and per row of it that is stored.
constexpr double kTile = 5, kStore = 0.5;

class MaskedLayout : public Layout {
 public:
  MaskedLayout(const Case& c, const Config& config, const PlaneTiles& tiles)
      : case_(c), config_(config), tiles_(tiles), bands_(c, tiles) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    const double planes = real(p.n * (p.wants_dx() ? p.c : p.k));
    const double tiles = planes * real(tiles_.rows_of_tiles() * tiles_.vectors());
    const double cycles =
        kTile + real(p.kw) * tiles_.column_cycles(p.kh) + kStore * real(tiles_.tile_rows);
    const Pass pass =
        plane_pass(case_, {tiles, cycles, static_cast<int>(tiles_.vw)}, real(bands_.all));
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
    candidate.not_considered = PlaneTiles::columns_not_considered(case_.machine);
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    std::vector<Argument> arguments = bands_.arguments(p, tiles_);
    const std::int64_t in_plane = tiles_.in_h * tiles_.in_w;
    arguments.push_back({"in_size", cl_long{(p.n - 1) * p.input_image() + p.c * in_plane}});
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/masked", "depthwise_masked",
                      class_defines(p, config_) + tiles_.defines()),
        with_slopes(p, arguments), one_item_groups(ceil_div(bands_.all, bands_.per_work_group))));
  }

 private:
  const Case& case_;
  Config config_;
  PlaneTiles tiles_;
  PlaneBands bands_;
};

std::vector<Config> variants(const Case& c) {
  const int rb = PlaneTiles::rows_beside_column(c, Axis::rows(c.problem).steps);
  return {{"masked", {{"rb", rb}, {"vw", c.machine.lanes}}}};
}

Fit fit(const Case& c, const Config& config) {
  const Problem& p = c.problem;
  const int rb = config.get("rb", 1, 16);
  const PlaneTiles tiles(p, rb, config.get_power_of_two("vw", 4, 16));
  if (p.layout != TensorLayout::kNchw) return unserved("layout", "channels last (nhwc)");
  // Tiles overlap: what is computed twice must not add up.
  if (p.accumulate) return unserved("accumulate", "adding to the result");
  if (p.wants_dx() && p.k != p.c) return other_than("k", p.k, p.c);
  if (auto refused = tiles.rejection()) return *refused;
  if (auto refused = tiles.column_rejection(p)) return *refused;
  return std::make_unique<const MaskedLayout>(c, config, tiles);
}

}  // namespace

extern const Body body_masked = {"masked", Suits::kCpus, 1, "depthwise/masked", variants, fit};

}  // namespace clconv::core::depthwise
