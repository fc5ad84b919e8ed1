// Operators that give a tensor another shape and leave its elements where they are: no step on the device.
#include <algorithm>

#include "net/operators/strided.hpp"
#include "problem.hpp"

namespace clconv::net {
namespace {

void evaluate_view(Evaluation& evaluation) {
  auto result = std::make_shared<Constant>(evaluation.constant_input(0));
  result->shape = output_shape_of(evaluation, 0);
  evaluation.output(0, std::move(result));
}

void lower_view(Lowering& lowering) {
  const BufferId from = lowering.in(0);
  const std::int64_t bytes = lowering.bytes_of(lowering.output_shape(0));
  if (lowering.may_alias(from, 0, bytes)) return lowering.alias(0, from);
  lowering.copy("copy", from, lowering.out(0), bytes);
}

void infer_reshape(Inference& inference) {
  inference.expect_inputs(2, 2);
  expect_movable(inference, 0);
  const Shape& from = inference.shape(0);
  Shape to = inference.integers(1, "the shape");
  const bool zero_is_zero = inference.attributes().integer("allowzero", 0) != 0;
  std::int64_t known = 1;
  std::size_t open = to.size();
  for (std::size_t d = 0; d < to.size(); ++d) {
    if (to[d] == 0 && !zero_is_zero) {
      if (d >= from.size()) {
        inference.invalid("size " + std::to_string(d) + " of the new shape is that of " +
                          to_string(from) + ", which has no such dimension");
      }
      to[d] = from[d];
    }
    if (to[d] == -1 && open == to.size()) {
      open = d;
    } else if (to[d] < 0) {
      inference.invalid("a new shape of " + to_string(to) +
                        ": at most one size is -1, others at "
                        "least 0");
    } else {
      known = core::saturating_product(known, to[d]);
    }
  }
  const std::int64_t count = elements(from);
  if (open < to.size()) {
    if (known == 0 || count % known != 0) {
      inference.invalid("input " + to_string(from) + " does not divide into " + to_string(to));
    }
    to[open] = count / known;
  } else if (known != count) {
    inference.invalid("input " + to_string(from) + " cannot become " + to_string(to));
  }
  inference.output(0, inference.type(0), to);
}

void infer_flatten(Inference& inference) {
  inference.expect_inputs(1, 1);
  expect_movable(inference, 0);
  const Shape& from = inference.shape(0);
  const std::size_t axis =
      normalized_axis(inference.attributes().integer("axis", 1), from.size(), true);
  inference.output(0, inference.type(0),
                   {elements(from, 0, axis), elements(from, axis, from.size())});
}

// The axes of Squeeze and Unsqueeze in a tensor of that rank, as a flag per dimension.
std::vector<bool> flags_of(const Inference& inference, const std::vector<std::int64_t>& axes,
                           std::size_t rank) {
  std::vector<bool> flags(rank);
  for (const std::int64_t axis : axes) {
    const std::size_t d = normalized_axis(axis, rank);
    if (flags[d]) inference.invalid("axis " + std::to_string(axis) + " comes twice");
    flags[d] = true;
  }
  return flags;
}

void infer_squeeze(Inference& inference) {
  inference.expect_inputs(1, 2);
  expect_movable(inference, 0);
  const Shape& from = inference.shape(0);
  const bool all = !inference.has_input(1) && !inference.attributes().has("axes");
  const std::vector<bool> removed =
      flags_of(inference, inference.integers_or(1, "axes", {}), from.size());
  Shape to;
  for (std::size_t d = 0; d < from.size(); ++d) {
    if (removed[d] && from[d] != 1) {
      inference.invalid("dimension " + std::to_string(d) + " of " + to_string(from) +
                        " is squeezed, but is not 1");
    }
    if (!removed[d] && !(all && from[d] == 1)) to.push_back(from[d]);
  }
  inference.output(0, inference.type(0), to);
}

void infer_unsqueeze(Inference& inference) {
  inference.expect_inputs(1, 2);
  expect_movable(inference, 0);
  const Shape& from = inference.shape(0);
  const std::vector<std::int64_t> axes = inference.integers_or(1, "axes", {});
  if (axes.size() > from.size() + 64) inference.invalid("too many axes");
  const std::vector<bool> added = flags_of(inference, axes, from.size() + axes.size());
  Shape to;
  auto next = from.begin();
  for (const bool is_new : added)
    to.push_back(is_new ? 1 : *next++);
  inference.output(0, inference.type(0), to);
}

}  // namespace

Operators views_operators();
Operators views_operators() {
  return {{"Reshape", "", 5, infer_reshape, evaluate_view, lower_view},
          {"Flatten", "", 1, infer_flatten, evaluate_view, lower_view},
          {"Squeeze", "", 1, infer_squeeze, evaluate_view, lower_view},
          {"Unsqueeze", "", 1, infer_unsqueeze, evaluate_view, lower_view}};
}

}  // namespace clconv::net
