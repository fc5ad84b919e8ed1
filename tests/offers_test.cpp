// What strategies offer: within a workspace limit, well-formed, or a reason that is true.
#include <map>
#include <set>
#include <sstream>

#include "doctest/doctest.h"
#include "strategies/body.hpp"
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

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
        if (refuses(offer)) continue;
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
      REQUIRE(refuses(refused));
      const Rejection rejection = refusal_of(refused);
      CHECK(rejection.code == Reason::kWorkspaceLimit);
      CHECK(rejection.limit == 1000);
      // The least it says it needs is enough.
      CHECK_FALSE(refuses(strategy.offer(p, device().profile(), rejection.actual)));
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
  CHECK(refuses(im2col.offer(alexnet, device().profile(), kRefuses)));
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
  const auto refused = refusal_of(lean.offer(odd, device().profile(), 1000));
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
            std::vector<Rejection> reasons;
            if (const auto* rejection = std::get_if<Rejection>(&offer)) {
              reasons.push_back(*rejection);
            } else {
              for (const LeftOut& body : std::get<Offers>(offer).left_out) {
                CHECK_FALSE(body.body.empty());
                reasons.push_back(body.reason);
              }
            }
            for (const Rejection& reason : reasons) {
              CHECK_FALSE(reason.field.empty());
              if (reason.code == Reason::kWorkspaceLimit) CHECK(reason.actual > reason.limit);
            }
            const auto candidates = candidates_of(offer);
            CHECK(candidates.empty() <= !reasons.empty());
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
      CHECK_FALSE(refuses(offer));
    } else {
      REQUIRE(refuses(offer));
      CHECK(refusal_of(offer).code == Reason::kTooLarge);
    }
  }
}

TEST_CASE("a variant compiles the programs that it names, and no others") {
  Device on(device().context(), device().cl(), CacheOptions{}, device().profile());
  std::map<std::string, std::set<std::string>> named, compiled;  // by strategy and body
  // Everything is compiled anew for each, so that three of each body and direction have to do: of a third of the suite,
  // plain or decorated in turns.
  constexpr int kMost = 3;
  std::map<std::string, int> tried;
  std::size_t number = 0;
  for (const auto& item : suite("edge")) {
    if (number++ % 3 != 0) continue;
    for (const Direction direction : kAll) {
      const Problem p = in_direction(item.problem, direction, number % 2 == 0);
      for_each_candidate(on, p, kNoLimit,
                         [&](const Strategy& strategy, const Candidate& candidate) {
                           const std::string body = candidate.config.body();
                           const std::string variant = std::string(strategy.name) + " " + body;
                           if (++tried[variant + to_string(direction)] > kMost) return;
                           std::istringstream words(body.empty() ? strategy.programs
                                                                 : strategy.programs_of_body(body));
                           for (std::string word; words >> word;)
                             named[variant].insert(word);
                           on.programs().trim();
                           strategy.build(p, candidate.config, on);
                           for (const std::string& name : on.programs().names()) {
                             compiled[variant].insert(name);
                             CAPTURE(name);
                             CHECK(named[variant].count(name) == 1);
                           }
                           CHECK_FALSE(programs_hash(strategy, candidate.config).empty());
                         });
    }
  }
  CHECK(compiled.size() > 20);
}

// Of those that the other tests leave out every fifth, and all that are not considered.
TEST_CASE(
    "a forced tile with far more sums than registers is refused, not compiled for half a minute") {
  DeviceProfile profile = as_cpu(device().profile(), 16, 32);
  const std::int64_t most = std::int64_t{kMostSumsPerRegister} * 32;
  const auto fit_of = [&](const char* strategy, const Problem& p, const char* config) {
    CAPTURE(config);
    return find_strategy(strategy).fit(p, profile, Config::parse(config));
  };
  const auto refused = [&](const char* strategy, const Problem& p, const char* config,
                           std::int64_t sums) {
    CAPTURE(config);
    const auto fit = fit_of(strategy, p, config);
    const auto* rejection = std::get_if<Rejection>(&fit);
    REQUIRE(rejection != nullptr);
    CHECK(rejection->code == Reason::kTooLarge);
    CHECK(rejection->field == "registers for a tile's sums");
    CHECK(rejection->actual == sums);
    CHECK(rejection->limit == most);
  };
  Problem p = parse_problem("n1c64h28w28k512kh3kw3p1");
  refused("implicit_gemm", p, "body=filters,kv=8,th=13,tw=11,vw=16", 1144);
  refused("implicit_gemm", p, "body=slabs,kv=8,sums=256,th=1,tw=17,vw=16", 136);
  refused("implicit_gemm", p, "body=pixels,mr=32,nv=8,vw=16,stage=0", 256);
  refused("implicit_gemm", p, "body=patches,mr=32,nv=8,vw=16,patch=256,sums=0", 256);
  refused("winograd", p, "body=f4x4,bt=1,kv=4,strips=1,tt=33,vt=16,vw=16", 132);
  // As many as the limit are compiled, and count double where a vector takes two registers.
  const char* at_limit = "body=filters,kv=8,th=1,tw=16,vw=16";
  CHECK(std::holds_alternative<Candidate>(fit_of("implicit_gemm", p, at_limit)));
  profile.float_width = 8;
  refused("implicit_gemm", p, at_limit, 256);
  profile.float_width = 16;
  p.direction = Direction::kBackwardWeights;
  refused("implicit_gemm", p, "body=weights_filters,kv=4,split=1,tc=32,tq=3,vw=16", 384);
  refused("implicit_gemm", p, "body=weights_patches,kv=8,runs=1,split=1,tf=32,vw=16", 256);
  refused("implicit_gemm", p, "body=weights_pixels,mr=32,split=1,tp=3,tq=3,vw=16", 288);
  refused("implicit_gemm", p, "body=weights_planes,mr=32,ne=8,runs=1,split=1,vw=16", 256);
}

TEST_CASE("variants that only rigor exhaustive or a forced config reaches are right, too") {
  std::size_t number = 0, tried = 0;
  for (const char* text : {"n2c9h11w13k18kh3kw3p1", "n1c20h9w10k7kh1kw1", "n2c6h8w9k6kh3kw3s2p1g6",
                           "n1c6h9w9k10kh3kw2s1,2p1g2"}) {
    for (const Direction direction : kGeometric) {
      const Problem p = in_direction(parse_problem(text), direction, number % 2 == 0);
      const Tensors tensors(p);
      Expected expected(p, tensors);
      for (const Strategy* strategy : strategies()) {
        const Offer offer = strategy->offer(p, device().profile(), kNoLimit);
        if (std::holds_alternative<Rejection>(offer)) continue;
        const std::vector<Candidate>& all = std::get<Offers>(offer).candidates;
        const std::vector<Candidate> usual = shortlist(all);
        for (const Candidate& c : all) {
          const auto same = [&](const Candidate& other) { return other.config == c.config; };
          if (std::any_of(usual.begin(), usual.end(), same)) continue;
          if (c.not_considered == nullptr && number++ % 5 != 0) continue;
          ++tried;
          CAPTURE(to_text(p));
          CAPTURE(std::string(to_string(direction)));
          CAPTURE(std::string(strategy->name) + " " + c.config.text());
          CHECK(worst(run(device(), *strategy, p, c, tensors), expected(c), c.error_bound,
                      result_error_floor(p) + c.error_floor) <= 1.0);
        }
      }
    }
  }
  MESSAGE(tried << " variants");
  CHECK(tried > 20);
}
