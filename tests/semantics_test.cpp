// What users expect of a problem: output padding as PyTorch has it.
#include <cmath>
#include <random>

#include "doctest/doctest.h"
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

// The definition: every x is added, times the filter, to the patch of y that it stands for.
std::vector<double> transposed_reference(const Problem& seen, std::int64_t rows,
                                         std::int64_t columns, const std::vector<float>& x,
                                         const std::vector<float>& w) {
  const std::int64_t cg = seen.c / seen.g, kg = seen.k / seen.g;
  std::vector<double> y(static_cast<std::size_t>(seen.n * seen.k * rows * columns), 0.0);
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
                const std::int64_t filter = c / cg * kg + k;
                y[static_cast<std::size_t>(((n * seen.k + filter) * rows + row) * columns +
                                           column)] +=
                    static_cast<double>(x[at]) *
                    static_cast<double>(
                        w[static_cast<std::size_t>(((c * kg + k) * seen.kh + p) * seen.kw + q)]);
              }
  return y;
}

}  // namespace

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
    const auto size = [](std::int64_t in, std::int64_t s, std::int64_t before, std::int64_t after,
                         std::int64_t d, std::int64_t k, std::int64_t pad) {
      return (in - 1) * s - before - after + d * (k - 1) + 1 + pad;
    };
    const std::int64_t rows = size(seen.h, seen.sh, seen.pt, seen.pb, seen.dh, seen.kh, pad_h);
    const std::int64_t columns = size(seen.w, seen.sw, seen.pl, seen.pr, seen.dw, seen.kw, pad_w);
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
    REQUIRE(y.size() == expected.size());
    for (std::size_t i = 0; i < y.size(); ++i)
      REQUIRE(std::fabs(static_cast<double>(y[i]) - expected[i]) <= 1e-4);
    Problem decorated = p;
    decorated.bias = decorated.residual = round % 2 == 0;
    check_problem(device(), decorated, offered);
  }
  for (const char* strategy : {"naive", "im2col_gemm", "implicit_gemm", "depthwise"}) {
    CAPTURE(std::string(strategy));
    CHECK(offered.count(std::string(strategy) + " transposed") == 1);
  }
}
