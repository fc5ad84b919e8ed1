// Faults that other convolution libraries had, one test case each, through the public API.
#include <chrono>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "doctest/doctest.h"
#include "support/application.hpp"
#include "support/reference.hpp"

using namespace clconv::test;
using Json = nlohmann::json;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

const std::vector<Direction> kAll = {Direction::kForward, Direction::kBackwardData,
                                     Direction::kBackwardWeights, Direction::kBackwardBias,
                                     Direction::kTransposed};

// "n2c4h9w9k4kh3kw3p1 backward-data mask accumulate"
Problem problem_of(const std::string& words) {
  std::istringstream in(words);
  std::string word;
  in >> word;
  Problem p = clconv::core::parse_problem(word);
  while (in >> word) {
    if (word == "bias") {
      p.bias = true;
    } else if (word == "relu") {
      p.activation = clconv::core::Activation::kRelu;
    } else if (word == "mask") {
      p.mask = true;
    } else if (word == "accumulate") {
      p.accumulate = true;
    } else {
      p.direction = clconv::core::parse_direction(word);
    }
  }
  return p;
}

clconv::Problem public_problem(const Problem& p) {
  clconv::Problem q(to_text(p));
  q.direction = static_cast<clconv_direction>(p.direction);
  q.bias = p.bias;
  q.activation = static_cast<clconv_activation>(p.activation);
  q.residual = p.residual;
  q.mask = p.mask;
  q.accumulate = p.accumulate;
  return q;
}

// The problem with all that can be added to its direction.
Problem decorated(Problem p, Direction direction) {
  p.direction = direction;
  const bool epilogue = direction == Direction::kForward || direction == Direction::kTransposed;
  p.bias = epilogue;
  p.activation = epilogue ? clconv::core::Activation::kRelu : clconv::core::Activation::kNone;
  p.mask = p.accumulate = !epilogue;
  return p;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// A problem with its buffers and what must come out.
struct Case {
  Problem problem;
  Tensors tensors;
  Reference expected;
  clconv::Operands operands;

  explicit Case(const Problem& p) : Case(p, Tensors(p)) {}
  Case(const Problem& p, const Tensors& t)
      : problem(p), tensors(t), expected(reference(p, tensors)) {
    for (const Tensor tensor : inputs_of(p))
      operand(tensor) = device_buffer(tensors[tensor]);
    reset();
  }

  cl::Buffer& operand(Tensor tensor) {
    const bool renamed = problem.direction == Direction::kTransposed;
    switch (tensor) {
      case Tensor::kX: return operands.x;
      case Tensor::kW: return operands.w;
      case Tensor::kB: return operands.b;
      case Tensor::kY: return operands.y;
      case Tensor::kDx: return renamed ? operands.y : operands.dx;
      case Tensor::kDw: return operands.dw;
      case Tensor::kDb: return operands.db;
      case Tensor::kDy: return renamed ? operands.x : operands.dy;
      case Tensor::kR: return operands.r;
    }
    return operands.x;
  }
  cl::Buffer& result() { return operand(result_of(problem)); }

  // The result as it is before an execution: what is added to, or poison.
  void reset() {
    const auto& before = tensors[result_of(problem)];
    result() = device_buffer(problem.accumulate ? before : std::vector<float>(before.size(), kNan));
  }
  std::vector<float> run(const clconv::Plan& plan, const cl::CommandQueue& queue) {
    reset();
    plan.execute(queue, operands);
    queue.finish();
    return read(result());
  }
  // The largest error in units of what the plan promises; infinite for NaN.
  double worst(const clconv::Plan& plan, const std::vector<float>& found, double times = 1) const {
    const double bound = plan.info().error_bound * times;
    double ratio = found.size() == expected.result.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < found.size() && i < expected.result.size(); ++i) {
      const double error = std::fabs(static_cast<double>(found[i]) - times * expected.result[i]);
      const double allowed = bound * expected.magnitude[i] + 1e-30;
      if (!(error <= ratio * allowed)) ratio = std::isnan(error) ? INFINITY : error / allowed;
    }
    return ratio;
  }
  double worst(const clconv::Plan& plan, const cl::CommandQueue& queue) {
    return worst(plan, run(plan, queue));
  }
};

struct Choice {
  std::string strategy, config;

  clconv::PlanOptions options(std::int64_t limit = -1) const {
    clconv::PlanOptions o;
    o.workspace_limit_bytes = limit;
    o.strategy = strategy.c_str();
    if (!config.empty()) o.config = config.c_str();
    return o;
  }
};

