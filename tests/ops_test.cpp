// im2col, col2im and GEMM against their definitions.
#include "doctest/doctest.h"
#include "ops/gemm.hpp"
#include "ops/im2col.hpp"
#include "ops/quotient.hpp"
#include "support/device.hpp"
#include "support/errors.hpp"
#include "support/reference.hpp"
#include "support/suites.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

constexpr ColumnsLayout kLayouts[] = {ColumnsLayout::kRows, ColumnsLayout::kColumns};
constexpr Col2imVariant kVariants[] = {Col2imVariant::kGather, Col2imVariant::kAtomic};

// Calls visit(index in x or -1, index in cols) for every entry of the matrix.
template <class Visit>
void for_each_entry(const Problem& p, ColumnsLayout layout, Visit&& visit) {
  const std::int64_t reduction = p.c * p.kh * p.kw, pixels = p.oh() * p.ow();
  for (std::int64_t n = 0; n < p.n; ++n)
    for (std::int64_t i = 0; i < p.oh(); ++i)
      for (std::int64_t j = 0; j < p.ow(); ++j)
        for (std::int64_t c = 0; c < p.c; ++c)
          for (std::int64_t kh = 0; kh < p.kh; ++kh)
            for (std::int64_t kw = 0; kw < p.kw; ++kw) {
              const std::int64_t row = i * p.sh - p.pt + kh * p.dh,
                                 col = j * p.sw - p.pl + kw * p.dw;
              const bool inside = row >= 0 && row < p.h && col >= 0 && col < p.w;
              const std::int64_t r = (c * p.kh + kh) * p.kw + kw, pixel = i * p.ow() + j;
              visit(inside ? ((n * p.c + c) * p.h + row) * p.w + col : -1,
                    layout == ColumnsLayout::kRows ? (n * pixels + pixel) * reduction + r
                                                   : (n * reduction + r) * pixels + pixel);
            }
}

std::vector<float> run(Sequence sequence, const std::vector<float>& input,
                       std::int64_t output_bytes) {
  GuardedBuffer in(input), out(output_bytes);
  Bindings bindings;
  bindings.bind(0, in.get());
  bindings.bind(1, out.get());
  sequence.enqueue(queue()(), bindings, {});
  queue().finish();
  CHECK(in.intact());
  CHECK(out.intact());
  return out.read();
}

std::vector<float> im2col_of(Device& on, const Problem& p, ColumnsLayout layout,
                             const std::vector<float>& x) {
  return run(im2col(on, p, layout, Region{0}, Region{1}), x, columns_elements(p) * 4);
}

