// Weights as kernels/implicit_gemm/tile_pack.cl lays them out, for the bodies for GPUs.
#pragma once

#include <memory>
#include <vector>

#include "strategies/body.hpp"

namespace clconv::core::implicit_gemm {

// The weights of a correlation: packed[group][tile][product][filter of the tile], or
// where products lie together packed[group][tile][product / together][filter][product % together].
struct TilePack {
  std::int64_t bm;        // filters of a tile
  std::int64_t channels;  // 0: no tap meets the results
  std::int64_t together;  // channels that lie behind one another before the next tap
  std::int64_t products;  // of a tile; zeroes beyond the last channel
  std::int64_t factor_bytes = Problem::kFloatBytes;  // 2: float16
  int products_together = 1;                         // of a filter, behind one another

  std::int64_t tiles(const Correlation& c) const { return ceil_div(c.filters, bm); }
  std::int64_t bytes(const Correlation& c) const {
    return saturating_product(c.groups * tiles(c), products, bm, factor_bytes);
  }
};

// Those of all correlations, one behind the other.
struct TileWeights {
  std::vector<TilePack> packs;
  std::vector<Region> regions;
  std::int64_t bytes = 0;

  // `pack_of(correlation)` is its TilePack.
  template <class PackOf>
  TileWeights(const Case& all, PackOf&& pack_of) {
    for (const Correlation& c : all.correlations) {
      packs.push_back(pack_of(c));
      const std::int64_t offset = round_up(bytes, all.profile.base_alignment_bytes);
      regions.push_back({kPreparedSlot, offset, packs.back().bytes(c)});
      bytes = offset + packs.back().bytes(c);
    }
  }
  void add_to(Executable& executable, Device& device, const Case& all) const;
};

// `each` times `planes` work-items, or fewer that take several planes: drivers limit the work-groups of the second
// dimension.
Range plane_range(const DeviceProfile& profile, std::int64_t each, std::int64_t planes);

}  // namespace clconv::core::implicit_gemm