// Every candidate that can run the problem within `limit` bytes, of `strategy` or all.
std::vector<Choice> candidates(const clconv::Problem& p, const std::string& strategy = "",
                               std::int64_t limit = -1) {
  clconv::PlanOptions options;
  options.workspace_limit_bytes = limit;
  options.strategy = strategy.c_str();
  const Json report = Json::parse(context().explain(p, options));
  std::vector<Choice> result;
  for (const Json& item : report.at("candidates")) {
    if (item.at("status") == "rejected") continue;
    result.push_back({item.at("strategy"), item.at("config")});
  }
  return result;
}

// The strategies that can run the problem, and "" for the planner's choice.
std::vector<Choice> strategies(const clconv::Problem& p) {
  std::set<std::string> names;
  for (const Choice& choice : candidates(p))
    names.insert(choice.strategy);
  std::vector<Choice> result = {{"", ""}};
  for (const std::string& name : names)
    result.push_back({name, ""});
  return result;
}

// Plans `p` in every way of `choices` and calls visit(case, plan).
template <class Visit>
void for_each_plan(const Problem& p, const std::vector<Choice>& choices, std::int64_t limit,
                   Visit&& visit) {
  Case c(p);
  for (const Choice& choice : choices) {
    CAPTURE(to_text(p));
    CAPTURE(std::string(to_string(p.direction)));
    CAPTURE(choice.strategy);
    CAPTURE(choice.config);
    CAPTURE(limit);
    visit(c, context().plan(public_problem(p), choice.options(limit)));
  }
}
template <class Visit>
void for_each_strategy(const Problem& p, Visit&& visit) {
  for_each_plan(p, strategies(public_problem(p)), -1, visit);
}
template <class Visit>
void for_each_candidate(const Problem& p, Visit&& visit) {
  for_each_plan(p, candidates(public_problem(p)), -1, visit);
}

// im2col_gemm cut ever finer: all images at once, some, one, then rows of one.
template <class Visit>
void for_each_cut(const Problem& p, Visit&& visit) {
  std::set<std::string> cuts;
  for (const std::int64_t limit : {4000000, 250000, 150000, 100000, 75000, 60000}) {
    const auto choices = candidates(public_problem(p), "im2col_gemm", limit);
    for (const Choice& choice : choices)
      cuts.insert(choice.config);
    for_each_plan(p, choices, limit, visit);
  }
  CHECK(cuts.size() >= 5);
}

}  // namespace

// ---- what is added how often ------------------------------------------------------------------------

TEST_CASE("the bias is added once, by every variant, however the batch and the rows are cut") {
  const auto queue = make_queue();
  // Far larger than the sums of products: twice of it is beyond every rounding.
  const auto check = [&](Case& c, const clconv::Plan& plan) {
    for (float& b : c.tensors[Tensor::kB])
      b = 100 + std::fabs(b);
    Case large(c.problem, c.tensors);
    CHECK(large.worst(plan, queue) <= 1.0);
  };
  for (const char* text : {"n3c5h12w11k7kh3kw3p1", "n3c20h1w1k7kh1kw1"}) {
    for (const char* rest : {" forward bias", " transposed bias", " transposed bias relu"}) {
      const Problem p = problem_of(std::string(text) + rest);
      for_each_candidate(p, check);
      if (p.h > 1) for_each_cut(p, check);
    }
  }
}

TEST_CASE("what is accumulated to is added once, however the batch and the rows are cut") {
  for (const char* words : {"n3c5h12w11k7kh3kw3p1 backward-data mask accumulate",
                            "n3c5h12w11k7kh3kw3p1 backward-weights mask accumulate"}) {
    const auto queue = make_queue();
    for_each_cut(problem_of(words),
                 [&](Case& c, const clconv::Plan& plan) { CHECK(c.worst(plan, queue) <= 1.0); });
  }
}

TEST_CASE("accumulating twice from nothing is twice the gradient") {
  for (const char* words : {"n2c5h9w8k6kh3kw3s2p1 backward-data accumulate",
                            "n2c5h9w8k6kh3kw3s2p1 backward-weights accumulate",
                            "n2c5h9w8k6kh3kw3s2p1 backward-bias accumulate",
                            "n3c20h1w1k7kh1kw1 backward-weights mask accumulate",
                            "n3c20h1w1k7kh1kw1 backward-data mask accumulate"}) {
    const Problem p = problem_of(words);
    Tensors nothing(p);
    std::vector<float>& before = nothing[result_of(p)];
    before.assign(before.size(), 0.0f);
    Case c(p, nothing);
    const auto queue = make_queue();
    for_each_candidate(p, [&](Case&, const clconv::Plan& plan) {
      CHECK(c.worst(plan, queue) <= 1.0);
      plan.execute(queue, c.operands);
      queue.finish();
      CHECK(c.worst(plan, read(c.result()), 2) <= 1.0);
    });
  }
}

