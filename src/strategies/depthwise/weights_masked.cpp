// weights_masked: weight gradient of planes that are read in place with few vector registers: rows of dy in registers,
// one column of the filter after the other. For CPUs.
#include <algorithm>

#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/plane_tiles.hpp"
#include "strategies/depthwise/staged_planes.hpp"
#include "strategies/depthwise/weights_layout.hpp"

namespace clconv::core::depthwise {
namespace {

// Cycles, PoCL 3.1, 2-core Zen 3, 2026-11: per tile; per column of the filter, for its sums on the stack; per tap, to
// add up its lanes.
constexpr double kTile = 12, kColumn = 1, kLanesOfTap = 4;
// And per vector of x that is copied to local memory.
constexpr double kSeparated = 1.6;

constexpr std::int64_t kMostTaps = 64;  // on the stack

// x in local memory, at stride 2 only: so many rows of tiles at a time that it stays in L1, if it can.
class Stage {
 public:
  Stage(const Case& c, const PlaneTiles& tiles)
      : used_(tiles.columns.advance == 2), planes_(RollingPlanes(c.problem, tiles.vw)) {
    const std::int64_t l1 = c.machine.l1_blocking_bytes / kElement;
    const auto rows_of = [&](std::int64_t band) {
      return std::min(tiles.in_h, tiles.rows.input(band * tiles.tile_rows + tiles.shift_rows()));
    };
    const auto fits = [&](std::int64_t band) {
      return band == 1 || planes_.floats(rows_of(band), 0) <= l1;
    };
    band_ = largest(tiles.rows_of_tiles(), fits);
    rows_ = rows_of(band_);
  }

  bool used() const { return used_; }
  std::int64_t band() const { return band_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t bytes() const { return used_ ? planes_.floats(rows_, 0) * kElement : 0; }
  std::string defines() const { return used_ ? planes_.defines(rows_, 0) : ""; }
  // Vectors of the input that a plane copies.
  double vectors(const PlaneTiles& tiles) const {
    return used_ ? real(ceil_div(tiles.rows_of_tiles(), band_) * rows_ *
                        ceil_div(tiles.in_w, tiles.vw))
                 : 0;
  }

 private:
  bool used_;
  StagedPlanes planes_;
  std::int64_t band_ = 1, rows_ = 0;  // rows of tiles, and of the input that they see
};

class WeightsMaskedLayout : public WeightsLayout {
 public:
  WeightsMaskedLayout(const Case& c, const Config& config, const WeightsTile& tile,
                      const PlaneTiles& tiles)
      : WeightsLayout(c, config, tile, c.problem.n, c.problem.k), tiles_(tiles), stage_(c, tiles) {}

  void describe(Candidate& candidate) const override {
    WeightsLayout::describe(candidate);
    candidate.not_considered = PlaneTiles::columns_not_considered(case_.machine);
  }

 protected:
  double unit_cycles() const override {
    const Problem& p = case_.problem;
    const double column = kColumn + tiles_.column_cycles(p.kh, stage_.used());
    return real(tiles_.rows_of_tiles() * tiles_.vectors()) * (kTile + real(p.kw) * column) +
           kSeparated * stage_.vectors(tiles_);
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
        device.kernel("depthwise/weights_masked", "depthwise_weights_masked",
                      defines + tiles_.defines() + tiles_.overlap_defines() + stage_.defines()),
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
                              {"images", cl_long{units_}},
                              {"images_per_part", cl_long{units_per_part_}},
                              {"part_stride", cl_long{p.w_elements()}},
                              {"all_filters", cl_long{all_filters}},
                              {"filters_per_work_group", cl_long{per_work_group}},
                              {"band", narrow(stage_.band())},
                              {"most_rows", narrow(stage_.rows())}},
        one_item_groups(ceil_div(all_filters, per_work_group)));
  }

 private:
  PlaneTiles tiles_;
  Stage stage_;
};

std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const auto taps = static_cast<int>(std::min<std::int64_t>(kMostTaps, p.kh * p.kw));
  const int rows = PlaneTiles::rows_beside_column(c, p.oh());
  return {WeightsTile{rows, taps, c.machine.lanes}.config("weights_masked")};
}

Fit fit(const Case& c, const Config& config) {
  const Problem& p = c.problem;
  const WeightsTile tile = WeightsTile::from(config);
  if (p.layout != TensorLayout::kNchw) return unserved("layout", "channels last (nhwc)");
  if (!tile.all_taps(p)) return other_than("taps", tile.taps, p.kh * p.kw);
  const PlaneTiles tiles(p, tile.rows, tile.vw);
  if (auto refused = tiles.rejection()) return *refused;
  if (auto refused = tiles.column_rejection(p)) return *refused;
  const std::int64_t staged = Stage(c, tiles).bytes();
  if (staged > c.profile.local_memory_bytes) return over_local_memory(staged, c.profile);
  return std::make_unique<const WeightsMaskedLayout>(c, config, tile, tiles);
}

}  // namespace

extern const Body body_weights_masked = {
    "weights_masked", Suits::kCpus, 1, "depthwise/weights_masked ops/sum_parts", variants, fit};

}  // namespace clconv::core::depthwise
