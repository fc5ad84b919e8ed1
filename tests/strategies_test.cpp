// Every strategy, every candidate it offers, every problem of the suites, against the reference.
// A new strategy is tested by being in the registry.
#include "strategies/strategy.hpp"

#include <clblast.h>

#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "doctest/doctest.h"
#include "planner/measure.hpp"
#include "support/candidates.hpp"
#include "support/errors.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

// The small half of core.txt: what the reference computes in a second or so.
constexpr double kSmallFlops = 3e8;

}  // namespace

// In parts, so that two cores share the compiling.
TEST_CASE("edge suite, forward, first half: every candidate matches the reference") {
  check_suite(device(), "edge", 1e300, 0, 2, kForwardOnly);
}
TEST_CASE("edge suite, forward, second half: every candidate matches the reference") {
  check_suite(device(), "edge", 1e300, 1, 2, kForwardOnly);
}
TEST_CASE("edge suite, data gradient, first half: every candidate matches the reference") {
  check_suite(device(), "edge", 1e300, 0, 2, kData);
}
TEST_CASE("edge suite, data gradient, second half: every candidate matches the reference") {
  check_suite(device(), "edge", 1e300, 1, 2, kData);
}
TEST_CASE(
    "edge suite, weight and bias gradient, first half: every candidate matches the reference") {
  check_suite(device(), "edge", 1e300, 0, 2, kWeights);
}
TEST_CASE(
    "edge suite, weight and bias gradient, second half: every candidate matches the reference") {
  check_suite(device(), "edge", 1e300, 1, 2, kWeights);
}

TEST_CASE("small half of the core suite: every candidate matches, every strategy is offered") {
  const Offered offered = check_suite(device(), "core", kSmallFlops, 0, 1, kForwardOnly);
  for (const char* strategy :
       {"naive", "im2col_gemm", "im2row_lean", "pointwise_gemm", "implicit_gemm", "winograd"}) {
    CAPTURE(std::string(strategy));
    CHECK(offered.count(std::string(strategy) + " forward") == 1);
  }
}
TEST_CASE("small half of the core suite, data gradient: every candidate matches") {
  check_suite(device(), "core", kSmallFlops, 0, 1, kData);
}
TEST_CASE("small half of the core suite, weight and bias gradient: every candidate matches") {
  check_suite(device(), "core", kSmallFlops, 0, 1, kWeights);
}

TEST_CASE("float16: every candidate matches over a quarter of the edge suite, in all directions") {
  const Offered offered =
      check_suite(device(), "edge", 1e300, 0, 4, kAll, [](Problem& p, std::size_t) {
        p.data_type = DataType::kFloat16;
        if (p.finishes()) p.activation = Activation::kRelu6;
      });
  for (const char* served :
       {"implicit_gemm forward", "im2col_gemm forward", "im2col_gemm backward-data",
        "im2col_gemm backward-weights", "im2row_lean forward"}) {
    CAPTURE(std::string(served));
    CHECK(offered.count(served) == 1);
  }
}
TEST_CASE(
    "channels last: every candidate matches over the edge suite, with weights in both orders") {
  const Offered offered =
      check_suite(device(), "edge", 1e300, 0, 2, kForwardOnly, [](Problem& p, std::size_t i) {
        p.layout = TensorLayout::kNhwc;
        if (i / 2 % 2 == 0) p.weights_layout = WeightsLayout::kKrsc;
        if (p.finishes()) p.activation = Activation::kLeakyRelu;
        if (p.finishes()) p.activation_slope = -0.25f;
      });
  for (const char* strategy : {"naive", "implicit_gemm", "pointwise_gemm", "depthwise"}) {
    CAPTURE(std::string(strategy));
    CHECK(offered.count(std::string(strategy) + " forward") == 1);
  }
}
TEST_CASE("as a GPU: float16, and channels last") {
  Device on = pretending([](DeviceProfile& p) {
    p.family = Family::kGpu;
    p.float_width = 1;
    p.max_work_group_size = 128;
  });
  check_suite(on, "edge", 1e300, 1, 5, kAll,
              [](Problem& p, std::size_t) { p.data_type = DataType::kFloat16; });
  check_suite(on, "edge", 1e300, 2, 5, kForwardOnly, [](Problem& p, std::size_t i) {
    p.layout = TensorLayout::kNhwc;
    if (i / 2 % 2 == 0) p.weights_layout = WeightsLayout::kKrsc;
  });
}

