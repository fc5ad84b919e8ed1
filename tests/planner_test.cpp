// The planner with invented strategies and times: no device, no OpenCL.
#include "planner/planner.hpp"

#include <deque>
#include <map>
#include <set>

#include "doctest/doctest.h"
#include "support/errors.hpp"

using namespace clconv::core;
using clconv::test::error_of;

namespace {

Candidate candidate(int variant, double predicted_us) {
  Candidate c;
  c.config = {{"v", variant}};
  c.predicted_us = predicted_us;
  c.error_bound = 1e-6;
  return c;
}

// What the invented strategies offer; set by each test.
std::map<std::string, Offer> offers;
template <int I>
Offer offer(const Problem&, const DeviceProfile&, std::int64_t limit);
std::int64_t seen_limit = 0;

const char* const kNames[] = {"naive", "alpha", "beta", "gamma"};
template <int I>
Offer offer(const Problem&, const DeviceProfile&, std::int64_t limit) {
  seen_limit = limit;
  return offers.at(kNames[I]);
}
std::unique_ptr<Executable> no_build(const Problem&, const Config&, Device&) {
  return nullptr;
}
const Strategy kStrategies[] = {{kNames[0], offer<0>, no_build, true},
                                {kNames[1], offer<1>, no_build},
                                {kNames[2], offer<2>, no_build},
                                {kNames[3], offer<3>, no_build}};
const std::vector<const Strategy*> kAll = {&kStrategies[0], &kStrategies[1], &kStrategies[2],
                                           &kStrategies[3]};

Offer no() {
  return Rejection{Reason::kShape, "kh", 3, 1, ""};
}
Offer of(std::vector<Candidate> candidates) {
  return candidates;
}

// Times by "strategy v", microseconds; the clock advances by what is run and built.
class FakeLaboratory : public Laboratory {
 public:
  std::map<std::string, double> us;
  std::map<std::string, std::deque<double>> series;  // first these, one per call
  std::map<std::string, std::string> build_fails, run_fails, verify_fails;
  std::map<std::string, double> setup_us;
  std::map<std::string, std::string> verify_throws;
  std::vector<std::string> built, verified;
  std::map<std::string, int> timed;
  std::map<std::string, std::vector<int>> batches;  // runs of every call
  std::vector<std::string> order;                   // of the calls
  double clock_s = 0;

  static std::string key(const Strategy& s, const Candidate& c) {
    return std::string(s.name) + " " + c.config.text();
  }
  double now_s() override { return clock_s; }
  std::unique_ptr<Trial> build(const Strategy& s, const Candidate& c) override {
    built.push_back(key(s, c));
    if (build_fails.count(key(s, c)) != 0) {
      throw Error(Code::kBuildFailed, build_fails[key(s, c)], "the log");
    }
    clock_s += setup_us[key(s, c)] * 1e-6;
    return std::make_unique<FakeTrial>(*this, key(s, c));
  }
  std::optional<Rejection> verify(const Strategy& s, const Candidate& c) override {
    verified.push_back(key(s, c));
    if (verify_throws.count(key(s, c)) != 0) {
      throw Error(Code::kInvalidArgument, verify_throws[key(s, c)]);
    }
    if (verify_fails.count(key(s, c)) == 0) return std::nullopt;
    return Rejection{Reason::kWrongResult, "verify", 0, 0, verify_fails[key(s, c)]};
  }

 private:
  class FakeTrial : public Trial {
   public:
    FakeTrial(FakeLaboratory& lab, std::string name) : lab_(lab), name_(std::move(name)) {}
    double setup_us() const override { return lab_.setup_us[name_]; }
    double run_us(int runs) override {
      if (lab_.run_fails.count(name_) != 0) throw Error(Code::kOutOfMemory, lab_.run_fails[name_]);
      ++lab_.timed[name_];
      lab_.order.push_back(name_);
      lab_.batches[name_].push_back(runs);
      double each = lab_.us.at(name_);
      auto& queued = lab_.series[name_];
      if (!queued.empty()) {
        each = queued.front();
        queued.pop_front();
      }
      lab_.clock_s += each * runs * 1e-6;
      return each * runs;
    }