// ---- the whole batch --------------------------------------------------------------------------------

TEST_CASE("every image of a batch is computed, not the first alone") {
  for (const char* text : {"n5c4h7w8k6kh3kw3p1", "n5c4h7w8k6kh1kw1", "n5c18h1w1k6kh1kw1"}) {
    for (const Direction direction : {Direction::kForward, Direction::kBackwardData}) {
      const auto queue = make_queue();
      Problem p = problem_of(text);
      p.direction = direction;
      for_each_strategy(p, [&](Case& c, const clconv::Plan& plan) {
        const auto found = c.run(plan, queue);
        CHECK(c.worst(plan, found) <= 1.0);
        const std::size_t image = found.size() / 5;
        for (std::size_t i = 1; i < 5; ++i) {
          CHECK(std::memcmp(found.data(), found.data() + i * image, image * 4) != 0);
        }
      });
    }
  }
}

TEST_CASE("weight and bias gradients sum over every image of a batch") {
  for (const char* text : {"n5c4h7w8k6kh3kw3p1", "n5c4h7w8k6kh1kw1", "n5c18h1w1k6kh1kw1"}) {
    for (const Direction direction : {Direction::kBackwardWeights, Direction::kBackwardBias}) {
      const auto queue = make_queue();
      Problem p = problem_of(text);
      p.direction = direction;
      Tensors tensors(p);
      const auto dy = tensors[Tensor::kDy];
      const std::size_t image = dy.size() / 5;
      // Only one image has a gradient: whether it is summed shows whatever the others hold.
      for (std::size_t i = 0; i < 5; ++i) {
        CAPTURE(i);
        tensors[Tensor::kDy].assign(dy.size(), 0.0f);
        std::copy_n(&dy[i * image], image, &tensors[Tensor::kDy][i * image]);
        Case alone(p, tensors);
        for_each_strategy(
            p, [&](Case&, const clconv::Plan& plan) { CHECK(alone.worst(plan, queue) <= 1.0); });
      }
    }
  }
}

TEST_CASE("depthwise with two filters a channel, in every direction") {
  for (const char* text :
       {"n2c6h11w13k12kh3kw3p1g6", "n2c6h11w13k12kh3kw3s2p1g6", "n1c5h9w9k10kh5kw5p2g5"}) {
    for (const Direction direction : kAll) {
      const auto queue = make_queue();
      for_each_strategy(
          decorated(problem_of(text), direction),
          [&](Case& c, const clconv::Plan& plan) { CHECK(c.worst(plan, queue) <= 1.0); });
    }
  }
}

TEST_CASE("rows that no output touches get 0, the bias, or keep what is accumulated to") {
  const auto untouched = [](std::size_t i) {
    const std::size_t row = i / 10 % 10, column = i % 10;
    return row == 3 || row >= 7 || column == 3 || column >= 7;
  };
  for (const char* words :
       {"n2c3h10w10k4kh3kw3s4 backward-data", "n2c3h10w10k4kh3kw3s4 backward-data mask accumulate",
        "n2c3h10w10k4kh3kw3s4 transposed bias"}) {
    const auto queue = make_queue();
    for_each_candidate(problem_of(words), [&](Case& c, const clconv::Plan& plan) {
      const auto found = c.run(plan, queue);
      CHECK(c.worst(plan, found) <= 1.0);
      for (std::size_t i = 0; i < found.size(); ++i) {
        if (!untouched(i)) continue;
        const float kept = c.problem.accumulate ? c.tensors[Tensor::kDx][i]
                           : c.problem.bias     ? c.tensors[Tensor::kB][i / 100 % 3]
                                                : 0.0f;
        CHECK(found[i] == kept);
      }
    });
  }
}

// ---- what is kept under a key -----------------------------------------------------------------------

