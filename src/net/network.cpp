#include "net/network.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "error.hpp"

namespace clconv::net {
namespace {

// Equal texts, equal shapes.
std::string key_of(const Graph& graph) {
  std::string key;
  for (const ValueId id : graph.inputs)
    key += to_string(*graph.value(id).shape) + " ";
  return key;
}

// The speeds that the context plans with, for the predictions of what is no convolution.
void copy_speeds(const Context& context, core::Device& device) {
  const nlohmann::json profile = nlohmann::json::parse(context.profile());
  device.set_speeds(profile.at("peak_gflops"), profile.at("bandwidth_gbs"),
                    profile.at("launch_us"));
}

}  // namespace

Network::Network(Context context, std::shared_ptr<const Model> model, const NetworkOptions& options)
    : context_(std::move(context)),
      model_(std::move(model)),
      options_(options),
      device_(context_.opencl_context(), context_.device(), core::cache_options("", 0)) {
  copy_speeds(context_, device_);
  Graph graph = with_shapes(*model_, options_.shapes, options_.batch);
  const std::string key = key_of(graph);
  first_ = compiled(std::move(graph));
  options_.lowering.progress = nullptr;  // whom it tells need not outlive this call
  plans_.emplace_front(key, first_);
}

std::shared_ptr<const NetworkPlan> Network::compiled(Graph graph) {
  return std::make_shared<const NetworkPlan>(std::move(graph), device_, context_, options_.lowering,
                                             options_.skip_passes);
}

std::shared_ptr<const NetworkPlan> Network::plan_for(const std::vector<WantedShape>& shapes) {
  std::vector<WantedShape> wanted = options_.shapes;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    wanted.push_back(shapes[i]);  // the later ones count
    const std::vector<ValueId>& inputs = model_->graph.inputs;
    if (shapes[i].name.empty() && i < inputs.size())  // a position counts from these shapes
      wanted.back().name = model_->graph.value(inputs[i]).name;
  }
  Graph graph = with_shapes(*model_, wanted, options_.batch);
  const std::string key = key_of(graph);
  const auto find = [&]() -> std::shared_ptr<const NetworkPlan> {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::find_if(plans_.begin(), plans_.end(),
                                    [&](const auto& entry) { return entry.first == key; });
    if (found == plans_.end()) return nullptr;
    plans_.splice(plans_.begin(), plans_, found);
    return found->second;
  };
  if (auto plan = find()) return plan;
  const std::lock_guard<std::mutex> one_at_a_time(compiling_);
  if (auto plan = find()) return plan;
  auto plan = compiled(std::move(graph));
  const std::lock_guard<std::mutex> lock(mutex_);
  plans_.emplace_front(key, plan);
  while (plans_.size() > options_.plan_capacity)
    plans_.pop_back();
  return plan;
}

std::int64_t Network::plans() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<std::int64_t>(plans_.size());
}

}  // namespace clconv::net
