// What is computed, by something other than the reference: values worked out by hand, the definitions of gradients and
// of transposed convolution, output padding as PyTorch has it.
#include <cmath>
#include <random>

#include "doctest/doctest.h"
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

using Values = std::vector<float>;

Values sequence(int from, int to) {
  Values values;
  for (int i = from; i <= to; ++i)
    values.push_back(static_cast<float>(i));
  return values;
}

struct Worked {
  const char* problem;
  Direction direction;
  std::vector<std::pair<Tensor, Values>> inputs;
  Values result;
};

std::vector<Worked> worked_values() {
  Values ones_with_ten(9, 1.0f);
  ones_with_ten[4] = 10;
  const Values twice_nine = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const Values nine_and_back = {1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 8, 7, 6, 5, 4, 3, 2, 1};
  constexpr Tensor kX = Tensor::kX, kW = Tensor::kW, kDy = Tensor::kDy;
  return {
      {"n1c1h3w3k1kh2kw2",
       Direction::kForward,
       {{kX, sequence(1, 9)}, {kW, {10, 11, 12, 13}}},
       {145, 191, 283, 329}},
      {"n1c2h3w3k1kh2kw2",
       Direction::kForward,
       {{kX, twice_nine}, {kW, {10, 11, 12, 13, 10, 11, 12, 13}}},
       {290, 382, 566, 658}},
      {"n1c1h3w3k2kh2kw2",
       Direction::kForward,
       {{kX, sequence(1, 9)}, {kW, sequence(10, 17)}},
       {145, 191, 283, 329, 193, 255, 379, 441}},
      {"n2c1h3w3k1kh2kw2",
       Direction::kForward,
       {{kX, sequence(1, 18)}, {kW, {1, 2, 3, 4}}},
       {37, 47, 67, 77, 127, 137, 157, 167}},
      {"n1c1h3w3k1kh2kw2",
       Direction::kForward,
       {{kX, ones_with_ten}, {kW, {1, 1, 1, -5}}},
       {-47, 7, 7, 7}},
      {"n1c2h3w3k2kh2kw2",
       Direction::kBackwardWeights,
       {{kX, nine_and_back}, {kDy, {1, 2, 3, 4, 4, 3, 2, 1}}},
       {37, 47, 67, 77, 63, 53, 33, 23, 23, 33, 53, 63, 77, 67, 47, 37}},
      {"n1c1h4w4k1kh2kw2s2",
       Direction::kBackwardData,
       {{kW, {1, 2, 3, 4}}, {kDy, {2, 1, 3, 5}}},
       {2, 4, 1, 2, 6, 8, 3, 4, 3, 6, 5, 10, 9, 12, 15, 20}},
      {"n1c1h4w4k1kh2kw2s2",
       Direction::kTransposed,
       {{kW, {1, 2, 3, 4}}, {kDy, {2, 1, 3, 5}}},
       {2, 4, 1, 2, 6, 8, 3, 4, 3, 6, 5, 10, 9, 12, 15, 20}},
  };
}

// Every candidate must give these bits.
void check_exactly(const Problem& p, const Tensors& tensors, const Values& expected) {
  for_each_candidate(device(), p, kNoLimit,
                     [&](const Strategy& strategy, const Candidate& candidate) {
                       CHECK(run(device(), strategy, p, candidate, tensors) == expected);
                     });
}

// As its caller sees it, x (n,c,h,w), w (c,k/g,kh,kw): every x is added, times the filter, to the patch of y that it
// stands for. y is rows times columns.
Reference transposed_reference(const Problem& seen, std::int64_t rows, std::int64_t columns,
                               const Values& x, const Values& w) {
  const std::int64_t cg = seen.c / seen.g, kg = seen.k / seen.g;
  const auto size = static_cast<std::size_t>(seen.n * seen.k * rows * columns);
  Reference y{std::vector<double>(size, 0.0), std::vector<double>(size, 0.0)};
  REQUIRE(x.size() == static_cast<std::size_t>(seen.n * seen.c * seen.h * seen.w));
  REQUIRE(w.size() == static_cast<std::size_t>(seen.c * kg * seen.kh * seen.kw));
  std::size_t at = 0;
  for (std::int64_t n = 0; n < seen.n; ++n)
    for (std::int64_t c = 0; c < seen.c; ++c)
      for (std::int64_t i = 0; i < seen.h; ++i)
        for (std::int64_t j = 0; j < seen.w; ++j, ++at)
          for (std::int64_t k = 0; k < kg; ++k)
            for (std::int64_t p = 0; p < seen.kh; ++p)
              for (std::int64_t q = 0; q < seen.kw; ++q) {
                const std::int64_t row = i * seen.sh - seen.pt + p * seen.dh;
                const std::int64_t column = j * seen.sw - seen.pl + q * seen.dw;
                if (row < 0 || row >= rows || column < 0 || column >= columns) continue;
                const std::int64_t plane = seen.k * n + c / cg * kg + k;
                const std::int64_t tap = ((c * kg + k) * seen.kh + p) * seen.kw + q;
                y.add(static_cast<std::size_t>((plane * rows + row) * columns + column),
                      static_cast<double>(x[at]) *
                          static_cast<double>(w[static_cast<std::size_t>(tap)]));
              }
  return y;
}

