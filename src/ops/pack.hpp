// Rearrangements of tensors that fast kernels read.
#pragma once

#include <memory>

#include "ops/correlation.hpp"
#include "ops/mask.hpp"
#include "problem.hpp"
#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

// Weights in blocks of `block` filters with the filters innermost: packed[group][block][r][f],
// r < reduction_padded, zero beyond the real filters and products. r = (channel*taps_h + u)*taps_w + v, or with
// channels_last (u*taps_w + v)*channels + channel. `zero_rows` more end each block, which hold zeroes.
struct FilterBlocks {
  std::int64_t block = 1;
  std::int64_t blocks_per_group = 1;
  std::int64_t groups = 1;
  std::int64_t reduction_padded = 1;

  FilterBlocks(const Correlation& c, std::int64_t block_size, std::int64_t reduction_multiple = 1,
               std::int64_t zero_rows = 0)
      : block(block_size),
        blocks_per_group(ceil_div(c.filters, block_size)),
        groups(c.groups),
        reduction_padded(round_up(c.reduction(), reduction_multiple) + zero_rows) {}

  std::int64_t blocks() const { return groups * blocks_per_group; }
  std::int64_t bytes() const {
    return saturating_product(blocks(), reduction_padded, block, Problem::kFloatBytes);
  }
};
std::unique_ptr<Step> pack_filters(Device& device, const Correlation& correlation,
                                   const FilterBlocks& blocks, const Region& weights,
                                   const Region& packed);

// Input planes with their padding written out: `planes` of hp x wp, which show the input from row
// `top` and column `left` on (either may be negative) and zero outside it.
struct PaddedPlanes {
  std::int64_t planes = 1, in_h = 1, in_w = 1;
  std::int64_t top = 0, left = 0, hp = 1, wp = 1;
  std::int64_t first = 0;                   // plane of the input that is the first of the copy
  DataType data_type = DataType::kFloat32;  // of the input; the copy is float32
  // Elements between the images of the input, of so many planes each: it may be a range of channels of a larger tensor.
  std::int64_t image_planes = 1, gap = 0;

  std::int64_t bytes() const { return saturating_product(planes, hp, wp, Problem::kFloatBytes); }
};
// `mask`: of an input that is a gradient.
std::unique_ptr<Step> pad_planes(Device& device, const PaddedPlanes& planes, const Region& input,
                                 const Mask& mask, const Region& padded);

// dy with the filters innermost, in blocks of `block` filters, for the pixels [first, first + pixels) of
// some images: packed[group*blocks_per_group + block][image*pixels + pixel][f], blocks block_stride apart.
struct GradientBlocks {
  std::int64_t block = 1;
  std::int64_t blocks_per_group = 1;
  std::int64_t first_image = 0, images = 1, first = 0, pixels = 1;
  std::int64_t block_stride = 1;

  // All pixels of all images.
  GradientBlocks(const Problem& p, std::int64_t block_size)
      : block(block_size),
        blocks_per_group(ceil_div(p.k_per_group(), block_size)),
        images(p.n),
        pixels(p.oh() * p.ow()),
        block_stride(saturating_product(p.n, pixels, block_size)) {}
  std::int64_t bytes(const Problem& p) const {
    return saturating_product(p.g, blocks_per_group, block_stride, Problem::kFloatBytes);
  }
};
std::unique_ptr<Step> pack_gradient(Device& device, const Problem& problem,
                                    const GradientBlocks& blocks, const Region& dy,
                                    const Mask& mask, const Region& packed);

// Columns of a padded image, channels innermost: unfolded[group][s][row][channel] = x[image][group*channels +
// channel][row - top][s - left], zero outside the image; s < columns, row < hp.
struct Unfolding {
  std::int64_t image = 0;
  std::int64_t top = 0, left = 0;  // left may be negative: columns before the first
  std::int64_t hp = 1, columns = 1;

  std::int64_t group_stride(const Problem& p) const {
    return saturating_product(p.c_per_group(), hp, columns);
  }
  std::int64_t bytes(const Problem& p) const {
    return saturating_product(p.g, group_stride(p), Problem::kFloatBytes);
  }
};
std::unique_ptr<Step> unfold_columns(Device& device, const Problem& problem,
                                     const Unfolding& columns, const Region& x,
                                     const Region& unfolded);

}  // namespace clconv::core
