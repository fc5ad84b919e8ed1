// Element-wise operators against their definitions in double precision: every row of the table, every form of
// broadcasting, operators of several statements, and folding.
#include <functional>

#include "doctest/doctest.h"
#include "net/operators/elementwise_kernel.hpp"
#include "net/operators/elementwise_program.hpp"
#include "net/operators/elementwise_table.hpp"
#include "net/operators/elementwise_tiling.hpp"
#include "net_graph.hpp"
#include "support/errors.hpp"

using namespace clconv::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What a network stores of a number, and keeps of it.
float stored(double value, core::DataType storage) {
  unsigned char bytes[sizeof(float)];
  core::store_value(static_cast<float>(value), storage, bytes);
  return core::stored_value(bytes, storage);
}

double tolerance(core::DataType type) {
  return type == core::DataType::kFloat32 ? 4e-6 : 2e-3;
}

// The element of `values`, of a shape that broadcasts to `output`, for the output's element `at`.
double broadcast_element(const Numbers& values, const Shape& shape, const Shape& output,
                         std::int64_t at) {
  std::int64_t index = 0;
  std::vector<std::int64_t> place(output.size());
  for (std::size_t d = output.size(); d-- > 0; at /= output[d])
    place[d] = at % output[d];
  for (std::size_t d = 0; d < shape.size(); ++d)
    index = index * shape[d] + (shape[d] == 1 ? 0 : place[d + output.size() - shape.size()]);
  return values[static_cast<std::size_t>(index)];
}

struct Operands {
  std::vector<Shape> shapes;
  std::vector<Numbers> values;
};

using Definition = std::function<double(const double*)>;

// Runs the operator on these inputs and compares with the definition, which is given the inputs as they are stored.
void check(const std::string& op, const Operands& operands, const Definition& definition,
           const RunOptions& options = {}, const NetGraph::AttributeList& attributes = {},
           const std::string& domain = "") {
  CAPTURE(op);
  CAPTURE(std::string(core::to_string(options.storage)));
  CAPTURE(options.on == nullptr);
  NetGraph net;
  std::vector<ValueId> ids;
  Shape shape;
  for (std::size_t i = 0; i < operands.shapes.size(); ++i) {
    CAPTURE(to_string(operands.shapes[i]));
    ids.push_back(net.input(operands.shapes[i], operands.values[i]));
    shape = broadcast(shape, operands.shapes[i]);
  }
  net.output(net.add(op, ids, attributes, domain));
  const Numbers result = net.run(options).at(0);
  std::vector<double> expected;
  for (std::int64_t at = 0; at < elements(shape); ++at) {
    std::vector<double> values;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      values.push_back(stored(broadcast_element(operands.values[i], operands.shapes[i], shape, at),
                              options.storage));
    }
    expected.push_back(stored(definition(values.data()), options.storage));
  }
  CHECK(worst_error(result, expected) <= tolerance(options.storage));
}

Operands random_operands(const std::vector<Shape>& shapes, float low = -3, float high = 3) {
  Operands operands{shapes, {}};
  for (std::size_t i = 0; i < shapes.size(); ++i)
    operands.values.push_back(random_numbers(shapes[i], static_cast<unsigned>(i) + 7, low, high));
  return operands;
}

// The function of a row with its parameters as a model leaves them.
Definition definition_of(const ElementwiseRow& row) {
  return [&row](const double* v) {
    std::vector<double> values(v, v + row.inputs);
    for (std::size_t i = 0; i < row.parameter_count(); ++i)
      values.push_back(double{row.parameters[i].otherwise});
    return row.numbers(values.data());
  };
}

// The operator whose node has this row, with the attributes that choose it.
std::pair<std::string, NetGraph::AttributeList> operator_of(const ElementwiseRow& row) {
  const std::string name = row.name;
  if (name == "FloatMod") return {"Mod", {{"fmod", std::int64_t{1}}}};
  if (name == "GeluTanh") return {"Gelu", {{"approximate", std::string("tanh")}}};
  return {name, {}};
}