TEST_CASE("plans and kernels that differ in one option are never confused, in whatever order") {
  // Each has a neighbour from which it differs in one field alone.
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
    const std::string words = base + rest;
    problems.push_back(problem_of(words));
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
        const bool sums = c.problem.direction == Direction::kBackwardBias;
        const bool serves = sums ? std::string(strategy).find("gemm") == std::string::npos
                                 : std::string(strategy) != "reduction";
        if (!serves) continue;
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
  const auto queue = make_queue();
  const cl::Buffer nine = device_buffer({1, 2, 3, 4, 5, 6, 7, 8, 9});
  const cl::Buffer four = device_buffer({1, 2, 3, 4});
  const cl::Buffer labels = device_buffer(std::vector<float>(2, 0.0f));  // bits of int 0
  struct Operation {
    std::string name;
    std::vector<float> before;
    std::function<void(const clconv::Context&, const cl::Buffer&)> enqueue;
    std::vector<float> after;
  };
  std::vector<Operation> operations;
  const auto gemm = [&](int ta, int tb, float alpha, float beta, std::vector<float> after) {
    clconv::GemmParams p;
    p.m = p.n = p.k = p.lda = p.ldb = p.ldc = 2;
    p.transpose_a = ta, p.transpose_b = tb, p.alpha = alpha, p.beta = beta;
    operations.push_back(
        {"gemm",
         {10, 20, 30, 40},
         [=](const clconv::Context& on, const cl::Buffer& c) { on.gemm(queue, p, four, four, c); },
         std::move(after)});
  };
  gemm(0, 0, 1, 0, {7, 10, 15, 22});
  gemm(1, 0, 1, 0, {10, 14, 14, 20});
  gemm(0, 1, 1, 0, {5, 11, 11, 25});
  gemm(1, 1, 1, 0, {7, 15, 10, 22});
  gemm(0, 0, 2, 0, {14, 20, 30, 44});
  gemm(0, 0, 1, 1, {17, 30, 45, 62});
  gemm(0, 0, 1, 2, {27, 50, 75, 102});
  const clconv::Problem patches("n1c1h3w3k1kh2kw2");
  const std::vector<float> rows = {1, 2, 4, 5, 2, 3, 5, 6, 4, 5, 7, 8, 5, 6, 8, 9};
  const clconv::Problem wide("n1c1h3w3k1kh2kw2p0,1s1,2");
  const auto im2col = [&](const clconv::Problem& p, clconv_layout layout,
                          std::vector<float> after) {
    operations.push_back({"im2col", std::vector<float>(after.size(), kNan),
                          [=](const clconv::Context& on, const cl::Buffer& cols) {
                            on.im2col(queue, p, layout, nine, cols);
                          },
                          std::move(after)});
  };
  im2col(patches, CLCONV_ROWS, rows);
  im2col(wide, CLCONV_ROWS, {0, 1, 0, 4, 2, 3, 5, 6, 0, 4, 0, 7, 5, 6, 8, 9});
  im2col(wide, CLCONV_COLUMNS, {0, 2, 0, 5, 1, 3, 4, 6, 0, 5, 0, 8, 4, 6, 7, 9});
  const cl::Buffer cols = device_buffer({0, 1, 0, 4, 2, 3, 5, 6, 0, 4, 0, 7, 5, 6, 8, 9});
  for (const clconv_col2im_variant variant : {CLCONV_COL2IM_GATHER, CLCONV_COL2IM_ATOMIC}) {
    const auto col2im = [&](clconv_layout layout, std::vector<float> after) {
      operations.push_back({"col2im", std::vector<float>(9, kNan),
                            [=](const clconv::Context& on, const cl::Buffer& dx) {
                              on.col2im(queue, wide, layout, variant, cols, dx);
                            },
                            std::move(after)});
    };
    col2im(CLCONV_ROWS, {1, 2, 3, 8, 10, 12, 7, 8, 9});
    col2im(CLCONV_COLUMNS, {2, 1, 3, 10, 8, 12, 8, 7, 9});
  }
  const auto pool = [&](clconv_pooling_mode mode, int ceil, std::int64_t pad,
                        std::vector<float> after) {
    clconv::Pooling p;
    p.h = p.w = 3, p.kh = p.kw = p.sh = p.sw = 2, p.mode = mode, p.ceil = ceil;
    p.pt = p.pl = pad;
    operations.push_back({"pooling", std::vector<float>(after.size(), kNan),
                          [=](const clconv::Context& on, const cl::Buffer& y) {
                            on.pooling_forward(queue, p, nine, y);
                          },
                          std::move(after)});
  };
  pool(CLCONV_POOLING_MAX, 0, 0, {5});
  pool(CLCONV_POOLING_AVERAGE, 0, 0, {3});
  pool(CLCONV_POOLING_MAX, 1, 0, {5, 6, 8, 9});
  pool(CLCONV_POOLING_AVERAGE, 1, 0, {3, 4.5f, 7.5f, 9});
  pool(CLCONV_POOLING_MAX, 0, 1, {1, 3, 7, 9});
  pool(CLCONV_POOLING_AVERAGE, 0, 1, {1, 2.5f, 5.5f, 7});
  for (const int accumulate : {0, 1}) {
    clconv::SoftmaxParams p;
    p.n = p.m = 2, p.accumulate = accumulate;
    const cl::Buffer even = device_buffer({3, 3, 3, 3});
    const float loss = std::log(2.0f);
    operations.push_back({"softmax's loss",
                          {100},
                          [=](const clconv::Context& on, const cl::Buffer& result) {
                            clconv::SoftmaxOperands o;
                            o.logits = even, o.labels = labels, o.loss = result;
                            on.softmax_cross_entropy(queue, p, o);
                          },
                          {accumulate != 0 ? 100 + loss : loss}});
    for (const float scale : {1.0f, 4.0f}) {
      p.gradient_scale = scale;
      operations.push_back({"softmax's gradient",
                            std::vector<float>(4, kNan),
                            [=](const clconv::Context& on, const cl::Buffer& result) {
                              clconv::SoftmaxOperands o;
                              o.logits = even, o.labels = labels, o.dlogits = result;
                              on.softmax_cross_entropy(queue, p, o);
                            },
                            {-scale / 4, scale / 4, -scale / 4, scale / 4}});
    }
  }
  for (const float momentum : {0.0f, 0.5f}) {
    for (const float decay : {0.0f, 1.0f}) {
      clconv::SgdParams p;
      p.count = 4, p.learning_rate = 0.5f, p.momentum = momentum, p.weight_decay = decay;
      operations.push_back(
          {"sgd",
           {8, 8, 8, 8},
           [=](const clconv::Context& on, const cl::Buffer& w) {
             const cl::Buffer velocity = device_buffer({2, 2, 2, 2});
             on.sgd(queue, p, w, four, velocity);
             queue.finish();
           },
           {8 - 0.5f * (1 + 2 * momentum + 8 * decay), 8 - 0.5f * (2 + 2 * momentum + 8 * decay),
            8 - 0.5f * (3 + 2 * momentum + 8 * decay), 8 - 0.5f * (4 + 2 * momentum + 8 * decay)}});
    }
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
        queue.finish();
        const auto found = read(result);
        for (std::size_t j = 0; j < found.size(); ++j)
          CHECK(found[j] == doctest::Approx(operation.after[j]).epsilon(1e-6));
      }
    }
  }
}

