// Softmax and normalisations against their definitions in double precision.
#include <algorithm>
#include <cmath>
#include <limits>

#include "net_check.hpp"

using namespace clconv::test;

namespace {

using Integers = std::vector<std::int64_t>;
using Row = std::vector<double>;
constexpr float kNanf = std::numeric_limits<float>::quiet_NaN();

// Which elements belong together: `row_of` gives an element's row by its indices. Each row is computed by itself, its
// elements in their order.
std::vector<double> by_rows(const Shape& shape, const Numbers& x,
                            const std::function<std::int64_t(const Shape&)>& row_of,
                            const std::function<void(Row&)>& compute) {
  std::map<std::int64_t, std::vector<std::size_t>> rows;
  for (std::size_t at = 0; at < x.size(); ++at) {
    Shape index(shape.size());
    auto rest = static_cast<std::int64_t>(at);
    for (std::size_t i = shape.size(); i-- > 0; rest /= shape[i])
      index[i] = rest % shape[i];
    rows[row_of(index)].push_back(at);
  }
  std::vector<double> result(x.size());
  for (const auto& entry : rows) {
    Row row;
    for (const std::size_t at : entry.second)
      row.push_back(x[at]);
    compute(row);
    for (std::size_t i = 0; i < row.size(); ++i)
      result[entry.second[i]] = row[i];
  }
  return result;
}

// A number for the indices but those of the given axes.
std::int64_t row_without(const Shape& shape, const Shape& index, const Integers& axes) {
  std::int64_t row = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool inside =
        std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(i)) != axes.end();
    row = row * shape[i] + (inside ? 0 : index[i]);
  }
  return row;
}

void softmax(Row& row, bool log) {
  double top = -INFINITY, sum = 0;
  for (const double value : row)
    top = std::isnan(value) ? value : std::max(top, value);
  for (const double value : row)
    sum += std::exp(value - top);
  for (double& value : row)
    value = log ? value - top - std::log(sum) : std::exp(value - top) / sum;
}

void center(Row& row, double epsilon, bool outside = false) {
  double mean = 0, variance = 0;
  for (const double value : row)
    mean += value;
  mean /= static_cast<double>(row.size());
  for (const double value : row)
    variance += (value - mean) * (value - mean);
  variance /= static_cast<double>(row.size());
  const double deviation = outside ? std::sqrt(variance) + epsilon : std::sqrt(variance + epsilon);
  for (double& value : row)
    value = (value - mean) / deviation;
}

void check_softmax(const Shape& shape, std::int64_t axis, const Numbers& x,
                   std::int64_t opset = 13) {
  CAPTURE(to_string(shape));
  CAPTURE(axis);
  CAPTURE(opset);
  for (const bool log : {false, true}) {
    CAPTURE(log);
    Integers axes;
    for (auto i = axis; i < (opset < 13 ? static_cast<std::int64_t>(shape.size()) : axis + 1); ++i)
      axes.push_back(i);
    check_operator(
        {{shape, x}},
        [&](NetGraph& net, const std::vector<ValueId>& ids) {
          return net.add(log ? "LogSoftmax" : "Softmax", ids, {{"axis", axis}});
        },
        [&](const std::vector<Numbers>& stored) {
          return by_rows(
              shape, stored[0], [&](const Shape& index) { return row_without(shape, index, axes); },
              [&](Row& row) { softmax(row, log); });
        },
        2e-6, opset);
  }
}

}  // namespace

TEST_CASE("softmax: any axis, odd sizes, both meanings of the axis") {
  for (std::int64_t axis = 0; axis < 3; ++axis) {
    for (const std::int64_t opset : {11, 13}) {
      const Shape shape{3, 17, 37};
      check_softmax(shape, axis, random_numbers(shape, 5, -4, 4), opset);
    }
  }
  check_softmax({1, 1000}, 1, random_numbers(1000, 2, -10, 10));
  check_softmax({2, 1}, 1, {3, -3});
  check_softmax({1, 115, 155, 2}, 3, random_numbers(115 * 155 * 2, 7, -8, 8));
  check_softmax({1, 21, 200, 300}, 1, random_numbers(21 * 200 * 300, 3, -4, 4));
  check_softmax({0, 4}, 1, {});
}

