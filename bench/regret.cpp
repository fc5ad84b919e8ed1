// How far the planner's choice is from the fastest candidate, told apart from noise: the fastest candidates of a first
// look and the choice take turns, and of two candidates the median over the turns of the ratio of their times counts.
// On a machine that loses time to its neighbours `clconv bench` compares medians that were disturbed differently, and
// the fastest of twenty noisy times is too fast. Public headers only.
//
//     build/bench/regret --suite tests/suites/core.txt --direction backward-data
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/cli.hpp"

namespace {

using clconv::Problem;
using clconv::cli::NamedProblem;
using nlohmann::json;

struct Options {
  std::vector<std::string> suites;
  std::string device, direction = "forward";
  int turns = 18;
  double listed = 1.08;
};

// A candidate that is ready to run.
struct Runner {
  std::string name;
  clconv::Plan plan;
  clconv::Operands operands;
  std::vector<double> us;  // of each turn, the least of its calls

  double once(const cl::CommandQueue& queue) const {
    const auto start = std::chrono::steady_clock::now();
    plan.execute(queue, operands);
    queue.finish();
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    return time.count();
  }
  double least(const cl::CommandQueue& queue, int calls) const {
    double time = once(queue);
    for (int call = 1; call < calls; ++call)
      time = std::min(time, once(queue));
    return time;
  }
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// Numbers in [-1, 1).
cl::Buffer noise(const cl::Context& context, std::int64_t bytes) {
  std::vector<float> values(static_cast<std::size_t>(std::max<std::int64_t>(bytes, 4) / 4));
  std::uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;  // Numerical Recipes' generator
    value = static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31f;
  }
  return cl::Buffer(context, values.begin(), values.end(), false);
}

clconv::Operands operands_of(const cl::Context& context, const Problem& problem) {
  const clconv_problem_info info = problem.info();
  clconv::Operands operands;
  operands.x = noise(context, info.x_bytes);
  operands.w = noise(context, info.w_bytes);
  operands.y = noise(context, info.y_bytes);
  operands.dy = noise(context, info.y_bytes);
  operands.dx = noise(context, info.x_bytes);
  operands.dw = noise(context, info.w_bytes);
  return operands;
}

// What is planned and run with a problem's operands.
struct Bench {
  const clconv::Context& context;
  const cl::CommandQueue& queue;

