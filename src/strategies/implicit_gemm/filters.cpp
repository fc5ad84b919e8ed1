// filters: explicit vectors along the filters, a register tile of pixels; weights are packed in the order of use, and
// the kernel prefetches what the hardware does not foresee. For CPUs; it serves most layers without Winograd.
#include "ops/epilogue.hpp"
#include "strategies/implicit_gemm/filter_cost.hpp"
#include "strategies/implicit_gemm/filters_last.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// The fraction of the cycles' rate that is reached. PoCL 3.1, 2-core Zen 5, 2026-11, over core.txt.
constexpr double kEfficiency = 0.96;
// Cycles around a tile, which is a work-group of its own: `in_place`, whose work-items take several, was 10 to 25 %
// faster with the same tile where there are few channels (270 random problems; 2-core Zen 5, 2026-11).
constexpr double kTile = 160;

Pass pass_of(const Case& all, const FilterTile& tile, const Correlation& c,
             const FilterBlocks& blocks, std::int64_t chunks) {
  const double tiles = real(tile.tiles(c)) * real(blocks.blocks()) * real(c.images);
  const double steps = real(c.reduction()) * share_met(tile, c);
  // A phase of a data gradient may have no taps: then it costs its stores.
  const double cycles = filter_product_cycles(all, tile, c, steps) +
                        around_cycles(all.machine, tile, c) * steps +
                        store_cycles(all.problem, tile, c) + all.machine.measured(0, kTile);
  return vector_pass(all.profile, {tiles, cycles, tile.vw, kEfficiency},
                     traffic_of(all, c, blocks, tiles, chunks));
}

// Tiles of a supertile: all blocks of filters go through them before the next supertile, while their pixels stay in
// half of L2 (n1c256h56w56k512kh1kw1s2: 478 against 491 us with all tiles; 2-core Zen 5, 2026-11).
std::int64_t tiles_of_supertile(const Machine& machine, const Correlation& c, std::int64_t image,
                                std::int64_t tiles) {
  const std::int64_t rows_read = image / (c.taps_h == 1 ? c.sh : 1);
  const std::int64_t supertiles =
      std::max<std::int64_t>(1, ceil_div(rows_read * kElement, machine.l2_blocking_bytes / 2));
  return ceil_div(tiles, std::min(supertiles, tiles));
}

class Filters : public RegisterTileLayout {
 public:
  Filters(const Case& c, const Config& config, const FilterTile& tile)
      : RegisterTileLayout(c, config, tile.block(), 0, true), tile_(tile) {}

 protected:
  std::int64_t tile_columns() const override { return tile_.tw; }
  Pass multiply_pass(const Correlation& c, const FilterBlocks& blocks) const override {
    return pass_of(case_, tile_, c, blocks, view_.chunks());
  }
  std::unique_ptr<Step> multiply(Device& device, const Operand& operand) const override {
    const Correlation& c = operand.correlation;
    const FilterBlocks& blocks = operand.blocks;
    const std::int64_t tiles = tile_.tiles(c);
    // Whichever is larger, weights or image, should be read once and not per block or image.
    const std::int64_t supertile = blocks.bytes() <= view_.image * kElement
                                       ? tiles_of_supertile(case_.machine, c, view_.image, tiles)
                                       : 0;
    std::vector<Argument> arguments = filter_arguments(operand, case_, view_, tile_, supertile);
    arguments.insert(arguments.end(), {{"top", narrow(c.top)},
                                       {"left", narrow(c.left)},
                                       {"in_h", narrow(c.in_h)},
                                       {"in_w", narrow(c.in_w)}});
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/filters", "implicit_gemm_filters",
                      shared_defines(case_.problem, c, config_.defines())),
        with_bounds(case_.problem, arguments),
        one_item_groups(tiles * blocks.blocks() * operand.images));
  }

 private:
  FilterTile tile_;
};

// All shapes of tiles that fill the registers.
std::vector<Config> variants(const Case& all) {
  // Channels last, each pixel of a tile is a pointer: beyond 12 they live on the stack (14: 1.2x on
  // resnet_3x3_56; PoCL 3.1, 2-core Zen 5, 2026-11).
  constexpr int kMostPointers = 12;
  const Correlation& c = all.correlations.front();
  const int vw = all.machine.lanes;
  const int registers = all.machine.registers;
  const LeastResult least(all.correlations);
  std::vector<Config> configs;
  for (int kv = 1; kv <= 4; ++kv) {
    if (kv > 1 && (kv - 1) * vw >= c.filters) continue;
    int most_pixels = FilterTile::most_pixels(kv, registers);
    if (c.channels_last) most_pixels = std::min(most_pixels, kMostPointers);
    const auto add = [&](int th, int tw) {
      configs.push_back({"filters", {{"kv", kv}, {"th", th}, {"tw", tw}, {"vw", vw}}});
    };
    for (int th = 1; th <= most_pixels && th <= least.h; ++th) {
      int tw = static_cast<int>(std::min<std::int64_t>(most_pixels / th, least.w));
      if (tw < 1) continue;
      add(th, tw);
      if (c.channels_last) {
        // Narrower tiles are as fast here, and one of them may divide the row.
        while (--tw * 2 > most_pixels / th)
          add(th, tw);
        continue;
      }
      // A narrower tile with the same number of tiles per row computes fewer pixels twice.
      const int even = static_cast<int>(ceil_div(least.w, ceil_div(least.w, tw)));
      if (even != tw) add(th, even);
      // A tile that divides the row computes none twice; it must keep more than half of the pixels per load.
      int without_rest = tw;
      while (least.w % without_rest != 0)
        --without_rest;
      if (without_rest < even && 2 * without_rest > tw) add(th, without_rest);
    }
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const FilterTile tile = FilterTile::from(config);
  if (auto rejection = tile.rejection(c)) return *rejection;
  if (c.correlations.front().channels_last) return filters_last(c, config, tile);
  return std::make_unique<const Filters>(c, config, tile);
}

}  // namespace

extern const Body body_filters = {
    "filters", Suits::kCpusAndLastResort,
    4,         "implicit_gemm/filters implicit_gemm/filters_last ops/pack",
    variants,  fit};

}  // namespace clconv::core::implicit_gemm
