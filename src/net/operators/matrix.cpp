// MatMul and Gemm. Small products of constants are folded on the host; those with constant weights are fully connected
// layers.
#include <algorithm>

#include "net/lowering.hpp"
#include "net/operator.hpp"
#include "net/operators/fully_connected.hpp"
#include "net/operators/multiply.hpp"
#include "problem.hpp"

namespace clconv::net {
namespace {

// A shape as matrices behind the sizes of a batch.
struct Matrices {
  Shape batch;
  std::int64_t rows = 1, columns = 1;
};

Matrices matrices_of(const Shape& shape, bool is_column) {
  Matrices result;
  const std::size_t rank = shape.size();
  if (rank == 1) {
    (is_column ? result.rows : result.columns) = shape[0];
    return result;
  }
  result.batch.assign(shape.begin(), shape.end() - 2);
  result.rows = shape[rank - 2];
  result.columns = shape[rank - 1];
  return result;
}

// For each element of `to`, the element of `from` that is broadcast to it.
std::vector<cl_int> broadcast_places(const Shape& from, const Shape& to) {
  std::vector<cl_int> places(static_cast<std::size_t>(elements(to)));
  for (std::size_t at = 0; at < places.size(); ++at) {
    auto rest = static_cast<std::int64_t>(at);
    std::int64_t place = 0, step = 1;
    for (std::size_t i = 1; i <= from.size(); ++i) {
      const std::int64_t wanted = to[to.size() - i], size = from[from.size() - i];
      if (size != 1) place += rest % wanted * step;
      step *= size;
      rest /= wanted;
    }
    places[at] = static_cast<cl_int>(place);
  }
  return places;
}

[[noreturn]] void do_not_fit(const NodeView& view) {
  view.invalid("inputs of shapes " + to_string(view.shape(0)) + " and " + to_string(view.shape(1)) +
               " cannot be multiplied");
}

void expect_operands(const NodeView& view) {
  const bool folded = view.constant(0) != nullptr && view.constant(1) != nullptr;
  for (std::size_t i = 0; i < 2; ++i) {
    if (!folded) view.expect_floating(i);
  }
  if (is_floating(view.type(0)) != is_floating(view.type(1))) {
    view.invalid(std::string("inputs are ") + to_string(view.type(0)) + " and " +
                 to_string(view.type(1)));
  }
}

Shape matmul_batch(const NodeView& view) {
  return broadcast(matrices_of(view.shape(0), false).batch, matrices_of(view.shape(1), true).batch);
}

Product matmul_product(const NodeView& view) {
  const Matrices a = matrices_of(view.shape(0), false), b = matrices_of(view.shape(1), true);
  Product product;
  product.m = a.rows;
  product.n = b.columns;
  product.k = a.columns;
  product.a_matrices = elements(a.batch);
  product.b_matrices = elements(b.batch);
  const Shape batch = matmul_batch(view);
  if (product.b_matrices == 1 && product.a_matrices == elements(batch)) {
    // One b for all: the rows of all a's are multiplied with it.
    product.m *= product.a_matrices;
    product.a_matrices = 1;
    product.a_of = product.b_of = {0};
    return product;
  }
  if (elements(batch) > INT32_MAX) view.unsupported("a batch of " + to_string(batch));
  product.a_of = broadcast_places(a.batch, batch);
  product.b_of = broadcast_places(b.batch, batch);
  return product;
}

void infer_matmul(Inference& inference) {
  inference.expect_inputs(2, 2);
  expect_operands(inference);
  inference.expect_rank(0, 1, SIZE_MAX);
  inference.expect_rank(1, 1, SIZE_MAX);
  const Matrices a = matrices_of(inference.shape(0), false);
  const Matrices b = matrices_of(inference.shape(1), true);
  if (a.columns != b.rows) do_not_fit(inference);
  Shape result = matmul_batch(inference);
  if (inference.shape(0).size() > 1) result.push_back(a.rows);
  if (inference.shape(1).size() > 1) result.push_back(b.columns);
  inference.output(0, inference.type(0), result);
}

Product gemm_product(const NodeView& view) {
  Product product;
  product.transposed_a = view.attributes().integer("transA", 0) != 0;
  product.transposed_b = view.attributes().integer("transB", 0) != 0;
  const Shape &a = view.shape(0), &b = view.shape(1);
  product.m = a[product.transposed_a ? 1 : 0];
  product.k = a[product.transposed_a ? 0 : 1];
  product.n = b[product.transposed_b ? 0 : 1];
  if (b[product.transposed_b ? 1 : 0] != product.k) do_not_fit(view);
  product.a_of = product.b_of = {0};
  product.alpha = view.attributes().number("alpha", 1);
  product.beta = view.attributes().number("beta", 1);
  product.add_c = view.has_input(2) && product.beta != 0;
  if (!view.has_input(2)) return product;
  const Shape& c = view.shape(2);
  const std::int64_t columns = c.empty() ? 1 : c.back();
  const std::int64_t rows = c.size() < 2 ? 1 : c[0];
  const bool fits = (rows == 1 || rows == product.m) && (columns == 1 || columns == product.n);
  if (c.size() > 2 || !fits) {
    view.invalid("input '" + view.input(2).name + "' is " + to_string(c) +
                 ", which does not broadcast to " + to_string(Shape{product.m, product.n}));
  }
  product.c_column = columns == 1 ? 0 : 1;
  product.c_row = rows == 1 ? 0 : columns;
  return product;
}

void infer_gemm(Inference& inference) {
  inference.expect_inputs(2, 3);
  expect_operands(inference);
  for (std::size_t i = 0; i < inference.input_count(); ++i) {
    if (!inference.has_input(i)) continue;
    if (i < 2) inference.expect_rank(i, 2, 2);
    inference.expect_floating(i);
  }
  const Product product = gemm_product(inference);
  inference.output(0, inference.type(0), {product.m, product.n});
}

// Of input i, the element as a double or an integer.
double value_of(const Constant& constant, std::int64_t at, double) {
  return constant.number(static_cast<std::size_t>(at));
}
std::int64_t value_of(const Constant& constant, std::int64_t at, std::int64_t) {
  return constant.integers[static_cast<std::size_t>(at)];
}

double multiplied_and_added(double a, double b, double sum) {
  return sum + a * b;
}
// Wraps around, as sums and products of a network's integers do.
std::int64_t multiplied_and_added(std::int64_t a, std::int64_t b, std::int64_t sum) {
  const auto bits = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
  return static_cast<std::int64_t>(bits(sum) + bits(a) * bits(b));
}

template <class Number>
Number dot(const Constant& a, const Constant& b, const Product& p, std::int64_t at) {
  const std::int64_t row = at / p.n % p.m, column = at % p.n;
  const auto matrix = static_cast<std::size_t>(at / p.n / p.m);
  const std::int64_t from_a = p.a_of[matrix] * p.m * p.k, from_b = p.b_of[matrix] * p.k * p.n;
  Number sum = 0;
  for (std::int64_t i = 0; i < p.k; ++i) {
    const std::int64_t in_a = p.transposed_a ? i * p.m + row : row * p.k + i;
    const std::int64_t in_b = p.transposed_b ? column * p.k + i : i * p.n + column;
    sum = multiplied_and_added(value_of(a, from_a + in_a, Number{}),
                               value_of(b, from_b + in_b, Number{}), sum);
  }
  return sum;
}

// Larger products of weights are left to the device.
constexpr std::int64_t kMostFolded = std::int64_t{1} << 24;

void fold(Evaluation& evaluation, const Product& p) {
  const Constant &a = evaluation.constant_input(0), &b = evaluation.constant_input(1);
  const bool floating = is_floating(a.type);
  const std::int64_t results = core::saturating_product(p.batch(), p.m, p.n);
  if (floating && core::saturating_product(results, p.k) > kMostFolded) return;
  auto result = std::make_shared<Constant>();
  result->type = a.type;
  result->shape = *evaluation.graph().value(evaluation.node().outputs[0]).shape;
  for (std::int64_t at = 0; at < results; ++at) {
    if (!floating) {
      result->integers.push_back(dot<std::int64_t>(a, b, p, at));
      continue;
    }
    double value = static_cast<double>(p.alpha) * dot<double>(a, b, p, at);
    if (p.add_c) {
      const std::int64_t in_c = at / p.n * p.c_row + at % p.n * p.c_column;
      value += static_cast<double>(p.beta) * value_of(evaluation.constant_input(2), in_c, 0.0);
    }
    result->floats.push_back(static_cast<float>(value));
  }
  evaluation.output(0, result);
}

void evaluate_matmul(Evaluation& evaluation) {
  fold(evaluation, matmul_product(evaluation));
}
void evaluate_gemm(Evaluation& evaluation) {
  fold(evaluation, gemm_product(evaluation));
}

void lower(Lowering& lowering, const Product& product) {
  const std::int64_t results = elements(lowering.output_shape(0));
  if (results == 0) {
    lowering.out(0);
  } else if (product.k == 0) {
    if (product.add_c) lowering.unsupported("sums of no products plus a third input");
    const std::vector<float> zeros(static_cast<std::size_t>(results), 0);
    lowering.alias(0, lowering.upload_stored("zeros", zeros));
  } else {
    lower_product(lowering, product);
  }
}

void lower_matmul(Lowering& lowering) {
  if (!lower_fully_connected(lowering)) lower(lowering, matmul_product(lowering));
}
void lower_gemm(Lowering& lowering) {
  if (!lower_fully_connected(lowering)) lower(lowering, gemm_product(lowering));
}

}  // namespace

Operators matrix_operators();
Operators matrix_operators() {
  return {{"MatMul", "", 7, infer_matmul, evaluate_matmul, lower_matmul},
          {"Gemm", "", 7, infer_gemm, evaluate_gemm, lower_gemm}};
}

}  // namespace clconv::net
