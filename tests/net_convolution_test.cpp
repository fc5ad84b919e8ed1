// Conv, ConvTranspose and fully connected layers of networks against sums in double, and the passes that fuse into
// them.
#include <cmath>
#include <functional>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "doctest/doctest.h"
#include "net/choice.hpp"
#include "net_graph.hpp"
#include "support/application.hpp"

using namespace clconv::test;

namespace {

using Integers = std::vector<std::int64_t>;
using Names = std::vector<std::string>;

std::vector<double> as_doubles(const Numbers& values) {
  return {values.begin(), values.end()};
}

// Two spatial dimensions, everything as ONNX names it.
struct Geometry {
  std::int64_t n, c, h, w, k, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr, groups;
};

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

std::vector<double> convolved(const Geometry& g, const Numbers& x, const Numbers& w,
                              const Numbers& b, std::int64_t oh, std::int64_t ow) {
  std::vector<double> y(at(g.n * g.k * oh * ow));
  const std::int64_t inputs = g.c / g.groups, filters = g.k / g.groups;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(y.size()); ++i) {
    const std::int64_t col = i % ow, row = i / ow % oh, k = i / (ow * oh) % g.k,
                       n = i / (ow * oh * g.k);
    double sum = b[at(k)];
    for (std::int64_t tap = 0; tap < inputs * g.kh * g.kw; ++tap) {
      const std::int64_t q = tap % g.kw, p = tap / g.kw % g.kh, c = tap / (g.kw * g.kh);
      const std::int64_t r = row * g.sh - g.pt + p * g.dh, s = col * g.sw - g.pl + q * g.dw;
      if (r < 0 || r >= g.h || s < 0 || s >= g.w) continue;
      const std::int64_t channel = k / filters * inputs + c;
      sum += static_cast<double>(x[at(((n * g.c + channel) * g.h + r) * g.w + s)]) *
             w[at((k * inputs + c) * g.kh * g.kw + p * g.kw + q)];
    }
    y[at(i)] = sum;
  }
  return y;
}

// x (n,c,h,w), w (c, k/groups, kh, kw).
std::vector<double> scattered(const Geometry& g, const Numbers& x, const Numbers& w,
                              const Numbers& b, std::int64_t oh, std::int64_t ow) {
  std::vector<double> y(at(g.n * g.k * oh * ow));
  const std::int64_t results = g.k / g.groups, inputs = g.c / g.groups;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(y.size()); ++i)
    y[at(i)] = b[at(i / (ow * oh) % g.k)];
  for (std::int64_t i = 0; i < g.n * g.c * g.h * g.w; ++i) {
    const std::int64_t s = i % g.w, r = i / g.w % g.h, c = i / (g.w * g.h) % g.c,
                       n = i / (g.w * g.h * g.c);
    for (std::int64_t tap = 0; tap < results * g.kh * g.kw; ++tap) {
      const std::int64_t q = tap % g.kw, p = tap / g.kw % g.kh, k = tap / (g.kw * g.kh);
      const std::int64_t row = r * g.sh - g.pt + p * g.dh, col = s * g.sw - g.pl + q * g.dw;
      if (row < 0 || row >= oh || col < 0 || col >= ow) continue;
      y[at(((n * g.k + c / inputs * results + k) * oh + row) * ow + col)] +=
          static_cast<double>(x[at(i)]) * w[at((c * results + k) * g.kh * g.kw + p * g.kw + q)];
    }
  }
  return y;
}

