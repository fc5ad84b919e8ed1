// Reductions against their definitions in double precision.
#include <algorithm>
#include <limits>

#include "net_check.hpp"

using namespace clconv::test;

namespace {

using Integers = std::vector<std::int64_t>;
constexpr float kNanf = std::numeric_limits<float>::quiet_NaN();

const char* const kReductions[] = {"ReduceMean",   "ReduceSum",      "ReduceMax", "ReduceMin",
                                   "ReduceProd",   "ReduceL1",       "ReduceL2",  "ReduceSumSquare",
                                   "ReduceLogSum", "ReduceLogSumExp"};

double reduced(const std::string& op, const std::vector<double>& values) {
  const auto sum = [&](auto&& of) {
    double total = 0;
    for (const double value : values)
      total += of(value);
    return total;
  };
  const auto plain = [](double value) { return value; };
  const auto square = [](double value) { return value * value; };
  const auto best = [&](double start, auto&& better) {
    for (const double value : values)
      start = std::isnan(start) || std::isnan(value) ? NAN : better(start, value) ? start : value;
    return start;
  };
  const auto largest = [&] { return best(-INFINITY, [](double a, double b) { return a > b; }); };
  if (op == "ReduceSum") return sum(plain);
  if (op == "ReduceMean") return sum(plain) / static_cast<double>(values.size());
  if (op == "ReduceL1") return sum([](double value) { return std::fabs(value); });
  if (op == "ReduceSumSquare") return sum(square);
  if (op == "ReduceL2") return std::sqrt(sum(square));
  if (op == "ReduceLogSum") return std::log(sum(plain));
  if (op == "ReduceMax") return largest();
  if (op == "ReduceMin") return best(INFINITY, [](double a, double b) { return a < b; });
  if (op == "ReduceProd") {
    double product = 1;
    for (const double value : values)
      product *= value;
    return product;
  }
  const double top = largest();
  if (std::isinf(top)) return top;
  return top + std::log(sum([&](double value) { return std::exp(value - top); }));
}

bool is_in(const Integers& axes, std::size_t axis) {
  return std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(axis)) != axes.end();
}

// Groups the elements by their result, then reduces each group.
std::vector<double> expected_of(const std::string& op, const Shape& shape, const Integers& axes,
                                const Numbers& x) {
  std::int64_t results = 1;
  for (std::size_t i = 0; i < shape.size(); ++i)
    results *= is_in(axes, i) ? 1 : shape[i];
  std::vector<std::vector<double>> groups(static_cast<std::size_t>(results));
  for (std::size_t at = 0; at < x.size(); ++at) {
    auto rest = static_cast<std::int64_t>(at);
    std::int64_t place = 0, step = 1;
    for (std::size_t i = shape.size(); i-- > 0; rest /= shape[i]) {
      if (is_in(axes, i)) continue;
      place += rest % shape[i] * step;
      step *= shape[i];
    }
    groups[static_cast<std::size_t>(place)].push_back(x[at]);
  }
  std::vector<double> expected;
  for (const auto& group : groups)
    expected.push_back(reduced(op, group));
  return expected;
}

// What is summed lies near 0 or, for logarithms and products, near 1.
Numbers values_for(const std::string& op, const Shape& shape, unsigned seed) {
  const bool positive = op == "ReduceProd" || op == "ReduceLogSum";
  return random_numbers(shape, seed, positive ? 0.9F : -1, positive ? 1.1F : 1);
}

void check(const std::string& op, const Shape& shape, const Integers& axes, const Numbers& x,
           double bound = 2e-6) {
  CAPTURE(op);
  CAPTURE(to_string(shape));
  CAPTURE(axes);
  check_operator(
      {{shape, x}},
      [&](NetGraph& net, const std::vector<ValueId>& ids) {
        return net.add(op, ids, {{"axes", axes}});
      },
      [&](const std::vector<Numbers>& stored) { return expected_of(op, shape, axes, stored[0]); },
      bound);
}

}  // namespace

TEST_CASE("reductions: every kind over rows, columns and both sides of what stays") {
  for (const char* op : kReductions) {
    const Shape shape{3, 5, 37};
    for (const Integers& axes :
         {Integers{2}, Integers{1}, Integers{0}, Integers{0, 2}, Integers{0, 1, 2}})
      check(op, shape, axes, values_for(op, shape, 3));
  }
}

TEST_CASE("reductions: sizes of 1, odd sizes, many axes") {
  for (const char* op : {"ReduceMean", "ReduceMax", "ReduceL2"}) {
    check(op, {1}, {0}, {-0.5F});
    check(op, {7, 1, 3}, {1}, random_numbers(21, 1));
    check(op, {2, 3, 4, 5, 6}, {1, 3}, random_numbers(720, 2));
    check(op, {2, 3, 4, 5, 6}, {0, 2, 4}, random_numbers(720, 2));
    check(op, {1, 64, 1, 49}, {3}, random_numbers(64 * 49, 2));
    check(op, {2, 49, 200}, {1}, random_numbers(2 * 49 * 200, 2));
    check(op, {1, 7, 70000}, {1}, random_numbers(7 * 70000, 2));
  }
}

TEST_CASE("reductions: long sums stay exact enough") {
  // A plain sum of a million numbers near 1 in float32 is wrong by up to 1e-2 of it.
  const Shape shape{1000000};
  const Numbers x = random_numbers(shape, 11, 0.5F, 1.5F);
  for (const char* op : {"ReduceMean", "ReduceSum", "ReduceL2", "ReduceLogSumExp", "ReduceMax"})
    check(op, shape, {0}, x);
  check("ReduceSum", {500000, 2}, {0}, x);
  check("ReduceLogSumExp", {500000, 2}, {0}, x);
}