   private:
    FakeLaboratory& lab_;
    std::string name_;
  };
};

const Problem kProblem = parse_problem("n1c8h8w8k8kh3kw3p1");

Report search(const PlannerOptions& options, Laboratory* lab, const Memory& memory = {}) {
  return plan(kProblem, DeviceProfile(), options, kAll, memory, lab);
}

const ReportEntry& entry(const Report& report, const std::string& strategy,
                         const std::string& config) {
  for (const ReportEntry& e : report.entries) {
    if (e.strategy->name == strategy && e.has_candidate && e.candidate.config.text() == config)
      return e;
  }
  for (const ReportEntry& e : report.entries) {
    if (e.strategy->name == strategy && !e.has_candidate) return e;
  }
  FAIL("no entry for " << strategy << " " << config);
  return report.entries.front();
}

std::string chosen(const Report& report) {
  if (!report.chosen) return "nothing";
  return std::string(report.choice().strategy->name) + " " +
         report.choice().candidate.config.text();
}

// naive 900 us, alpha 100 and 120, beta 300, gamma does not apply.
void usual_offers() {
  offers["naive"] = of({candidate(0, 900)});
  offers["alpha"] = of({candidate(1, 120), candidate(2, 100)});
  offers["beta"] = of({candidate(1, 300)});
  offers["gamma"] = no();
}

FakeLaboratory usual_lab() {
  FakeLaboratory lab;
  lab.us = {{"naive v=0", 5000}, {"alpha v=1", 200}, {"alpha v=2", 250}, {"beta v=1", 50}};
  return lab;
}

PlannerOptions with_rigor(Rigor rigor) {
  PlannerOptions options;
  options.rigor = rigor;
  return options;
}

WisdomRecord record_of(std::vector<std::pair<std::string, double>> times) {
  WisdomRecord record;
  record.problem = to_text(kProblem);
  record.direction = "forward";
  record.rigor = Rigor::kMeasure;
  for (const auto& [name, us] : times) {
    WisdomCandidate c;
    c.strategy = name.substr(0, name.find(' '));
    c.config = name.substr(name.find(' ') + 1);
    c.measured = Measured{us, us, us, 7, true};
    record.candidates.push_back(c);
  }
  return record;
}

}  // namespace

TEST_CASE("estimate takes the cheapest prediction, times nothing and reports everything") {
  usual_offers();
  const Report report = search(with_rigor(Rigor::kEstimate), nullptr);
  CHECK(chosen(report) == "alpha v=2");
  CHECK(report.entries.size() == 5);
  CHECK(entry(report, "alpha", "v=1").status == Status::kApplicable);
  CHECK(entry(report, "gamma", "").status == Status::kRejected);
  CHECK(to_text(*entry(report, "gamma", "").reason) == "kh is 3, applies only where it is 1");
  for (const ReportEntry& e : report.entries)
    CHECK_FALSE(e.measured.has_value());
}

TEST_CASE("measure believes the clock, not the model") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  const Report report = search(with_rigor(Rigor::kMeasure), &lab);
  CHECK(chosen(report) == "beta v=1");
  CHECK(entry(report, "beta", "v=1").measured->median_us == doctest::Approx(50));
  CHECK(entry(report, "beta", "v=1").candidate.predicted_us == 300);  // estimates stay estimates
  CHECK(entry(report, "naive", "v=0").status == Status::kPruned);     // 9 times the best prediction
  CHECK(lab.timed.count("naive v=0") == 0);
}

TEST_CASE("what is much slower after two rounds is dropped, with the times it has") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  const Report report = search(with_rigor(Rigor::kMeasure), &lab);
  CHECK(lab.timed["alpha v=1"] < lab.timed["beta v=1"]);
  CHECK(entry(report, "alpha", "v=1").measured->median_us == doctest::Approx(200));
}

TEST_CASE("a stray slow run does not move the median, and a disturbed leader gets more rounds") {
  usual_offers();
  FakeLaboratory quiet = usual_lab();
  search(with_rigor(Rigor::kMeasure), &quiet);
  FakeLaboratory lab = usual_lab();
  // Warm-up and calibrating round, then rounds: every other one takes twice as long for a while.
  lab.series["beta v=1"] = {50, 50, 50, 100, 100, 100, 100, 50, 100, 50};
  const Report report = search(with_rigor(Rigor::kMeasure), &lab);
  CHECK(entry(report, "beta", "v=1").measured->median_us == doctest::Approx(50));
  CHECK(lab.timed["beta v=1"] > quiet.timed["beta v=1"]);
}

