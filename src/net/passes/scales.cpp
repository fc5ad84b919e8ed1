// Batch normalization, and additions and multiplications by one constant per channel, go into the weights and the bias
// of the convolution in front of them.
#include <algorithm>
#include <cmath>

#include "net/convolution.hpp"
#include "net/passes.hpp"
#include "net/passes/convolutions.hpp"

namespace clconv::net::pass {
namespace {

using Numbers = std::vector<float>;

// y = scale * x + shift, per channel.
struct Affine {
  Numbers scale, shift;
};

std::optional<Affine> batch_normalization(const Graph& graph, const Node& node) {
  Numbers parts[4];  // gamma, beta, mean, variance
  for (std::size_t i = 0; i < 4; ++i) {
    const ConstantPtr& constant = graph.value(node.inputs[i + 1]).constant;
    if (constant == nullptr) return std::nullopt;
    parts[i] = constant->floats;
  }
  const double epsilon = node.attributes.number("epsilon", 1e-5f);
  Affine affine{parts[0], parts[1]};
  for (std::size_t i = 0; i < parts[0].size(); ++i) {
    const double scale = parts[0][i] / std::sqrt(parts[3][i] + epsilon);
    affine.scale[i] = static_cast<float>(scale);
    affine.shift[i] = static_cast<float>(parts[1][i] - parts[2][i] * scale);
  }
  return affine;
}

// Of Add, Sub, Mul or Div with a constant.
std::optional<Affine> arithmetic(const Graph& graph, const Node& convolution, const Node& node) {
  const bool first = node.inputs[0] == convolution.outputs[0];
  std::optional<Numbers> constant = per_channel(convolution, graph, node.inputs[first ? 1 : 0]);
  if (!constant || (!first && node.op == "Div")) return std::nullopt;
  Affine affine{Numbers(constant->size(), 1), Numbers(constant->size(), 0)};
  for (std::size_t i = 0; i < constant->size(); ++i) {
    const float c = (*constant)[i];
    if (node.op == "Mul") affine.scale[i] = c;
    if (node.op == "Div") affine.scale[i] = 1 / c;
    if (node.op == "Add") affine.shift[i] = c;
    if (node.op == "Sub") {
      affine.scale[i] = first ? 1.0f : -1.0f;
      affine.shift[i] = first ? -c : c;
    }
  }
  return affine;
}

std::optional<Affine> affine_of(const Graph& graph, const Node& convolution, const Node& node) {
  if (!node.domain.empty()) return std::nullopt;
  if (node.op == "BatchNormalization" && convolution.op != "FullyConnected" &&
      node.inputs[0] == convolution.outputs[0])
    return batch_normalization(graph, node);
  const bool ours = node.op == "Add" || node.op == "Sub" || node.op == "Mul" || node.op == "Div";
  const bool same =
      *graph.value(node.outputs[0]).shape == *graph.value(convolution.outputs[0]).shape;
  return ours && same ? arithmetic(graph, convolution, node) : std::nullopt;
}

// The weights with those of each result's channel times its scale. Of a transposed convolution, (c, k/g, kh, kw).
ConstantPtr scaled(const Constant& weights, const Numbers& scale, bool transposed,
                   std::int64_t groups) {
  Numbers values = weights.floats;
  const auto rows = static_cast<std::size_t>(weights.shape[0]);
  const std::size_t row = values.size() / rows;
  const auto inner = static_cast<std::size_t>(transposed ? weights.shape[1] : 1);
  const std::size_t rows_per_group = rows / static_cast<std::size_t>(groups);
  const std::size_t run =
      row / std::max<std::size_t>(inner, 1);  // weights of one channel, one after another
  for (std::size_t outer = 0; outer < rows; ++outer) {
    const std::size_t first = transposed ? outer / rows_per_group * inner : outer;
    for (std::size_t i = 0; i < row; ++i)
      values[outer * row + i] *= scale[first + (inner == 1 ? 0 : i / run)];
  }
  return constant_of(weights.shape, std::move(values));
}

void fold(Graph& graph, Node& convolution, const Affine& affine) {
  const std::string name = convolution.name;
  const ConstantPtr weights = graph.value(convolution.inputs[1]).constant;
  convolution.inputs[1] = graph.add_constant(
      name + "_weights", scaled(*weights, affine.scale, convolution.op == "ConvTranspose",
                                convolution.attributes.integer("group", 1)));
  Numbers bias = affine.shift;
  convolution.inputs.resize(std::max<std::size_t>(convolution.inputs.size(), 3), kNoValue);
  const ValueId old = convolution.inputs[Epilogue::kBias];
  for (std::size_t i = 0; i < bias.size(); ++i)
    bias[i] += old == kNoValue ? 0 : affine.scale[i] * graph.value(old).constant->floats[i];
  const Shape shape{static_cast<std::int64_t>(bias.size())};
  convolution.inputs[Epilogue::kBias] =
      graph.add_constant(name + "_bias", constant_of(shape, std::move(bias)));
}

bool can_fold(const Graph& graph, const Node& node) {
  if (!is_convolution(node) || has_activation(node) || has_residual(node)) return false;
  const ConstantPtr& weights = graph.value(node.inputs[1]).constant;
  if (weights == nullptr || weights->count() == 0) return false;
  const bool bias = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  return !bias || graph.value(node.inputs[2]).constant != nullptr;
}

}  // namespace

void scales(Graph& graph, Changes& changes);
void scales(Graph& graph, Changes& changes) {
  for (Node& convolution : graph.nodes) {
    if (!can_fold(graph, convolution)) continue;
    while (Node* user = graph.only_user(convolution.outputs[0])) {
      const std::optional<Affine> affine = affine_of(graph, convolution, *user);
      if (!affine) break;
      changes.push_back(label(convolution) + " takes " + label(*user));
      fold(graph, convolution, *affine);
      convolution.outputs[0] = user->outputs[0];
      erase(*user);
    }
  }
  remove_erased(graph);
}

}  // namespace clconv::net::pass
