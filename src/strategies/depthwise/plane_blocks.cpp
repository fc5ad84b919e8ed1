#include "strategies/depthwise/plane_blocks.hpp"

#include <algorithm>

#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {
namespace {

// Rows of padding that step `step` sees at the end of an input of `size` rows.
std::int64_t beyond(const Axis& axis, std::int64_t size, std::int64_t step) {
  return step * axis.advance + axis.start + axis.reach - (size - 1);
}

// Steps at the end that see padding, or read it: at stride 2, columns come in pairs.
std::int64_t margin(const Axis& axis, std::int64_t size) {
  const std::int64_t outside = beyond(axis, size, axis.steps - 1) + axis.advance - 1;
  return outside > 0 ? ceil_div(outside, axis.advance) : 0;
}

// By so much the blocks between the first and the last move back, for only the last to see the end.
std::int64_t shift(const Axis& axis, std::int64_t size, std::int64_t block) {
  const std::int64_t before_last = (ceil_div(axis.steps, block) - 1) * block;
  return std::max<std::int64_t>(0, before_last - (axis.steps - margin(axis, size)));
}

// Along one axis, "rows" or "columns".
std::optional<Rejection> axis_rejection(const std::string& name, const Axis& axis,
                                        std::int64_t size, std::int64_t block) {
  const auto too_many = [&](const char* what, std::int64_t actual, std::int64_t limit) {
    return above((name + what).c_str(), actual, limit);
  };
  if (axis.steps < block) return too_many(" of a block", block, axis.steps);
  if (axis.steps == block) return std::nullopt;
  const std::int64_t at_end = margin(axis, size);
  const std::int64_t back = shift(axis, size, block);
  const bool two = axis.steps <= 2 * block;
  const std::int64_t most_at_end = two ? axis.steps - block : block;
  if (at_end > most_at_end) return too_many(" that see padding at the end", at_end, most_at_end);
  // Neither the last block nor one between sees the start.
  std::int64_t seen = (axis.steps - block) * axis.advance;
  if (!two) seen = std::min(seen, (block - back) * axis.advance);
  if (seen + axis.start < 0) return too_many(" of padding at the start", -axis.start, seen);
  return std::nullopt;
}

}  // namespace

PlaneBlocks::PlaneBlocks(const Problem& p, std::int64_t block_rows, std::int64_t vector_width)
    : block(block_rows),
      vw(vector_width),
      rows(Axis::rows(p)),
      columns(Axis::columns(p)),
      in_h(p.wants_dx() ? p.oh() : p.h),
      in_w(p.wants_dx() ? p.ow() : p.w) {}

std::int64_t PlaneBlocks::bottom() const {
  return beyond(rows, in_h, rows.steps - 1);
}

std::int64_t PlaneBlocks::right() const {
  return beyond(columns, in_w, columns.steps - 1);
}

std::optional<Rejection> PlaneBlocks::rejection() const {
  const std::int64_t residues = rows.residues * columns.residues;
  if (residues != 1) return other_than("sh*sw", residues, 1);
  if (columns.advance > 2) return above("sw", columns.advance, 2);
  if (columns.advance * vw > in_w) return above("vw", vw, in_w / columns.advance);
  if (auto refused = axis_rejection("rows", rows, in_h, block)) return refused;
  if (auto refused = axis_rejection("columns", columns, in_w, vw)) return refused;
  if (left() >= vw) return above("columns of padding at the start", left(), vw - 1);
  if (right() + columns.advance > vw)
    return above("columns of padding at the end", right(), vw - columns.advance);
  return std::nullopt;
}

std::string PlaneBlocks::defines() const {
  return define("TOP", top()) + define("BOTTOM", bottom()) + define("LEFT", left()) +
         define("RIGHT", right()) + define("ONE_BLOCK", rows.steps == block) +
         define("ONE_VECTOR", columns.steps == vw);
}

std::string PlaneBlocks::overlap_defines() const {
  return define("SHIFT_H", shift_rows()) + define("SHIFT_W", shift_columns()) +
         define("TWICE_H", round_up(rows.steps, block) - rows.steps) +
         define("TWICE_W", round_up(columns.steps, vw) - columns.steps);
}

std::int64_t PlaneBlocks::shift_rows() const {
  return shift(rows, in_h, block);
}

std::int64_t PlaneBlocks::shift_columns() const {
  return shift(columns, in_w, vw);
}

double PlaneBlocks::cycles(const Problem& p) const {
  // Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11. Two loads at stride 2 are shuffled; forward,
  // where less is computed meanwhile, it takes longer with vectors of 16.
  constexpr double kBlock = 5, kLoad = 0.6, kProduct = 0.45;
  const bool forward = p.direction != Direction::kBackwardWeights;
  const double load_of_two = forward && vw == 16 ? 5 : 2.3;
  const double loads = static_cast<double>(rows.input(block) * p.kw);
  const double products = static_cast<double>(block * p.kh * p.kw);
  return kBlock + (columns.advance == 2 ? load_of_two : kLoad) * loads + kProduct * products;
}

}  // namespace clconv::core::depthwise