TEST_CASE("all finalists are warmed up before the first is timed, then batches are calibrated") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  // The first run waits for something, the first batch says what a run takes.
  lab.series["beta v=1"] = {1000};
  search(with_rigor(Rigor::kMeasure), &lab);
  const std::vector<int>& batches = lab.batches["beta v=1"];
  REQUIRE(batches.size() == 9);  // warm-up, calibration, seven rounds
  CHECK(batches[0] == 1);
  CHECK(batches[1] == 2);
  for (std::size_t i = 2; i < batches.size(); ++i)
    CHECK(batches[i] == 40);  // 2 ms
  CHECK(lab.order.size() > 3);
  CHECK(std::set<std::string>(lab.order.begin(), lab.order.begin() + 3).size() == 3);
}

TEST_CASE("times of warm-up and calibration do not count") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  lab.series["beta v=1"] = {1, 49};
  const Report report = search(with_rigor(Rigor::kMeasure), &lab);
  CHECK(entry(report, "beta", "v=1").measured->min_us == doctest::Approx(50));
  CHECK(entry(report, "beta", "v=1").measured->runs == 7 * 41);
}

TEST_CASE("few samples drop a finalist by their minima, not by a median that one of them spoilt") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  // Faster than beta, but disturbed in one of the first two rounds.
  lab.us["alpha v=1"] = 40;
  lab.series["alpha v=1"] = {40, 40, 40, 400};
  const Report report = search(with_rigor(Rigor::kMeasure), &lab);
  CHECK(chosen(report) == "alpha v=1");
  CHECK(entry(report, "alpha", "v=1").measured->median_us == doctest::Approx(40));
  // With five, medians decide: one lucky round does not keep it in the race.
  lab = usual_lab();
  lab.us["alpha v=1"] = 70;
  lab.series["alpha v=1"] = {70, 70, 50};
  search(with_rigor(Rigor::kMeasure), &lab);
  CHECK(lab.timed["alpha v=1"] == 2 + 5);
  CHECK(lab.timed["alpha v=2"] == 2 + 2);
}

TEST_CASE("exhaustive times what is not hopeless, naive only where it is quick") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  CHECK(search(with_rigor(Rigor::kExhaustive), &lab).chosen.has_value());
  CHECK(lab.timed.count("naive v=0") == 0);  // 9 times the best prediction: hopeless
  offers["naive"] = of({candidate(0, 380)});
  lab = usual_lab();
  search(with_rigor(Rigor::kExhaustive), &lab);
  CHECK(lab.timed.count("naive v=0") == 1);
  offers["alpha"] = of({candidate(1, 200e3)});
  offers["beta"] = no();
  offers["naive"] = of({candidate(0, 300e3)});
  lab = usual_lab();
  const Report large = search(with_rigor(Rigor::kExhaustive), &lab);
  CHECK(entry(large, "naive", "v=0").reason->code == Reason::kTooSlowToTime);
  CHECK(lab.timed.count("naive v=0") == 0);
}

TEST_CASE("a time limit returns the best so far, never nothing") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  lab.setup_us["alpha v=2"] = 3e6;
  PlannerOptions options = with_rigor(Rigor::kMeasure);
  options.time_limit_s = 1;
  const Report report = search(options, &lab);
  CHECK(chosen(report) == "alpha v=2");
  CHECK(entry(report, "beta", "v=1").status == Status::kNotTried);
  CHECK(entry(report, "beta", "v=1").reason->code == Reason::kTimeLimit);
}

TEST_CASE("within a time limit nothing is begun that is predicted to outlast it") {
  usual_offers();
  for (const char* name : {"naive", "gamma"})
    offers[name] = no();
  offers["alpha"] = of({candidate(1, 100)});
  offers["beta"] = of({candidate(1, 0.4e6)});
  FakeLaboratory lab;
  lab.us = {{"alpha v=1", 100}, {"beta v=1", 100}};
  PlannerOptions options = with_rigor(Rigor::kMeasure);
  options.time_all = true;
  options.time_limit_s = 0.7;  // to warm up and once more takes 0.8 s
  Report report = search(options, &lab);
  CHECK(chosen(report) == "alpha v=1");
  CHECK(entry(report, "beta", "v=1").reason->code == Reason::kTimeLimit);
  CHECK(lab.timed.count("beta v=1") == 0);
  options.time_limit_s = 2;
  report = search(options, &lab);
  CHECK(entry(report, "beta", "v=1").measured.has_value());
  // What comes first runs whatever its prediction: there is always a result.
  offers["alpha"] = no();
  options.time_limit_s = 0.1;
  CHECK(chosen(search(options, &lab)) == "beta v=1");
}

