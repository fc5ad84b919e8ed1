// f2x2_fused: F(2x2, 3x3) in one kernel, transforms and products through local memory. No workspace. For GPUs.
#include <algorithm>
#include <cmath>

#include "ops/epilogue.hpp"
#include "ops/quotient.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/winograd/bodies.hpp"

namespace clconv::core::winograd {
namespace {

constexpr int kM = 2, kSums = 8;  // a work-item has kSums x kSums products of one xi
constexpr std::int64_t kXi = products_of(kM);

// bm filters of bn tiles, bk channels at a time.
struct FusedTile {
  int bm, bn, bk;

  Config config() const { return {"f2x2_fused", {{"bm", bm}, {"bn", bn}, {"bk", bk}}}; }
  static FusedTile from(const Config& c) {
    const FusedTile tile{c.get("bm", 8, 64), c.get("bn", 8, 64), c.get("bk", 1, 16)};
    // A work-item transforms one tile of a channel at most, and all copy the same share of the weights, of whole
    // channels at once. The kernel numbers fewer than 8 work-items a row and column.
    const std::int64_t items = tile.items();
    if (tile.bm % kSums != 0 || tile.bn % kSums != 0 || tile.bm / kSums >= 8 ||
        tile.bn / kSums >= 8 || tile.bk * tile.bn > items ||
        4 * items % (std::int64_t{tile.bm} * kXi) != 0 ||
        std::int64_t{tile.bk} * tile.bm * kXi % (4 * items) != 0) {
      throw Error(Code::kInvalidArgument,
                  "config '" + c.text() + "': the tiles do not divide among the work-items");
    }
    return tile;
  }
  std::string defines(const Case& all) const {
    const Config macros{{"m", kM},     {"bm", bm},
                        {"bn", bn},    {"bk", bk},
                        {"tm", kSums}, {"tn", kSums},
                        {"ahead", 1},  {"whole", all.correlations.front().channels % bk == 0}};
    return macros.defines() + " " + epilogue_defines(all.problem) + all.machine.more_registers;
  }

  std::int64_t items() const { return kXi * (bm / kSums) * (bn / kSums); }
  // Of the factors of a step, or of the products of two rows of filters.
  std::int64_t local_bytes() const {
    return Problem::kFloatBytes * std::max(kXi * bk * (bm + bn), kXi * 2 * (bm / kSums) * bn);
  }
  std::optional<Rejection> rejection(const DeviceProfile& profile) const {
    return over_work_group(items(), local_bytes(), profile);
  }
};

constexpr FusedTile kTiles[] = {
    {32, 32, 8},
    {32, 32, 4},  // for 16 KiB of local memory
    {32, 16, 8},  // for small work-groups
    {16, 16, 4},
};

struct FusedGrid : Tiles {
  std::int64_t padded_filters, blocks, strips, work_groups, packed_bytes;

  FusedGrid(const Case& all, const FusedTile& tile)
      : Tiles(all, kM),
        padded_filters(round_up(c.filters, tile.bm)),
        blocks(padded_filters / tile.bm),
        strips(ceil_div(tiles, tile.bn)),
        work_groups(saturating_product(c.groups, blocks, strips)),
        packed_bytes(
            saturating_product(kXi * c.groups, c.channels, padded_filters, Problem::kFloatBytes)) {}
};

class FusedLayout : public Layout {
 public:
  FusedLayout(const Case& c, const FusedTile& tile) : case_(c), tile_(tile), grid_(c, tile) {}

  void describe(Candidate& candidate) const override {
    describe_transforms(candidate, case_.problem, kM);
    candidate.prepared_weights_bytes = grid_.packed_bytes;
    // A square of more than bn tiles.
    const auto side = static_cast<std::int64_t>(std::ceil(std::sqrt(tile_.bn))) * kM;
    candidate.coverage = {tile_.bm, side, side};
    candidate.predicted_us = us();
    if (!case_.profile.local_memory_dedicated)
      candidate.not_considered = "local memory is ordinary memory here";
  }

  void add_to(Executable& executable, Device& device) const override {
    executable.prepared_weights_bytes = grid_.packed_bytes;
    executable.prepare.add(
        transform_gpu_weights(device, grid_.c, kM, grid_.padded_filters,
                              std::min<std::int64_t>(128, case_.profile.max_work_group_size)));
    executable.run.add(std::make_unique<KernelStep>(
        "winograd", device.kernel("winograd/f2x2_fused", "winograd_fused", tile_.defines(case_)),
        with_slopes(case_.problem, arguments()),
        items(grid_.work_groups * tile_.items(), tile_.items())));
  }

