// Every strategy, every candidate it offers, every problem of the suites, against the reference.
// A new strategy is tested by being in the registry.
#include "strategies/strategy.hpp"

#include <clblast.h>

#include <set>

#include "doctest/doctest.h"
#include "support/device.hpp"
#include "support/errors.hpp"
#include "support/reference.hpp"
#include "support/suites.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

// The small half of core.txt: what the reference computes in a second or so.
constexpr double kSmallFlops = 3e8;
constexpr std::int64_t kNoLimit = std::int64_t{1} << 40;

struct Data {
  std::vector<float> x, w, b;
  explicit Data(const Problem& p, unsigned seed = 1)
      : x(random_floats(p.x_bytes() / 4, seed)),
        w(random_floats(p.w_bytes() / 4, seed + 1)),
        b(random_floats(p.k, seed + 2)) {}
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Runs one candidate with everything poisoned and guarded; the result.
std::vector<float> run(Device& on, const Strategy& strategy, const Problem& p,
                       const Candidate& candidate, const Data& data) {
  const auto executable = strategy.build(p, candidate.config, on);
  CHECK(executable->workspace_bytes == candidate.workspace_bytes);
  CHECK(executable->prepared_weights_bytes == candidate.prepared_weights_bytes);
  GuardedBuffer x(data.x), w(data.w), b(data.b), y(p.y_bytes());
  GuardedBuffer workspace(candidate.workspace_bytes), prepared(candidate.prepared_weights_bytes);
  Bindings bindings;
  bindings.bind(kXSlot, x.get());
  bindings.bind(kWeightsSlot, w.get());
  bindings.bind(kBiasSlot, p.bias ? b.get() : nullptr);
  bindings.bind(kYSlot, y.get());
  bindings.bind(kWorkspaceSlot, workspace.get());
  bindings.bind(kPreparedSlot, prepared.get());
  executable->prepare.enqueue(queue()(), bindings, {});
  executable->run.enqueue(queue()(), bindings, {});
  queue().finish();
  CHECK(x.intact());
  CHECK(w.intact());
  CHECK(b.intact());
  CHECK(y.intact());
  CHECK(workspace.intact());
  CHECK(prepared.intact());
  CHECK(same_bits(x.read(), data.x));
  CHECK(same_bits(w.read(), data.w));
  return y.read();
}

// The largest error in units of what the candidate promises; infinite for NaN.
double worst(const std::vector<float>& y, const Reference& reference, double error_bound) {
  double result = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double error = std::fabs(static_cast<double>(y[i]) - reference.y[i]);
    const double allowed = error_bound * reference.magnitude[i] + 1e-30;
    if (!(error <= allowed))
      result = std::isnan(error) ? INFINITY : std::max(result, error / allowed);
  }
  return result;
}

// Calls `visit(strategy, candidate)` for all that is offered for `p` on `on`.
template <class Visit>
void for_each_candidate(Device& on, const Problem& p, std::int64_t limit, Visit&& visit) {
  for (const Strategy* strategy : strategies()) {
    const Offer offer = strategy->offer(p, on.profile(), limit);
    if (std::holds_alternative<Rejection>(offer)) continue;
    for (const Candidate& candidate : std::get<std::vector<Candidate>>(offer)) {
      CAPTURE(to_text(p));
      CAPTURE(std::string(strategy->name));
      CAPTURE(candidate.config.text());
      CAPTURE(p.bias);
      visit(*strategy, candidate);
    }
  }
}

using Offered = std::set<std::string>;

// A part of a suite (every `parts`-th problem from `part` on), with and without epilogue.
Offered check_suite(Device& on, const std::string& name, double max_flops, std::size_t part,
                    std::size_t parts) {
  Offered offered;
  const auto problems = suite(name, max_flops);
  for (std::size_t i = part; i < problems.size(); i += parts) {
    Problem p = problems[i].problem;
    const Data data(p);
    for (const bool epilogue : {false, true}) {
      p.bias = p.relu = epilogue;
      const Reference reference = forward(p, data.x, data.w, data.b);
      for_each_candidate(
          on, p, kNoLimit, [&](const Strategy& strategy, const Candidate& candidate) {
            offered.insert(strategy.name);
            CHECK(worst(run(on, strategy, p, candidate, data), reference, candidate.error_bound) <=
                  1.0);
          });
    }
  }
  return offered;
}

