// Planes whose rows are copied to local memory before a program goes down them: kernels/parts/depthwise_staged.cl has
// the picture. Shared by the bodies `staged_rolling` and `weights_staged_rolling`.
#pragma once

#include <optional>
#include <string>

#include "strategies/depthwise/rolling_planes.hpp"

namespace clconv::core::depthwise {

struct StagedPlanes {
  RollingPlanes planes;

  explicit StagedPlanes(const RollingPlanes& rolling) : planes(rolling) {}

  // Why planes cannot be staged in vectors.
  std::optional<Rejection> rejection(const Problem& p) const;
  // Of local memory, for `count` rows and `others` floats beside them; and the macros of a program that has those.
  std::int64_t floats(std::int64_t count, std::int64_t others) const;
  std::string defines(std::int64_t count, std::int64_t others) const;
  // Steps of a band of `rows` rows of results that see the image, at most.
  std::int64_t steps_of(std::int64_t rows) const;
  // As many vectors of results at a time as cut a row into passes of the same size, at most `most`.
  std::int64_t vectors_of_pass(std::int64_t most) const;
  // Vectors of the input that a step copies, two of a pair.
  std::int64_t copied() const { return planes.rows.advance * ceil_div(planes.in_w, planes.vw); }

 private:
  // Floats of a row, and zeroes in front of the first.
  std::int64_t pitch() const;
  std::int64_t border() const;
};

}  // namespace clconv::core::depthwise
