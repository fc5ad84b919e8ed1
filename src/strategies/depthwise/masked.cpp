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
// And to stage a vector of the input; a row takes as long as one more.
constexpr double kStaged = 0.5;

// The input as floats in local memory, where its elements have 16 bits: so many rows of tiles at a time that it stays
// in L1, if it can.
class Stage {
 public:
  Stage(const Case& c, const PlaneTiles& tiles) : used_(c.problem.data_type != DataType::kFloat32) {
    if (!used_) return;
    std::int64_t floats = c.machine.l1_blocking_bytes / kElement;
    const auto fits = [&](std::int64_t band) { return floats_of(c, tiles, band) <= floats; };
    while (!fits(1))
      floats *= 2;
    floats_ = floats;
    most_ = largest(tiles.rows_of_tiles(), fits);
  }

  std::int64_t most_rows_of_tiles() const { return most_; }
  std::int64_t bytes() const { return floats_ * kElement; }
  std::string defines() const { return used_ ? define("STAGE_FLOATS", floats_) : ""; }
  // Vectors that a band of a plane stages.
  double vectors(const PlaneTiles& tiles, std::int64_t band) const {
    return used_ ? real(rows_of(tiles, band) * (ceil_div(tiles.in_w, tiles.vw) + 1)) : 0;
  }

 private:
  // Rows of the input that a band sees: the last one may begin a little later than the tiles before it end.
  static std::int64_t rows_of(const PlaneTiles& tiles, std::int64_t band) {
    return std::min(tiles.in_h, tiles.rows.input(band * tiles.tile_rows + tiles.shift_rows()));
  }
  // The filter, the rows with their borders, and what vectors reach in front of the rows and behind.
  static std::int64_t floats_of(const Case& c, const PlaneTiles& tiles, std::int64_t band) {
    const std::int64_t vw = tiles.vw, reached = 2 * vw + tiles.columns.advance * vw;
    return round_up(c.problem.kh * c.problem.kw, vw) +
           rows_of(tiles, band) * round_up(tiles.in_w + tiles.border(), vw) + reached;
  }

  bool used_;
  std::int64_t floats_ = 0, most_ = INT64_MAX;
};

class MaskedLayout : public Layout {
 public:
  MaskedLayout(const Case& c, const Config& config, const PlaneTiles& tiles)
      : case_(c),
        config_(config),
        tiles_(tiles),
        stage_(c, tiles),
        bands_(c, tiles, stage_.most_rows_of_tiles()) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    const double planes = real(p.n * (p.wants_dx() ? p.c : p.k));
    const double tiles = real(tiles_.rows_of_tiles() * tiles_.vectors());
    const double cycles =
        kTile + real(p.kw) * tiles_.column_cycles(p.kh) + kStore * real(tiles_.tile_rows) +
        kStaged * real(bands_.bands) * stage_.vectors(tiles_, bands_.band) / tiles;
    const Pass pass =
        plane_pass(case_, {planes * tiles, cycles, static_cast<int>(tiles_.vw)}, real(bands_.all));
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
                      class_defines(p, config_) + tiles_.defines() + stage_.defines()),
        with_slopes(p, arguments), one_item_groups(ceil_div(bands_.all, bands_.per_work_group))));
  }

 private:
  const Case& case_;
  Config config_;
  PlaneTiles tiles_;
  Stage stage_;
  PlaneBands bands_;
};

std::vector<Config> variants(const Case& c) {
  // What is staged needs no mask, in pairs of vectors as many registers.
  const bool staged = c.problem.data_type != DataType::kFloat32;
  const std::int64_t others = staged && Axis::columns(c.problem).advance == 1 ? 1 : 2;
  const int rb = PlaneTiles::rows_beside_column(c, Axis::rows(c.problem).steps, others);
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
  const std::int64_t staged = Stage(c, tiles).bytes();
  if (staged > c.profile.local_memory_bytes) return over_local_memory(staged, c.profile);
  return std::make_unique<const MaskedLayout>(c, config, tiles);
}

}  // namespace

extern const Body body_masked = {"masked", Suits::kCpus, 1, "depthwise/masked", variants, fit};

}  // namespace clconv::core::depthwise