TEST_CASE("of a time limit, half is for timing in rounds what was built in the other half") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  for (const char* name : {"alpha v=1", "alpha v=2", "beta v=1"})
    lab.setup_us[name] = 0.3e6;
  PlannerOptions options = with_rigor(Rigor::kMeasure);
  options.time_limit_s = 1;
  const Report report = search(options, &lab);
  int left_out = 0, timed = 0;
  for (const ReportEntry& e : report.entries) {
    if (e.reason && e.reason->code == Reason::kTimeLimit) ++left_out;
    if (!e.measured) continue;
    ++timed;
    CHECK(e.measured->runs > 1);
  }
  CHECK(timed == 2);
  CHECK(left_out == 1);
}

TEST_CASE("a tie within noise goes to the model's favourite, then to the smaller workspace") {
  offers["naive"] = no();
  offers["gamma"] = no();
  offers["alpha"] = of({candidate(1, 100)});
  offers["beta"] = of({candidate(1, 90)});
  FakeLaboratory lab;
  lab.us = {{"alpha v=1", 100}, {"beta v=1", 102}};
  CHECK(chosen(search(with_rigor(Rigor::kMeasure), &lab)) == "beta v=1");
  lab.us["beta v=1"] = 110;  // beyond noise
  CHECK(chosen(search(with_rigor(Rigor::kMeasure), &lab)) == "alpha v=1");
  Candidate large = candidate(1, 100);
  large.workspace_bytes = 1000;
  offers["beta"] = of({large});
  lab.us["beta v=1"] = 99;
  CHECK(chosen(search(with_rigor(Rigor::kMeasure), &lab)) == "alpha v=1");
}

TEST_CASE("a tie is with the fastest, ties do not chain, and predictions must be equal to tie") {
  const Standing fast{100, 50, 0, true};
  const Standing favourite{102.9, 20, 0, true};
  const Standing beyond{103.1, 10, 0, true};  // within 3 % of the favourite only
  CHECK(best_of({fast, favourite, beyond}, kTie) == 1);
  CHECK(best_of({beyond, favourite, fast}, kTie) == 1);
  CHECK(best_of({fast, favourite, beyond}, 0) == 0);
  CHECK(best_of({{100, 50, 8, true}, {101, 50, 4, false}}, kTie) == 1);  // smaller
  CHECK(best_of({{100, 50, 4, false}, {101, 50, 4, true}}, kTie) == 1);  // deterministic
  CHECK_FALSE(best_of({}, kTie).has_value());
}

TEST_CASE("on a GPU the yardstick loses ties, and on large problems to whatever else there is") {
  for (const char* name : {"beta", "gamma"})
    offers[name] = no();
  const auto choice = [&](Family family, const char* problem, double naive_us, double alpha_us) {
    DeviceProfile profile;
    profile.family = family;
    offers["naive"] = of({candidate(0, naive_us)});
    offers["alpha"] = of({candidate(1, alpha_us)});
    return chosen(
        plan(parse_problem(problem), profile, with_rigor(Rigor::kEstimate), kAll, {}, nullptr));
  };
  const char* const small = "n1c8h8w8k8kh3kw3p1";
  const char* const large = "n1c64h28w28k64kh3kw3p1";  // 58 MFLOP
  CHECK(choice(Family::kCpu, small, 5, 5) == "naive v=0");
  CHECK(choice(Family::kGpu, small, 5, 5) == "alpha v=1");
  CHECK(choice(Family::kGpu, small, 5, 6) == "naive v=0");
  CHECK(choice(Family::kCpu, large, 5, 6) == "naive v=0");
  CHECK(choice(Family::kGpu, large, 5, 6) == "alpha v=1");
  offers["alpha"] = no();
  DeviceProfile gpu;
  gpu.family = Family::kGpu;
  CHECK(chosen(plan(parse_problem(large), gpu, with_rigor(Rigor::kEstimate), kAll, {}, nullptr)) ==
        "naive v=0");
}

