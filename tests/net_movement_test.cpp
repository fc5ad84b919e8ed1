// Operators that move data, against loops over the indices of the result.
#include "net_graph.hpp"

#include <functional>
#include <numeric>

#include "error.hpp"

using namespace clconv::test;
using Integers = std::vector<std::int64_t>;

namespace {

// What float16 holds exactly, so that every result must be equal; neighbours differ.
Numbers counted(const Shape& shape) {
  Numbers values(static_cast<std::size_t>(elements(shape)));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(1 + i % 2039);
  return values;
}

Integers position_of(std::int64_t number, const Shape& shape) {
  Integers position(shape.size());
  for (std::size_t d = shape.size(); d-- > 0;) {
    position[d] = number % shape[d];
    number /= shape[d];
  }
  return position;
}

std::int64_t number_of(const Integers& position, const Shape& shape) {
  std::int64_t number = 0;
  for (std::size_t d = 0; d < shape.size(); ++d)
    number = number * shape[d] + position[d];
  return number;
}

// Of each position in the result, the position in the input; empty for `fill`.
using Source = std::function<Integers(const Integers&)>;

Numbers expected_of(const Numbers& x, const Shape& from, const Shape& to, const Source& source,
                    float fill = 0) {
  Numbers values;
  for (std::int64_t i = 0; i < elements(to); ++i) {
    const Integers at = source(position_of(i, to));
    values.push_back(
        at.empty() && !from.empty() ? fill : x[static_cast<std::size_t>(number_of(at, from))]);
  }
  return values;
}

core::Device& wide_gpu() {
  static core::Device& instance = [&]() -> core::Device& {
    core::DeviceProfile profile = device().profile();
    profile.family = core::Family::kGpu;
    profile.float_width = 1;
    profile.max_work_group_size = 256;
    return *new core::Device(device().context(), device().cl(), core::cache_options("", 0),
                             profile);
  }();
  return instance;
}

std::vector<RunOptions> all_options() {
  return {{core::DataType::kFloat32, nullptr},
          {core::DataType::kFloat16, nullptr},
          {core::DataType::kFloat32, &wide_gpu()},
          {core::DataType::kFloat16, &wide_gpu()},
          {core::DataType::kFloat32, &as_gpu()}};
}

// On every kind of device and in every storage.
void check_runs(const NetGraph& net, const std::vector<Numbers>& expected) {
  for (const RunOptions& options : all_options()) {
    CAPTURE(static_cast<int>(options.storage));
    CAPTURE(options.on != nullptr);
    const std::vector<Numbers> results = net.run(options);
    REQUIRE(results.size() == expected.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      CAPTURE(i);
      CHECK((results[i] == expected[i]));
    }
  }
}

// One node: on the device, and folded.
void check_node(const std::string& op, const Shape& from, const Shape& to, const Source& source,
                const std::function<std::vector<ValueId>(NetGraph&)>& other_inputs,
                const NetGraph::AttributeList& attributes = {}, std::int64_t opset = 17,
                float fill = 0) {
  CAPTURE(op);
  CAPTURE(to_string(from));
  CAPTURE(to_string(to));
  const Numbers x = counted(from);
  const Numbers expected = expected_of(x, from, to, source, fill);
  NetGraph net(opset), folded(opset);
  const auto build = [&](NetGraph& in, ValueId first) {
    std::vector<ValueId> inputs{first};
    for (const ValueId id : other_inputs(in))
      inputs.push_back(id);
    const ValueId y = in.add(op, inputs, attributes);
    in.output(y);
    return y;
  };
  const ValueId y = build(net, net.input(from, x));
  check_runs(net, {expected});
  CHECK((net.infer().value(y).shape == to));
  const ValueId z = build(folded, folded.constant(from, x));
  folded.infer();
  REQUIRE((folded.graph().value(z).constant != nullptr));
  CHECK((folded.graph().value(z).constant->floats == expected));
}

std::vector<ValueId> none(NetGraph&) {
  return {};
}

// The message of the error that inference throws.
std::string error_of(NetGraph net) {
  try {
    net.infer();
  } catch (const core::Error& error) {
    return error.what();
  }
  return "";
}

void check_transpose(const Shape& from, const Integers& perm) {
  Shape to;
  for (const std::int64_t d : perm)
    to.push_back(from[static_cast<std::size_t>(d)]);
  const auto source = [&](const Integers& at) {
    Integers result(at.size());
    for (std::size_t d = 0; d < at.size(); ++d)
      result[static_cast<std::size_t>(perm[d])] = at[d];
    return result;
  };
  check_node("Transpose", from, to, source, none, {{"perm", perm}});
}

}  // namespace

