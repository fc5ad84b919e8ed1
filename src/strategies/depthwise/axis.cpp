#include "strategies/depthwise/axis.hpp"

namespace clconv::core::depthwise {

Axis::Axis(bool data, std::int64_t size, std::int64_t results, std::int64_t kernel,
           std::int64_t stride, std::int64_t before, std::int64_t dilation) {
  const std::int64_t span = (kernel - 1) * dilation;
  steps = data ? ceil_div(size, stride) : results;
  advance = data ? 1 : stride;
  residues = data ? stride : 1;
  reach = data ? span / stride + (stride - 1 + before % stride) / stride : span;
  start = data ? before / stride - span / stride : -before;
}

Axis Axis::rows(const Problem& p) {
  return {p.wants_dx(), p.h, p.oh(), p.kh, p.sh, p.pt, p.dh};
}

Axis Axis::columns(const Problem& p) {
  return {p.wants_dx(), p.w, p.ow(), p.kw, p.sw, p.pl, p.dw};
}

std::int64_t unrolled_combinations(const Problem& p, int rb) {
  const Axis columns = Axis::columns(p);
  return saturating_product(Axis::rows(p).input(rb), columns.reach + 1, rb, columns.residues);
}

bool unrolls(const Problem& p, int rb) {
  if (Axis::columns(p).residues > 2 || Axis::rows(p).residues > 2) return false;
  return unrolled_combinations(p, rb) <= kMostUnrolled;
}

}  // namespace clconv::core::depthwise
