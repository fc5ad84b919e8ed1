// Winograd's tiles: errors against the bound, both bodies, chunks, and what is refused.
#include <algorithm>
#include <map>
#include <set>

#include "doctest/doctest.h"
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

const Strategy& winograd() {
  return find_strategy("winograd");
}

Device& as_gpu() {
  static Device& instance = *new Device(pretending([](DeviceProfile& p) {
    p.family = Family::kGpu;
    p.max_work_group_size = 256;
  }));
  return instance;
}

std::vector<Candidate> offered(const Problem& p, Device& on, std::int64_t limit = kNoLimit) {
  return candidates_of(winograd().offer(p, on.profile(), limit));
}

Rejection refused(const Problem& p, const DeviceProfile& profile) {
  return refusal_of(winograd().offer(p, profile, kNoLimit));
}

// The problem's operands with filters of one tap alone, the worst for F(4x4); all taps where `tap` is negative.
Tensors with_tap(const Problem& p, int tap) {
  Tensors tensors(p);
  for (std::size_t i = 0; tap >= 0 && i < tensors[Tensor::kW].size(); ++i) {
    if (static_cast<int>(i % 9) != tap) tensors[Tensor::kW][i] = 0;
  }
  return tensors;
}

}  // namespace

TEST_CASE("winograd: errors and tile edges") {
  std::map<int, double> most;  // by tile, in units of the stated bound
  std::set<int> gpu_tiles;
  for (const char* text :
       {"n2c37h7w5k19kh3kw3p1", "n1c3h3w3k2kh3kw3", "n3c2h4w67k17kh3kw3p0,2,3,1",
        "n2c7h5w34k6kh3kw3p4,5g1", "n1c8h40w36k8kh3kw3p1g8", "n1c3h32w64k128kh3kw3p1"}) {
    for (const Direction direction : {Direction::kForward, Direction::kBackwardData}) {
      for (const int tap : {-1, 0, 8}) {
        const Problem p = in_direction(parse_problem(text), direction, true);
        const Tensors tensors = with_tap(p, tap);
        Expected expected(p, tensors);
        for (Device* on : {&device(), &as_gpu()}) {
          for (const Candidate& candidate : offered(p, *on)) {
            CAPTURE(text);
            CAPTURE(candidate.config.text());
            CAPTURE(tap);
            CHECK(candidate.config.has("bm") == (on == &as_gpu()));
            const auto result = run(*on, winograd(), p, candidate, tensors);
            const double ratio = worst(result, expected(candidate), candidate.error_bound);
            CHECK(ratio <= 1.0);
            double& m = most[candidate.error_reach + 1];
            m = std::max(m, ratio);
            if (on == &as_gpu()) gpu_tiles.insert(candidate.config.get("bm", 1, 256));
          }
        }
      }
    }
  }
  MESSAGE("largest error in units of the bound: F(2x2) " << most[2] << ", F(4x4) " << most[4]);
  CHECK(most.size() == 2);
  CHECK(gpu_tiles == std::set<int>{32, 64, 128});
}

TEST_CASE("winograd: weight gradients, tiles that reach beyond the image, chunks, dilation") {
  double most = 0;
  for (const char* text :
       {"n2c37h7w5k19kh3kw3p1", "n1c3h3w3k2kh3kw3", "n3c2h4w67k17kh3kw3p0,2,3,1",
        "n1c8h40w36k8kh3kw3p1g2", "n2c20h19w23k40kh3kw3p2,3d2,3", "n3c70h30w44k33kh3kw3p1"}) {
    for (const bool decorated : {false, true}) {
      const Problem p = in_direction(parse_problem(text), Direction::kBackwardWeights, decorated);
      const Tensors tensors(p);
      Expected expected(p, tensors);
      for (const Candidate& candidate : offered(p, device())) {
        CAPTURE(text);
        CAPTURE(candidate.config.text());
        const auto result = run(device(), winograd(), p, candidate, tensors);
        const double ratio = worst(result, expected(candidate), candidate.error_bound);
        CHECK(ratio <= 1.0);
        most = std::max(most, ratio);
      }
    }
  }
  MESSAGE("largest error in units of the bound: F(3x3, 4x4) " << most);
  CHECK(most > 0);
  CHECK(most < 0.02);  // the bound is for the worst tap: so close, a product that is missing shows
}

