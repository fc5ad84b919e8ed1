// Damaged and hostile models: each becomes a Model, or an Error of one line, in little time and memory; also through
// shape inference, which is where sizes that a file made up are computed with.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <random>

#include "doctest/doctest.h"
#include "error.hpp"
#include "net/model.hpp"
#include "net/operator.hpp"
#include "support/onnx_models.hpp"
#include "support/temp.hpp"

using namespace clconv;
using test::format::AttributeProto;
using test::format::GraphProto;
using test::format::ModelProto;
using test::format::TensorProto;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

// What a damaged model of a few hundred bytes may take. A hang and a runaway loop take more by far.
constexpr double kMostSeconds = 20;
constexpr rlim_t kMostBytes = rlim_t{6} << 30;

// Conv, BatchNormalization, MaxPool, Gemm: attributes, initializers in both forms, an open batch.
ModelProto convolution_model() {
  ModelProto model = test::empty_model();
  auto* input = test::add_input(model, "x", {1, 3, 8, 8});
  input->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_param("n");
  test::add_floats(model, "w", {4, 3, 3, 3}, std::vector<float>(108, 0.25F));
  auto* bias = test::add_tensor(model, "b", net::Type::kFloat32, {4});
  for (int i = 0; i < 4; ++i)
    bias->add_float_data(0.5F);
  auto* conv = test::add_node(model, "Conv", {"x", "w", "b"}, {"c"});
  test::add_integers(*conv, "kernel_shape", {3, 3});
  test::add_integers(*conv, "pads", {1, 1, 1, 1});
  test::add_integers(*conv, "strides", {1, 1});
  test::add_integer(*conv, "group", 1);
  for (const char* name : {"scale", "shift", "mean", "variance"})
    test::add_floats(model, name, {4}, {1, 1, 1, 1});
  test::add_node(model, "BatchNormalization", {"c", "scale", "shift", "mean", "variance"}, {"n"});
  auto* pool = test::add_node(model, "MaxPool", {"n"}, {"p"});
  test::add_integers(*pool, "kernel_shape", {2, 2});
  test::add_integers(*pool, "strides", {2, 2});
  test::add_node(model, "Relu", {"p"}, {"r"});
  test::add_node(model, "Flatten", {"r"}, {"f"});
  test::add_floats(model, "weights", {64, 5}, std::vector<float>(320, 0.125F));
  test::add_node(model, "Gemm", {"f", "weights"}, {"y"});
  test::add_output(model, "y");
  return model;
}

// Shapes that are computed: Shape, Gather, Concat, Reshape, Slice, Pad, Tile, Expand, Resize.
ModelProto shapes_model() {
  ModelProto model = test::empty_model();
  test::add_input(model, "x", {2, 3, 4, 5});
  test::add_node(model, "Shape", {"x"}, {"shape"});
  auto* value = test::add_attribute(*test::add_node(model, "Constant", {}, {"zero"}), "value",
                                    AttributeProto::TENSOR)
                    ->mutable_t();
  value->set_data_type(TensorProto::INT64);
  value->add_dims(1);
  value->add_int64_data(0);
  test::add_integer(*test::add_node(model, "Gather", {"shape", "zero"}, {"n"}), "axis", 0);
  test::add_int64s(model, "rest", {-1});
  test::add_integer(*test::add_node(model, "Concat", {"n", "rest"}, {"sizes"}), "axis", 0);
  test::add_node(model, "Reshape", {"x", "sizes"}, {"flat"});
  test::add_int64s(model, "starts", {1});
  test::add_int64s(model, "ends", {9});
  test::add_int64s(model, "axes", {1});
  test::add_int64s(model, "steps", {2});
  test::add_node(model, "Slice", {"flat", "starts", "ends", "axes", "steps"}, {"slice"});
  test::add_int64s(model, "pads", {0, 1, 0, 1});
  test::add_node(model, "Pad", {"slice", "pads"}, {"padded"});
  test::add_int64s(model, "repeats", {2, 1});
  test::add_node(model, "Tile", {"padded", "repeats"}, {"tiled"});
  test::add_int64s(model, "wide", {3, 4, 6});
  test::add_node(model, "Expand", {"tiled", "wide"}, {"expanded"});
  test::add_node(model, "ConstantOfShape", {"wide"}, {"filled"});
  test::add_node(model, "Add", {"expanded", "filled"}, {"sum"});
  test::add_floats(model, "scales", {4}, {1, 1, 2, 2});
  test::add_node(model, "Resize", {"x", "", "scales"}, {"large"});
  test::add_output(model, "sum");
  test::add_output(model, "large");
  return model;
}