TEST_CASE("Transpose: rows, tiles, and tails of all sizes") {
  check_transpose({2, 3, 20, 17}, {0, 2, 3, 1});
  check_transpose({2, 20, 17, 3}, {0, 3, 1, 2});
  check_transpose({1, 40, 9, 11}, {0, 2, 3, 1});
  check_transpose({1, 9, 11, 40}, {0, 3, 1, 2});
  check_transpose({33, 65}, {1, 0});
  check_transpose({64, 48}, {1, 0});
  check_transpose({2, 12, 35}, {1, 0, 2});
  check_transpose({5, 7, 3, 9}, {3, 1, 0, 2});
  check_transpose({1, 130, 140}, {0, 2, 1});
  check_transpose({2, 0, 3}, {2, 1, 0});
  check_transpose({2, 3, 1, 2, 3, 2, 1, 4}, {7, 3, 0, 6, 1, 5, 2, 4});
}

TEST_CASE("Transpose: random shapes and orders") {
  std::mt19937 random(7);
  for (int i = 0; i < 25; ++i) {
    Shape shape;
    const std::size_t rank = 1 + random() % 6;
    for (std::size_t d = 0; d < rank; ++d)
      shape.push_back(1 + static_cast<std::int64_t>(random() % (rank < 4 ? 40 : 7)));
    Integers perm(rank);
    std::iota(perm.begin(), perm.end(), 0);
    std::shuffle(perm.begin(), perm.end(), random);
    check_transpose(shape, perm);
  }
}

TEST_CASE("Transpose: without an order, dimensions are reversed, a wrong order is named") {
  check_node(
      "Transpose", {3, 4, 5}, {5, 4, 3},
      [](const Integers& at) {
        return Integers{at[2], at[1], at[0]};
      },
      none);
  NetGraph net;
  net.output(
      net.add("Transpose", {net.input({2, 3}, counted({2, 3}))}, {{"perm", Integers{0, 0}}}));
  CHECK(error_of(net) == "node 'Transpose0' (Transpose, opset 17): axis 0 comes twice");
}

TEST_CASE("a channel shuffle copies whole planes") {
  NetGraph net;
  const Shape shape{2, 6, 5, 7};
  const Numbers x = counted(shape);
  const ValueId split =
      net.add("Reshape", {net.input(shape, x), net.constant({5}, Integers{2, 2, 3, 5, 7})});
  const ValueId swapped = net.add("Transpose", {split}, {{"perm", Integers{0, 2, 1, 3, 4}}});
  net.output(net.add("Reshape", {swapped, net.constant({4}, Integers{2, 6, 5, 7})}));
  check_runs(net, {expected_of(x, shape, shape, [](const Integers& at) {
               return Integers{at[0], at[1] % 2 * 3 + at[1] / 2, at[2], at[3]};
             })});
  CHECK(net.steps().size() == 1);
}

