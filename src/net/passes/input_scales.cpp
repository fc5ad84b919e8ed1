// Batch normalization, and additions and multiplications by one constant per channel, go into the weights and the bias
// of the convolutions behind them. What is added stays where a convolution pads: its zeros are not shifted.
#include <algorithm>

#include "net/convolution.hpp"
#include "net/operators/batch_normalization.hpp"
#include "net/passes.hpp"
#include "net/passes/convolutions.hpp"

namespace clconv::net::pass {
namespace {

using Numbers = std::vector<float>;

// y = x * scale + shift, per channel of dimension 1.
struct Affine {
  ValueId x = kNoValue;
  Numbers scale, shift;

  bool shifts() const {
    return std::any_of(shift.begin(), shift.end(), [](float value) { return value != 0; });
  }
};

// One number per channel from a constant that broadcasts over everything else; none where it does not.
std::optional<Numbers> of_channels(const Graph& graph, ValueId id, const Shape& shape) {
  const ConstantPtr& constant = graph.value(id).constant;
  if (constant == nullptr || constant->shape.size() > shape.size()) return std::nullopt;
  const std::size_t missing = shape.size() - constant->shape.size();
  for (std::size_t d = 0; d < constant->shape.size(); ++d) {
    const bool along = d + missing == 1 && constant->shape[d] == shape[1];
    if (constant->shape[d] != 1 && !along) return std::nullopt;
  }
  Numbers numbers(static_cast<std::size_t>(shape[1]));
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = constant->number(constant->count() == 1 ? 0 : i);
  return numbers;
}

// Of Add, Sub, Mul and Div with a constant, where the result is x scaled and shifted.
std::optional<Affine> arithmetic(const Graph& graph, const Node& node) {
  const Shape& shape = *graph.value(node.outputs[0]).shape;
  for (const std::size_t at : {0u, 1u}) {
    const std::optional<Numbers> numbers = of_channels(graph, node.inputs[at], shape);
    const ValueId x = node.inputs[1 - at];
    if (!numbers || graph.value(x).shape != shape || graph.value(x).constant != nullptr) continue;
    Affine affine{x, Numbers(numbers->size(), 1), Numbers(numbers->size(), 0)};
    for (std::size_t c = 0; c < numbers->size(); ++c) {
      const float number = (*numbers)[c];
      if (node.op == "Add") affine.shift[c] = number;
      if (node.op == "Sub") affine.shift[c] = at == 1 ? -number : number;
      if (node.op == "Sub" && at == 0) affine.scale[c] = -1;
      if (node.op == "Mul") affine.scale[c] = number;
      if (node.op == "Div") affine.scale[c] = 1 / number;
    }
    if (node.op == "Div" && at == 0) return std::nullopt;
    return affine;
  }
  return std::nullopt;
}

std::optional<Affine> affine_of(Graph& graph, Node& node) {
  if (!node.domain.empty() || node.outputs.empty()) return std::nullopt;
  if (node.op == "BatchNormalization") {
    const NodeView view(graph, node);
    if (!has_known_statistics(view)) return std::nullopt;
    ChannelScale scale = channel_scale(view);
    return Affine{node.inputs[0], std::move(scale.factors), std::move(scale.summands)};
  }
  if (node.op != "Add" && node.op != "Sub" && node.op != "Mul" && node.op != "Div")
    return std::nullopt;
  if (graph.value(node.outputs[0]).shape->size() < 3) return std::nullopt;
  return arithmetic(graph, node);
}

bool pads(const Node& convolution) {
  const std::vector<std::int64_t> pads = convolution.attributes.integers("pads");
  const std::string automatic = convolution.attributes.text("auto_pad", "NOTSET");
  return (automatic != "NOTSET" && automatic != "VALID") ||
         std::any_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad != 0; });
}

bool takes(const Graph& graph, const Node& node, const Affine& affine) {
  if (node.op != "Conv" || !node.domain.empty()) return false;
  const ConstantPtr& weights = graph.value(node.inputs[1]).constant;
  const bool bias =
      node.inputs.size() > Epilogue::kBias && node.inputs[Epilogue::kBias] != kNoValue;
  return weights != nullptr && weights->count() > 0 && !(pads(node) && affine.shifts()) &&
         (!bias || graph.value(node.inputs[Epilogue::kBias]).constant != nullptr);
}

// The convolutions that read the value as their input; none where anybody else reads it.
std::vector<Node*> readers(Graph& graph, ValueId id, const Affine& affine) {
  std::vector<Node*> found;
  for (Node& node : graph.nodes) {
    if (!node.inputs.empty() && node.inputs[0] == id && takes(graph, node, affine))
      found.push_back(&node);
  }
  if (graph.uses(id) != static_cast<int>(found.size())) found.clear();
  return found;
}

// Weights are (k, c/groups, kh, kw).
void fold(Graph& graph, Node& convolution, const Affine& affine) {
  const Constant& weights = *graph.value(convolution.inputs[1]).constant;
  const auto filters = static_cast<std::size_t>(weights.shape[0]);
  const auto channels = static_cast<std::size_t>(weights.shape[1]);
  const std::size_t taps = weights.floats.size() / filters / channels;
  const auto groups = static_cast<std::size_t>(convolution.attributes.integer("group", 1));
  convolution.inputs.resize(std::max(convolution.inputs.size(), Epilogue::kBias + 1), kNoValue);
  const ValueId old = convolution.inputs[Epilogue::kBias];
  Numbers values = weights.floats;
  Numbers bias = old == kNoValue ? Numbers(filters, 0) : graph.value(old).constant->floats;
  for (std::size_t k = 0; k < filters; ++k) {
    double sum = 0;
    for (std::size_t i = 0; i < channels * taps; ++i) {
      float& value = values[k * channels * taps + i];
      const std::size_t c = k / (filters / groups) * channels + i / taps;
      sum += double{value} * double{affine.shift[c]};
      value *= affine.scale[c];
    }
    bias[k] = static_cast<float>(double{bias[k]} + sum);
  }
  const Shape shape = weights.shape;
  const Shape of_bias{shape[0]};
  const std::string name = convolution.name;
  convolution.inputs[0] = affine.x;
  convolution.inputs[1] =
      graph.add_constant(name + "_weights", constant_of(shape, std::move(values)));
  if (old == kNoValue && !affine.shifts()) return;
  convolution.inputs[Epilogue::kBias] =
      graph.add_constant(name + "_bias", constant_of(of_bias, std::move(bias)));
}

}  // namespace

void input_scales(Graph& graph, Changes& changes);
void input_scales(Graph& graph, Changes& changes) {
  // From the end: behind a sum stands the product that it shifts.
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const std::optional<Affine> affine = affine_of(graph, *node);
    if (!affine) continue;
    const std::vector<Node*> convolutions = readers(graph, node->outputs[0], *affine);
    for (Node* convolution : convolutions) {
      changes.push_back(label(*convolution) + " takes " + label(*node) + " of its input");
      fold(graph, *convolution, *affine);
    }
    if (!convolutions.empty()) erase(*node);
  }
  remove_erased(graph);
}

}  // namespace clconv::net::pass
