#include "runtime/joined.hpp"

#include <algorithm>

#include "runtime/chain_program.hpp"
#include "runtime/waking.hpp"

namespace clconv::core {
namespace {

// Numbers the slots that launches use, in the order of the chain's buffers. Not their regions: of hundreds of chunks
// these would be hundreds of parameters.
class Slots {
 public:
  std::size_t index(int slot) {
    const auto found = std::find(all_.begin(), all_.end(), slot);
    if (found != all_.end()) return static_cast<std::size_t>(found - all_.begin());
    all_.push_back(slot);
    return all_.size() - 1;
  }
  const std::vector<int>& all() const { return all_; }

 private:
  std::vector<int> all_;
};

// An argument of a launch as one of a task.
struct ToChain {
  Slots& slots;
  ChainArgument operator()(const Region& region) const {
    return ChainBuffer{slots.index(region.slot), region.offset};
  }
  ChainArgument operator()(const Number&) const { return cl_float{0}; }  // not with has_number()
  template <class Scalar>
  ChainArgument operator()(const Scalar& value) const {
    return value;
  }
};

// Has it an argument whose value comes with each execution? A chain's scalars are set once.
bool has_number(const KernelStep& step) {
  return std::any_of(step.arguments().begin(), step.arguments().end(),
                     [](const Argument& one) { return std::holds_alternative<Number>(one.value); });
}

// A program of more tasks takes longer to compile than executions save: 50 s for 900 (PoCL 3.1, 2-core Zen 5, 2026-11).
constexpr std::size_t kMostTasks = 64;

class JoinedStep : public Step {
 public:
  JoinedStep(Device& device, const ChainProgram& program, ChainTable table, std::vector<int> slots)
      : Step("joined"),
        device_(device),
        kernel_(program.kernel()),
        table_(std::move(table)),
        slots_(std::move(slots)),
        workers_(chain_workers(device.profile())) {
    set(ChainProgram::kTable, table_.numbers());
  }

  void enqueue(cl_command_queue queue, Bindings& bindings, const Dependencies& d) override {
    ScratchPool::Lease state =
        device_.states().borrow(table_.state_bytes, queue, is_in_order(queue));
    std::vector<cl_event> waits(d.list, d.list + d.count);
    if (state.wait_for() != nullptr) waits.push_back(state.wait_for());
    set(ChainProgram::kState, state.buffer());
    for (std::size_t i = 0; i < slots_.size(); ++i)
      set(ChainProgram::kFirstBuffer + static_cast<cl_uint>(i),
          bindings.resolve({slots_[i], 0, 0}));
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
  std::vector<int> slots_;
  std::size_t workers_;
};

// The launches of both sequences, one after the other, as one; NULL where that cannot be.
std::unique_ptr<Step> joined_step(Device& device, const Sequence& first, const Sequence& second) {
  if (first.size() + second.size() > kMostTasks) return nullptr;
  std::vector<ChainTask> tasks;
  Slots slots;
  for (std::size_t i = 0; i < first.size() + second.size(); ++i) {
    const Step& one = i < first.size() ? first.step(i) : second.step(i - first.size());
    const KernelStep* step = one.as_launch();
    if (step == nullptr || has_number(*step)) return nullptr;
    const Kernel& kernel = step->kernel();
    if (!may_be_task(*kernel.text(), step->range())) return nullptr;
    ChainTask task{kernel.text(), kernel.function(), step->range().global[0], {}};
    for (const Argument& argument : step->arguments())
      task.arguments.push_back(std::visit(ToChain{slots}, argument.value));
    tasks.push_back(std::move(task));
  }
  try {
    const ChainProgram program(device, tasks, slots.all().size());
    return std::make_unique<JoinedStep>(device, program, *program.table_of(tasks), slots.all());
  } catch (const Error& error) {
    if (error.code() != Code::kBuildFailed) throw;
    return nullptr;  // the launches remain
  }
}

}  // namespace

void join(Executable& executable, Device& device, bool with_weights) {
  if (!has_slow_launches(device.profile()) || launch_policy() == LaunchPolicy::kEach) return;
  const auto fill = [&](Sequence& joined, const Sequence& first, const Sequence& second) {
    if (auto step = joined_step(device, first, second)) joined.add(std::move(step));
  };
  if (executable.run.size() >= (executable.share_launch ? 1U : 2U))
    fill(executable.joined, {}, executable.run);
  if (with_weights && !executable.prepare.empty())
    fill(executable.joined_with_weights, executable.prepare, executable.run);
}

}  // namespace clconv::core