namespace {

struct SliceCase {
  Shape from;
  Integers starts, ends, axes, steps;
};

void check_slice(const SliceCase& one) {
  Integers first(one.from.size(), 0), step(one.from.size(), 1);
  Shape to = one.from;
  for (std::size_t i = 0; i < one.axes.size(); ++i) {
    const std::int64_t axis = one.axes[i], rank = static_cast<std::int64_t>(one.from.size());
    const auto d = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
    const std::int64_t size = one.from[d], by = one.steps[i];
    std::int64_t start = one.starts[i] < 0 ? one.starts[i] + size : one.starts[i];
    std::int64_t end = one.ends[i] < 0 ? one.ends[i] + size : one.ends[i];
    start = by > 0 ? std::clamp<std::int64_t>(start, 0, size)
                   : std::clamp<std::int64_t>(start, 0, size - 1);
    end = by > 0 ? std::clamp<std::int64_t>(end, 0, size)
                 : std::clamp<std::int64_t>(end, -1, size - 1);
    to[d] = 0;
    for (std::int64_t at = start; by > 0 ? at < end : at > end; at += by)
      ++to[d];
    first[d] = start;
    step[d] = by;
  }
  const auto source = [&](const Integers& at) {
    Integers result;
    for (std::size_t d = 0; d < at.size(); ++d)
      result.push_back(first[d] + at[d] * step[d]);
    return result;
  };
  const auto count = static_cast<std::int64_t>(one.axes.size());
  check_node("Slice", one.from, to, source, [&](NetGraph& net) {
    return std::vector<ValueId>{net.constant({count}, one.starts), net.constant({count}, one.ends),
                                net.constant({count}, one.axes), net.constant({count}, one.steps)};
  });
}

}  // namespace

TEST_CASE("Slice: steps of both signs, ends beyond the tensor") {
  check_slice({{2, 6, 9, 11}, {1, -5}, {4, 1000}, {1, 3}, {1, 2}});
  check_slice({{5, 40}, {3, -1}, {-100, -100}, {0, 1}, {-1, -3}});
  check_slice({{4, 33}, {0}, {33}, {-1}, {2}});
  check_slice({{4, 33}, {5}, {5}, {1}, {1}});
  check_slice({{4, 8},
               {std::numeric_limits<std::int64_t>::max()},
               {std::numeric_limits<std::int64_t>::min()},
               {1},
               {std::numeric_limits<std::int64_t>::min()}});
  check_slice({{1, 64, 8, 8}, {32}, {64}, {1}, {1}});
  check_slice({{0, 3}, {-2}, {-5}, {0}, {-1}});
  std::mt19937 random(3);
  const auto number = [&](int low, int high) {
    return low + static_cast<std::int64_t>(random() % static_cast<unsigned>(high - low + 1));
  };
  for (int i = 0; i < 25; ++i) {
    SliceCase one;
    for (std::int64_t d = 0, rank = number(1, 5); d < rank; ++d) {
      one.from.push_back(number(1, 20));
      if (number(0, 2) == 0) continue;
      one.axes.push_back(d);
      one.starts.push_back(number(-25, 25));
      one.ends.push_back(number(-25, 25));
      const std::int64_t step = number(-3, 3);
      one.steps.push_back(step == 0 ? 1 : step);
    }
    check_slice(one);
  }
}

TEST_CASE("Slice: attributes before opset 10, errors") {
  check_node(
      "Slice", {4, 5}, {4, 2},
      [](const Integers& at) {
        return Integers{at[0], at[1] + 2};
      },
      none, {{"starts", Integers{2}}, {"ends", Integers{4}}, {"axes", Integers{1}}}, 9);
  NetGraph net;
  const ValueId one = net.constant({1}, Integers{1}), zero = net.constant({1}, Integers{0});
  net.output(net.add("Slice", {net.input({4}, counted({4})), zero, one, zero, zero}));
  CHECK(error_of(net) == "node 'Slice0' (Slice, opset 17): a step is 0");
}