TEST_CASE("every strategy of the registry is offered in some direction of some problem") {
  for (const Strategy* strategy : strategies()) {
    bool offered = false;
    for (const char* name : {"edge", "core"}) {
      for (const auto& item : suite(name)) {
        for (const Direction direction : kAll) {
          const Offer offer = strategy->offer(in_direction(item.problem, direction, false),
                                              device().profile(), kNoLimit);
          offered = offered || std::holds_alternative<Offers>(offer);
        }
      }
    }
    CAPTURE(std::string(strategy->name));
    CHECK(offered);
  }
}

// The kernels are written for 16, 8 and 4 floats: what is not the device's own is tested here. Vectors of 16 take
// long to compile where they are cut in halves.
TEST_CASE("another vector width, 8 or 16: every candidate matches over a part of the edge suite") {
  const bool wide = device().profile().float_width >= 16;
  Device on = pretending([&](DeviceProfile& p) { p.float_width = wide ? 8 : 16; });
  check_suite(on, "edge", 1e300, 0, wide ? 3 : 12, kAll);
}
TEST_CASE("vector width 4: every candidate matches over a third of the edge suite") {
  Device on = pretending([](DeviceProfile& p) { p.float_width = 4; });
  check_suite(on, "edge", 1e300, 1, 3, kAll);
}
TEST_CASE("as a GPU with small work-groups: every candidate matches over a third of the suite") {
  Device on = pretending([](DeviceProfile& p) {
    p.family = Family::kGpu;
    p.float_width = 1;
    p.max_work_group_size = 64;
    p.base_alignment_bytes = 512;
  });
  check_suite(on, "edge", 1e300, 2, 3, kAll);
}

// Small enough for an interpreter that checks every access (./dev sanitize runs it under Oclgrind).
TEST_CASE("checker: tiny problems with every kind of tail, in every direction") {
  for (const char* text :
       {"n2c3h5w7k5kh3kw3p1", "n1c4h6w5k6kh2kw2s2g2", "n2c5h3w3k3kh1kw1", "n1c19h1w1k3kh1kw1",
        "n3c5h2w2k7kh2kw2", "n2c3h7w9k6kh3kw3s2p1g3", "n1c2h5w21k2kh3kw2p1g2"}) {
    Offered offered;
    for (const Direction direction : kAll) {
      check_problem(device(), in_direction(parse_problem(text), direction, true), offered);
    }
  }
  // CLBlast's global cache would release its programs after the interpreter's globals are gone.
  clblast::ClearCache();
}

// Bodies that only GPUs are offered.
TEST_CASE("checker: a tiny problem as a GPU") {
  Device on = pretending([](DeviceProfile& p) { p.family = Family::kGpu; });
  Offered offered;
  for (const Direction direction : {Direction::kForward, Direction::kBackwardData}) {
    check_problem(on, in_direction(parse_problem("n2c6h5w7k4kh3kw3p1g2"), direction, true),
                  offered);
  }
  CHECK(offered.count("winograd forward") == 1);
  clblast::ClearCache();
}