TEST_CASE("a winner that fails to build, to run or to verify loses to the next, and says why") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  lab.verify_fails["beta v=1"] = "y[3] is 7, naive says 8";
  Report report = search(with_rigor(Rigor::kMeasure), &lab);
  CHECK(chosen(report) == "alpha v=1");
  CHECK(entry(report, "beta", "v=1").status == Status::kFailedVerify);
  CHECK(to_text(*entry(report, "beta", "v=1").reason) == "y[3] is 7, naive says 8");

  lab = usual_lab();
  lab.build_fails["beta v=1"] = "no such instruction";
  lab.run_fails["alpha v=1"] = "out of memory: 5 bytes";
  report = search(with_rigor(Rigor::kMeasure), &lab);
  CHECK(chosen(report) == "alpha v=2");
  CHECK(entry(report, "beta", "v=1").status == Status::kFailedBuild);
  CHECK(entry(report, "alpha", "v=1").status == Status::kFailedRun);

  lab = usual_lab();
  for (const char* name : {"alpha v=1", "alpha v=2", "beta v=1"})
    lab.verify_fails[name] = "wrong";
  CHECK(chosen(search(with_rigor(Rigor::kEstimate), &lab)) == "naive v=0");  // the yardstick
}

TEST_CASE(
    "failures go to the wisdom and are shown next time, a lack of memory is not held against it") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  lab.verify_fails["beta v=1"] = "y[3] is 7, naive says 8";
  lab.run_fails["alpha v=1"] = "out of memory: 5 bytes";
  const Report report = search(with_rigor(Rigor::kMeasure), &lab);
  const WisdomRecord learned = to_wisdom(report, {"device", "driver", "kernels", ""});
  REQUIRE(learned.candidates.size() == 2);
  FakeLaboratory fresh = usual_lab();
  const Report next = search(with_rigor(Rigor::kMeasure), &fresh, {learned, {}});
  CHECK(entry(next, "beta", "v=1").status == Status::kFailedVerify);
  CHECK(fresh.timed.count("beta v=1") == 0);
  CHECK(chosen(next) == "alpha v=1");
}

TEST_CASE("a forced strategy is the one used, or the reason is reported, never another one") {
  usual_offers();
  PlannerOptions options;
  options.strategy = "beta";
  CHECK(chosen(search(options, nullptr)) == "beta v=1");
  options.strategy = "gamma";
  const Report report = search(options, nullptr);
  CHECK(chosen(report) == "nothing");
  CHECK(why_nothing(report) ==
        "no strategy can run n1c8h8w8k8kh3kw3p1: gamma (kh is 3, applies only where it is 1)");
  options.strategy = "alpha";
  options.config = "v=1";
  CHECK(chosen(search(options, nullptr)) == "alpha v=1");
  options.config = "v=9";
  const Report unknown = search(options, nullptr);
  CHECK(chosen(unknown) == "nothing");
  CHECK(why_nothing(unknown).find("config v=9 is not offered") != std::string::npos);
  FakeLaboratory lab = usual_lab();
  lab.verify_fails["alpha v=1"] = "wrong";
  options.config = "v=1";
  CHECK(chosen(search(options, &lab)) == "nothing");
}

TEST_CASE("allow and deny lists, determinism and the workspace limit") {
  usual_offers();
  PlannerOptions options;
  options.allow = {"beta", "naive"};
  CHECK(chosen(search(options, nullptr)) == "beta v=1");
  options.deny = {"beta"};
  CHECK(chosen(search(options, nullptr)) == "naive v=0");
  options = PlannerOptions();
  Candidate loose = candidate(1, 10);
  loose.deterministic = false;
  offers["beta"] = of({loose});
  CHECK(chosen(search(options, nullptr)) == "beta v=1");
  options.deterministic = true;
  const Report report = search(options, nullptr);
  CHECK(chosen(report) == "alpha v=2");
  CHECK(entry(report, "beta", "v=1").reason->code == Reason::kNotDeterministic);
  Candidate large = candidate(3, 1);
  large.workspace_bytes = 4000;
  large.prepared_weights_bytes = 712;
  offers["alpha"] = of({large, candidate(2, 100)});
  options.workspace_limit = 4711;
  const Report limited = search(options, nullptr);
  CHECK(seen_limit == 4711);
  CHECK(chosen(limited) == "alpha v=2");
  CHECK(to_text(*entry(limited, "alpha", "v=3").reason) ==
        "needs at least 4712 bytes of workspace and weights, the limit is 4711");
  large.workspace_bytes = 4712;
  large.prepared_weights_bytes = 0;
  offers["alpha"] = of({large, candidate(2, 100)});
  CHECK(to_text(*entry(search(options, nullptr), "alpha", "v=3").reason) ==
        "needs at least 4712 bytes of workspace, the limit is 4711");
  options.workspace_limit = 4712;
  CHECK(chosen(search(options, nullptr)) == "alpha v=3");
}

