#include "planner/environment.hpp"

#include <charconv>

#include "runtime/files.hpp"

namespace clconv::core {
namespace {

// Throws Error{kInvalidArgument}.
std::int64_t parse_bytes(const std::string& value) {
  std::int64_t bytes = 0;
  const char* last = value.data() + value.size();
  const auto [end, error] = std::from_chars(value.data(), last, bytes);
  if (error != std::errc() || end != last || bytes < 0) {
    throw Error(Code::kInvalidArgument, "'" + value + "' is not a number of bytes");
  }
  return bytes;
}

// What `use` makes of the variable's value. Throws what it throws, with the variable's name.
template <class Use>
auto with_name(const char* name, const std::string& value, Use&& use) {
  try {
    return use(value);
  } catch (const Error& error) {
    throw Error(error.code(), std::string("environment variable ") + name + ": " + error.what());
  }
}

}  // namespace

std::int64_t environment_bytes(const char* name, std::int64_t otherwise) {
  const std::string value = environment(name);
  return value.empty() ? otherwise : with_name(name, value, parse_bytes);
}

PlannerOptions with_environment(PlannerOptions options, const OpenChoices& open) {
  const bool strategy_open =
      open.strategy && options.strategy.empty() && options.allow.empty() && options.deny.empty();
  const auto take = [&](const char* name, bool applies, const auto& use) {
    const std::string value = environment(name);
    if (applies && !value.empty()) options.environment[name] = with_name(name, value, use);
  };
  // Each gives the value as the report spells it.
  take("CLCONV_RIGOR", open.rigor, [&](const std::string& value) {
    options.rigor = parse_rigor(value);
    return to_string(options.rigor);
  });
  take("CLCONV_STRATEGY", strategy_open,
       [&](const std::string& value) { return options.strategy = find_strategy(value).name; });
  take("CLCONV_WORKSPACE_LIMIT", open.workspace_limit, [&](const std::string& value) {
    options.workspace_limit = parse_bytes(value);
    return value;
  });
  return options;
}

}  // namespace clconv::core
