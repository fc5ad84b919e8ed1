// The check before a variant is trusted: made on a problem within what the variant serves, with no word
// against a right variant, and with nothing learnt where it cannot be made.
#include <random>
#include <set>

#include "doctest/doctest.h"
#include "machine/machine.hpp"
#include "planner/expected.hpp"
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
  DeviceLaboratory laboratory(device(), wisdom, {}, p, Launches::kJoined);
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
std::unique_ptr<Executable> build_large(const Problem& p, const Config& config, Device& on) {
  ++built;
  if (p.k < 200) throw Error(Code::kInvalidArgument, "config '': needs 200 filters");
  return find_strategy("naive").build(p, config, on);
}
// Leaves out the residual: as much as a product may be.
std::unique_ptr<Executable> build_without_residual(const Problem& p, const Config& config,
                                                   Device& on) {
  Problem less = p;
  less.residual = false;
  return find_strategy("naive").build(less, config, on);
}
std::unique_ptr<Executable> build_right(const Problem& p, const Config& config, Device& on) {
  return find_strategy("naive").build(p, config, on);
}
std::unique_ptr<Executable> build_none(const Problem&, const Config&, Device&) {
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
  const DeviceProfile profile = as_cpu(device().profile(), 8, 16);
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
          const Problem small = small_problem(p, c.coverage);
          const std::int64_t channels = small.wants_dx() ? small.k : small.c;
          CHECK(problem_class(small, c.coverage) == problem_class(p, c.coverage));
          CHECK(c.coverage.slab_channels <= all);
          CHECK(channels >= c.coverage.slab_channels);
          if (all <= 8 || c.coverage.slab_channels == 0) {
            CHECK(c.coverage.slab_channels == 0);
            CHECK(channels <= 35);
            continue;
          }
          with_slabs.insert(c.config.body());
          // More than any slab of it.
          CHECK((c.coverage.slab_channels > machine.slab_channels ||
                 c.coverage.slab_channels * p.kh * p.kw > machine.slab_products));
          CHECK(problem_class(p, c.coverage) != problem_class(p));
        }
      }
    }
  }
  // A strip of f4x4_strips with 512 channels does not fit in this local memory.
  CHECK(with_slabs == std::set<std::string>{"f2x2", "f2x2_strips", "f4x4", "patches", "slabs"});
}

namespace {

// The tile that a config names: filters (of a data gradient channels) and columns of the result, elements of a filter.
struct NamedTile {
  std::int64_t filters = 0, columns = 0, elements = 0;
};
NamedTile tile_of(const Strategy& strategy, const Config& c, const Problem& p) {
  if (std::string(strategy.name) == "depthwise") return {};
  const auto value = [&](const char* name) { return std::int64_t{c.get(name, 0, INT32_MAX)}; };
  const std::string& body = c.body();
  if (body == "filters" || body == "slabs" || body == "in_place")
    return {value("kv") * value("vw"), value("tw")};
  if (body == "pixels") return {value("mr"), value("nv") * value("vw")};
  if (body == "patches" || body == "staged_pixels" || body == "weights_pixels")
    return {value("mr")};
  if (body == "f2x2" || body == "f4x4") return {value("kv") * value("vw")};
  if (body == "f2x2_strips" || body == "f4x4_strips")
    return {value("kv") * value("vw"), (body == "f2x2_strips" ? 2 : 4) * (value("vw") + 1)};
  if (body == "tile" || body == "f2x2_tile" || body == "f4x4_tile" || body == "f2x2_fused")
    return {value("bm")};
  if (body == "weights_filters")
    return {value("kv") * value("vw"), 0, value("tc") * value("tq") * p.kh};
  if (body == "weights_sections")
    return {value("kv") * value("vw"), 0, value("tc") * value("tp") * value("tq")};
  if (body == "weights_taps") return {value("mr"), 0, value("tp") * p.kw};
  if (body == "f4x4_weights")
    return {value("kv") * value("vw"), 0, value("tc") * value("slabs") * p.kh * p.kw};
  if (body == "weights_patches") return {value("tf"), 0, value("kv") * value("vw")};
  if (body == "weights_planes") return {value("mr"), 0, value("ne")};
  if (body == "weights_tile") return {value("bm"), 0, value("bn")};
  return {};
}

}  // namespace

