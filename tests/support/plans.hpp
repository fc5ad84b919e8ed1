// Plans made and run through the public API, and compared with the reference: what the tests of faults that other
// convolution libraries had stand on.
#pragma once

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "support/application.hpp"
#include "support/reference.hpp"

namespace clconv::test {

using Json = nlohmann::json;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

inline const std::vector<Direction> kAll = {Direction::kForward, Direction::kBackwardData,
                                            Direction::kBackwardWeights, Direction::kBackwardBias,
                                            Direction::kTransposed};

// "n2c4h9w9k4kh3kw3p1 backward-data mask accumulate"
inline Problem problem_of(const std::string& words) {
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

inline clconv::Problem public_problem(const Problem& p) {
  clconv::Problem q(to_text(p));
  q.direction = static_cast<clconv_direction>(p.direction);
  q.bias = p.bias;
  q.activation = static_cast<clconv_activation>(p.mask ? p.masked : p.activation);
  q.activation_slope = p.activation_slope;
  q.activation_offset = p.activation_offset;
  q.residual = p.residual;
  q.mask = p.mask;
  q.accumulate = p.accumulate;
  return q;
}

// The problem with all that can be added to its direction.
inline Problem decorated(Problem p, Direction direction) {
  p.direction = direction;
  const bool epilogue = direction == Direction::kForward || direction == Direction::kTransposed;
  p.bias = epilogue;
  p.activation = epilogue ? clconv::core::Activation::kRelu : clconv::core::Activation::kNone;
  p.mask = p.accumulate = !epilogue;
  return p;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
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
      case Tensor::kSlopes: return operands.slopes;
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
inline std::vector<Choice> candidates(const clconv::Problem& p, const std::string& strategy = "",
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
inline std::vector<Choice> strategies(const clconv::Problem& p) {
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
  CHECK(cuts.size() >= 4);
}

}  // namespace clconv::test
