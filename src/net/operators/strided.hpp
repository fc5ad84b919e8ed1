// Strided copies: what Transpose, Slice, Expand, Tile, DepthToSpace, SpaceToDepth, and each part of Concat and Split
// are. One description serves constant folding on the host and the kernels of kernels/net/copy.cl.
#pragma once

#include <cstdint>
#include <vector>

#include "net/lowering.hpp"
#include "net/operator.hpp"
#include "net/tensor.hpp"

namespace clconv::net {

// to[to_first + sum(i[d] * to[d])] = from[from_first + sum(i[d] * from[d])] for all i below `sizes`. Counted in
// elements, outermost dimension of the result first.
struct StridedCopy {
  Shape sizes;
  std::vector<std::int64_t> from, to;  // strides
  std::int64_t from_first = 0, to_first = 0;
};

// The strides of a tensor without gaps.
std::vector<std::int64_t> dense_strides(const Shape& shape);
// The same copy in as few dimensions as possible: none of size 1, and neighbours that are one in both tensors merged.
StridedCopy collapsed(const StridedCopy& copy);
// Is it a copy of neighbouring elements to neighbouring ones?
bool is_one_range(const StridedCopy& collapsed_copy);

// A constant of type and elements of `from`, with what the copy moves; all else is 0.
ConstantPtr moved(const Constant& from, const Shape& shape, const StridedCopy& copy);
void move_elements(const Constant& from, Constant& to, const StridedCopy& copy);
// A constant of that type and shape, of zeros.
Constant zeros(Type type, const Shape& shape);

// One launch that copies, or none where there is nothing to copy.
void launch_copy(Lowering& lowering, BufferId x, BufferId y, const StridedCopy& copy);
// Output `i` is a copy of a part of input 0: the part itself where it lies in one piece and may be used in place, else
// launched.
void lower_part(Lowering& lowering, std::size_t i, const StridedCopy& copy);

// Shared by the operators that move data.
inline const Shape& output_shape_of(const NodeView& view, std::size_t i) {
  return *view.graph().value(view.node().outputs[i]).shape;
}
// A constant of any type, or an activation of a floating type.
inline void expect_movable(const NodeView& view, std::size_t i) {
  if (view.constant(i) == nullptr) view.expect_floating(i);
}
// Is a constant of that shape small enough to be made on the host from less?
inline bool is_foldable(const Shape& shape) {
  return elements(shape) <= std::int64_t{1} << 28;
}

}  // namespace clconv::net
