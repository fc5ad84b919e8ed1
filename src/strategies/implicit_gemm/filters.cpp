// filters: explicit vectors along the filters, a register tile of pixels; weights and input as the prefetchers like
// them. For CPUs; the workhorse.
#include "ops/epilogue.hpp"
#include "strategies/implicit_gemm/filter_tile.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11, over core.txt, as is what follows where it says nothing else.
constexpr double kFiltersEfficiency = 0.96;

// Lines of a channel that all taps of a tile read, each once.
double lines_of_channel(const FilterTile& tile, const Correlation& c, double line_floats) {
  const auto lines = [&](std::int64_t columns) {
    return std::max(1.0, static_cast<double>(columns) / line_floats);
  };
  const std::int64_t rows =
      std::min(c.taps_h * tile.th, (tile.th - 1) * c.sh + (c.taps_h - 1) * c.dh + 1);
  const double of_row = std::min(static_cast<double>(c.taps_w) * lines(tile.tw * c.sw),
                                 lines(tile.tw * c.sw + (c.taps_w - 1) * c.dw));
  return static_cast<double>(rows) * of_row;
}

// Cache lines from L2 per step, of pixels and of weights that L1 does not hold until they are used again.
double lines_of(const Machine& machine, const FilterTile& tile, const Correlation& c) {
  const double line_floats = static_cast<double>(machine.line_bytes / kElement);
  const double taps = static_cast<double>(std::max<std::int64_t>(1, c.taps_h * c.taps_w));
  const double pixels = c.channels_last ? static_cast<double>(tile.pixels()) / line_floats
                                        : lines_of_channel(tile, c, line_floats) / taps;
  const bool far_weights =
      static_cast<double>(c.reduction()) * static_cast<double>(tile.block() * kElement) >
      static_cast<double>(machine.l1_blocking_bytes / 4 * 3);
  return pixels + (far_weights ? static_cast<double>(tile.block()) / line_floats : 0.0);
}

// Cycles per step of the loops around a product, which is too little work to hide them with 16 registers: deeplab_d2
// takes 6 to 12 cycles a product with 2x4 accumulators, n1c1024h14w14k256kh1kw1 9 to 10 with 2x6 (2-core Zen 3,
// 2026-11).
double loop_cycles(const Machine& machine, const Correlation& c) {
  if (c.channels_last) return 0;
  const double taps = static_cast<double>(c.taps_w);
  return machine.measured(c.taps_h * c.taps_w > 1 ? 1 + 7.5 / taps : 3.0, 0.0);
}

// Cycles per step for the addresses of a tile's rows but the first: resnet_conv1 with 14x1 pixels takes 20 cycles a
// product, 14 with 1x14; tiles of 2 to 4 rows 3 to 14 % more than one row (2-core Zen 5, 2026-11).
double address_cycles(const Machine& machine, const FilterTile& tile, const Correlation& c) {
  return c.channels_last ? 0 : machine.measured(0, 0.4) * (tile.th - 1);
}

// What a product takes longer where its operands come late.
double waiting_of(const Case& all, const FilterTile& tile, const Correlation& c) {
  // LLVM 15 keeps eight pointers in one vector register and takes them out again.
  if (c.channels_last) return tile.pixels() == 8 ? 1.1 : 1.0;
  // A tap alone takes a line or two of each plane, which no prefetcher foresees where they come from memory
  // (n32c256h56w56k64kh1kw1: 12.8 against 8.7 ms of pixels).
  const Tensor input = all.problem.wants_dx() ? Tensor::kDy : Tensor::kX;
  const bool from_memory =
      c.taps_h * c.taps_w == 1 && bytes_of(all.problem, input) > all.machine.last_level_bytes;
  return from_memory ? 1.15 : 1.0;
}

double store_cycles(const Problem& p, const FilterTile& tile, const Correlation& c) {
  const double vectors = static_cast<double>(tile.kv * tile.pixels());
  if (c.channels_last) return vectors * 2;
  const bool whole_rows =
      !p.accumulate && c.out_step == 1 && (tile.th == 1 || tile.tw == c.out_pitch);
  return transposing_store_cycles(tile.transposes(), vectors, whole_rows);
}

