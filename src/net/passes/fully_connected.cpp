// MatMul and Gemm with constant weights become FullyConnected, which libclconv plans as a convolution: weights
// (outputs, inputs), bias (outputs).
#include "net/passes.hpp"
#include "net/passes/convolutions.hpp"

namespace clconv::net::pass {
namespace {

// (outputs, inputs) from what the node multiplies with, times `scale`.
ConstantPtr weights_of(const Constant& given, bool transposed, float scale) {
  const auto rows = static_cast<std::size_t>(given.shape[0]);
  const auto columns = static_cast<std::size_t>(given.shape[1]);
  std::vector<float> values(given.floats.size());
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j)
      values[transposed ? i * columns + j : j * rows + i] = scale * given.floats[i * columns + j];
  }
  return transposed ? constant_of(given.shape, std::move(values))
                    : constant_of({given.shape[1], given.shape[0]}, std::move(values));
}

// Gemm's C as a bias; null where it is none.
ConstantPtr bias_of(const Graph& graph, const Node& node, std::int64_t outputs) {
  const ConstantPtr& c = graph.value(node.inputs[2]).constant;
  const float beta = node.attributes.number("beta", 1);
  if (c == nullptr || !is_floating(c->type)) return nullptr;
  for (std::size_t d = 0; d + 1 < c->shape.size(); ++d) {
    if (c->shape[d] != 1) return nullptr;
  }
  const std::int64_t count = c->count();
  if (count != 1 && count != outputs) return nullptr;
  std::vector<float> values(static_cast<std::size_t>(outputs));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = beta * c->floats[count == 1 ? 0 : i];
  return constant_of({outputs}, std::move(values));
}

bool has_constant_weights(const Graph& graph, const Node& node) {
  if (!node.domain.empty() || (node.op != "MatMul" && node.op != "Gemm")) return false;
  const Value& x = graph.value(node.inputs[0]);
  const ConstantPtr& weights = graph.value(node.inputs[1]).constant;
  if (weights == nullptr || x.constant != nullptr || !is_floating(weights->type)) return false;
  return weights->shape.size() == 2 && weights->count() > 0 && !x.shape->empty() &&
         elements(*x.shape) > 0 && node.attributes.integer("transA", 0) == 0;
}

}  // namespace

void fully_connected(Graph& graph, Changes& changes);
void fully_connected(Graph& graph, Changes& changes) {
  for (Node& node : graph.nodes) {
    if (!has_constant_weights(graph, node)) continue;
    const bool transposed = node.op == "Gemm" && node.attributes.integer("transB", 0) != 0;
    const float alpha = node.op == "Gemm" ? node.attributes.number("alpha", 1) : 1.0f;
    const Constant& given = *graph.value(node.inputs[1]).constant;
    const std::int64_t outputs = given.shape[transposed ? 0 : 1];
    ConstantPtr bias;
    if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) {
      bias = bias_of(graph, node, outputs);
      if (bias == nullptr) continue;
    }
    changes.push_back(label(node));
    Node layer;
    layer.op = "FullyConnected";
    layer.domain = kOwnDomain;
    layer.name = node.name;
    layer.outputs = node.outputs;
    layer.inputs = {node.inputs[0], graph.add_constant(graph.value(node.inputs[1]).name + "_rows",
                                                       weights_of(given, transposed, alpha))};
    if (bias != nullptr) {
      layer.inputs.push_back(graph.add_constant(graph.value(node.inputs[2]).name + "_bias", bias));
    }
    node = std::move(layer);
  }
}

}  // namespace clconv::net::pass
