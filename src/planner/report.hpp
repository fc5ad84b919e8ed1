// What the planner found out: every candidate, chosen or not, and why. Plain data.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "error.hpp"
#include "problem.hpp"
#include "strategies/strategy.hpp"

namespace clconv::core {

// How much work a plan may cost (FFTW's ladder). Each uses wisdom where there is some.
enum class Rigor {
  kWisdomOnly = 0,  // what was measured before, or nothing
  kEstimate = 1,    // cost model, no timing
  kMeasure = 2,     // times the best few by the model
  kExhaustive = 3,  // times every candidate that is not hopeless
};
const char* to_string(Rigor rigor);
// The words of to_string(), also with a hyphen. Throws Error{kInvalidArgument} that lists them.
Rigor parse_rigor(std::string_view word);

enum class Status {
  kChosen,
  kApplicable,  // could run, another one was chosen
  kRejected,    // cannot run, or a constraint forbids it
  kFailedBuild,
  kFailedRun,
  kFailedVerify,  // ran, but its result differs from naive's
  kPruned,        // hopeless by the model, or dropped while measuring
  kNotTried,      // the time limit or the rigor ended the search first
};
const char* to_string(Status status);

// Times of one execution, in microseconds.
struct Measured {
  double median_us = 0, min_us = 0, p90_us = 0;
  int runs = 0;
  bool from_wisdom = false;
};

// What a choice among candidates looks at.
struct Standing {
  double us = 0;  // of one execution
  double predicted_us = 0;
  std::int64_t bytes = 0;  // workspace plus prepared weights
  bool deterministic = true;
};
// Closer than this is a tie of measured times: medians of seven rounds on a busy machine differ by
// as much.
constexpr double kTie = 0.03;
// Index of the best, none of none. All that is at most `tie` (a fraction) slower than the fastest,
// and not than one another, is as good: among these the model's favourite, which the estimate would
// have chosen, then the smaller workspace, then the deterministic one. So two searches give the same
// plan although their times differ.
std::optional<std::size_t> best_of(const std::vector<Standing>& standings, double tie);

struct ReportEntry {
  const Strategy* strategy = nullptr;
  Candidate candidate;         // only predicted_us etc. of a real candidate; see has_candidate
  bool has_candidate = false;  // false: the strategy as a whole was rejected, or one of its bodies
  std::string body;            // that one, without a candidate
  Status status = Status::kApplicable;
  std::optional<Rejection> reason;
  bool transient = false;  // the failure may not happen again: wisdom does not keep it
  std::string log;         // the compiler's, of a build that failed now
  std::optional<Measured> measured;
  // Measured, from whatever cache: compiling, and for what was timed also preparing the weights.
  std::optional<double> setup_us;
};

struct Report {
  Problem problem;
  Rigor rigor = Rigor::kEstimate;
  Math math = Math::kFloat32;  // allowed
  std::string device, driver;
  std::map<std::string, std::string> environment;  // overrides in force
  std::vector<ReportEntry> entries;                // in registry order, best predicted first
  std::optional<std::size_t> chosen;               // index into entries
  double planning_us = 0;
  std::vector<std::string> notes;  // e.g. that the wisdom file could not be written

  const ReportEntry& choice() const { return entries[*chosen]; }
};

// The document of `clconv plan --json`.
std::string to_json(const Report& report);

// One line: why nothing could be chosen. A reason that several strategies share stands once, and of
// a strategy's needs beyond the workspace limit the least.
std::string why_nothing(const Report& report);
// The same as an error: kConstraint, unless something that meets all constraints did not compile or run.
Error nothing_error(const Report& report);

}  // namespace clconv::core
