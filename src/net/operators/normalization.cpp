// Normalisations by what the network computes itself: of instances, layers, groups, over axes and over neighbouring
// channels. Batch normalisation, whose statistics are constants, is elsewhere.
#include <algorithm>

#include "net/lowering.hpp"
#include "net/operator.hpp"
#include "net/operators/division.hpp"

namespace clconv::net {
namespace {

// Rows as kernels/net/normalization.cl has them.
struct Rows {
  std::int64_t rows = 1, row_inner = 1, outer_stride = 0, row_stride = 1;
  std::int64_t runs = 1, run_stride = 1, length = 1;
  // Where the parameters of a row and run are; none: 0, per row or run: 1, per element of the row: 2.
  int affine = 0;
  std::int64_t parameter_rows = 1, parameter_step = 0, parameter_run = 0;
  int norm = 0;
  bool epsilon_outside = false;
  float epsilon = 0;
  bool statistics = false;  // outputs 1 and 2 are the means and 1 / deviations
};

bool is_used(const NodeView& view, std::size_t output) {
  return view.has_output(output) && view.graph().uses(view.node().outputs[output]) > 0;
}

void launch(Lowering& lowering, const char* name, const Rows& rows) {
  const core::DeviceProfile& profile = lowering.profile();
  const std::int64_t total = elements(lowering.shape(0)), row = rows.runs * rows.length;
  const bool bias = rows.affine != 0 && lowering.has_input(2);
  const BufferId y = lowering.out(0);
  const bool mean = rows.statistics && is_used(lowering, 1);
  const bool deviation = rows.statistics && is_used(lowering, 2);
  const BufferId means = mean ? lowering.out(1) : kNoBuffer;
  const BufferId deviations = deviation ? lowering.out(2) : kNoBuffer;
  if (total == 0) return;
  std::vector<Argument> arguments = {{"x", In{lowering.in(0)}}, {"y", Out{y}}};
  if (rows.affine != 0) arguments.push_back({"scale", In{lowering.in(1)}});
  if (bias) arguments.push_back({"bias", In{lowering.in(2)}});
  if (mean) arguments.push_back({"means", Out{means}});
  if (deviation) arguments.push_back({"inverse_deviations", Out{deviations}});
  const std::pair<const char*, std::int64_t> sizes[] = {{"rows", rows.rows},
                                                        {"row_inner", rows.row_inner},
                                                        {"outer_stride", rows.outer_stride},
                                                        {"row_stride", rows.row_stride},
                                                        {"runs", rows.runs},
                                                        {"run_stride", rows.run_stride},
                                                        {"length", rows.length},
                                                        {"parameter_rows", rows.parameter_rows},
                                                        {"parameter_step", rows.parameter_step},
                                                        {"parameter_run", rows.parameter_run}};
  for (const auto& [size, value] : sizes)
    arguments.push_back({size, cl_long{value}});
  arguments.push_back({"epsilon", cl_float{rows.epsilon}});
  std::string defines = lowering.storage_define();
  const std::pair<const char*, int> macros[] = {
      {"NORM", rows.norm}, {"AFFINE", rows.affine},
      {"BIAS", bias},      {"EPSILON_OUTSIDE", rows.epsilon_outside},
      {"MEAN", mean},      {"DEVIATION", deviation}};
  for (const auto& [macro, value] : macros)
    defines += std::string(" -D") + macro + "=" + std::to_string(value);
  const std::int64_t bytes = 2 * lowering.bytes_of(lowering.shape(0));
  if (takes_vectors(profile)) {
    const Tasks tasks(profile, rows.rows, 3 * row);
    arguments.push_back({"total", cl_long{total}});
    arguments.push_back({"span", cl_long{tasks.span}});
    lowering.launch(name, "net/normalization", "normalize_rows", defines + vector_define(profile),
                    arguments, tasks.range, bytes);
    return;
  }
  const std::int64_t local = row_items(profile);
  lowering.launch(name, "net/normalization_items", "normalize_rows",
                  defines + " -DLOCAL=" + std::to_string(local), arguments,
                  rows_of_items(rows.rows, local), bytes);
}

// A parameter with one element per `what`.
void expect_parameter(const NodeView& view, std::size_t i, std::int64_t count, const char* what) {
  view.expect_floating(i);
  const std::int64_t is = elements(view.shape(i));
  if (is == count) return;
  view.invalid("input '" + view.input(i).name + "' has " + std::to_string(is) +
               " elements, expected one per " + what + ", " + std::to_string(count));
}

void infer_same(Inference& inference) {
  inference.expect_floating(0);
  inference.output(0, inference.type(0), inference.shape(0));
}

void infer_instance(Inference& inference) {
  inference.expect_inputs(3, 3);
  inference.expect_rank(0, 3, SIZE_MAX);
  expect_parameter(inference, 1, inference.shape(0)[1], "channel");
  expect_parameter(inference, 2, inference.shape(0)[1], "channel");
  infer_same(inference);
}

void lower_instance(Lowering& lowering) {
  const Shape& shape = lowering.shape(0);
  Rows rows;
  rows.rows = shape[0] * shape[1];
  rows.length = rows.row_stride = elements(shape, 2, shape.size());
  rows.row_inner = std::max<std::int64_t>(rows.rows, 1);
  rows.affine = 1;
  rows.parameter_rows = shape[1];
  rows.parameter_step = 1;
  rows.epsilon = lowering.attributes().number("epsilon", 1e-5F);
  launch(lowering, "instance normalization", rows);
}

std::size_t layer_axis(const NodeView& view) {
  return normalized_axis(view.attributes().integer("axis", -1), view.shape(0).size());
}

void infer_layer(Inference& inference) {
  inference.expect_inputs(2, 3);
  const Shape& shape = inference.shape(0);
  const std::size_t axis = layer_axis(inference);
  const std::int64_t count = elements(shape, axis, shape.size());
  for (std::size_t i = 1; i < 3; ++i) {
    if (inference.has_input(i)) expect_parameter(inference, i, count, "element of a row");
  }
  infer_same(inference);
  Shape statistics(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(axis));
  statistics.resize(shape.size(), 1);
  for (std::size_t i = 1; i < 3; ++i)
    inference.output(i, Type::kFloat32, statistics);
}

void lower_layer(Lowering& lowering) {
  const Shape& shape = lowering.shape(0);
  const std::size_t axis = layer_axis(lowering);
  Rows rows;
  rows.rows = rows.row_inner = std::max<std::int64_t>(elements(shape, 0, axis), 1);
  rows.length = rows.row_stride = elements(shape, axis, shape.size());
  rows.affine = 2;
  rows.statistics = true;
  rows.epsilon = lowering.attributes().number("epsilon", 1e-5F);
  launch(lowering, "layer normalization", rows);
}

std::int64_t groups_of(const NodeView& view) {
  const std::int64_t channels = view.shape(0)[1];
  const std::int64_t count = view.attributes().integer("num_groups", 0);
  if (count < 1 || channels % count != 0) {
    view.invalid("num_groups is " + std::to_string(count) + ", which does not divide the " +
                 std::to_string(channels) + " channels");
  }
  return count;
}

// A scale per channel from opset 21 on, per group before.
bool scales_channels(const NodeView& view) {
  return view.opset() >= 21;
}

void infer_group(Inference& inference) {
  inference.expect_inputs(3, 3);
  inference.expect_rank(0, 3, SIZE_MAX);
  const std::int64_t count = groups_of(inference);
  for (std::size_t i = 1; i < 3; ++i) {
    if (scales_channels(inference)) {
      expect_parameter(inference, i, inference.shape(0)[1], "channel");
    } else {
      expect_parameter(inference, i, count, "group");
    }
  }
  infer_same(inference);
}

void lower_group(Lowering& lowering) {
  const Shape& shape = lowering.shape(0);
  const std::int64_t count = groups_of(lowering), channels = shape[1] / count;
  Rows rows;
  rows.rows = rows.row_inner = std::max<std::int64_t>(shape[0] * count, 1);
  rows.length = rows.run_stride = elements(shape, 2, shape.size());
  rows.runs = channels;
  rows.row_stride = channels * rows.length;
  rows.affine = 1;
  rows.parameter_rows = count;
  rows.parameter_step = scales_channels(lowering) ? channels : 1;
  rows.parameter_run = scales_channels(lowering) ? 1 : 0;
  rows.epsilon = lowering.attributes().number("epsilon", 1e-5F);
  launch(lowering, "group normalization", rows);
}

// Rows over the axes that are normalised: the shape, without sizes of 1, must be [kept, normalised, kept, normalised],
// of which any may be missing.
Rows rows_over(const NodeView& view, const std::vector<bool>& normalised) {
  const Shape& shape = view.shape(0);
  std::int64_t sizes[4] = {1, 1, 1, 1};
  std::size_t at = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    if (normalised[i] != (at % 2 == 1)) ++at;
    if (at > 3) view.unsupported("input is " + to_string(shape) + ": such axes are not supported");
    sizes[at] *= shape[i];
  }
  Rows rows;
  rows.rows = sizes[0] * sizes[2];
  rows.row_inner = std::max<std::int64_t>(sizes[2], 1);
  rows.outer_stride = sizes[1] * sizes[2] * sizes[3];
  rows.row_stride = rows.length = sizes[3];
  rows.runs = sizes[1];
  rows.run_stride = sizes[2] * sizes[3];
  return rows;
}

Rows mean_variance_rows(const NodeView& view) {
  std::vector<bool> normalised(view.shape(0).size(), false);
  for (const std::int64_t axis : view.attributes().integers("axes", {0, 2, 3}))
    normalised[normalized_axis(axis, normalised.size())] = true;
  Rows rows = rows_over(view, normalised);
  rows.epsilon = 1e-9F;
  rows.epsilon_outside = true;
  return rows;
}

void infer_mean_variance(Inference& inference) {
  inference.expect_inputs(1, 1);
  mean_variance_rows(inference);
  infer_same(inference);
}

void lower_mean_variance(Lowering& lowering) {
  launch(lowering, "mean variance normalization", mean_variance_rows(lowering));
}

Rows lp_rows(const NodeView& view) {
  std::vector<bool> normalised(view.shape(0).size(), false);
  normalised[normalized_axis(view.attributes().integer("axis", -1), normalised.size())] = true;
  Rows rows = rows_over(view, normalised);
  const std::int64_t p = view.attributes().integer("p", 2);
  if (p != 1 && p != 2) view.invalid("p is " + std::to_string(p) + ", expected 1 or 2");
  rows.norm = static_cast<int>(p);
  return rows;
}

void infer_lp(Inference& inference) {
  inference.expect_inputs(1, 1);
  lp_rows(inference);
  infer_same(inference);
}

void lower_lp(Lowering& lowering) {
  launch(lowering, "lp normalization", lp_rows(lowering));
}

std::int64_t lrn_size(const NodeView& view) {
  const std::int64_t size = view.attributes().integer("size", 0);
  if (size < 1 || size > INT32_MAX) {
    view.invalid("size is " + std::to_string(size) + ", expected 1 to 31 bits");
  }
  return size;
}

void infer_lrn(Inference& inference) {
  inference.expect_inputs(1, 1);
  inference.expect_rank(0, 2, SIZE_MAX);
  lrn_size(inference);
  infer_same(inference);
}

void lower_lrn(Lowering& lowering) {
  const Shape& shape = lowering.shape(0);
  const core::DeviceProfile& profile = lowering.profile();
  const std::int64_t size = lrn_size(lowering), inner = elements(shape, 2, shape.size());
  const BufferId y = lowering.out(0);
  if (elements(shape) == 0) return;
  const float beta = lowering.attributes().number("beta", 0.75F);
  const float alpha = lowering.attributes().number("alpha", 1e-4F) / static_cast<float>(size);
  const std::int64_t width =
      takes_vectors(profile) ? core::Runs::vector_width(profile) : std::int64_t{1};
  const std::int64_t count = shape[0] * shape[1] * core::ceil_div(inner, width);
  const Tasks tasks(profile, count, width * std::min(size, shape[1]));
  lowering.launch("lrn", "net/lrn", "lrn",
                  lowering.storage_define() + " -DVW=" + std::to_string(width) +
                      (beta == 0.75F ? " -DTHREE_QUARTERS" : ""),
                  {{"x", In{lowering.in(0)}},
                   {"y", Out{y}},
                   {"tasks", cl_long{count}},
                   {"channels", core::narrow(shape[1])},
                   {"inner", cl_long{inner}},
                   {"before", core::narrow(std::min((size - 1) / 2, shape[1]))},
                   {"after", core::narrow(std::min(size / 2, shape[1]))},
                   {"bias", cl_float{lowering.attributes().number("bias", 1)}},
                   {"alpha", cl_float{alpha}},
                   {"beta", cl_float{beta}},
                   {"span", cl_long{tasks.span}}},
                  tasks.range, 2 * lowering.bytes_of(shape));
}

}  // namespace

Operators normalization_operators();
Operators normalization_operators() {
  return {{"InstanceNormalization", "", 7, infer_instance, nullptr, lower_instance},
          {"LayerNormalization", "", 17, infer_layer, nullptr, lower_layer},
          {"GroupNormalization", "", 18, infer_group, nullptr, lower_group},
          {"MeanVarianceNormalization", "", 9, infer_mean_variance, nullptr, lower_mean_variance},
          {"LpNormalization", "", 7, infer_lp, nullptr, lower_lp},
          {"LRN", "", 7, infer_lrn, nullptr, lower_lrn}};
}

}  // namespace clconv::net