TEST_CASE(
    "a check that cannot be made is not held against a variant, nor are older records of such") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  lab.verify_throws["beta v=1"] = "config 'v=1': a tile exceeds the result";
  const Report report = search(with_rigor(Rigor::kMeasure), &lab);
  CHECK(entry(report, "beta", "v=1").status == Status::kFailedRun);
  for (const WisdomCandidate& c : to_wisdom(report, {}).candidates) {
    CHECK(c.status == Status::kApplicable);
  }

  WisdomCandidate old;
  old.strategy = "beta";
  old.config = "v=1";
  old.status = Status::kFailedRun;
  old.text = "config 'v=1': a tile exceeds the result";
  WisdomRecord record;
  record.candidates = {old};
  lab = usual_lab();
  const std::string best = chosen(search(with_rigor(Rigor::kMeasure), &lab));
  CHECK(best == "beta v=1");
  lab = usual_lab();
  CHECK(chosen(search(with_rigor(Rigor::kMeasure), &lab, {record, {}})) == best);
  record.candidates.front().text = "clEnqueueNDRangeKernel: -5";  // a run that did fail
  lab = usual_lab();
  CHECK(chosen(search(with_rigor(Rigor::kMeasure), &lab, {record, {}})) != best);
}

TEST_CASE("wisdom decides without timing if it covers what would be timed") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  const Memory memory{record_of({{"alpha v=1", 80}, {"alpha v=2", 90}, {"beta v=1", 85}}), {}};
  Report report = search(with_rigor(Rigor::kMeasure), &lab, memory);
  CHECK(chosen(report) == "alpha v=1");
  CHECK(lab.timed.empty());
  CHECK(report.choice().measured->from_wisdom);
  report = search(with_rigor(Rigor::kEstimate), nullptr, memory);
  CHECK(chosen(report) == "alpha v=1");
}

TEST_CASE("times of other kernels do not count, those of these kernels beside them do") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  Memory memory{record_of({{"alpha v=1", 80}, {"alpha v=2", 90}, {"beta v=1", 85}}), {}};
  std::vector<WisdomCandidate> others = memory.record->candidates;
  for (WisdomCandidate& c : others)
    c.kernels = "other";
  memory.record->candidates.insert(memory.record->candidates.begin(), others.begin(), others.end());
  CHECK(search(with_rigor(Rigor::kMeasure), &lab, memory).choice().measured->from_wisdom);
  CHECK(lab.timed.empty());
  memory.record->candidates = others;
  CHECK_FALSE(search(with_rigor(Rigor::kMeasure), &lab, memory).choice().measured->from_wisdom);
  CHECK_FALSE(lab.timed.empty());
}

TEST_CASE("wisdom with gaps (a constrained or cut-short search) neither decides nor is mixed in") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  const Memory partial{record_of({{"alpha v=1", 60}}), {}};
  CHECK(chosen(search(with_rigor(Rigor::kEstimate), nullptr, partial)) == "alpha v=2");
  const Report report = search(with_rigor(Rigor::kMeasure), &lab, partial);
  CHECK(chosen(report) == "beta v=1");
  CHECK_FALSE(entry(report, "alpha", "v=1").measured->from_wisdom);
}

TEST_CASE("wisdom_only takes what was measured, or nothing") {
  usual_offers();
  const Report none = search(with_rigor(Rigor::kWisdomOnly), nullptr);
  CHECK(chosen(none) == "nothing");
  CHECK(entry(none, "alpha", "v=1").reason->code == Reason::kNoWisdom);
  const Memory memory{record_of({{"naive v=0", 900}, {"beta v=1", 85}}), {}};
  CHECK(chosen(search(with_rigor(Rigor::kWisdomOnly), nullptr, memory)) == "beta v=1");
}

TEST_CASE("another driver's wisdom only orders the search") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  const Memory memory{{}, record_of({{"beta v=1", 1}})};
  const Report report = search(with_rigor(Rigor::kMeasure), &lab, memory);
  CHECK(lab.built.front() == "beta v=1");
  CHECK(entry(report, "beta", "v=1").measured->median_us == doctest::Approx(50));
}

