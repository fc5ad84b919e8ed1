// Faults that other convolution libraries had: what is kept under a key (plans, kernels, operations) is never confused
// with what differs from it in one option, in whatever order the two are asked for.
#include <cmath>
#include <functional>

#include "doctest/doctest.h"
#include "support/plans.hpp"

using namespace clconv::test;

namespace {

// Each has a neighbour from which it differs in one field alone.
std::vector<Problem> neighbours() {
  std::vector<Problem> problems;
  const std::string base = "n2c4h9w9k4kh3kw3";
  for (const char* rest : {"p1",
                           "p1 bias",
                           "p1 relu",
                           "p1 bias relu",
                           "p1 transposed bias",
                           "p1 transposed relu",
                           "p1 transposed bias relu",
                           "p1s2",
                           "p1s2,1",
                           "p1s1,2",
                           "p2,1,1,1",
                           "p1,2,1,1",
                           "p1,1,2,1",
                           "p1,1,1,2",
                           "p2",
                           "p2d2",
                           "p2d2,1",
                           "p2d1,2",
                           "p1g2",
                           "p1g4"}) {
    problems.push_back(problem_of(base + rest));
  }
  for (const Direction direction :
       {Direction::kBackwardData, Direction::kBackwardWeights, Direction::kBackwardBias}) {
    for (const int flags : {0, 1, 2, 3}) {
      Problem p = problem_of("n2c4h9w9k4kh3kw3p1");
      p.direction = direction;
      p.mask = (flags & 1) != 0;
      p.accumulate = (flags & 2) != 0;
      problems.push_back(p);
    }
  }
  return problems;
}

bool serves(const std::string& strategy, const Problem& p) {
  const bool sums = p.direction == Direction::kBackwardBias;
  return sums ? strategy.find("gemm") == std::string::npos : strategy != "reduction";
}

// An operation on one buffer, what the buffer holds before and what it must hold after.
struct Operation {
  std::string name;
  std::vector<float> before;
  std::function<void(const clconv::Context&, const cl::Buffer&)> enqueue;
  std::vector<float> after;
};
using Operations = std::vector<Operation>;

cl::Buffer one_to(int last) {
  std::vector<float> values;
  for (int i = 1; i <= last; ++i)
    values.push_back(static_cast<float>(i));
  return device_buffer(values);
}

void add_gemms(Operations& operations) {
  const cl::Buffer four = one_to(4);
  const auto gemm = [&](int ta, int tb, float alpha, float beta, std::vector<float> after) {
    clconv::GemmParams p;
    p.m = p.n = p.k = p.lda = p.ldb = p.ldc = 2;
    p.transpose_a = ta, p.transpose_b = tb, p.alpha = alpha, p.beta = beta;
    operations.push_back({"gemm",
                          {10, 20, 30, 40},
                          [=](const clconv::Context& on, const cl::Buffer& c) {
                            on.gemm(make_queue(), p, four, four, c);
                          },
                          std::move(after)});
  };
  gemm(0, 0, 1, 0, {7, 10, 15, 22});
  gemm(1, 0, 1, 0, {10, 14, 14, 20});
  gemm(0, 1, 1, 0, {5, 11, 11, 25});
  gemm(1, 1, 1, 0, {7, 15, 10, 22});
  gemm(0, 0, 2, 0, {14, 20, 30, 44});
  gemm(0, 0, 1, 1, {17, 30, 45, 62});
  gemm(0, 0, 1, 2, {27, 50, 75, 102});
}

const char* const kWide = "n1c1h3w3k1kh2kw2p0,1s1,2";

void add_im2cols(Operations& operations) {
  const cl::Buffer nine = one_to(9);
  const auto im2col = [&](const char* text, clconv_layout layout, std::vector<float> after) {
    const clconv::Problem p(text);
    operations.push_back({"im2col", std::vector<float>(after.size(), kNan),
                          [=](const clconv::Context& on, const cl::Buffer& cols) {
                            on.im2col(make_queue(), p, layout, nine, cols);
                          },
                          std::move(after)});
  };
  im2col("n1c1h3w3k1kh2kw2", CLCONV_ROWS, {1, 2, 4, 5, 2, 3, 5, 6, 4, 5, 7, 8, 5, 6, 8, 9});
  im2col(kWide, CLCONV_ROWS, {0, 1, 0, 4, 2, 3, 5, 6, 0, 4, 0, 7, 5, 6, 8, 9});
  im2col(kWide, CLCONV_COLUMNS, {0, 2, 0, 5, 1, 3, 4, 6, 0, 5, 0, 8, 4, 6, 7, 9});
}

void add_col2ims(Operations& operations) {
  const cl::Buffer cols = device_buffer({0, 1, 0, 4, 2, 3, 5, 6, 0, 4, 0, 7, 5, 6, 8, 9});
  const clconv::Problem wide(kWide);
  for (const clconv_col2im_variant variant : {CLCONV_COL2IM_GATHER, CLCONV_COL2IM_ATOMIC}) {
    const auto col2im = [&](clconv_layout layout, std::vector<float> after) {
      operations.push_back({"col2im", std::vector<float>(9, kNan),
                            [=](const clconv::Context& on, const cl::Buffer& dx) {
                              on.col2im(make_queue(), wide, layout, variant, cols, dx);
                            },
                            std::move(after)});
    };
    col2im(CLCONV_ROWS, {1, 2, 3, 8, 10, 12, 7, 8, 9});
    col2im(CLCONV_COLUMNS, {2, 1, 3, 10, 8, 12, 8, 7, 9});
  }
}

void add_poolings(Operations& operations) {
  const cl::Buffer nine = one_to(9);
  const auto pool = [&](clconv_pooling_mode mode, int ceil, std::int64_t pad,
                        std::vector<float> after) {
    clconv::Pooling p;
    p.h = p.w = 3, p.kh = p.kw = p.sh = p.sw = 2, p.mode = mode, p.ceil = ceil;
    p.pt = p.pl = pad;
    operations.push_back({"pooling", std::vector<float>(after.size(), kNan),
                          [=](const clconv::Context& on, const cl::Buffer& y) {
                            on.pooling_forward(make_queue(), p, nine, y);
                          },
                          std::move(after)});
  };
  pool(CLCONV_POOLING_MAX, 0, 0, {5});
  pool(CLCONV_POOLING_AVERAGE, 0, 0, {3});
  pool(CLCONV_POOLING_MAX, 1, 0, {5, 6, 8, 9});
  pool(CLCONV_POOLING_AVERAGE, 1, 0, {3, 4.5f, 7.5f, 9});
  pool(CLCONV_POOLING_MAX, 0, 1, {1, 3, 7, 9});
  pool(CLCONV_POOLING_AVERAGE, 0, 1, {1, 2.5f, 5.5f, 7});
}

void add_softmaxes(Operations& operations) {
  const cl::Buffer labels = device_buffer(std::vector<float>(2, 0.0f));  // bits of int 0
  const cl::Buffer even = device_buffer({3, 3, 3, 3});
  for (const int accumulate : {0, 1}) {
    clconv::SoftmaxParams p;
    p.n = p.m = 2, p.accumulate = accumulate;
    const float loss = std::log(2.0f);
    operations.push_back({"softmax's loss",
                          {100},
                          [=](const clconv::Context& on, const cl::Buffer& result) {
                            clconv::SoftmaxOperands o;
                            o.logits = even, o.labels = labels, o.loss = result;
                            on.softmax_cross_entropy(make_queue(), p, o);
                          },
                          {accumulate != 0 ? 100 + loss : loss}});
    for (const float scale : {1.0f, 4.0f}) {
      p.gradient_scale = scale;
      operations.push_back({"softmax's gradient",
                            std::vector<float>(4, kNan),
                            [=](const clconv::Context& on, const cl::Buffer& result) {
                              clconv::SoftmaxOperands o;
                              o.logits = even, o.labels = labels, o.dlogits = result;
                              on.softmax_cross_entropy(make_queue(), p, o);
                            },
                            {-scale / 4, scale / 4, -scale / 4, scale / 4}});
    }
  }
}

void add_sgds(Operations& operations) {
  const cl::Buffer four = one_to(4);
  for (const float momentum : {0.0f, 0.5f}) {
    for (const float decay : {0.0f, 1.0f}) {
      clconv::SgdParams p;
      p.count = 4, p.learning_rate = 0.5f, p.momentum = momentum, p.weight_decay = decay;
      const auto after = [&](float dw) { return 8 - 0.5f * (dw + 2 * momentum + 8 * decay); };
      operations.push_back({"sgd",
                            {8, 8, 8, 8},
                            [=](const clconv::Context& on, const cl::Buffer& w) {
                              const cl::Buffer velocity = device_buffer({2, 2, 2, 2});
                              on.sgd(make_queue(), p, w, four, velocity);
                              make_queue().finish();
                            },
                            {after(1), after(2), after(3), after(4)}});
    }
  }
}

}  // namespace

