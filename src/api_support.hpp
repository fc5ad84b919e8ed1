// What every function of clconv.h stands on: its handles and arguments. The api_*.cpp are clconv.h on top of the
// planner, one file a subject. No decisions there.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "clconv/clconv.h"
#include "planner/context.hpp"
#include "runtime/abi.hpp"

// The handles: a count of the caller's references and what keeps the object alive.
struct clconv_context_s {
  std::atomic<int> references{1};
  std::shared_ptr<clconv::core::Context> context;
};
struct clconv_plan_s {
  std::atomic<int> references{1};
  std::shared_ptr<clconv::core::Context> context;  // declared first: destroyed after the plan
  std::shared_ptr<const clconv::core::Plan> plan;
  std::string config;                                         // what clconv_plan_info points to
  std::vector<std::vector<clconv_launch_argument>> launches;  // what clconv_launch points to
};

namespace clconv::core::api {

// ---- arguments ----------------------------------------------------------------------------------

inline Context& context_of(clconv_context handle) {
  return *required(handle, "context").context;
}

// The caller's problem, validated. In api_problem.cpp.
Problem problem_of(const clconv_problem* given);

// In api_plan.cpp: the caller's options, and a plan as a handle with one reference.
PlannerOptions options_of(const clconv_plan_options* given);
clconv_plan handle_of(std::shared_ptr<Context> context, std::shared_ptr<const Plan> plan);

}  // namespace clconv::core::api