// ---- what was asked for is what runs ----------------------------------------------------------------

TEST_CASE("a forced strategy or config is the one that runs, or an error that names it") {
  for (const char* text : {"n2c6h9w10k4kh3kw3p1", "n2c6h9w10k4kh1kw1", "n2c16h1w1k5kh1kw1"}) {
    for (const Direction direction : kAll) {
      const auto queue = make_queue();
      Problem p = problem_of(text);
      p.direction = direction;
      for_each_candidate(
          p, [&](Case& c, const clconv::Plan& plan) { CHECK(c.worst(plan, queue) <= 1.0); });
      const clconv::Problem q = public_problem(p);
      std::set<std::string> able;
      for (const Choice& choice : candidates(q)) {
        able.insert(choice.strategy);
        for (const bool with_config : {false, true}) {
          const clconv::Plan plan = context().plan(
              q, Choice{choice.strategy, with_config ? choice.config : ""}.options());
          const Json report = Json::parse(plan.report());
          CHECK(std::string(plan.info().strategy) == choice.strategy);
          CHECK(report.at("chosen").at("strategy") == choice.strategy);
          CHECK(report.at("chosen").at("config") == std::string(plan.info().config));
          if (with_config) CHECK(std::string(plan.info().config) == choice.config);
          CHECK(Json::parse(plan.profile(Case(p).operands)).size() >= 1);
        }
      }
      for (const char* name : {"naive", "im2col_gemm", "pointwise_gemm", "implicit_gemm",
                               "fully_connected", "reduction"}) {
        if (able.count(name) != 0) continue;
        CAPTURE(std::string(name));
        CHECK(error_of(CLCONV_CONSTRAINT, [&] {
                context().plan(q, Choice{name, ""}.options());
              }).find(std::string(name) + " (") != std::string::npos);
      }
    }
  }
}

TEST_CASE("a forced config that exceeds the workspace limit is refused, not replaced") {
  const clconv::Problem p("n2c6h9w10k4kh3kw3p1");
  int refused = 0;
  for (const Choice& choice : candidates(p)) {
    CAPTURE(choice.config);
    const std::int64_t needed =
        context().plan(p, choice.options()).info().workspace_unprepared_bytes;
    if (needed == 0) continue;
    CHECK_FALSE(error_of(CLCONV_CONSTRAINT, [&] { context().plan(p, choice.options(0)); }).empty());
    ++refused;
  }
  CHECK(refused >= 5);
}

