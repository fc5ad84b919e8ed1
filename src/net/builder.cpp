#include "net/builder.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "error.hpp"
#include "net/elements.hpp"
#include "problem.hpp"

namespace clconv::net {
namespace {

using core::Code;
using core::Error;
using Json = nlohmann::ordered_json;

constexpr std::int64_t kLeastOpset = 7;
constexpr std::size_t kMostRank = 8;  // CLCONV_NET_MAX_RANK

[[noreturn]] void bad(const std::string& text) {
  throw Error(Code::kInvalidArgument, text);
}

ValueId find(const Graph& graph, const std::string& name) {
  const auto found = std::find_if(graph.values.begin(), graph.values.end(),
                                  [&](const Value& value) { return value.name == name; });
  return found == graph.values.end() ? kNoValue
                                     : static_cast<ValueId>(found - graph.values.begin());
}

ValueId known(const Graph& graph, const std::string& name, const std::string& who) {
  const ValueId id = find(graph, name);
  if (id == kNoValue) bad(who + ": there is no value '" + name + "' yet");
  return id;
}

void expect_new(const Graph& graph, const std::string& name, const std::string& who) {
  if (name.empty()) bad(who + ": the name is empty");
  if (find(graph, name) != kNoValue) bad(who + ": there is a value '" + name + "' already");
}

// `least` is -1 where sizes may be open.
void expect_shape(const Shape& shape, std::int64_t least, const std::string& who) {
  if (shape.size() > kMostRank) {
    bad(who + " has " + std::to_string(shape.size()) + " sizes, at most " +
        std::to_string(kMostRank) + " are supported");
  }
  std::int64_t product = 1;  // open sizes as 1
  for (const std::int64_t size : shape) {
    if (size < least) bad(who + " has size " + std::to_string(size));
    product = core::saturating_product(product, size < 0 ? 1 : size);
  }
  if (product == std::numeric_limits<std::int64_t>::max()) {
    bad(who + " is " + to_string(shape) + ": too large");
  }
}

[[noreturn]] void bad_attribute(const std::string& who, const Json& value) {
  bad(who + " is " + value.dump(-1, ' ', false, Json::error_handler_t::replace) +
      ": expected an integer, a number, a text, or a list of one of them");
}

std::int64_t integer(const Json& value, const std::string& who) {
  if (value.is_number_unsigned() &&
      value.get<std::uint64_t>() >
          static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    bad(who + " is " + value.dump() + ": above the largest int64");
  }
  return value.get<std::int64_t>();
}

AttributeValue list(const Json& values, const std::string& who) {
  const auto all = [&](auto&& holds) { return std::all_of(values.begin(), values.end(), holds); };
  if (all([](const Json& value) { return value.is_number_integer(); })) {
    std::vector<std::int64_t> integers;
    for (const Json& value : values)
      integers.push_back(integer(value, who));
    return integers;
  }
  if (all([](const Json& value) { return value.is_number(); })) {
    return values.get<std::vector<float>>();
  }
  if (all([](const Json& value) { return value.is_string(); })) {
    return values.get<std::vector<std::string>>();
  }
  bad_attribute(who, values);
}

AttributeValue attribute(const Json& value, const std::string& who) {
  if (value.is_number_integer()) return integer(value, who);
  if (value.is_number_float()) return value.get<float>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return list(value, who);
  bad_attribute(who, value);
}

Attributes attributes_of(const std::string& text, const std::string& who) {
  Attributes attributes;
  if (text.empty()) return attributes;
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) bad(who + ": attributes are no JSON object: " + text);
  for (const auto& [name, value] : json.items())
    attributes.set(name, attribute(value, who + ": attribute '" + name + "'"));
  return attributes;
}

std::string made_up_name(const Graph& graph, const std::string& op) {
  for (std::size_t number = graph.nodes.size();; ++number) {
    const std::string name = op + "_" + std::to_string(number);
    const bool taken = std::any_of(graph.nodes.begin(), graph.nodes.end(),
                                   [&](const Node& node) { return node.name == name; });
    if (!taken) return name;
  }
}

// Sizes as numbers; an open one by its name, else -1.
Json shape_json(const Value& value) {
  Json sizes = Json::array();
  for (std::size_t i = 0; i < value.shape->size(); ++i) {
    const std::int64_t size = (*value.shape)[i];
    const bool named = i < value.size_names.size() && !value.size_names[i].empty();
    if (size < 0 && named) {
      sizes.push_back(value.size_names[i]);
    } else {
      sizes.push_back(size);
    }
  }
  return sizes;
}

std::int64_t parameters(const Graph& graph) {
  std::int64_t count = 0;
  const auto add = [&](const ConstantPtr& constant) {
    if (constant != nullptr && is_floating(constant->type)) count += constant->count();
  };
  for (const Value& value : graph.values)
    add(value.constant);
  for (const Node& node : graph.nodes) {
    for (const auto& [name, value] : node.attributes.all()) {
      if (const auto* constant = std::get_if<ConstantPtr>(&value)) add(*constant);
    }
  }
  return count;
}

}  // namespace

