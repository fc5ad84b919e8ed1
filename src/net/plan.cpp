#include "net/plan.hpp"

#include <algorithm>
#include <chrono>

#include "error.hpp"
#include "net/convolution.hpp"
#include "net/forms.hpp"
#include "net/trust.hpp"
#include "problem.hpp"
#include "runtime/buffers.hpp"

namespace clconv::net {
namespace {

using Kind = BufferSpec::Kind;

double now_us() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

// The plan's buffers during one run: those of an arena, and the caller's.
class RunMemory : public Memory {
 public:
  RunMemory(const Lowered& lowered, const Arenas::Instance& instance,
            const std::vector<cl_mem>& inputs, const std::vector<cl_mem>& outputs)
      : lowered_(lowered), instance_(instance), inputs_(inputs), outputs_(outputs) {}

  cl_mem buffer(BufferId id) const override {
    const auto at = static_cast<std::size_t>(id);
    if (instance_.table[at] != nullptr) return instance_.table[at];
    const BufferSpec& spec = lowered_.buffers[at];
    const auto position = static_cast<std::size_t>(spec.position);
    return spec.kind == Kind::kInput ? inputs_[position] : outputs_[position];
  }
  cl_mem arena() const override { return instance_.whole(); }
  cl_mem workspace() const override { return instance_.workspace(); }

