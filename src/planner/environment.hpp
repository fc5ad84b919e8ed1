// What the environment decides where the caller left it open.
#pragma once

#include "planner/planner.hpp"

namespace clconv::core {

// What the caller left open.
struct OpenChoices {
  bool rigor = true;
  bool workspace_limit = true;
  bool strategy = true;
};
// Fills what is open from CLCONV_RIGOR, CLCONV_WORKSPACE_LIMIT and (where no strategy is named in
// any way) CLCONV_STRATEGY, and notes in options.environment what it took. Throws
// Error{kInvalidArgument} that names the variable and its value.
PlannerOptions with_environment(PlannerOptions options, const OpenChoices& open);

// The bytes that an environment variable gives, `otherwise` where it is not set. Throws Error{kInvalidArgument} that
// names the variable and its value.
std::int64_t environment_bytes(const char* name, std::int64_t otherwise);

}  // namespace clconv::core