TEST_CASE("plans and kernels that differ in one option are never confused, in whatever order") {
  const std::vector<Problem> problems = neighbours();
  std::vector<Case> cases(problems.begin(), problems.end());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j)
      REQUIRE(cases[i].expected.result != cases[j].expected.result);
  }
  const auto queue = make_queue();
  for (const char* strategy : {"naive", "im2col_gemm", "implicit_gemm", "reduction", ""}) {
    CAPTURE(std::string(strategy));
    for (const bool backwards : {false, true}) {
      const clconv::Context fresh(application_context(), clconv::select_device());
      std::vector<std::pair<Case*, clconv::Plan>> plans;
      for (std::size_t i = 0; i < cases.size(); ++i) {
        Case& c = cases[backwards ? cases.size() - 1 - i : i];
        if (!serves(strategy, c.problem)) continue;
        plans.emplace_back(&c,
                           fresh.plan(public_problem(c.problem), Choice{strategy, ""}.options()));
      }
      // All planned, then one after the other, then each between two others.
      for (std::size_t step : {std::size_t{1}, std::size_t{7}}) {
        for (std::size_t i = 0; i < plans.size(); ++i) {
          auto& planned = plans[i * step % plans.size()];
          Case& c = *planned.first;
          CAPTURE(to_text(c.problem));
          CAPTURE(std::string(to_string(c.problem.direction)));
          CAPTURE(epilogue_words(c.problem));
          CHECK(c.worst(planned.second, queue) <= 1.0);
        }
      }
    }
  }
}

TEST_CASE("options of the other operations are never confused, in whatever order") {
  Operations operations;
  for (const auto add :
       {add_gemms, add_im2cols, add_col2ims, add_poolings, add_softmaxes, add_sgds}) {
    const std::size_t before = operations.size();
    add(operations);
    REQUIRE(operations.size() > before + 1);
  }
  for (const bool backwards : {false, true}) {
    const clconv::Context fresh(application_context(), clconv::select_device());
    for (const std::size_t step : {std::size_t{1}, std::size_t{5}}) {
      for (std::size_t i = 0; i < operations.size(); ++i) {
        const std::size_t at = i * step % operations.size();
        const Operation& operation = operations[backwards ? operations.size() - 1 - at : at];
        CAPTURE(operation.name);
        CAPTURE(at);
        const cl::Buffer result = device_buffer(operation.before);
        operation.enqueue(fresh, result);
        make_queue().finish();
        const auto found = read(result);
        for (std::size_t j = 0; j < found.size(); ++j)
          CHECK(found[j] == doctest::Approx(operation.after[j]).epsilon(1e-6));
      }
    }
  }
}
