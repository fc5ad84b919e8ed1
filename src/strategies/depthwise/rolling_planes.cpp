#include "strategies/depthwise/rolling_planes.hpp"

#include <algorithm>

#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {

RollingPlanes::RollingPlanes(const Problem& p, std::int64_t vector_width)
    : vw(vector_width),
      rows(Axis::rows(p)),
      columns(Axis::columns(p)),
      in_h(p.wants_dx() ? p.oh() : p.h),
      in_w(p.wants_dx() ? p.ow() : p.w) {}

std::int64_t RollingPlanes::top_mod() const {
  return ((rows.start % rows.advance) + rows.advance) % rows.advance;
}

std::optional<Rejection> RollingPlanes::rejection(const Problem& p) const {
  if (p.layout != TensorLayout::kNchw) return unserved("layout", "channels last (nhwc)");
  if (rows.residues > 2) return above("sh", rows.residues, 2);
  if (columns.residues > 2) return above("sw", columns.residues, 2);
  if (columns.advance > 2) return above("sw", columns.advance, 2);
  // Each row of results sees one of the image.
  if (-rows.start > rows.reach)
    return above("rows of padding at the start", -rows.start, rows.reach);
  const std::int64_t bottom = (rows.steps - 1) * rows.advance + rows.start - (in_h - 1);
  if (bottom > 0) return above("rows of padding at the end", bottom + rows.reach, rows.reach);
  return std::nullopt;
}

std::int64_t RollingPlanes::shared_bands(std::int64_t wanted) const {
  // A band sees roll() - 1 rows more than it has.
  const std::int64_t least = std::min(rows.steps, 4 * roll());
  const std::int64_t most = std::max<std::int64_t>(1, rows.steps / least);
  // All of the same height but the last.
  return ceil_div(rows.steps, ceil_div(rows.steps, std::min(most, wanted)));
}

std::int64_t RollingPlanes::bands(const Case& c, std::int64_t wanted) const {
  // Half of L1: the other half is for the next band, which is prefetched.
  const std::int64_t near = ceil_div(2 * in_h * in_w * kElement, c.machine.l1_blocking_bytes);
  return shared_bands(std::max(near, wanted));
}

const char* RollingPlanes::not_considered(const Machine& machine) {
  return machine.few_registers() ? "its speed is not known with 16 vector registers" : nullptr;
}

std::string RollingPlanes::defines() const {
  return define("TOP_MOD", top_mod()) + define("LEFT", -columns.start);
}

}  // namespace clconv::core::depthwise
