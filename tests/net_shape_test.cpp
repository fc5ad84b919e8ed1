// Operators that give tensors other shapes, those that make constants, chains of both, and the pass over what moves
// data.
#include "net_graph.hpp"

#include "error.hpp"
#include "net/forms.hpp"

using namespace clconv::test;
using Integers = std::vector<std::int64_t>;

namespace {

Numbers counted(const Shape& shape) {
  Numbers values(static_cast<std::size_t>(elements(shape)));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i);
  return values;
}

ValueId sizes(NetGraph& net, const Integers& values) {
  return net.constant({static_cast<std::int64_t>(values.size())}, values);
}

std::string error_of(NetGraph net) {
  try {
    net.infer();
  } catch (const core::Error& error) {
    return error.what();
  }
  return "";
}

// The shape that one node gives an input of shape `from`; on the device, the elements stay where they are.
Shape viewed(const std::string& op, const Shape& from, const Integers& input,
             const NetGraph::AttributeList& attributes = {}, std::int64_t opset = 17) {
  NetGraph net(opset), folded(opset);
  const auto add = [&](NetGraph& in, ValueId x) {
    std::vector<ValueId> inputs{x};
    if (!input.empty()) inputs.push_back(sizes(in, input));
    return in.add(op, inputs, attributes);
  };
  // Two transposes around it, so that neither end is the caller's.
  const ValueId turned = net.add("Transpose", {net.input(from, counted(from))});
  const ValueId y = add(net, net.add("Transpose", {turned}));
  net.output(y);
  for (const core::DataType storage : {core::DataType::kFloat32, core::DataType::kFloat16})
    CHECK((net.run({storage, nullptr})[0] == counted(from)));
  const ValueId z = add(folded, folded.constant(from, counted(from)));
  folded.infer();
  REQUIRE((folded.graph().value(z).constant != nullptr));
  CHECK((folded.graph().value(z).constant->floats == counted(from)));
  net.infer();
  CHECK((net.shape(y) == folded.shape(z)));
  return net.shape(y);
}

std::string error_of_node(const std::string& op, const Shape& from, const Integers& input,
                          const NetGraph::AttributeList& attributes = {}) {
  NetGraph net;
  std::vector<ValueId> inputs{net.input(from, counted(from))};
  if (!input.empty()) inputs.push_back(sizes(net, input));
  net.add(op, inputs, attributes);
  return error_of(net);
}

}  // namespace

TEST_CASE("Reshape: sizes that are copied and one that follows") {
  CHECK((viewed("Reshape", {2, 3, 4}, {6, 4}) == Shape{6, 4}));
  CHECK((viewed("Reshape", {2, 3, 4}, {0, -1}) == Shape{2, 12}));
  CHECK((viewed("Reshape", {2, 3, 4}, {-1}) == Shape{24}));
  CHECK((viewed("Reshape", {2, 0, 4}, {4, 0, 3}, {{"allowzero", std::int64_t{1}}}) ==
         Shape{4, 0, 3}));
  CHECK((viewed("Reshape", {2, 0, 4}, {0, 0, 4}) == Shape{2, 0, 4}));
  const std::string who = "node 'Reshape0' (Reshape, opset 17): ";
  CHECK(error_of_node("Reshape", {2, 3}, {4, -1}) == who + "input 2x3 does not divide into 4x-1");
  CHECK(error_of_node("Reshape", {2, 3}, {7}) == who + "input 2x3 cannot become 7");
  CHECK(error_of_node("Reshape", {6}, {-1, -1}) ==
        who + "a new shape of -1x-1: at most one size is -1, others at least 0");
  CHECK(error_of_node("Reshape", {6}, {6, 0}) ==
        who + "size 1 of the new shape is that of 6, which has no such dimension");
}

