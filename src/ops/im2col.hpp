// im2col and col2im (docs/guide.md, "The letters"): a tensor's patches as a matrix, and the adjoint.
#pragma once

#include <memory>

#include "ops/mask.hpp"
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

// A chunk of the batch, and where its matrix lies:
// columns: cols[image*image_stride + group*group_stride + r*ld + pixel]
// rows:    cols[image*image_stride + group*group_stride + pixel*ld + r]
// r counts within the group, pixels within the chunk's output rows, images from first_image.
struct MatrixPart {
  std::int64_t first_image = 0, images = 1;
  std::int64_t first_row = 0, rows = 1;
  std::int64_t image_stride = 0, group_stride = 0, ld = 0;
};
// The matrix is float32 whatever x is. `mask`: of x, which is a gradient then; columns only.
std::unique_ptr<Step> im2col_step(Device& device, const Problem& problem, ColumnsLayout layout,
                                  const MatrixPart& part, const Region& x, const Mask& mask,
                                  const Region& cols);

// The chunk's entries added to the pixels of dx they came from. `add`: dx already holds a part of the
// sum; else gather overwrites it, and atomic wants it zeroed. `finish` (gather only): this is the last
// chunk, apply the problem's epilogue. Atomic takes no float16.
std::unique_ptr<Step> col2im_step(Device& device, const Problem& problem, ColumnsLayout layout,
                                  Col2imVariant variant, const MatrixPart& part, const Region& cols,
                                  const Region& b, const Region& r, const Region& dx, bool add,
                                  bool finish);

// Zeroes the border of `groups` matrices of rows_padded x ld, of which rows x columns are filled.
std::unique_ptr<Step> zero_border(Device& device, std::int64_t groups, std::int64_t rows,
                                  std::int64_t rows_padded, std::int64_t columns, std::int64_t ld,
                                  const Region& matrix);

// The public operations, for the whole batch. k and g of the problem do not matter. Throw
// Error{kInvalidProblem} where the matrix or an index does not fit.
Sequence im2col(Device& device, const Problem& problem, ColumnsLayout layout, const Region& x,
                const Region& cols);
Sequence col2im(Device& device, const Problem& problem, ColumnsLayout layout, Col2imVariant variant,
                const Region& cols, const Region& dx);

}  // namespace clconv::core
