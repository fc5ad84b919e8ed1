#include "planner/plan.hpp"

#include <algorithm>

#include "runtime/buffers.hpp"

namespace clconv::core {
namespace {

// Of a batch of 0, whatever was chosen: gradients that sum over the batch are 0, or with `accumulate` what they were.
std::unique_ptr<const Executable> executable_of_empty_batch(const Problem& p) {
  auto executable = std::make_unique<Executable>();
  const Tensor result = result_of(p);
  if (bytes_of(p, result) > 0 && !p.accumulate) {
    executable->run.add(
        std::make_unique<FillStep>("zero", Region{static_cast<int>(result)}, bytes_of(p, result)));
  }
  return executable;
}

std::unique_ptr<const Executable> compiled(const Report& report, Device& device,
                                           Launches launches) {
  if (report.problem.empty()) return executable_of_empty_batch(report.problem);
  const ReportEntry& choice = report.choice();
  return executable_of(*choice.strategy, report.problem, choice.candidate.config, device, launches);
}

}  // namespace

Plan::Plan(Device& device, Report report, Launches launches)
    : device_(device),
      report_(std::move(report)),
      executable_(compiled(report_, device, launches)),
      who_("the plan for " + to_text(report_.problem)) {}

std::int64_t Plan::workspace_bytes(bool prepared) const {
  return prepared ? executable_->workspace_bytes
                  : executable_->workspace_bytes_with_weights(device_.profile());
}

Bindings Plan::bind(const Operands& operands, std::int64_t workspace_bytes) const {
  const Problem& p = report_.problem;
  const bool prepared = executable_->prepared_weights_bytes > 0 && operands.prepared != nullptr;
  Bindings bindings;
  std::vector<BufferUse> uses;
  uses.reserve(kTensors + 2);
  const auto bind_tensor = [&](Tensor tensor, Access access) {
    const cl_mem buffer = operands.tensors[static_cast<std::size_t>(tensor)];
    uses.push_back({name_of(p, tensor), buffer, span_bytes_of(p, tensor), access});
    bindings.bind(static_cast<int>(tensor), buffer);
  };
  for (const Tensor tensor : inputs_of(p)) {
    if (tensor != Tensor::kW || !prepared) bind_tensor(tensor, Access::kRead);
  }
  bind_tensor(result_of(p), p.accumulate ? Access::kUpdate : Access::kWrite);
  if (prepared) {
    if (operands.prepared == operands.tensors[static_cast<std::size_t>(Tensor::kW)]) {
      throw Error(
          Code::kInvalidArgument,
          "buffers prepared and w are one: prepared is what clconv_plan_prepare() has written");
    }
    uses.push_back({"prepared", operands.prepared, executable_->prepared_weights_bytes});
    bindings.bind(kPreparedSlot, operands.prepared);
  }
  if (operands.workspace != nullptr) {
    // Also where this plan needs none: another strategy's would.
    uses.push_back({"workspace", operands.workspace, std::max<std::int64_t>(1, workspace_bytes),
                    Access::kUpdate});
  }
  bindings.bind(kWorkspaceSlot, operands.workspace);
  check_buffers(device_, uses, who_);
  return bindings;
}

void Plan::prepare(cl_command_queue queue, cl_mem weights, cl_mem prepared,
                   const Dependencies& dependencies) const {
  check_queue(device_, queue);
  check_wait_list(device_, dependencies.count, dependencies.list);
  check_buffers(
      device_,
      {{"w", weights, executable_->prepared_weights_bytes > 0 ? report_.problem.w_bytes() : 0},
       {"prepared", prepared, executable_->prepared_weights_bytes, Access::kWrite}},
      who_);
  Bindings bindings;
  bindings.bind(kWeightsSlot, weights);
  bindings.bind(kPreparedSlot, prepared);
  executable_->prepare.enqueue(queue, bindings, dependencies);
}

void Plan::execute(cl_command_queue queue, const Operands& operands, const Dependencies& d) const {
  const bool in_order = check_queue(device_, queue);
  check_wait_list(device_, d.count, d.list);
  const Provided provided{operands.workspace != nullptr, operands.prepared != nullptr};
  Bindings bindings = bind(operands, workspace_bytes(provided.prepared));
  enqueue(*executable_, device_, queue, in_order, bindings, provided, d);
}

std::vector<StepTime> Plan::profile(const Operands& operands) const {
  Bindings bindings = bind(operands, executable_->workspace_bytes);
  cl::CommandQueue queue = device_.make_queue(CL_QUEUE_PROFILING_ENABLE);
  const bool packs = executable_->prepared_weights_bytes > 0 && operands.prepared == nullptr;
  const std::int64_t limit = device_.profile().max_allocation_bytes;
  cl::Buffer workspace, packed;
  if (operands.workspace == nullptr) {
    workspace = allocate(device_.context(), executable_->workspace_bytes, limit, "workspace");
    bindings.bind(kWorkspaceSlot, workspace());
  }
  std::vector<StepTime> times;
  if (packs) {
    packed = allocate(device_.context(), executable_->prepared_weights_bytes, limit, "weights");
    bindings.bind(kPreparedSlot, packed());
    times = executable_->prepare.profile(queue(), bindings);
  }
  for (StepTime& time : executable_->run.profile(queue(), bindings))
    times.push_back(std::move(time));
  return times;
}

}  // namespace clconv::core
