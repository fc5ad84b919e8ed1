// filters with channels last: explicit vectors along the filters, stored as they are; the input is read in place, and
// pixels in padding read a row of zeroes behind the packed weights. Work-items take several tiles.
#include "strategies/implicit_gemm/filters_last.hpp"

#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/implicit_gemm/filter_cost.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// The fraction of the cycles' rate that is reached. PoCL 3.1, 2-core Zen 5, 2026-11, over core.txt.
constexpr double kEfficiency = 0.96;

// Dense: the products of all taps of a row are adjacent in memory.
bool joined(const Correlation& c) {
  return c.groups == 1 && c.dw == 1;
}

// How a correlation is divided among work-groups: `tiles_per_run` neighbouring tiles of a block each, so that each has
// work that hides its launch, but all units the same.
struct Division {
  std::int64_t tiles_per_run, runs, supertile;

  Division(const Case& all, const FilterTile& tile, const Correlation& c,
           const FilterBlocks& blocks, std::int64_t image) {
    constexpr std::int64_t kProductsOfRun = 2000, kRunsPerUnit = 32;
    const std::int64_t tiles = tile.tiles(c);
    const std::int64_t even =
        tiles * c.images * blocks.blocks() / (all.profile.compute_units * kRunsPerUnit);
    const std::int64_t wanted = ceil_div(kProductsOfRun, c.reduction());
    // All blocks of filters go through a supertile before the next one, while its pixels and results stay in L2.
    const std::int64_t results = c.oh * c.ow * c.groups * c.filters;
    const std::int64_t read = image / (c.taps_h == 1 ? c.sh : 1);
    const std::int64_t supertiles = std::clamp<std::int64_t>(
        ceil_div((read + results) * kElement, all.machine.l2_blocking_bytes / 2), 1, tiles);
    const std::int64_t most = ceil_div(tiles, supertiles);
    tiles_per_run = std::clamp<std::int64_t>(std::min(even, wanted), 1, most);
    runs = ceil_div(tiles, tiles_per_run);
    // Whichever is larger, weights or image, should be read once and not per block or image.
    supertile = blocks.bytes() <= image * kElement ? ceil_div(most, tiles_per_run) : 0;
  }
};

// The share of tiles that meet padding in no tap, which need no pointers per tap and block of channels.
double share_inside(const FilterTile& tile, const Correlation& c) {
  const std::int64_t tiles = ceil_div(c.ow, tile.tw);
  std::int64_t inside = 0;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t first = c.left + std::min(t * tile.tw, c.ow - tile.tw) * c.sw;
    const std::int64_t last = first + (tile.tw - 1) * c.sw + (c.taps_w - 1) * c.dw;
    inside += first >= 0 && last < c.in_w ? 1 : 0;
  }
  return real(inside) / real(tiles);
}

// Cycles of the products of a tile: cache lines of pixels, and of weights that L1 does not hold, come from L2.
double cycles_of_products(const Case& all, const FilterTile& tile, const Correlation& c) {
  // With 8 pixels LLVM 15 keeps their pointers in one vector register and takes them out again.
  constexpr double kPointersInVector = 1.1;
  const double steps = real(c.reduction()) * share_met(tile, c), pixels = real(tile.pixels());
  const double lines =
      pixels * kElement / real(all.machine.line_bytes) +
      far_weight_lines(all.machine, real(c.reduction()), real(tile.block() * kElement));
  const double cycles =
      std::max(product_cycles(all.machine, steps, tile.kv * pixels, tile.kv + pixels),
               l2_cycles(all.machine, steps, lines));
  return cycles * (tile.pixels() == 8 ? kPointersInVector : 1.0);
}