TEST_CASE("names that are not known are refused wherever they are given") {
  const clconv::Problem p("n1c4h8w8k4kh3kw3p1");
  const auto refused = [&](auto&& change) {
    clconv::PlanOptions options;
    change(options);
    return error_of(CLCONV_INVALID_ARGUMENT, [&] { context().plan(p, options); });
  };
  using Options = clconv::PlanOptions;
  CHECK(refused([](Options& o) { o.strategy = "im2col-gemm"; }).find("'im2col-gemm'") !=
        std::string::npos);
  CHECK(refused([](Options& o) { o.strategy = "Naive"; }).find("'Naive'") != std::string::npos);
  CHECK(refused([](Options& o) { o.strategy = "naive "; }).find("'naive '") != std::string::npos);
  CHECK(refused([](Options& o) { o.allow = "naive,implict_gemm"; }).find("'implict_gemm'") !=
        std::string::npos);
  CHECK(refused([](Options& o) { o.deny = "naive,,"; }).find("''") != std::string::npos);
  CHECK(refused([](Options& o) { o.deny = "nave"; }).find("'nave'") != std::string::npos);
  CHECK(refused([](Options& o) { o.config = "vw=16"; }) == "config needs strategy");
  CHECK(refused([](Options& o) { o.strategy = "naive", o.config = "vw:16"; }).find("vw:16") !=
        std::string::npos);
  // Well-formed, but no variant's: the answer is a reason, not another variant.
  const auto no_variant = [&](const char* config) {
    clconv::PlanOptions options;
    options.strategy = "implicit_gemm";
    options.config = config;
    return error_of(CLCONV_CONSTRAINT, [&] { context().plan(p, options); });
  };
  CHECK(no_variant("kv=1,th=1,tw=10,vv=16").find("implicit_gemm (") != std::string::npos);
  CHECK(no_variant("kv=1,th=1,tw=10,vw=17").find("implicit_gemm (") != std::string::npos);
  ::setenv("CLCONV_STRATEGY", "implicitgemm", 1);
  CHECK(refused([](Options&) {}).find("CLCONV_STRATEGY: strategy 'implicitgemm' is unknown") !=
        std::string::npos);
  ::unsetenv("CLCONV_STRATEGY");
  ::setenv("CLCONV_RIGOR", "meassure", 1);
  CHECK(refused([](Options&) {}).find("CLCONV_RIGOR: rigor 'meassure' is unknown") !=
        std::string::npos);
  ::unsetenv("CLCONV_RIGOR");
  for (const char* text : {"n1c4h8w8k4kh3kw3q1", "n1c4h8w8k4kh3kw3pad1", "n1c4h8w8k4kh3kw3p1p2",
                           "n1c4h8w8k4kh3kw3 p1", "n1c4h8w8k4kh3kw3p1,", "N1c4h8w8k4kh3kw3"}) {
    CAPTURE(text);
    CHECK_FALSE(error_of(CLCONV_INVALID_PROBLEM, [&] { clconv::Problem{text}; }).empty());
  }
  CHECK_FALSE(error_of(CLCONV_NO_DEVICE, [] { clconv::select_device("no such device"); }).empty());
}

// ---- memory that was used before --------------------------------------------------------------------

