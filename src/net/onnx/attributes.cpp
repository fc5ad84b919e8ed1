#include "net/onnx/attributes.hpp"

#include "net/onnx/tensors.hpp"
#include "text.hpp"

namespace clconv::net {
namespace {

using onnx_format::AttributeProto;

// Which field of the message holds a value; UNDEFINED for none.
AttributeProto::AttributeType held(const AttributeProto& proto, const std::string& who) {
  const std::pair<bool, AttributeProto::AttributeType> fields[] = {
      {proto.has_f(), AttributeProto::FLOAT},
      {proto.has_i(), AttributeProto::INT},
      {proto.has_s(), AttributeProto::STRING},
      {proto.has_t(), AttributeProto::TENSOR},
      {proto.has_g(), AttributeProto::GRAPH},
      {proto.has_sparse_tensor(), AttributeProto::SPARSE_TENSOR},
      {proto.has_tp(), AttributeProto::TYPE_PROTO},
      {proto.floats_size() > 0, AttributeProto::FLOATS},
      {proto.ints_size() > 0, AttributeProto::INTS},
      {proto.strings_size() > 0, AttributeProto::STRINGS},
      {proto.tensors_size() > 0, AttributeProto::TENSORS},
      {proto.graphs_size() > 0, AttributeProto::GRAPHS},
      {proto.sparse_tensors_size() > 0, AttributeProto::SPARSE_TENSORS},
      {proto.type_protos_size() > 0, AttributeProto::TYPE_PROTOS},
  };
  auto found = AttributeProto::UNDEFINED;
  for (const auto& [there, type] : fields) {
    if (!there) continue;
    if (found != AttributeProto::UNDEFINED) invalid_model(who + " has two values");
    found = type;
  }
  return found;
}

// As the message says it; the first version of the format said nothing.
AttributeProto::AttributeType type_of(const AttributeProto& proto, const std::string& who) {
  const auto value = held(proto, who);
  if (proto.type() == AttributeProto::UNDEFINED) {
    if (value == AttributeProto::UNDEFINED) invalid_model(who + " has no value");
    return value;
  }
  // Writers may leave out zeros and empty lists.
  if (value != AttributeProto::UNDEFINED && value != proto.type()) {
    invalid_model(who + " is declared as another kind than its value (" +
                  std::to_string(proto.type()) + ", not " + std::to_string(value) + ")");
  }
  return proto.type();
}

template <class Result, class Field>
Result list(const Field& field) {
  return Result(field.begin(), field.end());
}

AttributeValue value_of(AttributeProto& proto, const std::string& who, const std::string& tensor,
                        const std::string& folder) {
  switch (type_of(proto, who)) {
    case AttributeProto::FLOAT: return proto.f();
    case AttributeProto::INT: return static_cast<std::int64_t>(proto.i());
    case AttributeProto::STRING: return proto.s();
    case AttributeProto::FLOATS: return list<std::vector<float>>(proto.floats());
    case AttributeProto::INTS: return list<std::vector<std::int64_t>>(proto.ints());
    case AttributeProto::STRINGS: return list<std::vector<std::string>>(proto.strings());
    case AttributeProto::TENSOR:
      if (!proto.has_t()) invalid_model(who + " has no value");
      return constant_of(*proto.mutable_t(), tensor, folder);
    case AttributeProto::GRAPH:
    case AttributeProto::GRAPHS:
      unsupported_model(who + " is a subgraph: control flow is not supported");
    case AttributeProto::SPARSE_TENSOR:
    case AttributeProto::SPARSE_TENSORS:
      unsupported_model(who + " is a sparse tensor, which is not supported");
    case AttributeProto::TENSORS:
      unsupported_model(who + " is a list of tensors, which is not supported");
    default: unsupported_model(who + " is a type, which is not supported");
  }
}

}  // namespace

void add_attributes(onnx_format::NodeProto& proto, const std::string& who,
                    const std::string& folder, Node& node) {
  for (AttributeProto& attribute : *proto.mutable_attribute()) {
    const std::string subject = who + ": attribute '" + core::cut_name(attribute.name()) + "'";
    if (attribute.name().empty()) invalid_model(who + ": an attribute has no name");
    if (!attribute.ref_attr_name().empty()) {
      invalid_model(subject + " refers to a function's attribute, but the node is in no function");
    }
    if (node.attributes.has(attribute.name())) invalid_model(subject + " is given twice");
    node.attributes.set(attribute.name(),
                        value_of(attribute, subject, node.name + "." + attribute.name(), folder));
  }
}

}  // namespace clconv::net
