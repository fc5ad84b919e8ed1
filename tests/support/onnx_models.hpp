// ONNX models made in memory, with the classes that the importer itself reads them with.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "net/model.hpp"
#include "onnx_format.pb.h"

namespace clconv::test {

namespace format = net::onnx_format;

inline format::ModelProto empty_model(std::int64_t opset = 13) {
  format::ModelProto model;
  model.set_ir_version(8);
  model.set_producer_name("clconv-test");
  auto* import = model.add_opset_import();
  import->set_domain("");
  import->set_version(opset);
  model.mutable_graph()->set_name("graph");
  return model;
}

inline format::ValueInfoProto* add_input(format::ModelProto& model, const std::string& name,
                                         const std::vector<std::int64_t>& sizes,
                                         net::Type type = net::Type::kFloat32) {
  auto* input = model.mutable_graph()->add_input();
  input->set_name(name);
  auto* tensor = input->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(static_cast<int>(type));
  tensor->mutable_shape();
  for (const std::int64_t size : sizes)
    tensor->mutable_shape()->add_dim()->set_dim_value(size);
  return input;
}

inline void add_output(format::ModelProto& model, const std::string& name) {
  auto* output = model.mutable_graph()->add_output();
  output->set_name(name);
  output->mutable_type()->mutable_tensor_type()->set_elem_type(format::TensorProto::FLOAT);
}

inline format::NodeProto* add_node(format::ModelProto& model, const std::string& op,
                                   const std::vector<std::string>& inputs,
                                   const std::vector<std::string>& outputs) {
  auto* node = model.mutable_graph()->add_node();
  node->set_op_type(op);
  for (const std::string& input : inputs)
    node->add_input(input);
  for (const std::string& output : outputs)
    node->add_output(output);
  return node;
}

inline format::AttributeProto* add_attribute(format::NodeProto& node, const std::string& name,
                                             format::AttributeProto::AttributeType type) {
  auto* attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(type);
  return attribute;
}

inline void add_integer(format::NodeProto& node, const std::string& name, std::int64_t value) {
  add_attribute(node, name, format::AttributeProto::INT)->set_i(value);
}

inline void add_integers(format::NodeProto& node, const std::string& name,
                         const std::vector<std::int64_t>& values) {
  auto* attribute = add_attribute(node, name, format::AttributeProto::INTS);
  for (const std::int64_t value : values)
    attribute->add_ints(value);
}

template <class T>
std::string raw(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

inline format::TensorProto* add_tensor(format::ModelProto& model, const std::string& name,
                                       net::Type type, const std::vector<std::int64_t>& sizes) {
  auto* tensor = model.mutable_graph()->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(static_cast<int>(type));
  for (const std::int64_t size : sizes)
    tensor->add_dims(size);
  return tensor;
}

inline format::TensorProto* add_floats(format::ModelProto& model, const std::string& name,
                                       const std::vector<std::int64_t>& sizes,
                                       const std::vector<float>& values) {
  auto* tensor = add_tensor(model, name, net::Type::kFloat32, sizes);
  tensor->set_raw_data(raw(values));
  return tensor;
}

inline format::TensorProto* add_int64s(format::ModelProto& model, const std::string& name,
                                       const std::vector<std::int64_t>& values) {
  auto* tensor =
      add_tensor(model, name, net::Type::kInt64, {static_cast<std::int64_t>(values.size())});
  for (const std::int64_t value : values)
    tensor->add_int64_data(value);
  return tensor;
}

// y = Relu(x), x 1x3x4x5.
inline format::ModelProto relu_model() {
  format::ModelProto model = empty_model();
  add_input(model, "x", {1, 3, 4, 5});
  add_node(model, "Relu", {"x"}, {"y"})->set_name("relu");
  add_output(model, "y");
  return model;
}

inline net::Model imported(const std::string& bytes, const std::string& folder = "") {
  return net::import_onnx(bytes.data(), bytes.size(), folder);
}
inline net::Model imported(const format::ModelProto& model, const std::string& folder = "") {
  return imported(model.SerializeAsString(), folder);
}

}  // namespace clconv::test
