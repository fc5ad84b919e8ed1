// Identity, Dropout and casts between floating types compute nothing: whoever reads them reads what they read.
#include "net/passes.hpp"
#include "net/passes/rewrite.hpp"

namespace clconv::net::pass {
namespace {

bool is_identity(const Graph& graph, const Node& node) {
  if (!node.domain.empty() || node.inputs.empty() || node.outputs.empty()) return false;
  if (node.op == "Identity" || node.op == "Dropout") return true;
  return node.op == "Cast" && is_floating(graph.value(node.inputs[0]).type) &&
         is_floating(graph.value(node.outputs[0]).type);
}

}  // namespace

void identities(Graph& graph, Changes& changes);
void identities(Graph& graph, Changes& changes) {
  for (Node& node : graph.nodes) {
    if (!is_identity(graph, node) || !bypass(graph, node)) continue;
    changes.push_back(node.op + " '" + node.name + "'");
  }
}

}  // namespace clconv::net::pass
