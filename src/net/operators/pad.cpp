// Pad: an indexed copy whose tables reach beyond the input.
#include <algorithm>

#include "net/operators/indexed.hpp"

namespace clconv::net {
namespace {

struct Padding {
  std::int64_t before = 0, after = 0;  // below 0: so many are cut off
};

// Of each dimension.
std::vector<Padding> paddings_of(const NodeView& view) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;  // of what can be the size of a tensor
  const std::size_t rank = view.shape(0).size();
  const std::vector<std::int64_t> pads =
      view.opset() >= 11 ? view.integers(1, "the pads") : view.attributes().integers("pads");
  std::vector<std::int64_t> axes;
  if (view.has_input(3)) {
    axes = view.integers(3, "the axes");
  } else {
    for (std::size_t d = 0; d < rank; ++d)
      axes.push_back(static_cast<std::int64_t>(d));
  }
  if (pads.size() != 2 * axes.size()) {
    view.invalid(std::to_string(pads.size()) + " pads for " + std::to_string(axes.size()) +
                 " axes");
  }
  std::vector<Padding> result(rank);
  std::vector<bool> seen(rank);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t d = normalized_axis(axes[i], rank);
    const Padding padding{pads[i], pads[i + axes.size()]};
    for (const std::int64_t pad : {padding.before, padding.after}) {
      if (pad < -kMost || pad > kMost) view.invalid("pads by " + std::to_string(pad));
    }
    if (seen[d]) view.invalid("axis " + std::to_string(axes[i]) + " comes twice");
    seen[d] = true;
    result[d] = padding;
  }
  return result;
}

std::string mode_of(const NodeView& view) {
  const std::string mode = view.attributes().text("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
    view.unsupported("mode='" + mode + "'");
  }
  return mode;
}

Fill fill_of(const NodeView& view) {
  if (view.opset() < 11)
    return fill_with(static_cast<double>(view.attributes().number("value", 0)));
  if (!view.has_input(2)) return {};
  const ConstantPtr value = view.constant(2);
  if (value == nullptr) view.unsupported("the value to pad with depends on the data of the inputs");
  if (value->count() != 1) view.invalid("the value to pad with is " + to_string(value->shape));
  if (is_floating(value->type)) return fill_with(static_cast<double>(value->floats[0]));
  return {static_cast<double>(value->integers[0]), value->integers[0]};
}

// Position `at` of `size` elements, which may lie outside, by the mode; kFilled for none.
std::int64_t position(const std::string& mode, std::int64_t at, std::int64_t size) {
  if (at >= 0 && at < size) return at;
  if (mode == "constant") return kFilled;
  if (mode == "edge") return std::clamp<std::int64_t>(at, 0, size - 1);
  if (mode == "wrap") return (at % size + size) % size;
  if (size == 1) return 0;
  const std::int64_t period = 2 * (size - 1);
  const std::int64_t in_period = (at % period + period) % period;
  return in_period < size ? in_period : period - in_period;
}

// What is cut off comes before what is added, so that the latter repeats what is left.
IndexedAxis axis_of(const std::string& mode, std::int64_t size, const Padding& padding) {
  const std::int64_t cut = std::min(size, std::max<std::int64_t>(-padding.before, 0));
  const std::int64_t left = size - cut - std::max<std::int64_t>(-padding.after, 0);
  const std::int64_t shift = padding.before < 0 ? -padding.before - cut : -padding.before;
  std::vector<cl_int> table;
  for (std::int64_t i = 0; i < size + padding.before + padding.after; ++i) {
    const std::int64_t from = position(mode, i + shift, left);
    table.push_back(static_cast<cl_int>(from < 0 ? kFilled : from + cut));
  }
  return indexed_axis(size, std::move(table));
}

void infer_pad(Inference& inference) {
  inference.expect_inputs(1, 4);
  expect_movable(inference, 0);
  const std::string mode = mode_of(inference);
  fill_of(inference);
  const std::vector<Padding> paddings = paddings_of(inference);
  Shape shape = inference.shape(0);
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const Padding& padding = paddings[d];
    const std::int64_t left = shape[d] + std::min<std::int64_t>(padding.before, 0) +
                              std::min<std::int64_t>(padding.after, 0);
    if (left < 0 ||
        (left == 0 && mode != "constant" && padding.before + padding.after > -shape[d])) {
      inference.invalid("pads dimension " + std::to_string(d) + " of " +
                        to_string(inference.shape(0)) + " by " + std::to_string(padding.before) +
                        " and " + std::to_string(padding.after));
    }
    expect_indexable(inference, shape[d]);
    shape[d] += padding.before + padding.after;
    expect_indexable(inference, shape[d]);
  }
  inference.output(0, inference.type(0), shape);
}

IndexedCopy copy_of(const NodeView& view) {
  const std::vector<Padding> paddings = paddings_of(view);
  IndexedCopy copy;
  copy.fill = fill_of(view);
  for (std::size_t d = 0; d < paddings.size(); ++d)
    copy.axes.push_back(axis_of(mode_of(view), view.shape(0)[d], paddings[d]));
  return copy;
}

void evaluate_pad(Evaluation& evaluation) {
  const Shape& shape = output_shape_of(evaluation, 0);
  if (!is_foldable(shape)) return;
  evaluation.output(0, taken(evaluation.constant_input(0), shape, copy_of(evaluation)));
}

void lower_pad(Lowering& lowering) {
  const IndexedCopy copy = copy_of(lowering);
  const std::vector<std::int64_t> strides = dense_strides(lowering.shape(0));
  if (is_plain(copy)) return lower_part(lowering, 0, {lowering.shape(0), strides, strides});
  launch_indexed(lowering, "pad", lowering.in(0), lowering.out(0), copy);
}

}  // namespace

Operators pad_operators();
Operators pad_operators() {
  return {{"Pad", "", 2, infer_pad, evaluate_pad, lower_pad}};
}

}  // namespace clconv::net
