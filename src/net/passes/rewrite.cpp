#include "net/passes/rewrite.hpp"

#include <algorithm>

namespace clconv::net {

bool bypass(Graph& graph, Node& node) {
  const ValueId from = node.inputs[0], to = node.outputs[0];
  const auto leaves = [&](ValueId id) {
    return std::find(graph.outputs.begin(), graph.outputs.end(), id) != graph.outputs.end();
  };
  if (!leaves(to)) {
    graph.replace_uses(to, from);
    return true;
  }
  Node* producer = graph.producer(from);
  if (producer == nullptr || leaves(from)) return false;
  std::replace(producer->outputs.begin(), producer->outputs.end(), from, to);
  node.outputs.clear();
  node.inputs.clear();
  graph.replace_uses(from, to);
  return true;
}

Node* inner_producer(Graph& graph, ValueId id) {
  return id != kNoValue && graph.uses(id) == 1 ? graph.producer(id) : nullptr;
}

}  // namespace clconv::net
