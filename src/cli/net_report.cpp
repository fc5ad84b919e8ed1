#include "cli/net_report.hpp"

#include <algorithm>
#include <map>

#include "cli/cli.hpp"
#include "text.hpp"

namespace clconv::cli {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kWidth = 120;

double number(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}
bool has_number(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number();
}
std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}
std::int64_t whole(const Json& object, const char* name) {
  return static_cast<std::int64_t>(number(object, name));
}
std::string us_or_dash(const Json& object, const char* name) {
  return has_number(object, name) ? format_us(number(object, name)) : "-";
}

// At most `width` bytes of one line, ".." where something is missing; no character of UTF-8 is cut in two.
std::string cut(const std::string& text, std::size_t width, bool keep_end) {
  const std::string line = core::one_line(text);
  if (line.size() <= width) return line;
  const auto inside = [&](std::size_t at) {
    return at < line.size() && (static_cast<unsigned char>(line[at]) & 0xc0) == 0x80;
  };
  std::size_t at = keep_end ? line.size() - width + 2 : width - 2;
  while (at > 0 && inside(at))
    at += keep_end ? 1u : static_cast<std::size_t>(-1);
  return keep_end ? ".." + line.substr(at) : line.substr(0, at) + "..";
}

std::string body_of(const std::string& config) {
  const std::string mark = "body=";
  if (config.rfind(mark, 0) != 0) return "";
  return config.substr(mark.size(), config.find(',') - mark.size());
}

// "implicit_gemm slabs", "2 kernels", "copy", or "-" where the layer has no work of its own.
std::string work_text(const Json& layer) {
  std::string text;
  std::map<std::string, int> others;
  for (const Json& step : layer.at("steps")) {
    const std::string kind = text_of(step, "kind");
    if (kind != "convolution") {
      ++others[kind];
      continue;
    }
    const std::string body = body_of(text_of(step, "config"));
    text +=
        (text.empty() ? "" : ", ") + text_of(step, "strategy") + (body.empty() ? "" : " ") + body;
  }
  for (const auto& [kind, count] : others) {
    text += (text.empty() ? "" : ", ") +
            (count == 1 ? kind
                        : std::to_string(count) + (kind == "copy" ? " copies" : " " + kind + "s"));
  }
  return text.empty() ? "-" : text;
}

std::string problem_of(const Json& layer) {
  std::string text;
  for (const Json& step : layer.at("steps")) {
    const std::string problem = text_of(step, "problem");
    if (!problem.empty()) text += (text.empty() ? "" : " ") + problem;
  }
  return text;
}

std::string shape_of(const Json& shape) {
  std::string text;
  for (const Json& size : shape)
    text += (text.empty() ? "" : "x") + size.dump();
  return text.empty() ? "scalar" : text;
}

// "", or what the check found: "3e-7 ok", "0.2 WRONG".
std::string check_text(const Json& layer) {
  std::string text;
  for (const Json& step : layer.at("steps")) {
    if (!has_number(step, "error")) continue;
    char error[32];
    std::snprintf(error, sizeof(error), "%.1e", number(step, "error"));
    text = std::string(error) + (step.value("ok", true) ? " ok" : " WRONG");
    if (!step.value("ok", true)) break;
  }
  return text.empty() ? "-" : text;
}

// Takes what is too wide from the columns named in `order`, each down to its least width.
struct Shrink {
  std::size_t column, least;
  bool keep_end;
};

void fit(std::vector<std::vector<std::string>>& rows, const std::vector<Shrink>& order) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c)
      widths[c] = std::max(widths[c], core::one_line(row[c]).size());
  }
  std::size_t sum = 2 * (widths.size() - 1);
  for (const std::size_t width : widths)
    sum += width;
  for (const Shrink& shrink : order) {
    if (sum <= kWidth) return;
    const std::size_t width = widths[shrink.column];
    const std::size_t least = std::min(width, shrink.least);
    const std::size_t target = std::max(least, width - std::min(width, sum - kWidth));
    for (auto& row : rows)
      row[shrink.column] = cut(row[shrink.column], target, shrink.keep_end);
    sum -= width - target;
  }
}

