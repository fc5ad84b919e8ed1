// Planes that are read as they lie in memory: results in blocks of `rows` x `vw`, all of them whole.
// kernels/depthwise/planes.cl has the picture. Shared by the bodies `planes` and `weights_planes`.
#pragma once

#include <optional>
#include <string>

#include "strategies/body.hpp"
#include "strategies/depthwise/axis.hpp"

namespace clconv::core::depthwise {

struct PlaneBlocks {
  std::int64_t block, vw;  // rows and columns of a block
  Axis rows, columns;
  std::int64_t in_h, in_w;

  PlaneBlocks(const Problem& p, std::int64_t block_rows, std::int64_t vector_width);

  // Why the planes cannot be read so: only the outer blocks may see padding, and less than a vector of it.
  std::optional<Rejection> rejection() const;
  std::int64_t blocks() const { return ceil_div(rows.steps, block); }
  std::int64_t vectors() const { return ceil_div(columns.steps, vw); }
  // The cases at the border. Planes of other sizes have the same program where the last blocks see as much padding.
  std::string defines() const;
  // And where the blocks overlap, for programs with code that depends on it.
  std::string overlap_defines() const;
  // Blocks and vectors between the first and the last begin so much earlier.
  std::int64_t shift_rows() const;
  std::int64_t shift_columns() const;
  // Cycles to load and multiply what one block sees.
  double cycles(const Problem& p) const;

 private:
  // Rows and columns of padding; negative where the results do not see some inside.
  std::int64_t top() const { return -rows.start; }
  std::int64_t left() const { return -columns.start; }
  std::int64_t bottom() const;
  std::int64_t right() const;
};

}  // namespace clconv::core::depthwise
