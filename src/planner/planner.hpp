// The planner: from a problem to a choice among all that the strategies offer, and a report that
// explains it. Touches no OpenCL: candidates are data, and whatever must run is run by a
// Laboratory.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "planner/report.hpp"
#include "planner/wisdom.hpp"

namespace clconv::core {

struct PlannerOptions {
  Rigor rigor = Rigor::kEstimate;
  // Measuring stops here with the best so far, seconds.
  double time_limit_s = std::numeric_limits<double>::infinity();
  // Workspace plus prepared weights, bytes.
  std::int64_t workspace_limit = std::numeric_limits<std::int64_t>::max();
  bool deterministic = false;      // equal inputs must give equal bits
  std::string strategy;            // forced, "" = free
  std::string config;              // forced, "" = free; needs `strategy`
  std::vector<std::string> allow;  // only these strategies, empty = all
  std::vector<std::string> deny;   // not these
  // 0: only the time of one execution counts. Else compiling and preparing count too, spread over
  // this many executions.
  std::int64_t expected_runs = 0;
  // The weights change between executions (training): packing them counts every time, as predicted.
  bool weights_change = false;
  // For benchmarks: nothing is pruned, and slow candidates are timed a few times, too.
  bool time_all = false;
  bool launches_apart = false;  // a plan's launches are not joined into one (runtime/joined.hpp)
  bool check_later = false;     // what is not trusted yet is taken unchecked: Context::check()
  Math math = Math::kFloat32;   // the least precise that candidates may multiply in
  std::map<std::string, std::string> environment;  // overrides already applied, for the report
};

// A candidate that is built and can be timed.
class Trial {
 public:
  virtual ~Trial() = default;
  // Compiling; after the first run_us() also preparing the weights and what else came only once.
  virtual double setup_us() const = 0;
  // Wall time in microseconds of `runs` executions back to back, right after one that is not timed:
  // it pays for cold caches and for CLBlast's change of parameters (2-3 ms). Throws Error.
  virtual double run_us(int runs) = 0;
};

// What the planner needs from the world. Implemented on a device by measure.cpp, by invented times
// in the tests.
class Laboratory {
 public:
  virtual ~Laboratory() = default;
  virtual double now_s() = 0;
  // Throws Error.
  virtual std::unique_ptr<Trial> build(const Strategy& strategy, const Candidate& candidate) = 0;
  // Compares with the yardstick on a small problem of the same class; what differs, or nothing if trusted.
  // Remembers its verdicts. Throws Error where it cannot be run.
  virtual std::optional<Rejection> verify(const Strategy& strategy, const Candidate& candidate) = 0;
};

// What wisdom has for the problem: of exactly this device, driver and kernels, and of other ones.
struct Remembered {
  std::optional<WisdomRecord> record;
  std::optional<WisdomRecord> hint;
};

// Of each body the best few by prediction (Candidate::most_of_body), and nothing that is not considered: the candidates
// below rigor `exhaustive`.
std::vector<Candidate> shortlist(const std::vector<Candidate>& candidates);

// Ranks, measures as far as the rigor asks, verifies the winner and goes on to the next if it
// fails. `laboratory` may be null: then nothing is run (rigor at most kEstimate) and nothing is
// verified. Never throws for a problem that nothing can run: then report.chosen is empty and every
// entry has its reason. Throws Error{kInvalidArgument} for options that name unknown strategies.
Report plan(const Problem& problem, const DeviceProfile& profile, const PlannerOptions& options,
            const std::vector<const Strategy*>& strategies, const Remembered& remembered,
            Laboratory* laboratory);

// The part of a report that wisdom keeps: candidates that were measured now, or failed.
WisdomRecord to_wisdom(const Report& report, const WisdomScope& scope);

}  // namespace clconv::core