std::vector<float> col2im_of(Device& on, const Problem& p, ColumnsLayout layout,
                             Col2imVariant variant, const std::vector<float>& cols) {
  return run(col2im(on, p, layout, variant, Region{0}, Region{1}), cols, p.x_bytes());
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

Problem ungrouped(Problem p) {
  p.k = p.g = 1;
  return p;
}

Device as_gpu() {
  DeviceProfile profile = device().profile();
  profile.family = Family::kGpu;
  profile.max_work_group_size = 64;
  return Device(device().context(), device().cl(), cache_options("", 0), profile);
}

// C = alpha op(A) op(B) + beta C, column-major, in double; every matrix with spare rows in its ld.
void check_gemm(GemmParameters parameters, const Gemm& g) {
  const auto stored = [&](bool transposed, std::int64_t rows, std::int64_t columns) {
    return transposed ? std::pair{columns, rows} : std::pair{rows, columns};
  };
  const auto [a_rows, a_columns] = stored(g.transpose_a, g.m, g.k);
  const auto [b_rows, b_columns] = stored(g.transpose_b, g.k, g.n);
  CAPTURE(g.m);
  CAPTURE(g.n);
  CAPTURE(g.k);
  CAPTURE(g.transpose_a);
  CAPTURE(g.transpose_b);
  CAPTURE(static_cast<int>(parameters));
  const auto a = random_floats(g.lda * a_columns * g.batch, 1);
  const auto b = random_floats(g.ldb * b_columns * g.batch, 2);
  const auto c = random_floats(g.ldc * g.n * g.batch, 3);
  (void)a_rows;
  (void)b_rows;
  GuardedBuffer da(a), db(b), dc(c);
  const std::int64_t bytes =
      g.batch == 1 ? gemm_workspace_bytes(device().profile(), parameters, g, false) : 0;
  GuardedBuffer workspace(bytes);
  Bindings bindings;
  bindings.bind(0, da.get());
  bindings.bind(1, db.get());
  bindings.bind(2, dc.get());
  bindings.bind(3, workspace.get());
  gemm_step(device(), parameters, g, {Region{0}}, {Region{1}}, {Region{2}}, Region{3, 0, bytes})
      ->enqueue(queue()(), bindings, {});
  queue().finish();
  CHECK(dc.intact());
  CHECK(workspace.intact());
  const auto result = dc.read();
  double worst = 0;
  for (std::int64_t batch = 0; batch < g.batch; ++batch)
    for (std::int64_t j = 0; j < g.n; ++j)
      for (std::int64_t i = 0; i < g.m; ++i) {
        double sum = 0;
        for (std::int64_t k = 0; k < g.k; ++k) {
          const std::int64_t ai =
              batch * g.lda * a_columns + (g.transpose_a ? i * g.lda + k : k * g.lda + i);
          const std::int64_t bi =
              batch * g.ldb * b_columns + (g.transpose_b ? k * g.ldb + j : j * g.ldb + k);
          sum += static_cast<double>(a[static_cast<std::size_t>(ai)]) *
                 static_cast<double>(b[static_cast<std::size_t>(bi)]);
        }
        const auto ci = static_cast<std::size_t>(batch * g.ldc * g.n + j * g.ldc + i);
        const double expected = static_cast<double>(g.alpha) * sum +
                                static_cast<double>(g.beta) * static_cast<double>(c[ci]);
        worst = std::max(worst, std::fabs(static_cast<double>(result[ci]) - expected));
      }
  CHECK(worst < 1e-5 * std::sqrt(static_cast<double>(g.k) + 1));
}

}  // namespace

TEST_CASE("im2col is its definition over the edge suite, in both layouts, as CPU and as GPU") {
  Device gpu = as_gpu();
  for (Device* on : {&device(), &gpu}) {
    for (const auto& item : suite("edge")) {
      const Problem p = ungrouped(item.problem);
      CAPTURE(item.name);
      const auto x = random_floats(p.x_bytes() / 4, 5);
      for (const ColumnsLayout layout : kLayouts) {
        std::vector<float> expected(static_cast<std::size_t>(columns_elements(p)));
        for_each_entry(p, layout, [&](std::int64_t from, std::int64_t to) {
          expected[static_cast<std::size_t>(to)] =
              from < 0 ? 0.0f : x[static_cast<std::size_t>(from)];
        });
        CHECK(im2col_of(*on, p, layout, x) == expected);
      }
    }
  }
}

TEST_CASE("col2im adds every entry to its pixel over the edge suite, both variants and layouts") {
  Device gpu = as_gpu();
  for (Device* on : {&device(), &gpu}) {
    for (const auto& item : suite("edge")) {
      const Problem p = ungrouped(item.problem);
      CAPTURE(item.name);
      const auto cols = random_floats(columns_elements(p), 6);
      for (const ColumnsLayout layout : kLayouts) {
        std::vector<double> expected(static_cast<std::size_t>(p.x_bytes() / 4), 0.0);
        for_each_entry(p, layout, [&](std::int64_t to, std::int64_t from) {
          if (to >= 0)
            expected[static_cast<std::size_t>(to)] +=
                static_cast<double>(cols[static_cast<std::size_t>(from)]);
        });
        for (const Col2imVariant variant : kVariants) {
          const auto dx = col2im_of(*on, p, layout, variant, cols);
          double worst = 0;
          for (std::size_t i = 0; i < dx.size(); ++i) {
            const double error = std::fabs(static_cast<double>(dx[i]) - expected[i]);
            worst = error <= worst ? worst : error;  // NaN counts
          }
          CHECK(worst < 1e-5 * static_cast<double>(p.kh * p.kw));
        }
      }
    }
  }
}