TEST_CASE("softmax: a long row's sum is exact enough, nothing overflows") {
  const Shape shape{1, 1000000};
  Numbers x = random_numbers(shape, 8, -1, 1);
  check_softmax(shape, 1, x);
  check_softmax({3}, 0, {60000, -60000, 59999});
}

TEST_CASE("softmax: a row with NaN is NaN, infinities as their limits have them") {
  const float inf = INFINITY;
  check_softmax({3, 4}, 1, {1, 2, kNanf, 4, -inf, 0, -inf, 0, 1, 2, 3, 4});
  check_softmax({4, 3}, 0, {1, -inf, 0, 2, 1, 0, kNanf, 1, 0, 0, -inf, 3});
}

TEST_CASE("softmax without an axis takes axis 1 below opset 13, the last one from there on") {
  for (const std::int64_t opset : {12, 13}) {
    const Shape shape{2, 3, 4};
    const Numbers x = random_numbers(shape, 5);
    const Integers axes = opset < 13 ? Integers{1, 2} : Integers{2};
    NetGraph net(opset);
    net.output(net.add("Softmax", {net.input(shape, x)}));
    const auto expected = by_rows(
        shape, x, [&](const Shape& index) { return row_without(shape, index, axes); },
        [](Row& row) { softmax(row, false); });
    CHECK(worst_error(net.run().at(0), expected) <= 1e-6);
  }
}

TEST_CASE("instance normalisation") {
  for (const Shape& shape :
       {Shape{2, 3, 5, 7}, Shape{1, 4, 1}, Shape{1, 2, 200, 300}, Shape{2, 3, 4, 5, 6}}) {
    CAPTURE(to_string(shape));
    const Shape channels{shape[1]};
    // Around 3: the mean must go before squares are summed.
    check_operator(
        {{shape, random_numbers(shape, 1, 2, 4)},
         {channels, random_numbers(channels, 2)},
         {channels, random_numbers(channels, 3)}},
        [&](NetGraph& net, const std::vector<ValueId>& ids) {
          return net.add("InstanceNormalization", ids, {{"epsilon", 1e-3F}});
        },
        [&](const std::vector<Numbers>& stored) {
          auto result = by_rows(
              shape, stored[0], [&](const Shape& index) { return index[0] * shape[1] + index[1]; },
              [](Row& row) { center(row, 1e-3); });
          const std::int64_t plane = elements(shape, 2, shape.size());
          for (std::size_t i = 0; i < result.size(); ++i) {
            const auto c =
                static_cast<std::size_t>(static_cast<std::int64_t>(i) / plane % shape[1]);
            result[i] = result[i] * stored[1][c] + stored[2][c];
          }
          return result;
        },
        2e-5);
  }
}

