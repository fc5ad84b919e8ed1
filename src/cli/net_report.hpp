// The report of a network (clconv_net_report(), docs/networks.md) as people read it in a terminal.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace clconv::cli {

// One line per layer, at most 120 columns wide: names are cut in front, problems and the rest behind.
std::string layers_table(const nlohmann::json& report);

// The lines below it: totals, what takes the time, memory, times to make it, and the check where there was one.
std::string totals_text(const nlohmann::json& report);

// What each pass changed, a line each.
std::string passes_text(const nlohmann::json& report);

// "1x3x224x224 float32"
std::string tensor_text(const nlohmann::json& tensor);

// Copies "error", "error_bound" and "ok" of clconv_net_check()'s report into another of the same network.
void add_check(nlohmann::json& report, const nlohmann::json& checked);

// The first layers whose check failed, for the last line; "" where all is well.
std::string check_failure(const nlohmann::json& report);

}  // namespace clconv::cli
