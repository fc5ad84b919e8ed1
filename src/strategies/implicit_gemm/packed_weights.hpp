// Packed weights, one part per correlation behind the other.
#pragma once

#include <vector>

#include "ops/pack.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm/correlation_bodies.hpp"

namespace clconv::core::implicit_gemm {

struct PackedWeights {
  std::vector<FilterBlocks> blocks;
  std::vector<Region> regions;
  std::int64_t bytes = 0;

  PackedWeights(const std::vector<Correlation>& correlations, std::int64_t block,
                const DeviceProfile& profile, std::int64_t reduction_multiple = 1,
                std::int64_t zero_rows = 0) {
    for (const Correlation& c : correlations) {
      blocks.emplace_back(c, block, reduction_multiple, zero_rows);
      if (c.reduction() == 0) {
        regions.push_back({kPreparedSlot, 0, 0});  // nothing to read
        continue;
      }
      const std::int64_t offset = round_up(bytes, profile.base_alignment_bytes);
      regions.push_back({kPreparedSlot, offset, blocks.back().bytes()});
      bytes = offset + blocks.back().bytes();
    }
  }
  void add_to(Executable& executable, Device& device,
              const std::vector<Correlation>& correlations) const {
    for (std::size_t i = 0; i < correlations.size(); ++i) {
      if (correlations[i].reduction() == 0) continue;
      executable.prepare.add(
          pack_filters(device, correlations[i], blocks[i], Region{kWeightsSlot}, regions[i]));
    }
    executable.prepared_weights_bytes = bytes;
  }
};

// Of a launch that multiplies a correlation with such weights, which the last-level cache may hold.
inline Traffic traffic_of(const Case& all, const Correlation& c, const FilterBlocks& blocks,
                          double work_groups, std::int64_t launches) {
  return {cached(all.machine, bytes_touched(all.problem, c, blocks.bytes())), work_groups,
          real(launches)};
}

}  // namespace clconv::core::implicit_gemm
