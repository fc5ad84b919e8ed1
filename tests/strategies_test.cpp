// Every strategy, every candidate it offers, every problem of the suites, against the reference.
// A new strategy is tested by being in the registry.
#include <clblast.h>

#include "doctest/doctest.h"
#include "support/candidates.hpp"

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

TEST_CASE("float16: every candidate matches over a part of the edge suite, in all directions") {
  const Offered offered =
      check_suite(device(), "edge", 1e300, 0, thinned(4), kAll, [](Problem& p, std::size_t i) {
        p.data_type = DataType::kFloat16;
        if (p.finishes()) p.activation = Activation::kRelu6;
        if (p.mask && i / 2 % 2 == 0) p.masked = Activation::kSigmoid;
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
        if (p.finishes())
          p.activation = i / 4 % 2 == 0 ? Activation::kPrelu : Activation::kLeakyRelu;
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
    p.vector_registers = 0;
    p.max_work_group_size = 128;
  });
  check_suite(on, "edge", 1e300, 1, thinned(7), kAll,
              [](Problem& p, std::size_t) { p.data_type = DataType::kFloat16; });
  check_suite(on, "edge", 1e300, 2, thinned(7), kForwardOnly, [](Problem& p, std::size_t i) {
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
  Device on = pretending([&](DeviceProfile& p) {
    p.float_width = wide ? 8 : 16;
    p.vector_registers = 0;
  });
  check_suite(on, "edge", 1e300, 0, thinned(wide ? 3 : 12), kAll);
}
TEST_CASE("vector width 4: every candidate matches over a part of the edge suite") {
  Device on = pretending([](DeviceProfile& p) {
    p.float_width = 4;
    p.vector_registers = 0;
  });
  check_suite(on, "edge", 1e300, 1, thinned(3), kAll);
}
TEST_CASE("as a GPU with small work-groups: every candidate matches over a part of the suite") {
  Device on = pretending([](DeviceProfile& p) {
    p.family = Family::kGpu;
    p.float_width = 1;
    p.vector_registers = 0;
    p.max_work_group_size = 64;
    p.base_alignment_bytes = 512;
  });
  check_suite(on, "edge", 1e300, 2, thinned(3), kAll);
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

TEST_CASE("checker: rows of fully connected layers as a GPU, in every storage") {
  Device on = pretending([](DeviceProfile& p) { p.family = Family::kGpu; });
  const Strategy& strategy = find_strategy("fully_connected");
  for (const char* text : {"n1c70h1w1k5kh1kw1", "n5c12h3w2k3kh3kw2"}) {
    for (const DataType type : {DataType::kFloat32, DataType::kFloat16, DataType::kBfloat16}) {
      Problem p = in_direction(parse_problem(text), Direction::kForward, true);
      p.data_type = type;
      const Tensors tensors(p);
      const Reference expected = reference(p, tensors);
      for (const char* config : {"body=rows,images=2,items=16", "body=rows,images=1,items=64"}) {
        CAPTURE(to_text(p));
        CAPTURE(storage_words(p));
        CAPTURE(std::string(config));
        const auto fit = strategy.fit(p, on.profile(), Config::parse(config));
        REQUIRE(std::holds_alternative<Candidate>(fit));
        const Candidate& candidate = std::get<Candidate>(fit);
        CHECK(worst(run(on, strategy, p, candidate, tensors), expected, candidate.error_bound) <=
              1);
      }
    }
  }
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
