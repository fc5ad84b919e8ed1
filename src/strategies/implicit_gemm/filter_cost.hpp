// The cost terms of a register tile with vectors along the filters: its products, and what surrounds them.
#pragma once

#include "strategies/implicit_gemm/filter_tile.hpp"

namespace clconv::core::implicit_gemm {

// The mean share of the taps that a tile multiplies: the kernel leaves out those that only padding meets.
double share_met(const FilterTile& tile, const Correlation& c);

// Cycles of `steps` products, with the cache lines that come from L2 and what their operands are late.
double filter_product_cycles(const Case& all, const FilterTile& tile, const Correlation& c,
                             double steps);

// Cycles per step of the loops around a product, and of the addresses of a tile's rows.
double around_cycles(const Machine& machine, const FilterTile& tile, const Correlation& c);

// Cycles to store a tile.
double store_cycles(const Problem& p, const FilterTile& tile, const Correlation& c);

}  // namespace clconv::core::implicit_gemm