// Checks every `parts`-th row from `part` on.
void check_rows(std::size_t part, std::size_t parts) {
  std::size_t number = 0;
  for (const ElementwiseRow& row : elementwise_rows()) {
    if (row.expression == nullptr || row.name == std::string("Where") || number++ % parts != part)
      continue;
    const auto [op, attributes] = operator_of(row);
    const std::string domain = op == row.name ? row.domain : "";
    Operands operands = random_operands(std::vector<Shape>(row.inputs, Shape{3, 7, 17}));
    const float special[] = {0, -0.0f, kInfinity, -kInfinity, kNan, 1, -1, 0.5f, 2.5f, 20, -20, 90};
    for (std::size_t i = 0; i < std::size(special); ++i) {
      for (std::size_t k = 0; k < row.inputs; ++k)
        operands.values[k][i * (k + 1) + k] = special[i];
    }
    // Infinity times 0, or nearly 0: how close to -1 a driver's erf or tanh comes decides.
    if (op == "Gelu") operands.values[0][3] = -30;
    RunOptions other;  // alternately float16, and the device as a GPU
    other.storage = number % 2 == 0 ? core::DataType::kFloat16 : core::DataType::kFloat32;
    other.on = number % 2 == 0 ? nullptr : &as_gpu();
    for (const RunOptions& options : {RunOptions(), other}) {
      if (op == "Identity") continue;  // no kernel
      check(op, operands, definition_of(row), options, attributes, domain);
    }
  }
}

Numbers filled(const Shape& shape, float value) {
  return Numbers(static_cast<std::size_t>(elements(shape)), value);
}

// The one line that inference says of a graph.
std::string refusal(clconv::core::Code code, const std::function<void(NetGraph&)>& build) {
  return error_of(code, [&] {
    NetGraph net;
    build(net);
    net.infer();
  });
}

}  // namespace

TEST_CASE("every row of the table computes its definition, special values included (1 of 3)") {
  check_rows(0, 3);
}
TEST_CASE("every row of the table computes its definition, special values included (2 of 3)") {
  check_rows(1, 3);
}
TEST_CASE("every row of the table computes its definition, special values included (3 of 3)") {
  check_rows(2, 3);
}

TEST_CASE("the definitions of the rows are those of the operators") {
  const auto value = [](const char* name, std::vector<double> v) {
    return doctest::Approx(find_elementwise_row(name)->numbers(v.data())).epsilon(1e-12);
  };
  CHECK(0.8413447460685429 == value("Gelu", {1}));
  CHECK(0.8411919906082768 == value("GeluTanh", {1}));
  CHECK(0.8650983882673103 == value("Mish", {1}));
  CHECK(-0.30340146137410895 == value("Mish", {-1}));
  CHECK(1.3132616875182228 == value("Softplus", {1}));
  CHECK(0.7310585786300049 == value("SiLU", {1}));
  CHECK(-0.3333333333333333 == value("HardSwish", {-1}));
  CHECK(4.0 == value("HardSwish", {4}));
  CHECK(-0.25 == value("Softsign", {-1.0 / 3}));
  CHECK(0.7 == value("HardSigmoid", {1, 0.2, 0.5}));
  CHECK(-0.6321205588285577 == value("Elu", {-1, 1}));
  CHECK(-1.7580993408473766 * 0.6321205588285577 == value("Selu", {-1, 1.7580993408473766, 1}));
  CHECK(-0.7869386805747332 == value("Celu", {-1, 2}));
  CHECK(0.0 == value("ThresholdedRelu", {1, 1}));
  CHECK(2.0 == value("Round", {2.5}));
  CHECK(-0.1 == value("LeakyRelu", {-10, 0.01}));
}

