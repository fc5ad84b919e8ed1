// in_place: explicit vectors along the filters; the input is read in place and not from a padded copy, which would cost
// as much as the products where a group has few channels. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/implicit_gemm/filter_cost.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kSlab = 16;  // channels, SLAB in the kernel

// PoCL 3.1, 2-core Zen 5, 2026-11.
constexpr double kEfficiency = 0.96;  // fraction of the cycles' rate that is reached
// Cycles per tap and slab to find which pixels meet padding: where there are several taps, and where there is one.
constexpr double kTap = 4, kOneTap = 12;
// Cycles per pixel and product where the kernel gathers a tile's pixels in private memory, with zeroes for padding.
constexpr double kThroughMemory = 2;

// The share of a row's tiles and columns of taps for which the kernel does so: several of the tile's pixels are in
// padding, but not all. (One alone is left out of the products by code of its own.)
double share_through_memory(const FilterTile& tile, const Correlation& c) {
  const std::int64_t tiles = ceil_div(c.ow, tile.tw);
  std::int64_t some = 0;
  for (std::int64_t t = 0; t < tiles; ++t) {
    for (std::int64_t q = 0; q < c.taps_w; ++q) {
      const std::int64_t first = c.left + std::min(t * tile.tw, c.ow - tile.tw) * c.sw + q * c.dw;
      const std::int64_t last = first + (tile.tw - 1) * c.sw;
      const std::int64_t front = first < 0 ? ceil_div(-first, c.sw) : 0;
      const std::int64_t behind = last >= c.in_w ? ceil_div(last - c.in_w + 1, c.sw) : 0;
      some += front + behind > 1 && front + behind < tile.tw ? 1 : 0;
    }
  }
  return real(some) / real(std::max<std::int64_t>(1, tiles * c.taps_w));
}

// Neighbouring tiles that a work-group computes, one after the other, with the weights of one block; `blocks` of all
// images.
std::int64_t tiles_per_work_group(const Case& all, const FilterTile& tile, const Correlation& c,
                                  std::int64_t blocks) {
  constexpr std::int64_t kWorkGroupsPerUnit = 16;
  const std::int64_t wanted = all.profile.compute_units * kWorkGroupsPerUnit;
  const std::int64_t per_block =
      std::clamp<std::int64_t>(ceil_div(wanted, blocks), 1, tile.tiles(c));
  return ceil_div(tile.tiles(c), per_block);
}

Pass pass_of(const Case& all, const FilterTile& tile, const Correlation& c,
             const FilterBlocks& blocks, std::int64_t chunks) {
  const std::int64_t taps = c.taps_h * c.taps_w;
  const double tiles = real(tile.tiles(c) * blocks.blocks() * c.images);
  const double steps = real(c.reduction()) * share_met(tile, c);
  const double through_memory = steps * share_through_memory(tile, c) * kThroughMemory * tile.tw;
  const double cycles = filter_product_cycles(all, tile, c, steps) + through_memory +
                        (taps > 1 ? kTap : kOneTap) * real(taps * ceil_div(c.channels, kSlab)) +
                        store_cycles(all.problem, tile, c);
  const std::int64_t all_blocks = blocks.blocks() * c.images;
  const std::int64_t work_groups =
      ceil_div(tile.tiles(c), tiles_per_work_group(all, tile, c, all_blocks)) * all_blocks;
  return vector_pass(all.profile, {tiles, cycles, tile.vw, kEfficiency},
                     traffic_of(all, c, blocks, real(work_groups), chunks));
}

class InPlace : public RegisterTileLayout {
 public:
  InPlace(const Case& c, const Config& config, const FilterTile& tile)
      : RegisterTileLayout(c, config, tile.block(), 0, true, InputView::Padding::kOutside),
        tile_(tile) {}

  void describe(Candidate& candidate) const override {
    RegisterTileLayout::describe(candidate);
    const Correlation& c = case_.correlations.front();
    if (c.channels > kSlab) candidate.coverage.slab_channels = kSlab + 1;
    if (case_.machine.few_registers() && !ranked_with_few_registers(c))
      candidate.not_considered =
          "with 16 vector registers in_place is for stride 2, 16 channels or more and short "
          "reductions";
  }

