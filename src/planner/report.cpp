#include "planner/report.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>

namespace clconv::core {

const char* to_string(Rigor rigor) {
  switch (rigor) {
    case Rigor::kWisdomOnly: return "wisdom_only";
    case Rigor::kEstimate: return "estimate";
    case Rigor::kMeasure: return "measure";
    case Rigor::kExhaustive: return "exhaustive";
  }
  return "?";
}

Rigor parse_rigor(std::string_view word) {
  std::string joined(word);
  std::replace(joined.begin(), joined.end(), '-', '_');
  for (const Rigor rigor :
       {Rigor::kWisdomOnly, Rigor::kEstimate, Rigor::kMeasure, Rigor::kExhaustive}) {
    if (joined == to_string(rigor)) return rigor;
  }
  throw Error(Code::kInvalidArgument, "rigor '" + std::string(word) +
                                          "' is unknown, expected one of wisdom-only, estimate, "
                                          "measure, exhaustive");
}

const char* to_string(Status status) {
  switch (status) {
    case Status::kChosen: return "chosen";
    case Status::kApplicable: return "applicable";
    case Status::kRejected: return "rejected";
    case Status::kFailedBuild: return "failed_build";
    case Status::kFailedRun: return "failed_run";
    case Status::kFailedVerify: return "failed_verify";
    case Status::kPruned: return "pruned";
    case Status::kNotTried: return "not_tried";
  }
  return "?";
}

std::optional<std::size_t> best_of(const std::vector<Standing>& standings, double tie) {
  double fastest = std::numeric_limits<double>::infinity();
  for (const Standing& s : standings)
    fastest = std::min(fastest, s.us);
  const auto rank = [](const Standing& s) {
    return std::make_tuple(s.predicted_us, s.bytes, !s.deterministic, s.us);
  };
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < standings.size(); ++i) {
    if (standings[i].us > fastest * (1 + tie)) continue;
    if (!best || rank(standings[i]) < rank(standings[*best])) best = i;
  }
  return best;
}

namespace {

using Json = nlohmann::ordered_json;

Json entry_json(const Problem& problem, const ReportEntry& entry) {
  const Candidate& c = entry.candidate;
  Json item;
  item["strategy"] = entry.strategy->name;
  const std::string& body = entry.has_candidate ? c.config.body() : entry.body;
  item["body"] = body.empty() ? Json(nullptr) : Json(body);
  item["config"] = entry.has_candidate ? Json(c.config.text()) : Json(nullptr);
  item["status"] = to_string(entry.status);
  item["reason"] = nullptr;
  if (entry.reason) {
    item["reason"] = {{"code", to_string(entry.reason->code)},
                      {"field", entry.reason->field},
                      {"actual", entry.reason->actual},
                      {"limit", entry.reason->limit},
                      {"text", to_text(*entry.reason)}};
  }
  item["predicted_us"] = entry.has_candidate ? Json(c.predicted_us) : Json(nullptr);
  item["measured"] = nullptr;
  if (entry.measured) {
    item["measured"] = {{"median_us", entry.measured->median_us},
                        {"min_us", entry.measured->min_us},
                        {"p90_us", entry.measured->p90_us},
                        {"runs", entry.measured->runs},
                        {"source", entry.measured->from_wisdom ? "wisdom" : "now"}};
  }
  item["setup_us"] = entry.setup_us ? Json(*entry.setup_us) : Json(nullptr);
  item["workspace_bytes"] = entry.has_candidate ? Json(c.workspace_bytes) : Json(nullptr);
  item["prepared_weights_bytes"] =
      entry.has_candidate ? Json(c.prepared_weights_bytes) : Json(nullptr);
  item["packing_us"] = entry.has_candidate ? Json(c.predicted_packing_us) : Json(nullptr);
  item["deterministic"] = entry.has_candidate ? Json(c.deterministic) : Json(nullptr);
  item["error_bound"] = entry.has_candidate ? Json(c.error_bound) : Json(nullptr);
  item["error_floor"] =
      entry.has_candidate ? Json(result_error_floor(problem) + c.error_floor) : Json(nullptr);
  item["error_reach"] = entry.has_candidate ? Json(c.error_reach) : Json(nullptr);
  item["math"] = entry.has_candidate ? Json(to_string(c.math)) : Json(nullptr);
  return item;
}

}  // namespace