TEST_CASE("Flatten, Squeeze and Unsqueeze, in the forms of all opsets") {
  CHECK((viewed("Flatten", {2, 3, 4}, {}) == Shape{2, 12}));
  CHECK((viewed("Flatten", {2, 3, 4}, {}, {{"axis", std::int64_t{-1}}}) == Shape{6, 4}));
  CHECK((viewed("Flatten", {2, 3, 4}, {}, {{"axis", std::int64_t{0}}}) == Shape{1, 24}));
  CHECK((viewed("Squeeze", {1, 3, 1, 1}, {}) == Shape{3}));
  CHECK((viewed("Squeeze", {1, 3, 1, 1}, {-1, 0}) == Shape{3, 1}));
  CHECK((viewed("Squeeze", {1, 3, 1, 1}, {}, {{"axes", Integers{2}}}, 11) == Shape{1, 3, 1}));
  CHECK((viewed("Unsqueeze", {3, 4}, {0, -1}) == Shape{1, 3, 4, 1}));
  CHECK((viewed("Unsqueeze", {3, 4}, {}, {{"axes", Integers{1, 2}}}, 11) == Shape{3, 1, 1, 4}));
  CHECK(error_of_node("Squeeze", {2, 1}, {0}) ==
        "node 'Squeeze0' (Squeeze, opset 17): dimension 0 of 2x1 is squeezed, but is not 1");
  CHECK(error_of_node("Unsqueeze", {2}, {0, 0}) ==
        "node 'Unsqueeze0' (Unsqueeze, opset 17): axis 0 comes twice");
}

TEST_CASE("constants in all forms that have numbers") {
  const auto value_of = [](const char* name, AttributeValue value) {
    NetGraph net;
    const ValueId id = net.add("Constant", {}, {{name, std::move(value)}});
    net.infer();
    return net.graph().value(id).constant;
  };
  const ConstantPtr tensor = constant_of({2}, Numbers{3, 4});
  CHECK((value_of("value", tensor) == tensor));
  CHECK((value_of("value_float", 2.5f)->floats == Numbers{2.5f}));
  CHECK(value_of("value_float", 2.5f)->shape.empty());
  CHECK((value_of("value_floats", Numbers{1, 2})->floats == Numbers{1, 2}));
  CHECK((value_of("value_floats", Numbers{1, 2})->shape == Shape{2}));
  CHECK((value_of("value_int", std::int64_t{7})->integers == Integers{7}));
  CHECK((value_of("value_ints", Integers{7, 8})->integers == Integers{7, 8}));
  NetGraph net;
  net.add("Constant", {}, {{"value_string", std::string("a")}});
  CHECK(error_of(net) ==
        "node 'Constant0' (Constant, opset 17): a constant of strings or a sparse one");
}

TEST_CASE("Shape, Size, ConstantOfShape and Range are known before the network runs") {
  NetGraph net;
  const ValueId x = net.input({2, 3, 4, 5}, counted({2, 3, 4, 5}));
  const ValueId all = net.add("Shape", {x}), size = net.add("Size", {x});
  const ValueId inner =
      net.add("Shape", {x}, {{"start", std::int64_t{1}}, {"end", std::int64_t{-1}}});
  const ValueId none =
      net.add("Shape", {x}, {{"start", std::int64_t{9}}, {"end", std::int64_t{-9}}});
  const ValueId zeros = net.add("ConstantOfShape", {sizes(net, {2, 2})});
  const ValueId sevens =
      net.add("ConstantOfShape", {sizes(net, {3})}, {{"value", constant_of({1}, Integers{7})}});
  const auto scalar = [&](std::int64_t value) { return net.constant({}, Integers{value}); };
  const ValueId up = net.add("Range", {scalar(2), scalar(9), scalar(3)});
  const ValueId down = net.add("Range", {scalar(5), scalar(-1), scalar(-2)});
  const ValueId empty = net.add("Range", {scalar(5), scalar(1), scalar(2)});
  const auto number = [&](float value) { return net.constant({}, Numbers{value}); };
  const ValueId real = net.add("Range", {number(0), number(1), number(0.25f)});
  net.infer();
  const auto integers = [&](ValueId id) { return net.graph().value(id).constant->integers; };
  CHECK((integers(all) == Integers{2, 3, 4, 5}));
  CHECK((integers(size) == Integers{120}));
  CHECK((integers(inner) == Integers{3, 4}));
  CHECK(integers(none).empty());
  CHECK((net.graph().value(zeros).constant->floats == Numbers{0, 0, 0, 0}));
  CHECK((integers(sevens) == Integers{7, 7, 7}));
  CHECK((integers(up) == Integers{2, 5, 8}));
  CHECK((integers(down) == Integers{5, 3, 1}));
  CHECK(integers(empty).empty());
  CHECK((net.graph().value(real).constant->floats == Numbers{0, 0.25f, 0.5f, 0.75f}));
  CHECK(net.graph().nodes.empty());
}