TEST_CASE("layer normalisation: the last axes, with and without a bias") {
  for (const auto& [shape, axis] :
       {std::pair{Shape{2, 5, 37}, std::int64_t{-1}}, std::pair{Shape{3, 4, 5}, std::int64_t{1}},
        std::pair{Shape{6, 100}, std::int64_t{0}}, std::pair{Shape{196, 768}, std::int64_t{-1}}}) {
    const std::size_t first = normalized_axis(axis, shape.size());
    const Shape row_shape(shape.begin() + static_cast<std::ptrdiff_t>(first), shape.end());
    for (const bool bias : {false, true}) {
      const std::string words = to_string(shape);
      CAPTURE(words);
      CAPTURE(bias);
      std::vector<Tensor> inputs = {{shape, random_numbers(shape, 1, 0, 3)},
                                    {row_shape, random_numbers(row_shape, 2)}};
      if (bias) inputs.push_back({row_shape, random_numbers(row_shape, 3)});
      check_operator(
          inputs,
          [&, &axis = axis](NetGraph& net, const std::vector<ValueId>& ids) {
            return net.add_node("LayerNormalization", ids, 3, {{"axis", axis}}).front();
          },
          [&, &shape = shape](const std::vector<Numbers>& stored) {
            const std::int64_t length = elements(row_shape);
            Numbers x = stored[0];
            std::vector<double> result = by_rows(
                {elements(shape) / length, length}, x, [](const Shape& index) { return index[0]; },
                [](Row& row) { center(row, 1e-5); });
            for (std::size_t i = 0; i < result.size(); ++i) {
              const std::size_t e = i % static_cast<std::size_t>(length);
              result[i] = result[i] * stored[1][e] + (bias ? stored[2][e] : 0.0F);
            }
            return result;
          },
          1e-5);
    }
  }
}

TEST_CASE("layer normalisation: the mean and the inverse deviation of each row") {
  const Shape shape{3, 4, 5}, row{4, 5};
  const Numbers x = random_numbers(shape, 1, 0, 3);
  for (core::Device* on : {&device(), &as_gpu()}) {
    NetGraph net;
    const ValueId ones = net.constant(row, Numbers(20, 1));
    for (const ValueId id : net.add_node("LayerNormalization", {net.input(shape, x), ones}, 3,
                                         {{"axis", std::int64_t{1}}}))
      net.output(id);
    RunOptions options;
    options.on = on;
    const auto results = net.run(options);
    std::vector<double> means, inverses;
    for (std::size_t r = 0; r < 3; ++r) {
      double mean = 0, variance = 0;
      for (std::size_t i = 0; i < 20; ++i)
        mean += x[r * 20 + i] / 20.0;
      for (std::size_t i = 0; i < 20; ++i)
        variance += (x[r * 20 + i] - mean) * (x[r * 20 + i] - mean) / 20.0;
      means.push_back(mean);
      inverses.push_back(1 / std::sqrt(variance + 1e-5));
    }
    CHECK(worst_error(results[1], means) <= 1e-6);
    CHECK(worst_error(results[2], inverses) <= 1e-6);
  }
}

TEST_CASE("group normalisation: a scale per group at opset 18, per channel at 21") {
  const Shape shape{2, 6, 5, 7};
  for (const std::int64_t opset : {18, 21}) {
    CAPTURE(opset);
    const Shape parameters{opset < 21 ? 3 : 6};
    check_operator(
        {{shape, random_numbers(shape, 1)},
         {parameters, random_numbers(parameters, 2)},
         {parameters, random_numbers(parameters, 3)}},
        [&](NetGraph& net, const std::vector<ValueId>& ids) {
          return net.add("GroupNormalization", ids, {{"num_groups", std::int64_t{3}}});
        },
        [&](const std::vector<Numbers>& stored) {
          auto result = by_rows(
              shape, stored[0], [&](const Shape& index) { return index[0] * 3 + index[1] / 2; },
              [](Row& row) { center(row, 1e-5); });
          for (std::size_t i = 0; i < result.size(); ++i) {
            const std::size_t channel = i / 35 % 6, at = opset < 21 ? channel / 2 : channel;
            result[i] = result[i] * stored[1][at] + stored[2][at];
          }
          return result;
        },
        1e-5, opset);
  }
}

