// im2col and col2im (README, "The letters"): a tensor's patches as a matrix, and the adjoint.
#pragma once

#include <memory>
#include <string_view>

#include "problem.hpp"
#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

// rows: (n*oh*ow, c*kh*kw), also called im2row. columns: (n, c*kh*kw, oh*ow).
enum class ColumnsLayout { kRows = 0, kColumns = 1 };

// atomic: scatter-add of every entry, result depends on the order in the last bits.
// gather: one sum per pixel, deterministic.
enum class Col2imVariant { kGather = 0, kAtomic = 1 };

// Elements of the matrix of a whole batch; INT64_MAX where they exceed 64 bits.
std::int64_t columns_elements(const Problem& problem);

// A part of the batch and where it goes, columns layout:
// cols[image*image_stride + group*group_stride + r*ld + pixel]; r within the group, `pixel` within
// the part's rows.
struct Im2colPart {
  std::int64_t first_image = 0, images = 1;
  std::int64_t first_row = 0, rows = 1;  // output rows
  std::int64_t image_stride = 0, group_stride = 0, ld = 0;
};
std::unique_ptr<Step> im2col_columns(Device& device, const Problem& problem, const Im2colPart& part,
                                     const Region& x, const Region& cols);

// Writes zeroes to the border of a matrix of `groups` x `rows_padded` rows of `ld` entries, of
// which `rows` x `pixels` per group hold patches.
std::unique_ptr<Step> zero_border(Device& device, std::int64_t groups, std::int64_t rows,
                                  std::int64_t rows_padded, std::int64_t pixels, std::int64_t ld,
                                  const Region& cols);

// The public operations, for the whole batch. k and g of the problem do not matter. Throw
// Error{kInvalidProblem} where the matrix or an index does not fit.
Sequence im2col(Device& device, const Problem& problem, ColumnsLayout layout, const Region& x,
                const Region& cols);
Sequence col2im(Device& device, const Problem& problem, ColumnsLayout layout, Col2imVariant variant,
                const Region& cols, const Region& dx);

}  // namespace clconv::core
