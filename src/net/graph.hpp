// A network as a graph of operators: nodes in an order in which they can run, and the values between them. Passes
// rewrite it. Knows no operator and no OpenCL.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "net/tensor.hpp"

namespace clconv::net {

// What a node is told beside its inputs.
using AttributeValue = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>,
                                    std::vector<float>, std::vector<std::string>, ConstantPtr>;

class Attributes {
 public:
  void set(const std::string& name, AttributeValue value) { values_[name] = std::move(value); }
  void remove(const std::string& name) { values_.erase(name); }
  bool has(const std::string& name) const { return values_.count(name) != 0; }

  // The value, or what is given where the node has none. Throws Error{kInvalidModel} for one of another kind.
  std::int64_t integer(const std::string& name, std::int64_t otherwise) const;
  float number(const std::string& name, float otherwise) const;
  std::string text(const std::string& name, const std::string& otherwise) const;
  std::vector<std::int64_t> integers(const std::string& name,
                                     const std::vector<std::int64_t>& otherwise = {}) const;
  std::vector<float> numbers(const std::string& name) const;
  std::vector<std::string> texts(const std::string& name) const;
  ConstantPtr constant(const std::string& name) const;  // null where there is none

  const std::map<std::string, AttributeValue>& all() const { return values_; }

 private:
  std::map<std::string, AttributeValue> values_;
};

using ValueId = int;
constexpr ValueId kNoValue = -1;  // an optional input or output that is left out

// What one node makes and others read; also an input of the network or a constant.
struct Value {
  std::string name;
  Type type = Type::kFloat32;
  // Known after shape inference. Of a network's input as the model declares it: -1 for a size that the model leaves
  // open.
  std::optional<Shape> shape;
  std::vector<std::string> size_names;  // of an input: "" or the model's name of an open size
  ConstantPtr constant;                 // known before the network runs
};

struct Node {
  std::string op;      // "Conv"
  std::string domain;  // "" is ONNX's own; kOwnDomain of what passes make
  std::string name;    // the model's; never empty: made up where the model has none
  std::vector<ValueId> inputs, outputs;
  Attributes attributes;
};

// Operators that no model has: what passes make of several nodes.
inline const char* const kOwnDomain = "clconv";

// Values are never removed, only left unused, so that their numbers stay.
struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;  // each behind those that make its inputs
  std::vector<ValueId> inputs, outputs;
  std::int64_t opset = 0;  // of ONNX's own domain

  Value& value(ValueId id) { return values[static_cast<std::size_t>(id)]; }
  const Value& value(ValueId id) const { return values[static_cast<std::size_t>(id)]; }

  // A new value, named after what it is made for; `name` is made unique.
  ValueId add_value(std::string name, Type type = Type::kFloat32);
  ValueId add_constant(std::string name, ConstantPtr constant);

  // The node that makes the value; null for inputs and constants.
  const Node* producer(ValueId id) const;
  Node* producer(ValueId id);
  // How often nodes read the value; being an output of the network counts as one.
  int uses(ValueId id) const;
  // The only node that reads it; null where several do, none does, or it is an output of the network.
  Node* only_user(ValueId id);
  // All readers, and the network's outputs, take `to` instead of `from`.
  void replace_uses(ValueId from, ValueId to);
  // Removes nodes none of whose outputs is used, until none is left. Returns how many.
  int remove_unused();
  // Removes the nodes for which `is_removed` holds, and keeps the order of the others.
  template <class Predicate>
  int remove_nodes(Predicate&& is_removed);
  // Puts the nodes into an order in which they can run. Throws Error{kInvalidModel} that names a node of a cycle.
  void sort();
};

template <class Predicate>
int Graph::remove_nodes(Predicate&& is_removed) {
  std::vector<Node> kept;
  for (Node& node : nodes) {
    if (!is_removed(node)) kept.push_back(std::move(node));
  }
  const auto removed = static_cast<int>(nodes.size() - kept.size());
  nodes = std::move(kept);
  return removed;
}

}  // namespace clconv::net
