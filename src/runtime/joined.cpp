#include "runtime/joined.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "runtime/chain_program.hpp"
#include "runtime/waking.hpp"

namespace clconv::core {
namespace {

// Which buffer of the chain's kernel each region is: regions are bound one by one.
class Regions {
 public:
  std::size_t index(const Region& region) {
    const auto key = std::make_tuple(region.slot, region.offset, region.bytes);
    const auto found = indices_.find(key);
    if (found != indices_.end()) return found->second;
    all_.push_back(region);
    return indices_[key] = all_.size() - 1;
  }
  const std::vector<Region>& all() const { return all_; }

 private:
  std::map<std::tuple<int, std::int64_t, std::int64_t>, std::size_t> indices_;
  std::vector<Region> all_;
};

struct ToChain {
  Regions& regions;
  ChainArgument operator()(const Region& region) const {
    return ChainBuffer{regions.index(region), 0};
  }
  ChainArgument operator()(const Number&) const { return cl_float{0}; }
  template <class Scalar>
  ChainArgument operator()(const Scalar& value) const {
    return value;
  }
};

bool has_number(const KernelStep& step) {
  return std::any_of(step.arguments().begin(), step.arguments().end(),
                     [](const Argument& one) { return std::holds_alternative<Number>(one.value); });
}

class JoinedStep : public Step {
 public:
  JoinedStep(Device& device, const ChainProgram& program, ChainTable table,
             std::vector<Region> regions)
      : Step("joined"),
        device_(device),
        kernel_(program.kernel()),
        table_(std::move(table)),
        regions_(std::move(regions)),
        workers_(chain_workers(device.profile())) {
    set(ChainProgram::kTable, table_.numbers());
  }

  void enqueue(cl_command_queue queue, Bindings& bindings, const Dependencies& d) override {
    ScratchPool::Lease state =
        device_.states().borrow(table_.state_bytes, queue, is_in_order(queue));
    std::vector<cl_event> waits(d.list, d.list + d.count);
    if (state.wait_for() != nullptr) waits.push_back(state.wait_for());
    set(ChainProgram::kState, state.buffer());
    for (std::size_t i = 0; i < regions_.size(); ++i)
      set(ChainProgram::kFirstBuffer + static_cast<cl_uint>(i), bindings.resolve(regions_[i]));
    const std::size_t one = 1;
    cl_event done = nullptr;
    check(clEnqueueNDRangeKernel(queue, kernel_(), 1, nullptr, &workers_, &one,
                                 static_cast<cl_uint>(waits.size()),
                                 waits.empty() ? nullptr : waits.data(), &done),
          "clEnqueueNDRangeKernel");
    const cl::Event owned(done);
    state.enqueued(done);
    if (d.done == nullptr) return;
    check(clRetainEvent(done), "clRetainEvent");
    *d.done = done;
  }

 private:
  void set(cl_uint index, cl_mem buffer) {
    check(clSetKernelArg(kernel_(), index, sizeof(buffer), &buffer), "clSetKernelArg");
  }

  Device& device_;
  cl::Kernel kernel_;
  ChainTable table_;
  std::vector<Region> regions_;
  std::size_t workers_;
};

}  // namespace

void join(Executable& executable, Device& device) {
  const Sequence& run = executable.run;
  if (run.size() < (executable.share_launch ? 1 : 2) || !has_slow_launches(device.profile()))
    return;
  if (launch_policy() == LaunchPolicy::kEach) return;
  std::vector<ChainTask> tasks;
  Regions regions;
  for (std::size_t i = 0; i < run.size(); ++i) {
    const KernelStep* step = run.step(i).as_launch();
    if (step == nullptr || has_number(*step)) return;
    const Kernel& kernel = step->kernel();
    if (!may_be_task(*kernel.text(), step->range())) return;
    ChainTask task{kernel.text(), kernel.function(), step->range().global[0], {}};
    for (const Argument& argument : step->arguments())
      task.arguments.push_back(std::visit(ToChain{regions}, argument.value));
    tasks.push_back(std::move(task));
  }
  try {
    const ChainProgram program(device, tasks, regions.all().size());
    executable.joined.add(
        std::make_unique<JoinedStep>(device, program, *program.table_of(tasks), regions.all()));
  } catch (const Error& error) {
    if (error.code() != Code::kBuildFailed) throw;  // the launches remain
  }
}

}  // namespace clconv::core
