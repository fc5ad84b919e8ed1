#include "net/choice.hpp"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

namespace clconv::net {
namespace {

// For so long a network runs where nobody says how often: 2.5 minutes. A program is given up where its layers then run
// no more than 0.2 % of that longer.
constexpr double kRunningUs = 1.5e8;
// Variants slower than this are never worth a program.
constexpr double kMostSlowdown = 3;

struct Variant {
  Choice choice;
  double us = 0;
  std::string program;  // equal texts, one program
  bool best = false;    // what a plan takes by itself
};

struct Layer {
  std::string key;
  double runs = 0;                // of it in one run of the network
  std::vector<Variant> variants;  // fastest first
  std::size_t chosen = 0;
};

std::string numbers(std::initializer_list<std::int64_t> values) {
  std::string text;
  for (const std::int64_t value : values)
    text += std::to_string(value) + ",";
  return text;
}

std::string epilogue_of(const Problem& p) {
  return numbers({p.direction, p.bias, p.residual, p.scale, p.activation, p.data_type}) +
         std::to_string(p.activation_slope) + "," + std::to_string(p.activation_offset);
}

// The number behind `key` in a config, 0 where there is none.
std::int64_t number_in(const std::string& config, const std::string& key) {
  const std::size_t at = config.find("," + key + "=");
  return at == std::string::npos ? 0 : std::atoll(config.c_str() + at + key.size() + 2);
}

// Padding that the last result of an axis sees.
std::int64_t seen_behind(std::int64_t size, std::int64_t out, std::int64_t kernel,
                         std::int64_t stride, std::int64_t dilation, std::int64_t before) {
  return (out - 1) * stride + (kernel - 1) * dilation - before - (size - 1);
}

// A program for all of these: src/ops/epilogue.cpp has the same condition.
bool shares_epilogue(const Problem& p, const Choice& choice) {
  const bool body = choice.config.find("body=filters") != std::string::npos ||
                    choice.config.find("body=pixels") != std::string::npos ||
                    choice.config.find("body=in_place") != std::string::npos;
  const bool bounds = p.activation == CLCONV_NO_ACTIVATION || p.activation == CLCONV_RELU ||
                      p.activation == CLCONV_RELU6;
  return choice.strategy == "implicit_gemm" && body && bounds && p.bias && !p.scale;
}

// `pixels` has one program for all stages.
std::string config_of_program(const Choice& choice) {
  const std::string key = ",stage=";
  const std::size_t at = choice.config.find(key);
  if (at == std::string::npos) return choice.config;
  const std::size_t end = choice.config.find(',', at + 1);
  return choice.config.substr(0, at) + key + (number_in(choice.config, "stage") > 0 ? "1" : "0") +
         (end == std::string::npos ? "" : choice.config.substr(end));
}

// What the program of a variant depends on beside its config. Depthwise programs have the filter's size as constants,
// and those for planes as they lie what is seen at the border.
std::string program_of(const Problem& p, const Choice& choice) {
  std::string text =
      choice.strategy + " " + config_of_program(choice) + " " + numbers({p.sh, p.sw, p.dh, p.dw}) +
      (shares_epilogue(p, choice) ? numbers({p.direction, p.data_type}) : epilogue_of(p));
  if (choice.strategy == "depthwise") {
    text += numbers({p.kh, p.kw});
    if (choice.config.find("body=planes") != std::string::npos) {
      const clconv_problem_info info = p.info();
      text += numbers({p.pt, p.pl, seen_behind(p.h, info.oh, p.kh, p.sh, p.dh, p.pt),
                       seen_behind(p.w, info.ow, p.kw, p.sw, p.dw, p.pl),
                       info.oh == number_in(choice.config, "rb"),
                       info.ow == number_in(choice.config, "vw")});
    }
    // The same of `narrow`, whose free lanes are constants as well.
    if (choice.config.find("body=narrow") != std::string::npos)
      text += numbers({p.pt, p.pl, p.h, p.w});
  }
  if (choice.config.find("body=phases") != std::string::npos)
    text += numbers({p.kh, p.kw, p.pt, p.pl});
  return text;
}

std::vector<Variant> variants_of(const Context& context, const Problem& problem,
                                 const PlanOptions& planning) {
  PlanOptions all = planning;
  all.expected_runs = 0;
  all.time_all = 1;
  std::vector<Variant> variants;
  const nlohmann::json report = nlohmann::json::parse(context.explain(problem, all));
  for (const auto& candidate : report.at("candidates")) {
    const std::string status = candidate.at("status");
    if (status != "applicable" && status != "chosen") continue;
    Variant variant;
    variant.choice = {candidate.at("strategy"), candidate.at("config")};
    variant.us = candidate.at("predicted_us");
    variant.program = program_of(problem, variant.choice);
    variant.best = status == "chosen";
    // Measured times decide alone.
    if (variant.best && !candidate.at("measured").is_null()) return {variant};
    variants.push_back(std::move(variant));
  }
  std::stable_sort(variants.begin(), variants.end(),
                   [](const Variant& a, const Variant& b) { return a.us < b.us; });
  const auto slow = std::find_if(variants.begin(), variants.end(), [&](const Variant& one) {
    return one.us > kMostSlowdown * variants.front().us;
  });
  variants.erase(slow, variants.end());
  return variants;
}

std::vector<Layer> layers_of(const Context& context, const std::vector<Problem>& problems,
                             const PlanOptions& planning) {
  std::vector<Layer> layers;
  std::map<std::string, std::size_t> known;
  for (const Problem& problem : problems) {
    const std::string key = problem_key(problem);
    const auto [at, is_new] = known.emplace(key, layers.size());
    if (is_new) layers.push_back({key, 0, variants_of(context, problem, planning), 0});
    ++layers[at->second].runs;
  }
  return layers;
}

std::set<std::string> programs_of(const std::vector<Layer>& layers) {
  std::set<std::string> programs;
  for (const Layer& layer : layers) {
    if (!layer.variants.empty()) programs.insert(layer.variants[layer.chosen].program);
  }
  return programs;
}

using Chosen = std::vector<std::size_t>;

Chosen chosen_of(const std::vector<Layer>& layers) {
  Chosen chosen;
  for (const Layer& layer : layers)
    chosen.push_back(layer.chosen);
  return chosen;
}

// What the network costs with these variants: its runs, and compiling.
double cost(const std::vector<Layer>& layers, const Chosen& chosen, double expected_runs) {
  double us = 0;
  std::set<std::string> programs;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].variants.empty()) continue;
    const Variant& variant = layers[i].variants[chosen[i]];
    us += layers[i].runs * variant.us;
    programs.insert(variant.program);
  }
  return expected_runs * us + kCompileUs * static_cast<double>(programs.size());
}