TEST_CASE("expected_runs weighs the setup") {
  usual_offers();
  FakeLaboratory lab = usual_lab();
  lab.setup_us["beta v=1"] = 1e6;
  PlannerOptions options = with_rigor(Rigor::kMeasure);
  options.expected_runs = 100;  // 10 ms of setup per run
  CHECK(chosen(search(options, &lab)) == "alpha v=1");
  options.expected_runs = 1000000;
  CHECK(chosen(search(options, &lab)) == "beta v=1");
}

TEST_CASE("expected_runs weighs preparing the weights, and a setup that wisdom remembers") {
  offers["naive"] = offers["gamma"] = no();
  offers["beta"] = of({candidate(1, 100)});
  Candidate packing = candidate(1, 99);
  packing.prepared_weights_bytes = 1 << 20;  // a millisecond at the default profile's 1 GB/s
  offers["alpha"] = of({packing});
  PlannerOptions options;
  options.expected_runs = 10000;
  CHECK(chosen(search(options, nullptr)) == "alpha v=1");
  options.expected_runs = 100;
  CHECK(chosen(search(options, nullptr)) == "beta v=1");

  usual_offers();
  FakeLaboratory lab = usual_lab();
  lab.setup_us["beta v=1"] = 1e6;
  options = with_rigor(Rigor::kMeasure);
  const WisdomRecord learned =
      to_wisdom(search(options, &lab), {"device", "driver", "kernels", ""});
  FakeLaboratory fresh = usual_lab();
  CHECK(chosen(search(options, &fresh, {learned, {}})) == "beta v=1");
  CHECK(fresh.built == std::vector<std::string>{"beta v=1"});  // though its setup is known
  options.expected_runs = 100;
  const Report report = search(options, &fresh, {learned, {}});
  CHECK(chosen(report) == "alpha v=1");
  CHECK(entry(report, "beta", "v=1").setup_us == 1e6);
  CHECK(fresh.timed.empty());
}

TEST_CASE("weights that change are packed every time, whatever was measured") {
  offers["naive"] = offers["gamma"] = no();
  offers["beta"] = of({candidate(1, 100)});
  Candidate packing = candidate(1, 99);
  packing.prepared_weights_bytes = 1 << 20;  // a millisecond at the default profile's 1 GB/s
  offers["alpha"] = of({packing});
  for (const Rigor rigor : {Rigor::kEstimate, Rigor::kMeasure}) {
    PlannerOptions options = with_rigor(rigor);
    FakeLaboratory lab;
    lab.us = {{"alpha v=1", 50}, {"beta v=1", 100}};
    CHECK(chosen(search(options, &lab)) == "alpha v=1");
    options.weights_change = true;
    CHECK(chosen(search(options, &lab)) == "beta v=1");
  }
}

TEST_CASE("why nothing can run: equal reasons once, of too much memory the least") {
  usual_offers();
  PlannerOptions options = with_rigor(Rigor::kWisdomOnly);
  CHECK(why_nothing(search(options, nullptr)) ==
        "no strategy can run n1c8h8w8k8kh3kw3p1: naive, alpha, beta (no wisdom for this problem, "
        "device, driver and library version); gamma (kh is 3, applies only where it is 1)");
  options = PlannerOptions();
  options.allow = {"alpha", "gamma"};
  options.workspace_limit = 10;
  Candidate large = candidate(1, 1), larger = candidate(2, 1);
  large.workspace_bytes = 20;
  larger.workspace_bytes = 30;
  offers["alpha"] = of({larger, large});
  CHECK(why_nothing(search(options, nullptr)) ==
        "no strategy can run n1c8h8w8k8kh3kw3p1: alpha (needs at least 20 bytes of workspace, the "
        "limit is 10); gamma (kh is 3, applies only where it is 1)");
}

TEST_CASE("nothing can run: a constraint, unless something that meets all of them failed") {
  usual_offers();
  PlannerOptions options;
  options.allow = {"alpha", "beta"};
  FakeLaboratory fails = usual_lab();
  for (const char* name : {"alpha v=1", "alpha v=2", "beta v=1"})
    fails.build_fails[name] = "no compiler";
  const Error built = nothing_error(search(options, &fails));
  CHECK(built.code() == Code::kBuildFailed);
  CHECK(built.detail() == "the log");
  CHECK(std::string(built.what()) ==
        "no strategy can run n1c8h8w8k8kh3kw3p1: alpha, beta (no compiler)");
  FakeLaboratory crashes = usual_lab();
  for (const char* name : {"alpha v=1", "alpha v=2", "beta v=1"})
    crashes.run_fails[name] = "CL_OUT_OF_RESOURCES";
  options.rigor = Rigor::kMeasure;
  CHECK(nothing_error(search(options, &crashes)).code() == Code::kOpenCl);
  options.rigor = Rigor::kWisdomOnly;
  CHECK(nothing_error(search(options, nullptr)).code() == Code::kConstraint);
}

