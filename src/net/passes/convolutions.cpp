#include "net/passes/convolutions.hpp"

namespace clconv::net::pass {

bool is_convolution(const Node& node) {
  if (node.domain.empty()) return node.op == "Conv" || node.op == "ConvTranspose";
  return node.domain == kOwnDomain && node.op == "FullyConnected";
}

std::size_t channel_axis(const Node& node, const Graph& graph) {
  if (node.op != "FullyConnected") return 1;
  return graph.value(node.outputs[0]).shape->size() - 1;
}

std::int64_t channels(const Node& node, const Graph& graph) {
  return (*graph.value(node.outputs[0]).shape)[channel_axis(node, graph)];
}

std::optional<std::vector<float>> per_channel(const Node& node, const Graph& graph,
                                              ValueId constant) {
  const ConstantPtr& values = graph.value(constant).constant;
  const Shape& result = *graph.value(node.outputs[0]).shape;
  if (values == nullptr || values->shape.size() > result.size()) return std::nullopt;
  const std::size_t missing = result.size() - values->shape.size();
  const std::size_t axis = channel_axis(node, graph);
  for (std::size_t d = 0; d < values->shape.size(); ++d) {
    const bool along = d + missing == axis && values->shape[d] == result[axis];
    if (values->shape[d] != 1 && !along) return std::nullopt;
  }
  std::vector<float> numbers(static_cast<std::size_t>(result[axis]));
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = values->number(values->count() == 1 ? 0 : i);
  return numbers;
}

void erase(Node& node) {
  node = Node();
}

void remove_erased(Graph& graph) {
  graph.remove_nodes([](const Node& node) { return node.op.empty(); });
}

std::string label(const Node& node) {
  return node.op + " '" + node.name + "'";
}

}  // namespace clconv::net::pass