// Element-wise operators, reductions, movement, external data.
ModelProto mixed_model() {
  ModelProto model = test::empty_model(17);
  test::add_input(model, "x", {1, 4, 6, 6});
  test::add_integer(*test::add_node(model, "DepthToSpace", {"x"}, {"d"}), "blocksize", 2);
  test::add_integers(*test::add_node(model, "Transpose", {"d"}, {"t"}), "perm", {0, 2, 3, 1});
  test::add_integers(*test::add_node(model, "ReduceMean", {"t"}, {"m"}), "axes", {1});
  test::add_integer(*test::add_node(model, "Softmax", {"m"}, {"s"}), "axis", -2);
  auto* outside = test::add_tensor(model, "outside", net::Type::kFloat16, {3});
  outside->set_data_location(TensorProto::EXTERNAL);
  auto* entry = outside->add_external_data();
  entry->set_key("location");
  entry->set_value("half.bin");
  test::add_integer(*test::add_node(model, "Split", {"s"}, {"a", "b"}), "axis", 1);
  test::add_node(model, "Div", {"a", "b"}, {"q"});
  test::add_integer(*test::add_node(model, "Cast", {"q"}, {"y"}), "to", 1);
  test::add_output(model, "y");
  return model;
}

// Small integers, and those at which sizes overflow.
std::int64_t odd_number(std::mt19937& random) {
  static const std::int64_t numbers[] = {
      -1, 0,         1,         2,         3,         7,         -2,        -3,        64,
      65, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 1LL << 20, 1LL << 31, 1LL << 40, 1LL << 62};
  return numbers[random() % std::size(numbers)];
}

std::size_t below(std::mt19937& random, std::size_t limit) {
  return limit == 0 ? 0 : random() % limit;
}

// Of the bytes, whatever they mean.
std::string damaged(std::string bytes, std::mt19937& random) {
  for (std::size_t changes = 1 + below(random, 2); changes > 0 && !bytes.empty(); --changes) {
    const std::size_t at = below(random, bytes.size());
    const auto letter = static_cast<char>(random());
    switch (random() % 7) {
      case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8)); break;
      case 1: bytes[at] = letter; break;
      case 2: bytes.resize(at); break;
      case 3: bytes.insert(at, 1 + below(random, 9), letter); break;
      case 4: bytes.erase(at, 1 + below(random, 9)); break;
      case 5:
        bytes[at] = static_cast<char>(bytes[at] + 1 - 2 * static_cast<int>(random() % 2));
        break;
      default: {  // a piece goes elsewhere
        const std::string piece = bytes.substr(at, 1 + below(random, 40));
        bytes.insert(below(random, bytes.size()), piece);
      }
    }
  }
  return bytes;
}

void damage_attribute(AttributeProto& attribute, std::mt19937& random) {
  switch (random() % 4) {
    case 0: attribute.set_i(odd_number(random)); break;
    case 1: attribute.set_type(static_cast<AttributeProto::AttributeType>(random() % 15)); break;
    case 2:
      if (attribute.ints_size() > 0) {
        attribute.set_ints(
            static_cast<int>(below(random, static_cast<std::size_t>(attribute.ints_size()))),
            odd_number(random));
      }
      break;
    default: attribute.add_ints(odd_number(random));
  }
}

void damage_node(GraphProto& graph, std::mt19937& random) {
  auto& node = *graph.mutable_node(
      static_cast<int>(below(random, static_cast<std::size_t>(graph.node_size()))));
  const auto& other =
      graph.node(static_cast<int>(below(random, static_cast<std::size_t>(graph.node_size()))));
  const auto& operators = net::operators();
  switch (random() % 6) {
    case 0: node.set_op_type(operators[below(random, operators.size())]->name); break;
    case 1:
      if (node.input_size() > 0 && other.output_size() > 0) {
        node.set_input(static_cast<int>(below(random, static_cast<std::size_t>(node.input_size()))),
                       other.output(0));
      }
      break;
    case 2:
      if (other.input_size() > 0) node.add_input(other.input(0));
      break;
    case 3:
      if (node.input_size() > 0) node.mutable_input()->RemoveLast();
      break;
    case 4: *node.mutable_attribute() = other.attribute(); break;
    default:
      if (node.attribute_size() > 0) {
        damage_attribute(*node.mutable_attribute(static_cast<int>(
                             below(random, static_cast<std::size_t>(node.attribute_size())))),
                         random);
      }
  }
}

