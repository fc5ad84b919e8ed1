#include "net/in_place.hpp"

#include <algorithm>

namespace clconv::net {
namespace {

bool is_view(const Node& node) {
  return node.domain.empty() && (node.op == "Reshape" || node.op == "Flatten" ||
                                 node.op == "Squeeze" || node.op == "Unsqueeze");
}

// Who makes each value, and how often it is read.
struct Links {
  std::map<ValueId, const Node*> makers;
  std::map<ValueId, int> uses;

  explicit Links(const Graph& graph) {
    for (const Node& node : graph.nodes) {
      for (const ValueId id : node.outputs)
        makers[id] = &node;
      for (const ValueId id : node.inputs)
        ++uses[id];
    }
    for (const ValueId id : graph.outputs)
      ++uses[id];
  }
};

// The caller's buffers: outputs of the network, and what becomes one by another shape only.
std::map<ValueId, bool> callers(const Graph& graph, const Links& links) {
  std::map<ValueId, bool> result;
  for (ValueId id : graph.outputs) {
    result[id] = true;
    for (auto maker = links.makers.find(id); maker != links.makers.end() && is_view(*maker->second);
         maker = links.makers.find(id)) {
      id = maker->second->inputs[0];
      result[id] = true;
    }
  }
  return result;
}

// Gives the value its place, and what it is another shape of.
void give(Places& places, const Links& links, ValueId id, const Place& place) {
  while (links.uses.at(id) == 1) {
    places[id] = place;
    const auto maker = links.makers.find(id);
    if (maker == links.makers.end() || !is_view(*maker->second)) return;
    id = maker->second->inputs[0];
  }
}

}  // namespace

Places places_of(const Graph& graph, std::int64_t element_bytes, std::int64_t alignment_bytes) {
  Places places;
  const Links links(graph);
  const std::map<ValueId, bool> outside = callers(graph, links);
  for (const Node& node : graph.nodes) {
    if (node.op != "Concat" || !node.domain.empty() || node.inputs.size() < 2) continue;
    const ValueId whole = node.outputs[0];
    if (outside.count(whole) != 0) continue;
    const Shape& shape = *graph.value(whole).shape;
    const std::size_t axis = normalized_axis(node.attributes.integer("axis", 0), shape.size());
    if (elements(shape, 0, axis) != 1) continue;
    std::int64_t offset = 0;
    for (const ValueId id : node.inputs) {
      const std::int64_t bytes = elements(*graph.value(id).shape) * element_bytes;
      if (bytes > 0 && offset % alignment_bytes == 0 && graph.value(id).constant == nullptr) {
        give(places, links, id, {whole, offset});
      }
      offset += bytes;
    }
  }
  return places;
}

}  // namespace clconv::net
