// What the bodies of Winograd for CPUs share: the programs and the costs of products and results, vectors along filters
// (docs/calibration.md).
#pragma once

#include "strategies/winograd/bodies.hpp"

namespace clconv::core::winograd {

// Of the bodies for CPUs: the fraction of the cycles' rate that is reached.
constexpr double kVectorEfficiency = 0.95;

// Cycles of one of a tile's matrix products: `tt` tiles x `kv` vectors of filters, `channels` times.
double product_cycles(const Machine& machine, int kv, int tt, double channels);

// Cycles to transform the results of a block of `kv` vectors of `vw` filters back. Its products, `local_bytes` of a strip,
// wait in local memory.
double result_cycles(const Machine& machine, const Tiles& tiles, int m, int kv, int vw,
                     std::int64_t local_bytes);

// As so many bytes in memory: weights that stay in the last-level cache between executions cost little bandwidth.
double packed_bytes_touched(const Machine& machine, std::int64_t packed_bytes);

// Channels multiplied at a time, of blocks of `block` filters: all, or with few registers as many as leave their filters
// and a line of tiles each in half of L1 for the next tiles (resnet_3x3_14: 0.83 against 0.95 ms; 2-core Zen 3, 2026-11).
std::int64_t slab_of(const Machine& machine, std::int64_t channels, std::int64_t block);

// Transforms the weights into packed[group][block][xi][channel][kv*vw filters].
std::unique_ptr<Step> transform_weights(Device& device, const Problem& p, const Correlation& c,
                                        const Config& macros, std::int64_t blocks_per_group);

}  // namespace clconv::core::winograd
