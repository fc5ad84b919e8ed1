// Activations and residual sums become epilogues of the convolutions in front of them: activation(sum + bias +
// residual).
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "net/convolution.hpp"
#include "net/passes.hpp"
#include "net/passes/convolutions.hpp"

namespace clconv::net::pass {
namespace {

struct Activation {
  std::string word;  // of clconv_activation_name()
  std::optional<float> slope, offset;
};

// A bound of Clip: an attribute before opset 11, an input since; none where it depends on data.
std::optional<float> bound(const Graph& graph, const Node& clip, std::size_t input,
                           const char* attribute, float otherwise) {
  if (clip.inputs.size() <= input || clip.inputs[input] == kNoValue)
    return clip.attributes.number(attribute, otherwise);
  const ConstantPtr& constant = graph.value(clip.inputs[input]).constant;
  if (constant == nullptr || constant->count() != 1) return std::nullopt;
  return constant->number(0);
}

std::optional<Activation> clip_activation(const Graph& graph, const Node& node) {
  constexpr float kMost = std::numeric_limits<float>::max();
  const std::optional<float> low = bound(graph, node, 1, "min", -kMost);
  const std::optional<float> high = bound(graph, node, 2, "max", kMost);
  if (!low || !high || *low != 0) return std::nullopt;
  if (*high == 6) return Activation{"relu6", {}, {}};
  if (*high >= kMost) return Activation{"relu", {}, {}};
  return std::nullopt;
}

// Those of one input without parameters.
std::optional<Activation> plain_activation(const Node& node) {
  static const std::pair<const char*, const char*> kWords[] = {
      {"Relu", "relu"}, {"Sigmoid", "sigmoid"}, {"Tanh", "tanh"}, {"HardSwish", "hard-swish"}};
  for (const auto& [op, word] : kWords) {
    if (node.op == op && node.domain.empty()) return Activation{word, {}, {}};
  }
  if (node.op == "SiLU" && node.domain == kOwnDomain) return Activation{"silu", {}, {}};
  if (node.op == "Gelu" && node.domain.empty() &&
      node.attributes.text("approximate", "none") == "none")
    return Activation{"gelu", {}, {}};
  return std::nullopt;
}

bool is_slope(float slope) {
  return slope >= -1 && slope <= 1;
}

std::optional<Activation> activation_of(const Graph& graph, const Node& node) {
  if (std::optional<Activation> plain = plain_activation(node)) return plain;
  if (!node.domain.empty()) return std::nullopt;
  if (node.op == "Clip") return clip_activation(graph, node);
  if (node.op == "LeakyRelu") {
    const float slope = node.attributes.number("alpha", 0.01f);
    if (is_slope(slope)) return Activation{"leaky-relu", slope, {}};
  }
  if (node.op == "HardSigmoid") {
    const float slope = node.attributes.number("alpha", 0.2f);
    if (is_slope(slope))
      return Activation{"hard-sigmoid", slope, node.attributes.number("beta", 0.5f)};
  }
  return std::nullopt;
}

// PReLU with a constant slope per channel, of any size: trained ones are often beyond [-1, 1]. An infinite one stays a
// layer of its own.
std::optional<Activation> take_slopes(Graph& graph, Node& convolution, const Node& node) {
  if (node.op != "PRelu" || !node.domain.empty()) return std::nullopt;
  const std::optional<std::vector<float>> slopes = per_channel(convolution, graph, node.inputs[1]);
  const auto finite = [](float slope) { return std::isfinite(slope); };
  if (!slopes || !std::all_of(slopes->begin(), slopes->end(), finite)) return std::nullopt;
  convolution.inputs.resize(std::max(convolution.inputs.size(), Epilogue::kSlopes + 1), kNoValue);
  const Shape shape{static_cast<std::int64_t>(slopes->size())};
  convolution.inputs[Epilogue::kSlopes] =
      graph.add_constant(node.name + "_slopes", constant_of(shape, *slopes));
  return Activation{"prelu", {}, {}};
}

void take_activation(Graph& graph, Node& convolution, Changes& changes) {
  Node* user = graph.only_user(convolution.outputs[0]);
  if (user == nullptr || user->inputs[0] != convolution.outputs[0]) return;
  std::optional<Activation> activation = activation_of(graph, *user);
  if (!activation) activation = take_slopes(graph, convolution, *user);
  if (!activation) return;
  changes.push_back(label(convolution) + " takes " + label(*user));
  convolution.attributes.set(Epilogue::kActivation, activation->word);
  if (activation->slope) convolution.attributes.set(Epilogue::kSlope, *activation->slope);
  if (activation->offset) convolution.attributes.set(Epilogue::kOffset, *activation->offset);
  convolution.outputs[0] = user->outputs[0];
  erase(*user);
}

// A convolution whose result only this sum reads, and that has neither activation nor residual yet.
bool can_take_sum(Graph& graph, const Node& convolution, const Node& sum) {
  return is_convolution(convolution) && !has_activation(convolution) &&
         !has_residual(convolution) && graph.uses(convolution.outputs[0]) == 1 &&
         *graph.value(convolution.outputs[0]).shape == *graph.value(sum.outputs[0]).shape;
}

// The later of the two convolutions in front of a sum takes the other's result as its residual. It moves to the place
// of the sum, where both operands are known.
void take_residual(Graph& graph, Node& sum, Changes& changes) {
  const bool two =
      sum.inputs.size() == 2 && sum.domain.empty() && (sum.op == "Add" || sum.op == "Sum");
  if (!two || *graph.value(sum.inputs[0]).shape != *graph.value(sum.inputs[1]).shape) return;
  Node* taker = nullptr;
  for (const ValueId id : sum.inputs) {
    Node* producer = graph.producer(id);
    if (producer != nullptr && can_take_sum(graph, *producer, sum) && producer > taker)
      taker = producer;
  }
  if (taker == nullptr) return;
  const ValueId residual = sum.inputs[sum.inputs[0] == taker->outputs[0] ? 1 : 0];
  changes.push_back(label(*taker) + " takes " + label(sum));
  Node fused = std::move(*taker);
  erase(*taker);
  fused.inputs.resize(std::max(fused.inputs.size(), Epilogue::kResidual + 1), kNoValue);
  fused.inputs[Epilogue::kResidual] = residual;
  fused.outputs = sum.outputs;
  sum = std::move(fused);
}

}  // namespace

void epilogues(Graph& graph, Changes& changes);
void epilogues(Graph& graph, Changes& changes) {
  for (Node& node : graph.nodes) {
    take_residual(graph, node, changes);  // of a sum, which then is a convolution
    if (is_convolution(node) && !has_activation(node)) take_activation(graph, node, changes);
  }
  remove_erased(graph);
}

}  // namespace clconv::net::pass