TEST_CASE("winograd: channels last: few channels, tails, groups, strips over several images") {
  std::size_t number = 0;
  std::set<std::string> bodies;
  for (const char* text :
       {"n2c37h7w5k19kh3kw3p1", "n1c3h3w3k2kh3kw3", "n3c2h4w67k17kh3kw3p0,2,3,1",
        "n2c10h9w34k6kh3kw3p4,5g2", "n1c36h40w36k40kh3kw3p1g2", "n1c64h12w30k48kh3kw3p1"}) {
    for (const DataType type : {DataType::kFloat32, DataType::kFloat16}) {
      Problem p = in_direction(parse_problem(text), Direction::kForward, true);
      p.layout = TensorLayout::kNhwc;
      p.data_type = type;
      if (number++ % 3 == 0) p.weights_layout = WeightsLayout::kKrsc;
      if (p.finishes()) p.activation = number % 4 < 2 ? Activation::kPrelu : Activation::kRelu6;
      const Tensors tensors(p);
      Expected expected(p, tensors);
      for (const Candidate& candidate : offered(p, device())) {
        CAPTURE(std::string(text));
        CAPTURE(candidate.config.text());
        bodies.insert(candidate.config.body());
        const auto result = run(device(), winograd(), p, candidate, tensors);
        CHECK(worst(result, expected(candidate), candidate.error_bound, result_error_floor(p)) <=
              1.0);
      }
    }
  }
  CHECK(bodies == std::set<std::string>{"f2x2_strips", "f4x4_strips"});
}

// Sizes that fit the checker's local memory.
TEST_CASE("checker: winograd's strips in both layouts") {
  for (const char* text :
       {"n2c5h6w7k9kh3kw3p1", "n1c6h5w9k6kh3kw3p0,2,1,0g2", "n3c2h3w3k3kh3kw3"}) {
    for (const TensorLayout layout : {TensorLayout::kNchw, TensorLayout::kNhwc}) {
      Problem p = in_direction(parse_problem(text), Direction::kForward, true);
      p.layout = layout;
      const Tensors tensors(p);
      Expected expected(p, tensors);
      for (const char* config : {"body=f2x2_strips,bt=2,input=10,kv=1,runs=1,tt=2,vw=4",
                                 "body=f4x4_strips,bt=1,input=16,kv=2,runs=2,tt=3,vw=4"}) {
        CAPTURE(std::string(text));
        CAPTURE(std::string(config));
        const auto fit = winograd().fit(p, device().profile(), Config::parse(config));
        REQUIRE(std::holds_alternative<Candidate>(fit));
        const Candidate& candidate = std::get<Candidate>(fit);
        CHECK(worst(run(device(), winograd(), p, candidate, tensors), expected(candidate),
                    candidate.error_bound) <= 1.0);
      }
    }
  }
}

TEST_CASE("winograd: planes, and weights with the channels last") {
  Problem p = parse_problem("n2c10h9w14k6kh3kw3p1g2");
  p.weights_layout = WeightsLayout::kKrsc;
  const Tensors tensors(p);
  Expected expected(p, tensors);
  for (Device* on : {&device(), &as_gpu()}) {
    for (const Candidate& candidate : offered(p, *on)) {
      CAPTURE(candidate.config.text());
      CHECK(worst(run(*on, winograd(), p, candidate, tensors), expected(candidate),
                  candidate.error_bound) <= 1.0);
    }
  }
}

TEST_CASE("winograd: a chunk at a time within a limit, with the same results") {
  const Problem p = parse_problem("n3c9h30w27k10kh3kw3p1");
  const Tensors tensors(p);
  Expected expected(p, tensors);
  for (Device* on : {&device(), &as_gpu()}) {
    for (const std::int64_t limit : {kNoLimit, std::int64_t{100000}, std::int64_t{60000}}) {
      for (const Candidate& candidate : offered(p, *on, limit)) {
        CAPTURE(candidate.config.text());
        CHECK(worst(run(*on, winograd(), p, candidate, tensors), expected(candidate),
                    candidate.error_bound) <= 1.0);
      }
    }
  }
}

TEST_CASE("winograd: refusals") {
  for (const auto& [text, field] :
       std::vector<std::pair<const char*, std::string>>{{"n1c4h9w9k4kh3kw5p1", "kw"},
                                                        {"n1c4h9w9k4kh1kw3", "kh"},
                                                        {"n1c4h9w9k4kh3kw3s2,1", "sh"},
                                                        {"n1c4h9w9k4kh3kw3d1,2", "dw"}}) {
    const Rejection rejection = refused(parse_problem(text), device().profile());
    CHECK(rejection.code == Reason::kShape);
    CHECK(rejection.field == field);
  }
  const Problem served = parse_problem("n1c4h9w9k4kh3kw3p1");
  CHECK(refused(in_direction(served, Direction::kBackwardBias, false), device().profile()).code ==
        Reason::kDirection);
  Problem last = served;
  last.layout = TensorLayout::kNhwc;
  CHECK(to_text(refused(last, as_gpu().profile())) == "does not serve channels last (nhwc)");
  DeviceProfile small = device().profile();
  small.local_memory_bytes = 500;
  CHECK(refused(served, small).code == Reason::kLocalMemory);
  small = as_gpu().profile();
  small.local_memory_bytes = 500;
  CHECK(to_text(refused(served, small)) == "needs 8192 bytes of local memory, the device has 500");
  small.max_work_group_size = 32;
  CHECK(to_text(refused(served, small)) == "needs 64 work-items per group, the device allows 32");
}