TEST_CASE("what trust is checked on has a whole tile of the variant and a rest, and is small") {
  std::set<std::string> wide;  // bodies with a tile that the smallest problems would have cut only
  for (const std::int64_t width : {16, 8, 1}) {
    DeviceProfile profile = as_cpu(device().profile(), width, 2 * width);
    if (width == 1) profile.family = Family::kGpu;
    profile.max_work_group_size = 256;
    for (const Direction direction : kDirections) {
      for (const char* text : {"n1c192h150w150k200kh3kw3p1", "n2c192h150w150k200kh3kw3s2p1",
                               "n1c192h150w150k200kh1kw1", "n1c150h160w160k150kh3kw3p1g150"}) {
        const Problem p = in_direction(parse_problem(text), direction, false);
        for (const Strategy* strategy : strategies()) {
          const Offer offer = strategy->offer(p, profile, kNoLimit);
          const auto* offers = std::get_if<Offers>(&offer);
          if (offers == nullptr) continue;
          for (const Candidate& c : offers->candidates) {
            CAPTURE(text);
            CAPTURE(std::string(to_string(direction)));
            CAPTURE(std::string(strategy->name) + " " + c.config.text());
            const Problem s = small_problem(p, c.coverage);
            CAPTURE(to_text(s));
            const NamedTile tile = tile_of(*strategy, c.config, p);
            // A group may have fewer than a tile.
            const std::int64_t all = p.wants_dx() ? p.c_per_group() : p.k_per_group();
            const std::int64_t filters = p.wants_dx() ? s.c_per_group() : s.k_per_group();
            CHECK(filters >= std::min(all, tile.filters + 1));
            const bool flat = p.kh * p.sh == 1;  // an image is one row
            if (!flat) CHECK((p.wants_dx() ? s.w : s.ow()) > tile.columns);
            CHECK(s.c_per_group() * s.kh * s.kw >=
                  std::min(p.c_per_group() * p.kh * p.kw, tile.elements + 1));
            CHECK(problem_class(s, c.coverage) == problem_class(p, c.coverage));
            CHECK(s.flops() < 1.5e9);  // what naive takes a few tenths of a second for
            if (tile.filters > 35 || tile.columns > 33 || tile.elements > 35 * p.kh * p.kw)
              wide.insert(c.config.body());
          }
        }
      }
    }
  }
  std::string names;
  for (const std::string& name : wide)
    names += name + " ";
  CHECK(names ==
        "f2x2 f2x2_strips f2x2_tile f4x4 f4x4_strips f4x4_tile f4x4_weights filters in_place "
        "pixels slabs tile "
        "weights_filters weights_patches "
        "weights_tile ");
}

TEST_CASE("of a tile that a problem has not whole, the class says nothing") {
  Coverage coverage;
  coverage.filters = 64;
  Problem p = parse_problem("n1c8h20w20k63kh3kw3p1");
  CHECK(problem_class(p, coverage) == problem_class(p));
  CHECK(small_problem(p, coverage) == small_problem(p));
  p.k = 64;
  const std::string whole = problem_class(p, coverage);
  CHECK(small_problem(p, coverage).k == 64);
  p.k = 500;
  const std::string with_rest = problem_class(p, coverage);
  CHECK(small_problem(p, coverage).k == 67);
  CHECK(std::set<std::string>{problem_class(p), whole, with_rest}.size() == 3);
}

TEST_CASE("planes of several tiles are checked on several tiles") {
  const DeviceProfile profile = as_cpu(device().profile(), 16, 32);
  // 200 x 200 floats are more than the stage holds; dilation is not for `planes`.
  const Problem p = parse_problem("n1c20h200w200k20kh3kw3s3p1g20");
  int seen = 0;
  for (const Candidate& c : candidates_of(find_strategy("depthwise").offer(p, profile, kNoLimit))) {
    if (c.config.body() != "rows") continue;
    ++seen;
    CHECK(c.coverage.rows > 0);
    const Problem s = small_problem(p, c.coverage);
    CHECK(s.oh() > c.coverage.rows);
    CHECK(s.ow() >= c.coverage.columns);
  }
  CHECK(seen > 0);
}

