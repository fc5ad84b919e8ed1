#include "strategies/depthwise/staged_planes.hpp"

#include <algorithm>

#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {
namespace {

constexpr std::int64_t kLine =
    16;  // floats of a cache line, so that even vectors of a row lie in one

}  // namespace

std::optional<Rejection> StagedPlanes::rejection(const Problem& p) const {
  if (auto refused = planes.rejection(p)) return refused;
  const std::int64_t residues = planes.rows.residues * planes.columns.residues;
  if (residues != 1) return other_than("sh*sw", residues, 1);
  if (planes.columns.advance * planes.vw > planes.in_w)
    return above("vw", planes.vw, planes.in_w / planes.columns.advance);
  if (planes.vw > planes.columns.steps) return above("vw", planes.vw, planes.columns.steps);
  return std::nullopt;
}

std::int64_t StagedPlanes::border() const {
  const std::int64_t left = -planes.columns.start;
  const std::int64_t right = (planes.columns.steps - 1) * planes.columns.advance +
                             planes.columns.start + planes.columns.reach - (planes.in_w - 1);
  return ceil_div(std::max<std::int64_t>({left, right, 0}), planes.columns.advance);
}

std::int64_t StagedPlanes::pitch() const {
  const std::int64_t halves = planes.columns.advance;
  return halves * round_up(ceil_div(planes.in_w, halves) + border(), planes.vw);
}

std::int64_t StagedPlanes::floats(std::int64_t count, std::int64_t others) const {
  return round_up(others, kLine) + round_up(border(), kLine) + count * pitch() + planes.vw;
}

std::int64_t StagedPlanes::steps_of(std::int64_t rows) const {
  return std::min(rows + planes.roll() - 1, ceil_div(planes.in_h, planes.rows.advance));
}

std::int64_t StagedPlanes::vectors_of_pass(std::int64_t most) const {
  const std::int64_t vectors = planes.vectors();
  return ceil_div(vectors, ceil_div(vectors, std::max<std::int64_t>(1, most)));
}

std::string StagedPlanes::defines(std::int64_t count, std::int64_t others) const {
  return define("IN_W", planes.in_w) + define("STAGE_PITCH", pitch()) +
         define("STAGE_BORDER", round_up(border(), kLine)) +
         define("STAGE_FLOATS", floats(count, others));
}

}  // namespace clconv::core::depthwise