TEST_CASE("Slice: a part in one piece is used where it lies") {
  NetGraph net;
  const Shape shape{1, 8, 16, 16};
  const Numbers x = counted(shape);
  const ValueId turned =
      net.add("Transpose", {net.input(shape, x)}, {{"perm", Integers{0, 1, 3, 2}}});
  const ValueId part =
      net.add("Slice", {turned, net.constant({1}, Integers{2}), net.constant({1}, Integers{6}),
                        net.constant({1}, Integers{1})});
  net.output(net.add("Transpose", {part}, {{"perm", Integers{0, 1, 3, 2}}}));
  check_runs(net, {expected_of(x, shape, {1, 4, 16, 16}, [](const Integers& at) {
               return Integers{0, at[1] + 2, at[2], at[3]};
             })});
  CHECK(net.steps().size() == 2);
}

TEST_CASE("Expand and Tile") {
  const auto shape_input = [](const Integers& sizes) {
    return [=](NetGraph& net) {
      return std::vector<ValueId>{net.constant({static_cast<std::int64_t>(sizes.size())}, sizes)};
    };
  };
  check_node(
      "Expand", {3, 1, 5}, {2, 3, 4, 5},
      [](const Integers& at) {
        return Integers{at[1], 0, at[3]};
      },
      shape_input({2, 1, 4, 1}));
  check_node(
      "Expand", {3, 1}, {3, 70},
      [](const Integers& at) {
        return Integers{at[0], 0};
      },
      shape_input({3, 70}));
  check_node(
      "Expand", {}, {2, 3}, [](const Integers&) { return Integers{}; }, shape_input({2, 3}));
  check_node(
      "Expand", {1, 1, 1}, {2, 0, 3},
      [](const Integers&) {
        return Integers{0, 0, 0};
      },
      shape_input({2, 0, 3}));
  check_node(
      "Tile", {2, 3, 20}, {4, 3, 60},
      [](const Integers& at) {
        return Integers{at[0] % 2, at[1], at[2] % 20};
      },
      shape_input({2, 1, 3}));
  check_node(
      "Tile", {2, 3, 2, 3, 2, 1, 2}, {4, 6, 4, 3, 6, 2, 4},
      [](const Integers& at) {
        return Integers{at[0] % 2, at[1] % 3, at[2] % 2, at[3], at[4] % 2, 0, at[6] % 2};
      },
      shape_input({2, 2, 2, 1, 3, 2, 2}));
  check_node(
      "Tile", {2, 3}, {2, 0}, [](const Integers& at) { return at; }, shape_input({1, 0}));
}

TEST_CASE("DepthToSpace and SpaceToDepth") {
  for (const std::int64_t b : {1, 2, 3, 4}) {
    const Shape small{2, 2 * b * b, 5, 21}, large{2, 2, 5 * b, 21 * b};
    check_node(
        "DepthToSpace", small, large,
        [&](const Integers& at) {
          return Integers{at[0], (at[2] % b * b + at[3] % b) * 2 + at[1], at[2] / b, at[3] / b};
        },
        none, {{"blocksize", b}});
    check_node(
        "DepthToSpace", small, large,
        [&](const Integers& at) {
          return Integers{at[0], (at[1] * b + at[2] % b) * b + at[3] % b, at[2] / b, at[3] / b};
        },
        none, {{"blocksize", b}, {"mode", std::string("CRD")}});
    check_node("SpaceToDepth", large, small,
               [&](const Integers& at) {
                 const std::int64_t block = at[1] / 2;
                 return Integers{at[0], at[1] % 2, at[2] * b + block / b, at[3] * b + block % b};
               },
               none, {{"blocksize", b}});
  }
  NetGraph net;
  net.output(net.add("DepthToSpace", {net.input({1, 3, 2, 2}, counted({1, 3, 2, 2}))},
                     {{"blocksize", std::int64_t{2}}}));
  CHECK(error_of(net) ==
        "node 'DepthToSpace0' (DepthToSpace, opset 17): 3 channels do not divide into blocks of "
        "2x2");
}

