// The passes `identities`, `activations`, `input_scales` and `elementwise`: what they make of a graph, what they leave,
// and that the results stay.
#include <functional>

#include "doctest/doctest.h"
#include "net_graph.hpp"

using namespace clconv::test;

namespace {

using Names = std::vector<std::string>;

// Builds a graph on an input of `shape`, applies the pass, and checks that it changes no result.
struct Rewritten {
  Names operators;
  Changes changes;
  std::vector<std::string> steps;

  Rewritten(const char* pass, const Shape& shape,
            const std::function<ValueId(NetGraph&, ValueId)>& build, std::int64_t opset = 17,
            double tolerance = 5e-6) {
    NetGraph net(opset);
    net.output(build(net, net.input(shape, random_numbers(shape, 1, -5, 5))));
    const Numbers before = net.run().at(0);
    changes = net.apply(pass);
    operators = net.operators();
    steps = net.steps();
    const std::vector<double> expected(before.begin(), before.end());
    CHECK(worst_error(net.run().at(0), expected) <= tolerance);
    RunOptions gpu;
    gpu.on = &as_gpu();
    CHECK(worst_error(net.run(gpu).at(0), expected) <= tolerance);
  }
};

const Shape kShape{2, 3, 5, 7};

ValueId scalar(NetGraph& net, float value) {
  return net.constant({}, Numbers{value});
}

// min(max(x + 3, 0), 6)
ValueId ramp(NetGraph& net, ValueId x, bool swapped = false) {
  const ValueId three = scalar(net, 3);
  const ValueId sum = swapped ? net.add("Add", {three, x}) : net.add("Add", {x, three});
  if (net.graph().opset < 11) return net.add("Clip", {sum}, {{"min", 0.0f}, {"max", 6.0f}});
  return net.add("Clip", {sum, scalar(net, 0), scalar(net, 6)});
}

}  // namespace

TEST_CASE("identities vanish, also in front of an output") {
  const Rewritten inside("identities", kShape, [](NetGraph& net, ValueId x) {
    const ValueId same = net.add("Identity", {net.add("Relu", {x})});
    const ValueId cast = net.add("Cast", {same}, {{"to", std::int64_t{1}}});
    return net.add("Neg", {net.add_node("Dropout", {cast}, 2)[0]});
  });
  CHECK(inside.operators == Names{"Relu", "Neg"});
  CHECK(inside.changes.size() == 3);
  CHECK(inside.changes[0] == "Identity 'Identity1'");
  const Rewritten last("identities", kShape, [](NetGraph& net, ValueId x) {
    return net.add("Identity", {net.add("Identity", {net.add("Relu", {x})})});
  });
  CHECK(last.operators == Names{"Relu"});
}

TEST_CASE("an output keeps its name, and an input that is an output its identity") {
  NetGraph net;
  const ValueId relu = net.add("Relu", {net.input(kShape, random_numbers(kShape, 1))});
  const ValueId same = net.add("Identity", {relu});
  net.graph().value(same).name = "result";
  net.output(same);
  net.output(net.add("Neg", {relu}));
  CHECK(net.apply("identities").size() == 1);
  CHECK(net.operators() == Names{"Relu", "Neg"});
  CHECK(net.graph().value(net.graph().outputs[0]).name == "result");
  CHECK(net.run().at(1)[5] == -net.run().at(0)[5]);

  NetGraph through;
  through.output(through.add("Identity", {through.input({3}, {1, 2, 3})}));
  CHECK(through.apply("identities").empty());
  CHECK(through.run().at(0) == Numbers{1, 2, 3});
}

