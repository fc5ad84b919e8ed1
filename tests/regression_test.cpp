// Faults that other convolution libraries had, one test case each, through the public API: what is added how often,
// and whether the whole batch is computed.
#include <cstring>

#include "doctest/doctest.h"
#include "support/plans.hpp"

using namespace clconv::test;

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
