// Planes that are read in place, row by row, while sums or gradients stay in registers until no further row sees them.
// kernels/parts/depthwise_rolling.cl has the picture. Shared by the bodies `rolling` and `weights_rolling`.
#pragma once

#include <optional>
#include <string>

#include "strategies/body.hpp"
#include "strategies/depthwise/axis.hpp"

namespace clconv::core::depthwise {

struct RollingPlanes {
  std::int64_t vw;  // floats of a vector
  Axis rows, columns;
  std::int64_t in_h, in_w;

  RollingPlanes(const Problem& p, std::int64_t vector_width);
  // Why planes cannot be read this way.
  std::optional<Rejection> rejection(const Problem& p) const;
  std::string defines() const;
  std::int64_t vectors() const { return ceil_div(columns.steps, vw); }
  // The most rows of results (with a stride: steps) that see one row of the input.
  std::int64_t roll() const { return (rows.reach + top_mod()) / rows.advance + 1; }
  // The row of the input at which step 0 begins.
  std::int64_t top() const { return rows.start - top_mod(); }
  // Bands of a plane, whose input stays in L1 while one vector of columns after the other is computed; `wanted` or more
  // where that leaves them rows enough.
  std::int64_t bands(const Case& c, std::int64_t wanted) const;
  // The same where rows are read one after the other, so that nothing has to stay in L1.
  std::int64_t shared_bands(std::int64_t wanted) const;
  // Candidate::not_considered.
  static const char* not_considered(const Machine& machine);

 private:
  // Rows of padding with which the image's first row begins a step.
  std::int64_t top_mod() const;
};

}  // namespace clconv::core::depthwise
