// The check before a variant is trusted: made on a problem within what the variant serves, with no word
// against a right variant, and with nothing learnt where it cannot be made.
#include <random>
#include <set>

#include "doctest/doctest.h"
#include "machine/machine.hpp"
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

constexpr Direction kDirections[] = {Direction::kForward, Direction::kBackwardData,
                                     Direction::kTransposed, Direction::kBackwardWeights};

// Is every variant offered right on its stand-in? Of the offers, every `step`-th is run.
void check_offers(Problem p, Direction direction, std::size_t step, std::size_t& count) {
  p.direction = direction;
  CAPTURE(to_text(p));
  CAPTURE(std::string(to_string(direction)));
  Wisdom wisdom("");
  DeviceLaboratory laboratory(device(), wisdom, {}, p);
  for (const Strategy* strategy : strategies()) {
    const Offer offer = strategy->offer(p, device().profile(), std::int64_t{1} << 40);
    if (strategy->yardstick) continue;
    for (const Candidate& candidate : candidates_of(offer)) {
      if (count++ % step != 0) continue;
      const std::string variant = strategy->name + std::string(" ") + candidate.config.text();
      CAPTURE(variant);
      std::optional<Rejection> wrong;
      CHECK_NOTHROW(wrong = laboratory.verify(*strategy, candidate));
      CHECK_MESSAGE(!wrong, (wrong ? to_text(*wrong) : ""));
    }
  }
}

Problem random_problem(std::mt19937& engine) {
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine);
  };
  Problem p;
  p.kh = pick(1, 12);
  p.kw = pick(1, 12);
  p.pt = p.pb = pick(0, p.kh - 1);
  p.pl = p.pr = pick(0, p.kw - 1);
  p.sh = p.sw = pick(1, 3);
  p.h = p.kh + pick(0, 60);
  p.w = p.kw + pick(0, 60);
  p.g = pick(1, 4) == 1 ? 4 : 1;
  p.n = pick(1, 3);
  p.c = p.g * pick(1, 20);
  p.k = p.g * pick(1, 40);
  p.validate();
  return p;
}

// Takes 200 filters at least.
int built = 0;
Offer no_offer(const Problem&, const DeviceProfile&, std::int64_t) {
  return Rejection{};
}
std::unique_ptr<const Executable> build_large(const Problem& p, const Config& config, Device& on) {
  ++built;
  if (p.k < 200) throw Error(Code::kInvalidArgument, "config '': needs 200 filters");
  return find_strategy("naive").build(p, config, on);
}
std::unique_ptr<const Executable> build_none(const Problem&, const Config&, Device&) {
  throw Error(Code::kInvalidArgument, "config '': refused");
}

}  // namespace

TEST_CASE("every variant is right on its stand-in: full correlations") {
  std::size_t count = 0;
  for (const char* text :
       {"n1c16h24w24k16kh24kw24p23", "n1c4h32w32k8kh32kw32p31", "n2c8h20w40k8kh17kw17p16",
        "n1c8h12w48k16kh11kw33ph10pw32", "n1c16h40w40k16kh36kw36p35", "n1c6h30w30k4kh21kw21p20"}) {
    for (const Direction direction : kDirections)
      check_offers(parse_problem(text), direction, 2, count);
  }
}

TEST_CASE("every variant is right on its stand-in: suites") {
  std::size_t count = 0;
  for (const char* name : {"core", "edge", "mobilenet_v1"}) {
    for (const NamedProblem& item : suite(name)) {
      for (const Direction direction : kDirections)
        check_offers(item.problem, direction, 23, count);
    }
  }
}

TEST_CASE("every variant is right on its stand-in: random problems") {
  std::mt19937 engine(10);
  std::size_t count = 0;
  for (int i = 0; i < 12; ++i) {
    const Problem p = random_problem(engine);
    for (const Direction direction : kDirections)
      check_offers(p, direction, 9, count);
  }
}

