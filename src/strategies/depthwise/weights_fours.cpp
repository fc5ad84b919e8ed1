// weights_fours: weight gradient, the sums of all taps of a filter in the registers of a work-item, over tiles of four
// neighbouring pixels of a few rows; the work-items of a work-group meet in local memory. For GPUs.
#include <algorithm>

#include "ops/quotient.hpp"
#include "ops/reduce.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {
namespace {

constexpr int kFour = 4;
// What is unrolled: more taps, or columns and rows of x, want more registers than a work-item has.
constexpr std::int64_t kMostTaps = 49, kMostColumns = 16, kMostRows = 16;

// Tiles of dy: 4 columns of `ty` rows.
struct Tiles {
  int ty, items;               // rows of a tile, work-items of a work-group
  bool aligned;                // vectors of x and dy are
  std::int64_t columns, rows;  // of x that a tile meets
  std::int64_t quads, row_tiles, all, per_part, parts;

  Tiles(const Problem& p, const Config& c)
      : ty(c.get("ty", 1, 8)),
        items(c.get_power_of_two("items", 1, 1024)),
        aligned(c.get("aligned", 0, 1) != 0),
        columns((kFour - 1) * p.sw + (p.kw - 1) * p.dw + 1),
        rows((ty - 1) * p.sh + (p.kh - 1) * p.dh + 1),
        quads(ceil_div(p.ow(), kFour)),
        row_tiles(ceil_div(p.oh(), ty)),
        all(saturating_product(p.n, row_tiles, quads)),
        per_part(round_up(ceil_div(all, c.get("split", 1, 1 << 16)), items)),
        parts(ceil_div(all, per_part)) {}
};

class WeightsFoursLayout : public Layout {
 public:
  WeightsFoursLayout(const Case& c, const Config& config)
      : case_(c), config_(config), tiles_(c.problem, config) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    const double groups = real(p.k * tiles_.parts), taps = real(p.kh * p.kw);
    const double tiles = real(tiles_.per_part / tiles_.items);  // of a work-item
    // Instructions beside the multiply-adds, docs/gpu.md: of a tile, of a column of a row of x, and at the end.
    constexpr double kTile = 34, kColumn = 7, kColumnOfFour = 3.8, kEnd = 100, kEndOfTap = 14;
    const double column = tiles_.aligned ? kColumnOfFour : kColumn;
    const double products = tiles * kFour * tiles_.ty * taps;
    const double others =
        tiles * (kTile + column * real(tiles_.rows * tiles_.columns)) + kEnd + kEndOfTap * taps;
    const Pass multiply = arithmetic_pass(
        kFlopsPerFma * groups * tiles_.items * products, products / (products + others),
        {operand_bytes(p), filling_groups(case_.profile, case_.machine, groups, tiles_.items)});
    const double partial = real(partial_bytes());
    describe_as(candidate, p,
                predicted_us(case_.profile, {multiply, copy_pass(2 * partial, groups)}));
    remember(candidate);
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    WorkspaceLayout workspace(case_.profile);
    Region result{kDwSlot};
    Problem multiplied = p;
    if (tiles_.parts > 1) {
      result = workspace.add(partial_bytes());
      multiplied.accumulate = false;  // sum_parts does it
    }
    executable.workspace_bytes = workspace.bytes();
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/weights_fours", "depthwise_weights_fours",
                      class_defines(multiplied, config_) + define("LEFT", p.pl % kFour) +
                          define("WHOLE", p.oh() % tiles_.ty == 0) +
                          define("PARTS", tiles_.parts > 1)),
        arguments(result), items(p.k * tiles_.parts * tiles_.items, tiles_.items)));
    if (tiles_.parts > 1) {
      executable.run.add(sum_parts(device, p.w_elements(), tiles_.parts, p.accumulate, result,
                                   Mask(), Region{kDwSlot}, p.data_type));
    }
  }

 private:
  std::int64_t partial_bytes() const {
    return tiles_.parts > 1 ? saturating_product(tiles_.parts, case_.problem.w_elements(), kElement)
                            : 0;
  }
  void remember(Candidate& candidate) const {
    WorkspaceLayout workspace(case_.profile);
    if (tiles_.parts > 1) workspace.add(partial_bytes());
    candidate.workspace_bytes = workspace.bytes();
    candidate.coverage.rows = tiles_.ty;
    candidate.coverage.columns = kFour;
  }
  std::vector<Argument> arguments(const Region& result) const {
    const Problem& p = case_.problem;
    const Reciprocal of_row_tiles(tiles_.row_tiles), of_quads(tiles_.quads);
    return {{"x", Region{kXSlot}},
            {"dy", Region{kDySlot}},
            {"y_mask", p.mask ? Region{kYSlot} : Region{kDySlot}},
            {"result", result},
            {"all_filters", narrow(p.k)},
            {"filters", narrow(p.k / p.c)},
            {"in_h", narrow(p.h)},
            {"in_w", narrow(p.w)},
            {"pt", narrow(p.pt)},
            {"pl", narrow(p.pl)},
            {"oh", narrow(p.oh())},
            {"ow", narrow(p.ow())},
            {"row_tiles", narrow(tiles_.row_tiles)},
            {"row_tiles_reciprocal", of_row_tiles.bits()},
            {"row_tiles_shift", cl_int{of_row_tiles.shift}},
            {"quads", narrow(tiles_.quads)},
            {"quads_reciprocal", of_quads.bits()},
            {"quads_shift", cl_int{of_quads.shift}},
            {"tiles", narrow(tiles_.all)},
            {"tiles_per_part", narrow(tiles_.per_part)},
            {"x_image", cl_long{p.c * p.h * p.w}},
            {"dy_image", cl_long{p.k * p.oh() * p.ow()}},
            {"part_stride", cl_long{p.w_elements()}}};
  }

  const Case& case_;
  Config config_;
  Tiles tiles_;
};

