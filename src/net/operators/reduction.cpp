// Reductions over axes. Constants, among them integers that shapes are computed from, are folded on the host.
#include <algorithm>
#include <cmath>
#include <limits>

#include "net/elements.hpp"
#include "net/operator.hpp"
#include "net/operators/reduce.hpp"

namespace clconv::net {
namespace {

using Fold = Reduction::Fold;
using Map = Reduction::Map;
using Finish = Reduction::Finish;

constexpr Reduction kReductions[] = {
    kMean,
    {"ReduceSum", Fold::kSum},
    kMax,
    {"ReduceMin", Fold::kMin},
    {"ReduceProd", Fold::kProduct},
    {"ReduceL1", Fold::kSum, Map::kAbs},
    {"ReduceL2", Fold::kSum, Map::kSquare, Finish::kSqrt},
    {"ReduceSumSquare", Fold::kSum, Map::kSquare},
    {"ReduceLogSum", Fold::kSum, Map::kNone, Finish::kLog},
    {"ReduceLogSumExp", Fold::kLogSumExp},
};

const Reduction& reduction_of(const NodeView& view) {
  return *std::find_if(std::begin(kReductions), std::end(kReductions),
                       [&](const Reduction& row) { return view.node().op == row.name; });
}

// Which axes are reduced: those given, else all, or none with noop_with_empty_axes, when each element is reduced alone.
std::vector<bool> reduced_axes(const NodeView& view) {
  const std::size_t rank = view.shape(0).size();
  const auto axes = view.integers_or(1, "axes", {});
  const bool none = view.attributes().integer("noop_with_empty_axes", 0) != 0;
  std::vector<bool> reduced(rank, axes.empty() && !none);
  for (const std::int64_t axis : axes)
    reduced[normalized_axis(axis, rank)] = true;
  return reduced;
}

void infer_reduction(Inference& inference) {
  inference.expect_inputs(1, 2);
  if (inference.constant(0) == nullptr) inference.expect_floating(0);
  const std::vector<bool> reduced = reduced_axes(inference);
  const bool keep = inference.attributes().integer("keepdims", 1) != 0;
  Shape result;
  for (std::size_t i = 0; i < reduced.size(); ++i) {
    if (!reduced[i]) result.push_back(inference.shape(0)[i]);
    if (reduced[i] && keep) result.push_back(1);
  }
  inference.output(0, inference.type(0), result);
}

template <class Number>
Number start_of(Fold fold) {
  using Limits = std::numeric_limits<Number>;
  switch (fold) {
    case Fold::kProduct: return 1;
    case Fold::kMax:
    case Fold::kLogSumExp: return Limits::has_infinity ? -Limits::infinity() : Limits::min();
    case Fold::kMin: return Limits::has_infinity ? Limits::infinity() : Limits::max();
    case Fold::kSum: break;
  }
  return 0;
}

// Wraps around as the device's integers do.
std::int64_t added(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::int64_t multiplied(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
double added(double a, double b) {
  return a + b;
}
double multiplied(double a, double b) {
  return a * b;
}
bool is_nan(std::int64_t) {
  return false;
}
bool is_nan(double value) {
  return std::isnan(value);
}

template <class Number>
Number folded(Fold fold, Number total, Number value) {
  switch (fold) {
    case Fold::kProduct: return multiplied(total, value);
    case Fold::kMax: return value > total || is_nan(value) ? value : total;
    case Fold::kMin: return value < total || is_nan(value) ? value : total;
    case Fold::kLogSumExp:
    case Fold::kSum: break;
  }
  return added(total, value);
}

template <class Number>
Number mapped(Map map, Number value) {
  if (map == Map::kAbs) return value < 0 ? multiplied(value, Number{-1}) : value;
  return map == Map::kSquare ? multiplied(value, value) : value;
}

// Per element of the input, the result that it belongs to.
std::vector<std::size_t> results_of(const Shape& shape, const std::vector<bool>& reduced) {
  std::vector<std::size_t> places(static_cast<std::size_t>(elements(shape)));
  std::vector<std::size_t> index(shape.size(), 0), steps(shape.size(), 0);
  std::size_t step = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (reduced[i]) continue;
    steps[i] = step;
    step *= static_cast<std::size_t>(shape[i]);
  }
  std::size_t place = 0;
  for (std::size_t& at : places) {
    at = place;
    for (std::size_t i = shape.size(); i-- > 0;) {
      place += steps[i];
      if (++index[i] < static_cast<std::size_t>(shape[i])) break;
      place -= steps[i] * index[i];
      index[i] = 0;
    }
  }
  return places;
}

template <class Number>
std::vector<Number> totals_of(const Reduction& reduction, const std::vector<Number>& values,
                              const std::vector<std::size_t>& places, std::size_t results) {
  std::vector<Number> totals(results, start_of<Number>(reduction.fold));
  for (std::size_t i = 0; i < values.size(); ++i) {
    Number& total = totals[places[i]];
    total = folded(reduction.fold, total, mapped(reduction.map, values[i]));
  }
  return totals;
}

// log(sum(exp)), where the fold takes the maxima first.
std::vector<double> log_sums_exp(const std::vector<double>& values,
                                 const std::vector<std::size_t>& places, std::size_t results) {
  const Reduction maximum{"", Fold::kMax};
  const std::vector<double> tops = totals_of(maximum, values, places, results);
  std::vector<double> sums(results, 0);
  for (std::size_t i = 0; i < values.size(); ++i)
    sums[places[i]] += std::exp(values[i] - tops[places[i]]);
  for (std::size_t i = 0; i < results; ++i)
    sums[i] = std::isinf(tops[i]) ? tops[i] : tops[i] + std::log(sums[i]);
  return sums;
}

std::vector<double> reduced_values(const Reduction& reduction, const std::vector<double>& values,
                                   const std::vector<std::size_t>& places, std::size_t results) {
  if (reduction.fold == Fold::kLogSumExp) return log_sums_exp(values, places, results);
  std::vector<double> totals = totals_of(reduction, values, places, results);
  const double divisor = results == 0 ? 1 : static_cast<double>(values.size() / results);
  for (double& total : totals) {
    if (reduction.mean) total /= divisor;
    if (reduction.finish == Finish::kSqrt) total = std::sqrt(total);
    if (reduction.finish == Finish::kLog) total = std::log(total);
  }
  return totals;
}

void evaluate_reduction(Evaluation& evaluation) {
  const Reduction& reduction = reduction_of(evaluation);
  const Constant& x = evaluation.constant_input(0);
  const std::vector<bool> reduced = reduced_axes(evaluation);
  auto result = std::make_shared<Constant>();
  result->type = x.type;
  result->shape = *evaluation.graph().value(evaluation.node().outputs[0]).shape;
  const auto results = static_cast<std::size_t>(result->count());
  const std::vector<std::size_t> places = results_of(x.shape, reduced);
  if (is_floating(x.type)) {
    const std::vector<double> values(x.floats.begin(), x.floats.end());
    for (const double value : reduced_values(reduction, values, places, results))
      result->floats.push_back(static_cast<float>(value));
  } else if (reduction.finish == Finish::kNone && !reduction.mean &&
             reduction.fold != Fold::kLogSumExp) {
    result->integers = totals_of(reduction, x.integers, places, results);
  } else {
    // Roots, logarithms and means of integers are rounded towards zero.
    const std::vector<double> values(x.integers.begin(), x.integers.end());
    for (const double value : reduced_values(reduction, values, places, results)) {
      if (!std::isfinite(value)) evaluation.unsupported("a result is not finite");
      result->integers.push_back(truncated(value));
    }
  }
  evaluation.output(0, result);
}

void lower(Lowering& lowering) {
  lower_reduction(lowering, reduction_of(lowering), reduced_axes(lowering));
}

}  // namespace

Operators reduction_operators();
Operators reduction_operators() {
  Operators rows;
  for (const Reduction& reduction : kReductions)
    rows.push_back({reduction.name, "", 7, infer_reduction, evaluate_reduction, lower});
  return rows;
}

}  // namespace clconv::net