TEST_CASE("inputs of all ranks broadcast by NumPy's rules") {
  const std::vector<std::vector<Shape>> cases = {
      {{}, {}},
      {{}, {5}},
      {{1}, {}},
      {{33}, {33}},
      {{2, 3, 5, 7}, {3, 1, 1}},
      {{2, 3, 5, 7}, {1, 3, 1, 1}},
      {{2, 3, 17, 9}, {2, 3, 1, 1}},
      {{2, 3, 5, 7}, {2, 1, 5, 7}},
      {{2, 3, 5, 7}, {7}},
      {{3, 1, 1}, {2, 3, 4, 5}},
      {{5, 1}, {1, 7}},
      {{37, 1}, {41}},
      {{4, 1, 6}, {1, 5, 1}},
      {{3, 1, 5, 1, 7}, {2, 1, 4, 1, 6, 1}},
      {{2, 1, 3, 1, 2, 1, 3, 1}, {1, 2, 1, 3, 1, 2, 1, 3}},
      {{1, 1, 1}, {1, 1}},
      {{2, 0, 3}, {1, 3}},
      {{0}, {1}},
  };
  for (const std::vector<Shape>& shapes : cases) {
    for (core::Device* on : {&device(), &as_gpu()}) {
      RunOptions options;
      options.on = on;
      check(
          "Sub", random_operands(shapes), [](const double* v) { return v[0] - v[1]; }, options);
    }
  }
  RunOptions half;
  half.storage = core::DataType::kFloat16;
  check(
      "Sub", random_operands({{2, 3, 5, 7}, {3, 1, 1}}),
      [](const double* v) { return v[0] - v[1]; }, half);
  check(
      "Sub", random_operands({{5, 1}, {1, 19}}), [](const double* v) { return v[0] - v[1]; }, half);
}

TEST_CASE("a large tensor is divided among work-items at any element") {
  for (const Shape& other : {Shape{5, 1, 1}, Shape{5, 113, 41}, Shape{41}, Shape{5, 113, 1}}) {
    check("Mul", random_operands({{4, 5, 113, 41}, other}),
          [](const double* v) { return v[0] * v[1]; });
  }
}

TEST_CASE("constants that short rows share are repeated, so that many rows are one") {
  const ElementwiseTiling tiling = tiled({1, 16, 16, 3}, {{1, 16, 16, 3}, {3}}, {false, true});
  CHECK(tiling.output == Shape{1, 768});
  CHECK(tiling.times == 256);
  CHECK(tiling.inputs == std::vector<Shape>{{1, 768}, {1, 768}});
  CHECK(tiled({2, 4, 3}, {{2, 4, 3}, {3}}, {false, false}).times == 1);  // no constant
  CHECK(tiled({2, 4, 3}, {{2, 4, 1}, {3}}, {true, true}).times == 1);    // of each row
  CHECK(tiled({8, 64}, {{8, 64}, {64}}, {false, true}).times == 1);      // long rows
  CHECK(tiling.repeated({1, 2, 3, 4, 5, 6}).size() == 6 * 256);
  const std::vector<std::pair<Shape, Shape>> cases = {{{2, 16, 15, 3}, {3}},
                                                      {{2, 3, 20, 2}, {3, 1, 2}},
                                                      {{1, 7, 13, 5}, {1, 1, 1, 5}},
                                                      {{2, 3, 4, 5, 2}, {2, 1, 4, 1, 2}},
                                                      {{1031, 3}, {1, 3}}};
  for (const auto& pair : cases) {
    const Shape &shape = pair.first, &other = pair.second;
    CAPTURE(to_string(shape));
    NetGraph net;
    const Operands operands = random_operands({shape, other});
    net.output(net.add(
        "Sub", {net.input(shape, operands.values[0]), net.constant(other, operands.values[1])}));
    std::vector<double> expected;
    for (std::int64_t at = 0; at < elements(shape); ++at) {
      expected.push_back(broadcast_element(operands.values[0], shape, shape, at) -
                         broadcast_element(operands.values[1], other, shape, at));
    }
    CHECK(worst_error(net.run().at(0), expected) < 1e-6);
  }
}

TEST_CASE("operators of any number of inputs") {
  const std::vector<Shape> shapes = {{2, 3, 5}, {3, 1}, {1, 1, 5}, {}};
  check("Sum", random_operands(shapes), [](const double* v) { return v[0] + v[1] + v[2] + v[3]; });
  check("Mean", random_operands(shapes),
        [](const double* v) { return (v[0] + v[1] + v[2] + v[3]) / 4; });
  check("Min", random_operands(shapes),
        [](const double* v) { return *std::min_element(v, v + 4); });
  check("Max", random_operands(shapes),
        [](const double* v) { return *std::max_element(v, v + 4); });
  for (const char* op : {"Sum", "Mean", "Min", "Max"})
    check(op, random_operands({{7}}), [](const double* v) { return v[0]; });
}

