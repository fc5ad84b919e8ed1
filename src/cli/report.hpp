// The planner's report as people read it: shared by `plan` and `bench`.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "clconv/clconv.hpp"

namespace clconv::cli {

// "n1c64...: 64x56x56 -> 64x56x56, 0.23 GFLOP", with the direction where it is not forward.
std::string problem_line(const Problem& problem);

// The environment's overrides in force: "CLCONV_STRATEGY=naive, ...", or "".
std::string environment_text(const nlohmann::json& report);

// The table of candidates: best first, then what cannot run, each with its reason.
std::string candidates_table(const nlohmann::json& report);

// "implicit_gemm (kv=2,...)"
std::string variant_name(const nlohmann::json& candidate);

// The time a candidate is ranked by: measured, else predicted; infinite if neither.
double ranking_us(const nlohmann::json& candidate);

}  // namespace clconv::cli
