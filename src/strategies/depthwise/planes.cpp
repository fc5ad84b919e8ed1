// planes: forward convolution and data gradient of planes that are read as they lie, in tiles of whole vectors; each
// vector of the input serves all rows of results in the tile. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/plane_tiles.hpp"

namespace clconv::core::depthwise {
namespace {

constexpr double kStoreOfRow = 0.5;  // cycles; PoCL 3.1, 2-core Zen 5, 2026-11

class PlanesLayout : public Layout {
 public:
  PlanesLayout(const Case& c, const Config& config, const PlaneTiles& tiles)
      : case_(c), config_(config), tiles_(tiles), bands_(c, tiles) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    const double planes = real(p.n * (p.wants_dx() ? p.c : p.k));
    const double tiles = planes * real(tiles_.rows_of_tiles() * tiles_.vectors());
    const double cycles = tiles_.cycles(case_) + kStoreOfRow * real(tiles_.tile_rows);
    Pass pass = plane_pass(case_, {tiles, cycles, static_cast<int>(tiles_.vw)}, real(bands_.all));
    if (results_leave_caches(case_) && (p.wants_dx() ? p.w : p.ow()) % tiles_.vw == 0)
      pass.bytes -= streamed_bytes(case_);
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    const bool pairs = p.data_type == DataType::kBfloat16 && tiles_.columns.advance == 2;
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/planes", "depthwise_planes",
                      class_defines(p, config_) + tiles_.defines() + define("PAIRS", pairs) +
                          define("STREAM", results_leave_caches(case_))),
        with_slopes(p, bands_.arguments(p, tiles_)),
        one_item_groups(ceil_div(bands_.all, bands_.per_work_group))));
  }

 private:
  const Case& case_;
  Config config_;
  PlaneTiles tiles_;
  PlaneBands bands_;
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

// Rows of a tile, at most. Of 16 registers more than 4 rows spill, which takes less time than elements of 16 bits that
// more tiles convert again (n16c144h56w56k144kh3kw3p1g144, float16: 1.67 ms with 4 rows, 1.25 with 7; 2-core Zen 3,
// 2026-11). At stride 2 tiles share few rows.
int most_rows(const Case& c) {
  constexpr int kMost = 7, kFewRegisters = 4;
  const bool converted =
      c.problem.data_type != DataType::kFloat32 && Axis::rows(c.problem).advance == 1;
  return c.machine.few_registers() && !converted ? kFewRegisters : kMost;
}

// The widest vectors that the planes allow, and tiles of as many rows as registers serve.
std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const std::int64_t steps = Axis::rows(p).steps;
  for (int vw = c.machine.lanes; vw >= 4; vw /= 2) {
    for (int rb = static_cast<int>(std::min<std::int64_t>(most_rows(c), steps)); rb > 0; --rb) {
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