 private:
  // Of a work-item's instructions the share that multiplies, docs/gpu.md: of the products of a step as in the other
  // tiles, of the transform of a tile 80, of copying weights 3 for each vector; before and after the steps 800.
  double share() const {
    constexpr double kTransform = 80, kFetch = 3, kEnds = 800;
    const double steps = real(ceil_div(grid_.c.channels, tile_.bk));
    const double products = kSums * kSums * tile_.bk;
    const double fetches = real(kXi * tile_.bk * tile_.bm / 4) / real(tile_.items());
    const double step =
        products / multiplying_share(case_.profile, kSums, kSums) + kTransform + kFetch * fetches;
    return steps * products / (steps * step + kEnds);
  }

  double us() const {
    // A weight brought to local memory, for bn tiles, costs about 4 multiply-adds, a guess; those of the input, which
    // L1 has for the neighbours, are in the transform.
    constexpr double kWeight = 4;
    const double flops = kFlopsPerFma * real(grid_.work_groups * kXi) * tile_.bm * tile_.bn *
                         real(round_up(grid_.c.channels, tile_.bk));
    const double bytes =
        input_bytes(case_.problem) + result_bytes(case_.problem) + real(grid_.packed_bytes);
    const double groups =
        filling_groups(case_.profile, case_.machine, real(grid_.work_groups), real(tile_.items()));
    const double efficiency = share() * tile_.bn / (tile_.bn + kWeight);
    return predicted_us(case_.profile, {arithmetic_pass(flops, efficiency, {bytes, groups})});
  }

  std::vector<Argument> arguments() const {
    const Correlation& c = grid_.c;
    const Reciprocal of_y(grid_.tiles_y), of_x(grid_.tiles_x);
    return {{"x", input_of(case_.problem)},
            {"y", y_of(case_.problem)},
            {"packed", Region{kPreparedSlot}},
            {"b", Region{kBiasSlot}},
            {"r", Region{kResidualSlot}},
            {"result", Region{static_cast<int>(result_of(case_.problem))}},
            {"channels", narrow(c.channels)},
            {"filters", narrow(c.filters)},
            {"groups", narrow(c.groups)},
            {"padded_filters", narrow(grid_.padded_filters)},
            {"blocks", narrow(grid_.blocks)},
            {"strips", narrow(grid_.strips)},
            {"in_h", narrow(c.in_h)},
            {"in_w", narrow(c.in_w)},
            {"top", narrow(c.top)},
            {"left", narrow(c.left)},
            {"oh", narrow(c.oh)},
            {"ow", narrow(c.ow)},
            {"tiles", narrow(grid_.tiles)},
            {"tiles_y", narrow(grid_.tiles_y)},
            {"tiles_y_reciprocal", of_y.bits()},
            {"tiles_y_shift", cl_int{of_y.shift}},
            {"tiles_x", narrow(grid_.tiles_x)},
            {"tiles_x_reciprocal", of_x.bits()},
            {"tiles_x_shift", cl_int{of_x.shift}},
            {"in_image", cl_long{c.in_image}},
            {"out_image", cl_long{c.out_image}}};
  }

  const Case& case_;
  FusedTile tile_;
  FusedGrid grid_;
};

std::vector<Config> variants(const Case& all) {
  return configs_of(kTiles, all.profile, [](const FusedTile& tile) { return tile.config(); });
}

Fit fit(const Case& c, const Config& config) {
  const FusedTile tile = FusedTile::from(config);
  if (c.correlations.front().channels_last) return unserved("layout", "channels last (nhwc)");
  if (auto rejection = tile.rejection(c.profile)) return *rejection;
  const FusedGrid grid(c, tile);
  // Both are counted in 31 bits.
  if (grid.tiles > INT32_MAX - tile.bn) return above("tiles", grid.tiles, INT32_MAX - tile.bn);
  if (grid.work_groups > INT32_MAX) return above("work-groups", grid.work_groups, INT32_MAX);
  if (auto rejection = too_many_gpu_weights(grid.c, grid.padded_filters)) return *rejection;
  return std::make_unique<const FusedLayout>(c, tile);
}

}  // namespace

extern const Body body_f2x2_fused = {
    "f2x2_fused", Suits::kGpus, 1, "winograd/f2x2_fused winograd/tile_weights", variants, fit};

}  // namespace clconv::core::winograd