TEST_CASE("constants too large for a host, and ranges without an end, are refused") {
  NetGraph large, endless;
  large.add("ConstantOfShape", {sizes(large, {1 << 20, 1 << 15})});
  CHECK(error_of(large) ==
        "node 'ConstantOfShape0' (ConstantOfShape, opset 17): a constant of shape 1048576x32768 is "
        "too large");
  const ValueId zero = endless.constant({}, Integers{0}), one = endless.constant({}, Integers{1});
  endless.add("Range", {zero, one, zero});
  CHECK(error_of(endless) ==
        "node 'Range0' (Range, opset 17): a range from 0.000000 to 1.000000 by 0.000000");
}

TEST_CASE("what models write to compute a shape vanishes") {
  NetGraph net;
  const Shape from{2, 3, 4, 5};
  const ValueId x = net.input(from, counted(from));
  const ValueId shape = net.add("Shape", {x});
  const ValueId zero = net.constant({}, Integers{0});
  const ValueId batch = net.add("Gather", {shape, zero}, {{"axis", std::int64_t{0}}});
  const ValueId rows = net.add("Unsqueeze", {batch, sizes(net, {0})});
  const ValueId last = net.add("Slice", {shape, sizes(net, {3}), sizes(net, {4})});
  const ValueId wanted =
      net.add("Concat", {rows, sizes(net, {-1}), last}, {{"axis", std::int64_t{0}}});
  const ValueId y = net.add("Reshape", {x, wanted});
  const ValueId back = net.add("Transpose", {y}, {{"perm", Integers{0, 2, 1}}});
  net.output(back);
  CHECK(net.steps().size() == 1);
  net.infer();
  CHECK(net.graph().nodes.size() == 2);
  CHECK((net.shape(y) == Shape{2, 12, 5}));
}

TEST_CASE("integers fold as floats do") {
  NetGraph net;
  const ValueId x = net.constant({2, 3}, Integers{1, 2, 3, 4, 5, 6});
  const ValueId turned = net.add("Transpose", {x});
  const ValueId tiled = net.add("Tile", {x, sizes(net, {1, 2})});
  const ValueId padded =
      net.add("Pad", {x, sizes(net, {0, 1, 0, 0}), net.constant({}, Integers{9})});
  const std::vector<ValueId> parts = net.add_node("Split", {x}, 3, {{"axis", std::int64_t{1}}});
  const ValueId joined = net.add("Concat", {parts[2], x}, {{"axis", std::int64_t{1}}});
  const ValueId wide = net.add("Expand", {net.constant({1}, Integers{4}), sizes(net, {2, 2})});
  net.infer();
  const auto integers = [&](ValueId id) { return net.graph().value(id).constant->integers; };
  CHECK((integers(turned) == Integers{1, 4, 2, 5, 3, 6}));
  CHECK((integers(tiled) == Integers{1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6}));
  CHECK((integers(padded) == Integers{9, 1, 2, 3, 9, 4, 5, 6}));
  CHECK((integers(parts[1]) == Integers{2, 5}));
  CHECK((integers(joined) == Integers{3, 1, 2, 3, 6, 4, 5, 6}));
  CHECK((integers(wide) == Integers{4, 4, 4, 4}));
}