// The device under test as if it were another: the same kernels with other vector widths, and the
// bodies and launches meant for GPUs.
Device pretending(const std::function<void(DeviceProfile&)>& change) {
  DeviceProfile profile = device().profile();
  change(profile);
  return Device(device().context(), device().cl(), cache_options("", 0), profile);
}

}  // namespace

// Two parts, so that two cores share the compiling.
TEST_CASE("edge suite, first half: every candidate matches the reference") {
  check_suite(device(), "edge", 1e300, 0, 2);
}
TEST_CASE("edge suite, second half: every candidate matches the reference") {
  check_suite(device(), "edge", 1e300, 1, 2);
}
TEST_CASE("small half of the core suite: every candidate matches, and every strategy is offered") {
  const Offered offered = check_suite(device(), "core", kSmallFlops, 0, 1);
  for (const Strategy* strategy : strategies()) {
    CAPTURE(std::string(strategy->name));
    CHECK(offered.count(strategy->name) == 1);
  }
}

TEST_CASE("vector width 8: every candidate matches over a third of the edge suite") {
  Device on = pretending([](DeviceProfile& p) { p.float_width = 8; });
  check_suite(on, "edge", 1e300, 0, 3);
}
TEST_CASE("vector width 4: every candidate matches over a third of the edge suite") {
  Device on = pretending([](DeviceProfile& p) { p.float_width = 4; });
  check_suite(on, "edge", 1e300, 1, 3);
}
TEST_CASE(
    "as a GPU with small work-groups: every candidate matches over a third of the edge suite") {
  Device on = pretending([](DeviceProfile& p) {
    p.family = Family::kGpu;
    p.float_width = 1;
    p.max_work_group_size = 64;
    p.base_alignment_bytes = 512;
  });
  check_suite(on, "edge", 1e300, 2, 3);
}

// Small enough for an interpreter that checks every access (./dev sanitize runs it under Oclgrind).
TEST_CASE("checker: tiny problems with every kind of tail") {
  for (const char* text : {"n2c3h5w7k5kh3kw3p1", "n1c4h6w5k6kh2kw2s2g2", "n2c5h3w3k3kh1kw1"}) {
    Problem p = parse_problem(text);
    p.bias = p.relu = true;
    const Data data(p);
    const Reference reference = forward(p, data.x, data.w, data.b);
    for_each_candidate(device(), p, kNoLimit,
                       [&](const Strategy& strategy, const Candidate& candidate) {
                         CHECK(worst(run(device(), strategy, p, candidate, data), reference,
                                     candidate.error_bound) <= 1.0);
                       });
  }
  // CLBlast's global cache would release its programs after the interpreter's globals are gone.
  clblast::ClearCache();
}

TEST_CASE("worked values, exactly") {
  const auto sequence = [](int from, int to) {
    std::vector<float> values;
    for (int i = from; i <= to; ++i)
      values.push_back(static_cast<float>(i));
    return values;
  };
  const auto twice = [](std::vector<float> v) {
    v.insert(v.end(), v.begin(), v.end());
    return v;
  };
  struct Case {
    const char* problem;
    bool relu;
    std::vector<float> x, w, y;
  };
  std::vector<float> ones_with_ten(9, 1.0f);
  ones_with_ten[4] = 10;
  const Case cases[] = {
      {"n1c1h3w3k1kh2kw2", false, sequence(1, 9), {10, 11, 12, 13}, {145, 191, 283, 329}},
      {"n1c2h3w3k1kh2kw2",
       false,
       twice(sequence(1, 9)),
       twice({10, 11, 12, 13}),
       {290, 382, 566, 658}},
      {"n1c1h3w3k2kh2kw2",
       false,
       sequence(1, 9),
       sequence(10, 17),
       {145, 191, 283, 329, 193, 255, 379, 441}},
      {"n2c1h3w3k1kh2kw2",
       false,
       sequence(1, 18),
       {1, 2, 3, 4},
       {37, 47, 67, 77, 127, 137, 157, 167}},
      {"n1c1h3w3k1kh2kw2", false, ones_with_ten, {1, 1, 1, -5}, {-47, 7, 7, 7}},
      {"n1c1h3w3k1kh2kw2", true, ones_with_ten, {1, 1, 1, -5}, {0, 7, 7, 7}},
  };
  for (const Case& c : cases) {
    Problem p = parse_problem(c.problem);
    p.relu = c.relu;
    Data data(p);
    data.x = c.x;
    data.w = c.w;
    for_each_candidate(device(), p, kNoLimit,
                       [&](const Strategy& strategy, const Candidate& candidate) {
                         CHECK(run(device(), strategy, p, candidate, data) == c.y);
                       });
  }
}