TEST_CASE("what a workspace or prepared weights held before does not matter") {
  std::vector<Problem> problems;
  for (const char* text : {"n2c5h9w31k7kh3kw3p1", "n1c3h14w9k17kh3kw3s2p1,0,2,1",
                           "n2c6h8w8k4kh3kw3p2d2g2", "n3c19h5w7k5kh1kw1", "n2c33h1w1k6kh1kw1"}) {
    for (const Direction direction : kAll)
      problems.push_back(decorated(problem_of(text), direction));
  }
  std::vector<Case> cases(problems.begin(), problems.end());
  struct Planned {
    Case* c;
    clconv::Plan plan;
  };
  std::vector<Planned> plans;
  std::size_t workspace_bytes = 4, prepared_bytes = 4;
  for (Case& c : cases) {
    for (const Choice& choice : strategies(public_problem(c.problem))) {
      plans.push_back({&c, context().plan(public_problem(c.problem), choice.options())});
      const auto info = plans.back().plan.info();
      workspace_bytes =
          std::max(workspace_bytes, static_cast<std::size_t>(info.workspace_unprepared_bytes));
      prepared_bytes =
          std::max(prepared_bytes, static_cast<std::size_t>(info.prepared_weights_bytes));
    }
  }
  const auto queue = make_queue();
  const cl::Buffer workspace(application_context(), CL_MEM_READ_WRITE, workspace_bytes);
  const cl::Buffer prepared(application_context(), CL_MEM_READ_WRITE, prepared_bytes);
  const auto check = [&](Planned& planned) {
    CAPTURE(to_text(planned.c->problem));
    CAPTURE(std::string(to_string(planned.c->problem.direction)));
    CAPTURE(std::string(planned.plan.info().strategy));
    CAPTURE(std::string(planned.plan.info().config));
    CHECK(planned.c->worst(planned.plan, queue) <= 1.0);
  };
  for (const float poison : {kNan, 1e30f}) {
    CAPTURE(poison);
    for (Planned& planned : plans) {
      queue.enqueueFillBuffer(workspace, poison, 0, workspace_bytes);
      queue.enqueueFillBuffer(prepared, poison, 0, prepared_bytes);
      planned.c->operands.workspace = workspace;
      check(planned);
      queue.enqueueFillBuffer(workspace, poison, 0, workspace_bytes);
      if (planned.plan.info().prepared_weights_bytes > 0) {
        planned.plan.prepare(queue, planned.c->operands.w, prepared);
        planned.c->operands.prepared = prepared;
        check(planned);
      }
      planned.c->operands.prepared = planned.c->operands.workspace = cl::Buffer();
    }
  }
  // One after the other through the caller's workspace as the last one left it, then the library's.
  for (const bool own : {true, false}) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{11}}) {
      for (std::size_t i = 0; i < plans.size(); ++i) {
        Planned& planned = plans[i * step % plans.size()];
        if (own) planned.c->operands.workspace = workspace;
        check(planned);
        planned.c->operands.workspace = cl::Buffer();
      }
    }
  }
}

TEST_CASE("what is marked deterministic gives the same bits twenty times") {
  for (const char* words :
       {"n2c7h13w11k9kh3kw3p1 backward-data", "n2c7h13w11k9kh3kw3p1 backward-data accumulate",
        "n2c7h13w11k9kh3kw3p1 backward-weights", "n2c7h13w11k9kh3kw3p1 backward-bias",
        "n5c40h1w1k9kh1kw1 backward-data", "n5c40h1w1k9kh1kw1 backward-weights"}) {
    const auto queue = make_queue();
    int repeatable = 0;
    for_each_candidate(problem_of(words), [&](Case& c, const clconv::Plan& plan) {
      if (plan.info().deterministic == 0) return;
      ++repeatable;
      const auto first = c.run(plan, queue);
      CHECK(c.worst(plan, first) <= 1.0);
      for (int i = 1; i < 20; ++i)
        CHECK(same_bits(c.run(plan, queue), first));
    });
    CHECK(repeatable >= 2);
  }
}

// ---- events -----------------------------------------------------------------------------------------

namespace {

using Enqueue = std::function<void(const clconv::Events*, cl::Event*)>;

// Looked at instead of waited for: an event that nobody completes would hang the test.
bool completes(const cl::Event& event) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < give_up) {
    if (event.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() == CL_COMPLETE) return true;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return false;
}

void check_event(const char* name, const cl::CommandQueue& queue, const Enqueue& enqueue) {
  CAPTURE(std::string(name));
  cl::Event done;
  enqueue(nullptr, &done);
  queue.flush();
  REQUIRE(done() != nullptr);
  REQUIRE(completes(done));
  cl::UserEvent gate(application_context());
  const clconv::Events wait = {gate, done};
  cl::Event later;
  enqueue(&wait, &later);
  queue.flush();
  REQUIRE(later() != nullptr);
  CHECK(later.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() != CL_COMPLETE);
  gate.setStatus(CL_COMPLETE);
  REQUIRE(completes(later));
}

}  // namespace

TEST_CASE("every plan completes the caller's event, after the events it waits for") {
  for (const cl_command_queue_properties properties : queue_kinds(clconv::select_device())) {
    const auto queue = own_queue(properties);
    for (const char* text :
         {"n2c4h9w9k6kh3kw3p1", "n2c4h9w9k6kh3kw3p1g2", "n2c4h9w9k6kh1kw1", "n2c16h1w1k6kh1kw1"}) {
      for (const Direction direction : kAll) {
        for (const bool plain : {true, false}) {
          Problem p = decorated(problem_of(text), direction);
          if (plain) p.bias = p.mask = p.accumulate = false;
          if (plain) p.activation = clconv::core::Activation::kNone;
          for_each_strategy(p, [&](Case& c, const clconv::Plan& plan) {
            check_event("execute", queue, [&](const clconv::Events* wait, cl::Event* event) {
              plan.execute(queue, c.operands, wait, event);
            });
            if (c.operands.w() == nullptr) return;
            cl::Buffer prepared;
            check_event("prepare", queue, [&](const clconv::Events* wait, cl::Event* event) {
              prepared = plan.prepare(queue, c.operands.w, wait, event);
            });
            c.operands.prepared = prepared;
            check_event("execute prepared", queue,
                        [&](const clconv::Events* wait, cl::Event* event) {
                          plan.execute(queue, c.operands, wait, event);
                        });
            c.operands.prepared = cl::Buffer();
          });
        }
      }
    }
  }
}

