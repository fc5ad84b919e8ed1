// Resize and Upsample: sizes, scales and modes of all opsets; mode nearest is an indexed copy, the others resample.
#include <algorithm>
#include <cmath>
#include <limits>

#include "net/operators/indexed.hpp"
#include "net/operators/resample.hpp"
#include "net/operators/resize_axis.hpp"

namespace clconv::net {
namespace {

bool is_upsample(const NodeView& view) {
  return view.node().op == "Upsample";
}

void expect_one_of(const NodeView& view, const char* name, const std::string& value,
                   const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), value) != known.end()) return;
  view.unsupported(std::string(name) + "='" + value + "'");
}

ResizeModes modes_of(const NodeView& view) {
  const Attributes& attributes = view.attributes();
  ResizeModes modes;
  modes.mode = attributes.text("mode", "nearest");
  expect_one_of(view, "mode", modes.mode, {"nearest", "linear", "cubic"});
  if (is_upsample(view) || view.opset() < 11) {
    modes.coordinates = "asymmetric";
    modes.nearest = is_upsample(view) ? "floor" : "simple";
    if (modes.mode == "cubic") view.unsupported("mode='cubic'");
    return modes;
  }
  modes.coordinates = attributes.text("coordinate_transformation_mode", "half_pixel");
  expect_one_of(view, "coordinate_transformation_mode", modes.coordinates,
                {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                 "asymmetric", "tf_crop_and_resize", "tf_half_pixel_for_nn"});
  modes.nearest = attributes.text("nearest_mode", "round_prefer_floor");
  expect_one_of(view, "nearest_mode", modes.nearest,
                {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  modes.cubic_a = attributes.number("cubic_coeff_a", -0.75f);
  modes.exclude_outside = modes.mode == "cubic" && attributes.integer("exclude_outside", 0) != 0;
  return modes;
}

// The numbers of an optional input that must be known now; none where it is left out or empty.
std::vector<float> numbers_of(const NodeView& view, std::size_t i, const char* what) {
  if (!view.has_input(i)) return {};
  const ConstantPtr value = view.constant(i);
  if (value == nullptr) {
    view.unsupported(std::string(what) + " ('" + view.input(i).name +
                     "') depend on the data of the inputs");
  }
  std::vector<float> numbers;
  for (std::size_t e = 0; e < static_cast<std::size_t>(value->count()); ++e)
    numbers.push_back(value->number(e));
  return numbers;
}

// The dimensions that scales, sizes and roi are of.
std::vector<std::size_t> axes_of(const NodeView& view) {
  const std::size_t rank = view.shape(0).size();
  std::vector<std::size_t> axes;
  if (view.attributes().has("axes")) {
    for (const std::int64_t axis : view.attributes().integers("axes")) {
      const std::size_t d = normalized_axis(axis, rank);
      if (std::count(axes.begin(), axes.end(), d) != 0) {
        view.invalid("axis " + std::to_string(axis) + " comes twice");
      }
      axes.push_back(d);
    }
    return axes;
  }
  for (std::size_t d = 0; d < rank; ++d)
    axes.push_back(d);
  return axes;
}

void expect_count(const NodeView& view, const char* what, std::size_t count, std::size_t expected) {
  if (count == expected) return;
  view.invalid(std::to_string(count) + " " + what + ", expected " + std::to_string(expected));
}

void set_scale(const NodeView& view, ResizeAxis& axis, float scale) {
  const float size = std::floor(static_cast<float>(axis.from_size) * scale);
  if (!(scale > 0) || !(size < static_cast<float>(std::numeric_limits<cl_int>::max()))) {
    view.invalid("scale " + std::to_string(scale) + " of size " + std::to_string(axis.from_size));
  }
  axis.scale = scale;
  axis.size = static_cast<std::int64_t>(size);
}

void apply_scales(const NodeView& view, const std::vector<std::size_t>& axes,
                  const std::vector<float>& scales, std::vector<ResizeAxis>& result) {
  expect_count(view, "scales", scales.size(), axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i)
    set_scale(view, result[axes[i]], scales[i]);
}

void apply_sizes(const NodeView& view, const std::vector<std::size_t>& axes,
                 const std::vector<std::int64_t>& sizes, std::vector<ResizeAxis>& result) {
  expect_count(view, "sizes", sizes.size(), axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) {
    ResizeAxis& axis = result[axes[i]];
    if (sizes[i] < 0 || (sizes[i] > 0 && axis.from_size == 0)) {
      view.invalid("size " + std::to_string(axis.from_size) + " cannot become " +
                   std::to_string(sizes[i]));
    }
    axis.size = sizes[i];
    axis.scale = axis.from_size == 0
                     ? 1
                     : static_cast<float>(axis.size) / static_cast<float>(axis.from_size);
  }
  const std::string policy = view.attributes().text("keep_aspect_ratio_policy", "stretch");
  expect_one_of(view, "keep_aspect_ratio_policy", policy, {"stretch", "not_larger", "not_smaller"});
  if (policy == "stretch" || axes.empty()) return;
  float scale = result[axes[0]].scale;
  for (const std::size_t d : axes) {
    scale = policy == "not_larger" ? std::min(scale, result[d].scale)
                                   : std::max(scale, result[d].scale);
  }
  for (const std::size_t d : axes) {
    ResizeAxis& axis = result[d];
    set_scale(view, axis, scale);  // checks
    axis.size =
        static_cast<std::int64_t>(std::floor(scale * static_cast<float>(axis.from_size) + 0.5f));
  }
}

// What is asked for along each dimension.
std::vector<ResizeAxis> resize_axes(const NodeView& view) {
  std::vector<ResizeAxis> result;
  for (const std::int64_t size : view.shape(0))
    result.push_back({size, size});
  const std::vector<std::size_t> axes = axes_of(view);
  if (is_upsample(view) || view.opset() < 11) {
    const bool as_input = !is_upsample(view) || view.opset() >= 9;
    apply_scales(view, axes,
                 as_input ? numbers_of(view, 1, "the scales") : view.attributes().numbers("scales"),
                 result);
    return result;
  }
  const bool has_sizes = view.has_input(3) && !numbers_of(view, 3, "the sizes").empty();
  if (has_sizes) {
    apply_sizes(view, axes, view.integers(3, "the sizes"), result);
  } else {
    apply_scales(view, axes, numbers_of(view, 2, "the scales"), result);
  }
  if (view.attributes().text("coordinate_transformation_mode", "") == "tf_crop_and_resize") {
    const std::vector<float> roi = numbers_of(view, 1, "the region of interest");
    expect_count(view, "numbers of a region of interest", roi.size(), 2 * axes.size());
    for (std::size_t i = 0; i < axes.size(); ++i) {
      result[axes[i]].roi_start = roi[i];
      result[axes[i]].roi_end = roi[i + axes.size()];
    }
  }
  return result;
}

float fill_of(const NodeView& view) {
  return view.attributes().number("extrapolation_value", 0);
}

Resampling resampling_of(const NodeView& view) {
  const ResizeModes modes = modes_of(view);
  std::vector<Taps> axes;
  for (const ResizeAxis& axis : resize_axes(view))
    axes.push_back(taps_of(modes, axis));
  Resampling result;
  result.fill = fill_of(view);
  if (!regroup(axes, result)) {
    view.unsupported("mode='" + modes.mode + "' over more than " +
                     std::to_string(Resampling::kMostAxes) + " neighbouring dimensions");
  }
  return result;
}

IndexedCopy copy_of(const NodeView& view) {
  const ResizeModes modes = modes_of(view);
  IndexedCopy copy;
  copy.fill = fill_with(static_cast<double>(fill_of(view)));
  for (const ResizeAxis& axis : resize_axes(view))
    copy.axes.push_back(indexed_axis(axis.from_size, nearest_indices(modes, axis)));
  return copy;
}

// Positions are computed in float.
void expect_exact(const NodeView& view, std::int64_t size) {
  constexpr std::int64_t kMost = 1 << 24;
  if (size > kMost) view.unsupported("resizes a dimension of size " + std::to_string(size));
}

void infer_resize(Inference& inference) {
  inference.expect_inputs(1, 4);
  expect_movable(inference, 0);
  const ResizeModes modes = modes_of(inference);
  Shape shape;
  bool shrinks = false;
  for (const ResizeAxis& axis : resize_axes(inference)) {
    expect_exact(inference, axis.from_size);
    expect_exact(inference, axis.size);
    shape.push_back(axis.size);
    shrinks = shrinks || axis.scale < 1;
  }
  if (shrinks && modes.mode != "nearest" && inference.attributes().integer("antialias", 0) != 0) {
    inference.unsupported("antialias=1");
  }
  inference.output(0, inference.type(0), shape);
  if (modes.mode == "nearest") return;
  inference.expect_floating(0);
  resampling_of(inference);
}

void evaluate_resize(Evaluation& evaluation) {
  const Shape& shape = output_shape_of(evaluation, 0);
  if (!is_foldable(shape)) return;
  const Constant& from = evaluation.constant_input(0);
  if (modes_of(evaluation).mode == "nearest") {
    return evaluation.output(0, taken(from, shape, copy_of(evaluation)));
  }
  Constant result = zeros(from.type, shape);
  result.floats = resampled(from.floats, resampling_of(evaluation));
  evaluation.output(0, std::make_shared<Constant>(std::move(result)));
}

void lower_resize(Lowering& lowering) {
  const Shape& shape = lowering.output_shape(0);
  const std::vector<std::int64_t> strides = dense_strides(shape);
  if (modes_of(lowering).mode == "nearest") {
    const IndexedCopy copy = copy_of(lowering);
    if (is_plain(copy)) return lower_part(lowering, 0, {shape, strides, strides});
    return launch_indexed(lowering, "resize", lowering.in(0), lowering.out(0), copy);
  }
  const Resampling how = resampling_of(lowering);
  if (is_plain(how)) return lower_part(lowering, 0, {shape, strides, strides});
  launch_resampling(lowering, lowering.in(0), lowering.out(0), how);
}

}  // namespace

Operators resize_operators();
Operators resize_operators() {
  return {{"Resize", "", 10, infer_resize, evaluate_resize, lower_resize},
          {"Upsample", "", 7, infer_resize, evaluate_resize, lower_resize}};
}

}  // namespace clconv::net