TEST_CASE("Clip: bounds as attributes, as inputs, on one side, none, contradicting each other") {
  const Shape shape{3, 11};
  Numbers values = random_numbers(shape, 3);
  values[4] = kNan;
  const auto clipped = [&](std::int64_t opset, const std::vector<float>& bounds, bool constant) {
    NetGraph net(opset);
    std::vector<ValueId> inputs = {net.input(shape, values)};
    NetGraph::AttributeList attributes;
    const char* names[] = {"min", "max"};
    for (std::size_t i = 0; i < 2; ++i) {
      if (opset < 11) {
        if (!std::isnan(bounds[i])) attributes.emplace_back(names[i], bounds[i]);
      } else if (std::isnan(bounds[i])) {
        inputs.push_back(kNoValue);
      } else {
        inputs.push_back(constant ? net.constant({}, Numbers{bounds[i]})
                                  : net.input({}, Numbers{bounds[i]}));
      }
    }
    net.output(net.add("Clip", inputs, attributes));
    return net.run().at(0);
  };
  for (const std::vector<float>& bounds :
       {std::vector<float>{-0.5f, 0.25f}, {kNan, 0.25f}, {-0.5f, kNan}, {kNan, kNan}, {0.5f, 0}}) {
    std::vector<double> expected;
    for (const float value : values) {
      double result = double{value};
      if (!std::isnan(bounds[0]) && value < bounds[0]) result = double{bounds[0]};
      if (!std::isnan(bounds[1]) && result > double{bounds[1]}) result = double{bounds[1]};
      expected.push_back(result);
    }
    CHECK(worst_error(clipped(6, bounds, true), expected) == 0);
    CHECK(worst_error(clipped(13, bounds, true), expected) == 0);
    CHECK(worst_error(clipped(13, bounds, false), expected) == 0);
  }
}

TEST_CASE("attributes reach the device, and constants become numbers of the kernel") {
  const Operands x = random_operands({{2, 3, 9}});
  check("LeakyRelu", x, [](const double* v) { return v[0] < 0 ? 0.25 * v[0] : v[0]; }, {},
        {{"alpha", 0.25f}});
  check("HardSigmoid", x, [](const double* v) { return std::clamp(0.5 * v[0] + 0.125, 0.0, 1.0); },
        {}, {{"alpha", 0.5f}, {"beta", 0.125f}});
  check("Celu", x, [](const double* v) { return v[0] < 0 ? 2 * std::expm1(v[0] / 2) : v[0]; }, {},
        {{"alpha", 2.0f}});
  for (const float exponent : {2.0f, 3.0f, 0.5f, 1.0f, -1.0f, 1.7f}) {
    NetGraph net;
    const ValueId in = net.input({2, 3, 9}, random_numbers(Shape{2, 3, 9}, 5, 0.5f, 3));
    net.output(net.add("Pow", {in, net.constant({1}, Numbers{exponent})}));
    std::vector<double> expected;
    for (const float v : random_numbers(Shape{2, 3, 9}, 5, 0.5f, 3))
      expected.push_back(std::pow(double{v}, double{exponent}));
    CHECK(worst_error(net.run().at(0), expected) < 4e-6);
    CHECK(net.steps().front() == (exponent == 1.7f   ? "Pow"
                                  : exponent == 2    ? "Square"
                                  : exponent == 3    ? "Cube"
                                  : exponent == 0.5f ? "Sqrt"
                                  : exponent == 1    ? "Identity"
                                                     : "Reciprocal"));
  }
}

