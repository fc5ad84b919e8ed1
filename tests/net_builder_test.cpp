// Models built by hand: what is added arrives, and what is wrong is said in one line and leaves the model as it was.
#include "net/builder.hpp"

#include <nlohmann/json.hpp>

#include "doctest/doctest.h"
#include "support/errors.hpp"

using namespace clconv;
using core::Code;
using net::Type;
using test::error_of;
using Json = nlohmann::json;

namespace {

net::Model small_model() {
  net::Model model = net::create_model(13);
  net::add_input(model, "x", {-1, 3, 8, 8});
  const std::vector<float> weights(4 * 3, 0.5F);
  net::add_constant(model, "w", Type::kFloat32, {4, 3, 1, 1}, weights.data());
  net::add_node(model, "Conv", "conv", {"x", "w", ""}, {"y"}, R"({"strides": [2, 2]})");
  net::add_node(model, "Relu", "", {"y"}, {"z"}, "");
  net::add_output(model, "z");
  return model;
}

}  // namespace

TEST_CASE("a model built by hand has what was added") {
  const net::Model model = small_model();
  const net::Graph& graph = model.graph;
  CHECK(graph.opset == 13);
  REQUIRE(graph.nodes.size() == 2);
  CHECK(graph.nodes[0].attributes.integers("strides") == std::vector<std::int64_t>{2, 2});
  CHECK(graph.nodes[0].inputs[2] == net::kNoValue);
  CHECK(graph.nodes[1].name == "Relu_1");
  CHECK(graph.value(graph.nodes[0].inputs[1]).constant->floats == std::vector<float>(12, 0.5F));
  CHECK(graph.value(graph.inputs[0]).shape == net::Shape{-1, 3, 8, 8});
  CHECK(Json::parse(net::describe(model)) == Json::parse(R"({"opset": 13, "producer": "",
          "inputs": [{"name": "x", "type": "float32", "shape": [-1, 3, 8, 8]}],
          "outputs": [{"name": "z"}], "nodes": 2, "operators": {"Conv": 1, "Relu": 1},
          "parameters": 12})"));
}

TEST_CASE("constants of every type are read as ONNX stores them") {
  net::Model model = net::create_model(13);
  const std::uint16_t halves[] = {0x3c00, 0xc000};
  net::add_constant(model, "f16", Type::kFloat16, {2}, halves);
  const std::uint16_t upper[] = {0x3f80, 0xc000};
  net::add_constant(model, "bf16", Type::kBfloat16, {2}, upper);
  const std::int8_t bytes[] = {-1, 5};
  net::add_constant(model, "i8", Type::kInt8, {2}, bytes);
  const std::int64_t scalar = -9;
  net::add_constant(model, "i64", Type::kInt64, {}, &scalar);
  net::add_constant(model, "none", Type::kFloat32, {0, 3}, nullptr);
  const auto constant = [&](std::size_t i) { return model.graph.values[i].constant; };
  CHECK(constant(0)->floats == std::vector<float>{1, -2});
  CHECK(constant(1)->floats == std::vector<float>{1, -2});
  CHECK(constant(2)->integers == std::vector<std::int64_t>{-1, 5});
  CHECK(constant(3)->integers == std::vector<std::int64_t>{-9});
  CHECK(constant(4)->count() == 0);
}

TEST_CASE("attributes from JSON: integers, numbers, texts and lists of them") {
  net::Model model = small_model();
  net::add_node(model, "Op", "n", {"z"}, {"out"},
                R"({"i": -3, "f": 1e-5, "one": 1.0, "s": "same", "is": [1, 2], "fs": [0.5, 1],
                    "ss": ["a", "b"], "none": []})");
  const net::Attributes& attributes = model.graph.nodes.back().attributes;
  CHECK(attributes.integer("i", 0) == -3);
  CHECK(attributes.number("f", 0) == 1e-5F);
  CHECK(attributes.number("one", 0) == 1);
  CHECK(attributes.text("s", "") == "same");
  CHECK(attributes.integers("is") == std::vector<std::int64_t>{1, 2});
  CHECK(attributes.numbers("fs") == std::vector<float>{0.5F, 1});
  CHECK(attributes.texts("ss") == std::vector<std::string>{"a", "b"});
  CHECK(attributes.integers("none", {7}).empty());
}

