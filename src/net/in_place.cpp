#include "net/in_place.hpp"

#include <algorithm>
#include <set>

#include "net/operator.hpp"

namespace clconv::net {
namespace {

bool takes_images_apart(Graph& graph, Node& node, std::size_t input) {
  const Operator* op = find_operator(node.domain, node.op);
  return op != nullptr && op->images_apart != nullptr &&
         op->images_apart(NodeView(graph, node), input);
}

// The result has the elements of the input in the same order, with another shape.
bool is_view(const Node& node) {
  return node.domain.empty() && (node.op == "Reshape" || node.op == "Flatten" ||
                                 node.op == "Squeeze" || node.op == "Unsqueeze");
}

// Who makes each value, and how often it is read.
struct Links {
  std::map<ValueId, Node*> makers;
  std::map<ValueId, int> uses;

  explicit Links(Graph& graph) {
    for (Node& node : graph.nodes) {
      for (const ValueId id : node.outputs)
        makers[id] = &node;
      for (const ValueId id : node.inputs)
        ++uses[id];
    }
    for (const ValueId id : graph.outputs)
      ++uses[id];
  }
};

// The values in the caller's buffers: outputs of the network, and values of which an output is a view.
std::set<ValueId> callers(const Graph& graph, const Links& links) {
  std::set<ValueId> result;
  for (ValueId id : graph.outputs) {
    result.insert(id);
    for (auto maker = links.makers.find(id); maker != links.makers.end() && is_view(*maker->second);
         maker = links.makers.find(id)) {
      id = maker->second->inputs[0];
      result.insert(id);
    }
  }
  return result;
}

// Gives the value its place. If it is a view of another value, that one lies there, too; and so on, as long as nobody
// else reads them.
void give(Places& places, const Links& links, ValueId id, const Place& place) {
  while (links.uses.at(id) == 1) {
    places[id] = place;
    const auto maker = links.makers.find(id);
    if (maker == links.makers.end() || !is_view(*maker->second)) return;
    id = maker->second->inputs[0];
  }
}

// As give(), for a range of channels of several images: only if the operator that makes the value can write its images
// apart from one another.
void give_apart(Graph& graph, Places& places, const Links& links, ValueId id, const Place& place) {
  const auto maker = links.makers.find(id);
  if (links.uses.at(id) != 1 || maker == links.makers.end()) return;
  if (takes_images_apart(graph, *maker->second, Operator::kOutput)) places[id] = place;
}

}  // namespace

bool readers_take_images_apart(Graph& graph, ValueId id) {
  if (std::count(graph.outputs.begin(), graph.outputs.end(), id) != 0) return false;
  for (Node& node : graph.nodes) {
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == id && !takes_images_apart(graph, node, i)) return false;
    }
  }
  return true;
}

Places places_of(Graph& graph, std::int64_t element_bytes, std::int64_t alignment_bytes) {
  Places places;
  const Links links(graph);
  const std::set<ValueId> outside = callers(graph, links);
  for (const Node& node : graph.nodes) {
    if (node.op != "Concat" || !node.domain.empty() || node.inputs.size() < 2) continue;
    const ValueId whole = node.outputs[0];
    if (outside.count(whole) != 0) continue;
    const Shape& shape = *graph.value(whole).shape;
    const std::size_t axis = normalized_axis(node.attributes.integer("axis", 0), shape.size());
    const std::int64_t images = elements(shape, 0, axis);
    if (images != 1 && axis != 1) continue;
    const std::int64_t stride = images > 1 ? elements(shape, 1, shape.size()) : 0;
    std::int64_t offset = 0;  // in the first image
    for (const ValueId id : node.inputs) {
      const std::int64_t all_bytes = elements(*graph.value(id).shape) * element_bytes;
      if (all_bytes > 0 && offset % alignment_bytes == 0 && graph.value(id).constant == nullptr) {
        const Place place{whole, offset, stride};
        images > 1 ? give_apart(graph, places, links, id, place) : give(places, links, id, place);
      }
      offset += images > 0 ? all_bytes / images : 0;
    }
  }
  return places;
}

}  // namespace clconv::net