 private:
  const Lowered& lowered_;
  const Arenas::Instance& instance_;
  const std::vector<cl_mem>& inputs_;
  const std::vector<cl_mem>& outputs_;
};

// Runs one step and waits: its device time. The event of a step of several commands covers the last one only, so that
// those begin where a marker in front of them ends.
double timed(const Step& step, const cl::CommandQueue& queue, const Memory& memory) {
  cl::Event before, done;
  const bool several = step.commands() > 1;
  if (several) {
    core::check(clEnqueueMarkerWithWaitList(queue(), 0, nullptr, &before()),
                "clEnqueueMarkerWithWaitList");
  }
  step.enqueue(queue(), memory, {0, nullptr, &done(), nullptr});
  core::check(clFinish(queue()), "clFinish");
  const auto begin = several ? before.getProfilingInfo<CL_PROFILING_COMMAND_END>()
                             : done.getProfilingInfo<CL_PROFILING_COMMAND_START>();
  const auto end = done.getProfilingInfo<CL_PROFILING_COMMAND_END>();
  return end > begin ? static_cast<double>(end - begin) / 1e3 : 0;
}

}  // namespace

std::vector<Edge> edges_of(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<Edge> edges;
  for (const ValueId id : ids) {
    const Value& value = graph.value(id);
    const std::int64_t bytes = core::saturating_product(elements(*value.shape), std::int64_t{4});
    edges.push_back({value.name, *value.shape, bytes});
  }
  return edges;
}

NetworkPlan::NetworkPlan(Graph graph, core::Device& device, const Context& context,
                         const LoweringOptions& options, const std::string& skip_passes)
    : device_(device), context_(context), options_(options), graph_(std::move(graph)) {
  const double begin = now_us();
  graph_.sort();
  check_forms(graph_);
  infer(graph_);
  inputs_ = edges_of(graph_, graph_.inputs);
  outputs_ = edges_of(graph_, graph_.outputs);
  passes_ = run_passes(graph_, skip_passes);
  const double lowering = now_us();
  options_.choices = choose_programs(context, convolutions(), options_.planning);
  make_steps();
  times_ = {lowering - begin, now_us() - lowering};
  options_.progress = nullptr;  // whom it tells need not outlive the call
}

void NetworkPlan::make_steps() {
  const Graph graph = graph_;  // lowering adds nodes
  options_.planning.check_later = makes_chains(device_) ? 1 : 0;
  try {
    lower_and_chain();
    if (options_.planning.check_later == 0 || all_right(lowered_.steps, chains_)) return;
  } catch (const core::Error& error) {
    if (options_.planning.check_later == 0 || error.code() != core::Code::kBuildFailed) throw;
  } catch (const clconv::Error& error) {
    if (options_.planning.check_later == 0 || error.status() != CLCONV_BUILD_FAILED) throw;
  }
  // Something is wrong or does not compile: planned one by one, such a variant makes way for the next.
  graph_ = graph;
  options_.planning.check_later = 0;
  lower_and_chain();
}

void NetworkPlan::lower_and_chain() {
  const cl::CommandQueue queue = device_.make_queue();
  {
    const core::Device::TextOnly text_only(options_.planning.check_later != 0);
    lowered_ = lower(graph_, device_, context_, queue, options_);
  }
  core::check(clFinish(queue()), "clFinish");
  plan_memory();
  chains_ = make_chains(device_, lowered_.steps, locations());
  auto chain = chains_.begin();
  for (std::size_t i = 0; i < lowered_.steps.size(); ++i) {
    if (chain != chains_.end() && (*chain)->last() == i) ++chain;
    if (chain == chains_.end() || i < (*chain)->first()) lowered_.steps[i]->compile();
  }
}

std::vector<Problem> NetworkPlan::convolutions() {
  std::vector<Problem> problems;
  for (Node& node : graph_.nodes) {
    if (const auto problem = convolution_of(NodeView(graph_, node), options_.storage))
      problems.push_back(*problem);
  }
  return problems;
}

void NetworkPlan::plan_memory() {
  weights_bytes_ = workspace_bytes_ = 0;
  lifetimes_.clear();
  in_arena_.clear();
  const auto whole_of = [&](BufferId id) {
    const BufferId whole = lowered_.buffers[static_cast<std::size_t>(id)].whole;
    return static_cast<std::size_t>(whole == kNoBuffer ? id : whole);
  };
  std::vector<Lifetime> all(lowered_.buffers.size(), Lifetime{0, -1, -1});
  for (std::size_t step = 0; step < lowered_.steps.size(); ++step) {
    const auto use = [&](const std::vector<BufferId>& buffers) {
      for (const BufferId id : buffers) {
        Lifetime& lifetime = all[whole_of(id)];
        if (lifetime.first < 0) lifetime.first = static_cast<int>(step);
        lifetime.last = static_cast<int>(step);
      }
    };
    use(lowered_.steps[step]->reads());
    use(lowered_.steps[step]->writes());
    workspace_bytes_ = std::max(workspace_bytes_, lowered_.steps[step]->workspace_bytes());
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const BufferSpec& spec = lowered_.buffers[i];
    if (spec.whole != kNoBuffer) continue;
    if (spec.kind == Kind::kConstant) weights_bytes_ += spec.bytes;
    if (spec.kind != Kind::kActivation || all[i].first < 0) continue;
    all[i].bytes = std::max<std::int64_t>(spec.bytes, 1);
    lifetimes_.push_back(all[i]);
    in_arena_.push_back(static_cast<BufferId>(i));
  }
  arena_ = place(lifetimes_, device_.profile().base_alignment_bytes);
}

std::vector<NetworkPlan::InArena> NetworkPlan::in_arena() const {
  std::vector<InArena> all;
  for (std::size_t i = 0; i < in_arena_.size(); ++i)
    all.push_back({in_arena_[i], lifetimes_[i], arena_.offsets[i]});
  return all;
}

std::vector<std::int64_t> NetworkPlan::arena_offsets() const {
  std::vector<std::int64_t> offsets(lowered_.buffers.size(), -1);
  for (std::size_t i = 0; i < in_arena_.size(); ++i)
    offsets[static_cast<std::size_t>(in_arena_[i])] = arena_.offsets[i];
  return offsets;
}

std::vector<Location> NetworkPlan::locations() const {
  const std::vector<std::int64_t> offsets = arena_offsets();
  std::vector<Location> locations;
  for (std::size_t i = 0; i < lowered_.buffers.size(); ++i) {
    const BufferSpec& spec = lowered_.buffers[i];
    const BufferId whole = spec.whole == kNoBuffer ? static_cast<BufferId>(i) : spec.whole;
    if (spec.kind == Kind::kActivation) {
      locations.push_back(
          {Location::kArena, offsets[static_cast<std::size_t>(whole)] + spec.offset_bytes});
    } else {
      locations.push_back({whole, 0});
    }
  }
  return locations;
}

std::int64_t NetworkPlan::launches() const {
  auto launches = static_cast<std::int64_t>(lowered_.steps.size());
  for (const auto& chain : chains_)
    launches -= static_cast<std::int64_t>(chain->last() - chain->first()) - 1;
  return launches;
}

double NetworkPlan::spared_us() const {
  double us = 0;
  for (const auto& chain : chains_)
    us += chain->spared_us();
  return us;
}

std::unique_ptr<Arenas::Instance> NetworkPlan::make_instance(const void* plan) {
  const auto& self = *static_cast<const NetworkPlan*>(plan);
  const cl::Context& context = self.device_.context();
  const std::int64_t most = self.device_.profile().max_allocation_bytes;
  auto instance = std::make_unique<Arenas::Instance>();
  const std::vector<BufferSpec>& specs = self.lowered_.buffers;
  instance->table.assign(specs.size(), nullptr);
  if (self.arena_.bytes > 0)
    instance->whole = core::allocate(context, self.arena_.bytes, most, "activations of a network");
  if (self.workspace_bytes_ > 0)
    instance->workspace =
        core::allocate(context, self.workspace_bytes_, most, "workspace of a network");
  std::int64_t state_bytes = 0;
  for (const auto& chain : self.chains_)
    state_bytes = std::max(state_bytes, chain->state_bytes());
  if (state_bytes > 0) {
    std::vector<char> zeroes(static_cast<std::size_t>(state_bytes), 0);
    instance->state =
        cl::Buffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, zeroes.size(), zeroes.data());
  }
  const std::vector<std::int64_t> offsets = self.arena_offsets();
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const BufferSpec& spec = specs[i];
    const auto whole = spec.whole == kNoBuffer ? i : static_cast<std::size_t>(spec.whole);
    if (spec.kind == Kind::kConstant) instance->table[i] = specs[whole].memory();
    if (spec.kind != Kind::kActivation || offsets[whole] < 0) continue;
    instance->parts.push_back(core::sub_buffer(instance->whole(),
                                               offsets[whole] + spec.offset_bytes,
                                               std::max<std::int64_t>(spec.bytes, 1)));
    instance->table[i] = instance->parts.back()();
  }
  return instance;
}