 protected:
  std::int64_t tile_columns() const override { return tile_.tw; }
  Pass multiply_pass(const Correlation& c, const FilterBlocks& blocks) const override {
    return pass_of(case_, tile_, c, blocks, view_.chunks());
  }
  std::unique_ptr<Step> multiply(Device& device, const Operand& operand) const override {
    const Correlation& c = operand.correlation;
    const std::int64_t blocks = operand.blocks.blocks();
    const std::int64_t tiles = tile_.tiles(c);
    const std::int64_t per_work_group =
        tiles_per_work_group(case_, tile_, c, blocks * operand.images);
    // A gradient with a mask and float16 are copied nevertheless, to float32, and the copy has the padding in it.
    const bool copied = view_.copied;
    std::vector<Argument> arguments = {
        {"x", operand.x},
        {"packed", operand.packed},
        {"b", Region{kBiasSlot}},
        {"r", Region{kResidualSlot}},
        {"result", Operands(case_.problem).result},
        {"images", narrow(operand.images)},
        {"channels", narrow(c.channels)},
        {"taps_h", narrow(c.taps_h)},
        {"taps_w", narrow(c.taps_w)},
        {"x_image", cl_long{view_.image}},
        {"plane", cl_long{view_.plane}},
        {"pitch", narrow(view_.pitch)},
        {"top", narrow(c.top - view_.top)},
        {"left", narrow(c.left - view_.left)},
        {"in_h", narrow(copied ? view_.planes.hp : c.in_h)},
        {"in_w", narrow(copied ? view_.planes.wp : c.in_w)},
        {"oh", narrow(c.oh)},
        {"ow", narrow(c.ow)},
        {"tiles_x", narrow(ceil_div(c.ow, tile_.tw))},
        {"tiles", narrow(tiles)},
        {"tiles_per_work_group", narrow(per_work_group)},
        {"filters", narrow(c.filters)},
        {"blocks_per_group", narrow(operand.blocks.blocks_per_group)},
        {"groups", narrow(c.groups)}};
    for (const Argument& argument : result_arguments(c, operand.first_image))
      arguments.push_back(argument);
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/in_place", "implicit_gemm_in_place",
                      shared_defines(case_.problem, c, config_.defines())),
        with_bounds(case_.problem, arguments),
        one_item_groups(ceil_div(tiles, per_work_group) * blocks * operand.images));
  }

 private:
  // Where the predictions put the body in its place (docs/calibration.md). With one tap, long reductions or at stride 1
  // it takes up to twice as long as predicted.
  static bool ranked_with_few_registers(const Correlation& c) {
    constexpr std::int64_t kMostChannels = 24, kMostProducts = 9 * kMostChannels;
    return c.sw == 2 && c.taps_h * c.taps_w > 1 && c.channels >= kSlab &&
           c.channels <= kMostChannels && c.reduction() <= kMostProducts;
  }

  FilterTile tile_;
};

// Tiles of pixels of one row, about equally wide, as wide as the registers allow.
std::vector<Config> variants(const Case& all) {
  const LeastResult least(all.correlations);
  std::vector<Config> configs;
  for (int kv = 1; kv <= 3; ++kv) {
    if (kv > 1 && (kv - 1) * all.machine.lanes >= all.correlations.front().filters) continue;
    const std::int64_t most =
        std::min<std::int64_t>(FilterTile::most_pixels(kv, all.machine.registers), least.w);
    if (most < 1) continue;
    const int tw = static_cast<int>(ceil_div(least.w, ceil_div(least.w, most)));
    configs.push_back({"in_place", {{"kv", kv}, {"th", 1}, {"tw", tw}, {"vw", all.machine.lanes}}});
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const FilterTile tile = FilterTile::from(config);
  if (auto rejection = tile.rejection(c)) return *rejection;
  if (tile.th > 1) return above("th", tile.th, 1);
  if (c.correlations.front().channels_last) return unserved("layout", "channels last (nhwc)");
  return std::make_unique<const InPlace>(c, config, tile);
}

}  // namespace

extern const Body body_in_place = {
    "in_place", Suits::kCpusAndLastResort, 2, "implicit_gemm/in_place ops/pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
