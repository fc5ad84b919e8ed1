// What the bodies of Winograd with vectors along filters cost (docs/calibration.md).
#pragma once

#include "strategies/cost_model.hpp"
#include "strategies/winograd/vector_tile.hpp"

namespace clconv::core::winograd {

// The fraction of the cycles' rate that is reached; PoCL 3.1, 2-core Zen 5, 2026-11.
constexpr double kVectorEfficiency = 0.95;

// Cycles of one of a tile's matrix products: `tt` tiles x `kv` vectors of filters, `channels` times.
double matrix_cycles(const Machine& machine, int kv, int tt, double channels);

// Cycles to transform the results of a block of `kv` vectors of `vw` filters back. Its products, `local_bytes` of a
// strip, wait in local memory.
double result_cycles(const Machine& machine, const Tiles& tiles, int m, int kv, int vw,
                     std::int64_t local_bytes);

// As so many bytes in memory: weights that stay in the last-level cache between executions cost little bandwidth.
double packed_bytes_touched(const Machine& machine, std::int64_t packed_bytes);

// ---- the two launches of `f2x2` and `f4x4`, for all chunks of a problem ----

// The transform of the input.
Pass input_pass(const Case& all, const Geometry& geometry);
// The products, and the transform of their sums.
Pass multiply_pass(const Case& all, const Geometry& geometry);

}  // namespace clconv::core::winograd
