// Gather with constant indices: an indexed copy.
#include "net/operators/indexed.hpp"

namespace clconv::net {
namespace {

std::size_t axis_of(const NodeView& view) {
  return normalized_axis(view.attributes().integer("axis", 0), view.shape(0).size());
}

void infer_gather(Inference& inference) {
  inference.expect_inputs(2, 2);
  expect_movable(inference, 0);
  const std::size_t axis = axis_of(inference);
  const Shape& from = inference.shape(0);
  const std::int64_t size = from[axis];
  for (const std::int64_t index : inference.integers(1, "the indices")) {
    if (index >= -size && index < size) continue;
    inference.invalid("index " + std::to_string(index) + " is outside axis " +
                      std::to_string(axis) + " of " + to_string(from));
  }
  expect_indexable(inference, size);
  const auto at = static_cast<std::ptrdiff_t>(axis);
  Shape shape(from.begin(), from.begin() + at);
  shape.insert(shape.end(), inference.shape(1).begin(), inference.shape(1).end());
  shape.insert(shape.end(), from.begin() + at + 1, from.end());
  inference.output(0, inference.type(0), shape);
}

IndexedCopy copy_of(const NodeView& view) {
  const std::size_t axis = axis_of(view);
  const Shape& from = view.shape(0);
  std::vector<cl_int> table;
  for (const std::int64_t index : view.integers(1, "the indices"))
    table.push_back(static_cast<cl_int>(index < 0 ? index + from[axis] : index));
  IndexedCopy copy;
  copy.axes = {whole_axis(elements(from, 0, axis)), indexed_axis(from[axis], std::move(table)),
               whole_axis(elements(from, axis + 1, from.size()))};
  return copy;
}

void evaluate_gather(Evaluation& evaluation) {
  const Shape& shape = output_shape_of(evaluation, 0);
  if (!is_foldable(shape)) return;
  evaluation.output(0, taken(evaluation.constant_input(0), shape, copy_of(evaluation)));
}

void lower_gather(Lowering& lowering) {
  launch_indexed(lowering, "gather", lowering.in(0), lowering.out(0), copy_of(lowering));
}

}  // namespace

Operators gather_operators();
Operators gather_operators() {
  return {{"Gather", "", 1, infer_gather, evaluate_gather, lower_gather}};
}

}  // namespace clconv::net