TEST_CASE("Concat and Split along every axis") {
  for (std::size_t axis = 0; axis < 4; ++axis) {
    CAPTURE(axis);
    const Integers sizes{3, 0, 1, 9};
    Shape whole{2, 3, 5, 7}, part = whole;
    whole[axis] = 13;
    const Numbers x = counted(whole);
    std::vector<Numbers> parts;
    std::int64_t first = 0;
    for (const std::int64_t size : sizes) {
      part[axis] = size;
      parts.push_back(expected_of(x, whole, part, [&](Integers at) {
        at[axis] += first;
        return at;
      }));
      first += size;
    }
    NetGraph split, concat;
    for (const ValueId id :
         split.add_node("Split", {split.input(whole, x), split.constant({4}, sizes)}, 4,
                        {{"axis", static_cast<std::int64_t>(axis)}})) {
      split.output(id);
    }
    check_runs(split, parts);
    std::vector<ValueId> inputs;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      part[axis] = sizes[i];
      inputs.push_back(i == 2 ? concat.constant(part, parts[i]) : concat.input(part, parts[i]));
    }
    concat.output(concat.add("Concat", inputs, {{"axis", static_cast<std::int64_t>(axis)}}));
    check_runs(concat, {x});
  }
}

TEST_CASE("Split: equal parts, uneven ones, errors") {
  const auto sizes_of = [](std::int64_t opset, std::int64_t size, std::size_t outputs,
                           const NetGraph::AttributeList& attributes) {
    NetGraph net(opset);
    const auto ids =
        net.add_node("Split", {net.input({size, 2}, counted({size, 2}))}, outputs, attributes);
    net.infer();
    Integers sizes;
    for (const ValueId id : ids)
      sizes.push_back(net.shape(id)[0]);
    return sizes;
  };
  CHECK((sizes_of(11, 6, 3, {}) == Integers{2, 2, 2}));
  CHECK((sizes_of(11, 6, 2, {{"split", Integers{1, 5}}}) == Integers{1, 5}));
  CHECK((sizes_of(18, 7, 3, {{"num_outputs", std::int64_t{3}}}) == Integers{3, 3, 1}));
  CHECK_THROWS_WITH(sizes_of(13, 7, 3, {}),
                    "node 'Split0' (Split, opset 13): size 7 does not divide into 3 equal parts");
  CHECK_THROWS_WITH(sizes_of(11, 6, 2, {{"split", Integers{1, 6}}}),
                    "node 'Split0' (Split, opset 11): the parts do not sum to 6");
}

TEST_CASE("Split: ranges of channels are used where they lie") {
  NetGraph net;
  const Shape shape{1, 8, 16, 16};
  const ValueId turned =
      net.add("Transpose", {net.input(shape, counted(shape))}, {{"perm", Integers{0, 1, 3, 2}}});
  const auto parts = net.add_node("Split", {turned}, 2, {{"axis", std::int64_t{1}}});
  for (const ValueId id : parts)
    net.output(net.add("Transpose", {id}, {{"perm", Integers{0, 1, 3, 2}}}));
  std::vector<Numbers> expected;
  for (std::int64_t first : {0, 4}) {
    expected.push_back(expected_of(counted(shape), shape, {1, 4, 16, 16}, [&](const Integers& at) {
      return Integers{0, at[1] + first, at[2], at[3]};
    }));
  }
  check_runs(net, expected);
  CHECK(net.steps().size() == 3);
}

TEST_CASE("Concat: parts are made in place, through several levels and other shapes") {
  NetGraph net;
  const Shape shape{1, 4, 16, 16};
  const Integers turn{0, 1, 3, 2};
  const Numbers x = counted(shape);
  const ValueId input = net.input(shape, x);
  const ValueId a = net.add("Transpose", {input}, {{"perm", turn}});
  const ValueId b = net.add("Transpose", {input}, {{"perm", turn}});
  const ValueId flat =
      net.add("Transpose", {net.add("Reshape", {input, net.constant({3}, Integers{4, 16, 16})})},
              {{"perm", Integers{0, 2, 1}}});
  const ValueId c = net.add("Unsqueeze", {flat, net.constant({1}, Integers{0})});
  const ValueId inner = net.add("Concat", {a, b}, {{"axis", std::int64_t{1}}});
  const ValueId outer = net.add("Concat", {inner, c}, {{"axis", std::int64_t{-3}}});
  net.output(net.add("Transpose", {outer}, {{"perm", turn}}));
  check_runs(net, {expected_of(x, shape, {1, 12, 16, 16}, [](const Integers& at) {
               return Integers{0, at[1] % 4, at[2], at[3]};
             })});
  CHECK(net.steps().size() == 4);
}