TEST_CASE("hard-swish is recognised in every order") {
  const std::vector<std::function<ValueId(NetGraph&, ValueId)>> forms = {
      [](NetGraph& net, ValueId x) {
        return net.add("Div", {net.add("Mul", {x, ramp(net, x)}), scalar(net, 6)});
      },
      [](NetGraph& net, ValueId x) {
        return net.add("Mul", {x, net.add("Div", {ramp(net, x, true), scalar(net, 6)})});
      },
      [](NetGraph& net, ValueId x) {
        return net.add("Mul", {net.add("Mul", {ramp(net, x), x}), scalar(net, 1.0f / 6)});
      },
      [](NetGraph& net, ValueId x) {
        return net.add("Mul", {net.add("Mul", {scalar(net, 0.16666f), ramp(net, x)}), x});
      },
      [](NetGraph& net, ValueId x) {
        return net.add("Mul", {net.add("Div", {x, scalar(net, 6)}), ramp(net, x)});
      },
      [](NetGraph& net, ValueId x) {
        return net.add("Mul", {x, net.add("HardSigmoid", {x}, {{"alpha", 1.0f / 6}})});
      },
  };
  for (const auto& form : forms) {
    for (const std::int64_t opset : {10, 17}) {
      const Rewritten result("activations", kShape, form, opset, 1e-4);
      CHECK(result.operators == Names{"HardSwish"});
      CHECK(result.changes.size() == 1);
    }
  }
}

TEST_CASE("GELU, SiLU, Mish, softplus and hard sigmoid are recognised") {
  const auto erf = [](NetGraph& net, ValueId x) {
    const ValueId root = scalar(net, std::sqrt(2.0f));
    return net.add("Add", {net.add("Erf", {net.add("Div", {x, root})}), scalar(net, 1)});
  };
  const auto check = [](const char* op, const std::function<ValueId(NetGraph&, ValueId)>& form) {
    const Rewritten result("activations", kShape, form);
    CHECK(result.operators == Names{op});
    CHECK(result.changes == Changes{result.changes.at(0)});
  };
  check("Gelu", [&](NetGraph& net, ValueId x) {
    return net.add("Mul", {net.add("Mul", {x, erf(net, x)}), scalar(net, 0.5f)});
  });
  check("Gelu", [&](NetGraph& net, ValueId x) {
    return net.add("Mul", {net.add("Mul", {x, scalar(net, 0.5f)}), erf(net, x)});
  });
  check("Gelu", [&](NetGraph& net, ValueId x) {
    return net.add("Mul", {x, net.add("Mul", {scalar(net, 0.5f), erf(net, x)})});
  });
  check("GeluTanh", [&](NetGraph& net, ValueId x) {
    const ValueId cube = net.add("Pow", {x, scalar(net, 3)});
    const ValueId sum = net.add("Add", {x, net.add("Mul", {cube, scalar(net, 0.044715f)})});
    const ValueId tanh = net.add("Tanh", {net.add("Mul", {sum, scalar(net, 0.7978846f)})});
    const ValueId one = net.add("Add", {scalar(net, 1), tanh});
    return net.add("Mul", {net.add("Mul", {x, scalar(net, 0.5f)}), one});
  });
  check("SiLU", [](NetGraph& net, ValueId x) {
    return net.add("Mul", {net.add("Sigmoid", {x}), x});
  });
  check("Mish", [](NetGraph& net, ValueId x) {
    return net.add("Mul", {x, net.add("Tanh", {net.add("Softplus", {x})})});
  });
  check("Mish", [](NetGraph& net, ValueId x) {
    const ValueId sum = net.add("Add", {net.add("Exp", {x}), scalar(net, 1)});
    return net.add("Mul", {x, net.add("Tanh", {net.add("Log", {sum})})});
  });
  check("Softplus", [](NetGraph& net, ValueId x) {
    return net.add("Log", {net.add("Add", {net.add("Exp", {x}), scalar(net, 1)})});
  });
  check("HardSigmoid", [](NetGraph& net, ValueId x) {
    return net.add("Div", {ramp(net, x), scalar(net, 6)});
  });
}