// Of the result of a transposed convolution, along one axis.
std::int64_t transposed_size(std::int64_t in, std::int64_t stride, std::int64_t before,
                             std::int64_t after, std::int64_t dilation, std::int64_t kernel,
                             std::int64_t output_pad) {
  return (in - 1) * stride - before - after + dilation * (kernel - 1) + 1 + output_pad;
}
std::int64_t transposed_height(const Problem& seen, std::int64_t output_pad) {
  return transposed_size(seen.h, seen.sh, seen.pt, seen.pb, seen.dh, seen.kh, output_pad);
}
std::int64_t transposed_width(const Problem& seen, std::int64_t output_pad) {
  return transposed_size(seen.w, seen.sw, seen.pl, seen.pr, seen.dw, seen.kw, output_pad);
}

}  // namespace

TEST_CASE("worked values, exactly") {
  for (const Worked& worked : worked_values()) {
    Problem p = in_direction(parse_problem(worked.problem), worked.direction, false);
    Tensors tensors(p);
    for (const auto& [tensor, values] : worked.inputs)
      tensors[tensor] = values;
    check_exactly(p, tensors, worked.result);
    if (worked.result.front() != -47) continue;
    p.activation = Activation::kRelu;
    check_exactly(p, tensors, {0, 7, 7, 7});
    // ReLU's backward: the gradient counts where the forward result was above 0.
    p = in_direction(p, Direction::kBackwardBias, true);
    p.accumulate = false;
    tensors[Tensor::kY] = {0, 7, 7, 7};
    tensors[Tensor::kDy] = {1.25f, 3.5f, 4.75f, 0.75f};
    check_exactly(p, tensors, {9.0f});
  }
}

TEST_CASE("gradients are the differences of the loss, by which the reference is judged too") {
  using Doubles = std::vector<double>;
  constexpr double kStep = 1e-6;
  for (const char* text : {"n2c4h6w5k6kh3kw2s2,1p1,0,1,1g2", "n2c3h7w7k4kh2kw3d2,1p1"}) {
    Problem p = parse_problem(text);
    Tensors tensors(p);
    // loss = <relu(conv(x, w) + b), dy>, straight from the definition of the convolution.
    const auto doubles = [&](Tensor t) { return Doubles(tensors[t].begin(), tensors[t].end()); };
    Doubles x = doubles(Tensor::kX), w = doubles(Tensor::kW), b = doubles(Tensor::kB);
    const Doubles dy = doubles(Tensor::kDy);
    Doubles y;
    const auto loss = [&] {
      y.assign(dy.size(), 0.0);
      for_each_product(p, [&](std::size_t at_x, std::size_t at_w, std::size_t at_y) {
        y[at_y] += x[at_x] * w[at_w];
      });
      double sum = 0;
      for (std::size_t i = 0; i < y.size(); ++i) {
        y[i] += b[i / static_cast<std::size_t>(p.oh() * p.ow()) % b.size()];
        sum += y[i] > 0 ? y[i] * dy[i] : 0.0;
      }
      return sum;
    };
    loss();
    tensors[Tensor::kY].assign(y.begin(), y.end());
    const std::pair<Direction, Doubles*> variables[] = {{Direction::kBackwardData, &x},
                                                        {Direction::kBackwardWeights, &w},
                                                        {Direction::kBackwardBias, &b}};
    for (const auto& [direction, variable] : variables) {
      p.direction = direction;
      p.mask = true;
      Reference expected = reference(p, tensors);
      for (std::size_t i = 0; i < variable->size(); ++i) {
        const double here = (*variable)[i];
        (*variable)[i] = here + kStep;
        const double above = loss();
        (*variable)[i] = here - kStep;
        const double below = loss();
        (*variable)[i] = here;
        const double difference = (above - below) / (2 * kStep);
        // The loss is linear between its kinks: what is left is 2^-53 of it, divided by the step.
        CHECK(std::fabs(difference - expected.result[i]) < 1e-7);
        expected.result[i] = difference;
        expected.magnitude[i] += 1;  // room for that
      }
      for_each_candidate(
          device(), p, kNoLimit, [&](const Strategy& strategy, const Candidate& candidate) {
            const auto result = run(device(), strategy, p, candidate, tensors);
            CHECK(worst(result, expected, std::max(1e-7, candidate.error_bound)) <= 1.0);
          });
    }
  }
}