TEST_CASE("constants that are broadcast keep float32 where storage is float16") {
  RunOptions half;
  half.storage = core::DataType::kFloat16;
  NetGraph net;
  const Shape shape{2, 3, 4, 5};
  const ValueId x = net.input(shape, filled(shape, 1));
  const ValueId large = net.add("Mul", {x, net.constant({3, 1, 1}, Numbers{70000, 1e-9f, 1})});
  static_cast<void>(large);
  net.output(net.add("Mul", {x, net.constant({3, 1, 1}, Numbers{1.0f, 0.1f, 0.5f})}));
  const Numbers result = net.run(half).at(0);
  CHECK(result[0] == 1);
  CHECK(result[20] == stored(0.1f, core::DataType::kFloat16));
  NetGraph normalization;
  const ValueId in = normalization.input(shape, filled(shape, 1e-3f));
  const auto per_channel = [&](float value) {
    return normalization.constant({3}, Numbers(3, value));
  };
  // The factor, 1/sqrt(1e-12), is no float16.
  normalization.output(normalization.add(
      "BatchNormalization", {in, per_channel(1), per_channel(0), per_channel(0), per_channel(0)},
      {{"epsilon", 1e-12f}}));
  CHECK(normalization.run(half).at(0).at(7) == doctest::Approx(1000).epsilon(1e-3));
}

TEST_CASE("batch normalization is a factor and a summand per channel") {
  for (const Shape& shape :
       {Shape{2, 5}, Shape{2, 5, 7}, Shape{3, 5, 4, 9}, Shape{1, 5, 2, 3, 4}}) {
    for (const bool known : {true, false}) {
      NetGraph net;
      const Numbers x = random_numbers(shape, 1);
      const Numbers scale = random_numbers(5, 2), bias = random_numbers(5, 3);
      const Numbers mean = random_numbers(5, 4), variance = random_numbers(5, 5, 0.1f, 2);
      std::vector<ValueId> inputs = {net.input(shape, x)};
      for (const Numbers& values : {scale, bias, mean, variance})
        inputs.push_back(known ? net.constant({5}, values) : net.input({5}, values));
      net.output(net.add("BatchNormalization", inputs, {{"epsilon", 1e-3f}}));
      std::vector<double> expected;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t c = i / static_cast<std::size_t>(elements(shape, 2, shape.size())) % 5;
        expected.push_back((double{x[i]} - double{mean[c]}) /
                               std::sqrt(double{variance[c]} + 1e-3) * double{scale[c]} +
                           double{bias[c]});
      }
      CHECK(worst_error(net.run().at(0), expected) < 1e-5);
      RunOptions gpu;
      gpu.on = &as_gpu();
      CHECK(worst_error(net.run(gpu).at(0), expected) < 1e-5);
    }
  }
}

TEST_CASE("what computes nothing is no step, and between the network's ends a copy") {
  NetGraph net;
  const Numbers values = random_numbers(35, 1);
  const ValueId x = net.input({5, 7}, values);
  const ValueId relu = net.add("Relu", {x});
  const ValueId cast = net.add("Cast", {net.add("Identity", {relu})}, {{"to", std::int64_t{10}}});
  const auto dropped = net.add_node("Dropout", {cast, net.constant({}, Numbers{0.5f})}, 2);
  net.output(net.add("Neg", {dropped[0]}));
  CHECK(net.steps() == std::vector<std::string>{"Relu", "Neg"});
  std::vector<double> expected;
  for (const float v : values)
    expected.push_back(v < 0 ? -0.0 : -double{v});
  CHECK(worst_error(net.run().at(0), expected) == 0);

  NetGraph through;
  through.output(through.add("Identity", {through.input({5, 7}, values)}));
  CHECK(through.run().at(0) == values);
}

TEST_CASE("one program of several statements reuses inputs and results") {
  // (x + y) * (x + y) - clip(x) * 0.5
  ElementwiseProgram program;
  const Operand x{Operand::Kind::kInput, 0}, y{Operand::Kind::kInput, 1};
  const Operand sum = program.add("Add", {x, y});
  const Operand square = program.add("Mul", {sum, sum});
  const Operand clipped = program.add("Max", {x, program.number(0.25f)});
  program.add("Sub", {square, program.add("Mul", {clipped, program.number(0.5f)})});
  CHECK(program.name() == "Add+Mul+Max+Mul+Sub");
  const Shape shape{2, 3, 5, 7}, of_y{3, 1, 1};
  const Operands operands = random_operands({shape, of_y});
  NetGraph net;
  const Node made = elementwise_node(program, {}, {});
  NetGraph::AttributeList attributes;
  for (const auto& [name, value] : made.attributes.all())
    attributes.emplace_back(name.c_str(), value);
  check(
      "Elementwise", operands,
      [](const double* v) { return (v[0] + v[1]) * (v[0] + v[1]) - 0.5 * std::max(v[0], 0.25); },
      {}, attributes, kOwnDomain);
}

