// filters: explicit vectors along the filters, a register tile of pixels; weights and input as the prefetchers like
// them. For CPUs; the workhorse.
#include <cmath>

#include "ops/epilogue.hpp"
#include "strategies/implicit_gemm/filter_tile.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

double filters_us(const Case& all, const FilterTile& tile, const Correlation& c,
                  const FilterBlocks& blocks, std::int64_t chunks) {
  const Problem& p = all.problem;
  const DeviceProfile& profile = all.profile;
  const double work_groups =
      static_cast<double>(ceil_div(c.oh, tile.th) * ceil_div(c.ow, tile.tw)) *
      static_cast<double>(blocks.blocks()) * static_cast<double>(c.images);
  const double reduction = static_cast<double>(c.reduction());
  const double pixels = tile.th * tile.tw;
  // Cycles of a work-group at two FMAs and (not quite) two loads a cycle; then the transposing store, which
  // costs more where rows are cut to pieces.
  // Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11, over core.txt.
  // A chain of FMAs advances every 4 cycles: fewer than 8 of them leave units idle.
  const double fma_cycles = reduction * std::max(all.machine.fma_latency, tile.kv * pixels / 2);
  const double load_cycles = reduction * (tile.kv + pixels) / 2 * 1.1;
  // What L1 cannot hold until it is used again comes from L2:
  // n1c1024h14w14k2048kh1kw1s2 takes 9.5 cycles a product with 2x7 accumulators, 12.1 with 3x7.
  const double line_floats = static_cast<double>(all.machine.line_bytes / kElement);
  const std::int64_t near_bytes = all.machine.l1_bytes / 4 * 3;
  const double taps = static_cast<double>(std::max<std::int64_t>(1, c.taps_h * c.taps_w));
  const double pixel_lines =
      c.channels_last
          ? pixels / line_floats
          : tile.th * std::max(1.0, static_cast<double>(tile.tw * c.sw) / line_floats) / taps;
  const bool far_weights =
      reduction * static_cast<double>(tile.block() * kElement) > static_cast<double>(near_bytes);
  const double line_cycles =
      reduction * all.machine.l2_line *
      (pixel_lines + (far_weights ? static_cast<double>(tile.block()) / line_floats : 0.0));
  const bool whole_rows =
      !p.accumulate && c.out_step == 1 && (tile.th == 1 || tile.tw == c.out_pitch);
  const double transposes = tile.kv * std::ceil(pixels / tile.vw);
  const double store_cycles = c.channels_last
                                  ? tile.kv * pixels * 2
                                  : 70 * transposes + tile.kv * pixels * (whole_rows ? 8 : 13);
  // LLVM 15 keeps eight pointers in one vector register and takes them out again.
  const double pointers = c.channels_last && pixels == 8 ? 1.1 : 1.0;
  // A tap alone takes a line or two of each plane, which no prefetcher foresees where they come from memory
  // (n32c256h56w56k64kh1kw1: 12.8 against 8.7 ms of pixels).
  const Tensor input = p.wants_dx() ? Tensor::kDy : Tensor::kX;
  const bool from_memory =
      c.taps_h * c.taps_w == 1 && !c.channels_last && bytes_of(p, input) > profile.cache_bytes;
  const double waiting = from_memory ? 1.15 : 1.0;
  // With 16 registers a product is too little work to hide the loops around it, and what L2 brings:
  // deeplab_d2 takes 6 to 12 cycles a product with 2x4 accumulators, n1c1024h14w14k256kh1kw1 9 to 10 with 2x6
  // (2-core Zen 3, 2026-11).
  const double loop_cycles =
      all.machine.few_registers() && !c.channels_last
          ? (taps > 1 ? 1 + 7.5 / static_cast<double>(c.taps_w) : 3.0) * reduction
          : 0;
  const double cycles = std::max({fma_cycles, load_cycles, line_cycles}) * pointers * waiting +
                        loop_cycles + store_cycles;
  Pass multiply;
  // In units of cycles spent at full rate, so that a phase without taps costs its stores.
  multiply.flops = work_groups * cycles * 2 * 2 * tile.vw;
  multiply.efficiency = profile.family == Family::kCpu ? 0.96 : 0.02;
  multiply.bytes = bytes_touched(p, c, blocks.bytes());
  multiply.work_groups = work_groups;
  multiply.launches = static_cast<double>(chunks);
  return predicted_us(profile, {multiply});
}

// Tiles that all blocks of filters take before the next ones: their pixels stay in half of L2 meanwhile
// (n1c256h56w56k512kh1kw1s2: 478 against 491 us with all tiles; 2-core Zen 5, 2026-11).
std::int64_t tiles_of_panel(const Machine& machine, const Correlation& c, std::int64_t image,
                            std::int64_t tiles) {
  const std::int64_t rows_read = image / (c.taps_h == 1 ? c.sh : 1);
  const std::int64_t panels =
      std::max<std::int64_t>(1, ceil_div(rows_read * kElement, machine.l2_bytes / 2));
  return ceil_div(tiles, std::min(panels, tiles));
}

class Filters : public RegisterTileLayout {
 public:
  Filters(const Case& c, const Config& config, const FilterTile& tile)
      : RegisterTileLayout(c, config, tile.block(), 0, true), tile_(tile) {}

 protected:
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
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/filters", "implicit_gemm_filters",
                      class_defines(case_.problem, c, config_.defines())),
        with_slopes(case_.problem, filter_arguments(operand, case_, view_, tile_, panel)),
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

const Body body_filters = {
    "filters", Suits::kCpusAndLastResort, 4, "implicit_gemm/filters ops/pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