TEST_CASE("every operation completes the caller's event, after the events it waits for") {
  const auto a = device_buffer(random_floats(4096, 1)), b = device_buffer(random_floats(4096, 2));
  const auto c = device_buffer(random_floats(4096, 3)), d = device_buffer(random_floats(4096, 4));
  const auto labels = device_buffer(std::vector<float>(4096, 0.0f));
  const auto correct = device_buffer(std::vector<float>(4096, 0.0f));
  for (const cl_command_queue_properties properties : queue_kinds(clconv::select_device())) {
    const auto q = own_queue(properties);
    clconv::Context& on = context();
    using E = const clconv::Events*;
    const clconv::Problem patches("n2c3h8w7k1kh3kw3p1");
    for (const clconv_layout layout : {CLCONV_ROWS, CLCONV_COLUMNS}) {
      check_event("im2col", q,
                  [&](E w, cl::Event* e) { on.im2col(q, patches, layout, a, b, w, e); });
      for (const auto variant : {CLCONV_COL2IM_GATHER, CLCONV_COL2IM_ATOMIC}) {
        check_event("col2im", q,
                    [&](E w, cl::Event* e) { on.col2im(q, patches, layout, variant, a, b, w, e); });
      }
    }
    clconv::GemmParams gemm;
    // Tile by tile and with odd edges: CLBlast goes other ways.
    for (const std::int64_t size : {1, 7, 64}) {
      gemm.m = gemm.n = gemm.k = gemm.lda = gemm.ldb = gemm.ldc = size;
      for (const float beta : {0.0f, 1.0f}) {
        gemm.beta = beta;
        check_event("gemm", q, [&](E w, cl::Event* e) { on.gemm(q, gemm, a, b, c, w, e); });
      }
    }
    for (const std::int64_t count : {1, 4096}) {
      check_event("relu", q, [&](E w, cl::Event* e) { on.relu(q, count, a, b, w, e); });
      check_event("relu_backward", q,
                  [&](E w, cl::Event* e) { on.relu_backward(q, count, a, b, c, w, e); });
      clconv::SgdParams sgd;
      sgd.count = count;
      check_event("sgd", q, [&](E w, cl::Event* e) { on.sgd(q, sgd, a, b, cl::Buffer(), w, e); });
      sgd.momentum = 0.5f;
      check_event("sgd with momentum", q,
                  [&](E w, cl::Event* e) { on.sgd(q, sgd, a, b, c, w, e); });
      clconv::AdamParams adam;
      adam.count = count;
      check_event("adam", q, [&](E w, cl::Event* e) { on.adam(q, adam, a, b, c, d, w, e); });
    }
    // One work-group, and several with totals behind them.
    for (const std::int64_t rows : {2, 400}) {
      clconv::SoftmaxParams softmax;
      softmax.n = rows, softmax.m = 10;
      for (int wanted = 1; wanted < 16; ++wanted) {
        clconv::SoftmaxOperands o;
        o.logits = a, o.labels = labels;
        if ((wanted & 1) != 0) o.loss = b;
        if ((wanted & 2) != 0) o.correct = correct;
        if ((wanted & 4) != 0) o.probabilities = c;
        if ((wanted & 8) != 0) o.dlogits = d;
        check_event("softmax", q,
                    [&](E w, cl::Event* e) { on.softmax_cross_entropy(q, softmax, o, w, e); });
      }
    }
    clconv::Pooling pooling;
    pooling.c = 3, pooling.h = pooling.w = 9, pooling.kh = pooling.kw = 3, pooling.sh = 2;
    for (const auto mode : {CLCONV_POOLING_MAX, CLCONV_POOLING_AVERAGE}) {
      pooling.mode = mode;
      check_event("pooling_forward", q,
                  [&](E w, cl::Event* e) { on.pooling_forward(q, pooling, a, b, w, e); });
      check_event("pooling_backward", q,
                  [&](E w, cl::Event* e) { on.pooling_backward(q, pooling, a, b, c, w, e); });
    }
    q.finish();
  }
}
