#include "runtime/joined.hpp"

#include <algorithm>

#include "runtime/chain_program.hpp"
#include "runtime/waking.hpp"

namespace clconv::core {
namespace {

// Which buffer of the chain's kernel each slot is. Not each region: hundreds of chunks would be hundreds of parameters.
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

struct Word {
  ChainProgram& program;
  Slots& slots;
  std::string operator()(const Region& region) const {
    return program.word(slots.index(region.slot), region.offset);
  }
  std::string operator()(const Number&) const { return {}; }
  template <class Scalar>
  std::string operator()(const Scalar& value) const {
    return program.word(value);
  }
};

bool has_number(const KernelStep& step) {
  return std::any_of(step.arguments().begin(), step.arguments().end(),
                     [](const Argument& one) { return std::holds_alternative<Number>(one.value); });
}

// A program of more tasks takes longer to compile than executions save: 50 s for 900 (PoCL 3.1, 2-core Zen 5, 2026-11).
constexpr std::size_t kMostTasks = 64;

class JoinedStep : public Step {
 public:
  JoinedStep(Device& device, ChainKernel chain, std::vector<int> slots)
      : Step("joined"),
        device_(device),
        chain_(std::move(chain)),
        slots_(std::move(slots)),
        workers_(chain_workers(device.profile())) {}

  void enqueue(cl_command_queue queue, Bindings& bindings, const Dependencies& d) override {
    ScratchPool::Lease state =
        device_.states().borrow(chain_.state_bytes, queue, is_in_order(queue));
    std::vector<cl_event> waits(d.list, d.list + d.count);
    if (state.wait_for() != nullptr) waits.push_back(state.wait_for());
    set(ChainKernel::kState, state.buffer());
    for (std::size_t i = 0; i < slots_.size(); ++i)
      set(ChainKernel::kFirstBuffer + static_cast<cl_uint>(i), bindings.resolve({slots_[i], 0, 0}));
    const std::size_t one = 1;
    cl_event done = nullptr;
    check(clEnqueueNDRangeKernel(queue, chain_.kernel(), 1, nullptr, &workers_, &one,
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
    check(clSetKernelArg(chain_.kernel(), index, sizeof(buffer), &buffer), "clSetKernelArg");
  }

  Device& device_;
  ChainKernel chain_;
  std::vector<int> slots_;
  std::size_t workers_;
};

}  // namespace

void join(Executable& executable, Device& device) {
  const Sequence& run = executable.run;
  if (run.size() < 2 || run.size() > kMostTasks || !has_slow_launches(device.profile())) return;
  if (launch_policy() == LaunchPolicy::kEach) return;
  ChainProgram program(device);
  Slots slots;
  for (std::size_t i = 0; i < run.size(); ++i) {
    const KernelStep* step = run.step(i).as_launch();
    if (step == nullptr || has_number(*step)) return;
    if (!may_be_task(step->kernel(), step->range(), device.cl())) return;
    std::vector<std::string> arguments;
    for (const Argument& argument : step->arguments())
      arguments.push_back(std::visit(Word{program, slots}, argument.value));
    program.add(step->kernel(), step->range(), arguments);
  }
  try {
    executable.joined.add(
        std::make_unique<JoinedStep>(device, program.build(slots.all().size()), slots.all()));
  } catch (const Error& error) {
    if (error.code() != Code::kBuildFailed) throw;  // the launches remain
  }
}

}  // namespace clconv::core