// The fastest variant of a layer whose program is one of those; its own where there is none.
std::size_t fastest(const Layer& layer, const std::set<std::string>& programs) {
  const auto found =
      std::find_if(layer.variants.begin(), layer.variants.end(),
                   [&](const Variant& variant) { return programs.count(variant.program) != 0; });
  return found == layer.variants.end() ? layer.chosen
                                       : static_cast<std::size_t>(found - layer.variants.begin());
}

// Without one program: its layers take the fastest of the others.
Chosen without(const std::vector<Layer>& layers, std::set<std::string> programs,
               const std::string& given_up) {
  programs.erase(given_up);
  Chosen chosen;
  for (const Layer& layer : layers) {
    const bool stays = layer.variants.empty() || layer.variants[layer.chosen].program != given_up;
    chosen.push_back(stays ? layer.chosen : fastest(layer, programs));
  }
  return chosen;
}

// One program for all layers that have it.
Chosen with(const std::vector<Layer>& layers, const std::string& program) {
  Chosen chosen;
  for (const Layer& layer : layers)
    chosen.push_back(fastest(layer, {program}));
  return chosen;
}

// The best single step: a program given up, or one for many layers. False where none pays.
bool improve(std::vector<Layer>& layers, double expected_runs) {
  const std::set<std::string> programs = programs_of(layers);
  Chosen best = chosen_of(layers);
  double least = cost(layers, best, expected_runs);
  const auto consider = [&](const Chosen& chosen) {
    const double one = cost(layers, chosen, expected_runs);
    if (one < least) least = one, best = chosen;
  };
  std::set<std::string> all;
  for (const Layer& layer : layers) {
    for (const Variant& variant : layer.variants)
      all.insert(variant.program);
  }
  for (const std::string& program : all)
    consider(programs.count(program) != 0 ? without(layers, programs, program)
                                          : with(layers, program));
  const bool better = best != chosen_of(layers);
  for (std::size_t i = 0; i < best.size(); ++i)
    layers[i].chosen = best[i];
  return better;
}

}  // namespace

std::string problem_key(const Problem& problem) {
  return problem.text() + " " + epilogue_of(problem);
}

double expected_runs(const PlanOptions& planning, double run_us) {
  if (planning.expected_runs > 0) return static_cast<double>(planning.expected_runs);
  return kRunningUs / std::max(run_us, 1.0);
}

Choices choose_programs(const Context& context, const std::vector<Problem>& problems,
                        const PlanOptions& planning) {
  const bool estimates =
      planning.rigor == CLCONV_RIGOR_DEFAULT || planning.rigor == CLCONV_ESTIMATE;
  if (!estimates || planning.strategy != nullptr) return {};
  std::vector<Layer> layers = layers_of(context, problems, planning);
  const double run_us = cost(layers, chosen_of(layers), 1) - cost(layers, chosen_of(layers), 0);
  const double runs = expected_runs(planning, run_us);
  while (improve(layers, runs)) {
  }
  Choices choices;
  for (const Layer& layer : layers) {
    if (layer.variants.empty() || layer.variants[layer.chosen].best) continue;
    choices[layer.key] = layer.variants[layer.chosen].choice;
  }
  return choices;
}

}  // namespace clconv::net
