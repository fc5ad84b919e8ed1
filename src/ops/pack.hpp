// Rearrangements of tensors that fast kernels read.
#pragma once

#include <memory>

#include "problem.hpp"
#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

// Weights in blocks of `block` filters with the filters innermost:
// packed[group][block][r][f], r < reduction_padded, zero beyond the real filters and products.
struct FilterBlocks {
  std::int64_t block = 1;
  std::int64_t blocks_per_group = 1;
  std::int64_t reduction_padded = 1;

  FilterBlocks(const Problem& p, std::int64_t block_size, std::int64_t reduction_multiple = 1)
      : block(block_size),
        blocks_per_group(ceil_div(p.k_per_group(), block_size)),
        reduction_padded(round_up(p.reduction(), reduction_multiple)) {}

  std::int64_t blocks(const Problem& p) const { return p.g * blocks_per_group; }
  std::int64_t bytes(const Problem& p) const {
    return saturating_product(p.g, blocks_per_group, reduction_padded, block,
                              Problem::kElementBytes);
  }
};
std::unique_ptr<Step> pack_filters(Device& device, const Problem& problem,
                                   const FilterBlocks& blocks, const Region& weights,
                                   const Region& packed);

// x with its padding written out: (n*c) planes of hp x wp, exactly what the filter touches.
struct PaddedPlanes {
  std::int64_t hp = 1, wp = 1;

  explicit PaddedPlanes(const Problem& p)
      : hp((p.oh() - 1) * p.sh + p.dh * (p.kh - 1) + 1),
        wp((p.ow() - 1) * p.sw + p.dw * (p.kw - 1) + 1) {}

  std::int64_t bytes(const Problem& p) const {
    return saturating_product(p.n, p.c, hp, wp, Problem::kElementBytes);
  }
};
std::unique_ptr<Step> pad_planes(Device& device, const Problem& problem, const PaddedPlanes& planes,
                                 const Region& x, const Region& padded);

}  // namespace clconv::core