TEST_CASE("what is wrong is said in one line, and the model stays as it was") {
  CHECK(error_of(Code::kInvalidArgument, [] { net::create_model(6); }) ==
        "opset=6: must be at least 7");
  net::Model model = small_model();
  const std::size_t values = model.graph.values.size();
  const auto error = [&](auto&& call) { return error_of(Code::kInvalidArgument, call); };
  const auto node = [&](const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs, const std::string& attributes) {
    return error([&] { net::add_node(model, "Op", "n", inputs, outputs, attributes); });
  };
  CHECK(error([&] { net::add_input(model, "x", {1}); }) ==
        "input 'x': there is a value 'x' already");
  CHECK(error([&] { net::add_input(model, "", {1}); }) == "input '': the name is empty");
  CHECK(error([&] { net::add_input(model, "v", {1, -2}); }) == "input 'v' has size -2");
  CHECK(error([&] {
          net::add_input(model, "v", {-1, INT64_MAX, 2});
        }) == "input 'v' is -1x9223372036854775807x2: too large");
  CHECK(error([&] { net::add_input(model, "v", net::Shape(9, 1)); }) ==
        "input 'v' has 9 sizes, at most 8 are supported");
  CHECK(error([&] { net::add_constant(model, "v", Type::kFloat32, {-1}, &values); }) ==
        "constant 'v' has size -1");
  CHECK(error([&] { net::add_constant(model, "v", Type::kFloat32, {1}, nullptr); }) ==
        "constant 'v': data is NULL");
  CHECK(error([&] { net::add_constant(model, "v", Type::kString, {1}, &values); }) ==
        "constant 'v': there is no element type 8");
  CHECK(error([&] { net::add_constant(model, "v", static_cast<Type>(99), {1}, &values); }) ==
        "constant 'v': there is no element type 99");
  CHECK(error([&] { net::add_node(model, "", "n", {"x"}, {"v"}, ""); }) ==
        "node 'n': the operator's name is empty");
  CHECK(node({"q"}, {"v"}, "") == "node 'n' (Op): there is no value 'q' yet");
  CHECK(node({"x"}, {"v", "y"}, "") == "node 'n' (Op): there is a value 'y' already");
  CHECK(node({"x"}, {"v", "v"}, "") == "node 'n' (Op): output 'v' is given twice");
  CHECK(node({"x"}, {"v"}, "[1]") == "node 'n' (Op): attributes are no JSON object: [1]");
  CHECK(node({"x"}, {"v"}, "{") == "node 'n' (Op): attributes are no JSON object: {");
  const std::string expected = ": expected an integer, a number, a text, or a list of one of them";
  CHECK(node({"x"}, {"v"}, R"({"a": true})") == "node 'n' (Op): attribute 'a' is true" + expected);
  CHECK(node({"x"}, {"v"}, R"({"a": [1, "b"]})") ==
        "node 'n' (Op): attribute 'a' is [1,\"b\"]" + expected);
  CHECK(node({"x"}, {"v"}, R"({"a": {"b": 1}})") ==
        "node 'n' (Op): attribute 'a' is {\"b\":1}" + expected);
  CHECK(node({"x"}, {"v"}, R"({"a": 18446744073709551615})") ==
        "node 'n' (Op): attribute 'a' is 18446744073709551615: above the largest int64");
  CHECK(error([&] { net::add_output(model, "q"); }) == "output 'q': there is no value 'q' yet");
  CHECK(error([&] { net::add_output(model, "z"); }) == "output 'z' is an output already");
  CHECK(model.graph.values.size() == values);
  CHECK(model.graph.nodes.size() == 2);
  CHECK(model.graph.inputs.size() == 1);
  CHECK(model.graph.outputs.size() == 1);
}
