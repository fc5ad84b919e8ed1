// Which variant computes which convolution of a network where compiling counts: programs that serve several layers
// instead of the fastest for each. Reads the planner's reports; compiles nothing.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "clconv/clconv.hpp"

namespace clconv::net {

// A forced variant, as clconv_plan_options has it.
struct Choice {
  std::string strategy, config;
};
// By problem_key().
using Choices = std::map<std::string, Choice>;

// Equal texts, equal plans: geometry, direction, epilogue and storage.
std::string problem_key(const Problem& problem);

// For all convolutions of a network, each as often as it runs, the variants whose predicted times for
// planning.expected_runs runs, and whose programs' compile times, are small in sum. Starts with the fastest of each,
// and gives up a program or takes one for many layers, the best step first, as long as one pays. Empty where
// expected_runs is 0, a strategy is forced or rigor measures.
Choices choose_programs(const Context& context, const std::vector<Problem>& problems,
                        const PlanOptions& planning);

// CPU time that a program costs before it runs for the first time: PoCL 3.1, 2-core Zen 5, 2026-11-29, 22 programs of
// EfficientNet-Lite0 in 7.1 s, 21 of ResNet-50 in 6.6 s.
constexpr double kCompileUs = 3e5;

// How often a network that takes `run_us` is expected to run: as planning says, else for some minutes.
double expected_runs(const PlanOptions& planning, double run_us);

}  // namespace clconv::net