std::string to_json(const Report& report) {
  Json json;
  json["problem"] = to_text(report.problem);
  json["direction"] = to_string(report.problem.direction);
  json["bias"] = report.problem.bias;
  json["residual"] = report.problem.residual;
  json["scale"] = report.problem.scale;
  json["activation"] =
      to_string(report.problem.mask ? report.problem.masked : report.problem.activation);
  json["error_floor"] = result_error_floor(report.problem);
  json["mask"] = report.problem.mask;
  json["accumulate"] = report.problem.accumulate;
  json["storage"] = storage_words(report.problem);
  json["x_image_stride"] = report.problem.in_image;
  json["y_image_stride"] = report.problem.out_image;
  json["device"] = report.device;
  json["driver"] = report.driver;
  json["rigor"] = to_string(report.rigor);
  json["math"] = to_string(report.math);
  json["chosen"] = nullptr;
  if (report.chosen) {
    json["chosen"] = {{"strategy", report.choice().strategy->name},
                      {"config", report.choice().candidate.config.text()}};
  }
  json["why_nothing"] = report.chosen ? Json(nullptr) : Json(why_nothing(report));
  json["environment"] = Json::object();
  for (const auto& [name, value] : report.environment)
    json["environment"][name] = value;
  json["planning_us"] = report.planning_us;
  json["notes"] = report.notes;
  json["candidates"] = Json::array();
  for (const ReportEntry& entry : report.entries)
    json["candidates"].push_back(entry_json(report.problem, entry));
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string why_nothing(const Report& report) {
  struct Group {
    std::string reason, names;
    const Strategy* last;
  };
  std::vector<Group> groups;
  for (const ReportEntry& entry : report.entries) {
    // What the caller ruled out by name is no news to the caller.
    if (!entry.reason || entry.reason->code == Reason::kNotAllowed) continue;
    const auto needs_less = [&](const ReportEntry& other) {
      return other.strategy == entry.strategy && other.reason &&
             other.reason->code == Reason::kWorkspaceLimit &&
             other.reason->actual < entry.reason->actual;
    };
    if (entry.reason->code == Reason::kWorkspaceLimit &&
        std::any_of(report.entries.begin(), report.entries.end(), needs_less)) {
      continue;
    }
    const std::string reason = to_text(*entry.reason);
    const auto known = std::find_if(groups.begin(), groups.end(),
                                    [&](const Group& group) { return group.reason == reason; });
    if (known == groups.end()) {
      groups.push_back({reason, entry.strategy->name, entry.strategy});
    } else if (known->last != entry.strategy) {
      known->names += std::string(", ") + entry.strategy->name;
      known->last = entry.strategy;
    }
  }
  std::string text = "no strategy can run " + to_text(report.problem) + ":";
  const char* separator = " ";
  for (const Group& group : groups) {
    text += separator + group.names + " (" + group.reason + ")";
    separator = "; ";
  }
  if (groups.empty()) text += " the allow and deny lists leave none";
  return text;
}

Error nothing_error(const Report& report) {
  Code code = Code::kConstraint;
  std::string log;
  for (const ReportEntry& entry : report.entries) {
    if (!entry.reason) continue;
    if (entry.reason->code == Reason::kBuildFailed) {
      code = Code::kBuildFailed;
      if (log.empty()) log = entry.log;
    } else if (entry.reason->code == Reason::kRunFailed && code == Code::kConstraint) {
      code = Code::kOpenCl;
    }
  }
  return Error(code, why_nothing(report), log);
}

}  // namespace clconv::core