double cost(const Json& item, bool measured) {
  return number(item, measured ? "measured_us" : "predicted_us");
}

bool is_measured(const Json& report) {
  for (const Json& layer : report.at("layers")) {
    if (has_number(layer, "measured_us")) return true;
  }
  return false;
}

double sum_of_layers(const Json& report, bool measured) {
  double sum = 0;
  for (const Json& layer : report.at("layers"))
    sum += cost(layer, measured);
  return sum;
}

std::string percent(double part, double whole_of) {
  return whole_of > 0 ? fixed(100 * part / whole_of, 1) + "%" : "-";
}

// "implicit_gemm 62.1% in 32 steps, depthwise 25.0% in 16, ..."
std::string shares_text(const Json& report, bool measured) {
  struct Share {
    double us = 0;
    int steps = 0;
  };
  std::map<std::string, Share> shares;
  double sum = 0;
  for (const Json& layer : report.at("layers")) {
    for (const Json& step : layer.at("steps")) {
      const std::string kind = text_of(step, "kind");
      Share& share = shares[kind == "convolution" ? text_of(step, "strategy") : kind];
      share.us += cost(step, measured);
      sum += cost(step, measured);
      ++share.steps;
    }
  }
  std::vector<std::pair<std::string, Share>> order(shares.begin(), shares.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second.us > b.second.us; });
  std::string text;
  for (const auto& [name, share] : order) {
    text += (text.empty() ? "" : ", ") + name + " " + percent(share.us, sum) + " in " +
            (text.empty() ? counted(share.steps, "step") : std::to_string(share.steps));
  }
  return text;
}

// "reading 12 ms, passes 2 ms, ...": those that there are.
std::string times_text(const Json& times) {
  std::string text;
  for (const auto& [field, words] : {std::pair{"import_us", "reading "},
                                     {"passes_us", "passes "},
                                     {"plan_us", "planning, building, preparing weights "},
                                     {"prepare_us", "preparing weights "}}) {
    if (has_number(times, field)) {
      text += (text.empty() ? "" : ", ") + std::string(words) + format_us(number(times, field));
    }
  }
  return text;
}

}  // namespace

std::string layers_table(const Json& report) {
  const bool measured = is_measured(report), checked = report.contains("ok");
  const double sum = sum_of_layers(report, measured);
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"layer", "operator", "problem", "computed by", "output", "predicted"});
  if (measured) rows.front().emplace_back("measured");
  rows.front().emplace_back("share");
  if (checked) rows.front().emplace_back("error");
  std::vector<bool> idle(1, false);
  for (const Json& layer : report.at("layers")) {
    std::vector<std::string> row = {text_of(layer, "name"),
                                    text_of(layer, "op"),
                                    problem_of(layer),
                                    work_text(layer),
                                    shape_of(layer.at("output_shape")),
                                    us_or_dash(layer, "predicted_us")};
    if (measured) row.push_back(us_or_dash(layer, "measured_us"));
    row.push_back(percent(cost(layer, measured), sum));
    if (checked) row.push_back(check_text(layer));
    rows.push_back(std::move(row));
    idle.push_back(layer.at("steps").empty());
  }
  fit(rows,
      {{1, 10, false}, {0, 14, true}, {2, 20, false}, {3, 14, false}, {0, 8, true}, {4, 9, false}});
  Table table(rows.front());
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const bool wrong = checked && rows[i].back().find("WRONG") != std::string::npos;
    table.add(rows[i], wrong ? kRed : idle[i] ? kDim : "");
  }
  return table.text();
}

