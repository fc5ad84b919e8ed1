// Products of matrices against their definition in double precision.
#include <algorithm>
#include <optional>

#include "net_check.hpp"

using namespace clconv::test;

namespace {

// The element at a place of the broadcast shape; sizes in front that are missing are 1.
std::int64_t place_in(const Shape& shape, const Shape& index) {
  std::int64_t place = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::int64_t at = index[index.size() - shape.size() + i];
    place = place * shape[i] + (shape[i] == 1 ? 0 : at);
  }
  return place;
}

std::vector<double> matmul(Shape a, Shape b, const Numbers& x, const Numbers& y) {
  if (a.size() == 1) a.insert(a.begin(), 1);
  if (b.size() == 1) b.push_back(1);
  const Shape batch_a(a.begin(), a.end() - 2), batch_b(b.begin(), b.end() - 2);
  const Shape batch = broadcast(batch_a, batch_b);
  const std::int64_t m = a[a.size() - 2], k = a.back(), n = b.back();
  std::vector<double> result;
  for (std::int64_t matrix = 0; matrix < elements(batch); ++matrix) {
    Shape index(batch.size());
    auto rest = matrix;
    for (std::size_t i = batch.size(); i-- > 0; rest /= batch[i])
      index[i] = rest % batch[i];
    const float* in_a = x.data() + place_in(batch_a, index) * m * k;
    const float* in_b = y.data() + place_in(batch_b, index) * k * n;
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::int64_t p = 0; p < k; ++p)
          sum += static_cast<double>(in_a[i * k + p]) * static_cast<double>(in_b[p * n + j]);
        result.push_back(sum);
      }
    }
  }
  return result;
}

void check_matmul(const Shape& a, const Shape& b, double bound = 5e-6) {
  CAPTURE(to_string(a));
  CAPTURE(to_string(b));
  check_operator(
      {{a, random_numbers(a, 1)}, {b, random_numbers(b, 2)}},
      [](NetGraph& net, const std::vector<ValueId>& ids) { return net.add("MatMul", ids); },
      [&](const std::vector<Numbers>& stored) { return matmul(a, b, stored[0], stored[1]); },
      bound);
}

struct GemmCase {
  std::int64_t m, n, k;
  bool transposed_a = false, transposed_b = false;
  float alpha = 1, beta = 1;
  std::optional<Shape> c = std::nullopt;
};

std::vector<double> gemm(const GemmCase& p, const std::vector<Numbers>& stored) {
  std::vector<double> result;
  for (std::int64_t i = 0; i < p.m; ++i) {
    for (std::int64_t j = 0; j < p.n; ++j) {
      double sum = 0;
      for (std::int64_t at = 0; at < p.k; ++at) {
        const std::int64_t in_a = p.transposed_a ? at * p.m + i : i * p.k + at;
        const std::int64_t in_b = p.transposed_b ? j * p.k + at : at * p.n + j;
        sum += static_cast<double>(stored[0][static_cast<std::size_t>(in_a)]) *
               static_cast<double>(stored[1][static_cast<std::size_t>(in_b)]);
      }
      sum *= p.alpha;
      if (p.c) sum += p.beta * stored[2][static_cast<std::size_t>(place_in(*p.c, {i, j}))];
      result.push_back(sum);
    }
  }
  return result;
}

void check_gemm(const GemmCase& p) {
  CAPTURE(p.m);
  CAPTURE(p.transposed_a);
  CAPTURE(p.transposed_b);
  const Shape a = p.transposed_a ? Shape{p.k, p.m} : Shape{p.m, p.k};
  const Shape b = p.transposed_b ? Shape{p.n, p.k} : Shape{p.k, p.n};
  std::vector<Tensor> inputs = {{a, random_numbers(a, 1)}, {b, random_numbers(b, 2)}};
  if (p.c) inputs.push_back({*p.c, random_numbers(*p.c, 3)});
  check_operator(
      inputs,
      [&](NetGraph& net, const std::vector<ValueId>& ids) {
        return net.add("Gemm", ids,
                       {{"transA", std::int64_t{p.transposed_a}},
                        {"transB", std::int64_t{p.transposed_b}},
                        {"alpha", p.alpha},
                        {"beta", p.beta}});
      },
      [&](const std::vector<Numbers>& stored) { return gemm(p, stored); }, 5e-6);
}

}  // namespace

TEST_CASE("matmul: every tile height, odd sizes, sizes of 1") {
  for (const std::int64_t m : {1, 2, 3, 5, 8, 13, 37}) {
    for (const std::int64_t n : {1, 15, 16, 33, 70})
      check_matmul({m, 19}, {19, n});
  }
  check_matmul({1, 1}, {1, 1});
  check_matmul({200, 300}, {300, 100}, 2e-5);
}

