// The layout of the bodies whose kernel is implicit_gemm/tile.cl: they differ in their tiles and in how these keep and
// multiply their factors.
#pragma once

#include <vector>

#include "strategies/implicit_gemm/gpu_tile.hpp"

namespace clconv::core::implicit_gemm {

// The tile with 32-bit distances where they suffice.
Tile with_distances(Tile tile, const Case& all);

// Adds the tile's config, and where the reduction is worth splitting also the one that splits it.
void add_configs(std::vector<Config>& configs, const Case& all, const char* body, Tile tile);

// Of the tile's `bk` channels at a time, would a fifth of the blocks be empty, or more?
bool mostly_empty(const Tile& tile, const Case& all);

Fit tile_layout(const Case& c, const Tile& tile, const TileFactors& factors);

}  // namespace clconv::core::implicit_gemm