TEST_CASE("reductions: NaN and infinities") {
  for (const char* op : {"ReduceMax", "ReduceMin", "ReduceSum", "ReduceLogSumExp"}) {
    const Shape shape{4, 19};
    Numbers x = random_numbers(shape, 1);
    x[0] = x[30] = kNanf;
    std::fill(x.begin() + 38, x.begin() + 57, -INFINITY);
    x[60] = INFINITY;
    check(op, shape, {1}, x);
    check(op, shape, {0}, x);
  }
}

TEST_CASE("reductions: axes as an input, negative, none, and without keepdims") {
  const Shape shape{2, 3, 4};
  const Numbers x = random_numbers(shape, 6);
  NetGraph net(18);
  const ValueId id = net.input(shape, x);
  const ValueId axes = net.constant({1}, Integers{-1}), none = net.constant({0}, Integers{});
  const ValueId all = net.add("ReduceSum", {id});
  const ValueId last = net.add("ReduceSum", {id, axes}, {{"keepdims", std::int64_t{0}}});
  const ValueId noop =
      net.add("ReduceSumSquare", {id, none}, {{"noop_with_empty_axes", std::int64_t{1}}});
  const ValueId flat = net.add("ReduceMax", {id, none}, {{"keepdims", std::int64_t{0}}});
  for (const ValueId output : {all, last, noop, flat})
    net.output(output);
  const auto results = net.run();
  CHECK(worst_error(results[0], expected_of("ReduceSum", shape, {0, 1, 2}, x)) <= 1e-6);
  CHECK(worst_error(results[1], expected_of("ReduceSum", shape, {2}, x)) <= 1e-6);
  CHECK(worst_error(results[2], expected_of("ReduceSumSquare", shape, {}, x)) <= 1e-6);
  CHECK(worst_error(results[3], expected_of("ReduceMax", shape, {0, 1, 2}, x)) == 0);
  net.infer();
  CHECK(net.shape(all) == Shape{1, 1, 1});
  CHECK(net.shape(last) == Shape{2, 3});
  CHECK(net.shape(noop) == shape);
  CHECK(net.shape(flat) == Shape{});
}

TEST_CASE("reductions of constants are folded, those of shapes in integers") {
  NetGraph net(18);
  const auto folded = [&](const char* op, std::vector<std::int64_t> values) {
    const auto count = static_cast<std::int64_t>(values.size());
    const ValueId id =
        net.add(op, {net.constant({count}, std::move(values))}, {{"keepdims", std::int64_t{0}}});
    net.infer();
    return net.graph().value(id).constant->integers.at(0);
  };
  CHECK(folded("ReduceProd", {3, 1 << 20, 1 << 20}) == std::int64_t{3} << 40);
  CHECK(folded("ReduceMin", {5, -3, 7}) == -3);
  CHECK(folded("ReduceMax", {5, -3, 7}) == 7);
  CHECK(folded("ReduceSum", {5, -3, 7}) == 9);
  CHECK(folded("ReduceMean", {5, -3, 8}) == 3);
  CHECK(folded("ReduceL1", {5, -3}) == 8);
  // As a double, the largest integer is one that does not fit.
  CHECK(folded("ReduceMean", {INT64_MAX}) == INT64_MAX);
  CHECK(folded("ReduceLogSumExp", {INT64_MAX, 0}) == INT64_MAX);
  for (const char* op : kReductions) {
    const Shape shape{3, 4, 5};
    const Numbers x = values_for(op, shape, 8);
    NetGraph floats;
    const ValueId id = floats.add(op, {floats.constant(shape, x)}, {{"axes", Integers{0, 2}}});
    floats.infer();
    CAPTURE(std::string(op));
    CHECK(worst_error(floats.graph().value(id).constant->floats,
                      expected_of(op, shape, {0, 2}, x)) <= 1e-6);
  }
}

TEST_CASE("reductions over nothing give what they start from") {
  const std::pair<const char*, double> rows[] = {{"ReduceSum", 0},
                                                 {"ReduceProd", 1},
                                                 {"ReduceMax", -INFINITY},
                                                 {"ReduceMin", INFINITY},
                                                 {"ReduceL2", 0},
                                                 {"ReduceMean", NAN},
                                                 {"ReduceLogSum", -INFINITY},
                                                 {"ReduceLogSumExp", -INFINITY}};
  for (const auto& [op, start] : rows) {
    const std::string name = op;
    for (const auto& [shape, axis] : {std::pair{Shape{2, 0}, 1}, std::pair{Shape{0, 2}, 0}}) {
      CAPTURE(name);
      check_operator(
          {{shape, {}}},
          [&, &op = op, &axis = axis](NetGraph& net, const std::vector<ValueId>& ids) {
            return net.add(op, ids, {{"axes", Integers{axis}}});
          },
          [&, &start = start](const std::vector<Numbers>&) {
            return std::vector<double>(2, start);
          });
    }
  }
  check("ReduceSum", {0, 3}, {1}, {});
}

TEST_CASE("reductions: what is refused is named") {
  NetGraph net;
  net.output(net.add("ReduceSum", {net.input({2, 2}, Numbers(4))}, {{"axes", Integers{2}}}));
  CHECK(contains(refusal(net), "axis 2 is outside a tensor of rank 2"));
  NetGraph integers;
  integers.output(integers.add("ReduceSum", {integers.input({2}, Numbers(2), Type::kInt64)}));
  CHECK(contains(refusal(integers), "only floating types"));
}