namespace {

// What is left of a graph after the pass, by operator; the results stay what they were.
std::vector<std::string> left_after_pass(NetGraph& net, const std::vector<std::string>& changes) {
  const std::vector<Numbers> before = net.run();
  std::vector<std::string> seen;
  for (const PassReport& report : run_passes(net.infer(), "")) {
    if (report.name == "movement") seen = report.changes;
  }
  CHECK((seen == changes));
  CHECK((net.run() == before));
  std::vector<std::string> left;
  for (const Node& node : net.graph().nodes)
    left.push_back(node.op);
  return left;
}

using Names = std::vector<std::string>;
const Shape kFrom{2, 1, 4, 5};

}  // namespace

TEST_CASE("pass movement: what moves nothing vanishes") {
  NetGraph net;
  ValueId x = net.add("Transpose", {net.input(kFrom, counted(kFrom))});  // 5x4x1x2
  const Integers zeros(8, 0);
  x = net.add("Pad", {x, sizes(net, zeros)});
  x = net.add("Slice", {x, sizes(net, {0}), sizes(net, {5}), sizes(net, {0}), sizes(net, {1})});
  x = net.add("Expand", {x, sizes(net, {4, 1, 2})});
  x = net.add("Tile", {x, sizes(net, {1, 1, 1, 1})});
  x = net.add("Concat", {x}, {{"axis", std::int64_t{1}}});
  x = net.add_node("Split", {x}, 1, {{"axis", std::int64_t{1}}})[0];
  x = net.add("Transpose", {x}, {{"perm", Integers{0, 1, -2, 3}}});
  net.output(net.add("Reshape", {x, sizes(net, {5, 4, 1, 2})}));
  CHECK((left_after_pass(net, {"Pad 'Pad1' moves nothing", "Slice 'Slice2' moves nothing",
                               "Expand 'Expand3' moves nothing", "Tile 'Tile4' moves nothing",
                               "Concat 'Concat5' moves nothing", "Split 'Split6' moves nothing",
                               "Transpose 'Transpose0' + Transpose 'Transpose7'",
                               "Reshape 'Reshape8' moves nothing"}) == Names{"Transpose"}));
}

TEST_CASE("pass movement: what moves something stays") {
  NetGraph net;
  const Shape from{4, 4};
  ValueId x = net.input(from, counted(from));
  x = net.add("Slice", {x, sizes(net, {-1}), sizes(net, {-9}), sizes(net, {0}), sizes(net, {-1})});
  x = net.add("Pad", {x, sizes(net, {1, 0, -1, 0})});
  x = net.add("Transpose", {x});
  net.output(x);
  CHECK((left_after_pass(net, {}) == Names{"Slice", "Pad", "Transpose"}));
}

TEST_CASE("pass movement: shapes of shapes and transposes of transposes become one") {
  NetGraph net;
  ValueId x = net.input(kFrom, counted(kFrom));
  x = net.add("Squeeze", {x, sizes(net, {1})});
  x = net.add("Flatten", {x});
  x = net.add("Reshape", {x, sizes(net, {0, 5, -1})});
  x = net.add("Transpose", {x}, {{"perm", Integers{2, 0, 1}}});
  x = net.add("Transpose", {x}, {{"perm", Integers{2, 1, 0}}});
  net.output(x);
  CHECK((left_after_pass(net, {"Squeeze 'Squeeze0' + Flatten 'Flatten1'",
                               "Reshape 'Flatten1' + Reshape 'Reshape2'",
                               "Transpose 'Transpose3' + Transpose 'Transpose4'"}) ==
         Names{"Reshape", "Transpose"}));
  CHECK((net.graph().nodes[1].attributes.integers("perm") == Integers{1, 0, 2}));
}