TEST_CASE("a delta filter moves the image, bit for bit") {
  for (const char* text : {"n2c3h9w11k3kh3kw3p1g3", "n1c1h12w17k1kh4kw3p2,1d1,2"}) {
    const Problem p = parse_problem(text);
    Data data(p);
    const std::int64_t tap_p = p.kh - 1, tap_q = 0;
    for (std::size_t i = 0; i < data.w.size(); ++i) {
      data.w[i] =
          static_cast<std::int64_t>(i) % (p.kh * p.kw) == tap_p * p.kw + tap_q ? 1.0f : 0.0f;
    }
    std::vector<float> expected;
    for (std::int64_t plane = 0; plane < p.n * p.c; ++plane)
      for (std::int64_t i = 0; i < p.oh(); ++i)
        for (std::int64_t j = 0; j < p.ow(); ++j) {
          const std::int64_t row = i - p.pt + tap_p * p.dh, col = j - p.pl + tap_q * p.dw;
          const bool inside = row >= 0 && row < p.h && col >= 0 && col < p.w;
          expected.push_back(
              inside ? data.x[static_cast<std::size_t>((plane * p.h + row) * p.w + col)] : 0.0f);
        }
    for_each_candidate(device(), p, kNoLimit,
                       [&](const Strategy& strategy, const Candidate& candidate) {
                         CHECK(run(device(), strategy, p, candidate, data) == expected);
                       });
  }
}

TEST_CASE("an image's result does not depend on its neighbours in the batch") {
  const Problem p = parse_problem("n3c5h9w8k6kh3kw3p1");
  const Data data(p);
  Data other(p, 77);
  other.w = data.w;
  const auto image = static_cast<std::size_t>(p.c * p.h * p.w);
  std::copy_n(data.x.begin() + static_cast<std::ptrdiff_t>(image), image,
              other.x.begin() + static_cast<std::ptrdiff_t>(image));
  for_each_candidate(device(), p, kNoLimit,
                     [&](const Strategy& strategy, const Candidate& candidate) {
                       const auto a = run(device(), strategy, p, candidate, data);
                       const auto b = run(device(), strategy, p, candidate, other);
                       const std::size_t size = a.size() / 3;
                       CHECK(std::equal(a.begin() + static_cast<std::ptrdiff_t>(size),
                                        a.begin() + static_cast<std::ptrdiff_t>(2 * size),
                                        b.begin() + static_cast<std::ptrdiff_t>(size)));
                       CHECK(a != b);
                     });
}

TEST_CASE("what claims to be deterministic gives the same bits again") {
  const Problem p = parse_problem("n2c19h13w11k21kh3kw3p1");
  const Data data(p);
  for_each_candidate(device(), p, kNoLimit,
                     [&](const Strategy& strategy, const Candidate& candidate) {
                       if (!candidate.deterministic) return;
                       CHECK(same_bits(run(device(), strategy, p, candidate, data),
                                       run(device(), strategy, p, candidate, data)));
                     });
}

