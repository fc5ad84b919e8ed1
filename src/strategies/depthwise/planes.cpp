// planes: forward convolution and data gradient of planes that are read as they lie, in tiles of whole vectors; each
// vector of the input serves all rows of results in the tile. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/plane_tiles.hpp"

namespace clconv::core::depthwise {
namespace {

// What the work-groups of a launch share: bands of tiles. A band is a whole plane, or a part of one where there
// are too few planes.
struct Bands {
  std::int64_t band;   // rows of tiles
  std::int64_t bands;  // of a plane
  std::int64_t all;    // of all planes
  std::int64_t per_work_group;

  Bands(const Problem& p, const DeviceProfile& profile, const PlaneTiles& tiles) {
    const std::int64_t planes = p.n * (p.wants_dx() ? p.c : p.k);
    // More than `rows` has: the second of two threads often wakes up when the first is half through.
    const std::int64_t wanted = 2 * kWorkGroupsPerUnit * profile.compute_units;
    band =
        ceil_div(tiles.rows_of_tiles(), std::min(tiles.rows_of_tiles(), ceil_div(wanted, planes)));
    bands = ceil_div(tiles.rows_of_tiles(), band);
    all = planes * bands;
    per_work_group = ceil_div(all, wanted);
  }
};

constexpr double kStoreOfRow = 0.5;  // cycles; PoCL 3.1, 2-core Zen 5, 2026-11

class PlanesLayout : public Layout {
 public:
  PlanesLayout(const Case& c, const Config& config, const PlaneTiles& tiles)
      : case_(c), config_(config), tiles_(tiles), bands_(c.problem, c.profile, tiles) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    const double planes = real(p.n * (p.wants_dx() ? p.c : p.k));
    const double tiles = planes * real(tiles_.rows_of_tiles() * tiles_.vectors());
    const double cycles = tiles_.cycles(p) + kStoreOfRow * real(tiles_.tile_rows);
    const Pass pass =
        plane_pass(case_, {tiles, cycles, static_cast<int>(tiles_.vw)}, real(bands_.all));
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    const Operands operands(p);
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/planes", "depthwise_planes",
                      class_defines(p, config_) + tiles_.defines()),
        with_slopes(p, {{"x", operands.input},
                        {"y_mask", operands.mask},
                        {"weights", Region{kWeightsSlot}},
                        {"b", Region{kBiasSlot}},
                        {"r", Region{kResidualSlot}},
                        {"result", operands.result},
                        {"groups", narrow(p.c)},
                        {"filters", narrow(p.k / p.c)},
                        {"in_h", narrow(tiles_.in_h)},
                        {"in_w", narrow(tiles_.in_w)},
                        {"res_h", narrow(tiles_.rows.steps)},
                        {"res_w", narrow(tiles_.columns.steps)},
                        {"shift_h", narrow(tiles_.shift_rows())},
                        {"shift_w", narrow(tiles_.shift_columns())},
                        {"band", narrow(bands_.band)},
                        {"bands", narrow(bands_.bands)},
                        {"all_bands", cl_long{bands_.all}},
                        {"bands_per_work_group", cl_long{bands_.per_work_group}},
                        {"in_image", cl_long{p.input_image()}},
                        {"out_image", cl_long{p.result_image()}}}),
        one_item_groups(ceil_div(bands_.all, bands_.per_work_group))));
  }

 private:
  const Case& case_;
  Config config_;
  PlaneTiles tiles_;
  Bands bands_;
};

// The tap loops are unrolled in nine cases, one per kind of tile at the border.
constexpr std::int64_t kMostTaps = 25;

std::optional<Rejection> rejection(const Problem& p, int rb, const PlaneTiles& tiles) {
  if (p.layout != TensorLayout::kNchw) return unserved("layout", "channels last (nhwc)");
  // Tiles overlap: what is computed twice must not add up.
  if (p.accumulate) return unserved("accumulate", "adding to the result");
  if (p.wants_dx() && p.k != p.c) return other_than("k", p.k, p.c);
  if (auto refused = tiles.rejection()) return refused;
  if (p.kh * p.kw > kMostTaps) return above("kh*kw", p.kh * p.kw, kMostTaps);
  if (!unrolls(p, rb))
    return above("unrolled combinations of a tile", unrolled_combinations(p, rb), kMostUnrolled);
  return std::nullopt;
}

Config config_of(int rb, int vw) {
  return {"planes", {{"rb", rb}, {"vw", vw}}};
}

// The widest vectors that the planes allow, and tiles of as many rows as registers serve.
std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const std::int64_t steps = Axis::rows(p).steps;
  for (int vw = c.machine.lanes; vw >= 4; vw /= 2) {
    const int most = c.machine.few_registers() ? 4 : 7;
    for (int rb = static_cast<int>(std::min<std::int64_t>(most, steps)); rb > 0; --rb) {
      if (!rejection(p, rb, PlaneTiles(p, rb, vw))) return {config_of(rb, vw)};
    }
  }
  return {config_of(static_cast<int>(std::min<std::int64_t>(4, steps)), 4)};
}

Fit fit(const Case& c, const Config& config) {
  const int rb = config.get("rb", 1, 16);
  const PlaneTiles tiles(c.problem, rb, config.get_power_of_two("vw", 4, 16));
  if (auto refused = rejection(c.problem, rb, tiles)) return *refused;
  return std::make_unique<const PlanesLayout>(c, config, tiles);
}

}  // namespace

extern const Body body_planes = {"planes", Suits::kCpus, 1, "depthwise/planes", variants, fit};

}  // namespace clconv::core::depthwise
