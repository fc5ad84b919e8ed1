// Data is not moved for nothing: operators that leave everything where it is vanish, and two that follow each other
// become one.
#include <algorithm>
#include <map>

#include "net/passes.hpp"
#include "net/passes/rewrite.hpp"

namespace clconv::net::pass {
namespace {

using Integers = std::vector<std::int64_t>;

const Shape& shape_of(const Graph& graph, ValueId id) {
  return *graph.value(id).shape;
}

bool is_own(const Node& node, const char* op) {
  return node.domain.empty() && node.op == op;
}

// Only the shape changes.
bool is_view(const Node& node) {
  return is_own(node, "Reshape") || is_own(node, "Flatten") || is_own(node, "Squeeze") ||
         is_own(node, "Unsqueeze");
}

// Of a node that inference has accepted.
Integers permutation_of(const Graph& graph, const Node& node) {
  const auto rank = static_cast<std::int64_t>(shape_of(graph, node.inputs[0]).size());
  Integers reversed;
  for (std::int64_t d = rank; d-- > 0;)
    reversed.push_back(d);
  Integers permutation = node.attributes.integers("perm", reversed);
  for (std::int64_t& d : permutation)
    d += d < 0 ? rank : 0;
  return permutation;
}

// Do all dimensions but those of size 1 keep their order?
bool keeps_order(const Shape& shape, const Integers& permutation) {
  std::int64_t last = -1;
  for (const std::int64_t d : permutation) {
    if (shape[static_cast<std::size_t>(d)] == 1) continue;
    if (d < last) return false;
    last = d;
  }
  return true;
}

// All numbers of an optional input are `wanted`, or above it.
bool input_is(const Graph& graph, const Node& node, std::size_t i, std::int64_t wanted) {
  if (i >= node.inputs.size() || node.inputs[i] == kNoValue) return true;
  const ConstantPtr& value = graph.value(node.inputs[i]).constant;
  return value != nullptr && std::all_of(value->integers.begin(), value->integers.end(),
                                         [&](std::int64_t number) { return number == wanted; });
}

bool moves_nothing(const Graph& graph, const Node& node) {
  if (!node.domain.empty() || node.outputs.size() != 1) return false;
  if (node.op == "Concat") return node.inputs.size() == 1;
  if (node.op == "Split") return true;
  if (shape_of(graph, node.inputs[0]) != shape_of(graph, node.outputs[0])) return false;
  if (is_view(node) || node.op == "Expand" || node.op == "Tile") return true;
  if (node.op == "Slice") return input_is(graph, node, 4, 1);
  if (node.op == "Transpose") {
    return keeps_order(shape_of(graph, node.inputs[0]), permutation_of(graph, node));
  }
  if (node.op != "Pad") return false;
  const Integers pads = node.attributes.integers("pads");
  return input_is(graph, node, 1, 0) &&
         std::all_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad == 0; });
}

// The node becomes a Reshape of `from` to the shape that its output has.
void become_reshape(Graph& graph, Node& node, ValueId from) {
  const Shape shape = shape_of(graph, node.outputs[0]);
  const auto rank = static_cast<std::int64_t>(shape.size());
  node.op = "Reshape";
  node.attributes = {};
  node.attributes.set("allowzero", std::int64_t{1});
  node.inputs = {from, graph.add_constant(node.name + "_shape", constant_of({rank}, shape))};
}

// The node takes the input of the one before it, and does what both did.
void merge(Graph& graph, Node& node, const Node& before) {
  if (is_view(node)) return become_reshape(graph, node, before.inputs[0]);
  const Integers first = permutation_of(graph, before);
  Integers both;
  for (const std::int64_t d : permutation_of(graph, node))
    both.push_back(first[static_cast<std::size_t>(d)]);
  node.attributes.set("perm", both);
  node.inputs[0] = before.inputs[0];
}

std::string label(const Node& node) {
  return node.op + " '" + node.name + "'";
}

void simplify(Graph& graph, Node& node, Changes& changes) {
  if (is_own(node, "Transpose") && !moves_nothing(graph, node) &&
      keeps_order(shape_of(graph, node.inputs[0]), permutation_of(graph, node))) {
    changes.push_back(label(node) + " only changes the shape");
    become_reshape(graph, node, node.inputs[0]);
  }
  const Node* before = node.inputs.empty() ? nullptr : graph.producer(node.inputs[0]);
  const bool merges =
      before != nullptr && ((is_view(node) && is_view(*before)) ||
                            (is_own(node, "Transpose") && is_own(*before, "Transpose")));
  if (merges) {
    changes.push_back(label(*before) + " + " + label(node));
    merge(graph, node, *before);
  }
  if (moves_nothing(graph, node) && bypass(graph, node)) {
    changes.push_back(label(node) + " moves nothing");
  }
}

}  // namespace

void movement(Graph& graph, Changes& changes);
void movement(Graph& graph, Changes& changes) {
  for (Node& node : graph.nodes) {
    const bool known = std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
      return id == kNoValue || graph.value(id).shape.has_value();
    });
    if (known && !node.inputs.empty() && node.inputs[0] != kNoValue) simplify(graph, node, changes);
  }
}

}  // namespace clconv::net::pass