TEST_CASE("Concat: what is read elsewhere, lies at an odd place or comes twice is copied") {
  NetGraph net;
  const Shape shape{1, 3, 5, 7};
  const Numbers x = counted(shape);
  const auto turned = [&](ValueId id) {
    return net.add("Transpose", {id}, {{"perm", Integers{0, 1, 3, 2}}});
  };
  const ValueId a = turned(net.input(shape, x));
  const ValueId b = turned(turned(a));
  const ValueId joined = net.add("Concat", {a, a, b, a}, {{"axis", std::int64_t{1}}});
  net.output(turned(joined));
  net.output(b);
  check_runs(net, {expected_of(x, shape, {1, 12, 5, 7},
                               [](const Integers& at) {
                                 return Integers{0, at[1] % 3, at[2], at[3]};
                               }),
                   expected_of(x, shape, {1, 3, 7, 5}, [](const Integers& at) {
                     return Integers{0, at[1], at[3], at[2]};
                   })});
}

TEST_CASE("Concat: straight into the caller's buffer") {
  NetGraph net;
  const Shape shape{1, 4, 16, 16};
  const Numbers x = counted(shape);
  const ValueId input = net.input(shape, x);
  const ValueId a = net.add("Transpose", {input}, {{"perm", Integers{0, 1, 3, 2}}});
  const ValueId b = net.add("Transpose", {input}, {{"perm", Integers{0, 1, 3, 2}}});
  const ValueId joined = net.add("Concat", {a, b}, {{"axis", std::int64_t{1}}});
  net.output(net.add("Reshape", {joined, net.constant({2}, Integers{8, -1})}));
  check_runs(net, {expected_of(x, shape, {8, 256}, [](const Integers& at) {
               return Integers{0, at[0] % 4, at[1] % 16, at[1] / 16};
             })});
  CHECK(net.steps().size() == 4);
}

namespace {

std::int64_t padded_position(const std::string& mode, std::int64_t at, std::int64_t size) {
  if (at >= 0 && at < size) return at;
  if (mode == "edge") return at < 0 ? 0 : size - 1;
  while (mode == "wrap" && at < 0)
    at += size;
  while (mode == "wrap" && at >= size)
    at -= size;
  while (mode == "reflect" && size > 1 && (at < 0 || at >= size))
    at = at < 0 ? -at : 2 * (size - 1) - at;
  if (mode == "reflect" && size == 1) return 0;
  return mode == "constant" ? -1 : at;
}

}  // namespace

TEST_CASE("Pad: all modes, also cutting off") {
  struct Case {
    Shape from;
    Integers pads;
  };
  const std::vector<Case> cases = {{{2, 3, 9, 40}, {0, 0, 2, 3, 0, 0, 1, 1}},
                                   {{2, 3, 4, 5}, {1, 0, 2, 4, 0, 2, 3, 1}},
                                   {{3, 24}, {-1, 7, 0, -3}},
                                   {{3, 24}, {2, -7, -1, 11}},
                                   {{1, 3}, {0, 8, 0, 7}},
                                   {{5}, {0, 0}},
                                   {{4, 6}, {1, 0, 1, 0}}};
  for (const Case& one : cases) {
    for (const std::string mode : {"constant", "reflect", "edge", "wrap"}) {
      CAPTURE(mode);
      const std::size_t rank = one.from.size();
      Shape to = one.from, left = one.from;
      Integers cut(rank);
      for (std::size_t d = 0; d < rank; ++d) {
        to[d] += one.pads[d] + one.pads[d + rank];
        cut[d] = std::max<std::int64_t>(-one.pads[d], 0);
        left[d] -= cut[d] + std::max<std::int64_t>(-one.pads[d + rank], 0);
      }
      const auto source = [&](const Integers& at) {
        Integers result;
        for (std::size_t d = 0; d < rank; ++d) {
          const std::int64_t shifted = at[d] - std::max<std::int64_t>(one.pads[d], 0);
          const std::int64_t from = padded_position(mode, shifted, left[d]);
          if (from < 0) return Integers{};
          result.push_back(from + cut[d]);
        }
        return result;
      };
      check_node(
          "Pad", one.from, to, source,
          [&](NetGraph& net) {
            return std::vector<ValueId>{
                net.constant({static_cast<std::int64_t>(one.pads.size())}, one.pads),
                net.constant({}, Numbers{-1.5f})};
          },
          {{"mode", mode}}, 19, -1.5f);
    }
  }
}

