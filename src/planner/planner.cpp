#include "planner/planner.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <tuple>

#include "strategies/cost_model.hpp"

namespace clconv::core {
namespace {

// Rigor `measure` times at most this many, none predicted slower than this factor.
constexpr std::size_t kFinalists = 6;
constexpr double kMeasureFactor = 3.0;
// Hopeless: predicted so many times slower than the best that was measured. On the calibrated processors the model was
// never off by as much.
constexpr double kHopelessFactor = 8.0;
// The yardstick is not timed beyond this prediction while anything else runs.
constexpr double kYardstickLimitUs = 100e3;
// Nor is it chosen by prediction beyond so many operations on a GPU, where the model guesses what it takes.
constexpr double kYardstickFlops = 10e6;
// A batch of executions that is timed lasts at least this long, so that the clock's resolution and a stray interrupt do
// not matter.
constexpr double kBatchUs = 2000;
constexpr int kMaxBatch = 1024;
// Of a time limit, this much at most goes to building and warming up. With all of it, a choice among many variants
// rested on one run of each: 1.2 times as slow as the best, in geometric mean over random problems.
constexpr double kBuildingShare = 0.5;
// Rounds that count: the first number, or up to the second while the median of a candidate near the best is kDisturbed
// times its minimum, which says that something else disturbs the machine (two worker threads on one core: factor two).
constexpr int kRounds = 7;
constexpr int kMostRounds = 25;
constexpr double kDisturbed = 1.10;
// From kFirstSamples samples on, what is kDropFactor times slower than the best is dropped: by minima while there are
// fewer than kMedianSamples, too few for a median.
constexpr std::size_t kFirstSamples = 2;
constexpr std::size_t kMedianSamples = 5;
constexpr double kDropFactor = 1.25;
constexpr double kDropFactorAll = 10.0;  // with time_all

void reject(ReportEntry& entry, Status status, Rejection reason) {
  entry.status = status;
  entry.reason = std::move(reason);
}

Rejection not_allowed(std::string text) {
  return {Reason::kNotAllowed, "strategy", 0, 0, std::move(text)};
}

std::int64_t nanoseconds(double us) {
  return std::llround(us * 1e3);
}

Rejection slower(const char* how, double us, double best_us) {
  return {Reason::kSlower, how, nanoseconds(us), nanoseconds(best_us), ""};
}

bool contains(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// Why the options rule a strategy out by its name, if they do.
std::optional<Rejection> ruled_out(const std::string& name, const PlannerOptions& options) {
  if (!options.strategy.empty() && options.strategy != name) {
    return not_allowed("strategy " + options.strategy + " is forced");
  }
  if (!options.allow.empty() && !contains(options.allow, name)) {
    return not_allowed("not in the allow list");
  }
  if (contains(options.deny, name)) return not_allowed("in the deny list");
  return std::nullopt;
}

// A batch of 0 has the strategies and variants of a batch of 1. None of them computes anything, so none needs
// time or memory; what runs instead is the context's business.
Problem one_image(Problem problem) {
  if (problem.empty()) problem.n = 1;
  return problem;
}

Candidate without_work(Candidate candidate) {
  candidate.predicted_us = candidate.predicted_setup_us = 0;
  candidate.workspace_bytes = candidate.prepared_weights_bytes = 0;
  candidate.deterministic = true;
  return candidate;
}

Offer offer_of_empty_batch(const Strategy& strategy, const Problem& problem,
                           const DeviceProfile& profile) {
  Offer offer =
      strategy.offer(one_image(problem), profile, std::numeric_limits<std::int64_t>::max());
  if (auto* offers = std::get_if<Offers>(&offer)) {
    for (Candidate& candidate : offers->candidates)
      candidate = without_work(candidate);
  }
  return offer;
}

class Search {
 public:
  Search(const Problem& problem, const PlannerOptions& options, Laboratory* laboratory)
      : options_(options), forced_(Config::parse(options.config)), laboratory_(laboratory) {
    report_.problem = problem;
    report_.rigor = options.rigor;
    report_.math = options.math;
    report_.environment = options.environment;
    if (laboratory_ != nullptr) started_s_ = laboratory_->now_s();
  }

  void collect(const DeviceProfile& profile, const std::vector<const Strategy*>& strategies) {
    distrusts_yardstick_ = profile.family == Family::kGpu;
    for (const Strategy* strategy : strategies) {
      ReportEntry entry;
      entry.strategy = strategy;
      if (auto reason = ruled_out(strategy->name, options_)) {
        reject(entry, Status::kRejected, *reason);
        report_.entries.push_back(entry);
        continue;
      }
      Offer offer = report_.problem.empty()
                        ? offer_of_empty_batch(*strategy, report_.problem, profile)
                        : strategy->offer(report_.problem, profile, options_.workspace_limit);
      if (const auto* rejection = std::get_if<Rejection>(&offer)) {
        reject(entry, Status::kRejected, *rejection);
        report_.entries.push_back(entry);
        continue;
      }
      auto& offers = std::get<Offers>(offer);
      if (!is_forced()) leave_out_math(offers);
      const bool all = options_.rigor == Rigor::kExhaustive;
      std::vector<Candidate> candidates = all ? offers.candidates : shortlist(offers.candidates);
      add_forced(*strategy, profile, offers, candidates);
      for (std::vector<Candidate>* list : {&offers.candidates, &candidates})
        predict_packing(profile, *list);
      std::set<std::string> considered;
      for (const Candidate& c : candidates)
        considered.insert(c.config.body());
      add_candidates(entry, std::move(candidates));
      if (!is_forced()) add_not_considered(entry, offers.candidates, std::move(considered));
      for (LeftOut& body : offers.left_out) {
        if (is_forced() && body.body != forced_.body()) continue;
        entry.body = body.body;
        reject(entry, Status::kRejected, std::move(body.reason));
        report_.entries.push_back(entry);
      }
    }
  }

  // Takes the times and failures that wisdom has, and says whether they are enough to decide.
  void recall(const Remembered& remembered) {
    for (std::size_t i = 0; i < report_.entries.size(); ++i) {
      ReportEntry& entry = report_.entries[i];
      if (!usable(entry)) continue;
      // A record may have times of other versions' kernels, too.
      const auto same_kernels = [&](const WisdomCandidate& c) {
        return c.kernels == programs_hash(*entry.strategy, entry.candidate.config);
      };
      if (const WisdomCandidate* known = find(remembered.record, entry, same_kernels)) {
        if (from_outside_the_domain(*known)) continue;
        if (known->status != Status::kApplicable) {
          const Reason reason = known->status == Status::kFailedBuild ? Reason::kBuildFailed
                                : known->status == Status::kFailedRun ? Reason::kRunFailed
                                                                      : Reason::kWrongResult;
          reject(entry, known->status, {reason, "wisdom", 0, 0, known->text});
        } else {
          entry.measured = known->measured;
          entry.setup_us = known->setup_us;
        }
      }
      const auto any = [](const WisdomCandidate&) { return true; };
      if (const WisdomCandidate* other = find(remembered.hint, entry, any)) {
        if (other->measured) hints_[i] = other->measured->median_us;
      }
    }
    // Wisdom decides if it covers all that would be timed; a search under constraints or cut short
    // by its time limit leaves gaps, and then times from different runs must not be compared.
    const Rigor asked = std::max(options_.rigor, Rigor::kMeasure);
    double best_us = std::numeric_limits<double>::infinity();
    for (const ReportEntry& entry : report_.entries) {
      if (usable(entry) && entry.measured) best_us = std::min(best_us, entry.measured->median_us);
    }
    const std::vector<std::size_t> finalists = select(asked).finalists;
    measurements_decide_ =
        !finalists.empty() && std::all_of(finalists.begin(), finalists.end(), [&](std::size_t i) {
          const ReportEntry& entry = report_.entries[i];
          return entry.measured || entry.candidate.predicted_us > kHopelessFactor * best_us;
        });
  }

  void measure() {
    if (options_.rigor < Rigor::kMeasure || laboratory_ == nullptr || report_.problem.empty())
      return;
    if (measurements_decide_ && !options_.time_all) return;
    for (ReportEntry& entry : report_.entries) {
      entry.measured.reset();
      entry.setup_us.reset();
    }
    const Selection selection = select(options_.rigor);
    for (const auto& [i, status, reason] : selection.left_out)
      reject(report_.entries[i], status, reason);
    build_and_warm_up(selection.finalists);
    time_in_rounds();
    measurements_decide_ = true;
  }

  // The best that also builds (if there is a laboratory) and gives the right result.
  void choose() {
    if (options_.rigor == Rigor::kWisdomOnly && !report_.problem.empty()) {
      for (ReportEntry& entry : report_.entries) {
        if (usable(entry) && !entry.measured) {
          reject(entry, Status::kNotTried, {Reason::kNoWisdom, "wisdom", 0, 0, ""});
        }
      }
      measurements_decide_ = true;
    }
    while (choose_best() && !works(*report_.chosen))
      report_.chosen.reset();
    if (!report_.chosen && measurements_decide_) {
      // The last of the measured failed: what was never timed is better than nothing.
      measurements_decide_ = false;
      while (choose_best() && !works(*report_.chosen))
        report_.chosen.reset();
    }
    if (report_.chosen) report_.entries[*report_.chosen].status = Status::kChosen;
  }

  Report finish() { return std::move(report_); }

 private:
  bool is_forced() const { return !options_.config.empty(); }
  static bool usable(const ReportEntry& entry) {
    return entry.has_candidate && entry.status == Status::kApplicable;
  }

  bool too_imprecise(const Candidate& c) const { return c.math > options_.math; }
  Rejection less_precise(const Candidate& c) const {
    return {Reason::kMath, "math", 0, 0,
            std::string("multiplies in ") + to_string(c.math) + ", and math is " +
                to_string(options_.math)};
  }

  // Bodies that multiply less precisely than allowed: one row each.
  void leave_out_math(Offers& offers) const {
    std::set<std::string> bodies;
    for (const Candidate& c : offers.candidates) {
      if (too_imprecise(c) && bodies.insert(c.config.body()).second)
        offers.left_out.push_back({c.config.body(), less_precise(c)});
    }
    auto& all = offers.candidates;
    all.erase(
        std::remove_if(all.begin(), all.end(), [&](const auto& c) { return too_imprecise(c); }),
        all.end());
  }

  void predict_packing(const DeviceProfile& profile, std::vector<Candidate>& candidates) const {
    if (report_.problem.empty()) return;
    for (Candidate& c : candidates) {
      if (c.prepared_weights_bytes == 0) continue;
      c.predicted_packing_us =
          predicted_packing_us(profile, report_.problem.w_bytes(), c.prepared_weights_bytes);
    }
  }

  // A forced config that is not considered otherwise, or that the strategy does not offer but can build.
  void add_forced(const Strategy& strategy, const DeviceProfile& profile, Offers& offers,
                  std::vector<Candidate>& candidates) const {
    if (!is_forced()) return;
    const auto same = [&](const Candidate& c) { return c.config == forced_; };
    if (std::any_of(candidates.begin(), candidates.end(), same)) return;
    const auto offered = std::find_if(offers.candidates.begin(), offers.candidates.end(), same);
    if (offered != offers.candidates.end()) {
      candidates.push_back(*offered);
    } else if (strategy.fit != nullptr) {
      // Says more than why the body's usual variants do not apply.
      offers.left_out.clear();
      const auto fit = strategy.fit(one_image(report_.problem), profile, forced_);
      if (const auto* candidate = std::get_if<Candidate>(&fit)) {
        candidates.push_back(report_.problem.empty() ? without_work(*candidate) : *candidate);
      } else {
        offers.left_out.push_back({forced_.body(), std::get<Rejection>(fit)});
      }
    }
  }

  // The best variant of each body that is none of `bodies`, with the reason why it is not considered.
  void add_not_considered(const ReportEntry& base, const std::vector<Candidate>& offered,
                          std::set<std::string> bodies) {
    for (const Candidate& c : offered) {
      if (!bodies.insert(c.config.body()).second) continue;
      ReportEntry entry = base;
      entry.candidate = c;
      entry.has_candidate = true;
      reject(entry, Status::kNotTried, {Reason::kNotConsidered, "rigor", 0, 0, c.not_considered});
      report_.entries.push_back(std::move(entry));
    }
  }

  void add_candidates(const ReportEntry& base, std::vector<Candidate> candidates) {
    std::stable_sort(
        candidates.begin(), candidates.end(),
        [](const Candidate& a, const Candidate& b) { return a.predicted_us < b.predicted_us; });
    // A strategy of bodies has said why, in the body's row.
    bool forced_found = !is_forced() || base.strategy->fit != nullptr;
    for (Candidate& candidate : candidates) {
      ReportEntry entry = base;
      entry.candidate = std::move(candidate);
      entry.has_candidate = true;
      const bool wanted = entry.candidate.config == forced_;
      forced_found = forced_found || wanted;
      if (is_forced() && !wanted) {
        reject(entry, Status::kRejected, not_allowed("config " + forced_.text() + " is forced"));
      } else if (bytes_of(entry) > options_.workspace_limit) {
        reject(entry, Status::kRejected,
               over_limit(entry.candidate.workspace_bytes, entry.candidate.prepared_weights_bytes,
                          options_.workspace_limit));
      } else if (options_.deterministic && !entry.candidate.deterministic) {
        reject(entry, Status::kRejected, {Reason::kNotDeterministic, "deterministic", 0, 1, ""});
      } else if (too_imprecise(entry.candidate)) {
        reject(entry, Status::kRejected, less_precise(entry.candidate));
      }
      report_.entries.push_back(std::move(entry));
    }
    if (!forced_found) {
      ReportEntry entry = base;
      reject(entry, Status::kRejected,
             {Reason::kUnknownConfig, "config", 0, 0,
              "config " + forced_.text() +
                  " is not offered for this problem and device (a config is all of a variant's "
                  "values, as "
                  "reported)"});
      report_.entries.push_back(std::move(entry));
    }
  }

  // What is remembered of the entry's variant, as far as `counts` says that it may be used.
  template <class Counts>
  static const WisdomCandidate* find(const std::optional<WisdomRecord>& record,
                                     const ReportEntry& entry, Counts&& counts) {
    if (!record || !entry.has_candidate) return nullptr;
    for (const WisdomCandidate& c : record->candidates) {
      if (c.strategy == entry.strategy->name && c.config == entry.candidate.config.text() &&
          counts(c)) {
        return &c;
      }
    }
    return nullptr;
  }

  // Older versions remembered a run as failed where the problem to verify on was not one that the config serves,
  // which is the only way that a run, not a build, could fail with the words of a refused config.
  static bool from_outside_the_domain(const WisdomCandidate& known) {
    return known.status == Status::kFailedRun && known.text.rfind("config '", 0) == 0;
  }

  std::vector<std::size_t> usable_by(const std::function<double(std::size_t)>& key) const {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < report_.entries.size(); ++i) {
      if (usable(report_.entries[i])) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
    return order;
  }

  // What is worth timing, in the order to try it, and why the rest is not.
  struct Selection {
    std::vector<std::size_t> finalists;
    std::vector<std::tuple<std::size_t, Status, Rejection>> left_out;
  };

  Selection select(Rigor rigor) const {
    double best = std::numeric_limits<double>::infinity();
    for (const ReportEntry& entry : report_.entries) {
      if (usable(entry)) best = std::min(best, entry.candidate.predicted_us);
    }
    const std::vector<std::size_t> order = usable_by([&](std::size_t i) {
      const auto hint = hints_.find(i);
      return hint != hints_.end() ? hint->second : report_.entries[i].candidate.predicted_us;
    });
    if (options_.time_all) return {order, {}};
    const double factor = rigor == Rigor::kMeasure ? kMeasureFactor : kHopelessFactor;
    const std::size_t most = rigor == Rigor::kMeasure ? kFinalists : order.size();
    Selection selection;
    for (const std::size_t i : order) {
      const ReportEntry& entry = report_.entries[i];
      const double predicted = entry.candidate.predicted_us;
      if (entry.strategy->yardstick && order.size() > 1 && predicted > kYardstickLimitUs) {
        selection.left_out.emplace_back(
            i, Status::kPruned,
            Rejection{Reason::kTooSlowToTime, "predicted", nanoseconds(predicted),
                      nanoseconds(kYardstickLimitUs), ""});
      } else if (predicted > factor * best) {
        selection.left_out.emplace_back(i, Status::kPruned, slower("predicted", predicted, best));
      } else if (selection.finalists.size() == most) {
        selection.left_out.emplace_back(
            i, Status::kNotTried, Rejection{Reason::kNotMeasured, "rigor", 0, 0, to_string(rigor)});
      } else {
        selection.finalists.push_back(i);
      }
    }
    return selection;
  }

  // Compared by a prediction, for one run may take longer than all that is left: it warms up once and is timed once.
  bool has_time_for(const Candidate& candidate) const {
    const double spent_s = laboratory_->now_s() - started_s_;
    return spent_s <= kBuildingShare * options_.time_limit_s &&
           2e-6 * candidate.predicted_us <= options_.time_limit_s - spent_s;
  }
  bool out_of_time() const { return laboratory_->now_s() - started_s_ > options_.time_limit_s; }

  struct Contestant {
    std::size_t index;
    std::unique_ptr<Trial> trial;
    int batch = 1;
    int runs = 0;                  // behind the times
    std::vector<double> times_us;  // per run

    void time() {
      const double us = trial->run_us(batch) / batch;
      times_us.push_back(us);
      runs += batch;
    }
    // Forgets the times, which only say how long a batch must be from now on.
    void calibrate() {
      batch = static_cast<int>(
          std::clamp(std::ceil(kBatchUs / std::max(median(), 0.1)), 1.0, double{kMaxBatch}));
      times_us.clear();
      runs = 0;
    }
    double median() const {
      std::vector<double> sorted = times_us;
      std::sort(sorted.begin(), sorted.end());
      return sorted[sorted.size() / 2];
    }
    double least() const { return *std::min_element(times_us.begin(), times_us.end()); }
  };

  static void fail(ReportEntry& entry, Status status, Reason reason, const std::exception& error) {
    const auto* known = dynamic_cast<const Error*>(&error);
    entry.transient = known != nullptr && known->code() == Code::kOutOfMemory;
    if (known != nullptr) entry.log = known->detail();
    reject(entry, status, {reason, "error", 0, 0, error.what()});
  }

  void build_and_warm_up(const std::vector<std::size_t>& order) {
    double best_first_us = std::numeric_limits<double>::infinity();
    for (const std::size_t i : order) {
      ReportEntry& entry = report_.entries[i];
      // The first is always built: a time limit returns the best so far, never nothing.
      if (!contestants_.empty() && !has_time_for(entry.candidate)) {
        reject(
            entry, Status::kNotTried,
            {Reason::kTimeLimit, "time_limit", 0, std::llround(options_.time_limit_s * 1e3), ""});
        continue;
      }
      // A prediction far above a time already measured needs no compiler.
      if (!options_.time_all && entry.candidate.predicted_us > kHopelessFactor * best_first_us) {
        reject(entry, Status::kPruned,
               slower("predicted", entry.candidate.predicted_us, best_first_us));
        continue;
      }
      Contestant contestant{i, nullptr, 1, 0, {}};
      try {
        contestant.trial = laboratory_->build(*entry.strategy, entry.candidate);
        built_.insert(i);
      } catch (const std::exception& error) {
        fail(entry, Status::kFailedBuild, Reason::kBuildFailed, error);
        continue;
      }
      try {
        contestant.time();
        best_first_us = std::min(best_first_us, contestant.median());
        entry.setup_us = contestant.trial->setup_us();  // now that all of it has happened
      } catch (const std::exception& error) {
        fail(entry, Status::kFailedRun, Reason::kRunFailed, error);
        continue;
      }
      contestants_.push_back(std::move(contestant));
    }
  }

  void time_in_rounds() {
    std::vector<Contestant*> racing;
    for (Contestant& contestant : contestants_)
      racing.push_back(&contestant);
    // Rounds 0 and 1 begin by choosing the length of a batch anew, from the times so far, which are then forgotten:
    // first from the warm-up's single run, whose time includes waiting for its end, then from round 0, whose batches do
    // that once for all their runs. If time runs out before round 1, the times of round 0 are the result.
    for (int round = 0; round <= kMostRounds && !racing.empty(); ++round) {
      if (round > kRounds && !disturbed(racing)) break;
      for (Contestant*& contestant : racing) {
        if (out_of_time()) break;
        ReportEntry& entry = report_.entries[contestant->index];
        try {
          if (round <= 1) contestant->calibrate();
          contestant->time();
        } catch (const std::exception& error) {
          fail(entry, Status::kFailedRun, Reason::kRunFailed, error);
          contestant = nullptr;
        }
      }
      racing.erase(std::remove(racing.begin(), racing.end(), nullptr), racing.end());
      if (out_of_time()) break;
      drop_slow(racing);
    }
    for (const Contestant& contestant : contestants_) {
      ReportEntry& entry = report_.entries[contestant.index];
      if (entry.status == Status::kFailedRun) continue;
      entry.measured = summary(contestant);
    }
    contestants_.clear();
  }

  static bool disturbed(const std::vector<Contestant*>& racing) {
    double best = std::numeric_limits<double>::infinity();
    for (const Contestant* contestant : racing)
      best = std::min(best, contestant->median());
    return std::any_of(racing.begin(), racing.end(), [&](const Contestant* c) {
      return c->median() <= best * kDropFactor && c->median() > c->least() * kDisturbed;
    });
  }

  void drop_slow(std::vector<Contestant*>& racing) const {
    const auto samples = [](const Contestant* c) { return c->times_us.size(); };
    if (racing.empty() || samples(racing.front()) < kFirstSamples) return;
    const auto us = [&](const Contestant* c) {
      return samples(c) < kMedianSamples ? c->least() : c->median();
    };
    double best = std::numeric_limits<double>::infinity();
    for (const Contestant* contestant : racing)
      best = std::min(best, us(contestant));
    const double factor = options_.time_all ? kDropFactorAll : kDropFactor;
    racing.erase(std::remove_if(racing.begin(), racing.end(),
                                [&](const Contestant* c) { return us(c) > factor * best; }),
                 racing.end());
  }

  static Measured summary(const Contestant& contestant) {
    std::vector<double> sorted = contestant.times_us;
    std::sort(sorted.begin(), sorted.end());
    Measured m;
    m.median_us = contestant.median();
    m.min_us = contestant.least();
    m.p90_us =
        sorted[static_cast<std::size_t>(std::ceil(0.9 * static_cast<double>(sorted.size()))) - 1];
    m.runs = contestant.runs;
    return m;
  }

  // What one execution costs, with its share of the setup where the caller asked for that.
  double score(const ReportEntry& entry) const {
    const Candidate& candidate = entry.candidate;
    double run =
        measurements_decide_ && entry.measured ? entry.measured->median_us : candidate.predicted_us;
    if (options_.weights_change) run += candidate.predicted_packing_us;
    if (options_.expected_runs <= 0) return run;
    const double setup = entry.setup_us
                             ? *entry.setup_us
                             : candidate.predicted_setup_us + candidate.predicted_packing_us;
    return run + setup / static_cast<double>(options_.expected_runs);
  }

  static std::int64_t bytes_of(const ReportEntry& entry) {
    return entry.candidate.workspace_bytes + entry.candidate.prepared_weights_bytes;
  }

  // Takes the yardstick out where anything else is predicted to be at least as fast, and for a large problem where
  // there is anything else.
  void drop_beaten_yardstick(std::vector<std::size_t>& indices,
                             std::vector<Standing>& standings) const {
    for (std::size_t at = 0; at < indices.size(); ++at) {
      if (!report_.entries[indices[at]].strategy->yardstick) continue;
      const double us = standings[at].us;
      const bool beaten = std::any_of(standings.begin(), standings.end(), [&](const Standing& s) {
        return &s != &standings[at] && (s.us <= us || report_.problem.flops() > kYardstickFlops);
      });
      if (!beaten) return;
      indices.erase(indices.begin() + static_cast<std::ptrdiff_t>(at));
      standings.erase(standings.begin() + static_cast<std::ptrdiff_t>(at));
      return;
    }
  }

  // Sets report_.chosen to the best that is still usable.
  bool choose_best() {
    std::vector<std::size_t> indices;
    std::vector<Standing> standings;
    for (std::size_t i = 0; i < report_.entries.size(); ++i) {
      const ReportEntry& entry = report_.entries[i];
      if (!usable(entry) || (measurements_decide_ && !entry.measured)) continue;
      indices.push_back(i);
      standings.push_back({score(entry), entry.candidate.predicted_us, bytes_of(entry),
                           entry.candidate.deterministic});
    }
    if (distrusts_yardstick_ && !measurements_decide_) drop_beaten_yardstick(indices, standings);
    const auto best = best_of(standings, measurements_decide_ ? kTie : 0);
    report_.chosen.reset();
    if (best) report_.chosen = indices[*best];
    return best.has_value();
  }

  // Does the candidate build, and is its result right? Notes the failure if not.
  bool works(std::size_t index) {
    if (laboratory_ == nullptr || report_.problem.empty()) return true;
    ReportEntry& entry = report_.entries[index];
    try {
      if (built_.count(index) == 0) {
        const auto trial = laboratory_->build(*entry.strategy, entry.candidate);
        built_.insert(index);
        if (!entry.setup_us) entry.setup_us = trial->setup_us();
      }
    } catch (const std::exception& error) {
      fail(entry, Status::kFailedBuild, Reason::kBuildFailed, error);
      return false;
    }
    if (entry.strategy->yardstick) return true;
    try {
      if (auto wrong = laboratory_->verify(*entry.strategy, entry.candidate)) {
        reject(entry, Status::kFailedVerify, *wrong);
        return false;
      }
    } catch (const std::exception& error) {
      fail(entry, Status::kFailedRun, Reason::kRunFailed, error);
      // The check could not be made, on a problem that is not the user's: no fact about this one.
      entry.transient = true;
      return false;
    }
    return true;
  }

  const PlannerOptions& options_;
  const Config forced_;  // options_.config
  Laboratory* laboratory_;
  Report report_;
  std::map<std::size_t, double> hints_;  // entry -> time with another driver
  std::set<std::size_t> built_;          // entries
  bool measurements_decide_ = false;     // else predictions do
  bool distrusts_yardstick_ = false;     // while predictions do
  double started_s_ = 0;
  std::vector<Contestant> contestants_;
};

}  // namespace

std::vector<Candidate> shortlist(const std::vector<Candidate>& candidates) {
  std::vector<Candidate> best;
  std::map<std::string, int> taken;  // body -> candidates
  for (const Candidate& candidate : candidates) {
    if (candidate.not_considered != nullptr) continue;
    const int most = candidate.most_of_body;
    if (most == 0 || taken[candidate.config.body()]++ < most) best.push_back(candidate);
  }
  return best;
}

Report plan(const Problem& problem, const DeviceProfile& profile, const PlannerOptions& options,
            const std::vector<const Strategy*>& strategies, const Remembered& remembered,
            Laboratory* laboratory) {
  Search search(problem, options, laboratory);
  search.collect(profile, strategies);
  search.recall(remembered);
  search.measure();
  search.choose();
  return search.finish();
}

WisdomRecord to_wisdom(const Report& report, const WisdomScope& scope) {
  WisdomRecord record;
  record.problem = to_text(report.problem);
  record.direction = to_string(report.problem.direction);
  record.storage = storage_words(report.problem);
  record.scope = scope;
  record.rigor = std::max(report.rigor, Rigor::kMeasure);
  for (const ReportEntry& entry : report.entries) {
    if (!entry.has_candidate) continue;
    WisdomCandidate c;
    c.strategy = entry.strategy->name;
    c.config = entry.candidate.config.text();
    c.kernels = programs_hash(*entry.strategy, entry.candidate.config);
    const bool failed = entry.status == Status::kFailedBuild ||
                        entry.status == Status::kFailedRun || entry.status == Status::kFailedVerify;
    if (failed && entry.transient) continue;
    if (failed) {
      c.status = entry.status;
      c.text = to_text(*entry.reason);
    } else if (entry.measured && !entry.measured->from_wisdom) {
      c.measured = entry.measured;
      c.setup_us = entry.setup_us.value_or(0);
      c.predicted_us = entry.candidate.predicted_us;
      c.bytes = entry.candidate.workspace_bytes + entry.candidate.prepared_weights_bytes;
      c.deterministic = entry.candidate.deterministic;
    } else {
      continue;
    }
    record.candidates.push_back(std::move(c));
  }
  return record;
}

}  // namespace clconv::core
