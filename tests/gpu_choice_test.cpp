// What the planner chooses on nine GPUs that nobody has here (support/gpus.hpp): no device is needed.
#include <algorithm>
#include <cmath>
#include <functional>

#include "doctest/doctest.h"
#include "planner/planner.hpp"
#include "support/issue_slots.hpp"
#include "support/suites.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

Report choose(const Problem& p, const DeviceProfile& on) {
  return plan(p, on, PlannerOptions{}, strategies(), {}, nullptr);
}

std::string choice_text(const Report& report) {
  return std::string(report.choice().strategy->name) + " " +
         report.choice().candidate.config.text();
}

bool is_naive(const ReportEntry& entry) {
  return std::string(entry.strategy->name) == "naive";
}

bool runs(const ReportEntry& entry) {
  return entry.has_candidate &&
         (entry.status == Status::kApplicable || entry.status == Status::kChosen);
}

void for_each_problem(const std::function<void(const Problem&)>& visit) {
  for (const char* name : {"core", "modern", "resnet50", "gpu"}) {
    for (const NamedProblem& item : suite(name)) {
      for (const Direction direction :
           {Direction::kForward, Direction::kBackwardData, Direction::kBackwardWeights}) {
        Problem p = item.problem;
        p.direction = direction;
        CAPTURE(item.name);
        CAPTURE(std::string(to_string(direction)));
        visit(p);
      }
    }
  }
}

// Speeds of the data sheet, and what a probe may find of them: fractions that are assumed, for no probe ran.
DeviceProfile by_sheet(const Gpu& gpu) {
  return measured(gpu, 1, 1, 5);
}
DeviceProfile by_probe(const Gpu& gpu) {
  return measured(gpu, 0.95, 0.88, 5);
}

}  // namespace

TEST_CASE("on GPUs naive is chosen above 10 MFLOP only where nothing else runs") {
  for (const Gpu& gpu : kGpus) {
    CAPTURE(std::string(gpu.name));
    for (const DeviceProfile& profile : {by_sheet(gpu), estimated(gpu)}) {
      int large = 0;
      for_each_problem([&](const Problem& p) {
        if (p.flops() <= 10e6) return;
        ++large;
        const Report report = choose(p, profile);
        REQUIRE(report.chosen.has_value());
        const bool others =
            std::any_of(report.entries.begin(), report.entries.end(),
                        [](const ReportEntry& e) { return runs(e) && !is_naive(e); });
        if (others) CHECK_FALSE(is_naive(report.choice()));
      });
      CHECK(large > 300);
    }
  }
}

TEST_CASE("on GPUs a depthwise weight gradient has the sums of all taps in registers") {
  for (const Gpu& gpu : kGpus) {
    CAPTURE(std::string(gpu.name));
    int depthwise = 0;
    for_each_problem([&](const Problem& p) {
      if (p.direction != Direction::kBackwardWeights || p.g != p.c || p.g == 1) return;
      if (p.flops() <= 10e6 || p.kh * p.kw > 49) return;
      CHECK(choose(p, by_sheet(gpu)).choice().candidate.config.body() == "weights_fours");
      ++depthwise;
    });
    CHECK(depthwise >= 5);
  }
}

TEST_CASE("on GPUs the choice is near the best of the issue-slot model") {
  constexpr double kMean = 1.15, kMost = 1.5;
  for (const Gpu& gpu : kGpus) {
    if (std::string(gpu.target).empty()) continue;
    CAPTURE(std::string(gpu.name));
    const DeviceProfile profile = by_sheet(gpu);
    const IssueSlots model(gpu, profile);
    double logs = 0, most = 1;
    int judged = 0;
    for_each_problem([&](const Problem& p) {
      const Report report = choose(p, profile);
      const ReportEntry& chosen = report.choice();
      const auto bound = model.bound(p, *chosen.strategy, chosen.candidate);
      if (!bound) return;
      double least = *bound;
      for (const ReportEntry& entry : report.entries) {
        // The bound of `direct` counts less than those of tiles, so that it says nothing against them.
        if (!runs(entry) || entry.candidate.config.body() == "direct") continue;
        const auto other = model.bound(p, *entry.strategy, entry.candidate);
        if (other) least = std::min(least, *other);
      }
      const double loss = *bound / least;
      CAPTURE(choice_text(report));
      CHECK(loss < kMost);
      logs += std::log(loss);
      most = std::max(most, loss);
      ++judged;
    });
    CHECK(judged > 300);
    const double mean = std::exp(logs / judged);
    CHECK(mean < kMean);
    MESSAGE(std::string(gpu.name) << ": " << judged << " choices, geometric mean " << mean
                                  << ", most " << most << " of the least bound");
  }
}