TEST_CASE("stand-ins are of one class, grow within the problem and end with it") {
  for (const char* name : {"core", "edge", "mobilenet_v1"}) {
    for (const NamedProblem& item : suite(name)) {
      for (const Direction direction : kDirections) {
        Problem p = item.problem;
        p.direction = direction;
        CAPTURE(to_text(p));
        const std::vector<Problem> all = stand_ins(p);
        CHECK(all.front() == small_problem(p));
        CHECK(all.back() == p);
        for (const Problem& s : all) {
          CAPTURE(to_text(s));
          CHECK_NOTHROW(s.validate());
          CHECK((s.n <= p.n && s.c <= p.c && s.h <= p.h && s.w <= p.w && s.k <= p.k));
          CHECK(problem_class(s) == problem_class(p));
        }
      }
    }
  }
}

// On a CPU with 16 registers, where bodies store sums between slabs of channels.
TEST_CASE(
    "what trust is checked on has more channels than a slab where the variant needs it, and only "
    "then") {
  DeviceProfile profile = device().profile();
  profile.family = Family::kCpu;
  profile.float_width = 8;
  profile.vector_registers = 16;
  profile.local_memory_bytes = 512 << 10;
  const Machine machine = Machine::of(profile);
  std::set<std::string> with_slabs;
  for (const Direction direction : {Direction::kForward, Direction::kBackwardData}) {
    for (const char* text :
         {"n1c512h14w14k512kh3kw3p1", "n1c512h14w14k512kh1kw1s2", "n1c512h14w14k512kh1kw1",
          "n1c512h15w15k512kh3kw3s3p1", "n1c8h14w14k8kh3kw3p1", "n1c64h14w14k64kh1kw1"}) {
      const Problem p = in_direction(parse_problem(text), direction, false);
      const std::int64_t all = p.wants_dx() ? p.k : p.c;
      for (const Strategy* strategy : strategies()) {
        for (const Candidate& c : candidates_of(strategy->offer(p, profile, kNoLimit))) {
          CAPTURE(text);
          CAPTURE(std::string(strategy->name) + " " + c.config.text());
          const Problem small = small_problem(p, c.slab_channels);
          const std::int64_t channels = small.wants_dx() ? small.k : small.c;
          CHECK(problem_class(small, c.slab_channels) == problem_class(p, c.slab_channels));
          CHECK(c.slab_channels <= all);
          CHECK(channels >= c.slab_channels);
          if (all <= 8 || c.slab_channels == 0) {
            CHECK(c.slab_channels == 0);
            CHECK(channels <= 35);
            continue;
          }
          with_slabs.insert(c.config.body());
          // More than any slab of it.
          CHECK((c.slab_channels > machine.slab_channels ||
                 c.slab_channels * p.kh * p.kw > machine.slab_products));
          CHECK(problem_class(p, c.slab_channels) != problem_class(p));
        }
      }
    }
  }
  CHECK(with_slabs == std::set<std::string>{"f2x2", "f4x4", "patches", "slabs"});
}

TEST_CASE("a stand-in outside a variant's domain is no failure of the variant") {
  const Problem p = parse_problem("n1c2h4w4k300kh3kw3");
  const Strategy large = {"large", no_offer, build_large};
  Wisdom wisdom("");
  DeviceLaboratory laboratory(device(), wisdom, {}, p);
  built = 0;
  CHECK_FALSE(laboratory.verify(large, Candidate()));
  CHECK(built > 1);
  CHECK(wisdom.find_trust("large", "", problem_class(p), {}));
  const Strategy none = {"none", no_offer, build_none};
  CHECK_THROWS_AS(laboratory.verify(none, Candidate()), Error);
  CHECK_FALSE(wisdom.find_trust("none", "", problem_class(p), {}));
}

TEST_CASE("of no images there is nothing to check and nothing to learn") {
  Problem p = parse_problem("n1c2h4w4k3kh3kw3");
  p.n = 0;
  const Strategy none = {"none", no_offer, build_none};
  Wisdom wisdom("");
  DeviceLaboratory laboratory(device(), wisdom, {}, p);
  CHECK_FALSE(laboratory.verify(none, Candidate()));
  CHECK_FALSE(wisdom.find_trust("none", "", problem_class(p), {}));
}
