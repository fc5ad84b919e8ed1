// The weights of the bodies of Winograd with vectors along filters.
#pragma once

#include "strategies/winograd/bodies.hpp"

namespace clconv::core::winograd {

// Channels multiplied at a time, of blocks of `block` filters: all, or with few registers as many as leave their
// filters and a line of tiles each in half of L1 for the next tiles (resnet_3x3_14: 0.83 against 0.95 ms; 2-core Zen 3,
// 2026-11).
std::int64_t slab_of(const Machine& machine, std::int64_t channels, std::int64_t block);

// Transforms the weights into packed[group][block][xi][channel][kv*vw filters].
std::unique_ptr<Step> transform_weights(Device& device, const Problem& p, const Correlation& c,
                                        const Config& macros, std::int64_t blocks_per_group);

}  // namespace clconv::core::winograd