TEST_CASE("a transposed convolution scatters every x with the weights, as it is defined") {
  // The text is that of a convolution on 9x9, since x may be smaller than the filter.
  struct Seen {
    const char* text;
    std::int64_t h, w, output_pad_h, output_pad_w;
  };
  for (const Seen& seen :
       {Seen{"n1c1h9w9k1kh2kw2", 2, 2, 0, 0}, Seen{"n2c3h9w9k5kh4kw4", 1, 1, 0, 0},
        Seen{"n2c6h9w9k4kh3kw3s2p1", 5, 4, 1, 0}, Seen{"n2c6h9w9k4kh3kw3s2,3p1g2", 4, 5, 0, 2},
        Seen{"n1c4h9w9k6kh2kw3s3p0,1,1,0d2g2", 4, 3, 2, 2},
        Seen{"n2c6h9w9k12kh3kw3s2p1g6", 3, 4, 1, 1}, Seen{"n1c3h9w9k5kh1kw1", 5, 6, 0, 0}}) {
    Problem given = parse_problem(seen.text);
    given.h = seen.h;
    given.w = seen.w;
    for (const bool epilogue : {false, true}) {
      given.bias = epilogue;
      given.activation = epilogue ? Activation::kRelu : Activation::kNone;
      const Problem p = transposed(given, seen.output_pad_h, seen.output_pad_w);
      const Tensors tensors(p);
      const std::int64_t height = transposed_height(given, seen.output_pad_h);
      const std::int64_t width = transposed_width(given, seen.output_pad_w);
      Reference expected =
          transposed_reference(given, height, width, tensors[Tensor::kDy], tensors[Tensor::kW]);
      const std::size_t size = expected.result.size();
      REQUIRE(size == tensors[Tensor::kDx].size());
      for (std::size_t i = 0; i < size && epilogue; ++i) {
        const std::size_t plane = i / static_cast<std::size_t>(height * width);
        expected.add(
            i, static_cast<double>(tensors[Tensor::kB][plane % static_cast<std::size_t>(given.k)]));
        expected.result[i] = std::max(0.0, expected.result[i]);
      }
      for_each_candidate(device(), p, kNoLimit,
                         [&](const Strategy& strategy, const Candidate& candidate) {
                           const auto result = run(device(), strategy, p, candidate, tensors);
                           CHECK(worst(result, expected, candidate.error_bound) <= 1.0);
                         });
    }
  }
}

TEST_CASE("output padding below max(stride, dilation): every candidate against the definition") {
  std::mt19937 engine(20261129);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine);
  };
  Offered offered;
  for (int round = 0, beyond = 0; round < 40 || beyond < 20; ++round) {
    Problem seen;
    seen.g = pick(1, 3) == 3 ? 2 : 1;
    seen.n = pick(1, 2), seen.c = seen.g * pick(1, 4), seen.k = seen.g * pick(1, 4);
    if (pick(0, 4) == 0) seen.g = seen.c = seen.k;
    seen.h = pick(1, 7), seen.w = pick(1, 9), seen.kh = pick(1, 3), seen.kw = pick(1, 3);
    seen.sh = pick(1, 3), seen.sw = pick(1, 3), seen.dh = pick(1, 4), seen.dw = pick(1, 4);
    seen.pt = pick(0, 2), seen.pl = pick(0, 2), seen.pb = pick(0, 2), seen.pr = pick(0, 2);
    const std::int64_t pad_h = pick(0, static_cast<int>(std::max(seen.sh, seen.dh)) - 1);
    const std::int64_t pad_w = pick(0, static_cast<int>(std::max(seen.sw, seen.dw)) - 1);
    const std::int64_t rows = transposed_height(seen, pad_h);
    const std::int64_t columns = transposed_width(seen, pad_w);
    if (rows < 1 || columns < 1) continue;
    if (pad_h < seen.sh && pad_w < seen.sw && round >= 20) continue;
    beyond += pad_h >= seen.sh || pad_w >= seen.sw ? 1 : 0;
    CAPTURE(round);
    CAPTURE(to_text(seen));
    CAPTURE(pad_h);
    CAPTURE(pad_w);
    const Problem p = transposed(seen, pad_h, pad_w);
    REQUIRE(p.h == rows);
    REQUIRE(p.w == columns);
    REQUIRE(p.oh() == seen.h);
    REQUIRE(p.ow() == seen.w);
    CHECK(to_text(parse_problem(to_text(p))) == to_text(p));
    const Tensors tensors(p);
    const auto expected =
        transposed_reference(seen, rows, columns, tensors[Tensor::kDy], tensors[Tensor::kW]);
    const auto y =
        run(device(), yardstick(), p,
            candidates_of(yardstick().offer(p, device().profile(), kNoLimit))[0], tensors);
    REQUIRE(y.size() == expected.result.size());
    for (std::size_t i = 0; i < y.size(); ++i)
      REQUIRE(std::fabs(static_cast<double>(y[i]) - expected.result[i]) <= 1e-4);
    if (static_cast<std::size_t>(round) % thinned(2) != 0) continue;
    Problem decorated = p;
    decorated.bias = decorated.residual = round % 4 == 0;
    check_problem(device(), decorated, offered);
  }
  for (const char* strategy : {"naive", "im2col_gemm", "implicit_gemm", "depthwise"}) {
    CAPTURE(std::string(strategy));
    CHECK(offered.count(std::string(strategy) + " transposed") == 1);
  }
}