TEST_CASE("Pad: axes as an input, attributes before opset 11, errors") {
  check_node(
      "Pad", {2, 3, 4}, {2, 3, 7},
      [](const Integers& at) {
        return at[2] < 1 || at[2] > 4 ? Integers{} : Integers{at[0], at[1], at[2] - 1};
      },
      [](NetGraph& net) {
        return std::vector<ValueId>{net.constant({2}, Integers{1, 2}), kNoValue,
                                    net.constant({1}, Integers{-1})};
      },
      {}, 18);
  check_node(
      "Pad", {2, 3}, {2, 4},
      [](const Integers& at) {
        return at[1] == 0 ? Integers{} : Integers{at[0], at[1] - 1};
      },
      none, {{"pads", Integers{0, 1, 0, 0}}, {"value", 2.5f}}, 2, 2.5f);
  // Integers that no double holds.
  for (const std::int64_t fill : {INT64_MAX, INT64_MIN, (std::int64_t{1} << 53) + 1}) {
    NetGraph folded;
    const ValueId id =
        folded.add("Pad", {folded.constant({1}, Integers{7}), folded.constant({2}, Integers{1, 0}),
                           folded.constant({}, Integers{fill})});
    folded.infer();
    CHECK((folded.graph().value(id).constant->integers == Integers{fill, 7}));
  }
  NetGraph net;
  net.output(net.add("Pad", {net.input({2}, counted({2})), net.constant({2}, Integers{-3, 0})}));
  CHECK(error_of(net) == "node 'Pad0' (Pad, opset 17): pads dimension 0 of 2 by -3 and 0");
}

TEST_CASE("Gather along every axis, with indices of every rank") {
  const Shape from{4, 5, 36};
  const Integers indices{3, -1, 0, 1, 1, -4};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    for (const Shape& shape : {Shape{6}, Shape{2, 3}, Shape{1, 6, 1}}) {
      Shape to(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(axis));
      to.insert(to.end(), shape.begin(), shape.end());
      to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(axis) + 1, from.end());
      const auto source = [&](const Integers& at) {
        const auto begin = at.begin() + static_cast<std::ptrdiff_t>(axis);
        const auto end = begin + static_cast<std::ptrdiff_t>(shape.size());
        const std::int64_t index =
            indices[static_cast<std::size_t>(number_of(Integers(begin, end), shape))];
        Integers result(at.begin(), begin);
        result.push_back(index < 0 ? index + from[axis] : index);
        result.insert(result.end(), end, at.end());
        return result;
      };
      check_node("Gather", from, to, source,
                 [&](NetGraph& net) { return std::vector<ValueId>{net.constant(shape, indices)}; },
                 {{"axis", static_cast<std::int64_t>(axis)}});
    }
  }
  NetGraph net;
  net.output(net.add("Gather", {net.input({2}, counted({2})), net.constant({}, Integers{2})}));
  CHECK(error_of(net) == "node 'Gather0' (Gather, opset 17): index 2 is outside axis 0 of 2");
}