TEST_CASE("matmul: a batch, broadcast on either side, and operands of one dimension") {
  check_matmul({2, 3, 5, 7}, {2, 3, 7, 9});
  check_matmul({3, 5, 7}, {7, 9});
  check_matmul({5, 7}, {3, 7, 9});
  check_matmul({2, 1, 5, 7}, {3, 7, 9});
  check_matmul({4, 1, 5, 7}, {1, 3, 7, 9});
  check_matmul({7}, {7});
  check_matmul({7}, {7, 4});
  check_matmul({4, 7}, {7});
  check_matmul({2, 3, 4, 7}, {7});
  check_matmul({7}, {3, 7, 4});
  check_matmul({8, 49, 32}, {8, 32, 49});
}

TEST_CASE("matmul: long sums stay exact enough") {
  const Shape a{3, 100000}, b{100000, 5};
  // Products near 1: a plain sum in float32 would be wrong by up to 1e-3 of it.
  check_operator(
      {{a, random_numbers(a, 1, 0.9F, 1.1F)}, {b, random_numbers(b, 2, 0.9F, 1.1F)}},
      [](NetGraph& net, const std::vector<ValueId>& ids) { return net.add("MatMul", ids); },
      [&](const std::vector<Numbers>& stored) { return matmul(a, b, stored[0], stored[1]); }, 5e-6);
}

TEST_CASE("matmul: sizes of 0") {
  check_matmul({0, 3}, {3, 2});
  check_matmul({2, 0}, {0, 3});
  check_matmul({0, 2, 3}, {0, 3, 4});
}

TEST_CASE("gemm: transposed operands, factors, and what is added is broadcast") {
  for (const bool transposed_a : {false, true}) {
    for (const bool transposed_b : {false, true}) {
      check_gemm({13, 41, 29, transposed_a, transposed_b});
      for (const Shape& c :
           {Shape{13, 41}, Shape{41}, Shape{13, 1}, Shape{1, 41}, Shape{}, Shape{1}}) {
        check_gemm({13, 41, 29, transposed_a, transposed_b, 0.5F, -2, c});
      }
    }
  }
  check_gemm({1, 1000, 100, false, true, 1, 1, Shape{1000}});
}

TEST_CASE("products of constants are folded") {
  NetGraph net;
  const ValueId a = net.constant({2, 3}, Numbers{1, 2, 3, 4, 5, 6});
  const ValueId b = net.constant({3, 1}, Numbers{1, 0, -1});
  const ValueId product = net.add("MatMul", {a, b});
  const ValueId more =
      net.add("Gemm", {a, b, net.constant({1}, Numbers{10})}, {{"alpha", 2.0F}, {"beta", 0.5F}});
  const ValueId integers = net.add("MatMul", {net.constant({2}, std::vector<std::int64_t>{3, 4}),
                                              net.constant({2}, std::vector<std::int64_t>{5, -6})});
  const auto pair = [&](std::int64_t first, std::int64_t second) {
    return net.constant({2}, std::vector<std::int64_t>{first, second});
  };
  const ValueId wrapped = net.add("MatMul", {pair(INT64_MAX, INT64_MAX), pair(2, 2)});
  net.infer();
  CHECK(net.graph().value(product).constant->floats == Numbers{-2, -2});
  CHECK(net.graph().value(more).constant->floats == Numbers{1, 1});
  CHECK(net.graph().value(integers).constant->integers == std::vector<std::int64_t>{-9});
  CHECK(net.graph().value(wrapped).constant->integers == std::vector<std::int64_t>{-4});
}

TEST_CASE("products: what is refused is named") {
  const auto message = [](const char* op, std::initializer_list<Shape> shapes) {
    NetGraph net;
    std::vector<ValueId> inputs;
    for (const Shape& shape : shapes)
      inputs.push_back(net.input(shape, random_numbers(shape, 1)));
    net.output(net.add(op, inputs));
    return refusal(net);
  };
  CHECK(contains(message("MatMul", {{2, 3}, {2, 3}}), "shapes 2x3 and 2x3 cannot be multiplied"));
  CHECK(contains(message("MatMul", {{2, 2, 3}, {4, 3, 2}}), "2 and 4 do not broadcast"));
  CHECK(contains(message("MatMul", {{}, {3}}), "expected rank 1"));
  CHECK(contains(message("Gemm", {{2, 3}, {2, 3}}), "shapes 2x3 and 2x3 cannot be multiplied"));
  CHECK(contains(message("Gemm", {{2, 3}, {3, 4}, {3}}), "is 3, which does not broadcast to 2x4"));
  CHECK(contains(message("Gemm", {{2, 3, 1}, {3, 4}}), "expected rank 2"));
}