// The mean share of the taps along an axis that a tile of so many results multiplies: the kernel leaves out those that
// only padding meets. Tap 0 of result 0 is at `start` of `size`.
double met_along(std::int64_t results, std::int64_t tile, std::int64_t taps, std::int64_t start,
                 std::int64_t stride, std::int64_t distance, std::int64_t size) {
  const std::int64_t tiles = ceil_div(results, tile), step = tile * stride;
  std::int64_t met = 0;
  for (std::int64_t tap = 0; tap < taps; ++tap) {
    const std::int64_t at = start + tap * distance;
    const std::int64_t in_front = -at - (tile - 1) * stride;  // of the input, of the last of a tile
    const std::int64_t first = in_front > 0 ? ceil_div(in_front, step) : 0;
    const std::int64_t last = at < size ? std::min(tiles, ceil_div(size - at, step)) : 0;
    met += std::max<std::int64_t>(0, last - first);
  }
  return static_cast<double>(met) / static_cast<double>(std::max<std::int64_t>(1, tiles * taps));
}

double met_of(const FilterTile& tile, const Correlation& c) {
  if (c.channels_last) return 1;
  return met_along(c.oh, tile.th, c.taps_h, c.top, c.sh, c.dh, c.in_h) *
         met_along(c.ow, tile.tw, c.taps_w, c.left, c.sw, c.dw, c.in_w);
}

double filters_us(const Case& all, const FilterTile& tile, const Correlation& c,
                  const FilterBlocks& blocks, std::int64_t chunks) {
  const Machine& machine = all.machine;
  const double work_groups = static_cast<double>(tile.tiles(c)) *
                             static_cast<double>(blocks.blocks()) * static_cast<double>(c.images);
  const double steps = static_cast<double>(c.reduction()) * met_of(tile, c);
  const double pixels = static_cast<double>(tile.pixels());
  const double products = std::max({multiply_cycles(machine, steps, tile.kv * pixels),
                                    load_cycles(machine, steps * (tile.kv + pixels)),
                                    l2_cycles(machine, steps, lines_of(machine, tile, c))});
  const double around = loop_cycles(machine, c) + address_cycles(machine, tile, c);
  const double cycles =
      products * waiting_of(all, tile, c) + around * steps + store_cycles(all.problem, tile, c);
  // A phase without taps costs its stores.
  Pass multiply = vector_pass(all.profile, work_groups, cycles, tile.vw, kFiltersEfficiency);
  multiply.bytes = cached(machine, bytes_touched(all.problem, c, blocks.bytes()));
  multiply.work_groups = work_groups;
  multiply.launches = static_cast<double>(chunks);
  return predicted_us(all.profile, {multiply});
}

// Tiles that all blocks of filters take before the next ones: their pixels stay in half of L2 meanwhile
// (n1c256h56w56k512kh1kw1s2: 478 against 491 us with all tiles; 2-core Zen 5, 2026-11).
std::int64_t tiles_of_panel(const Machine& machine, const Correlation& c, std::int64_t image,
                            std::int64_t tiles) {
  const std::int64_t rows_read = image / (c.taps_h == 1 ? c.sh : 1);
  const std::int64_t panels =
      std::max<std::int64_t>(1, ceil_div(rows_read * kElement, machine.l2_blocking_bytes / 2));
  return ceil_div(tiles, std::min(panels, tiles));
}

class Filters : public RegisterTileLayout {
 public:
  Filters(const Case& c, const Config& config, const FilterTile& tile)
      : RegisterTileLayout(c, config, tile.block(), 0, true), tile_(tile) {}

 protected:
  std::int64_t tile_columns() const override { return tile_.tw; }
  double multiply_us(const Correlation& c, const FilterBlocks& blocks) const override {
    return filters_us(case_, tile_, c, blocks, view_.chunks());
  }
  std::unique_ptr<Step> multiply(Device& device, const Operand& operand) const override {
    const Correlation& c = operand.correlation;
    const FilterBlocks& blocks = operand.blocks;
    const std::int64_t tiles = tile_.tiles(c);
    // Whichever is larger, weights or image, should be read once and not per block or image.
    const std::int64_t panel = blocks.bytes() <= view_.image * kElement
                                   ? tiles_of_panel(case_.machine, c, view_.image, tiles)
                                   : 0;
    std::vector<Argument> arguments = filter_arguments(operand, case_, view_, tile_, panel);
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
  return std::make_unique<const Filters>(c, config, tile);
}

}  // namespace

extern const Body body_filters = {
    "filters", Suits::kCpusAndLastResort, 4, "implicit_gemm/filters ops/pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