  Runner runner(const Problem& problem, const clconv::Operands& operands,
                const std::string& strategy, const std::string& config) const {
    constexpr int kCalls = 5;
    clconv::PlanOptions forced;
    forced.strategy = strategy.c_str();
    forced.config = config.c_str();
    Runner runner{strategy + " " + config, context.plan(problem, forced), operands, {}};
    if (runner.plan.info().prepared_weights_bytes > 0)
      runner.operands.prepared = runner.plan.prepare(queue, operands.w);
    runner.once(queue);  // compiles
    runner.us = {runner.least(queue, kCalls)};
    return runner;
  }
};

// The choice first, then the others by their times. What is predicted to take three times as long as the choice is left
// out.
std::vector<Runner> first_look(const Bench& bench, const Problem& problem) {
  constexpr double kHopeless = 3;
  const json report = json::parse(bench.context.explain(problem));
  const clconv::Operands operands = operands_of(bench.context.opencl_context(), problem);
  const json& chosen = report.at("chosen");
  std::vector<Runner> runners;
  runners.push_back(bench.runner(problem, operands, chosen.at("strategy"), chosen.at("config")));
  double least_us = std::numeric_limits<double>::infinity();
  for (const json& candidate : report.at("candidates"))
    if (candidate.at("status") == "applicable" || candidate.at("status") == "chosen")
      least_us = std::min(least_us, candidate.at("predicted_us").get<double>());
  for (const json& candidate : report.at("candidates")) {
    if (candidate.at("status") != "applicable") continue;
    const std::string strategy = candidate.at("strategy"), config = candidate.at("config");
    if (candidate.at("predicted_us") <= kHopeless * least_us &&
        strategy + " " + config != runners.front().name)
      runners.push_back(bench.runner(problem, operands, strategy, config));
  }
  std::stable_sort(runners.begin() + 1, runners.end(),
                   [](const Runner& a, const Runner& b) { return a.us.front() < b.us.front(); });
  return runners;
}

// Leaves the choice and a few candidates whose first times are close to the least.
void keep_finalists(std::vector<Runner>& runners) {
  constexpr double kClose = 1.35;
  constexpr std::size_t kMost = 8;
  double least = runners.front().us.front();
  if (runners.size() > 1) least = std::min(least, runners[1].us.front());
  while (runners.size() > 1 &&
         (runners.size() > kMost || runners.back().us.front() > kClose * least))
    runners.pop_back();
}

struct Judged {
  double regret = 1;
  std::string chosen, best;
  double chosen_us = 0, best_us = 0;
};

Judged judge(const Bench& bench, const Problem& problem, int turns) {
  constexpr double kTurnUs = 4000;
  std::vector<Runner> runners = first_look(bench, problem);
  keep_finalists(runners);
  const int calls = std::clamp(static_cast<int>(kTurnUs / runners.front().us.front()), 2, 20);
  for (Runner& runner : runners)
    runner.us.clear();
  for (int turn = 0; turn < turns; ++turn)
    for (Runner& runner : runners)
      runner.us.push_back(runner.least(bench.queue, calls));
  const Runner& chosen = runners.front();
  Judged judged{1, chosen.name, chosen.name, median(chosen.us), median(chosen.us)};
  for (const Runner& other : runners) {
    std::vector<double> ratios(chosen.us.size());
    for (std::size_t turn = 0; turn < ratios.size(); ++turn)
      ratios[turn] = chosen.us[turn] / other.us[turn];
    const double ratio = median(ratios);
    if (ratio > judged.regret)
      judged = {ratio, chosen.name, other.name, median(chosen.us), median(other.us)};
  }
  return judged;
}

int run(const Options& options) {
  std::vector<NamedProblem> problems;
  for (const std::string& suite : options.suites) {
    for (NamedProblem& item : clconv::cli::read_suite(suite))
      problems.push_back(std::move(item));
  }
  if (problems.empty()) throw clconv::cli::BadInput("--suite names no problem");
  clconv::ContextOptions context_options;
  context_options.wisdom_path = "off";
  const clconv::Context context(options.device, context_options);
  const cl::CommandQueue queue(context.opencl_context(), context.device());
  std::vector<double> regrets;
  clconv::cli::Progress progress("regret", problems.size());
  for (const NamedProblem& item : problems) {
    progress.step(item.name);
    Problem problem = item.problem;
    problem.direction = clconv::cli::parse_direction(options.direction);
    const Judged judged = judge({context, queue}, problem, options.turns);
    regrets.push_back(judged.regret);
    if (judged.regret < options.listed) continue;
    progress.end();
    std::printf("%.2fx %s %s: %s %.0f us, %s %.0f us\n", judged.regret, item.name.c_str(),
                problem.text().c_str(), judged.chosen.c_str(), judged.chosen_us,
                judged.best.c_str(), judged.best_us);
  }
  progress.end();
  double logs = 0;
  for (const double regret : regrets)
    logs += std::log(regret);
  std::sort(regrets.begin(), regrets.end());
  const auto count = static_cast<double>(regrets.size());
  std::printf("%s, %zu problems: %.3fx (geometric mean), 95th percentile %.2fx, most %.2fx\n",
              options.direction.c_str(), regrets.size(), std::exp(logs / count),
              regrets[static_cast<std::size_t>(0.95 * (count - 1) + 0.5)], regrets.back());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The planner's choice against the fastest candidates, which take turns with it.",
               "regret");
  Options options;
  app.add_option("--suite", options.suites, "suite files: NAME PROBLEM a line")->required();
  app.add_option("--direction", options.direction,
                 "forward (default), backward-data or backward-weights")
      ->check(CLI::IsMember({"forward", "backward-data", "backward-weights"}));
  app.add_option("--device", options.device, "as clconv's --device");
  app.add_option("--turns", options.turns, "turns of each finalist (18)")
      ->check(clconv::cli::whole_number(1, 10000));
  app.add_option("--listed", options.listed, "list problems from so many times the best on (1.08)")
      ->check(clconv::cli::real_number(clconv::cli::Sign::kNotNegative));
  if (const auto status = clconv::cli::parse_words(app, argc, argv)) return *status;
  clconv::pin_pocl_threads();
  try {
    return run(options);
  } catch (const clconv::cli::BadInput& error) {
    std::fprintf(stderr, "regret: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "regret: %s\n", error.what());
    return 1;
  }
}
