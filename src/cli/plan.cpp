// clconv plan: which strategies can run a problem, which one is chosen, and why not the others.
#include <algorithm>
#include <cstdio>

#include "cli/cli.hpp"
#include "cli/report.hpp"
#include "text.hpp"

namespace clconv::cli {
namespace {

struct PlanVerb {
  std::string problem, pad, direction = "forward", why_not, profile;
  bool bias = false, residual = false, mask = false, accumulate = false, json = false;
  ActivationOptions activation;
  StorageOptions storage;
  PlanningOptions planning;

  void run(const Session& session) const;
};

// Explains for this machine's device, or for the one of a profile.
using Explain = std::function<std::string(const Problem&, const PlanOptions&)>;

Explain explainer(const Session& session, const std::string& profile) {
  if (profile.empty()) {
    return [context = std::make_shared<Context>(session.open())](const auto& p, const auto& o) {
      return context->explain(p, o);
    };
  }
  return [profile, text = read_text_file(profile)](const auto& p, const auto& o) {
    try {
      return explain_profile(text, p, o);
    } catch (const Error& error) {
      if (error.status() != CLCONV_INVALID_ARGUMENT) throw;
      throw BadInput(profile + ": " + error.what());
    }
  };
}

// Before the search, which may take minutes. Which names there are is for the library to say, and an
// estimate for that one alone costs nothing.
void check_strategy(const std::string& name, const Explain& explain, const Problem& problem) {
  PlanOptions options;
  options.rigor = CLCONV_ESTIMATE;
  options.strategy = name.c_str();
  try {
    explain(problem, options);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    const std::size_t at = text.find("strategy '" + name + "' is unknown");
    if (at == std::string::npos) throw;
    throw BadInput("--why-not: " + text.substr(at));
  }
}

// Whether something that meets all constraints did not compile or run.
bool any_failed(const nlohmann::json& report) {
  const auto& candidates = report.at("candidates");
  return std::any_of(candidates.begin(), candidates.end(), [](const nlohmann::json& c) {
    const std::string status = c.at("status");
    return status == "failed_build" || status == "failed_run";
  });
}

// Every candidate of one strategy against the one chosen.
void print_why_not(const nlohmann::json& report, const std::string& name) {
  const nlohmann::json* chosen = nullptr;
  for (const auto& c : report.at("candidates")) {
    if (c.at("status") == "chosen") chosen = &c;
  }
  for (const auto& c : report.at("candidates")) {
    if (c.at("strategy") != name) continue;
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
}

void PlanVerb::run(const Session& session) const {
  Problem p(problem);
  if (!pad.empty()) {
    // A benchdnn text may end in a free name, n"...".
    const bool given = problem.substr(0, problem.find("n\"")).find('p') != std::string::npos;
    if (given || (p.pt | p.pl | p.pb | p.pr) != 0) {
      throw BadInput("--pad '" + pad + "': PROBLEM " + problem +
                     " gives padding as well, expected one of the two");
    }
    apply_padding(pad, p);
  }
  p.direction = parse_direction(direction);
  p.bias = bias ? 1 : 0;
  p.residual = residual ? 1 : 0;
  activation.apply(p);
  storage.apply(p);
  p.mask = mask ? 1 : 0;
  p.accumulate = accumulate ? 1 : 0;
  p.info();  // validates
  const PlanOptions options = planning.options();
  const Explain explain = explainer(session, profile);
  if (!why_not.empty()) check_strategy(why_not, explain, p);
  const std::string text = explain(p, options);
  const auto report = nlohmann::json::parse(text);
  if (json) {
    std::printf("%s\n", text.c_str());
  } else {
    std::printf("problem  %s\n", problem_line(p).c_str());
    std::printf("device   %s, driver %s\n", report.at("device").get<std::string>().c_str(),
                report.at("driver").get<std::string>().c_str());
    std::string rigor = report.at("rigor").get<std::string>();
    const std::string environment = environment_text(report);
    if (report.at("math") != "f32") rigor += ", math " + report.at("math").get<std::string>();
    if (!environment.empty()) rigor += ", " + environment;
    const double planning_us = report.at("planning_us").get<double>();
    if (planning_us > 0) rigor += ", planned in " + format_us(planning_us);
    std::printf("rigor    %s\n", rigor.c_str());
    for (const auto& note : report.at("notes")) {
      std::printf("note     %s\n", core::one_line(note.get<std::string>()).c_str());
    }
    std::printf("\n%s", candidates_table(report).c_str());
    if (!why_not.empty()) {
      std::printf("\n");
      print_why_not(report, why_not);
    }
  }
  if (report.at("chosen").is_null()) {
    const auto why = report.at("why_nothing").get<std::string>();
    if (any_failed(report)) throw std::runtime_error(why);
    throw Unmet(why);
  }
}

}  // namespace

void add_plan(CLI::App& app, Session& session) {
  auto* verb =
      app.add_subcommand("plan", "which strategies can run a problem, which is chosen, and why");
  auto v = std::make_shared<PlanVerb>();
  verb->add_option("PROBLEM", v->problem, "e.g. n1c64h56w56k64kh3kw3p1")->required();
  verb->add_option("--pad", v->pad,
                   "padding of a PROBLEM that gives none: numbers, valid, same or same-lower");
  add_direction(*verb, v->direction);
  verb->add_flag("--bias", v->bias, "with bias (forward, transposed)");
  verb->add_flag("--residual", v->residual, "with a tensor to add (forward, transposed)");
  v->activation.add_to(*verb);
  verb->add_flag("--mask", v->mask,
                 "dy counts only where y > 0: ReLU's backward; with --activation that one's "
                 "(backward-*)");
  verb->add_flag("--accumulate", v->accumulate, "add to what the result holds (backward-*)");
  v->storage.add_to(*verb);
  v->planning.add_to(*verb);
  verb->add_option("--why-not", v->why_not, "explain why this strategy is not chosen");
  verb->add_option("--profile", v->profile,
                   "plan for the device of this profile (from `clconv profile`)");
  verb->add_flag("--json", v->json, "one JSON document");
  verb->callback([&session, v] { session.action = [&session, v] { v->run(session); }; });
}

}  // namespace clconv::cli
