// filters with channels last: explicit vectors along the filters, stored as they are; the input is read in place, and
// pixels in padding read a row of zeroes behind the packed weights. Work-items take several tiles.
#include "strategies/implicit_gemm/filters_last.hpp"

#include <algorithm>
#include <array>

#include "ops/epilogue.hpp"
#include "strategies/implicit_gemm/filter_cost.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// The fraction of the cycles' rate that is reached. PoCL 3.1, 2-core Zen 5, 2026-11, over core.txt.
constexpr double kEfficiency = 0.96;

// The products of all taps of a row are adjacent in memory.
bool joined(const Correlation& c) {
  return c.in_step == c.channels && c.dw == 1;
}

// What the program knows of its correlations. The channels of an iteration leave no rest where they can: a rest is a
// loop of its own, between whose sums and the others' LLVM moves registers.
std::string class_of(const Correlation& c) {
  constexpr std::array<std::int64_t, 4> kChannels = {4, 6, 3, 5};
  const std::int64_t count = joined(c) ? c.taps_w * c.channels : c.channels;
  const auto* divisor = std::find_if(kChannels.begin(), kChannels.end(),
                                     [&](std::int64_t channels) { return count % channels == 0; });
  const bool whole = divisor != kChannels.end();
  const bool pointwise = c.taps_h * c.taps_w == 1 && c.top >= 0 && c.left >= 0 &&
                         c.top + c.reach_h() <= c.in_h && c.left + c.reach_w() <= c.in_w;
  return " -DUNROLL=" + std::to_string(whole ? *divisor : kChannels.front()) +
         " -DWHOLE=" + std::to_string(whole) + " -DPOINTWISE=" + std::to_string(pointwise) +
         " -DONE_ROW=" + std::to_string(c.oh == 1);
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

// The share of an axis' tiles that meet padding in no tap: `tile` results each, the next `stride` behind.
double share_inside(std::int64_t results, std::int64_t tile, std::int64_t taps, std::int64_t start,
                    std::int64_t stride, std::int64_t distance, std::int64_t size) {
  const std::int64_t tiles = ceil_div(results, tile);
  std::int64_t inside = 0;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t first = start + std::min(t * tile, results - tile) * stride;
    const std::int64_t last = first + (tile - 1) * stride + (taps - 1) * distance;
    inside += first >= 0 && last < size ? 1 : 0;
  }
  return real(inside) / real(tiles);
}

// Of tiles, which then need no pointers per tap and block of channels. A single row leaves out the taps beyond it.
double share_inside(const FilterTile& tile, const Correlation& c) {
  const double rows =
      tile.th == 1 ? 1.0 : share_inside(c.oh, tile.th, c.taps_h, c.top, c.sh, c.dh, c.in_h);
  return rows * share_inside(c.ow, tile.tw, c.taps_w, c.left, c.sw, c.dw, c.in_w);
}

// What the products of a tile take longer, as a factor.
double waiting(const FilterTile& tile, const Correlation& c) {
  // With 8 pixels LLVM 15 keeps their pointers in one vector register and takes them out again.
  constexpr double kPointersInVector = 1.1;
  // The lines of more than 4 pixels in one set of L1, beside those of the weights: n1c1024h14w14k256kh1kw1 740 us with
  // kv=3,tw=4, 899 with kv=2,tw=5 (2-core Zen 3, 2026-11).
  constexpr double kOneSet = 1.2;
  constexpr std::int64_t kWay = 4096;
  // Only the first row of a later tile is prefetched (resnet_3x3_56: 4x1 pixels take 6 % more than 1x4).
  constexpr double kRow = 0.015;
  const bool one_set = tile.pixels() > 4 && c.in_step * c.sw * kElement % kWay == 0;
  return (1 + kRow * (tile.th - 1)) * (tile.pixels() == 8 ? kPointersInVector : 1.0) *
         (one_set ? kOneSet : 1.0);
}

// Cycles of the products of a tile: cache lines of pixels, and of weights that L1 does not hold, come from L2.
double cycles_of_products(const Case& all, const FilterTile& tile, const Correlation& c) {
  // Between two products, also with few sums: with 8 of them 6 to 14 % is lost to those with 10 and 12 (resnet_3x3_28,
  // resnet_1x1_14, vgg_conv1_2; 2-core Zen 3, 2026-11).
  const double least = all.machine.measured(4.4, all.machine.fma_latency);
  const double steps = real(c.reduction()) * share_met(tile, c), pixels = real(tile.pixels());
  const double lines =
      pixels * kElement / real(all.machine.line_bytes) +
      far_weight_lines(all.machine, real(c.reduction()), real(tile.block() * kElement));
  const double cycles =
      std::max({product_cycles(all.machine, steps, tile.kv * pixels, tile.kv + pixels),
                l2_cycles(all.machine, steps, lines), steps * least});
  return cycles * waiting(tile, c);
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
                      shared_defines(case_.problem, c, config_.defines() + class_of(c))),
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
