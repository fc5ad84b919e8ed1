// clconv plan: which strategies can run a problem, which one is chosen, and why not the others.
#include <cstdio>

#include "cli/cli.hpp"
#include "cli/report.hpp"

namespace clconv::cli {
namespace {

struct PlanVerb {
  std::string problem, direction = "forward", why_not, profile;
  bool bias = false, relu = false, json = false;
  PlanningOptions planning;

  void run(const Session& session) const;
};

std::string explain(const Session& session, const std::string& profile, const Problem& problem,
                    const PlanOptions& options) {
  if (profile.empty()) return session.open().explain(problem, options);
  char* json = nullptr;
  const std::string text = read_text_file(profile);
  const clconv_status status = clconv_explain_profile(text.c_str(), &problem, &options, &json);
  if (status == CLCONV_INVALID_ARGUMENT) throw BadInput(profile + ": " + clconv_last_error());
  check(status);
  return take(json);
}

// Every candidate of one strategy against the one chosen.
void print_why_not(const nlohmann::json& report, const std::string& name) {
  bool found = false;
  const nlohmann::json* chosen = nullptr;
  for (const auto& c : report.at("candidates")) {
    if (c.at("status") == "chosen") chosen = &c;
  }
  for (const auto& c : report.at("candidates")) {
    if (c.at("strategy") != name) continue;
    found = true;
    const std::string variant = variant_name(c);
    if (&c == chosen) {
      std::printf("%s: it is chosen\n", variant.c_str());
    } else if (c.at("reason").is_object()) {
      std::printf("%s: %s: %s\n", variant.c_str(), c.at("status").get<std::string>().c_str(),
                  c.at("reason").at("text").get<std::string>().c_str());
    } else if (chosen != nullptr) {
      const bool measured = c.at("measured").is_object() && chosen->at("measured").is_object();
      std::printf(
          "%s: applicable, but %s %s against %s of %s\n", variant.c_str(),
          measured ? "measured" : "predicted",
          format_us(measured ? ranking_us(c) : c.at("predicted_us").get<double>()).c_str(),
          format_us(measured ? ranking_us(*chosen) : chosen->at("predicted_us").get<double>())
              .c_str(),
          variant_name(*chosen).c_str());
    }
  }
  if (!found) throw BadInput("--why-not '" + name + "': no such strategy");
}

void PlanVerb::run(const Session& session) const {
  Problem p(problem);
  p.direction = parse_direction(direction);
  p.bias = bias ? 1 : 0;
  p.relu = relu ? 1 : 0;
  const std::string text = explain(session, profile, p, planning.options());
  const auto report = nlohmann::json::parse(text);
  if (json) {
    std::printf("%s\n", text.c_str());
  } else {
    std::printf("problem  %s\n", problem_line(p).c_str());
    std::printf("device   %s, driver %s\n", report.at("device").get<std::string>().c_str(),
                report.at("driver").get<std::string>().c_str());
    std::string rigor = report.at("rigor").get<std::string>();
    for (const auto& [name, value] : report.at("environment").items()) {
      rigor += ", " + name + "=" + value.get<std::string>();
    }
    std::printf("rigor    %s\n", rigor.c_str());
    for (const auto& note : report.at("notes")) {
      std::printf("note     %s\n", note.get<std::string>().c_str());
    }
    std::printf("\n%s", candidates_table(report).c_str());
    if (!why_not.empty()) {
      std::printf("\n");
      print_why_not(report, why_not);
    }
  }
  if (report.at("chosen").is_null()) {
    std::string reasons;
    for (const auto& c : report.at("candidates")) {
      if (!c.at("reason").is_object() || c.at("reason").at("code") == "not_allowed") continue;
      reasons += (reasons.empty() ? " " : "; ") + variant_name(c) + ": " +
                 c.at("reason").at("text").get<std::string>();
    }
    throw Unmet("nothing can run " + p.text() + " under these constraints:" + reasons);
  }
}

}  // namespace

void add_plan(CLI::App& app, Session& session) {
  auto* verb =
      app.add_subcommand("plan", "which strategies can run a problem, which is chosen, and why");
  auto v = std::make_shared<PlanVerb>();
  verb->add_option("PROBLEM", v->problem, "e.g. n1c64h56w56k64kh3kw3p1")->required();
  verb->add_option("--direction", v->direction, "forward");
  verb->add_flag("--bias", v->bias, "with bias");
  verb->add_flag("--relu", v->relu, "with ReLU");
  v->planning.add_to(*verb);
  verb->add_option("--why-not", v->why_not, "explain why this strategy is not chosen");
  verb->add_option("--profile", v->profile,
                   "plan for the device of this profile (from `clconv profile`)");
  verb->add_flag("--json", v->json, "one JSON document");
  verb->callback([&session, v] { session.action = [&session, v] { v->run(session); }; });
}

}  // namespace clconv::cli