const Geometry kGeometries[] = {
    {1, 3, 9, 8, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {2, 4, 11, 7, 6, 3, 2, 2, 1, 1, 2, 0, 1, 2, 0, 2},
    {1, 8, 5, 5, 8, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1},
    {3, 6, 6, 9, 6, 5, 3, 1, 3, 1, 1, 2, 1, 2, 1, 6},
    {1, 16, 14, 14, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
};

// The operators of a graph after a pass, and that its results stay.
Names rewritten(const char* pass, NetGraph& net, double tolerance = 1e-5) {
  const Numbers before = net.run().at(0);
  net.apply(pass);
  CHECK(worst_error(net.run().at(0), as_doubles(before)) <= tolerance);
  return net.operators();
}

ValueId add_convolution(NetGraph& net, ValueId x, unsigned seed) {
  return net.add("Conv",
                 {x, net.constant({6, 4, 3, 3}, random_numbers({6, 4, 3, 3}, seed)),
                  net.constant({6}, random_numbers(6, seed + 1))},
                 {{"pads", Integers{1, 1, 1, 1}}});
}

ValueId image(NetGraph& net) {
  return net.input({2, 4, 7, 9}, random_numbers({2, 4, 7, 9}, 1));
}

ValueId per_channel(NetGraph& net, unsigned seed, float low, float high) {
  return net.constant({6, 1, 1}, random_numbers(6, seed, low, high));
}

}  // namespace

TEST_CASE("Conv: strides, dilation, padding, groups, both storage types") {
  unsigned seed = 0;
  for (const Geometry& g : kGeometries) {
    NetGraph net;
    const Shape wshape{g.k, g.c / g.groups, g.kh, g.kw};
    const Numbers x = random_numbers({g.n, g.c, g.h, g.w}, ++seed),
                  w = random_numbers(wshape, ++seed), b = random_numbers(g.k, ++seed);
    const ValueId y = net.add(
        "Conv",
        {net.input({g.n, g.c, g.h, g.w}, x), net.constant(wshape, w), net.constant({g.k}, b)},
        {{"strides", Integers{g.sh, g.sw}},
         {"dilations", Integers{g.dh, g.dw}},
         {"pads", Integers{g.pt, g.pl, g.pb, g.pr}},
         {"group", g.groups}});
    net.output(y);
    net.infer();
    const Shape shape = net.shape(y);
    const std::vector<double> expected = convolved(g, x, w, b, shape[2], shape[3]);
    CAPTURE(to_string(wshape));
    CHECK(worst_error(net.run().at(0), expected) < 1e-4);
    RunOptions half;
    half.storage = core::DataType::kFloat16;
    CHECK(worst_error(net.run(half).at(0), expected) < 3e-2);
  }
}

TEST_CASE("ConvTranspose: strides, padding, output padding, groups") {
  unsigned seed = 50;
  for (const Geometry& g : kGeometries) {
    if (g.dh != 1 || g.dw != 1) continue;
    NetGraph net;
    const Shape wshape{g.c, g.k / g.groups, g.kh, g.kw};
    const Numbers x = random_numbers({g.n, g.c, g.h, g.w}, ++seed),
                  w = random_numbers(wshape, ++seed), b = random_numbers(g.k, ++seed);
    const ValueId y = net.add(
        "ConvTranspose",
        {net.input({g.n, g.c, g.h, g.w}, x), net.constant(wshape, w), net.constant({g.k}, b)},
        {{"strides", Integers{g.sh, g.sw}},
         {"pads", Integers{g.pt, g.pl, g.pb, g.pr}},
         {"output_padding", Integers{0, g.sw - 1}},
         {"group", g.groups}});
    net.output(y);
    net.infer();
    const Shape shape = net.shape(y);
    CHECK(shape[3] == (g.w - 1) * g.sw - g.pl - g.pr + g.kw + g.sw - 1);
    CAPTURE(to_string(wshape));
    CHECK(worst_error(net.run().at(0), scattered(g, x, w, b, shape[2], shape[3])) < 1e-4);
  }
}

TEST_CASE("one spatial dimension, auto_pad, and weights that a node makes") {
  NetGraph net;
  const Numbers x = random_numbers({2, 3, 10}, 1), w = random_numbers({4, 3, 3}, 2);
  const ValueId made = net.add("Neg", {net.input({4, 3, 3}, w)});
  const ValueId y = net.add("Conv", {net.input({2, 3, 10}, x), made},
                            {{"auto_pad", std::string("SAME_UPPER")}, {"strides", Integers{2}}});
  net.output(y);
  net.infer();
  CHECK(net.shape(y) == Shape{2, 4, 5});
  Numbers negative = w;
  for (float& value : negative)
    value = -value;
  const Geometry g{2, 3, 1, 10, 4, 1, 3, 1, 2, 1, 1, 0, 0, 0, 1, 1};
  CHECK(worst_error(net.run().at(0), convolved(g, x, negative, Numbers(4), 1, 5)) < 1e-5);
}

TEST_CASE("scales: batch normalization and constants per channel go into weights and bias") {
  NetGraph net;
  const auto numbers = [&](unsigned seed, float low, float high) {
    return net.constant({6}, random_numbers(6, seed, low, high));
  };
  const ValueId sum =
      net.add("Add", {per_channel(net, 2, -1, 1), add_convolution(net, image(net), 3)});
  const ValueId normal = net.add(
      "BatchNormalization",
      {sum, numbers(4, 0.5f, 1.5f), numbers(5, -1, 1), numbers(6, -1, 1), numbers(7, 0.5f, 2)});
  const ValueId scaled = net.add("Mul", {normal, net.constant({}, Numbers{0.5f})});
  const ValueId divided = net.add("Div", {scaled, per_channel(net, 8, 1, 2)});
  net.output(net.add("Sub", {per_channel(net, 9, -1, 1), divided}));
  CHECK(rewritten("scales", net) == Names{"Conv"});
}

TEST_CASE("scales: channels of a grouped transposed convolution") {
  NetGraph net;
  const Shape wshape{4, 3, 2, 2};
  const ValueId y =
      net.add("ConvTranspose", {image(net), net.constant(wshape, random_numbers(wshape, 2))},
              {{"group", std::int64_t{2}}, {"strides", Integers{2, 2}}});
  net.output(net.add("Mul", {y, per_channel(net, 3, -2, 2)}));
  CHECK(rewritten("scales", net) == Names{"ConvTranspose"});
}

TEST_CASE("scales: what does not run over channels, or is read elsewhere, stays") {
  NetGraph net;
  const ValueId y = add_convolution(net, image(net), 2);
  net.output(net.add("Mul", {y, net.constant({9}, random_numbers(9, 3))}));  // along the width
  CHECK(rewritten("scales", net) == Names{"Conv", "Mul"});
  NetGraph shared;
  const ValueId twice = add_convolution(shared, image(shared), 2);
  shared.output(shared.add("Mul", {twice, per_channel(shared, 3, -1, 1)}));
  shared.output(twice);
  CHECK(rewritten("scales", shared) == Names{"Conv", "Mul"});
}

TEST_CASE("padding: zeroes in front of a convolution become its own, other values do not") {
  for (const float value : {0.0f, 1.0f}) {
    NetGraph net;
    const ValueId padded =
        net.add("Pad", {image(net), net.constant({8}, Integers{0, 0, 1, 2, 0, 0, 3, 0}),
                        net.constant({}, Numbers{value})});
    net.output(add_convolution(net, padded, 2));
    CHECK(rewritten("padding", net) == (value == 0 ? Names{"Conv"} : Names{"Pad", "Conv"}));
  }
}

TEST_CASE("epilogues: activations and the sum with another branch") {
  NetGraph net;
  const ValueId x = image(net);
  const ValueId a = add_convolution(net, x, 2), b = add_convolution(net, x, 4);
  net.output(net.add("Relu", {net.add("Add", {a, b})}));
  CHECK(rewritten("epilogues", net) == Names{"Conv", "Conv"});
  CHECK(net.graph().nodes.back().attributes.text("clconv_activation", "") == "relu");
}

TEST_CASE("epilogues: every activation that a convolution can have") {
  using Build = std::function<ValueId(NetGraph&, ValueId)>;
  const Build builds[] = {
      [](NetGraph& net, ValueId v) { return net.add("Relu", {v}); },
      [](NetGraph& net, ValueId v) {
        return net.add("Clip", {v, net.constant({}, Numbers{0}), net.constant({}, Numbers{6})});
      },
      [](NetGraph& net, ValueId v) {
        return net.add("LeakyRelu", {v}, {{"alpha", 0.2f}});
      },
      [](NetGraph& net, ValueId v) { return net.add("Sigmoid", {v}); },
      [](NetGraph& net, ValueId v) { return net.add("Tanh", {v}); },
      [](NetGraph& net, ValueId v) {
        return net.add("HardSigmoid", {v}, {{"alpha", 0.3f}, {"beta", 0.4f}});
      },
      [](NetGraph& net, ValueId v) { return net.add("HardSwish", {v}); },
      [](NetGraph& net, ValueId v) {
        return net.add("PRelu", {v, per_channel(net, 5, -1, 1)});
      },
  };
  for (const Build& build : builds) {
    NetGraph net;
    net.output(build(net, add_convolution(net, image(net), 2)));
    CHECK(rewritten("epilogues", net) == Names{"Conv"});
  }
}

TEST_CASE("epilogues: what stays as it is: a result that two read, an infinite slope") {
  NetGraph net;
  const ValueId y = add_convolution(net, image(net), 2);
  net.output(net.add("Add", {net.add("Relu", {y}), net.add("Tanh", {y})}));
  CHECK(rewritten("epilogues", net) == Names{"Conv", "Relu", "Tanh", "Add"});
  NetGraph steep;
  steep.output(
      steep.add("PRelu", {add_convolution(steep, image(steep), 2), per_channel(steep, 5, 2, 3)}));
  CHECK(rewritten("epilogues", steep) == Names{"Conv"});
  NetGraph infinite;
  const ValueId slopes = infinite.constant({6, 1, 1}, std::vector<float>{1, 2, INFINITY, 0, -1, 1});
  infinite.output(infinite.add("PRelu", {add_convolution(infinite, image(infinite), 2), slopes}));
  CHECK(rewritten("epilogues", infinite) == Names{"Conv", "PRelu"});
}

TEST_CASE(
    "channel_scales: one value per image and channel from elsewhere, also behind an activation") {
  NetGraph net;
  const ValueId y =
      net.add("Conv", {image(net), net.constant({6, 4, 3, 3}, random_numbers(216, 2))},
              {{"clconv_activation", std::string("silu")}});
  const ValueId style = net.input({2, 6, 1, 1}, random_numbers(12, 3, -3, 3));
  net.output(net.add("Mul", {net.add("Tanh", {style}), y}));
  CHECK(rewritten("channel_scales", net) == Names{"Tanh", "Conv"});

  NetGraph gate;
  const ValueId x = gate.input({3, 5}, random_numbers(15, 1));
  const auto layer = [&](unsigned seed) {
    return gate.add("FullyConnected", {x, gate.constant({7, 5}, random_numbers(35, seed))}, {},
                    kOwnDomain);
  };
  const ValueId value = layer(2);
  gate.output(gate.add("Mul", {value, gate.add("Sigmoid", {layer(3)})}));
  CHECK(rewritten("channel_scales", gate) == Names{"FullyConnected", "Sigmoid", "FullyConnected"});
}

TEST_CASE("channel_scales: squeeze-and-excitation, and what is no scale, stay") {
  NetGraph net;
  const ValueId y = add_convolution(net, image(net), 2);
  net.output(net.add("Mul", {y, net.add("Sigmoid", {net.add("GlobalAveragePool", {y})})}));
  CHECK(rewritten("channel_scales", net) == Names{"Conv", "GlobalAveragePool", "Sigmoid", "Mul"});
  NetGraph whole;
  const ValueId z = add_convolution(whole, image(whole), 2);
  whole.output(whole.add("Mul", {z, whole.input({2, 6, 7, 9}, random_numbers(756, 3))}));
  CHECK(rewritten("channel_scales", whole) == Names{"Conv", "Mul"});
  NetGraph slopes;
  const ValueId v = add_convolution(slopes, image(slopes), 2);
  slopes.output(slopes.add("Mul", {v, slopes.input({1, 6, 1, 1}, random_numbers(6, 3))}));
  CHECK(rewritten("channel_scales", slopes) == Names{"Conv", "Mul"});  // one for all images
}

TEST_CASE("fully_connected: MatMul and Gemm with constant weights") {
  NetGraph net;
  const ValueId x = net.input({2, 5, 7}, random_numbers({2, 5, 7}, 1));
  const ValueId product = net.add("MatMul", {x, net.constant({7, 4}, random_numbers({7, 4}, 2))});
  const ValueId rows = net.add("Reshape", {product, net.constant({2}, Integers{10, 4})});
  net.output(net.add("Gemm",
                     {rows, net.constant({3, 4}, random_numbers({3, 4}, 3)),
                      net.constant({3}, random_numbers(3, 4))},
                     {{"transB", std::int64_t{1}}, {"alpha", 0.5f}, {"beta", 2.0f}}));
  CHECK(rewritten("fully_connected", net) == Names{"FullyConnected", "Reshape", "FullyConnected"});
}

TEST_CASE("wrong convolutions are refused with what is wrong") {
  const auto error = [](const Shape& x, const Shape& w, const NetGraph::AttributeList& attributes) {
    NetGraph net;
    net.output(net.add(
        "Conv", {net.input(x, Numbers(at(elements(x)))), net.constant(w, Numbers(at(elements(w))))},
        attributes));
    try {
      net.infer();
    } catch (const core::Error& failure) {
      return std::string(failure.what());
    }
    return std::string("nothing");
  };
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(has(error({1, 3, 8, 8}, {4, 2, 3, 3}, {}), "do not fit"));
  CHECK(has(error({1, 3, 8, 8}, {4, 3, 3, 3}, {{"strides", Integers{0, 1}}}), "strides has 0"));
  CHECK(has(error({1, 3, 8, 8}, {4, 3, 3, 3}, {{"pads", Integers{1, 1}}}),
            "pads has 2 numbers, expected 4"));
  CHECK(has(error({1, 3, 8, 8}, {4, 3, 3, 3}, {{"auto_pad", std::string("SOME")}}),
            "auto_pad is 'SOME'"));
  CHECK(has(error({1, 3, 8, 8}, {4, 3, 3, 3}, {{"kernel_shape", Integers{5, 5}}}), "kernel_shape"));
  CHECK(has(error({1, 3, 8, 8, 8}, {4, 3, 3, 3, 3}, {}), "three spatial dimensions"));
  CHECK(has(error({1, 3, 2, 2}, {4, 3, 3, 3}, {}), "Conv"));
}

TEST_CASE("a network's layers share programs as far as compiling counts") {
  const clconv::Context own(application_context(), clconv::select_device(), [] {
    clconv::ContextOptions options;
    options.wisdom_path = "off";
    return options;
  }());
  std::vector<clconv::Problem> problems;
  for (const char* text : {"n1c32h56w56k64kh1kw1", "n1c64h28w28k96kh1kw1", "n1c96h14w14k160kh1kw1",
                           "n1c160h7w7k320kh1kw1"})
    problems.push_back(clconv::Problem(text));
  std::set<std::string> by_themselves;
  const auto best_of = [&](const clconv::Problem& problem) {
    const auto chosen = nlohmann::json::parse(own.explain(problem)).at("chosen");
    return chosen.at("strategy").get<std::string>() + " " + chosen.at("config").get<std::string>();
  };
  const auto program_of = [](const std::string& variant) {  // `pixels` has one for all stages
    return std::regex_replace(variant, std::regex("stage=[1-9][0-9]*"), "stage=some");
  };
  for (const clconv::Problem& problem : problems)
    by_themselves.insert(program_of(best_of(problem)));
  const auto programs = [&](std::int64_t expected_runs) {
    clconv::PlanOptions planning;
    planning.expected_runs = expected_runs;
    const clconv::net::Choices choices = clconv::net::choose_programs(own, problems, planning);
    std::set<std::string> all;
    for (const clconv::Problem& problem : problems) {
      const auto found = choices.find(clconv::net::problem_key(problem));
      all.insert(program_of(found == choices.end()
                                ? best_of(problem)
                                : found->second.strategy + " " + found->second.config));
    }
    return all.size();
  };
  CHECK(programs(1) == 1);
  CHECK(programs(0) <= by_themselves.size());
  CHECK(programs(std::int64_t{1} << 60) == by_themselves.size());
}

// What the choice for a network counts on.
TEST_CASE("layers with and without residual and ReLU have one program of implicit_gemm") {
  const clconv::Context own(application_context(), clconv::select_device(), [] {
    clconv::ContextOptions options;
    options.wisdom_path = "off";
    return options;
  }());
  clconv::Problem plain("n1c8h9w35k40kh1kw1");
  plain.bias = 1;
  clconv::Problem other("n1c16h9w35k40kh1kw1");
  other.bias = other.residual = 1;
  other.activation = CLCONV_RELU6;
  clconv::PlanOptions planning;
  planning.rigor = CLCONV_ESTIMATE;
  planning.time_all = 1;
  const auto report = nlohmann::json::parse(own.explain(plain, planning));
  for (const std::string body : {"body=filters,", "body=pixels,"}) {
    for (const auto& candidate : report.at("candidates")) {
      const std::string config = candidate.at("config");
      const std::string status = candidate.at("status");
      if (config.rfind(body, 0) != 0 || (status != "applicable" && status != "chosen")) continue;
      clconv::PlanOptions forced;
      forced.strategy = "implicit_gemm";
      forced.config = config.c_str();
      const clconv::Plan first = own.plan(plain, forced);
      const std::int64_t programs = own.memory().programs;
      const std::string staged =
          std::regex_replace(config, std::regex("stage=[1-9][0-9]*"), "stage=16");
      forced.config = staged.c_str();
      const clconv::Plan second = own.plan(other, forced);
      CHECK(own.memory().programs == programs);
      break;
    }
  }
}
