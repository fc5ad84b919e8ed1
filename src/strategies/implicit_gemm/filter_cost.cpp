#include "strategies/implicit_gemm/filter_cost.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// Lines of a channel that all taps of a tile read, each once.
double lines_of_channel(const FilterTile& tile, const Correlation& c, double line_floats) {
  const auto lines = [&](std::int64_t columns) {
    return std::max(1.0, real(columns) / line_floats);
  };
  const std::int64_t rows =
      std::min(c.taps_h * tile.th, (tile.th - 1) * c.sh + (c.taps_h - 1) * c.dh + 1);
  const double of_row = std::min(real(c.taps_w) * lines(tile.tw * c.sw),
                                 lines(tile.tw * c.sw + (c.taps_w - 1) * c.dw));
  return real(rows) * of_row;
}

// Cache lines from L2 per step, of pixels and of weights.
double lines_of(const Machine& machine, const FilterTile& tile, const Correlation& c) {
  const double line_floats = real(machine.line_bytes / kElement);
  const double taps = real(std::max<std::int64_t>(1, c.taps_h * c.taps_w));
  const double pixels = lines_of_channel(tile, c, line_floats) / taps;
  return pixels + far_weight_lines(machine, real(c.reduction()), real(tile.block() * kElement));
}

// What a product takes longer, as a factor, where its operands come late.
double waiting(const Case& all, const Correlation& c) {
  // A tap alone takes a line or two of each plane, which no prefetcher foresees where they come from memory
  // (n32c256h56w56k64kh1kw1: 12.8 against 8.7 ms of pixels).
  constexpr double kFromMemory = 1.15;
  const Tensor input = all.problem.wants_dx() ? Tensor::kDy : Tensor::kX;
  const bool from_memory =
      c.taps_h * c.taps_w == 1 && bytes_of(all.problem, input) > all.machine.last_level_bytes;
  return from_memory ? kFromMemory : 1.0;
}

}  // namespace

double share_met(const FilterTile& tile, const Correlation& c) {
  return share_met_along(c.oh, tile.th, c.taps_h, c.top, c.sh, c.dh, c.in_h) *
         share_met_along(c.ow, tile.tw, c.taps_w, c.left, c.sw, c.dw, c.in_w);
}

double filter_product_cycles(const Case& all, const FilterTile& tile, const Correlation& c,
                             double steps) {
  const double pixels = real(tile.pixels());
  const double products =
      std::max(product_cycles(all.machine, steps, tile.kv * pixels, tile.kv + pixels),
               l2_cycles(all.machine, steps, lines_of(all.machine, tile, c)));
  return products * waiting(all, c);
}

double around_cycles(const Machine& machine, const FilterTile& tile, const Correlation& c) {
  // The loops of several taps, per step and per row of taps, and that of one tap. With 16 registers a product is too
  // little work to hide them: deeplab_d2 takes 6 to 12 cycles a product with 2x4 accumulators,
  // n1c1024h14w14k256kh1kw1 9 to 10 with 2x6 (2-core Zen 3, 2026-11).
  constexpr double kTap = 1, kRowOfTaps = 5.5, kOneTap = 3;
  // The addresses of each of a tile's rows but the first, with 32 registers: resnet_conv1 with 14x1 pixels takes 20
  // cycles a product, 14 with 1x14; tiles of 2 to 4 rows 3 to 14 % more than one row (2-core Zen 5, 2026-11).
  // With 16 registers: over core.txt and modern.txt 2x3 instead of 1x6 pixels take 8 % more, 3x2 15 %, 2x7 instead of
  // 1x14 33 % (2-core Zen 3, 2026-11).
  const double row_of_tile = machine.measured(1, 0.4);
  const double loop = c.taps_h * c.taps_w > 1 ? kTap + kRowOfTaps / real(c.taps_w) : kOneTap;
  return machine.measured(loop, 0) + row_of_tile * (tile.th - 1);
}

double store_cycles(const Problem& p, const FilterTile& tile, const Correlation& c) {
  const double vectors = real(tile.kv * tile.pixels());
  const bool whole_rows =
      !p.accumulate && c.out_step == 1 && (tile.th == 1 || tile.tw == c.out_pitch);
  return transposing_store_cycles(tile.transposes(), vectors, whole_rows);
}

}  // namespace clconv::core::implicit_gemm
