#include "net/forms.hpp"

#include <limits>
#include <map>

#include "net/operator.hpp"
#include "text.hpp"

namespace clconv::net {
namespace {

constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

// The opsets that know it; up to 7, which is the first that is supported, none are told apart.
struct KnownAttribute {
  const char* name;
  std::int64_t first = 1, last = kForever;
};

struct Form {
  const char* op;
  std::vector<KnownAttribute> attributes;
  std::int64_t newest = kNewestOpset;  // that has the form which is understood
};

// From the schemas of ONNX 1.23 (opset 28, 2026). SpaceToDepth got another mode and Mod another meaning there; Upsample
// ended with opset 9.
const std::vector<Form>& forms() {
  // clang-format off
  static const std::vector<Form> rows = {
      {"AveragePool", {{"auto_pad"}, {"ceil_mode", 10}, {"count_include_pad"}, {"dilations", 19},
         {"kernel_shape"}, {"pads"}, {"strides"}}},
      {"BatchNormalization", {{"epsilon"}, {"momentum"}, {"spatial", 1, 8}, {"training_mode", 14}}},
      {"Cast", {{"round_mode", 24}, {"saturate", 19}, {"to"}}},
      {"Celu", {{"alpha"}}},
      {"Clip", {{"max", 1, 10}, {"min", 1, 10}}},
      {"Concat", {{"axis"}}},
      {"Constant", {{"sparse_value", 11}, {"value"}, {"value_float", 12}, {"value_floats", 12}, {"value_int", 12},
         {"value_ints", 12}, {"value_string", 12}, {"value_strings", 12}}},
      {"ConstantOfShape", {{"value"}}},
      {"Conv", {{"auto_pad"}, {"dilations"}, {"group"}, {"kernel_shape"}, {"pads"}, {"strides"}}},
      {"ConvTranspose", {{"auto_pad"}, {"dilations"}, {"group"}, {"kernel_shape"}, {"output_padding"},
         {"output_shape"}, {"pads"}, {"strides"}}},
      {"DepthToSpace", {{"blocksize"}, {"mode", 11}}},
      {"Dropout", {{"ratio", 1, 11}, {"seed", 12}}},
      {"Elu", {{"alpha"}}},
      {"Flatten", {{"axis"}}},
      {"Gather", {{"axis"}}},
      {"Gelu", {{"approximate"}}},
      {"Gemm", {{"alpha"}, {"beta"}, {"transA"}, {"transB"}}},
      {"GroupNormalization", {{"epsilon"}, {"num_groups"}, {"stash_type", 21}}},
      {"HardSigmoid", {{"alpha"}, {"beta"}}},
      {"InstanceNormalization", {{"epsilon"}}},
      {"LRN", {{"alpha"}, {"beta"}, {"bias"}, {"size"}}},
      {"LayerNormalization", {{"axis"}, {"epsilon"}, {"stash_type"}}},
      {"LeakyRelu", {{"alpha"}}},
      {"LogSoftmax", {{"axis"}}},
      {"LpNormalization", {{"axis"}, {"p"}}},
      {"MaxPool", {{"auto_pad"}, {"ceil_mode", 10}, {"dilations", 10}, {"kernel_shape"}, {"pads"},
         {"storage_order", 8}, {"strides"}}},
      {"MeanVarianceNormalization", {{"axes"}}},
      {"Mod", {{"fmod"}}, 27},
      {"Pad", {{"mode"}, {"pads", 1, 10}, {"value", 1, 10}}},
      {"Range", {{"stash_type", 27}}},
      {"ReduceL1", {{"axes", 1, 17}, {"keepdims"}, {"noop_with_empty_axes", 18}}},
      {"ReduceL2", {{"axes", 1, 17}, {"keepdims"}, {"noop_with_empty_axes", 18}}},
      {"ReduceLogSum", {{"axes", 1, 17}, {"keepdims"}, {"noop_with_empty_axes", 18}}},
      {"ReduceLogSumExp", {{"axes", 1, 17}, {"keepdims"}, {"noop_with_empty_axes", 18}}},
      {"ReduceMax", {{"axes", 1, 17}, {"keepdims"}, {"noop_with_empty_axes", 18}}},
      {"ReduceMean", {{"axes", 1, 17}, {"keepdims"}, {"noop_with_empty_axes", 18}}},
      {"ReduceMin", {{"axes", 1, 17}, {"keepdims"}, {"noop_with_empty_axes", 18}}},
      {"ReduceProd", {{"axes", 1, 17}, {"keepdims"}, {"noop_with_empty_axes", 18}}},
      {"ReduceSum", {{"axes", 1, 12}, {"keepdims"}, {"noop_with_empty_axes", 13}}},
      {"ReduceSumSquare", {{"axes", 1, 17}, {"keepdims"}, {"noop_with_empty_axes", 18}}},
      {"Reshape", {{"allowzero", 14}}},
      {"Resize", {{"antialias", 18}, {"axes", 18}, {"coordinate_transformation_mode", 11}, {"cubic_coeff_a", 11},
         {"exclude_outside", 11}, {"extrapolation_value", 11}, {"keep_aspect_ratio_policy", 18}, {"mode"},
         {"nearest_mode", 11}}},
      {"Selu", {{"alpha"}, {"gamma"}}},
      {"Shape", {{"end", 15}, {"start", 15}}},
      {"Slice", {{"axes", 1, 9}, {"ends", 1, 9}, {"starts", 1, 9}}},
      {"Softmax", {{"axis"}}},
      {"SpaceToDepth", {{"blocksize"}, {"mode", 28}}, 27},
      {"Split", {{"axis"}, {"num_outputs", 18}, {"split", 1, 12}}},
      {"Squeeze", {{"axes", 1, 12}}},
      {"ThresholdedRelu", {{"alpha"}}},
      {"Transpose", {{"perm"}}},
      {"Unsqueeze", {{"axes", 1, 12}}},
      {"Upsample", {{"mode"}, {"scales", 1, 8}}, 9},
  };
  // clang-format on
  return rows;
}

// Those without attributes.
// clang-format off
const char* const kPlain[] = {
    "Abs", "Acos", "Add", "And", "Asin", "Atan", "Ceil", "Cos", "Cosh", "Div", "Equal", "Erf", "Exp", "Expand",
    "Floor", "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "HardSwish", "Identity", "Less",
    "LessOrEqual", "Log", "MatMul", "Max", "Mean", "Min", "Mish", "Mul", "Neg", "Not", "Or", "PRelu", "Pow",
    "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Softplus", "Softsign", "Sqrt", "Sub",
    "Sum", "Tan", "Tanh", "Tile", "Where", "Xor"
};
// clang-format on

const std::map<std::string, const Form*>& forms_by_name() {
  static const std::map<std::string, const Form*> by_name = [] {
    static const Form plain{"", {}};
    std::map<std::string, const Form*> map;
    for (const char* op : kPlain)
      map[op] = &plain;
    for (const Form& form : forms())
      map[form.op] = &form;
    return map;
  }();
  return by_name;
}

void check_attribute(const std::string& name, const Form& form, const Node& node,
                     const Graph& graph) {
  const std::string who = "attribute '" + core::cut_name(name) + "' ";
  for (const KnownAttribute& known : form.attributes) {
    if (name != known.name) continue;
    if (graph.opset < known.first) {
      invalid(node, graph, who + "is known from opset " + std::to_string(known.first) + " on");
    }
    if (graph.opset > known.last) {
      invalid(node, graph, who + "is known up to opset " + std::to_string(known.last));
    }
    return;
  }
  invalid(node, graph, who + "is unknown");
}

void check_form(const Node& node, const Graph& graph) {
  if (!node.domain.empty()) return;
  const auto found = forms_by_name().find(node.op);
  if (found == forms_by_name().end()) return;
  const Form& form = *found->second;
  if (graph.opset > form.newest) {
    unsupported(
        node, graph,
        "the newest opset in which this operator is known is " + std::to_string(form.newest));
  }
  for (const auto& [name, value] : node.attributes.all())
    check_attribute(name, form, node, graph);
}

}  // namespace

bool has_form(const std::string& op) {
  return forms_by_name().count(op) != 0;
}

void check_forms(const Graph& graph) {
  for (const Node& node : graph.nodes)
    check_form(node, graph);
}

}  // namespace clconv::net