TEST_CASE("col2im is the adjoint of im2col: <im2col(x), m> == <x, col2im(m)>") {
  for (const auto& item : suite("edge")) {
    const Problem p = ungrouped(item.problem);
    CAPTURE(item.name);
    const auto x = random_floats(p.x_bytes() / 4, 7);
    const auto m = random_floats(columns_elements(p), 8);
    for (const ColumnsLayout layout : kLayouts) {
      const double left = dot(im2col_of(device(), p, layout, x), m);
      for (const Col2imVariant variant : kVariants) {
        const double right = dot(x, col2im_of(device(), p, layout, variant, m));
        CHECK(std::fabs(left - right) <= 1e-6 * static_cast<double>(m.size()) + 1e-4);
      }
    }
  }
}

// For ./dev sanitize, as in strategies_test.
TEST_CASE("checker: a tiny im2col and its adjoint") {
  const Problem p = parse_problem("n2c2h5w4k1kh3kw2s2,1p1,0,2,1");
  const auto x = random_floats(p.x_bytes() / 4, 10);
  for (const ColumnsLayout layout : kLayouts) {
    const auto cols = im2col_of(device(), p, layout, x);
    for (const Col2imVariant variant : kVariants) {
      const auto dx = col2im_of(device(), p, layout, variant, cols);
      CHECK(std::fabs(dot(dx, x) - dot(cols, cols)) < 1e-3);
    }
  }
}

TEST_CASE("worked values of im2col") {
  const Problem p = parse_problem("n1c1h3w3k1kh2kw2");
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  CHECK(im2col_of(device(), p, ColumnsLayout::kRows, x) ==
        std::vector<float>{1, 2, 4, 5, 2, 3, 5, 6, 4, 5, 7, 8, 5, 6, 8, 9});
  CHECK(im2col_of(device(), p, ColumnsLayout::kColumns, x) ==
        std::vector<float>{1, 2, 4, 5, 2, 3, 5, 6, 4, 5, 7, 8, 5, 6, 8, 9});
  const Problem alexnet = parse_problem("n1c3h227w227k96kh11kw11s4");
  CHECK(columns_elements(alexnet) == 3025 * 363);
}

TEST_CASE("col2im gather gives the same bits every time") {
  const Problem p = parse_problem("n2c3h17w15k1kh5kw5p2");
  const auto cols = random_floats(columns_elements(p), 9);
  const auto first = col2im_of(device(), p, ColumnsLayout::kRows, Col2imVariant::kGather, cols);
  for (int i = 0; i < 5; ++i) {
    CHECK(col2im_of(device(), p, ColumnsLayout::kRows, Col2imVariant::kGather, cols) == first);
  }
}

TEST_CASE("col2im atomic ends with NaN and infinity in the matrix") {
  const Problem p = parse_problem("n1c1h6w6k1kh3kw3p1");
  auto cols = random_floats(columns_elements(p), 9);
  cols[40] = std::numeric_limits<float>::quiet_NaN();
  cols[60] = std::numeric_limits<float>::infinity();
  const auto dx = col2im_of(device(), p, ColumnsLayout::kRows, Col2imVariant::kAtomic, cols);
  CHECK(std::any_of(dx.begin(), dx.end(), [](float v) { return std::isnan(v); }));
}