void NetworkPlan::check(const std::vector<cl_mem>& inputs,
                        const std::vector<cl_mem>& outputs) const {
  const auto count = [](const char* what, std::size_t given, std::size_t wanted) {
    if (given == wanted) return;
    throw core::Error(
        core::Code::kInvalidArgument,
        std::to_string(given) + " " + what + " given, the network has " + std::to_string(wanted));
  };
  count("inputs", inputs.size(), inputs_.size());
  count("outputs", outputs.size(), outputs_.size());
  std::vector<core::BufferUse> uses;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    uses.push_back({inputs_[i].name.c_str(), inputs[i], inputs_[i].bytes, core::Access::kRead});
  for (std::size_t i = 0; i < outputs.size(); ++i)
    uses.push_back({outputs_[i].name.c_str(), outputs[i], outputs_[i].bytes, core::Access::kWrite});
  core::check_buffers(device_, uses, "the network");
}

void NetworkPlan::enqueue(cl_command_queue queue, bool in_order, const Memory& memory, cl_mem state,
                          std::vector<cl_event> waits, cl::Event& last) const {
  auto chain = chains_.begin();
  for (std::size_t i = 0, next = 0; i < lowered_.steps.size(); i = next) {
    const bool chained = chain != chains_.end() && (*chain)->first() == i;
    next = chained ? (*chain)->last() : i + 1;
    const bool ends = next == lowered_.steps.size();
    cl::Event done;
    const core::Dependencies of_step{static_cast<cl_uint>(waits.size()),
                                     waits.empty() ? nullptr : waits.data(),
                                     ends || !in_order ? &done() : nullptr, nullptr};
    if (chained) {
      (*chain++)->enqueue(queue, memory, state, of_step);
    } else {
      lowered_.steps[i]->enqueue(queue, memory, of_step);
    }
    waits.clear();
    if (done() != nullptr) last = done;
    if (!in_order) waits.push_back(last());
  }
  if (!lowered_.steps.empty()) return;
  core::check(clEnqueueMarkerWithWaitList(queue, static_cast<cl_uint>(waits.size()),
                                          waits.empty() ? nullptr : waits.data(), &last()),
              "clEnqueueMarkerWithWaitList");
}

void NetworkPlan::run(cl_command_queue queue, const std::vector<cl_mem>& inputs,
                      const std::vector<cl_mem>& outputs,
                      const core::Dependencies& dependencies) const {
  const bool in_order = core::check_queue(device_, queue);
  core::check_wait_list(device_, dependencies.count, dependencies.list);
  check(inputs, outputs);
  cl::Event wait_for, last;
  std::unique_ptr<Arenas::Instance> instance = arenas_.take(queue, in_order, wait_for);
  std::vector<cl_event> waits(dependencies.list, dependencies.list + dependencies.count);
  if (wait_for() != nullptr) waits.push_back(wait_for());
  try {
    enqueue(queue, in_order, RunMemory(lowered_, *instance, inputs, outputs), instance->state(),
            std::move(waits), last);
  } catch (...) {
    arenas_.lose();
    throw;
  }
  arenas_.give_back(std::move(instance), queue, in_order, last);
  if (dependencies.done == nullptr) return;
  core::check(clRetainEvent(last()), "clRetainEvent");
  *dependencies.done = last();
}

void NetworkPlan::run_observed(const std::vector<cl_mem>& inputs,
                               const std::vector<cl_mem>& outputs, Observer& observer) const {
  check(inputs, outputs);
  const cl::CommandQueue queue = device_.make_queue(CL_QUEUE_PROFILING_ENABLE);
  cl::Event wait_for;
  std::unique_ptr<Arenas::Instance> instance = arenas_.take(queue(), true, wait_for);
  try {
    if (wait_for() != nullptr) wait_for.wait();
    const RunMemory memory(lowered_, *instance, inputs, outputs);
    for (std::size_t i = 0; i < lowered_.steps.size(); ++i) {
      observer.after(i, memory, timed(*lowered_.steps[i], queue, memory));
    }
  } catch (...) {
    arenas_.lose();
    throw;
  }
  arenas_.give_back(std::move(instance), queue(), true, {});
}

}  // namespace clconv::net
