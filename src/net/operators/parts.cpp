// Concat and Split: tensors as parts of another. In place where the parts lie in one piece (lowering.hpp), else a
// strided copy per part.
#include <algorithm>

#include "net/operators/strided.hpp"
#include "problem.hpp"

namespace clconv::net {
namespace {

// `part` from `first` on along `axis` of a tensor of shape `whole`. The strides are between images that lie apart, else
// 0.
StridedCopy copy_of_part(const Shape& whole, const Shape& part, std::size_t axis,
                         std::int64_t first, std::int64_t part_stride = 0,
                         std::int64_t whole_stride = 0) {
  StridedCopy copy;
  copy.sizes = part;
  copy.from = dense_strides(part);
  copy.to = dense_strides(whole);
  if (part_stride > 0) copy.from.front() = part_stride;
  if (whole_stride > 0) copy.to.front() = whole_stride;
  copy.to_first = first * copy.to[axis];
  return copy;
}

StridedCopy inverse(StridedCopy copy) {
  std::swap(copy.from, copy.to);
  std::swap(copy.from_first, copy.to_first);
  return copy;
}

// ---- Concat ---------------------------------------------------------------------------------------

std::size_t concat_axis(const NodeView& view) {
  if (!view.attributes().has("axis")) view.invalid("has no axis");
  return normalized_axis(view.attributes().integer("axis", 0), view.shape(0).size());
}

void infer_concat(Inference& inference) {
  if (inference.input_count() == 0) inference.invalid("has no inputs");
  const std::size_t axis = concat_axis(inference);
  Shape shape = inference.shape(0);
  for (std::size_t i = 0; i < inference.input_count(); ++i) {
    expect_movable(inference, i);
    Shape other = inference.shape(i);
    const bool fits = other.size() == shape.size() &&
                      is_floating(inference.type(i)) == is_floating(inference.type(0));
    if (fits && i > 0) shape[axis] += other[axis];
    if (fits) other[axis] = shape[axis];
    if (!fits || other != shape) {
      inference.invalid("inputs of " + to_string(inference.shape(0)) + " " +
                        to_string(inference.type(0)) + " and " + to_string(inference.shape(i)) +
                        " " + to_string(inference.type(i)) + " do not join along axis " +
                        std::to_string(axis));
    }
  }
  inference.output(0, inference.type(0), shape);
}

void evaluate_concat(Evaluation& evaluation) {
  const std::size_t axis = concat_axis(evaluation);
  const Shape& whole = output_shape_of(evaluation, 0);
  auto result = std::make_shared<Constant>(zeros(evaluation.type(0), whole));
  std::int64_t first = 0;
  for (std::size_t i = 0; i < evaluation.input_count(); ++i) {
    const Constant& part = evaluation.constant_input(i);
    move_elements(part, *result, copy_of_part(whole, part.shape, axis, first));
    first += part.shape[axis];
  }
  evaluation.output(0, std::move(result));
}

void lower_concat(Lowering& lowering) {
  const std::size_t axis = concat_axis(lowering);
  const Shape& whole = lowering.output_shape(0);
  if (lowering.input_count() == 1) {
    return lower_part(lowering, 0,
                      copy_of_part(whole, whole, axis, 0, lowering.images_in(0).stride));
  }
  const Images to = lowering.images_out(0);
  std::int64_t first = 0;
  for (std::size_t i = 0; i < lowering.input_count(); ++i) {
    const Shape& part = lowering.shape(i);
    const Images from = lowering.images_in(i);
    const StridedCopy copy = copy_of_part(whole, part, axis, first, from.stride, to.stride);
    first += part[axis];
    if (elements(part) == 0) continue;
    const std::int64_t first_byte = copy.to_first * core::element_bytes(lowering.storage());
    const bool in_place = from.stride > 0 || is_one_range(collapsed(copy));
    if (in_place && lowering.is_part(from.buffer, to.buffer, first_byte)) continue;
    launch_copy(lowering, from.buffer, to.buffer, copy);
  }
}

// ---- Split ----------------------------------------------------------------------------------------

std::size_t split_axis(const NodeView& view) {
  return normalized_axis(view.attributes().integer("axis", 0), view.shape(0).size());
}

// Of each output along the axis.
std::vector<std::int64_t> split_sizes(const NodeView& view) {
  const std::int64_t size = view.shape(0)[split_axis(view)];
  const auto outputs = static_cast<std::int64_t>(view.output_count());
  if (outputs == 0) view.invalid("has no outputs");
  std::vector<std::int64_t> sizes = view.integers_or(1, "split", {});
  if (sizes.empty()) {
    const std::int64_t wanted = view.attributes().integer("num_outputs", outputs);
    if (wanted != outputs) {
      view.invalid("num_outputs=" + std::to_string(wanted) + ", but it has " +
                   std::to_string(outputs) + " outputs");
    }
    const std::int64_t each = core::ceil_div(size, outputs);
    const bool uneven = view.attributes().has("num_outputs");
    if (!uneven && size % outputs != 0) {
      view.invalid("size " + std::to_string(size) + " does not divide into " +
                   std::to_string(outputs) + " equal parts");
    }
    for (std::int64_t i = 0; i < outputs; ++i)
      sizes.push_back(std::clamp<std::int64_t>(size - i * each, 0, each));
  }
  std::int64_t rest = size;
  for (const std::int64_t part : sizes) {
    if (part < 0 || part > rest) view.invalid("the parts do not sum to " + std::to_string(size));
    rest -= part;
  }
  if (rest != 0 || static_cast<std::int64_t>(sizes.size()) != outputs) {
    view.invalid(std::to_string(sizes.size()) + " parts of " + std::to_string(size) + " for " +
                 std::to_string(outputs) + " outputs, and " + std::to_string(rest) + " are left");
  }
  return sizes;
}

void infer_split(Inference& inference) {
  inference.expect_inputs(1, 2);
  expect_movable(inference, 0);
  Shape shape = inference.shape(0);
  const std::vector<std::int64_t> sizes = split_sizes(inference);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    shape[split_axis(inference)] = sizes[i];
    inference.output(i, inference.type(0), shape);
  }
}

void evaluate_split(Evaluation& evaluation) {
  const std::size_t axis = split_axis(evaluation);
  const Constant& whole = evaluation.constant_input(0);
  std::int64_t first = 0;
  Shape shape = whole.shape;
  const std::vector<std::int64_t> sizes = split_sizes(evaluation);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    shape[axis] = sizes[i];
    evaluation.output(i,
                      moved(whole, shape, inverse(copy_of_part(whole.shape, shape, axis, first))));
    first += sizes[i];
  }
}

void lower_split(Lowering& lowering) {
  const std::size_t axis = split_axis(lowering);
  const Shape& whole = lowering.shape(0);
  const std::int64_t stride = lowering.images_in(0).stride;
  std::int64_t first = 0;
  Shape shape = whole;
  const std::vector<std::int64_t> sizes = split_sizes(lowering);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    shape[axis] = sizes[i];
    lower_part(lowering, i, inverse(copy_of_part(whole, shape, axis, first, 0, stride)));
    first += sizes[i];
  }
}

// All inputs of both, and the result of a Concat. Parts of a Split are lower_part()'s decision.
bool parts_images_apart(const NodeView& view, std::size_t input) {
  return input != Operator::kOutput || (view.node().op == "Concat" && view.input_count() > 1);
}

}  // namespace

Operators parts_operators();
Operators parts_operators() {
  return {{"Concat", "", 4, infer_concat, evaluate_concat, lower_concat, parts_images_apart},
          {"Split", "", 2, infer_split, evaluate_split, lower_split, parts_images_apart}};
}

}  // namespace clconv::net