TEST_CASE("what only resembles an activation stays") {
  const auto check = [](const Names& operators,
                        const std::function<ValueId(NetGraph&, ValueId)>& form) {
    const Rewritten result("activations", kShape, form);
    CHECK(result.operators == operators);
    CHECK(result.changes.empty());
  };
  check({"Neg", "Sigmoid", "Mul"}, [](NetGraph& net, ValueId x) {  // of another value
    return net.add("Mul", {x, net.add("Sigmoid", {net.add("Neg", {x})})});
  });
  check({"Add", "Clip", "Mul", "Div"}, [](NetGraph& net, ValueId x) {  // another divisor
    return net.add("Div", {net.add("Mul", {x, ramp(net, x)}), scalar(net, 5)});
  });
  check({"Sigmoid", "Mul", "Add"}, [](NetGraph& net, ValueId x) {  // read by another node, too
    const ValueId sigmoid = net.add("Sigmoid", {x});
    return net.add("Add", {net.add("Mul", {x, sigmoid}), sigmoid});
  });
  check({"Div", "Add", "Clip", "Add", "Div"},
        [](NetGraph& net, ValueId x) {  // a quotient, no product
          return net.add("Div", {net.add("Div", {x, scalar(net, 6)}),
                                 net.add("Add", {ramp(net, x), scalar(net, 9)})});
        });
}

TEST_CASE("an activation inside a product is recognised, what is around it stays") {
  const Rewritten result("activations", kShape, [](NetGraph& net, ValueId x) {
    const ValueId swish = net.add("Div", {net.add("Mul", {x, ramp(net, x)}), scalar(net, 6)});
    return net.add("Mul", {swish, net.constant({3, 1, 1}, Numbers{1, 2, 3})});
  });
  CHECK(result.operators == Names{"HardSwish", "Mul"});
}

TEST_CASE("a chain and a tree of element-wise operators become one kernel") {
  const Rewritten chain("elementwise", kShape, [](NetGraph& net, ValueId x) {
    const ValueId y =
        net.add("LeakyRelu", {net.add("Add", {x, scalar(net, 2)})}, {{"alpha", 0.1f}});
    return net.add("Mul", {y, net.constant({3, 1, 1}, Numbers{1, 2, 3})});
  });
  CHECK(chain.operators == Names{"Elementwise"});
  CHECK(chain.steps == Names{"Add+LeakyRelu+Mul"});
  CHECK(chain.changes == Changes{"Add 'Add0' + LeakyRelu 'LeakyRelu1' + Mul 'Mul2'"});

  // Both branches read what is computed once.
  const Rewritten tree("elementwise", kShape, [](NetGraph& net, ValueId x) {
    const ValueId shared = net.add("Exp", {net.add("Clip", {x, scalar(net, -2), scalar(net, 2)})});
    const ValueId left = net.add("Sqrt", {shared});
    const ValueId right = net.add("Pow", {shared, scalar(net, 2)});
    return net.add("Sub", {net.add("Mul", {left, left}), right});
  });
  CHECK(tree.operators == Names{"Elementwise"});

  const Rewritten normalized("elementwise", kShape, [](NetGraph& net, ValueId x) {
    std::vector<ValueId> inputs = {x};
    for (const float value : {2.0f, 1.0f, 0.5f, 4.0f})
      inputs.push_back(net.constant({3}, Numbers{value, value + 1, value + 2}));
    return net.add("Relu", {net.add("BatchNormalization", inputs)});
  });
  CHECK(normalized.steps == Names{"MultiplyAdd+Relu"});
}

TEST_CASE("what others read, and what would be computed many times, stays a node of its own") {
  const Rewritten shared("elementwise", kShape, [](NetGraph& net, ValueId x) {
    const ValueId exp = net.add("Exp", {x});
    net.output(exp);
    return net.add("Neg", {exp});
  });
  CHECK(shared.operators == Names{"Exp", "Neg"});
  const Rewritten broadcast("elementwise", Shape{3, 1, 1}, [](NetGraph& net, ValueId x) {
    const ValueId large = net.input(kShape, random_numbers(kShape, 2));
    return net.add("Mul", {net.add("Sigmoid", {x}), large});
  });
  CHECK(broadcast.operators == Names{"Sigmoid", "Mul"});
}

