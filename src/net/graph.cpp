#include "net/graph.hpp"

#include <algorithm>
#include <set>

#include "error.hpp"

namespace clconv::net {
namespace {

using core::Code;
using core::Error;

template <class T>
const T* found(const std::map<std::string, AttributeValue>& values, const std::string& name,
               const char* kind) {
  const auto at = values.find(name);
  if (at == values.end()) return nullptr;
  const T* value = std::get_if<T>(&at->second);
  if (value == nullptr) {
    throw Error(Code::kInvalidModel, "attribute '" + name + "' is no " + kind);
  }
  return value;
}

// A node of a cycle, where some nodes miss inputs for ever: going from one to what it needs ends in a cycle.
std::size_t in_cycle(const std::vector<std::vector<std::size_t>>& needs,
                     const std::vector<std::size_t>& missing) {
  const auto waits = [&](std::size_t i) { return missing[i] > 0; };
  std::size_t at = 0;
  while (!waits(at))
    ++at;
  for (std::size_t steps = 0; steps < needs.size(); ++steps)
    at = *std::find_if(needs[at].begin(), needs[at].end(), waits);
  return at;
}

}  // namespace

std::int64_t Attributes::integer(const std::string& name, std::int64_t otherwise) const {
  const auto* value = found<std::int64_t>(values_, name, "integer");
  return value != nullptr ? *value : otherwise;
}

float Attributes::number(const std::string& name, float otherwise) const {
  // Whole numbers are written without a point in models built by hand.
  const auto at = values_.find(name);
  const auto* whole = at == values_.end() ? nullptr : std::get_if<std::int64_t>(&at->second);
  if (whole != nullptr) return static_cast<float>(*whole);
  const auto* value = found<float>(values_, name, "number");
  return value != nullptr ? *value : otherwise;
}

std::string Attributes::text(const std::string& name, const std::string& otherwise) const {
  const auto* value = found<std::string>(values_, name, "text");
  return value != nullptr ? *value : otherwise;
}

std::vector<std::int64_t> Attributes::integers(const std::string& name,
                                               const std::vector<std::int64_t>& otherwise) const {
  const auto* value = found<std::vector<std::int64_t>>(values_, name, "list of integers");
  return value != nullptr ? *value : otherwise;
}

std::vector<float> Attributes::numbers(const std::string& name) const {
  const auto* value = found<std::vector<float>>(values_, name, "list of numbers");
  return value != nullptr ? *value : std::vector<float>();
}

std::vector<std::string> Attributes::texts(const std::string& name) const {
  const auto* value = found<std::vector<std::string>>(values_, name, "list of texts");
  return value != nullptr ? *value : std::vector<std::string>();
}

ConstantPtr Attributes::constant(const std::string& name) const {
  const auto* value = found<ConstantPtr>(values_, name, "tensor");
  return value != nullptr ? *value : nullptr;
}

ValueId Graph::add_value(std::string name, Type type) {
  const auto taken = [&](const std::string& wanted) {
    return std::any_of(values.begin(), values.end(),
                       [&](const Value& value) { return value.name == wanted; });
  };
  std::string unique = name;
  for (int i = 2; taken(unique); ++i)
    unique = name + "_" + std::to_string(i);
  Value value;
  value.name = std::move(unique);
  value.type = type;
  values.push_back(std::move(value));
  return static_cast<ValueId>(values.size() - 1);
}

ValueId Graph::add_constant(std::string name, ConstantPtr constant) {
  const ValueId id = add_value(std::move(name), constant->type);
  value(id).shape = constant->shape;
  value(id).constant = std::move(constant);
  return id;
}

const Node* Graph::producer(ValueId id) const {
  for (const Node& node : nodes) {
    if (std::find(node.outputs.begin(), node.outputs.end(), id) != node.outputs.end()) return &node;
  }
  return nullptr;
}

Node* Graph::producer(ValueId id) {
  return const_cast<Node*>(static_cast<const Graph*>(this)->producer(id));
}

int Graph::uses(ValueId id) const {
  auto count = std::count(outputs.begin(), outputs.end(), id);
  for (const Node& node : nodes)
    count += std::count(node.inputs.begin(), node.inputs.end(), id);
  return static_cast<int>(count);
}

Node* Graph::only_user(ValueId id) {
  if (uses(id) != 1) return nullptr;
  for (Node& node : nodes) {
    if (std::find(node.inputs.begin(), node.inputs.end(), id) != node.inputs.end()) return &node;
  }
  return nullptr;
}

void Graph::replace_uses(ValueId from, ValueId to) {
  for (Node& node : nodes)
    std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  std::replace(outputs.begin(), outputs.end(), from, to);
}

int Graph::remove_unused() {
  int removed = 0;
  for (int more = 1; more > 0; removed += more) {
    std::set<ValueId> used(outputs.begin(), outputs.end());
    for (const Node& node : nodes)
      used.insert(node.inputs.begin(), node.inputs.end());
    more = remove_nodes([&](const Node& node) {
      return std::none_of(node.outputs.begin(), node.outputs.end(),
                          [&](ValueId id) { return used.count(id) != 0; });
    });
  }
  return removed;
}

void Graph::sort() {
  std::map<ValueId, std::size_t> makers;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const ValueId id : nodes[i].outputs)
      makers[id] = i;
  }
  makers.erase(kNoValue);
  std::vector<std::vector<std::size_t>> needs(nodes.size()), readers(nodes.size());
  std::set<std::size_t> ready;  // the first of them is next: nodes in order stay as they are
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const ValueId id : nodes[i].inputs) {
      const auto maker = makers.find(id);
      if (maker == makers.end()) continue;
      needs[i].push_back(maker->second);
      readers[maker->second].push_back(i);
    }
    if (needs[i].empty()) ready.insert(i);
  }
  std::vector<std::size_t> missing(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i)
    missing[i] = needs[i].size();
  std::vector<Node> sorted;
  while (!ready.empty()) {
    const std::size_t next = *ready.begin();
    ready.erase(ready.begin());
    for (const std::size_t reader : readers[next]) {
      if (--missing[reader] == 0) ready.insert(reader);
    }
    sorted.push_back(std::move(nodes[next]));
  }
  if (sorted.size() < nodes.size()) {
    throw Error(Code::kInvalidModel, "the graph has a cycle through node '" +
                                         nodes[in_cycle(needs, missing)].name + "'");
  }
  nodes = std::move(sorted);
}

}  // namespace clconv::net
