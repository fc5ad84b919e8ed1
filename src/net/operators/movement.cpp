// Operators that move the elements of one tensor: each is one strided copy.
#include <algorithm>
#include <limits>
#include <numeric>

#include "net/operators/strided.hpp"
#include "problem.hpp"

namespace clconv::net {
namespace {

// What a node copies, of a node whose shapes are inferred.
using CopyOf = StridedCopy (*)(const NodeView&);

template <CopyOf copy_of>
void evaluate(Evaluation& evaluation) {
  const Shape& shape = output_shape_of(evaluation, 0);
  if (!is_foldable(shape)) return;
  evaluation.output(0, moved(evaluation.constant_input(0), shape, copy_of(evaluation)));
}

template <CopyOf copy_of>
void lower_copy(Lowering& lowering) {
  lower_part(lowering, 0, copy_of(lowering));
}

// ---- Transpose ------------------------------------------------------------------------------------

std::vector<std::size_t> permutation_of(const NodeView& view) {
  const std::size_t rank = view.shape(0).size();
  std::vector<std::int64_t> reversed(rank);
  for (std::size_t d = 0; d < rank; ++d)
    reversed[d] = static_cast<std::int64_t>(rank - 1 - d);
  std::vector<std::size_t> permutation;
  for (const std::int64_t axis : view.attributes().integers("perm", reversed)) {
    const std::size_t d = normalized_axis(axis, rank);
    if (std::count(permutation.begin(), permutation.end(), d) != 0) {
      view.invalid("axis " + std::to_string(axis) + " comes twice");
    }
    permutation.push_back(d);
  }
  if (permutation.size() != rank) {
    view.invalid(std::to_string(permutation.size()) + " axes for an input of " +
                 to_string(view.shape(0)));
  }
  return permutation;
}

void infer_transpose(Inference& inference) {
  inference.expect_inputs(1, 1);
  expect_movable(inference, 0);
  Shape shape;
  for (const std::size_t d : permutation_of(inference))
    shape.push_back(inference.shape(0)[d]);
  inference.output(0, inference.type(0), shape);
}

StridedCopy copy_of_transpose(const NodeView& view) {
  const std::vector<std::int64_t> strides = dense_strides(view.shape(0));
  StridedCopy copy;
  copy.sizes = output_shape_of(view, 0);
  copy.to = dense_strides(copy.sizes);
  for (const std::size_t d : permutation_of(view))
    copy.from.push_back(strides[d]);
  return copy;
}

// ---- Slice ----------------------------------------------------------------------------------------

// Of one dimension: where it starts, what follows, how many there are.
struct Cut {
  std::int64_t start = 0, step = 1, count = 0;
};

Cut cut_of(std::int64_t size, std::int64_t start, std::int64_t end, std::int64_t step) {
  Cut cut;
  if (size == 0) return cut;
  if (start < 0) start += size;
  if (end < 0) end += size;
  if (step > 0) {
    cut.start = std::clamp<std::int64_t>(start, 0, size);
    end = std::clamp<std::int64_t>(end, 0, size);
    cut.count = end > cut.start ? (end - cut.start - 1) / step + 1 : 0;
  } else {
    step = std::max(step, -std::numeric_limits<std::int64_t>::max());
    cut.start = std::clamp<std::int64_t>(start, 0, size - 1);
    end = std::clamp<std::int64_t>(end, -1, size - 1);
    cut.count = cut.start > end ? (cut.start - end - 1) / -step + 1 : 0;
  }
  cut.step = cut.count > 1 ? step : 1;
  return cut;
}

std::vector<Cut> cuts_of(const NodeView& view) {
  const Shape& shape = view.shape(0);
  std::vector<Cut> cuts;
  for (const std::int64_t size : shape)
    cuts.push_back({0, 1, size});
  const bool inputs = view.opset() >= 10;
  const std::vector<std::int64_t> starts =
      inputs ? view.integers(1, "the starts") : view.attributes().integers("starts");
  const std::vector<std::int64_t> ends =
      inputs ? view.integers(2, "the ends") : view.attributes().integers("ends");
  std::vector<std::int64_t> all(starts.size());
  std::iota(all.begin(), all.end(), std::int64_t{0});
  const std::vector<std::int64_t> axes = view.integers_or(3, "axes", all);
  const std::vector<std::int64_t> steps = view.has_input(4)
                                              ? view.integers(4, "the steps")
                                              : std::vector<std::int64_t>(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    view.invalid("starts, ends, axes and steps differ in number");
  }
  std::vector<bool> seen(shape.size());
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t d = normalized_axis(axes[i], shape.size());
    if (seen[d]) view.invalid("axis " + std::to_string(axes[i]) + " comes twice");
    if (steps[i] == 0) view.invalid("a step is 0");
    seen[d] = true;
    cuts[d] = cut_of(shape[d], starts[i], ends[i], steps[i]);
  }
  return cuts;
}

void infer_slice(Inference& inference) {
  inference.expect_inputs(1, 5);
  expect_movable(inference, 0);
  Shape shape;
  for (const Cut& cut : cuts_of(inference))
    shape.push_back(cut.count);
  inference.output(0, inference.type(0), shape);
}

StridedCopy copy_of_slice(const NodeView& view) {
  const std::vector<std::int64_t> strides = dense_strides(view.shape(0));
  const std::vector<Cut> cuts = cuts_of(view);
  StridedCopy copy;
  copy.sizes = output_shape_of(view, 0);
  copy.to = dense_strides(copy.sizes);
  for (std::size_t d = 0; d < cuts.size(); ++d) {
    copy.from.push_back(cuts[d].step * strides[d]);
    copy.from_first += cuts[d].start * strides[d];
  }
  return copy;
}

// ---- Expand, Tile ---------------------------------------------------------------------------------

void infer_expand(Inference& inference) {
  inference.expect_inputs(2, 2);
  expect_movable(inference, 0);
  const Shape wanted = inference.integers(1, "the shape");
  for (const std::int64_t size : wanted) {
    if (size < 0) inference.invalid("cannot expand to " + to_string(wanted));
  }
  inference.output(0, inference.type(0), broadcast(inference.shape(0), wanted));
}

StridedCopy copy_of_expand(const NodeView& view) {
  const Shape& from = view.shape(0);
  const std::vector<std::int64_t> strides = dense_strides(from);
  StridedCopy copy;
  copy.sizes = output_shape_of(view, 0);
  copy.to = dense_strides(copy.sizes);
  copy.from.assign(copy.sizes.size() - from.size(), 0);
  for (std::size_t d = 0; d < from.size(); ++d)
    copy.from.push_back(from[d] == 1 ? 0 : strides[d]);
  return copy;
}

void infer_tile(Inference& inference) {
  inference.expect_inputs(2, 2);
  expect_movable(inference, 0);
  const Shape& from = inference.shape(0);
  const std::vector<std::int64_t>& repeats = inference.integers(1, "the repeats");
  if (repeats.size() != from.size()) {
    inference.invalid(std::to_string(repeats.size()) + " repeats for an input of " +
                      to_string(from));
  }
  Shape shape;
  for (std::size_t d = 0; d < from.size(); ++d) {
    if (repeats[d] < 0) inference.invalid("repeats " + std::to_string(repeats[d]) + " times");
    shape.push_back(core::saturating_product(from[d], repeats[d]));
  }
  inference.output(0, inference.type(0), shape);
}

// Each dimension as two: the repeats, and what is repeated.
StridedCopy copy_of_tile(const NodeView& view) {
  const Shape& from = view.shape(0);
  const std::vector<std::int64_t>& repeats = view.integers(1, "the repeats");
  const std::vector<std::int64_t> from_strides = dense_strides(from);
  const std::vector<std::int64_t> to_strides = dense_strides(output_shape_of(view, 0));
  StridedCopy copy;
  for (std::size_t d = 0; d < from.size(); ++d) {
    copy.sizes.insert(copy.sizes.end(), {repeats[d], from[d]});
    copy.from.insert(copy.from.end(), {0, from_strides[d]});
    copy.to.insert(copy.to.end(), {from[d] * to_strides[d], to_strides[d]});
  }
  return copy;
}

// ---- DepthToSpace, SpaceToDepth -------------------------------------------------------------------

std::int64_t block_of(const NodeView& view) {
  constexpr std::int64_t kMost = 1 << 20;
  const std::int64_t block = view.attributes().integer("blocksize", 0);
  if (block < 1 || block > kMost) view.invalid("blocksize=" + std::to_string(block));
  return block;
}

bool is_column_row_depth(const NodeView& view) {
  const std::string mode = view.attributes().text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") view.invalid("mode='" + mode + "': expected DCR or CRD");
  return mode == "CRD";
}

void infer_depth_to_space(Inference& inference) {
  inference.expect_inputs(1, 1);
  expect_movable(inference, 0);
  inference.expect_rank(0, 4, 4);
  is_column_row_depth(inference);
  const std::int64_t b = block_of(inference);
  const Shape& from = inference.shape(0);
  if (from[1] % (b * b) != 0) {
    inference.invalid(std::to_string(from[1]) + " channels do not divide into blocks of " +
                      std::to_string(b) + "x" + std::to_string(b));
  }
  inference.output(0, inference.type(0), {from[0], from[1] / (b * b), from[2] * b, from[3] * b});
}

// In the order of the result: image, channel, row, row of the block, column, column of the block.
StridedCopy copy_of_depth_to_space(const NodeView& view) {
  const Shape &from = view.shape(0), &to = output_shape_of(view, 0);
  const std::int64_t b = block_of(view), plane = from[2] * from[3], width = from[3];
  const bool crd = is_column_row_depth(view);
  const std::int64_t channel = crd ? b * b * plane : plane;
  const std::int64_t row = crd ? b * plane : b * to[1] * plane,
                     column = crd ? plane : to[1] * plane;
  StridedCopy copy;
  copy.sizes = {from[0], to[1], from[2], b, from[3], b};
  copy.from = {from[1] * plane, channel, width, row, 1, column};
  copy.to = {to[1] * to[2] * to[3], to[2] * to[3], b * to[3], to[3], b, 1};
  return copy;
}

void infer_space_to_depth(Inference& inference) {
  inference.expect_inputs(1, 1);
  expect_movable(inference, 0);
  inference.expect_rank(0, 4, 4);
  const std::int64_t b = block_of(inference);
  const Shape& from = inference.shape(0);
  if (from[2] % b != 0 || from[3] % b != 0) {
    inference.invalid("input " + to_string(from) + " does not divide into blocks of " +
                      std::to_string(b) + "x" + std::to_string(b));
  }
  inference.output(0, inference.type(0),
                   {from[0], core::saturating_product(from[1], b * b), from[2] / b, from[3] / b});
}

// In the order of the result: image, row of the block, column of the block, channel, row, column.
StridedCopy copy_of_space_to_depth(const NodeView& view) {
  const Shape &from = view.shape(0), &to = output_shape_of(view, 0);
  const std::int64_t b = block_of(view), plane = from[2] * from[3], width = from[3];
  StridedCopy copy;
  copy.sizes = {from[0], b, b, from[1], to[2], to[3]};
  copy.from = {from[1] * plane, width, 1, plane, b * width, b};
  copy.to = dense_strides(copy.sizes);
  return copy;
}

}  // namespace

#define CLCONV_MOVES(name, since, of) \
  { name, "", since, infer_##of, evaluate<copy_of_##of>, lower_copy<copy_of_##of> }

Operators movement_operators();
Operators movement_operators() {
  return {CLCONV_MOVES("Transpose", 1, transpose),
          CLCONV_MOVES("Slice", 1, slice),
          CLCONV_MOVES("Expand", 8, expand),
          CLCONV_MOVES("Tile", 6, tile),
          CLCONV_MOVES("DepthToSpace", 1, depth_to_space),
          CLCONV_MOVES("SpaceToDepth", 1, space_to_depth)};
}

}  // namespace clconv::net
