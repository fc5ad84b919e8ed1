// The importer: what a model says arrives in the graph, and what is wrong with one is said in one line.
#include <sys/stat.h>
#include <sys/types.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "doctest/doctest.h"
#include "net/builder.hpp"
#include "net/model.hpp"
#include "runtime/files.hpp"
#include "support/errors.hpp"
#include "support/onnx_models.hpp"
#include "support/temp.hpp"

namespace fs = std::filesystem;
using namespace clconv;
using core::Code;
using net::Type;
using test::error_of;
using test::format::AttributeProto;
using test::format::ModelProto;
using test::format::TensorProto;

namespace {

// The one line that importing the model throws.
std::string error_of_model(Code code, const ModelProto& model, const std::string& folder = "") {
  return error_of(code, [&] { test::imported(model, folder); });
}

net::ConstantPtr constant_named(const net::Graph& graph, const std::string& name) {
  for (const net::Value& value : graph.values) {
    if (value.name == name) return value.constant;
  }
  return nullptr;
}

// y = Relu(x) with a constant "w" that nothing reads.
net::ConstantPtr imported_constant(ModelProto model, const std::string& folder = "") {
  const net::Model result = test::imported(model, folder);
  const net::ConstantPtr constant = constant_named(result.graph, "w");
  REQUIRE(constant != nullptr);
  return constant;
}

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

void add_location(TensorProto& tensor, const std::string& key, const std::string& value) {
  auto* entry = tensor.add_external_data();
  entry->set_key(key);
  entry->set_value(value);
}

// A 2x2 float32 constant in the file.
ModelProto external_model(const std::string& location, const std::string& offset = "",
                          const std::string& length = "") {
  ModelProto model = test::relu_model();
  TensorProto* tensor = test::add_tensor(model, "w", Type::kFloat32, {2, 2});
  tensor->set_data_location(TensorProto::EXTERNAL);
  add_location(*tensor, "location", location);
  if (!offset.empty()) add_location(*tensor, "offset", offset);
  if (!length.empty()) add_location(*tensor, "length", length);
  return model;
}

using Fill = void (*)(TensorProto&);

struct Held {
  Type type;
  Fill raw, typed;
  std::vector<float> floats;
  std::vector<std::int64_t> integers;
};

template <class T>
void set_raw(TensorProto& tensor, std::vector<T> values) {
  tensor.set_raw_data(test::raw(values));
}

template <class T>
void add_int32(TensorProto& tensor, std::vector<T> values) {
  for (const T value : values)
    tensor.add_int32_data(value);
}

const float kInfinity = std::numeric_limits<float>::infinity();

// Three elements of every type, in both forms.
using T = TensorProto;
const std::vector<Held> kAllTypes = {
    {Type::kFloat32,
     [](T& t) {
       set_raw<float>(t, {1.5F, -0.0F, 1e-40F});
     },
     [](T& t) {
       for (const float value : {1.5F, -0.0F, 1e-40F})
         t.add_float_data(value);
     },
     {1.5F, -0.0F, 1e-40F},
     {}},
    {Type::kFloat64,
     [](T& t) {
       set_raw<double>(t, {0.1, -2, 1e300});
     },
     [](T& t) {
       for (const double value : {0.1, -2.0, 1e300})
         t.add_double_data(value);
     },
     {0.1F, -2, kInfinity},
     {}},
    {Type::kFloat16,
     [](T& t) {
       set_raw<std::uint16_t>(t, {0x3c00, 0xfc00, 0x0001});
     },
     [](T& t) {
       add_int32<int>(t, {0x3c00, 0xfc00, 0x0001});
     },
     {1, -kInfinity, 0x1p-24F},
     {}},
    {Type::kBfloat16,
     [](T& t) {
       set_raw<std::uint16_t>(t, {0x3f80, 0xc000, 0x0080});
     },
     [](T& t) {
       add_int32<int>(t, {0x3f80, 0xc000, 0x0080});
     },
     {1, -2, 0x1p-126F},
     {}},
    {Type::kInt8,
     [](T& t) {
       set_raw<std::int8_t>(t, {-128, 0, 127});
     },
     [](T& t) {
       add_int32<int>(t, {-128, 0, 127});
     },
     {},
     {-128, 0, 127}},
    {Type::kUint8,
     [](T& t) {
       set_raw<std::uint8_t>(t, {0, 128, 255});
     },
     [](T& t) {
       add_int32<int>(t, {0, 128, 255});
     },
     {},
     {0, 128, 255}},
    {Type::kInt16,
     [](T& t) {
       set_raw<std::int16_t>(t, {-32768, 1, 32767});
     },
     [](T& t) {
       add_int32<int>(t, {-32768, 1, 32767});
     },
     {},
     {-32768, 1, 32767}},
    {Type::kUint16,
     [](T& t) {
       set_raw<std::uint16_t>(t, {0, 1, 65535});
     },
     [](T& t) {
       add_int32<int>(t, {0, 1, 65535});
     },
     {},
     {0, 1, 65535}},
    {Type::kInt32,
     [](T& t) {
       set_raw<std::int32_t>(t, {INT32_MIN, -1, INT32_MAX});
     },
     [](T& t) {
       add_int32<int>(t, {INT32_MIN, -1, INT32_MAX});
     },
     {},
     {INT32_MIN, -1, INT32_MAX}},
    {Type::kUint32,
     [](T& t) {
       set_raw<std::uint32_t>(t, {0, 1, UINT32_MAX});
     },
     [](T& t) {
       for (const std::uint32_t value : {0U, 1U, UINT32_MAX})
         t.add_uint64_data(value);
     },
     {},
     {0, 1, UINT32_MAX}},
    {Type::kInt64,
     [](T& t) {
       set_raw<std::int64_t>(t, {INT64_MIN, -1, INT64_MAX});
     },
     [](T& t) {
       for (const std::int64_t value : {INT64_MIN, std::int64_t{-1}, INT64_MAX})
         t.add_int64_data(value);
     },
     {},
     {INT64_MIN, -1, INT64_MAX}},
    {Type::kUint64,
     [](T& t) {
       set_raw<std::uint64_t>(t, {0, 1, INT64_MAX});
     },
     [](T& t) {
       for (const std::uint64_t value :
            {std::uint64_t{0}, std::uint64_t{1}, static_cast<std::uint64_t>(INT64_MAX)})
         t.add_uint64_data(value);
     },
     {},
     {0, 1, INT64_MAX}},
    {Type::kBool,
     [](T& t) {
       set_raw<std::uint8_t>(t, {0, 1, 7});
     },
     [](T& t) {
       add_int32<int>(t, {0, 1, 7});
     },
     {},
     {0, 1, 1}},
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

}  // namespace

TEST_CASE("initializers of every type arrive, as bytes and as numbers, in the file and beside it") {
  REQUIRE(net::has_importer());
  const test::TempFolder folder;
  for (const Held& held : kAllTypes) {
    CAPTURE(net::to_string(held.type));
    for (const char* form : {"raw", "typed", "external"}) {
      CAPTURE(form);
      ModelProto model = test::relu_model();
      TensorProto* tensor = test::add_tensor(model, "w", held.type, {3, 1});
      (std::string(form) == "typed" ? held.typed : held.raw)(*tensor);
      if (std::string(form) == "external") {
        write(folder.path("w.bin"), "12345" + tensor->raw_data() + "rest");
        add_location(*tensor, "location", "w.bin");
        add_location(*tensor, "offset", "5");
        add_location(*tensor, "length", std::to_string(tensor->raw_data().size()));
        tensor->set_data_location(TensorProto::EXTERNAL);
        tensor->clear_raw_data();
      }
      const net::ConstantPtr constant = imported_constant(model, folder.root());
      CHECK(constant->type == held.type);
      CHECK(constant->shape == net::Shape{3, 1});
      CHECK(same_bits(constant->floats, held.floats));
      CHECK(constant->integers == held.integers);
    }
  }
}

TEST_CASE("scalars and tensors without elements") {
  ModelProto model = test::relu_model();
  test::add_floats(model, "w", {}, {3});
  CHECK(imported_constant(model)->floats == std::vector<float>{3});
  model.mutable_graph()->mutable_initializer(0)->Clear();
  auto* tensor = model.mutable_graph()->mutable_initializer(0);
  tensor->set_name("w");
  tensor->set_data_type(TensorProto::FLOAT);
  tensor->add_dims(INT64_MAX);
  tensor->add_dims(0);
  CHECK(imported_constant(model)->count() == 0);
  CHECK(imported_constant(model)->floats.empty());
}

TEST_CASE("inputs, open sizes, attributes and left-out values arrive in the graph") {
  ModelProto model = test::empty_model(11);
  model.set_producer_version("3.1");
  auto* input = test::add_input(model, "x", {2, 3});
  auto* shape = input->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->add_dim()->set_dim_param("height");
  shape->add_dim();
  shape->add_dim()->set_dim_value(-1);
  test::add_floats(model, "limit", {}, {6});
  test::add_input(model, "limit", {});  // up to version 3 of the format
  auto* clip = test::add_node(model, "Clip", {"x", "", "limit"}, {"y"});
  test::add_attribute(*clip, "f", AttributeProto::FLOAT)->set_f(0.5F);
  test::add_attribute(*clip, "zero", AttributeProto::INT);  // a writer may leave out zeros
  test::add_integer(*clip, "i", -7);
  test::add_integers(*clip, "is", {1, 2});
  test::add_attribute(*clip, "s", AttributeProto::STRING)->set_s("SAME_UPPER");
  test::add_attribute(*clip, "fs", AttributeProto::FLOATS)->add_floats(2);
  test::add_attribute(*clip, "ss", AttributeProto::STRINGS)->add_strings("a");
  auto* tensor = test::add_attribute(*clip, "t", AttributeProto::TENSOR)->mutable_t();
  tensor->set_data_type(TensorProto::INT64);
  tensor->add_int64_data(42);
  auto* untyped = clip->add_attribute();  // the first version of the format said no types
  untyped->set_name("old");
  untyped->set_i(3);
  test::add_node(model, "Dropout", {"y"}, {"z", ""});
  test::add_output(model, "z");

  const net::Model imported = test::imported(model);
  const net::Graph& graph = imported.graph;
  CHECK(graph.opset == 11);
  CHECK(imported.producer == "clconv-test 3.1");
  REQUIRE(graph.inputs.size() == 1);
  const net::Value& x = graph.value(graph.inputs[0]);
  CHECK(x.shape == net::Shape{2, 3, -1, -1, -1});
  CHECK(x.size_names == std::vector<std::string>{"", "", "height", "", ""});
  REQUIRE(graph.nodes.size() == 2);
  const net::Node& node = graph.nodes[0];
  CHECK(node.name == "Clip_0");
  REQUIRE(node.inputs.size() == 3);
  CHECK(node.inputs[1] == net::kNoValue);
  CHECK(graph.value(node.inputs[2]).constant->floats == std::vector<float>{6});
  CHECK(node.attributes.number("f", 0) == 0.5F);
  CHECK(node.attributes.integer("i", 0) == -7);
  CHECK(node.attributes.integer("zero", 9) == 0);
  CHECK(node.attributes.integer("old", 9) == 3);
  CHECK(node.attributes.integers("is") == std::vector<std::int64_t>{1, 2});
  CHECK(node.attributes.text("s", "") == "SAME_UPPER");
  CHECK(node.attributes.numbers("fs") == std::vector<float>{2});
  CHECK(node.attributes.texts("ss") == std::vector<std::string>{"a"});
  CHECK(node.attributes.constant("t")->integers == std::vector<std::int64_t>{42});
  CHECK(graph.nodes[1].outputs[1] == net::kNoValue);
  CHECK(graph.value(graph.outputs[0]).name == "z");
}

TEST_CASE("nodes arrive in an order in which they can run, with names of their own") {
  ModelProto model = test::empty_model();
  test::add_input(model, "x", {4});
  test::add_node(model, "Neg", {"b"}, {"c"});
  test::add_node(model, "Abs", {"a"}, {"b"})->set_name("Neg_0");
  test::add_node(model, "Exp", {"x"}, {"a"})->set_domain("ai.onnx");
  test::add_output(model, "c");
  const net::Graph graph = test::imported(model).graph;
  REQUIRE(graph.nodes.size() == 3);
  CHECK(graph.nodes[0].op == "Exp");
  CHECK(graph.nodes[0].domain.empty());
  CHECK(graph.nodes[1].op == "Abs");
  CHECK(graph.nodes[2].op == "Neg");
  std::set<std::string> names;
  for (const net::Node& node : graph.nodes)
    names.insert(node.name);
  CHECK(names.size() == 3);
}

TEST_CASE(
    "what is no model is said so: empty, text, truncated, damaged, nested too deeply, too large") {
  const auto error = [](const std::string& bytes) {
    return error_of(Code::kInvalidModel, [&] { test::imported(bytes); });
  };
  CHECK(error("") == "the model is empty: 0 bytes");
  CHECK(error("version https://git-lfs.github.com/spec/v1\noid sha256:1\n") ==
        "this is no ONNX model: it is a pointer of Git LFS");
  CHECK(error("<!DOCTYPE html><html></html>").rfind("this is no ONNX model: ", 0) == 0);
  const std::string whole = test::relu_model().SerializeAsString();
  int cuts_without_opset = 0;
  for (std::size_t size = 1; size < whole.size(); ++size) {
    CAPTURE(size);
    const std::string text = error(whole.substr(0, size));
    // Cut between the graph and the opsets behind it, it is a message that lacks them.
    const bool without_opset =
        text == "the model does not say which opset of ONNX's operators it uses";
    const bool truncated =
        text.rfind("this is no ONNX model", 0) == 0 && text.find("truncated") != std::string::npos;
    CHECK((truncated || without_opset));
    cuts_without_opset += without_opset ? 1 : 0;
  }
  CHECK(cuts_without_opset == 1);
  CHECK(error(std::string("\x08\x01", 2)) ==
        "this is no ONNX model, or a truncated one: there is no graph in its 2 bytes");
  CHECK(error_of(Code::kInvalidModel, [] { net::import_onnx("", std::size_t{1} << 31, ""); }) ==
        "the model has 2147483648 bytes, an ONNX file at most 2147483647: larger weights are "
        "external data");
  // A subgraph in a subgraph, 200 deep.
  ModelProto deep = test::relu_model();
  auto* graph = deep.mutable_graph();
  for (int i = 0; i < 200; ++i)
    graph = graph->add_node()->add_attribute()->mutable_g();
  CHECK(error(deep.SerializeAsString()) ==
        "this is no ONNX model: a message in it is damaged, or nested more than 100 deep");
}

TEST_CASE("opsets: ONNX's own must be there once, from 7 on") {
  ModelProto model = test::relu_model();
  model.clear_opset_import();
  CHECK(error_of_model(Code::kInvalidModel, model) ==
        "the model does not say which opset of ONNX's operators it uses");
  auto* import = model.add_opset_import();
  import->set_domain("com.microsoft");
  import->set_version(1);
  CHECK(error_of_model(Code::kInvalidModel, model) ==
        "the model does not say which opset of ONNX's operators it uses");
  import->set_domain("ai.onnx");
  import->set_version(6);
  CHECK(error_of_model(Code::kUnsupported, model) == "the model's opset is 6, supported from 7 on");
  import->set_version(7);
  CHECK(test::imported(model).graph.opset == 7);
  model.add_opset_import()->set_version(8);
  CHECK(error_of_model(Code::kInvalidModel, model) ==
        "the model imports opsets 7 and 8 of ONNX's operators");
}

TEST_CASE("tensors whose data does not match their type and shape") {
  const auto error = [](Type type, const std::vector<std::int64_t>& sizes, Fill fill,
                        Code code = Code::kInvalidModel) {
    ModelProto model = test::relu_model();
    fill(*test::add_tensor(model, "w", type, sizes));
    return error_of_model(code, model);
  };
  const Fill nothing = [](T&) {};
  CHECK(error(Type::kFloat32, {2, 2}, [](T& t) { t.set_raw_data("12345"); }) ==
        "tensor 'w' (float32 2x2) needs 16 bytes, but has 5");
  CHECK(error(Type::kFloat32, {2, 2}, [](T& t) { t.add_float_data(1); }) ==
        "tensor 'w' (float32 2x2) needs 4 elements, but has 1 in float_data");
  CHECK(error(Type::kFloat32, {3}, nothing) ==
        "tensor 'w' (float32 3) needs 3 elements, but has 0 in float_data");
  CHECK(error(Type::kFloat32, {1}, [](T& t) { t.add_int64_data(1); }) ==
        "tensor 'w' (float32 1) has data of another type than in float_data");
  CHECK(error(Type::kFloat32, {1}, [](T& t) {
          t.add_float_data(1);
          t.set_raw_data("1234");
        }) == "tensor 'w' (float32 1) has its data twice");
  CHECK(error(Type::kFloat32, {2, -1}, nothing) == "tensor 'w' is 2x-1: a size is negative");
  CHECK(error(Type::kFloat32, {INT64_MAX, 2}, nothing) ==
        "tensor 'w' is 9223372036854775807x2: too large");
  CHECK(error(Type::kFloat32, {INT64_MAX / 4}, nothing) ==
        "tensor 'w' (float32 2305843009213693951) needs 2305843009213693951 elements, but has 0 in "
        "float_data");
  CHECK(error(Type::kInt8, {1}, [](T& t) { t.add_int32_data(128); }) ==
        "tensor 'w' (int8 1) has an element 128, which is no int8");
  CHECK(error(Type::kFloat16, {1}, [](T& t) { t.add_int32_data(-1); }) ==
        "tensor 'w' (float16 1) has an element -1, which is no float16");
  CHECK(error(Type::kUint32, {1}, [](T& t) { t.add_uint64_data(std::uint64_t{1} << 32); }) ==
        "tensor 'w' (uint32 1) has an element 4294967296, which is no uint32");
  CHECK(error(
            Type::kUint64, {1}, [](T& t) { set_raw<std::uint64_t>(t, {UINT64_MAX}); },
            Code::kUnsupported) ==
        "tensor 'w' (uint64 1) has an element 18446744073709551615, which is above the largest "
        "int64");
  CHECK(error(Type::kUndefined, {1}, nothing) == "tensor 'w' has no element type");
  CHECK(error(
            Type::kString, {1}, [](T& t) { t.add_string_data("a"); }, Code::kUnsupported) ==
        "tensor 'w' is of element type 8 (string), which is not supported");
  CHECK(error(static_cast<Type>(14), {1}, nothing, Code::kUnsupported) ==
        "tensor 'w' is of element type 14, which is not supported");
  CHECK(error(static_cast<Type>(-3), {1}, nothing, Code::kUnsupported) ==
        "tensor 'w' is of element type -3, which is not supported");
  CHECK(error(Type::kFloat32, {1, 1, 1, 1, 1, 1, 1, 1, 1}, nothing, Code::kUnsupported) ==
        "tensor 'w' is of rank 9, at most 8 is supported");
  CHECK(error(
            Type::kFloat32, {1}, [](T& t) { t.mutable_segment()->set_begin(0); },
            Code::kUnsupported) == "tensor 'w' is a segment, which is not supported");
}

TEST_CASE("names: each value is made once, and what is read is made") {
  ModelProto model = test::relu_model();
  test::add_node(model, "Neg", {"x"}, {"y"})->set_name("again");
  CHECK(error_of_model(Code::kInvalidModel, model) ==
        "node 'again' (Neg) makes value 'y', which is there already");
  model = test::relu_model();
  test::add_node(model, "Neg", {"x"}, {"x"});
  CHECK(error_of_model(Code::kInvalidModel, model) ==
        "node 'Neg_1' (Neg) makes value 'x', which is there already");
  model = test::relu_model();
  test::add_floats(model, "w", {1}, {1});
  test::add_floats(model, "w", {1}, {1});
  CHECK(error_of_model(Code::kInvalidModel, model) ==
        "an initializer makes value 'w', which is there already");
  model = test::relu_model();
  test::add_input(model, "x", {1});
  CHECK(error_of_model(Code::kInvalidModel, model) == "input 'x' is listed twice");
  model = test::relu_model();
  test::add_output(model, "y");
  CHECK(error_of_model(Code::kInvalidModel, model) == "output 'y' is listed twice");
  model = test::relu_model();
  test::add_output(model, "nowhere");
  CHECK(error_of_model(Code::kInvalidModel, model) ==
        "the list of outputs reads 'nowhere', which is no input, no initializer and no output of a "
        "node");
  model = test::relu_model();
  model.mutable_graph()->mutable_node(0)->set_input(0, "w");
  CHECK(error_of_model(Code::kInvalidModel, model) ==
        "node 'relu' (Relu) reads 'w', which is no input, no initializer and no output of a node");
  model = test::relu_model();
  model.mutable_graph()->clear_output();
  CHECK(error_of_model(Code::kInvalidModel, model) == "the graph has no outputs");
  model = test::relu_model();
  model.mutable_graph()->mutable_node(0)->clear_op_type();
  CHECK(error_of_model(Code::kInvalidModel, model) == "node 'relu' has no operator");
}

TEST_CASE("a cycle is named, by a node of it") {
  ModelProto model = test::empty_model();
  test::add_input(model, "x", {1});
  test::add_node(model, "Abs", {"c"}, {"behind"})->set_name("behind");
  test::add_node(model, "Add", {"x", "c"}, {"a"})->set_name("first");
  test::add_node(model, "Neg", {"a"}, {"c"})->set_name("second");
  test::add_output(model, "c");
  const std::string text = error_of_model(Code::kInvalidModel, model);
  const std::string start = "the graph has a cycle through node ";
  CHECK((text == start + "'first'" || text == start + "'second'"));
}

TEST_CASE("a long chain in the wrong order is sorted in no time") {
  ModelProto model = test::empty_model();
  test::add_input(model, "0", {1});
  constexpr int kNodes = 100000;
  for (int i = kNodes; i > 0; --i)
    test::add_node(model, "Neg", {std::to_string(i - 1)}, {std::to_string(i)});
  test::add_output(model, std::to_string(kNodes));
  const net::Graph graph = test::imported(model).graph;
  REQUIRE(graph.nodes.size() == kNodes);
  CHECK(graph.value(graph.nodes.front().inputs[0]).name == "0");
  CHECK(graph.value(graph.nodes.back().outputs[0]).name == std::to_string(kNodes));
}

TEST_CASE("inputs that are no tensors of a known rank") {
  ModelProto model = test::relu_model();
  auto* input = model.mutable_graph()->mutable_input(0);
  const test::format::ValueInfoProto good = *input;
  input->clear_type();
  CHECK(error_of_model(Code::kInvalidModel, model) == "input 'x' has no type");
  input->mutable_type()->mutable_sequence_type();
  CHECK(error_of_model(Code::kUnsupported, model) ==
        "input 'x' is a sequence, only tensors are supported");
  *input = good;
  input->mutable_type()->mutable_tensor_type()->clear_shape();
  CHECK(error_of_model(Code::kUnsupported, model) ==
        "input 'x' has no shape: its number of dimensions must be known");
  *input = good;
  auto* shape = input->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->mutable_dim(1)->set_dim_value(-2);
  CHECK(error_of_model(Code::kInvalidModel, model) == "input 'x' has size -2");
  shape->mutable_dim(0)->clear_dim_value();
  shape->mutable_dim(1)->set_dim_value(INT64_MAX);
  CHECK(error_of_model(Code::kInvalidModel, model) ==
        "input 'x' is -1x9223372036854775807x4x5: too large");
  for (int i = 0; i < 5; ++i)
    shape->add_dim()->set_dim_value(1);
  CHECK(error_of_model(Code::kUnsupported, model) ==
        "input 'x' is of rank 9, at most 8 is supported");
}

TEST_CASE("attributes that contradict themselves or are not supported") {
  const auto error = [](Code code, void (*fill)(AttributeProto&)) {
    ModelProto model = test::relu_model();
    auto* attribute = model.mutable_graph()->mutable_node(0)->add_attribute();
    attribute->set_name("a");
    fill(*attribute);
    return error_of_model(code, model);
  };
  using A = AttributeProto;
  const std::string who = "node 'relu' (Relu): attribute 'a'";
  CHECK(error(Code::kInvalidModel, [](A&) {}) == who + " has no value");
  CHECK(error(Code::kInvalidModel, [](A& a) {
          a.set_type(A::INT);
          a.set_f(1);
        }) == who + " is declared as another kind than its value (2, not 1)");
  CHECK(error(Code::kInvalidModel, [](A& a) {
          a.set_i(1);
          a.set_f(1);
        }) == who + " has two values");
  CHECK(error(Code::kInvalidModel, [](A& a) { a.set_type(A::TENSOR); }) == who + " has no value");
  CHECK(error(Code::kInvalidModel, [](A& a) { a.set_ref_attr_name("b"); }) ==
        who + " refers to a function's attribute, but the node is in no function");
  CHECK(error(Code::kInvalidModel, [](A& a) { a.set_name(""); }) ==
        "node 'relu' (Relu): an attribute has no name");
  CHECK(error(Code::kUnsupported, [](A& a) { a.mutable_g(); }) ==
        who + " is a subgraph: control flow is not supported");
  CHECK(error(Code::kUnsupported, [](A& a) { a.mutable_sparse_tensor(); }) ==
        who + " is a sparse tensor, which is not supported");
  CHECK(error(Code::kUnsupported, [](A& a) { a.add_tensors(); }) ==
        who + " is a list of tensors, which is not supported");
  CHECK(error(Code::kUnsupported, [](A& a) { a.mutable_tp(); }) ==
        who + " is a type, which is not supported");
  CHECK(error(Code::kInvalidModel, [](A& a) {
          a.mutable_t()->set_data_type(TensorProto::FLOAT);
          a.mutable_t()->add_dims(2);
        }) == "tensor 'relu.a' (float32 2) needs 2 elements, but has 0 in float_data");
  ModelProto twice = test::relu_model();
  for (int i = 0; i < 2; ++i)
    test::add_integer(*twice.mutable_graph()->mutable_node(0), "a", 1);
  CHECK(error_of_model(Code::kInvalidModel, twice) == who + " is given twice");
}

TEST_CASE("sparse initializers and functions of the model's own are refused") {
  ModelProto model = test::relu_model();
  model.mutable_graph()->add_sparse_initializer()->mutable_values()->set_name("s");
  CHECK(error_of_model(Code::kUnsupported, model) ==
        "initializer 's' is a sparse tensor, which is not supported");
  model = test::relu_model();
  model.add_functions()->set_name("Relu");
  CHECK(error_of_model(Code::kUnsupported, model) ==
        "node 'relu' (Relu) is a function that the model defines, which is not supported");
}

TEST_CASE("external data lies in the model's folder, and nowhere else") {
  const test::TempFolder folder, elsewhere;
  write(folder.path("w.bin"), test::raw<float>({1, 2, 3, 4}));
  fs::create_directory(folder.path("sub"));
  write(folder.path("sub/w.bin"), test::raw<float>({0, 5, 6, 7, 8}));
  write(elsewhere.path("w.bin"), test::raw<float>({1, 2, 3, 4}));
  fs::create_symlink(folder.path("w.bin"), folder.path("inside.bin"));
  fs::create_symlink(elsewhere.path("w.bin"), folder.path("outside.bin"));
  fs::create_directory_symlink(elsewhere.root(), folder.path("away"));

  const auto floats = [&](const ModelProto& model) {
    return imported_constant(model, folder.root())->floats;
  };
  CHECK(floats(external_model("w.bin")) == std::vector<float>{1, 2, 3, 4});
  CHECK(floats(external_model("./sub/w.bin", "4", "16")) == std::vector<float>{5, 6, 7, 8});
  CHECK(floats(external_model("inside.bin")) == std::vector<float>{1, 2, 3, 4});

  const auto error = [&](Code code, const ModelProto& model) {
    const std::string text = error_of_model(code, model, folder.root());
    const std::string who = "tensor 'w': external data ";
    REQUIRE(text.rfind(who, 0) == 0);
    return text.substr(who.size());
  };
  for (const std::string& location : {std::string(""), elsewhere.path("w.bin"),
                                      std::string("../w.bin"), std::string("sub/../w.bin")}) {
    CHECK(error(Code::kInvalidModel, external_model(location)) ==
          "'" + location + "' must be a path inside the model's folder");
  }
  CHECK(error(Code::kInvalidModel, external_model(std::string("w.bin\0.txt", 10))) ==
        "'w.bin\\x00.txt' must be a path inside the model's folder");
  CHECK(error(Code::kInvalidModel, external_model("outside.bin")) ==
        "'outside.bin' is a link out of the model's folder");
  CHECK(error(Code::kInvalidModel, external_model("away/w.bin")) ==
        "'away/w.bin' is a link out of the model's folder");
  CHECK(error(Code::kIo, external_model("none.bin")) ==
        "'none.bin' cannot be read from '" + folder.root() + "': No such file or directory");
  CHECK(error(Code::kIo, external_model("sub")) == "'sub' is no regular file");
  REQUIRE(::mkfifo(folder.path("pipe").c_str(), 0600) == 0);
  CHECK(error(Code::kIo, external_model("pipe")) == "'pipe' is no regular file");
  CHECK(error(Code::kInvalidModel, external_model("w.bin", "4")) ==
        "'w.bin' is too short: 16 bytes from 4 on are needed, the file has 16");
  CHECK(error(Code::kInvalidModel, external_model("w.bin", "9223372036854775807")) ==
        "'w.bin' is too short: 16 bytes from 9223372036854775807 on are needed, the file has 16");
  CHECK(error(Code::kInvalidModel, external_model("w.bin", "0", "12")) ==
        "'w.bin' has length 12, but type and shape need 16 bytes");
  for (const char* number : {"-1", "4x", "99999999999999999999"}) {
    CHECK(error(Code::kInvalidModel, external_model("w.bin", number)) ==
          "has offset '" + std::string(number) + "'");
  }
  CHECK(error_of_model(Code::kIo, external_model("w.bin")) ==
        "tensor 'w': external data 'w.bin' cannot be read: the model was given without a folder");
  ModelProto both = external_model("w.bin");
  both.mutable_graph()->mutable_initializer(0)->set_raw_data("1234");
  CHECK(error_of_model(Code::kInvalidModel, both, folder.root()) ==
        "tensor 'w' (float32 2x2) has data of its own beside external data");
}

TEST_CASE("operators of other domains arrive with their domain") {
  ModelProto model = test::relu_model();
  model.mutable_graph()->mutable_node(0)->set_domain("com.microsoft");
  const net::Model imported = test::imported(model);
  CHECK(imported.graph.nodes[0].domain == "com.microsoft");
  CHECK(nlohmann::json::parse(net::describe(imported)).at("operators") ==
        nlohmann::json{{"com.microsoft.Relu", 1}});
}

TEST_CASE("real models import, where CLCONV_MODELS names a folder with some") {
  const char* folder = std::getenv("CLCONV_MODELS");
  if (folder == nullptr) {
    MESSAGE("skipped: CLCONV_MODELS is not set");
    return;
  }
  int models = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".onnx") continue;
    CAPTURE(entry.path().string());
    std::string bytes;
    REQUIRE(core::read_file(entry.path().string(), bytes));
    const net::Model model = test::imported(bytes, entry.path().parent_path().string());
    CHECK(model.graph.nodes.size() > 3);
    CHECK_FALSE(model.graph.inputs.empty());
    ++models;
  }
  CHECK(models > 0);
}

#ifdef CLCONV_NET_LIBRARY  // a shared one
TEST_CASE("libclconv-net exports nothing of protobuf, of ONNX, or anything else that is not ours") {
  FILE* pipe = ::popen("nm -D --defined-only " CLCONV_NET_LIBRARY, "r");
  REQUIRE(pipe != nullptr);
  char line[4096];
  while (std::fgets(line, sizeof(line), pipe) != nullptr) {
    const std::string text = line;
    if (text.find(" A CLCONV_NET_0.1") != std::string::npos) continue;  // the version of all
    CHECK_MESSAGE(text.find(" T clconv_net_") != std::string::npos, text);
  }
  CHECK(::pclose(pipe) == 0);
}
#endif
