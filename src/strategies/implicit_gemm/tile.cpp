// tile: a work-group's tile of both matrices in local memory, a register tile per work-item. For GPUs.
#include <algorithm>
#include <iterator>

#include "strategies/implicit_gemm/tile_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr Tile kTiles[] = {
    {128, 128, 16, 8, 8},  // the classic SGEMM shape: 256 work-items, 64 accumulators each
    {64, 128, 16, 8, 8},   // fewer filters
    {64, 64, 16, 8, 4},    // smaller results
    {32, 64, 16, 4, 4},    // few filters, small results
};
// For devices with work-groups too small for all of them.
constexpr Tile kSmallTile = {32, 64, 16, 8, 4};

// Of 8 products a step where blocks of 16 channels would be a fifth empty, or more, and where more work-groups share a
// unit's local memory than work-items with factors loaded ahead would have registers for.
Tile fitted(Tile tile, const Case& all) {
  tile.ahead = all.machine.loads_ahead;
  if ((mostly_empty(tile, all) || tile.ahead == 0) && tile.bm >= 64) tile.bk = 8;
  return with_distances(tile, all);
}

// All tiles, and those of them whose reduction is worth splitting.
std::vector<Config> variants(const Case& all) {
  std::vector<Config> configs;
  for (const Tile& tile : kTiles)
    add_configs(configs, all, "tile", fitted(tile, all));
  if (std::all_of(std::begin(kTiles), std::end(kTiles),
                  [&](const Tile& tile) { return tile.rejection(all.profile, 0).has_value(); }))
    add_configs(configs, all, "tile", fitted(kSmallTile, all));
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  return tile_layout(c, Tile::from(config), TileFactors());
}

}  // namespace

extern const Body body_tile = {
    "tile", Suits::kGpus, 3, "implicit_gemm/tile implicit_gemm/tile_pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