std::string totals_text(const Json& report) {
  const Json& totals = report.at("totals");
  const Json& memory = report.at("memory");
  const Json& times = report.at("times");
  const bool measured = has_number(totals, "measured_us");
  const double us = cost(totals, measured), flops = number(totals, "flops");
  std::string text = "total     ";
  if (measured) {
    text += format_us(us) + " measured (layers alone " + us_or_dash(totals, "measured_layers_us") +
            "), ";
  }
  text += us_or_dash(totals, "predicted_us") + " predicted, " +
          std::to_string(whole(totals, "launches")) +
          (whole(totals, "launches") == 1 ? " launch" : " launches");
  if (flops > 0 && us > 0) {
    text += ", " + fixed(flops * 1e-9, flops < 1e8 ? 4 : 3) + " GFLOP, " +
            format_gflops(flops, us) + " GFLOP/s";
  }
  text += "\ntime      " + shares_text(report, is_measured(report));
  text += "\nmemory    weights " + format_bytes(whole(memory, "weights_bytes")) + ", activations " +
          format_bytes(whole(memory, "arena_bytes")) + " (" +
          format_bytes(whole(memory, "alive_bytes")) + " alive at once), workspace " +
          format_bytes(whole(memory, "workspace_bytes"));
  text += "\nmade      " + times_text(times) + "\n";
  if (report.contains("ok")) {
    std::int64_t steps = 0;
    double closest = 0;  // to its bound
    for (const Json& layer : report.at("layers")) {
      for (const Json& step : layer.at("steps")) {
        if (!has_number(step, "error")) continue;
        ++steps;
        const double bound = number(step, "error_bound");
        if (bound > 0) closest = std::max(closest, number(step, "error") / bound);
      }
    }
    text += "check     " + counted(steps, "convolution") + " beside strategy naive: " +
            (report.at("ok").get<bool>() ? "all within their bounds" : "WRONG") + ", at most " +
            fixed(closest, 3) + " of one" +
            (report.value("run_as_steps", false) ? "; a run has the bits of its steps" : "") + "\n";
  }
  return text;
}

std::string passes_text(const Json& report) {
  std::string text;
  for (const Json& pass : report.at("passes")) {
    const auto count = static_cast<std::int64_t>(pass.at("changes").size());
    text += pass.at("pass").get<std::string>() + ": " +
            (count == 0 ? "nothing" : counted(count, "change")) + "\n";
    for (const Json& change : pass.at("changes"))
      text += "  " + core::one_line(change.get<std::string>()) + "\n";
  }
  return text;
}

std::string tensor_text(const Json& tensor) {
  return shape_of(tensor.at("shape")) + " " + text_of(tensor, "type");
}

void add_check(Json& report, const Json& checked) {
  Json& layers = report.at("layers");
  const Json& others = checked.at("layers");
  for (std::size_t i = 0; i < std::min(layers.size(), others.size()); ++i) {
    Json& steps = layers[i].at("steps");
    const Json& found = others[i].at("steps");
    for (std::size_t s = 0; s < std::min(steps.size(), found.size()); ++s) {
      for (const char* name : {"error", "error_bound", "ok"}) {
        if (found[s].contains(name)) steps[s][name] = found[s].at(name);
      }
    }
  }
  report["ok"] = checked.at("ok");
  if (checked.contains("run_as_steps")) report["run_as_steps"] = checked.at("run_as_steps");
}

std::string check_failure(const Json& report) {
  if (report.value("ok", true)) return "";
  if (!report.value("run_as_steps", true))
    return "--check: a run does not have the bits of its steps one by one";
  std::string names;
  int count = 0;
  for (const Json& layer : report.at("layers")) {
    for (const Json& step : layer.at("steps")) {
      if (step.value("ok", true) || ++count > 3) continue;
      names += (names.empty() ? "" : ", ") + text_of(layer, "name");
    }
  }
  return "--check: " + counted(count, "convolution") + " not within the error bound: " + names +
         (count > 3 ? ", ..." : "");
}

}  // namespace clconv::cli