TEST_CASE("the generated kernel can be read") {
  ElementwiseProgram program;
  const Operand x{Operand::Kind::kInput, 0}, y{Operand::Kind::kInput, 1};
  program.add("Add", {program.add("Relu", {x}), y});
  CHECK(elementwise_text(program, Walk({2, 3, 4}, {{2, 3, 4}, {2, 3, 4}}), {false, false}) ==
        R"(// parts: elementwise
#define Elementwise_Relu(a) activate_relu(a)
#define Elementwise_Add(a, b) ((a) + (b))
ALWAYS_INLINE floatv computed(const floatv v0, const floatv v1) {
  const floatv t0 = Elementwise_Relu(v0);
  const floatv t1 = Elementwise_Add(t0, v1);
  return t1;
}
kernel void elementwise(global const element* restrict x0, global const element* restrict x1, global element* restrict y, const INDEX count, const INDEX span) {
  const INDEX begin = (INDEX)get_global_id(0) * span;
  const INDEX end = min(begin + span, count);
  INDEX at = begin;
  for (; at + VW <= end; at += VW)
    PUT_V(computed(GET_V(x0 + at), GET_V(x1 + at)), y + at);
  if (at < end) {
    const int rest = (int)(end - at);
    put_some(computed(get_some(x0 + at, rest), get_some(x1 + at, rest)), y + at, rest);
  }
}
)");
}

TEST_CASE(
    "sizes and numbers are no part of the kernel's text, dimensions that behave alike are one") {
  const Walk per_channel({2, 3, 4, 5}, {{2, 3, 4, 5}, {3, 1, 1}});
  CHECK(per_channel.sizes == std::vector<std::int64_t>{2, 3, 20});
  CHECK(per_channel.patterns == std::vector<unsigned>{1, 3, 1});
  const Walk one({1, 3, 4, 5}, {{1, 3, 4, 5}, {3, 1, 1}});
  CHECK(one.sizes == std::vector<std::int64_t>{3, 20});
  CHECK(Walk({2, 3, 4}, {{2, 3, 4}, {1}}).sizes == std::vector<std::int64_t>{24});
  CHECK(Walk({1, 1}, {{1}, {}}).sizes == std::vector<std::int64_t>{1});
  ElementwiseProgram a, b;
  a.add("LeakyRelu", {{Operand::Kind::kInput, 0}, a.number(0.1f)});
  b.add("LeakyRelu", {{Operand::Kind::kInput, 0}, b.number(0.2f)});
  CHECK(elementwise_text(a, Walk({2, 3}, {{2, 3}}), {false}) ==
        elementwise_text(b, Walk({5, 7, 9}, {{5, 7, 9}}), {false}));
}