Model create_model(std::int64_t opset) {
  if (opset < kLeastOpset) {
    bad("opset=" + std::to_string(opset) + ": must be at least " + std::to_string(kLeastOpset));
  }
  Model model;
  model.graph.opset = opset;
  return model;
}

void add_input(Model& model, const std::string& name, const Shape& shape) {
  const std::string who = "input '" + name + "'";
  expect_new(model.graph, name, who);
  expect_shape(shape, -1, who);
  Value value;
  value.name = name;
  value.shape = shape;
  value.size_names.resize(shape.size());
  model.graph.inputs.push_back(static_cast<ValueId>(model.graph.values.size()));
  model.graph.values.push_back(std::move(value));
}

void add_constant(Model& model, const std::string& name, Type type, const Shape& shape,
                  const void* data) {
  const std::string who = "constant '" + name + "'";
  expect_new(model.graph, name, who);
  expect_shape(shape, 0, who);
  if (element_bytes(type) == 0) {
    bad(who + ": there is no element type " + std::to_string(static_cast<int>(type)));
  }
  auto constant = std::make_shared<Constant>();
  constant->type = type;
  constant->shape = shape;
  if (data == nullptr && constant->count() > 0) bad(who + ": data is NULL");
  read_elements(data, who, *constant);
  model.graph.add_constant(name, std::move(constant));
}

void add_node(Model& model, const std::string& op, const std::string& name,
              const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
              const std::string& attributes) {
  Graph& graph = model.graph;
  if (op.empty()) bad("node '" + name + "': the operator's name is empty");
  const std::string who = "node '" + name + "' (" + op + ")";
  Node node;
  node.op = op;
  node.name = name.empty() ? made_up_name(graph, op) : name;
  node.attributes = attributes_of(attributes, who);
  for (const std::string& input : inputs)
    node.inputs.push_back(input.empty() ? kNoValue : known(graph, input, who));
  std::set<std::string> made;
  for (const std::string& output : outputs) {
    if (output.empty()) continue;
    expect_new(graph, output, who);
    if (!made.insert(output).second) bad(who + ": output '" + output + "' is given twice");
  }
  for (const std::string& output : outputs)
    node.outputs.push_back(output.empty() ? kNoValue : graph.add_value(output));
  graph.nodes.push_back(std::move(node));
}

void add_output(Model& model, const std::string& name) {
  const std::string who = "output '" + name + "'";
  const ValueId id = known(model.graph, name, who);
  std::vector<ValueId>& outputs = model.graph.outputs;
  if (std::find(outputs.begin(), outputs.end(), id) != outputs.end()) {
    bad(who + " is an output already");
  }
  outputs.push_back(id);
}

std::string describe(const Model& model) {
  const Graph& graph = model.graph;
  Json json = {{"opset", graph.opset}, {"producer", model.producer}};
  json["inputs"] = Json::array();
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    json["inputs"].push_back(
        {{"name", value.name}, {"type", to_string(value.type)}, {"shape", shape_json(value)}});
  }
  json["outputs"] = Json::array();
  for (const ValueId id : graph.outputs)
    json["outputs"].push_back({{"name", graph.value(id).name}});
  json["nodes"] = graph.nodes.size();
  std::map<std::string, std::int64_t> operators;
  for (const Node& node : graph.nodes)
    ++operators[node.domain.empty() ? node.op : node.domain + "." + node.op];
  json["operators"] = operators;
  json["parameters"] = parameters(graph);
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace clconv::net