TEST_CASE("constants of one element may lend the result their rank") {
  const Rewritten result("elementwise", {7}, [](NetGraph& net, ValueId x) {
    return net.add("Relu", {net.add("Add", {x, net.constant({1, 1, 1}, Numbers{1})})});
  });
  CHECK(result.operators == Names{"Elementwise"});
}

TEST_CASE("a kernel of a fused tree reads at most 8 buffers") {
  const Rewritten wide("elementwise", kShape, [](NetGraph& net, ValueId x) {
    ValueId sum = x;
    for (unsigned i = 0; i < 12; ++i)
      sum = net.add("Add", {sum, net.input(kShape, random_numbers(kShape, i))});
    return sum;
  });
  CHECK(wide.operators == Names{"Elementwise", "Elementwise"});
  CHECK(wide.changes.size() == 2);
}

TEST_CASE("what scales and shifts a convolution's input goes into its weights and bias") {
  const Shape shape{2, 4, 6, 5};
  const auto convolution = [](NetGraph& net, ValueId x, std::int64_t groups, std::int64_t pad,
                              bool bias) {
    const Shape weights{6, 4 / groups, 3, 3};
    std::vector<ValueId> inputs = {x, net.constant(weights, random_numbers(weights, 9))};
    if (bias) inputs.push_back(net.constant({6}, random_numbers(6, 10)));
    return net.add("Conv", inputs,
                   {{"group", groups}, {"pads", std::vector<std::int64_t>{pad, pad, pad, pad}}});
  };
  for (const std::int64_t groups : {1, 2}) {
    for (const bool bias : {false, true}) {
      const Rewritten both("input_scales", shape, [&](NetGraph& net, ValueId x) {
        const ValueId relu = net.add("Relu", {x});
        const ValueId product =
            net.add("Mul", {net.constant({4, 1, 1}, Numbers{2, -1, 0.5f, 3}), relu});
        return convolution(net, net.add("Sub", {scalar(net, 1), product}), groups, 0, bias);
      });
      CHECK(both.operators == Names{"Relu", "Conv"});
      CHECK(both.changes.size() == 2);
    }
  }
  // The padding's zeros are neither scaled nor shifted.
  const Rewritten padded("input_scales", shape, [&](NetGraph& net, ValueId x) {
    const ValueId product = net.add("Div", {net.add("Relu", {x}), scalar(net, 3)});
    return convolution(net, product, 1, 1, false);
  });
  CHECK(padded.operators == Names{"Relu", "Conv"});
  const Rewritten shifted("input_scales", shape, [&](NetGraph& net, ValueId x) {
    return convolution(net, net.add("Add", {net.add("Relu", {x}), scalar(net, 3)}), 1, 1, false);
  });
  CHECK(shifted.operators == Names{"Relu", "Add", "Conv"});
  // Several readers: all convolutions, or none takes it.
  const Rewritten two("input_scales", shape, [&](NetGraph& net, ValueId x) {
    const ValueId product = net.add("Mul", {net.add("Relu", {x}), scalar(net, 3)});
    return net.add("Sub",
                   {convolution(net, product, 1, 1, true), convolution(net, product, 2, 1, true)});
  });
  CHECK(two.operators == Names{"Relu", "Conv", "Conv", "Sub"});
  const Rewritten shared("input_scales", shape, [&](NetGraph& net, ValueId x) {
    const ValueId product = net.add("Mul", {net.add("Relu", {x}), scalar(net, 3)});
    net.output(product);
    return convolution(net, product, 1, 1, true);
  });
  CHECK(shared.operators == Names{"Relu", "Mul", "Conv"});
}
