// The register tile of `filters` and `slabs`: vectors along the filters, pixels of a row or of several.
#pragma once

#include "strategies/implicit_gemm/register_tile_layout.hpp"

namespace clconv::core::implicit_gemm {

struct FilterTile {
  int kv, th, tw, vw;  // vectors of filters, rows and columns of pixels, floats of a vector

  static FilterTile from(const Config& c) {
    return {c.get("kv", 1, 8), c.get("th", 1, 64), c.get("tw", 1, 64),
            c.get_power_of_two("vw", 4, 16)};
  }
  std::int64_t block() const { return std::int64_t{vw} * kv; }
  std::int64_t pixels() const { return std::int64_t{th} * tw; }
  std::int64_t sums() const { return pixels() * block(); }
  // Blocks of lanes x lanes that the store transposes.
  double transposes() const { return static_cast<double>(kv * ceil_div(pixels(), vw)); }
  std::int64_t tiles(const Correlation& c) const { return ceil_div(c.ow, tw) * ceil_div(c.oh, th); }
  // No tile may exceed the results, nor by far the registers.
  std::optional<Rejection> rejection(const Case& c) const;
  // The most pixels that leave registers for `kv` vectors of weights and one of input.
  static int most_pixels(int kv, int registers) { return (registers - kv - 1) / kv; }
};

// The smallest result over the correlations.
struct LeastResult {
  std::int64_t h, w;
  explicit LeastResult(const std::vector<Correlation>& correlations);
};

// The arguments that both kernels have in common.
std::vector<Argument> filter_arguments(const Operand& operand, const Case& c, const InputView& view,
                                       const FilterTile& tile, std::int64_t supertile);

}  // namespace clconv::core::implicit_gemm