// Cycles of a tile around its products: per tile, pixel, vector of results and segment.
double cycles_around(const FilterTile& tile, const Correlation& c) {
  // effnet_stem, convnext_stem and mbv2_expand with kv=2 to 4 and 2 to 6 pixels (2-core Zen 3, 2026-11).
  constexpr double kTile = 5, kPixel = 10, kVector = 3, kPointer = 2;
  constexpr double kPointerAtBorder = 6;  // a guess
  const double inside = share_inside(tile, c), pixels = real(tile.pixels());
  const std::int64_t taps = c.taps_h * c.taps_w;
  const double segments = real(joined(c) ? c.taps_h : taps);
  const double at_border = real(taps * ceil_div(c.channels, tile.block()));
  return kTile + kPixel * pixels + kVector * pixels * tile.kv +
         pixels * (inside * segments * kPointer + (1 - inside) * at_border * kPointerAtBorder);
}

Pass pass_of(const Case& all, const FilterTile& tile, const Correlation& c,
             const FilterBlocks& blocks, const Division& division, std::int64_t chunks) {
  const double all_blocks = real(blocks.blocks()) * real(c.images);
  const double cycles = cycles_of_products(all, tile, c) + cycles_around(tile, c);
  return vector_pass(all.profile, {real(tile.tiles(c)) * all_blocks, cycles, tile.vw, kEfficiency},
                     traffic_of(all, c, blocks, real(division.runs) * all_blocks, chunks));
}

class FiltersLast : public RegisterTileLayout {
 public:
  FiltersLast(const Case& c, const Config& config, const FilterTile& tile)
      : RegisterTileLayout(c, config, tile.block(), 0, true, InputView::Padding::kOutside,
                           /*zero_rows=*/1),
        tile_(tile) {}

 protected:
  std::int64_t tile_columns() const override { return tile_.tw; }
  Pass multiply_pass(const Correlation& c, const FilterBlocks& blocks) const override {
    return pass_of(case_, tile_, c, blocks, Division(case_, tile_, c, blocks, view_.image),
                   view_.chunks());
  }
  std::unique_ptr<Step> multiply(Device& device, const Operand& operand) const override {
    const Correlation& c = operand.correlation;
    const FilterBlocks& blocks = operand.blocks;
    const Division division(case_, tile_, c, blocks, view_.image);
    // float16 is copied, to float32, and the copy has the padding in it.
    std::vector<Argument> arguments = {{"x", operand.x},
                                       {"packed", operand.packed},
                                       {"b", Region{kBiasSlot}},
                                       {"r", Region{kResidualSlot}},
                                       {"result", Operands(case_.problem).result},
                                       {"images", narrow(operand.images)},
                                       {"channels", narrow(c.channels)},
                                       {"taps_h", narrow(c.taps_h)},
                                       {"taps_w", narrow(c.taps_w)},
                                       {"x_image", cl_long{view_.image}},
                                       {"pitch", narrow(view_.pitch)},
                                       {"step", narrow(view_.step)},
                                       {"top", narrow(c.top - view_.top)},
                                       {"left", narrow(c.left - view_.left)},
                                       {"in_h", narrow(view_.rows)},
                                       {"in_w", narrow(view_.columns)},
                                       {"oh", narrow(c.oh)},
                                       {"ow", narrow(c.ow)},
                                       {"tiles_x", narrow(ceil_div(c.ow, tile_.tw))},
                                       {"tiles", narrow(tile_.tiles(c))},
                                       {"tiles_per_run", narrow(division.tiles_per_run)},
                                       {"runs", narrow(division.runs)},
                                       {"supertile", narrow(division.supertile)},
                                       {"filters", narrow(c.filters)},
                                       {"blocks_per_group", narrow(blocks.blocks_per_group)},
                                       {"groups", narrow(c.groups)}};
    for (const Argument& argument : result_arguments(c, operand.first_image))
      arguments.push_back(argument);
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/filters_last", "implicit_gemm_filters_last",
                      shared_defines(case_.problem, c, config_.defines())),
        with_bounds(case_.problem, arguments),
        one_item_groups(division.runs * blocks.blocks() * operand.images));
  }

 private:
  FilterTile tile_;
};

}  // namespace

Fit filters_last(const Case& all, const Config& config, const FilterTile& tile) {
  return std::make_unique<const FiltersLast>(all, config, tile);
}

}  // namespace clconv::core::implicit_gemm
