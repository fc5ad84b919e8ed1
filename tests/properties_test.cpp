// What holds of every candidate's results, whatever the strategy: locality, independence, the same bits again.
#include <limits>

#include "doctest/doctest.h"
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

TEST_CASE("rows of x that no output touches get a gradient of exactly 0") {
  Problem p = in_direction(parse_problem("n2c3h10w10k4kh3kw3s4"), Direction::kBackwardData, false);
  const Tensors tensors(p);
  for_each_candidate(device(), p, kNoLimit,
                     [&](const Strategy& strategy, const Candidate& candidate) {
                       const auto dx = run(device(), strategy, p, candidate, tensors);
                       for (std::size_t i = 0; i < dx.size(); ++i) {
                         const std::size_t row = i / 10 % 10, column = i % 10;
                         const bool untouched = row == 3 || row >= 7 || column == 3 || column >= 7;
                         if (untouched) CHECK(dx[i] == 0.0f);
                       }
                     });
}

TEST_CASE("a delta filter moves the image, bit for bit") {
  for (const char* text : {"n2c3h9w11k3kh3kw3p1g3", "n1c1h12w17k1kh4kw3p2,1d1,2"}) {
    const Problem p = parse_problem(text);
    Tensors tensors(p);
    const std::int64_t tap_p = p.kh - 1, tap_q = 0;
    std::vector<float>& w = tensors[Tensor::kW];
    for (std::size_t i = 0; i < w.size(); ++i) {
      w[i] = static_cast<std::int64_t>(i) % (p.kh * p.kw) == tap_p * p.kw + tap_q ? 1.0f : 0.0f;
    }
    std::vector<float> expected(static_cast<std::size_t>(p.y_bytes() / 4), 0.0f);
    for_each_product(p, [&](std::size_t x, std::size_t tap, std::size_t y) {
      expected[y] += tensors[Tensor::kX][x] * w[tap];
    });
    Expected within(p, tensors);
    for_each_candidate(device(), p, kNoLimit,
                       [&](const Strategy& strategy, const Candidate& candidate) {
                         const auto result = run(device(), strategy, p, candidate, tensors);
                         if (candidate.error_reach == 0) {
                           CHECK(result == expected);
                         } else {  // computed from neighbours too: up to rounding
                           CHECK(worst(result, within(candidate), candidate.error_bound) <= 1.0);
                         }
                       });
  }
}

TEST_CASE("an image's result does not depend on its neighbours in the batch") {
  for (const Direction direction : {Direction::kForward, Direction::kBackwardData}) {
    const Problem p = in_direction(parse_problem("n3c5h9w8k6kh3kw3p1"), direction, false);
    const Tensor input = inputs_of(p).front();
    const Tensors tensors(p);
    Tensors other(p, 77);
    other[Tensor::kW] = tensors[Tensor::kW];
    const auto image = static_cast<std::ptrdiff_t>(tensors[input].size() / 3);
    std::copy_n(tensors[input].begin() + image, image, other[input].begin() + image);
    for_each_candidate(
        device(), p, kNoLimit, [&](const Strategy& strategy, const Candidate& candidate) {
          if (!candidate.deterministic) return;
          const auto a = run(device(), strategy, p, candidate, tensors);
          const auto b = run(device(), strategy, p, candidate, other);
          const auto size = static_cast<std::ptrdiff_t>(a.size() / 3);
          CHECK(std::equal(a.begin() + size, a.begin() + 2 * size, b.begin() + size));
          CHECK(a != b);
        });
  }
}

TEST_CASE("what claims to be deterministic gives the same bits again") {
  for (const Direction direction : kAll) {
    const Problem p = in_direction(parse_problem("n2c19h13w11k21kh3kw3p1"), direction, true);
    const Tensors tensors(p);
    for_each_candidate(device(), p, kNoLimit,
                       [&](const Strategy& strategy, const Candidate& candidate) {
                         if (!candidate.deterministic) return;
                         CHECK(same_bits(run(device(), strategy, p, candidate, tensors),
                                         run(device(), strategy, p, candidate, tensors)));
                       });
  }
}

TEST_CASE("only the scatter-add is not deterministic") {
  const Problem p =
      in_direction(parse_problem("n2c4h9w9k6kh3kw3p1"), Direction::kBackwardData, false);
  for_each_candidate(device(), p, kNoLimit, [&](const Strategy&, const Candidate& candidate) {
    const bool atomic = candidate.config.has("atomic") && candidate.config.get("atomic", 0, 1) == 1;
    CHECK(candidate.deterministic == !atomic);
  });
}

TEST_CASE("NaN in x reaches the outputs whose patch has it, and no further than stated") {
  Problem p = parse_problem("n1c3h9w10k5kh3kw3p1");
  p.activation = Activation::kRelu;
  Tensors tensors(p);
  tensors[Tensor::kX][static_cast<std::size_t>(1 * 90 + 4 * 10 + 5)] =
      std::numeric_limits<float>::quiet_NaN();
  for_each_candidate(device(), p, kNoLimit,
                     [&](const Strategy& strategy, const Candidate& candidate) {
                       const auto y = run(device(), strategy, p, candidate, tensors);
                       for (std::int64_t i = 0; i < static_cast<std::int64_t>(y.size()); ++i) {
                         const std::int64_t distance =
                             std::max(std::abs(i / p.ow() % p.oh() - 4), std::abs(i % p.ow() - 5));
                         const bool is_nan = std::isnan(y[static_cast<std::size_t>(i)]);
                         if (distance <= 1) CHECK(is_nan);
                         if (distance > 1 + candidate.error_reach) CHECK_FALSE(is_nan);
                         if (candidate.error_reach == 0) CHECK(is_nan == (distance <= 1));
                       }
                     });
}