TEST_CASE(
    "what forward variants are checked against is right, with every epilogue and in every order") {
  for (const char* text : {"n2c6h9w11k4kh3kw3p1", "n1c4h12w10k6kh5kw2s2,3p2,1,0,1g2",
                           "n2c8h7w7k8kh3kw3d2p2g8", "n1c5h1w1k3kh1kw1", "n1c2h3w3k2kh7kw7p5"}) {
    for (std::size_t row = 0; row < kActivations; ++row) {
      Problem p = parse_problem(text);
      p.activation = kActivationRows[row].activation;
      p.bias = row % 2 == 0, p.residual = row % 3 == 0;
      p.layout = row % 4 == 1 ? TensorLayout::kNhwc : TensorLayout::kNchw;
      p.weights_layout = row % 4 == 2 ? WeightsLayout::kKrsc : WeightsLayout::kKcrs;
      p.scale =
          p.layout == TensorLayout::kNchw && row % 2 == 0 && p.activation != Activation::kPrelu;
      CAPTURE(text);
      CAPTURE(std::string(to_string(p.activation)));
      REQUIRE(has_expected_result(p));
      const Tensors tensors(p);
      std::map<Tensor, std::vector<float>> operands;
      for (const Tensor tensor : inputs_of(p))
        operands[tensor] = tensors[tensor];
      const std::vector<double> right = reference(p, tensors).result;
      const std::vector<float> values = expected_result(p, operands);
      REQUIRE(values.size() == right.size());
      double most = 0;
      for (std::size_t i = 0; i < values.size(); ++i)
        most = std::max(most, std::fabs(double{values[i]} - right[i]) / (1 + std::fabs(right[i])));
      CHECK(most < 1e-6);
    }
  }
  Problem gradient = parse_problem("n2c6h9w11k4kh3kw3p1");
  gradient.direction = Direction::kBackwardData;
  CHECK_FALSE(has_expected_result(gradient));
  CHECK_FALSE(has_expected_result(parse_problem("n1c512h56w56k512kh3kw3p1")));
}

TEST_CASE("planes, their stand-in and planes of another size share a program") {
  Device own(device().context(), device().cl(), cache_options("off", 0),
             as_cpu(device().profile(), 16, 32));
  const Strategy& depthwise = find_strategy("depthwise");
  Config config = Config::parse("body=planes,rb=7,vw=16");
  std::int64_t programs = 0;
  for (const char* text : {"n1c8h112w112k8kh3kw3s2p0,0,1,1g8", "n1c8h56w56k8kh3kw3s1p1g8",
                           "n1c8h56w56k8kh5kw5s2p1,1,2,2g8"}) {
    const Problem p = parse_problem(text);
    Problem larger = p;
    larger.h += 14 * p.sh, larger.w += 10 * p.sw;
    CAPTURE(text);
    depthwise.build(p, config, own);
    CHECK(own.programs().size() == ++programs);
    depthwise.build(small_problem(p), config, own);
    depthwise.build(larger, config, own);
    CHECK(own.programs().size() == programs);
  }
}

TEST_CASE("a stand-in outside a variant's domain is no failure of the variant") {
  const Problem p = parse_problem("n1c2h4w4k300kh3kw3");
  const Strategy large = {"large", no_offer, build_large};
  Wisdom wisdom("");
  DeviceLaboratory laboratory(device(), wisdom, {}, p, Launches::kJoined);
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
  DeviceLaboratory laboratory(device(), wisdom, {}, p, Launches::kJoined);
  CHECK_FALSE(laboratory.verify(none, Candidate()));
  CHECK_FALSE(wisdom.find_trust("none", "", problem_class(p), {}));
}

TEST_CASE(
    "what multiplies in float16 is not trusted with one term missing, which its bound would hide") {
  const Problem p = in_direction(parse_problem("n1c40h9w9k8kh3kw3p1"), Direction::kForward, true);
  Candidate candidate;
  multiplies_float16(candidate, p, 16);
  CHECK(candidate.error_bound * static_cast<double>(p.reduction()) > 1);
  Wisdom wisdom("");
  DeviceLaboratory laboratory(device(), wisdom, {}, p, Launches::kJoined);
  const Strategy wrong = {"wrong", no_offer, build_without_residual};
  const Strategy right = {"right", no_offer, build_right};
  CHECK(laboratory.verify(right, candidate) == std::nullopt);
  const auto refused = laboratory.verify(wrong, candidate);
  REQUIRE(refused.has_value());
  CHECK(refused->code == Reason::kWrongResult);
}