TEST_CASE("constants are folded: integers as ONNX has them, floats, truths") {
  const auto folded = [](const std::string& op, const std::vector<ConstantPtr>& constants,
                         const NetGraph::AttributeList& attributes = {}) {
    NetGraph net;
    std::vector<ValueId> inputs;
    for (const ConstantPtr& constant : constants)
      inputs.push_back(net.constant(constant));
    const ValueId y = net.add(op, inputs, attributes);
    net.output(y);
    net.infer();
    CHECK(net.graph().nodes.empty());
    const ConstantPtr result = net.graph().value(y).constant;
    REQUIRE(bool(result));
    return *result;
  };
  const auto integers = [](std::vector<std::int64_t> values) {
    const auto count = static_cast<std::int64_t>(values.size());
    return constant_of(Shape{count}, std::move(values));
  };
  using Integers = std::vector<std::int64_t>;
  const ConstantPtr a = integers({7, -7, 6}), b = integers({2, 2, -4});
  CHECK(folded("Add", {a, b}).integers == Integers{9, -5, 2});
  CHECK(folded("Sub", {a, b}).integers == Integers{5, -9, 10});
  CHECK(folded("Mul", {a, b}).integers == Integers{14, -14, -24});
  CHECK(folded("Div", {a, b}).integers == Integers{3, -3, -1});
  CHECK(folded("Mod", {a, b}).integers == Integers{1, 1, -2});
  CHECK(folded("Mod", {a, b}, {{"fmod", std::int64_t{1}}}).integers == Integers{1, -1, 2});
  CHECK(folded("Pow", {a, integers({2, 3, 0})}).integers == Integers{49, -343, 1});
  CHECK(folded("Min", {a, b, integers({0})}).integers == Integers{0, -7, -4});
  CHECK(folded("Max", {a, b}).integers == Integers{7, 2, 6});
  CHECK(folded("Neg", {a}).integers == Integers{-7, 7, -6});
  CHECK(folded("Abs", {a}).integers == Integers{7, 7, 6});
  CHECK(folded("Sign", {a}).integers == Integers{1, -1, 1});
  CHECK(folded("Clip", {a, integers({-1})}).integers == Integers{7, -1, 6});
  const Constant equal = folded("Equal", {a, integers({7})});
  CHECK(equal.type == Type::kBool);
  CHECK(equal.integers == Integers{1, 0, 0});
  const auto truth = std::make_shared<Constant>(equal);
  CHECK(folded("Not", {truth}).integers == Integers{0, 1, 1});
  CHECK(folded("Where", {truth, a, b}).integers == Integers{7, 2, -4});
  CHECK(folded("Where", {truth, a, b}).type == Type::kInt64);
  CHECK(folded("Less", {a, b}).integers == Integers{0, 1, 0});
  CHECK(folded("GreaterOrEqual", {a, a}).integers == Integers{1, 1, 1});
  CHECK(folded("And", {truth, truth}).integers == Integers{1, 0, 0});
  CHECK(folded("Add", {constant_of({2, 1}, Integers{10, 20}), integers({1, 2})}).integers ==
        Integers{11, 12, 21, 22});
  CHECK(folded("Div", {constant_of({2}, Numbers{1, -1}), constant_of({}, Numbers{4})}).floats ==
        Numbers{0.25f, -0.25f});
  CHECK(folded("Floor", {constant_of({1}, Numbers{2.7f})}).floats == Numbers{2});
  CHECK(
      folded("Greater", {constant_of({2}, Numbers{1, -1}), constant_of({}, Numbers{0})}).integers ==
      Integers{1, 0});
  // Constants and the device agree on every row.
  CHECK(folded("Sqrt", {constant_of({1}, Numbers{2})}).floats == Numbers{std::sqrt(2.0f)});
  const auto cast = [&](const ConstantPtr& from, Type to) {
    return folded("Cast", {from}, {{"to", static_cast<std::int64_t>(to)}});
  };
  CHECK(cast(constant_of({4}, Numbers{2.9f, -2.9f, kNan, 1e30f}), Type::kInt64).integers ==
        Integers{2, -2, 0, INT64_MAX});
  // What no integer holds becomes the closest.
  CHECK(folded("Pow", {integers({0, 2, -1}), integers({-1})}).integers ==
        Integers{INT64_MAX, 0, -1});
  CHECK(folded("Pow", {integers({10, -10}), constant_of({}, Numbers{19})}).integers ==
        Integers{INT64_MAX, INT64_MIN});
  CHECK(folded("Pow", {integers({-8}), constant_of({}, Numbers{0.5f})}).integers == Integers{0});
  CHECK(cast(integers({300, -1, 0}), Type::kUint8).integers == Integers{44, 255, 0});
  CHECK(cast(integers({300, -1, 0}), Type::kBool).integers == Integers{1, 1, 0});
  CHECK(cast(integers({3, -1, 0}), Type::kFloat16).floats == Numbers{3, -1, 0});
}