TEST_CASE("on GPUs a probe's speeds lead to the choices that the data sheet's lead to") {
  for (const Gpu& gpu : kGpus) {
    CAPTURE(std::string(gpu.name));
    const DeviceProfile sheet = by_sheet(gpu), probe = by_probe(gpu);
    int same = 0, all = 0;
    for_each_problem([&](const Problem& p) {
      same += choice_text(choose(p, sheet)) == choice_text(choose(p, probe)) ? 1 : 0;
      ++all;
    });
    CHECK(same >= 0.95 * all);
    MESSAGE(std::string(gpu.name) << ": " << same << " of " << all);
  }
}

namespace {

// What the GPUs of support/gpus.hpp would say of float16, by their vendors' documents.
struct Float16 {
  const char* gpu;
  const char* arithmetic;
  const char* units;
  double rate, matrix_rate;
  const char* body;  // that is chosen most
};
constexpr Float16 kFloat16[] = {{"h200", "ptx", "mma", 2, 15, "tile_matrix"},
                                {"rtx3080", "ptx", "mma", 1, 2, "tile_matrix"},
                                {"mi210", "khr", "mfma", 2, 8, "tile_matrix"},
                                {"arc770", "khr", "xmx", 1, 8, "tile_matrix"},
                                {"rx6800", "khr", "", 2, 8, "tile_half"}};

DeviceProfile with_float16(const Float16& known) {
  const auto* gpu = std::find_if(std::begin(kGpus), std::end(kGpus), [&](const Gpu& one) {
    return std::string(one.name) == known.gpu;
  });
  REQUIRE(gpu != std::end(kGpus));
  DeviceProfile profile = by_sheet(*gpu);
  profile.float16 = known.arithmetic;
  profile.matrix_units = known.units;
  profile.float16_rate = known.rate;
  profile.matrix_rate = known.matrix_rate;
  return profile;
}

}  // namespace

TEST_CASE(
    "float16 that is not asked for changes no choice, and asked for it is taken where it is "
    "faster") {
  PlannerOptions half;
  half.math = Math::kFloat16;
  for (const Float16& known : kFloat16) {
    CAPTURE(std::string(known.gpu));
    const DeviceProfile with = with_float16(known);
    DeviceProfile without = with;
    without.float16 = without.matrix_units = "";
    int taken = 0, in_tf32 = 0, all = 0;
    for (const NamedProblem& item : suite("resnet50")) {
      if (all++ % 3 != 0) continue;
      CAPTURE(item.name);
      const Problem& p = item.problem;
      const Report usual = choose(p, with);
      CHECK(choice_text(usual) == choice_text(choose(p, without)));
      // TF32 lies between.
      PlannerOptions between;
      between.math = Math::kTf32;
      const Report tf32 = plan(p, with, between, strategies(), {}, nullptr);
      CHECK(tf32.choice().candidate.math != Math::kFloat16);
      CHECK(tf32.choice().candidate.predicted_us <= usual.choice().candidate.predicted_us);
      in_tf32 += tf32.choice().candidate.math == Math::kTf32 ? 1 : 0;
      const Report report = plan(p, with, half, strategies(), {}, nullptr);
      CHECK(report.choice().candidate.predicted_us <= usual.choice().candidate.predicted_us);
      const Candidate& chosen = report.choice().candidate;
      CHECK((chosen.math == Math::kFloat16) ==
            (chosen.config.body() == "tile_half" || chosen.config.body() == "tile_matrix"));
      CHECK(chosen.predicted_us <= tf32.choice().candidate.predicted_us);
      taken += chosen.config.body() == known.body ? 1 : 0;
      // Without it there is none, and the report says why.
      const Report refused = plan(p, without, half, strategies(), {}, nullptr);
      CHECK(choice_text(refused) == choice_text(usual));
      CHECK(std::any_of(refused.entries.begin(), refused.entries.end(), [](const ReportEntry& e) {
        return e.body == "tile_half" && e.reason->code == Reason::kFamily;
      }));
    }
    MESSAGE(std::string(known.gpu)
            << ": " << std::string(known.body) << " for " << taken << " of " << (all + 2) / 3
            << ", tile_tf32 where TF32 is asked for " << in_tf32);
    CHECK(taken > 3);
    // Even where the unit is no faster in TF32, fewer instructions surround its products.
    CHECK((in_tf32 > 3) == (std::string(known.units) == "mma"));
  }
}