TEST_CASE("a matrix beyond 64 bits or 32-bit indices is refused") {
  CHECK(error_of(Code::kInvalidProblem, [] {
          im2col(device(), parse_problem("n2000000000c1000h1w1000000k1kh1kw999999"),
                 ColumnsLayout::kRows, Region{0}, Region{1});
        }).find("does not fit 64 bits") != std::string::npos);
  CHECK(error_of(Code::kInvalidProblem, [] {
          im2col(device(), parse_problem("n1c1h40000w40000k1kh1kw1"), ColumnsLayout::kRows,
                 Region{0}, Region{1});
        }).find("h*w with padding is 1600000000") == 0);
}

TEST_CASE("products of every form and odd size, with CLBlast's parameters and with ours") {
  for (const GemmParameters parameters : gemm_parameter_sets(device().profile())) {
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        for (const auto& [m, n, k] : {std::tuple{1, 1, 1}, std::tuple{17, 5, 33},
                                      std::tuple{130, 70, 129}, std::tuple{256, 128, 192}}) {
          Gemm g;
          g.transpose_a = ta;
          g.transpose_b = tb;
          g.m = m, g.n = n, g.k = k;
          g.lda = ta ? k : m, g.ldb = tb ? n : k, g.ldc = m;
          check_gemm(parameters, g);
          g.lda += 3, g.ldb += 1, g.ldc += 5;
          g.alpha = -0.5f, g.beta = 2.0f;
          check_gemm(parameters, g);
        }
      }
    }
  }
}

TEST_CASE("packed batches multiply each pair") {
  for (const GemmParameters parameters : gemm_parameter_sets(device().profile())) {
    Gemm g;
    g.transpose_b = true;
    g.m = g.lda = g.ldc = 128;
    g.n = g.ldb = 64;
    g.k = 80;
    g.batch = 3;
    check_gemm(parameters, g);
    g.m = g.lda = g.ldc = 11;
    g.n = g.ldb = 3;
    g.k = 7;
    check_gemm(parameters, g);
  }
}

TEST_CASE(
    "what CLBlast would get wrong silently is refused: unaligned batches, sizes beyond 32 bits") {
  Gemm g;
  g.batch = 2;
  CHECK(error_of(Code::kGemm, [&] {
          gemm_step(device(), GemmParameters::kDefault, g, {Region{0}, 1}, {Region{1}}, {Region{2}},
                    Region{3});
        }) == "a batched product needs aligned operands");
  g = Gemm();
  g.m = g.lda = g.ldc = 100000;
  g.k = 100000;
  g.ldb = 100000;
  CHECK(error_of(Code::kGemm, [&] {
          gemm_step(device(), GemmParameters::kDefault, g, {Region{0}}, {Region{1}}, {Region{2}},
                    Region{3});
        }).find("10000000000 elements") != std::string::npos);
}

TEST_CASE("reciprocals divide every number below 2^31 as kernels do it") {
  const std::int64_t end = std::int64_t{1} << 31;
  std::vector<std::int64_t> divisors = {1,       2,           3,       5,           7,      49,
                                        127,     128,         129,     3136,        65535,  65537,
                                        1000003, end / 2 - 1, end / 2, end / 2 + 1, end - 1};
  for (const std::int64_t divisor : divisors) {
    const Reciprocal r(divisor);
    CAPTURE(divisor);
    for (const std::int64_t multiple : {std::int64_t{0}, divisor, 2 * divisor, 1000 * divisor,
                                        end / divisor * divisor, end / 3 / divisor * divisor}) {
      for (const std::int64_t n : {multiple - 1, multiple, multiple + 1, multiple + divisor / 2}) {
        if (n < 0 || n >= end) continue;
        const auto high = (std::uint64_t{2} * static_cast<std::uint64_t>(n) * r.reciprocal) >> 32;
        CHECK(static_cast<std::int64_t>(high >> r.shift) == n / divisor);
      }
    }
  }
}
