// The report of a network as JSON (docs/networks.md), and what profiling and checking add to it.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "error.hpp"
#include "net/network.hpp"
#include "problem.hpp"

namespace clconv::net {
namespace {

using Json = nlohmann::ordered_json;

Json edges_json(const std::vector<Edge>& edges) {
  Json json = Json::array();
  for (const Edge& edge : edges) {
    json.push_back({{"name", edge.name},
                    {"type", to_string(Type::kFloat32)},
                    {"shape", edge.shape},
                    {"bytes", edge.bytes}});
  }
  return json;
}

const char* direction_word(const Problem& problem) {
  return problem.direction == CLCONV_TRANSPOSED ? "transposed" : "forward";
}

std::string epilogue_words(const Problem& problem) {
  std::string words;
  const auto add = [&](const std::string& word) { words += (words.empty() ? "" : " ") + word; };
  if (problem.bias != 0) add("bias");
  if (problem.residual != 0) add("residual");
  if (problem.activation != CLCONV_NO_ACTIVATION) add(clconv_activation_name(problem.activation));
  if (problem.scale != 0) add("scale");
  return words;
}

void add_convolution_facts(const ConvolutionStep& step, Json& json) {
  json["kind"] = "convolution";
  json["problem"] = step.problem().text();
  json["direction"] = direction_word(step.problem());
  json["epilogue"] = epilogue_words(step.problem());
  json["strategy"] = step.info().strategy;
  json["config"] = step.info().config;
  json["workspace_bytes"] = step.info().workspace_bytes;
  json["prepared_weights_bytes"] = step.info().prepared_weights_bytes;
  json["flops"] = step.problem().info().flops;
}

Json step_json(const Step& step) {
  Json json = {{"step", step.name()}};
  json["kind"] = dynamic_cast<const CopyStep*>(&step) != nullptr ? "copy" : "kernel";
  if (const auto* convolution = dynamic_cast<const ConvolutionStep*>(&step))
    add_convolution_facts(*convolution, json);
  json["predicted_us"] = step.predicted_us();
  return json;
}

// What the steps of a layer read and write, each buffer once.
std::int64_t bytes_of(const NetworkPlan& plan, const Lowered::Layer& layer) {
  std::vector<BufferId> all;
  for (std::size_t i = layer.first_step; i < layer.first_step + layer.steps; ++i) {
    for (const auto& buffers :
         {plan.lowered().steps[i]->reads(), plan.lowered().steps[i]->writes()})
      all.insert(all.end(), buffers.begin(), buffers.end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  std::int64_t bytes = 0;
  for (const BufferId id : all) {
    const BufferSpec& spec = plan.lowered().buffers[static_cast<std::size_t>(id)];
    bytes += spec.bytes - spec.gap_bytes;
  }
  return bytes;
}

double sum_of(const Json& list, const char* field) {
  double sum = 0;
  for (const Json& one : list)
    sum += one.value(field, 0.0);
  return sum;
}

Json layers_json(const NetworkPlan& plan) {
  Json layers = Json::array();
  const Lowered& lowered = plan.lowered();
  for (const Lowered::Layer& layer : lowered.layers) {
    Json steps = Json::array();
    for (std::size_t i = layer.first_step; i < layer.first_step + layer.steps; ++i)
      steps.push_back(step_json(*lowered.steps[i]));
    const double predicted = sum_of(steps, "predicted_us"), flops = sum_of(steps, "flops");
    layers.push_back({{"name", layer.name},
                      {"op", layer.op},
                      {"output_shape", layer.output},
                      {"steps", std::move(steps)},
                      {"predicted_us", predicted},
                      {"flops", flops},
                      {"bytes", bytes_of(plan, layer)}});
  }
  return layers;
}

// The layer that a step belongs to.
std::size_t layer_of(const Lowered& lowered, int step) {
  std::size_t layer = 0;
  while (layer + 1 < lowered.layers.size() &&
         lowered.layers[layer + 1].first_step <= static_cast<std::size_t>(step))
    ++layer;
  return layer;
}

Json memory_json(const NetworkPlan& plan) {
  Json lifetimes = Json::array();
  for (const NetworkPlan::InArena& one : plan.in_arena()) {
    const BufferSpec& spec = plan.lowered().buffers[static_cast<std::size_t>(one.buffer)];
    lifetimes.push_back({{"name", spec.name},
                         {"bytes", one.lifetime.bytes},
                         {"offset", one.offset},
                         {"first_layer", layer_of(plan.lowered(), one.lifetime.first)},
                         {"last_layer", layer_of(plan.lowered(), one.lifetime.last)}});
  }
  return {{"weights_bytes", plan.weights_bytes()},
          {"arena_bytes", plan.arena().bytes},
          {"alive_bytes", plan.arena().alive_bytes},
          {"workspace_bytes", plan.workspace_bytes()},
          {"lifetimes", std::move(lifetimes)}};
}

Json report_json(const NetworkPlan& plan) {
  Json passes = Json::array();
  for (const PassReport& pass : plan.passes())
    passes.push_back({{"pass", pass.name}, {"changes", pass.changes}});
  Json layers = layers_json(plan);
  const double predicted = sum_of(layers, "predicted_us") - plan.spared_us();
  const double flops = sum_of(layers, "flops");
  return {
      {"device", plan.device().profile().name},
      {"storage", core::to_string(plan.options().storage)},
      {"inputs", edges_json(plan.inputs())},
      {"outputs", edges_json(plan.outputs())},
      {"layers", std::move(layers)},
      {"passes", std::move(passes)},
      {"totals", {{"predicted_us", predicted}, {"flops", flops}, {"launches", plan.launches()}}},
      {"memory", memory_json(plan)},
      {"times", {{"passes_us", plan.times().passes_us}, {"plan_us", plan.times().plan_us}}}};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double now_us() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

// Device times of every step, run after run.
class Times : public NetworkPlan::Observer {
 public:
  explicit Times(std::size_t steps) : us(steps) {}
  void after(std::size_t step, const Memory&, double time_us) override {
    us[step].push_back(time_us);
  }
  std::vector<std::vector<double>> us;
};

// Calls `set` for the JSON of each step, in order.
template <class Set>
void for_steps(Json& report, Set&& set) {
  std::size_t step = 0;
  for (Json& layer : report["layers"]) {
    for (Json& one : layer["steps"])
      set(step++, one);
  }
}

}  // namespace

std::string report(const NetworkPlan& plan) {
  return report_json(plan).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string profile(const NetworkPlan& plan, const std::vector<cl_mem>& inputs,
                    const std::vector<cl_mem>& outputs, std::int64_t rounds) {
  if (rounds < 1 || rounds > 10000) {
    throw core::Error(core::Code::kInvalidArgument,
                      "rounds=" + std::to_string(rounds) + ": must be from 1 to 10000");
  }
  Times times(plan.lowered().steps.size());
  std::vector<double> whole;
  const cl::CommandQueue queue = plan.device().make_queue();
  for (std::int64_t round = 0; round < rounds; ++round) {
    plan.run_observed(inputs, outputs, times);
    const double begin = now_us();
    plan.run(queue(), inputs, outputs, {});
    core::check(clFinish(queue()), "clFinish");
    whole.push_back(now_us() - begin);
  }
  Json json = report_json(plan);
  double sum = 0;
  for_steps(json, [&](std::size_t step, Json& one) {
    one["measured_us"] = median(times.us[step]);
    sum += one["measured_us"].get<double>();
  });
  for (Json& layer : json["layers"])
    layer["measured_us"] = sum_of(layer["steps"], "measured_us");
  json["totals"]["measured_us"] = median(whole);
  json["totals"]["measured_layers_us"] = sum;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace clconv::net