void damage_tensor(GraphProto& graph, std::mt19937& random) {
  if (graph.initializer_size() == 0) return;
  auto& tensor = *graph.mutable_initializer(
      static_cast<int>(below(random, static_cast<std::size_t>(graph.initializer_size()))));
  switch (random() % 5) {
    case 0:
      if (tensor.dims_size() > 0) tensor.set_dims(0, odd_number(random));
      break;
    case 1: tensor.add_dims(odd_number(random)); break;
    case 2: tensor.clear_dims(); break;
    case 3: tensor.set_data_type(static_cast<int>(random() % 18)); break;
    default:  // the sizes that shapes are computed from
      if (tensor.int64_data_size() > 0) {
        tensor.set_int64_data(
            static_cast<int>(below(random, static_cast<std::size_t>(tensor.int64_data_size()))),
            odd_number(random));
      }
  }
}

// Of the message: what remains is well-formed, and wrong.
std::string changed(ModelProto model, std::mt19937& random) {
  GraphProto& graph = *model.mutable_graph();
  for (std::size_t changes = 1 + below(random, 3); changes > 0; --changes) {
    switch (random() % 5) {
      case 0:
      case 1: damage_node(graph, random); break;
      case 2:
      case 3: damage_tensor(graph, random); break;
      default: {
        auto* shape =
            graph.mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
        if (shape->dim_size() > 0) {
          shape
              ->mutable_dim(
                  static_cast<int>(below(random, static_cast<std::size_t>(shape->dim_size()))))
              ->set_dim_value(odd_number(random));
        }
      }
    }
  }
  return model.SerializeAsString();
}

struct Outcomes {
  int models = 0, inferred = 0, errors = 0;
};

// Imports and infers; only an Error of one line may come out.
void digest(const std::string& bytes, const std::string& folder, Outcomes& outcomes) {
  const auto begin = std::chrono::steady_clock::now();
  try {
    const net::Model model = test::imported(bytes, folder);
    ++outcomes.models;
    net::Graph graph = net::with_shapes(model, {}, 0);
    net::infer(graph);
    ++outcomes.inferred;
  } catch (const core::Error& error) {
    ++outcomes.errors;
    CHECK(error.code() != core::Code::kInternal);
    CHECK_MESSAGE(std::string(error.what()).size() > 10, error.what());
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  CHECK(took.count() < kMostSeconds);
}

void run(int cases, std::string (*mutated)(const ModelProto&, std::mt19937&)) {
  // Memory that a made-up size asks for is refused here, not by whatever else the machine runs. Sanitizers need more
  // addresses than that, and bring a limit of their own.
  if (!kSanitized) {
    const rlimit limit{kMostBytes, kMostBytes};
    REQUIRE(::setrlimit(RLIMIT_AS, &limit) == 0);
  }
  const ModelProto seeds[] = {test::relu_model(), convolution_model(), shapes_model(),
                              mixed_model()};
  const test::TempFolder folder;
  std::ofstream(folder.path("half.bin"), std::ios::binary) << test::raw<std::uint16_t>({1, 2, 3});
  Outcomes outcomes;
  for (int i = 0; i < cases; ++i) {
    std::mt19937 random(static_cast<unsigned>(i));
    const ModelProto& seed = seeds[random() % std::size(seeds)];
    const std::string bytes = mutated(seed, random);
    CAPTURE(i);
    try {
      digest(bytes, folder.root(), outcomes);
    } catch (const std::exception& error) {
      FAIL_CHECK("no Error: " << std::string(error.what()));
    }
  }
  MESSAGE(cases << " cases: " << outcomes.models << " models, " << outcomes.inferred
                << " of them with all shapes, " << outcomes.errors << " errors");
  CHECK(outcomes.errors > cases / 4);
  CHECK(outcomes.inferred > 0);
}

}  // namespace

TEST_CASE("damaged bytes become a model or one line") {
  run(6000, [](const ModelProto& seed, std::mt19937& random) {
    return damaged(seed.SerializeAsString(), random);
  });
}

TEST_CASE("well-formed messages that are wrong become a model or one line") {
  run(6000, [](const ModelProto& seed, std::mt19937& random) { return changed(seed, random); });
}