TEST_CASE("Where with a condition that is known") {
  NetGraph net;
  auto condition = std::make_shared<Constant>();
  condition->type = Type::kBool;
  condition->shape = {3};
  condition->integers = {1, 0, 1};
  const ValueId x = net.input({2, 3}, {1, 2, 3, 4, 5, 6});
  net.output(net.add("Where", {net.constant(condition), x, net.constant({}, Numbers{-1})}));
  CHECK(net.run().at(0) == Numbers{1, -1, 3, 4, -1, 6});
}

TEST_CASE("refusals name the node and what is wrong") {
  using core::Code;
  constexpr std::size_t most = LaunchStep::kMostBuffers - 1;
  const auto with_input = [](const Shape& shape, Type type = Type::kFloat32) {
    return [=](NetGraph& net) { return net.input(shape, {}, type); };
  };
  CHECK(refusal(Code::kInvalidModel, [&](NetGraph& net) {
          net.add("Add", {with_input({2, 3})(net), with_input({4})(net)});
        }) == "node 'Add0' (Add, opset 17): shapes 2x3 and 4 do not broadcast");
  CHECK(refusal(Code::kUnsupported,
                [&](NetGraph& net) {
                  net.add("Add", {with_input({3}, Type::kInt64)(net), with_input({3})(net)});
                }) ==
        "node 'Add0' (Add, opset 17): input 'x' is int64: on the device, only floating types "
        "are supported");
  CHECK(refusal(Code::kUnsupported,
                [&](NetGraph& net) {
                  net.add("Equal", {with_input({3})(net), with_input({3})(net)});
                }) ==
        "node 'Equal0' (Equal, opset 17): is supported only where all its inputs are known "
        "before the network runs");
  CHECK(refusal(Code::kInvalidModel, [&](NetGraph& net) {
          net.add("Relu", {with_input({3})(net), with_input({3})(net)});
        }) == "node 'Relu0' (Relu, opset 17): has 2 inputs, expected 1");
  CHECK(refusal(Code::kInvalidModel,
                [&](NetGraph& net) {
                  net.add("PRelu", {with_input({3})(net), with_input({2, 3})(net)});
                }) ==
        "node 'PRelu0' (PRelu, opset 17): the other inputs do not broadcast to input 0, which "
        "is 3");
  CHECK(refusal(Code::kUnsupported,
                [&](NetGraph& net) {
                  net.add("Cast", {with_input({3})(net)}, {{"to", std::int64_t{7}}});
                }) ==
        "node 'Cast0' (Cast, opset 17): a cast to int64 is supported only where the value is "
        "known before the network runs");
  CHECK(refusal(Code::kUnsupported, [&](NetGraph& net) {
          net.add("Dropout", {with_input({3})(net), kNoValue, with_input({})(net)});
        }) == "node 'Dropout0' (Dropout, opset 17): training mode is not supported");
  CHECK(refusal(Code::kInvalidModel, [&](NetGraph& net) {
          net.add("Div", {net.constant({1}, std::vector<std::int64_t>{1}),
                          net.constant({1}, std::vector<std::int64_t>{0})});
        }) == "node 'Div0' (Div, opset 17): an integer is divided by 0");
  CHECK(refusal(Code::kInvalidModel,
                [&](NetGraph& net) {
                  net.add("Gelu", {with_input({3})(net)}, {{"approximate", std::string("quick")}});
                }) ==
        "node 'Gelu0' (Gelu, opset 17): attribute 'approximate' is 'quick', expected 'none' "
        "or 'tanh'");
  CHECK(refusal(Code::kInvalidModel, [&](NetGraph& net) {
          net.add("Elementwise", {with_input({3})(net)},
                  {{"statements", std::vector<std::string>{"Add x0 x7"}}}, kOwnDomain);
        }) == "node 'Elementwise0' (clconv.Elementwise, opset 17): operand 'x7' does not exist");
  CHECK(refusal(Code::kUnsupported, [&](NetGraph& net) {
          std::vector<ValueId> inputs;
          for (std::size_t i = 0; i <= most; ++i)
            inputs.push_back(with_input({3})(net));
          net.add("Sum", inputs);
        }) == "node 'Sum0' (Sum, opset 17): has more than " + std::to_string(most) + " inputs");
}