TEST_CASE("winograd: errors, tile edges and refusals") {
  Device gpu = pretending([](DeviceProfile& p) {
    p.family = Family::kGpu;
    p.max_work_group_size = 256;
  });
  // In units of the stated bound: random and delta filters, the latter the worst for F(4x4).
  const Strategy& strategy = find_strategy("winograd");
  std::map<int, double> most;
  std::set<int> gpu_tiles;
  for (const char* text :
       {"n2c37h7w5k19kh3kw3p1", "n1c3h3w3k2kh3kw3", "n3c2h4w67k17kh3kw3p0,2,3,1",
        "n2c7h5w34k6kh3kw3p4,5g1", "n1c8h40w36k8kh3kw3p1g8", "n1c3h32w64k128kh3kw3p1"}) {
    for (const Direction direction : {Direction::kForward, Direction::kBackwardData}) {
      for (const int delta : {-1, 0, 8}) {
        const Problem p = in_direction(parse_problem(text), direction, true);
        Tensors tensors(p);
        for (std::size_t i = 0; delta >= 0 && i < tensors[Tensor::kW].size(); ++i) {
          if (static_cast<int>(i % 9) != delta) tensors[Tensor::kW][i] = 0;
        }
        Expected expected(p, tensors);
        for (Device* on : {&device(), &gpu}) {
          const Offer offer = strategy.offer(p, on->profile(), kNoLimit);
          for (const Candidate& candidate : candidates_of(offer)) {
            CAPTURE(text);
            CAPTURE(candidate.config.text());
            CAPTURE(delta);
            CHECK(candidate.config.has("bm") == (on == &gpu));
            const auto result = run(*on, strategy, p, candidate, tensors);
            const double ratio = worst(result, expected(candidate), candidate.error_bound);
            CHECK(ratio <= 1.0);
            double& m = most[candidate.error_reach + 1];
            m = std::max(m, ratio);
            if (on == &gpu) gpu_tiles.insert(candidate.config.get("bm", 1, 256));
          }
        }
      }
    }
  }
  MESSAGE("largest error in units of the bound: F(2x2) " << most[2] << ", F(4x4) " << most[4]);
  CHECK(most.size() == 2);
  CHECK(gpu_tiles == std::set<int>{32, 64, 128});
  for (const auto& [text, field] :
       std::vector<std::pair<const char*, std::string>>{{"n1c4h9w9k4kh3kw5p1", "kw"},
                                                        {"n1c4h9w9k4kh1kw3", "kh"},
                                                        {"n1c4h9w9k4kh3kw3s2,1", "sh"},
                                                        {"n1c4h9w9k4kh3kw3d1,2", "dw"}}) {
    const Offer offer = strategy.offer(parse_problem(text), device().profile(), kNoLimit);
    REQUIRE(std::holds_alternative<Rejection>(offer));
    CHECK(std::get<Rejection>(offer).code == Reason::kShape);
    CHECK(std::get<Rejection>(offer).field == field);
  }
  const Offer offer = strategy.offer(
      in_direction(parse_problem("n1c4h9w9k4kh3kw3p1"), Direction::kBackwardWeights, false),
      device().profile(), kNoLimit);
  REQUIRE(std::holds_alternative<Rejection>(offer));
  CHECK(std::get<Rejection>(offer).code == Reason::kDirection);
  // A chunk at a time within a limit; the results are the same.
  const Problem cut = parse_problem("n3c9h30w27k10kh3kw3p1");
  const Tensors tensors(cut);
  Expected expected(cut, tensors);
  for (Device* on : {&device(), &gpu}) {
    for (const std::int64_t limit : {kNoLimit, std::int64_t{100000}, std::int64_t{60000}}) {
      const Offer cut_offer = strategy.offer(cut, on->profile(), limit);
      for (const Candidate& candidate : candidates_of(cut_offer)) {
        CAPTURE(candidate.config.text());
        CHECK(worst(run(*on, strategy, cut, candidate, tensors), expected(candidate),
                    candidate.error_bound) <= 1.0);
      }
    }
  }
  DeviceProfile small = device().profile();
  small.local_memory_bytes = 500;
  const Offer none = strategy.offer(parse_problem("n1c4h9w9k4kh3kw3p1"), small, kNoLimit);
  REQUIRE(std::holds_alternative<Rejection>(none));
  CHECK(std::get<Rejection>(none).code == Reason::kLocalMemory);
  small = gpu.profile();
  small.local_memory_bytes = 500;
  const auto refusal = [&] {
    const Offer refused = strategy.offer(parse_problem("n1c4h9w9k4kh3kw3p1"), small, kNoLimit);
    REQUIRE(std::holds_alternative<Rejection>(refused));
    return to_text(std::get<Rejection>(refused));
  };
  CHECK(refusal() == "needs 8192 bytes of local memory, the device has 500");
  small.max_work_group_size = 32;
  CHECK(refusal() == "needs 64 work-items per group, the device allows 32");
}