TEST_CASE("the report as JSON names every candidate with its reason") {
  usual_offers();
  const std::string json = to_json(search(with_rigor(Rigor::kEstimate), nullptr));
  for (const char* part :
       {"\"chosen\": {", "\"strategy\": \"alpha\"", "\"config\": \"v=2\"",
        "\"status\": \"rejected\"", "\"code\": \"shape\"", "\"actual\": 3", "\"limit\": 1"}) {
    CAPTURE(part);
    CHECK(json.find(part) != std::string::npos);
  }
}

TEST_CASE("what multiplies in float16 must be asked for") {
  usual_offers();
  Candidate half = candidate(4, 10);
  half.math = Math::kFloat16;
  half.error_floor = 1e-5;
  offers["alpha"] = of({candidate(2, 100), half, candidate(1, 120)});
  PlannerOptions options;
  const Report usual = search(options, nullptr);
  CHECK(chosen(usual) == "alpha v=2");
  CHECK(to_json(usual).find("multiplies in f16, and math is f32") != std::string::npos);
  CHECK(to_json(usual).find("\"v=4\"") == std::string::npos);
  options.config = "v=4";
  options.strategy = "alpha";
  const Report forced = search(options, nullptr);
  CHECK(chosen(forced) == "nothing");
  CHECK(entry(forced, "alpha", "v=4").reason->code == Reason::kMath);
  options.math = Math::kFloat16;
  CHECK(chosen(search(options, nullptr)) == "alpha v=4");
  options = PlannerOptions();
  options.math = Math::kFloat16;
  const Report asked = search(options, nullptr);
  CHECK(chosen(asked) == "alpha v=4");
  CHECK(to_json(asked).find("\"math\": \"f16\"") != std::string::npos);
  CHECK(to_json(asked).find("\"error_floor\": 1e-05") != std::string::npos);
  // TF32 is more precise: asked for by itself, and allowed with float16.
  half.math = Math::kTf32;
  offers["alpha"] = of({candidate(2, 100), half});
  CHECK(chosen(search(options, nullptr)) == "alpha v=4");
  options.math = Math::kTf32;
  CHECK(chosen(search(options, nullptr)) == "alpha v=4");
  CHECK(to_json(search(PlannerOptions(), nullptr)).find("multiplies in tf32, and math is f32") !=
        std::string::npos);
  half.math = Math::kFloat16;
  offers["alpha"] = of({candidate(2, 100), half});
  CHECK(chosen(search(options, nullptr)) == "alpha v=2");
  // Only where it is the fastest.
  options.math = Math::kFloat16;
  half.predicted_us = 200;
  offers["alpha"] = of({candidate(2, 100), half});
  CHECK(chosen(search(options, nullptr)) == "alpha v=2");
}

TEST_CASE("words of the options") {
  CHECK(parse_rigor("exhaustive") == Rigor::kExhaustive);
  CHECK(parse_rigor("wisdom-only") == Rigor::kWisdomOnly);
  CHECK(parse_rigor("wisdom_only") == Rigor::kWisdomOnly);
  CHECK(error_of(Code::kInvalidArgument, [] {
          parse_rigor("fast");
        }).find("rigor 'fast' is unknown") == 0);
  CHECK(error_of(Code::kInvalidArgument, [] { Config::parse("tw=14,kv"); }).find("at 'kv'") !=
        std::string::npos);
  const Config with_body = Config::parse("tw=14,body=tall,kv=2");
  CHECK(with_body.text() == "body=tall,kv=2,tw=14");
  CHECK(with_body.defines() == "-DKV=2 -DTW=14");
  CHECK(with_body.names() == "kv, tw");
  for (const char* wrong : {"body", "body=", "body=a,body=b"})
    CHECK_THROWS_AS(Config::parse(wrong), Error);
  CHECK(Config::parse("tw=14,kv=2").text() == "kv=2,tw=14");
  CHECK(Config::parse("tw=14,kv=2").defines() == "-DKV=2 -DTW=14");
}