TEST_CASE("pass movement: a transpose of sizes of 1 is a reshape, there and back is nothing") {
  NetGraph net;
  const ValueId x = net.input(kFrom, counted(kFrom));
  const ValueId last = net.add("Transpose", {x}, {{"perm", Integers{0, 2, 3, 1}}});
  const ValueId first = net.add("Transpose", {last}, {{"perm", Integers{0, 3, 1, 2}}});
  net.output(net.add("Transpose", {first}));
  CHECK((left_after_pass(net, {"Transpose 'Transpose0' only changes the shape",
                               "Transpose 'Transpose1' only changes the shape",
                               "Reshape 'Transpose0' + Reshape 'Transpose1'",
                               "Reshape 'Transpose1' moves nothing"}) == Names{"Transpose"}));
}

TEST_CASE("pass movement: what others read, too, stays for them") {
  NetGraph net;
  const Shape from{2, 3};
  const ValueId turned = net.add("Transpose", {net.input(from, counted(from))});
  net.output(turned);
  net.output(net.add("Transpose", {turned}));
  CHECK((left_after_pass(net, {"Transpose 'Transpose0' + Transpose 'Transpose1'"}) ==
         Names{"Transpose", "Transpose"}));
}

TEST_CASE("folding: a few bytes of a model do not ask for any amount of memory") {
  NetGraph net;
  const ValueId one = net.constant({1}, Numbers{1});
  const ValueId large = net.add("Expand", {one, net.constant({2}, Integers{1 << 20, 1 << 10})});
  net.output(net.add("Add", {net.input({1}, Numbers{1}), large}));
  CHECK(error_of(net) ==
        "node 'Expand0' (Expand, opset 17): constants that follow from constants would have more "
        "than 536870912 elements in all");
}

TEST_CASE("every operator has a form: its attributes, opset by opset") {
  for (const Operator* op : operators()) {
    CAPTURE(std::string(op->name));
    CHECK((std::string(op->domain) == kOwnDomain || has_form(op->name)));
  }
}

namespace {

// Of a graph of one node.
std::string error_of_forms(NetGraph& net) {
  try {
    check_forms(net.graph());
  } catch (const core::Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("an attribute that the operator does not have, or not in this opset, is an error") {
  const auto error_in = [](std::int64_t opset, const std::string& op,
                           const NetGraph::AttributeList& attributes) {
    NetGraph net(opset);
    net.add(op, {net.input({1, 3, 4, 4}, counted({1, 3, 4, 4}))}, attributes);
    return error_of_forms(net);
  };
  const auto says = [](const std::string& text, const std::string& part) {
    CAPTURE(text);
    CHECK(text.find("node '") == 0);
    CHECK(text.find(part) != std::string::npos);
  };
  says(error_in(13, "Relu", {{"alpha", 0.5f}}), "(Relu, opset 13): attribute 'alpha' is unknown");
  says(error_in(13, "Squeeze", {{"axes", Integers{0}}}),
       "(Squeeze, opset 13): attribute 'axes' is known up to opset 12");
  CHECK(error_in(12, "Squeeze", {{"axes", Integers{0}}}).empty());
  const NetGraph::AttributeList pooling = {{"kernel_shape", Integers{2, 2}},
                                           {"dilations", Integers{1, 1}}};
  says(error_in(18, "AveragePool", pooling),
       "(AveragePool, opset 18): attribute 'dilations' is known from opset 19 on");
  CHECK(error_in(19, "AveragePool", pooling).empty());
}

TEST_CASE("an opset beyond the newest known form of the operator is an error that names it") {
  const auto error_in = [](std::int64_t opset, const std::string& op,
                           const NetGraph::AttributeList& attributes = {}) {
    NetGraph net(opset);
    net.add(op, {net.input({1, 4, 4, 4}, counted({1, 4, 4, 4}))}, attributes);
    return error_of_forms(net);
  };
  const NetGraph::AttributeList two = {{"blocksize", std::int64_t{2}}};
  CHECK(error_in(28, "Relu").empty());
  CHECK(error_in(29, "Relu")
            .find("(Relu, opset 29): the newest opset in which this operator is known is 28") !=
        std::string::npos);
  CHECK(error_in(27, "SpaceToDepth", two).empty());
  CHECK(error_in(28, "SpaceToDepth", two).find("is known is 27") != std::string::npos);
}