TEST_CASE("NaN and infinity in x reach exactly the outputs whose patch has them") {
  Problem p = parse_problem("n1c3h9w10k5kh3kw3p1");
  p.relu = true;
  Data data(p);
  data.x[static_cast<std::size_t>(1 * 90 + 4 * 10 + 5)] = std::numeric_limits<float>::quiet_NaN();
  for_each_candidate(
      device(), p, kNoLimit, [&](const Strategy& strategy, const Candidate& candidate) {
        const auto y = run(device(), strategy, p, candidate, data);
        for (std::int64_t k = 0; k < p.k; ++k)
          for (std::int64_t i = 0; i < p.oh(); ++i)
            for (std::int64_t j = 0; j < p.ow(); ++j) {
              const bool touched = std::abs(i - 4) <= 1 && std::abs(j - 5) <= 1;
              CHECK(std::isnan(y[static_cast<std::size_t>((k * p.oh() + i) * p.ow() + j)]) ==
                    touched);
            }
      });
}

TEST_CASE(
    "a workspace limit cuts the batch, then the rows, and is kept, below that it is refused") {
  const Problem p = parse_problem("n3c5h12w11k7kh3kw3p1");
  const Data data(p);
  const Reference reference = forward(p, data.x, data.w, data.b);
  const Strategy& strategy = find_strategy("im2col_gemm");
  Offered cuts;
  for (const std::int64_t limit : {2000000, 250000, 100000, 60000, 50000, 41500}) {
    const Offer offer = strategy.offer(p, device().profile(), limit);
    REQUIRE(std::holds_alternative<std::vector<Candidate>>(offer));
    for (const Candidate& candidate : std::get<std::vector<Candidate>>(offer)) {
      CAPTURE(limit);
      CAPTURE(candidate.config.text());
      CHECK(candidate.workspace_bytes + candidate.prepared_weights_bytes <= limit);
      cuts.insert(candidate.config.text());
      CHECK(worst(run(device(), strategy, p, candidate, data), reference, candidate.error_bound) <=
            1.0);
    }
  }
  CHECK(cuts.size() >= 5);
  const Offer refused = strategy.offer(p, device().profile(), 1000);
  REQUIRE(std::holds_alternative<Rejection>(refused));
  const Rejection& rejection = std::get<Rejection>(refused);
  CHECK(rejection.code == Reason::kWorkspaceLimit);
  CHECK(rejection.limit == 1000);
  // The least it says it needs is enough.
  CHECK(std::holds_alternative<std::vector<Candidate>>(
      strategy.offer(p, device().profile(), rejection.actual)));
}

TEST_CASE("the workspace of ResNet's 3x3 at batch 32 is what its matrix takes") {
  const Problem p = parse_problem("n32c64h56w56k64kh3kw3p1");
  const auto candidates = std::get<std::vector<Candidate>>(
      find_strategy("im2col_gemm").offer(p, device().profile(), kNoLimit));
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
        for (const Strategy* strategy : strategies()) {
          CAPTURE(item.name);
          CAPTURE(std::string(strategy->name));
          CAPTURE(limit);
          const Offer offer = strategy->offer(item.problem, device().profile(), limit);
          if (const auto* rejection = std::get_if<Rejection>(&offer)) {
            CHECK_FALSE(rejection->field.empty());
            if (rejection->code == Reason::kWorkspaceLimit)
              CHECK(rejection->actual > rejection->limit);
            continue;
          }
          const auto& candidates = std::get<std::vector<Candidate>>(offer);
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
    if (std::string(strategy->name) == "naive") {
      CHECK(std::holds_alternative<std::vector<Candidate>>(offer));
    } else {
      REQUIRE(std::holds_alternative<Rejection>(offer));
      CHECK(std::get<Rejection>(offer).code == Reason::kTooLarge);
    }
  }
}

TEST_CASE("a config that a problem cannot honour is refused, not replaced") {
  const Problem p = parse_problem("n1c2h4w4k2kh3kw3p1");
  for (const char* config :
       {"kv=1,th=1,tw=14,vw=16", "kv=0,th=1,tw=1,vw=16", "bm=64,bn=64,bk=16,tm=5,tn=4"}) {
    CAPTURE(config);
    error_of(Code::kInvalidArgument,
             [&] { find_strategy("implicit_gemm").build(p, Config::parse(config), device()); });
  }
}
