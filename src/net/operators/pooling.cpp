// Pooling of 1-D and 2-D images. Windows that are the whole image are reductions.
#include <algorithm>
#include <array>
#include <climits>

#include "net/lowering.hpp"
#include "net/operator.hpp"
#include "net/operators/division.hpp"
#include "net/operators/reduce.hpp"

namespace clconv::net {
namespace {

// Of one spatial axis.
struct Axis {
  std::int64_t size = 1, window = 1, stride = 1, dilation = 1, before = 0, after = 0, results = 1;
  std::int64_t extent() const { return (window - 1) * dilation + 1; }
  bool whole() const { return window == size && dilation == 1 && before == 0 && after == 0; }
};

// 1-D images have one row.
struct Pooling {
  std::array<Axis, 2> axes;  // rows, columns
  bool average = false, include_pad = false;
};

std::vector<std::int64_t> list_of(const NodeView& view, const char* name, std::size_t count,
                                  std::int64_t otherwise, std::int64_t least) {
  const auto values = view.attributes().integers(name, std::vector<std::int64_t>(count, otherwise));
  if (values.size() != count) {
    view.invalid(std::string(name) + " has " + std::to_string(values.size()) +
                 " numbers, expected " + std::to_string(count));
  }
  for (const std::int64_t value : values) {
    if (value < least || value > INT_MAX) {
      view.invalid(std::string(name) + " has " + std::to_string(value) + ", expected at least " +
                   std::to_string(least) + " and 31 bits");
    }
  }
  return values;
}

// Results of an axis with explicit padding. With ceil, the last window starts in the image or in front of it.
std::int64_t results_of(const Axis& axis, bool ceil) {
  const std::int64_t slack = axis.size + axis.before + axis.after - axis.extent();
  if (slack < 0) return ceil && -slack < axis.stride ? 1 : 0;
  if (!ceil) return slack / axis.stride + 1;
  const std::int64_t windows = core::ceil_div(slack, axis.stride) + 1;
  return (windows - 1) * axis.stride >= axis.size + axis.before ? windows - 1 : windows;
}

// auto_pad SAME_*: as many results as strides fit, the odd element of padding behind or in front.
void pad_same(Axis& axis, bool upper) {
  axis.results = core::ceil_div(axis.size, axis.stride);
  const std::int64_t padding =
      std::max<std::int64_t>((axis.results - 1) * axis.stride + axis.extent() - axis.size, 0);
  axis.before = upper ? padding / 2 : padding - padding / 2;
  axis.after = padding - axis.before;
}

void place_windows(const NodeView& view, Axis& axis, const std::string& auto_pad) {
  if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
    pad_same(axis, auto_pad == "SAME_UPPER");
  } else {
    const bool explicit_pads = auto_pad == "NOTSET" || auto_pad.empty();
    if (!explicit_pads && auto_pad != "VALID") view.invalid("auto_pad is '" + auto_pad + "'");
    if (!explicit_pads) axis.before = axis.after = 0;
    axis.results =
        results_of(axis, explicit_pads && view.attributes().integer("ceil_mode", 0) != 0);
  }
  if (axis.before >= axis.extent() || axis.after >= axis.extent()) {
    view.invalid("padding " + std::to_string(std::max(axis.before, axis.after)) +
                 " is not less than the window of " + std::to_string(axis.extent()));
  }
  if (axis.results < 1 && axis.size > 0) {
    view.invalid("a window of " + std::to_string(axis.extent()) + " does not fit an image of " +
                 std::to_string(axis.size) + " with padding " + std::to_string(axis.before) +
                 " and " + std::to_string(axis.after));
  }
}

Pooling pooling_of(const NodeView& view, bool average) {
  const Shape& shape = view.shape(0);
  const std::size_t spatial = shape.size() - 2;
  if (!view.attributes().has("kernel_shape")) view.invalid("kernel_shape is missing");
  const auto windows = list_of(view, "kernel_shape", spatial, 1, 1);
  const auto strides = list_of(view, "strides", spatial, 1, 1);
  const auto dilations = list_of(view, "dilations", spatial, 1, 1);
  const auto pads = list_of(view, "pads", 2 * spatial, 0, 0);
  const std::string auto_pad = view.attributes().text("auto_pad", "NOTSET");
  Pooling pooling;
  pooling.average = average;
  pooling.include_pad = average && view.attributes().integer("count_include_pad", 0) != 0;
  for (std::size_t i = 0; i < spatial; ++i) {
    Axis& axis = pooling.axes[i + 2 - spatial];
    axis = {shape[i + 2], windows[i], strides[i], dilations[i], pads[i], pads[i + spatial], 1};
    if (axis.extent() > INT_MAX / 4)
      view.unsupported("a window of " + std::to_string(axis.extent()));
    place_windows(view, axis, auto_pad);
  }
  const auto& [rows, columns] = pooling.axes;
  for (const Axis* axis : {&rows, &columns}) {
    const std::int64_t padded = axis->size + axis->before + axis->after;
    if (padded + axis->stride + axis->extent() > INT_MAX) {
      view.unsupported("an image of " + std::to_string(axis->size) + " with stride " +
                       std::to_string(axis->stride) + " needs more than 31 bits");
    }
  }
  return pooling;
}

void infer_pooling(Inference& inference, bool average) {
  inference.expect_inputs(1, 1);
  inference.expect_floating(0);
  const Shape& shape = inference.shape(0);
  if (shape.size() > 4) {
    inference.unsupported("input is " + to_string(shape) +
                          ": only 1-D and 2-D images are supported");
  }
  inference.expect_rank(0, 3, 4);
  const Pooling pooling = pooling_of(inference, average);
  Shape result = {shape[0], shape[1]};
  for (std::size_t i = 2; i < shape.size(); ++i)
    result.push_back(pooling.axes[i + 2 - shape.size()].results);
  if (inference.has_output(1)) {
    if (inference.graph().uses(inference.node().outputs[1]) > 0) {
      inference.unsupported("its second output (the indices of the maxima) is not supported");
    }
    inference.output(1, Type::kInt64, result);
  }
  inference.output(0, inference.type(0), result);
}

void infer_max(Inference& inference) {
  infer_pooling(inference, false);
}
void infer_average(Inference& inference) {
  infer_pooling(inference, true);
}

std::string defines_of(const Lowering& lowering, const Pooling& pooling) {
  const auto& [rows, columns] = pooling.axes;
  const std::pair<const char*, std::int64_t> numbers[] = {
      {"KH", rows.window},          {"KW", columns.window},
      {"SH", rows.stride},          {"SW", columns.stride},
      {"DH", rows.dilation},        {"DW", columns.dilation},
      {"AVERAGE", pooling.average}, {"INCLUDE_PAD", pooling.include_pad}};
  std::string defines = lowering.storage_define();
  for (const auto& [name, value] : numbers)
    defines += std::string(" -D") + name + "=" + std::to_string(value);
  return defines;
}

// A window whose columns do not fit the line that a work-item keeps is taken one result at a time.
constexpr std::int64_t kWidestWindow = 1024;

void lower_windows(Lowering& lowering, const Pooling& pooling) {
  const auto& [rows, columns] = pooling.axes;
  const Shape& shape = lowering.shape(0);
  const std::int64_t total = elements(shape), results = elements(lowering.output_shape(0));
  std::vector<Argument> arguments = {{"x", In{lowering.in(0)}}, {"y", Out{lowering.out(0)}}};
  const auto add_geometry = [&, &r = rows, &c = columns](const char* name, std::int64_t count) {
    const std::pair<const char*, std::int64_t> sizes[] = {{"h", r.size},
                                                          {"w", c.size},
                                                          {"oh", r.results},
                                                          {"ow", c.results},
                                                          {"pt", r.before},
                                                          {"pl", c.before},
                                                          {"h_end", r.size + r.after},
                                                          {"w_end", c.size + c.after}};
    arguments.push_back({name, cl_long{count}});
    for (const auto& [size, value] : sizes)
      arguments.push_back({size, core::narrow(value)});
  };
  const std::int64_t bytes = lowering.bytes_of(shape) + lowering.bytes_of(lowering.output_shape(0));
  const core::DeviceProfile& profile = lowering.profile();
  const std::string defines = defines_of(lowering, pooling);
  const std::string name = pooling.average ? "average pooling" : "max pooling";
  if (!takes_vectors(profile) || columns.extent() > kWidestWindow ||
      columns.stride > kWidestWindow) {
    add_geometry("results", results);
    lowering.launch(name, "net/pooling_each", "pool_each", defines, arguments,
                    core::items(results, core::Spans::local_size(profile)), bytes);
    return;
  }
  const std::int64_t lines = results / columns.results;
  const Tasks tasks(profile, lines, columns.size * rows.window + columns.results);
  add_geometry("rows", lines);
  arguments.push_back({"total", cl_long{total}});
  arguments.push_back({"span", cl_long{tasks.span}});
  lowering.launch(name, "net/pooling", "pool_rows", defines + vector_define(profile), arguments,
                  tasks.range, bytes);
}

std::vector<bool> spatial_axes(const Shape& shape) {
  std::vector<bool> reduced(shape.size(), true);
  reduced[0] = reduced[1] = false;
  return reduced;
}

void lower_pooling(Lowering& lowering, bool average) {
  const Pooling pooling = pooling_of(lowering, average);
  const auto& [rows, columns] = pooling.axes;
  if (rows.whole() && columns.whole()) {
    return lower_reduction(lowering, average ? kMean : kMax, spatial_axes(lowering.shape(0)));
  }
  lowering.out(0);
  if (elements(lowering.output_shape(0)) > 0) lower_windows(lowering, pooling);
}

void lower_max(Lowering& lowering) {
  lower_pooling(lowering, false);
}
void lower_average(Lowering& lowering) {
  lower_pooling(lowering, true);
}

void infer_global(Inference& inference) {
  inference.expect_inputs(1, 1);
  inference.expect_floating(0);
  inference.expect_rank(0, 3, SIZE_MAX);
  Shape result(inference.shape(0).size(), 1);
  result[0] = inference.shape(0)[0];
  result[1] = inference.shape(0)[1];
  inference.output(0, inference.type(0), result);
}

void lower_global_average(Lowering& lowering) {
  lower_reduction(lowering, kMean, spatial_axes(lowering.shape(0)));
}
void lower_global_max(Lowering& lowering) {
  lower_reduction(lowering, kMax, spatial_axes(lowering.shape(0)));
}

}  // namespace

Operators pooling_operators();
Operators pooling_operators() {
  return {{"MaxPool", "", 7, infer_max, nullptr, lower_max},
          {"AveragePool", "", 7, infer_average, nullptr, lower_average},
          {"GlobalAveragePool", "", 7, infer_global, nullptr, lower_global_average},
          {"GlobalMaxPool", "", 7, infer_global, nullptr, lower_global_max}};
}

}  // namespace clconv::net