TEST_CASE("mean variance normalisation and lp normalisation over axes") {
  const Shape shape{3, 4, 5, 6};
  for (const Integers& axes :
       {Integers{0, 2, 3}, Integers{2, 3}, Integers{1}, Integers{1, 3}, Integers{0}}) {
    CAPTURE(axes.front());
    check_operator(
        {{shape, random_numbers(shape, 1, 0, 2)}},
        [&](NetGraph& net, const std::vector<ValueId>& ids) {
          return net.add("MeanVarianceNormalization", ids, {{"axes", axes}});
        },
        [&](const std::vector<Numbers>& stored) {
          return by_rows(
              shape, stored[0], [&](const Shape& index) { return row_without(shape, index, axes); },
              [](Row& row) { center(row, 1e-9, true); });
        },
        1e-5);
  }
  for (const std::int64_t p : {1, 2}) {
    for (std::int64_t axis = 0; axis < 4; ++axis) {
      CAPTURE(axis);
      check_operator(
          {{shape, random_numbers(shape, 1)}},
          [&](NetGraph& net, const std::vector<ValueId>& ids) {
            return net.add("LpNormalization", ids, {{"axis", axis}, {"p", p}});
          },
          [&](const std::vector<Numbers>& stored) {
            return by_rows(
                shape, stored[0],
                [&](const Shape& index) { return row_without(shape, index, {axis}); },
                [&](Row& row) {
                  double norm = 0;
                  for (const double value : row)
                    norm += p == 1 ? std::fabs(value) : value * value;
                  if (p == 2) norm = std::sqrt(norm);
                  for (double& value : row)
                    value /= norm;
                });
          },
          1e-5);
    }
  }
}

TEST_CASE("local response normalisation: odd and even sizes, more than the channels") {
  for (const Shape& shape : {Shape{2, 7, 3, 5}, Shape{1, 4, 55, 55}, Shape{2, 5}}) {
    for (const std::int64_t size : {1, 2, 5, 6, 20}) {
      for (const float beta : {0.75F, 0.5F}) {
        CAPTURE(to_string(shape));
        CAPTURE(size);
        check_operator(
            {{shape, random_numbers(shape, 1, -3, 3)}},
            [&](NetGraph& net, const std::vector<ValueId>& ids) {
              return net.add("LRN", ids,
                             {{"size", size}, {"alpha", 0.5F}, {"beta", beta}, {"bias", 2.0F}});
            },
            [&](const std::vector<Numbers>& stored) {
              const std::int64_t inner = elements(shape, 2, shape.size()), channels = shape[1];
              std::vector<double> result;
              for (std::int64_t i = 0; i < elements(shape); ++i) {
                const std::int64_t c = i / inner % channels;
                double sum = 0;
                for (std::int64_t other = 0; other < channels; ++other) {
                  if (other < c - (size - 1) / 2 || other > c + size / 2) continue;
                  const double value = stored[0][static_cast<std::size_t>(i + (other - c) * inner)];
                  sum += value * value;
                }
                result.push_back(stored[0][static_cast<std::size_t>(i)] /
                                 std::pow(2 + 0.5 / static_cast<double>(size) * sum, beta));
              }
              return result;
            },
            1e-5);
      }
    }
  }
}

TEST_CASE("normalisations: what is refused is named") {
  const Shape shape{1, 4, 2, 2};
  const auto message = [&](const char* op, std::initializer_list<Shape> parameters,
                           const NetGraph::AttributeList& attributes = {}) {
    NetGraph net(18);
    std::vector<ValueId> inputs = {net.input(shape, random_numbers(shape, 1))};
    for (const Shape& parameter : parameters)
      inputs.push_back(net.constant(parameter, random_numbers(parameter, 1)));
    net.output(net.add(op, inputs, attributes));
    return refusal(net);
  };
  CHECK(contains(message("InstanceNormalization", {{4}, {3}}),
                 "has 3 elements, expected one per channel, 4"));
  CHECK(contains(message("GroupNormalization", {{3}, {3}}, {{"num_groups", std::int64_t{3}}}),
                 "num_groups is 3, which does not divide the 4 channels"));
  CHECK(contains(message("LRN", {}), "size is 0"));
  CHECK(contains(message("LpNormalization", {}, {{"p", std::int64_t{3}}}),
                 "p is 3, expected 1 or 2"));
  CHECK(contains(message("Softmax", {}, {{"axis", std::int64_t{4}}}), "axis 4 is outside"));
}
