// clconv bench: times what the strategies offer side by side, and judges the planner's choice by
// it. Without wisdom, neither read nor written: the planner must not be judged by its own notes.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "cli/cli.hpp"
#include "cli/report.hpp"

namespace clconv::cli {
namespace {

using Json = nlohmann::ordered_json;

ContextOptions without_wisdom() {
  ContextOptions options;
  options.wisdom_path = "off";
  return options;
}

template <class AnyJson>
Json variant_json(const AnyJson& c) {
  return {{"strategy", c.at("strategy")}, {"config", c.at("config")}};
}

// What the time limit left no time for.
Json left_out_json(const nlohmann::json& report) {
  Json left_out = Json::array();
  for (const auto& c : report.at("candidates")) {
    if (c.at("status") != "not_tried" || c.at("reason").at("code") != "time_limit") continue;
    Json variant = variant_json(c);
    variant["predicted_us"] = c.at("predicted_us");
    left_out.push_back(variant);
  }
  return left_out;
}

Json timed_json(const nlohmann::json& c) {
  return {{"strategy", c.at("strategy")},
          {"config", c.at("config")},
          {"predicted_us", c.at("predicted_us")},
          {"median_us", ranking_us(c)},
          {"min_us", c.at("measured").at("min_us")}};
}

bool faster(const Json& a, const Json& b) {
  return a.at("median_us").get<double>() < b.at("median_us").get<double>();
}

// After the search, its fastest and the choice are timed once more, in turns, so many times.
constexpr std::size_t kRivals = 3;
constexpr int kTurns = 3;

struct Timed {
  double median_us, min_us;
};

// Of one variant, alone; nothing if it fails.
std::optional<Timed> time_again(const Context& timing, const Problem& p, PlanOptions options,
                                const Json& variant) {
  const auto strategy = variant.at("strategy").get<std::string>();
  const auto config =
      variant.at("config").is_string() ? variant.at("config").get<std::string>() : "";
  options.strategy = strategy.c_str();
  options.config = config.empty() ? nullptr : config.c_str();
  options.deny = nullptr;
  options.rigor = CLCONV_MEASURE;
  options.time_all = 1;
  const auto report = nlohmann::json::parse(timing.explain(p, options));
  for (const auto& c : report.at("candidates")) {
    if (variant_json(c) == variant_json(variant) && c.at("measured").is_object())
      return Timed{ranking_us(c), c.at("measured").at("min_us").get<double>()};
  }
  return std::nullopt;
}

// The least of many noisy times is too low, and the search stops timing what was slow in two rounds. So the verdict
// rests on new times: those of the first kRivals of `variants`, which are sorted by time, and of the choice. They then
// stand in front.
void time_in_turns(const Context& timing, const Problem& p, PlanOptions options, const Json& choice,
                   Json& variants) {
  auto end = variants.begin() + static_cast<std::ptrdiff_t>(std::min(kRivals, variants.size()));
  const auto choice_at =
      std::find_if(end, variants.end(), [&](const Json& v) { return variant_json(v) == choice; });
  if (choice_at != variants.end()) {
    std::rotate(end, choice_at, choice_at + 1);
    ++end;
  }
  const auto count = static_cast<std::size_t>(end - variants.begin());
  if (count < 2) return;
  options.time_limit_s /= static_cast<double>(kTurns * count);
  std::vector<std::vector<Timed>> times(count);
  for (int turn = 0; turn < kTurns; ++turn) {
    for (std::size_t i = 0; i < count; ++i) {
      if (const auto timed = time_again(timing, p, options, variants[i]))
        times[i].push_back(*timed);
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (times[i].empty()) continue;
    std::sort(times[i].begin(), times[i].end(),
              [](const Timed& a, const Timed& b) { return a.median_us < b.median_us; });
    variants[i]["median_us"] = times[i][times[i].size() / 2].median_us;
    for (const Timed& timed : times[i])
      variants[i]["min_us"] = std::min(variants[i]["min_us"].get<double>(), timed.min_us);
  }
  std::stable_sort(variants.begin(), end, faster);
}

struct BenchVerb {
  std::string suite, direction = "forward", rigor, deny, math;
  double time_limit_s = 0;
  std::vector<std::string> problems;
  bool all = false, json = false;
  StorageOptions storage;

  Json bench_one(const NamedProblem& item, const Context& planning, const Context& timing,
                 Json& environment) const;
  void run(const Session& session) const;
};

Json BenchVerb::bench_one(const NamedProblem& item, const Context& planning, const Context& timing,
                          Json& environment) const {
  Problem p = item.problem;
  p.direction = parse_direction(direction);
  storage.apply(p);
  const double flops = p.info().flops;
  PlanOptions choose;
  choose.rigor = parse_rigor(rigor);
  choose.math = parse_math(math);
  choose.deny = deny.empty() ? nullptr : deny.c_str();
  const auto choosing = nlohmann::json::parse(planning.explain(p, choose));
  environment = choosing.at("environment");
  const Json choice =
      choosing.at("chosen").is_object() ? variant_json(choosing.at("chosen")) : Json();
  PlanOptions time;
  // With --all the candidates that are usually considered, slow ones too; else every variant that is not hopeless,
  // since a choice is to be judged by the best there is.
  time.rigor = all ? CLCONV_MEASURE : CLCONV_EXHAUSTIVE;
  time.time_all = all ? 1 : 0;
  time.deny = choose.deny;
  time.math = choose.math;
  time.time_limit_s = time_limit_s;
  const auto report = nlohmann::json::parse(timing.explain(p, time));

  Json strategies = Json::array();
  Json failures = Json::array();
  for (const auto& c : report.at("candidates")) {
    if (c.at("status").get<std::string>().rfind("failed", 0) == 0) {
      failures.push_back({{"strategy", c.at("strategy")},
                          {"config", c.at("config")},
                          {"text", c.at("reason").at("text")}});
    }
    if (c.at("measured").is_object()) strategies.push_back(timed_json(c));
  }
  std::stable_sort(strategies.begin(), strategies.end(), faster);
  time_in_turns(timing, p, time, choice, strategies);
  for (Json& s : strategies)
    s["gflops"] = flops / s.at("median_us").get<double>() * 1e-3;
  const auto chosen = std::find_if(strategies.begin(), strategies.end(),
                                   [&](const Json& s) { return variant_json(s) == choice; });
  Json result;
  result["name"] = item.name;
  result["problem"] = p.text();
  result["flops"] = flops;
  result["chosen"] = choice;
  const bool judged = chosen != strategies.end();
  result["chosen_us"] = judged ? chosen->at("median_us") : Json(nullptr);
  result["best"] = strategies.empty() ? Json(nullptr) : variant_json(strategies.front());
  result["best_us"] = strategies.empty() ? Json(nullptr) : strategies.front().at("median_us");
  result["regret"] = judged ? Json(chosen->at("median_us").get<double>() /
                                       strategies.front().at("median_us").get<double>() -
                                   1)
                            : Json(nullptr);
  result["strategies"] = strategies;
  result["failures"] = failures;
  result["left_out"] = left_out_json(report);
  return result;
}

// Of each strategy the best variant, and the chosen one (`*`); with `all` every variant.
void print_table(const Json& results, double peak_gflops, bool all) {
  Table table(
      {"", "name", "GFLOP", "strategy", "config", "median", "min", "GFLOP/s", "of peak", "regret"});
  for (const Json& r : results) {
    const double flops = r.at("flops").get<double>();
    bool first = true;
    std::set<std::string> seen;
    for (const Json& s : r.at("strategies")) {  // fastest first
      const bool is_chosen = r.at("chosen").is_object() &&
                             s.at("strategy") == r.at("chosen").at("strategy") &&
                             s.at("config") == r.at("chosen").at("config");
      const bool is_best = seen.insert(s.at("strategy").get<std::string>()).second;
      if (!all && !is_best && !is_chosen) continue;
      const double us = s.at("median_us").get<double>();
      table.add({is_chosen ? "*" : "", first ? r.at("name").get<std::string>() : "",
                 first ? fixed(flops * 1e-9, 3) : "", s.at("strategy").get<std::string>(),
                 s.at("config").get<std::string>(), format_us(us),
                 format_us(s.at("min_us").get<double>()), format_gflops(flops, us),
                 fixed(100 * flops / us * 1e-3 / peak_gflops, 0) + " %",
                 is_chosen ? fixed(100 * r.at("regret").get<double>(), 1) + " %" : ""},
                is_chosen ? kGreen : "");
      first = false;
    }
    if (flops == 0) {
      table.add({"", r.at("name").get<std::string>(), "0", "-", "-", "-", "-", "-", "-",
                 "a batch of 0 computes nothing"},
                kDim);
    }
    for (const Json& f : r.at("failures")) {
      table.add({"", r.at("name").get<std::string>(), "", f.at("strategy").get<std::string>(),
                 f.at("config").get<std::string>(), "-", "-", "-", "-",
                 "failed: " + f.at("text").get<std::string>()},
                kRed);
    }
    for (const Json& l : r.at("left_out")) {
      table.add({"", r.at("name").get<std::string>(), "", l.at("strategy").get<std::string>(),
                 l.at("config").get<std::string>(), "-", "-", "-", "-", "no time left for it"},
                kDim);
    }
  }
  std::printf("%s", table.text().c_str());
}

// Geometric means over the problems: the choice against the best, and against the best variant of
// each strategy.
void print_summary(const Json& results) {
  double log_regret = 0;
  int judged = 0;
  std::map<std::string, std::pair<double, int>> against;
  for (const Json& r : results) {
    if (!r.at("chosen_us").is_number()) continue;
    const double chosen = r.at("chosen_us").get<double>();
    log_regret += std::log(chosen / r.at("best_us").get<double>());
    ++judged;
    std::map<std::string, double> best;
    for (const Json& s : r.at("strategies")) {
      best.emplace(s.at("strategy").get<std::string>(), s.at("median_us").get<double>());
    }
    for (const auto& [strategy, us] : best) {
      against[strategy].first += std::log(us / chosen);
      ++against[strategy].second;
    }
  }
  if (judged == 0) return;
  std::printf("\nchosen against the best measured: %sx (geometric mean over %s)\n",
              fixed(std::exp(log_regret / judged), 3).c_str(), counted(judged, "problem").c_str());
  for (const auto& [strategy, sum] : against) {
    std::printf("chosen against %s: %sx as fast (over %d)\n", strategy.c_str(),
                fixed(std::exp(sum.first / sum.second), 2).c_str(), sum.second);
  }
}

// A busy neighbour makes a probe slow, never fast: of two the better.
Json better(const nlohmann::json& before, const nlohmann::json& after) {
  Json speeds;
  for (const char* name : {"peak_gflops", "bandwidth_gbs"}) {
    speeds[name] = std::max(before.at(name).get<double>(), after.at(name).get<double>());
  }
  speeds["launch_us"] =
      std::min(before.at("launch_us").get<double>(), after.at("launch_us").get<double>());
  return speeds;
}

void BenchVerb::run(const Session& session) const {
  const auto list = wanted_problems("bench", suite, problems);
  parse_rigor(rigor);
  parse_math(math);
  parse_direction(direction);
  Problem any;
  storage.apply(any);  // judged before anything runs
  const Context planning = session.open(without_wisdom());
  const Context timing = session.open(without_wisdom());
  // Apart: with measured speeds in one of them, the two would not weigh, and offer, the same candidates.
  const Context probing = session.open(without_wisdom());
  const auto profile = nlohmann::json::parse(probing.profile(true));
  Json document;
  document["device"] =
      profile.at("platform").get<std::string>() + " / " + profile.at("name").get<std::string>();
  document["driver"] = profile.at("driver");
  document["direction"] = direction;
  document["dtype"] = type_word(any.data_type);
  document["layout"] = storage.layout;
  document["rigor"] = rigor.empty() ? "estimate" : rigor;
  document["environment"] = Json::object();
  document["peak_gflops"] = profile.at("peak_gflops");
  document["bandwidth_gbs"] = profile.at("bandwidth_gbs");
  document["launch_us"] = profile.at("launch_us");
  document["results"] = Json::array();
  {
    Progress progress("timing", list.size());
    for (const NamedProblem& item : list) {
      progress.step(item.name);
      document["results"].push_back(bench_one(item, planning, timing, document["environment"]));
    }
  }
  document.update(better(profile, nlohmann::json::parse(probing.profile(true))));
  if (json) {
    std::printf("%s\n", document.dump(2).c_str());
    return;
  }
  const double peak = document["peak_gflops"].get<double>();
  std::printf("device  %s, driver %s\n", document["device"].get<std::string>().c_str(),
              document["driver"].get<std::string>().c_str());
  const std::string environment = environment_text(document);
  if (!environment.empty()) std::printf("with    %s\n", environment.c_str());
  std::printf("peak    %s GFLOP/s, copy %s GB/s, launch %s us (measured in this run)\n\n",
              fixed(peak, 0).c_str(), fixed(document["bandwidth_gbs"].get<double>(), 1).c_str(),
              fixed(document["launch_us"].get<double>(), 1).c_str());
  print_table(document["results"], peak, all);
  print_summary(document["results"]);
}

}  // namespace

void add_bench(CLI::App& app, Session& session) {
  auto* verb = app.add_subcommand(
      "bench", "time the strategies side by side and judge the planner's choice");
  auto v = std::make_shared<BenchVerb>();
  verb->add_option("PROBLEM", v->problems, "problems, e.g. n1c64h56w56k64kh3kw3p1");
  verb->add_option("--suite", v->suite, "file of `name PROBLEM` lines");
  add_direction(*verb, v->direction);
  v->storage.add_to(*verb);
  verb->add_option("--rigor", v->rigor,
                   "of the choice that is judged: estimate (default) or measure");
  add_math(*verb, v->math);
  verb->add_flag("--all", v->all,
                 "time and print every candidate, however slow; else of each strategy the best");
  verb->add_option("--deny", v->deny, "not these strategies, comma-separated");
  verb->add_option("--time-limit", v->time_limit_s,
                   "seconds to measure each problem at most; what is left out is listed")
      ->check(real_number(Sign::kPositive));
  verb->add_flag("--json", v->json, "one JSON document");
  verb->callback([&session, v] { session.action = [&session, v] { v->run(session); }; });
}

}  // namespace clconv::cli