TEST_CASE("worked values, exactly") {
  const auto sequence = [](int from, int to) {
    std::vector<float> values;
    for (int i = from; i <= to; ++i)
      values.push_back(static_cast<float>(i));
    return values;
  };
  using Values = std::vector<float>;
  Values ones_with_ten(9, 1.0f);
  ones_with_ten[4] = 10;
  const Values twice_nine = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const Values nine_and_back = {1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 8, 7, 6, 5, 4, 3, 2, 1};
  struct Case {
    const char* problem;
    Direction direction;
    std::vector<std::pair<Tensor, Values>> inputs;
    Values result;
  };
  constexpr Tensor kX = Tensor::kX, kW = Tensor::kW, kDy = Tensor::kDy;
  const Case cases[] = {
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
  for (const Case& c : cases) {
    Problem p = in_direction(parse_problem(c.problem), c.direction, false);
    Tensors tensors(p);
    for (const auto& [tensor, values] : c.inputs)
      tensors[tensor] = values;
    const auto check = [&](const Values& expected) {
      for_each_candidate(device(), p, kNoLimit,
                         [&](const Strategy& strategy, const Candidate& candidate) {
                           CHECK(run(device(), strategy, p, candidate, tensors) == expected);
                         });
    };
    check(c.result);
    if (c.result.front() != -47) continue;
    p.activation = Activation::kRelu;
    check({0, 7, 7, 7});
    // ReLU's backward: the gradient counts where the forward result was above 0.
    p = in_direction(p, Direction::kBackwardBias, true);
    p.accumulate = false;
    tensors[Tensor::kY] = {0, 7, 7, 7};
    tensors[kDy] = {1.25f, 3.5f, 4.75f, 0.75f};
    check({9.0f});
  }
}

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

TEST_CASE("a workspace limit cuts the batch, then the rows, and is kept, or it is refused") {
  const Strategy& strategy = find_strategy("im2col_gemm");
  for (const Direction direction :
       {Direction::kForward, Direction::kBackwardData, Direction::kBackwardWeights}) {
    for (const bool decorated : {false, true}) {
      const Problem p = in_direction(parse_problem("n3c5h12w11k7kh3kw3p1"), direction, decorated);
      const Tensors tensors(p);
      const Reference expected = reference(p, tensors);
      Offered cuts;
      for (const std::int64_t limit : {4000000, 250000, 150000, 100000, 75000, 60000}) {
        const Offer offer = strategy.offer(p, device().profile(), limit);
        if (std::holds_alternative<Rejection>(offer)) continue;
        for (const Candidate& candidate : candidates_of(offer)) {
          CAPTURE(limit);
          CAPTURE(candidate.config.text());
          CAPTURE(std::string(to_string(direction)));
          CHECK(candidate.workspace_bytes + candidate.prepared_weights_bytes <= limit);
          cuts.insert(candidate.config.text());
          CHECK(worst(run(device(), strategy, p, candidate, tensors), expected,
                      candidate.error_bound) <= 1.0);
        }
      }
      CHECK(cuts.size() >= 5);
      const Offer refused = strategy.offer(p, device().profile(), 1000);
      REQUIRE(std::holds_alternative<Rejection>(refused));
      const Rejection& rejection = std::get<Rejection>(refused);
      CHECK(rejection.code == Reason::kWorkspaceLimit);
      CHECK(rejection.limit == 1000);
      // The least it says it needs is enough.
      CHECK(
          std::holds_alternative<Offers>(strategy.offer(p, device().profile(), rejection.actual)));
    }
  }
}

TEST_CASE("im2row_lean takes one padded image and fits where im2col_gemm cuts rows or refuses") {
  const Strategy& lean = find_strategy("im2row_lean");
  const Strategy& im2col = find_strategy("im2col_gemm");
  const auto candidates = [](const Offer& offer) { return candidates_of(offer); };
  const Problem alexnet = parse_problem("n1c3h227w227k96kh11kw11s4");
  const std::int64_t image = round_up(3 * 227 * 227 * 4, device().profile().base_alignment_bytes);
  for (const Candidate& c : candidates(lean.offer(alexnet, device().profile(), kNoLimit))) {
    CHECK(c.workspace_bytes == image);
  }
  for (const Candidate& c : candidates(im2col.offer(alexnet, device().profile(), kNoLimit))) {
    CHECK(c.workspace_bytes > 3025 * 363 * 4);
  }
  constexpr std::int64_t kCuts = 1000000, kRefuses = 200000;
  for (const Candidate& c : candidates(im2col.offer(alexnet, device().profile(), kCuts))) {
    CHECK(c.config.get("rows", 1, 55) < 55);
  }
  for (const Candidate& c : candidates(lean.offer(alexnet, device().profile(), kCuts))) {
    CHECK(c.config.get("columns", 1, 55) == 55);
  }
  CHECK(std::holds_alternative<Rejection>(im2col.offer(alexnet, device().profile(), kRefuses)));
  const auto fits = [&](const Problem& p, std::int64_t limit) {
    const Tensors tensors(p);
    const Reference expected = reference(p, tensors);
    for (const Candidate& c : candidates(lean.offer(p, device().profile(), limit))) {
      CAPTURE(to_text(p));
      CAPTURE(c.config.text());
      CHECK(c.workspace_bytes + c.prepared_weights_bytes <= limit);
      CHECK(c.config.get("columns", 1, INT32_MAX) < p.ow());
      CHECK(worst(run(device(), lean, p, c, tensors), expected, c.error_bound) <= 1.0);
    }
  };
  fits(alexnet, kRefuses);
  // Runs of columns that do not divide the row, of a dilated filter, and the least there is.
  const Problem odd =
      in_direction(parse_problem("n2c6h21w41k10kh3kw2s1,2p1,2d2,3g2"), Direction::kForward, true);
  fits(odd, 20000);
  const auto refused = std::get<Rejection>(lean.offer(odd, device().profile(), 1000));
  CHECK(refused.code == Reason::kWorkspaceLimit);
  fits(odd, refused.actual);
}

TEST_CASE("the workspace of ResNet's 3x3 at batch 32 is what its matrix takes") {
  const Problem p = parse_problem("n32c64h56w56k64kh3kw3p1");
  const auto candidates =
      candidates_of(find_strategy("im2col_gemm").offer(p, device().profile(), kNoLimit));
  bool whole = false;
  for (const Candidate& candidate : candidates) {
    if (candidate.config.get("images", 1, 32) != 32) continue;
    whole = true;
    CHECK(candidate.workspace_bytes >= 231211008);  // cols alone: (100352, 576) floats
  }
  CHECK(whole);
}

TEST_CASE(
    "every offer over all suites is well-formed, im2col_gemm keeps the limit or says what it "
    "needs") {
  for (const char* name : {"edge", "core"}) {
    for (const auto& item : suite(name)) {
      for (const std::int64_t limit :
           {std::int64_t{0}, std::int64_t{1} << 16, std::int64_t{1} << 20, kNoLimit}) {
        for (const Strategy* strategy : strategies())
          for (const Direction direction : kAll) {
            CAPTURE(item.name);
            CAPTURE(std::string(strategy->name));
            CAPTURE(std::string(to_string(direction)));
            CAPTURE(limit);
            const Offer offer = strategy->offer(in_direction(item.problem, direction, false),
                                                device().profile(), limit);
            if (const auto* rejection = std::get_if<Rejection>(&offer)) {
              CHECK_FALSE(rejection->field.empty());
              if (rejection->code == Reason::kWorkspaceLimit)
                CHECK(rejection->actual > rejection->limit);
              continue;
            }
            const auto& candidates = candidates_of(offer);
            CHECK_FALSE(candidates.empty());
            std::set<std::string> names;
            for (const Candidate& c : candidates) {
              if (std::string(strategy->name) == "im2col_gemm") {
                CHECK(c.workspace_bytes + c.prepared_weights_bytes <= limit);
              }
              CHECK(c.predicted_us > 0);
              CHECK(c.error_bound > 0);
              CHECK(names.insert(c.config.text()).second);
              CHECK(Config::parse(c.config.text()) == c.config);
            }
          }
      }
    }
  }
}

TEST_CASE("problems too large for 32-bit indices are refused with the size, not computed wrongly") {
  const Problem p = parse_problem("n1c1h40000w40000k1kh1kw1");
  for (const Strategy* strategy : strategies()) {
    CAPTURE(std::string(strategy->name));
    const Offer offer = strategy->offer(p, device().profile(), kNoLimit);
    if (std::string(strategy->name) == "reduction") continue;  // does not serve forward
    if (std::string(strategy->name) == "naive") {
      CHECK(std::holds_alternative<Offers>(offer));
    } else {
      REQUIRE(std::holds_alternative<Rejection>(offer));
      CHECK(std::get<Rejection>(offer).code == Reason::kTooLarge);
    }
  }
}

TEST_CASE("implicit_gemm gathers patches in slabs where a CPU has few registers, and only there") {
  DeviceProfile profile = device().profile();
  profile.family = Family::kCpu;
  profile.local_memory_bytes = 512 << 10;
  const auto offers_slabs = [&](const char* problem) {
    const Offer offer =
        find_strategy("implicit_gemm").offer(parse_problem(problem), profile, kNoLimit);
    for (const Candidate& c : candidates_of(offer)) {
      if (c.config.has("sums") && c.config.get("sums", 0, 256) > 0) return true;
    }
    return false;
  };
  const char* const deep = "n1c256h14w14k256kh3kw3p1";
  const char* const shallow = "n1c3h14w14k256kh3kw3p1";
  for (const int narrow : {4, 8}) {
    CAPTURE(narrow);
    profile.float_width = narrow;
    CHECK(offers_slabs(deep));
    CHECK_FALSE(offers_slabs(shallow));
  }
  profile.float_width = 16;
  CHECK_FALSE(offers_slabs(deep));
  // Less local memory takes smaller ones, down to none.
  profile.float_width = 8;
  profile.local_memory_bytes = 64 << 10;
  CHECK(offers_slabs(deep));
  profile.local_memory_bytes = 4 << 10;
  CHECK_FALSE(offers_slabs(deep));
  // One tap at stride 1 needs no patches: there the filters come in slabs.
  const auto offers_slabs_of_filters = [&] {
    const Offer offer = find_strategy("implicit_gemm")
                            .offer(parse_problem("n1c1024h14w14k256kh1kw1"), profile, kNoLimit);
    const auto& candidates = candidates_of(offer);
    return std::any_of(candidates.begin(), candidates.end(), [](const Candidate& c) {
      return c.config.has("kv") && c.config.has("sums");
    });
  };
  CHECK(offers_slabs_of_filters());
  profile.float_width = 16;
  CHECK_FALSE(offers_slabs_of_filters());
}

// Of small problems one slab is always preferred: here the config is given. All need two, in the
// direction that reduces the long axis.
TEST_CASE("checker: implicit_gemm's patches and filters in slabs, with all that can be added") {
  const Strategy& strategy = find_strategy("implicit_gemm");
  Device on = pretending([](DeviceProfile& p) {
    p.family = Family::kCpu;
    p.float_width = 4;
  });
  for (const char* text : {"n1c260h2w3k5kh1kw1", "n2c60h4w5k14kh3kw3p1g2", "n1c530h3w3k6kh1kw1s2",
                           "n1c4h3w5k270kh2kw2s2", "n3c14h4w3k60kh3kw3p1,0,1,2g2",
                           "n1c70h17w17k20kh1kw1"}) {  // several panels and blocks of filters
    for (const Direction direction : kGeometric) {
      for (const bool decorated : {false, true}) {
        const Problem p = in_direction(parse_problem(text), direction, decorated);
        const Tensors tensors(p);
        const Reference expected = reference(p, tensors);
        // The phases of a strided gradient may be a column wide.
        const char* const wide =
            p.sw == 1 ? "kv=1,sums=8,th=1,tw=2,vw=4" : "kv=1,sums=1,th=1,tw=1,vw=4";
        for (const char* config :
             {"mr=4,nv=2,patch=16,sums=4,vw=4", "mr=6,nv=2,patch=16,sums=8,vw=4", wide,
              "kv=2,sums=1,th=1,tw=1,vw=4"}) {
          Candidate candidate;
          candidate.config = Config::parse(config);
          const auto executable = strategy.build(p, candidate.config, on);
          candidate.workspace_bytes = executable->workspace_bytes;
          candidate.prepared_weights_bytes = executable->prepared_weights_bytes;
          candidate.error_bound = summation_error_bound(p.reduction());
          CAPTURE(to_text(p));
          CAPTURE(std::string(to_string(direction)));
          CAPTURE(std::string(config));
          CHECK(worst(run(on, strategy, p, candidate, tensors), expected, candidate.error_bound) <=
                1.0);
        }
      }
    }
  }
}

TEST_CASE("what trust is checked on sums more than a slab where the problem does, and only then") {
  for (const Direction direction : kGeometric) {
    const auto sized = [&](const char* text) {
      return in_direction(parse_problem(text), direction, false);
    };
    const auto channels_of = [](const Problem& p) { return p.wants_dx() ? p.k : p.c; };
    // Slabs of products; of a strided gradient, those of its largest phase.
    for (const char* text : {"n1c512h14w14k512kh3kw3p1", "n1c512h14w14k512kh1kw1s2",
                             "n1c512h14w14k512kh1kw1", "n1c512h15w15k512kh3kw3s3p1"}) {
      const Problem deep = sized(text);
      const Problem small = small_problem(deep);
      CAPTURE(to_text(small));
      const std::int64_t taps = small.wants_dx()
                                    ? ceil_div(small.kh, small.sh) * ceil_div(small.kw, small.sw)
                                    : small.kh * small.kw;
      CHECK(channels_of(small) * taps > kSlabProducts);
      CHECK(problem_class(deep).find(" deep ") != std::string::npos);
      CHECK(problem_class(small) == problem_class(deep));
    }
    // Slabs of channels: Winograd's, and those of one tap.
    for (const char* text : {"n1c512h14w14k512kh3kw3p1", "n1c100h14w14k100kh1kw1"}) {
      const Problem deep = sized(text);
      const Problem small = small_problem(deep);
      CAPTURE(to_text(small));
      CHECK(channels_of(small) > kSlabChannels);
      CHECK(problem_class(deep).find(" deep in channels ") != std::string::npos);
      CHECK(problem_class(small) == problem_class(deep));
    }
    for (const char* text : {"n1c8h14w14k8kh3kw3p1", "n1c64h14w14k64kh1kw1"}) {
      CAPTURE(std::string(text));
      CHECK(problem_class(sized(text)).find(" deep ") == std::string::npos);
    }
    CHECK(problem_class(sized("n1c64h14w14k64kh3kw3p1")).find(" deep in channels ") ==
          std::string::npos);
  }
}

TEST_CASE("a config that a problem cannot honour is refused, not replaced") {
  const Problem p = parse_problem("n1c2h4w4k2kh3kw3p1");
  for (const char* config :
       {"kv=1,th=1,tw=14,vw=16", "kv=0,th=1,tw=1,vw=16", "mr=8,nv=2,patch=1,sums=0,vw=16",
        "mr=32,nv=2,patch=128,sums=1,vw=8", "bm=64,bn=64,bk=16,tm=5,tn=4"}) {
    CAPTURE(config);
    error_of(Code::kInvalidArgument,
             [&] { find_strategy("implicit_gemm").build(p, Config::parse(config), device()); });
  }
}

// ---- against something other than the reference -------------------------------------------------

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
  // As its caller sees it: x (n,c,h,w), w (c,k/g,kh,kw). The text is that of a convolution on 9x9, since x may be
  // smaller than the filter.
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
      const auto d = [](float v) { return static_cast<double>(v); };
      const auto& x = tensors[Tensor::kDy];
      const auto& w = tensors[Tensor::kW];
      const std::int64_t height = (given.h - 1) * given.sh - given.pt - given.pb +
                                  given.dh * (given.kh - 1) + 1 + seen.output_pad_h;
      const std::int64_t width = (given.w - 1) * given.sw - given.pl - given.pr +
                                 given.dw * (given.kw - 1) + 1 + seen.output_pad_w;
      const std::int64_t cg = given.c / given.g, kg = given.k / given.g;
      const auto size = static_cast<std::size_t>(given.n * given.k * height * width);
      REQUIRE(size == tensors[Tensor::kDx].size());
      REQUIRE(x.size() == static_cast<std::size_t>(given.n * given.c * given.h * given.w));
      REQUIRE(w.size() == static_cast<std::size_t>(given.c * kg * given.kh * given.kw));
      Reference expected{std::vector<double>(size, 0.0), std::vector<double>(size, 0.0)};
      for (std::int64_t n = 0; n < given.n; ++n)
        for (std::int64_t c = 0; c < given.c; ++c)
          for (std::int64_t i = 0; i < given.h; ++i)
            for (std::int64_t j = 0; j < given.w; ++j)
              for (std::int64_t k = 0; k < kg; ++k)
                for (std::int64_t u = 0; u < given.kh; ++u)
                  for (std::int64_t v = 0; v < given.kw; ++v) {
                    const std::int64_t row = i * given.sh - given.pt + u * given.dh;
                    const std::int64_t column = j * given.sw - given.pl + v * given.dw;
                    if (row < 0 || row >= height || column < 0 || column >= width) continue;
                    const std::int64_t plane = n * given.k + c / cg * kg + k;
                    const std::int64_t tap = ((c * kg + k) * given.kh + u) * given.kw + v;
                    const std::int64_t pixel = ((n * given.c + c) * given.h + i) * given.w + j;
                    expected.add(static_cast<std::size_t>((plane * height + row) * width + column),
                                 d(x[static_cast<std::size_t>(pixel)]) *
                                     d(w[static_cast<std::size_t>(tap)]));
                  }
      for (std::size_t i = 0; i < size && epilogue; ++i) {
        const std::size_t plane = i / static_cast<std::size_t>(height * width);
        expected.add(i, d(tensors[Tensor::kB][plane % static_cast<std::size_t>(given.k)]));
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
