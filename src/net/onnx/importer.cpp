#include "net/onnx/importer.hpp"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "net/onnx/attributes.hpp"
#include "net/onnx/tensors.hpp"
#include "problem.hpp"
#include "text.hpp"

namespace clconv::net {
namespace {

using onnx_format::GraphProto;
using onnx_format::NodeProto;
using onnx_format::TensorShapeProto;
using onnx_format::TypeProto;
using onnx_format::ValueInfoProto;

// ONNX's own domain has two names.
std::string domain_of(const NodeProto& proto) {
  return proto.domain() == "ai.onnx" ? "" : proto.domain();
}

std::string subject(const Node& node) {
  return "node '" + core::cut_name(node.name) + "' (" +
         core::cut_name((node.domain.empty() ? "" : node.domain + ".") + node.op) + ")";
}

const char* kind_of(const TypeProto& type) {
  switch (type.value_case()) {
    case TypeProto::kSequenceType: return "a sequence";
    case TypeProto::kMapType: return "a map";
    case TypeProto::kOptionalType: return "an optional";
    case TypeProto::kSparseTensorType: return "a sparse tensor";
    default: return "no tensor";
  }
}

// Sizes that the model leaves open become -1; some writers say -1 themselves.
void set_shape(const TensorShapeProto& proto, const std::string& who, Value& value) {
  check_rank(static_cast<std::size_t>(proto.dim_size()), who);
  Shape shape;
  std::int64_t least = 1;  // open sizes as 1
  for (const auto& dimension : proto.dim()) {
    const bool open = !dimension.has_dim_value() || dimension.dim_value() == -1;
    if (!open && dimension.dim_value() < 0) {
      invalid_model(who + " has size " + std::to_string(dimension.dim_value()));
    }
    shape.push_back(open ? -1 : dimension.dim_value());
    least = core::saturating_product(least, open ? 1 : dimension.dim_value());
    value.size_names.push_back(dimension.dim_param());
  }
  if (least == std::numeric_limits<std::int64_t>::max()) {
    invalid_model(who + " is " + to_string(shape) + ": too large");
  }
  value.shape = std::move(shape);
}

void set_type(const ValueInfoProto& info, Value& value) {
  const std::string who = "input '" + core::cut_name(info.name()) + "'";
  if (!info.has_type() || info.type().value_case() == TypeProto::VALUE_NOT_SET) {
    invalid_model(who + " has no type");
  }
  if (!info.type().has_tensor_type()) {
    unsupported_model(who + " is " + kind_of(info.type()) + ", only tensors are supported");
  }
  const TypeProto::Tensor& tensor = info.type().tensor_type();
  value.type = type_of(tensor.elem_type(), who);
  if (!tensor.has_shape()) {
    unsupported_model(who + " has no shape: its number of dimensions must be known");
  }
  set_shape(tensor.shape(), who, value);
}

std::unordered_set<std::string> node_names(const GraphProto& proto) {
  std::unordered_set<std::string> names;
  for (const NodeProto& node : proto.node())
    names.insert(node.name());
  return names;
}

}  // namespace

ValueId Importer::make(const std::string& name, const std::string& maker) {
  const auto id = static_cast<ValueId>(graph_.values.size());
  if (!ids_.emplace(name, id).second) {
    invalid_model(maker + " makes value '" + core::cut_name(name) + "', which is there already");
  }
  Value value;
  value.name = name;
  graph_.values.push_back(std::move(value));
  return id;
}

ValueId Importer::known(const std::string& name, const std::string& reader) const {
  const auto found = ids_.find(name);
  if (found == ids_.end()) {
    invalid_model(reader + " reads '" + core::cut_name(name) +
                  "', which is no input, no initializer and no output of a node");
  }
  return found->second;
}

void Importer::add_initializers(GraphProto& proto) {
  if (proto.sparse_initializer_size() > 0) {
    unsupported_model("initializer '" + proto.sparse_initializer(0).values().name() +
                      "' is a sparse tensor, which is not supported");
  }
  for (auto& tensor : *proto.mutable_initializer()) {
    const std::string name = tensor.name();
    if (name.empty()) invalid_model("an initializer has no name");
    const ValueId id = make(name, "an initializer");
    ConstantPtr constant = constant_of(tensor, name, folder_);
    Value& value = graph_.value(id);
    value.type = constant->type;
    value.shape = constant->shape;
    value.constant = std::move(constant);
  }
}

void Importer::add_inputs(const GraphProto& proto) {
  // Up to version 3 of the format, every initializer was listed among the inputs, too.
  std::unordered_set<std::string> listed;
  for (const ValueInfoProto& info : proto.input()) {
    if (info.name().empty()) invalid_model("an input has no name");
    if (!listed.insert(info.name()).second) {
      invalid_model("input '" + info.name() + "' is listed twice");
    }
    if (ids_.count(info.name()) != 0) continue;
    const ValueId id = make(info.name(), "an input");
    set_type(info, graph_.value(id));
    graph_.inputs.push_back(id);
  }
}

void Importer::add_node_outputs(const NodeProto& proto, Node& node) {
  for (const std::string& name : proto.output())
    node.outputs.push_back(name.empty() ? kNoValue : make(name, subject(node)));
}

void Importer::add_node_inputs(const NodeProto& proto, Node& node) {
  for (const std::string& name : proto.input())
    node.inputs.push_back(name.empty() ? kNoValue : known(name, subject(node)));
}

void Importer::add_nodes(GraphProto& proto) {
  std::unordered_set<std::string> names = node_names(proto);
  for (const NodeProto& source : proto.node()) {
    Node node;
    node.op = source.op_type();
    node.domain = domain_of(source);
    node.name = source.name();
    if (node.name.empty()) {
      std::size_t number = graph_.nodes.size();
      do
        node.name = node.op + "_" + std::to_string(number++);
      while (!names.insert(node.name).second);
    }
    if (node.op.empty()) invalid_model("node '" + node.name + "' has no operator");
    add_node_outputs(source, node);
    graph_.nodes.push_back(std::move(node));
  }
  for (int i = 0; i < proto.node_size(); ++i) {
    Node& node = graph_.nodes[static_cast<std::size_t>(i)];
    add_attributes(*proto.mutable_node(i), subject(node), folder_, node);
    add_node_inputs(proto.node(i), node);
  }
}

void Importer::add_outputs(const GraphProto& proto) {
  if (proto.output_size() == 0) invalid_model("the graph has no outputs");
  std::unordered_set<std::string> listed;
  for (const ValueInfoProto& info : proto.output()) {
    if (info.name().empty()) invalid_model("an output has no name");
    if (!listed.insert(info.name()).second) {
      invalid_model("output '" + info.name() + "' is listed twice");
    }
    graph_.outputs.push_back(known(info.name(), "the list of outputs"));
  }
}

Graph Importer::graph(GraphProto& proto) {
  add_initializers(proto);
  add_inputs(proto);
  add_nodes(proto);
  add_outputs(proto);
  graph_.sort();
  return std::move(graph_);
}

}  // namespace clconv::net
