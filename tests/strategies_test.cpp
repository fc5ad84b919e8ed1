// Every strategy, every candidate it offers, every problem of the suites, against the reference.
// A new strategy is tested by being in the registry.
#include "strategies/strategy.hpp"

#include <set>

#include "doctest/doctest.h"
#include "support/device.hpp"
#include "support/reference.hpp"
#include "support/suites.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

// The small half of core.txt: what the reference computes in a second or so.
constexpr double kSmallFlops = 3e8;
constexpr std::int64_t kNoLimit = std::int64_t{1} << 40;

struct Operands {
  std::vector<float> x, w, b;
  explicit Operands(const Problem& p, unsigned seed = 1)
      : x(random_floats(p.x_bytes() / 4, seed)),
        w(random_floats(p.w_bytes() / 4, seed + 1)),
        b(random_floats(p.k, seed + 2)) {}
};

// Runs one candidate with everything poisoned and guarded; the result.
std::vector<float> run(const Strategy& strategy, const Problem& p, const Candidate& candidate,
                       const Operands& operands) {
  const auto executable = strategy.build(p, candidate.config, device());
  CHECK(executable->workspace_bytes == candidate.workspace_bytes);
  CHECK(executable->prepared_weights_bytes == candidate.prepared_weights_bytes);
  GuardedBuffer x(operands.x), w(operands.w), b(operands.b), y(p.y_bytes());
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
  CHECK(x.read() == operands.x);
  CHECK(w.read() == operands.w);
  return y.read();
}

// The largest error in units of what the candidate promises; infinite for NaN.
double worst(const std::vector<float>& y, const Reference& reference, double error_bound) {
  double result = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double error = std::fabs(static_cast<double>(y[i]) - reference.y[i]);
    const double allowed = error_bound * reference.magnitude[i] + 1e-30;
    if (!(error <= allowed)) result = std::isnan(error) ? INFINITY : std::max(result, error / allowed);
  }
  return result;
}

void check_all(const std::string& suite_name, double max_flops, std::set<std::string>& offered) {
  for (const auto& [name, geometry] : suite(suite_name, max_flops)) {
    Problem problem = geometry;
    const Operands operands(problem);
    for (const bool epilogue : {false, true}) {
      problem.bias = problem.relu = epilogue;
      const Reference reference = forward(problem, operands.x, operands.w, operands.b);
      for (const Strategy* strategy : strategies()) {
        const Offer offer = strategy->offer(problem, device().profile(), kNoLimit);
        if (std::holds_alternative<Rejection>(offer)) continue;
        for (const Candidate& candidate : std::get<std::vector<Candidate>>(offer)) {
          CAPTURE(name);
          CAPTURE(strategy->name);
          CAPTURE(candidate.config.text());
          CAPTURE(epilogue);
          offered.insert(strategy->name);
          CHECK(worst(run(*strategy, problem, candidate, operands), reference,
                      candidate.error_bound) <= 1.0);
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("every candidate matches the reference over the edge suite, and every strategy is offered") {
  std::set<std::string> offered;
  check_all("edge", 1e300, offered);
  for (const Strategy* strategy : strategies()) {
    CAPTURE(strategy->name);
    CHECK(offered.count(strategy->name) == 1);
  }
}

TEST_CASE("every candidate matches the reference over the small half of the core suite") {
  std::set<std::string> offered;
  check_all("core", kSmallFlops, offered);
}