bool rows_are_aligned(const Problem& p) {
  return p.w % kFour == 0 && p.ow() % kFour == 0;
}

// More rows share what is read, fewer leave a small problem more work-items. Parts that give all units enough of them.
std::vector<Config> variants(const Case& c) {
  constexpr std::int64_t kMostItems = 64, kLeastItems = 16, kMostParts = 64, kGroupsPerUnit = 2;
  std::vector<Config> configs;
  const Problem& p = c.problem;
  // A single row of many taps spills on gfx90a (clang 15).
  const int fewest = p.kh * p.kw > 25 ? 2 : 1;
  for (int ty = fewest; ty <= kFour; ty *= 2) {
    Config config{"weights_fours",
                  {{"aligned", rows_are_aligned(p)}, {"items", 1}, {"split", 1}, {"ty", ty}}};
    const Tiles tiles(p, config);
    if (ty > fewest && (ty > p.oh() || tiles.rows > kMostRows)) break;
    std::int64_t items = 1;
    while (2 * items <= std::min(kMostItems, c.profile.max_work_group_size) &&
           (items < kLeastItems || items < tiles.all))
      items *= 2;
    const std::int64_t busy =
        kGroupsPerUnit * c.profile.compute_units * c.machine.items_per_unit / items;
    const std::int64_t rounds = std::min(kMostParts, ceil_div(tiles.all, items));
    config.set("items", static_cast<int>(items));
    config.set("split", static_cast<int>(std::clamp<std::int64_t>(busy / p.k, 1, rounds)));
    configs.push_back(config);
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const Problem& p = c.problem;
  const Tiles tiles(p, config);
  const std::int64_t local_bytes = saturating_product(p.kh * p.kw, tiles.items, kElement);
  if (tiles.items > c.profile.max_work_group_size)
    return Rejection{Reason::kWorkGroupSize, "items", tiles.items, c.profile.max_work_group_size,
                     ""};
  if (p.kh * p.kw > kMostTaps) return above("kh*kw", p.kh * p.kw, kMostTaps);
  if (tiles.columns > kMostColumns)
    return above("3*sw + (kw-1)*dw + 1", tiles.columns, kMostColumns);
  if (tiles.rows > kMostRows) return above("(ty-1)*sh + (kh-1)*dh + 1", tiles.rows, kMostRows);
  if (local_bytes > c.profile.local_memory_bytes) return over_local_memory(local_bytes, c.profile);
  if (tiles.aligned && !rows_are_aligned(p))
    return other_than("w % 4 + ow % 4", p.w % kFour + p.ow() % kFour, 0);
  constexpr std::int64_t kMost = INT32_MAX / 2;
  if (tiles.all > kMost) return above("tiles", tiles.all, kMost);
  if (saturating_product(p.k, tiles.parts) > kMost)
    return above("k*split", p.k * tiles.parts, kMost);
  return std::make_unique<const WeightsFoursLayout>(c, config);
}

}  // namespace

extern const Body body_weights_fours = {
    "weights_fours", Suits::kGpus, 1, "depthwise/weights_fours ops/sum_parts", variants, fit};

}  // namespace clconv::core::depthwise
