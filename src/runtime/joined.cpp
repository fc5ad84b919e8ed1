#include "runtime/joined.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "runtime/chain_program.hpp"
#include "runtime/waking.hpp"

namespace clconv::core {
namespace {

// Numbers the regions that launches use, in the order of the chain's buffers: each is bound as a buffer of its own.
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

// An argument of a launch as an expression in the chain's kernel.
struct Expression {
  ChainProgram& program;
  Regions& regions;
  std::string operator()(const Region& region) const {
    return program.expression(regions.index(region), 0);
  }
  std::string operator()(const Number&) const { return {}; }  // not with has_number()
  template <class Scalar>
  std::string operator()(const Scalar& value) const {
    return program.expression(value);
  }
};

// Has it an argument whose value comes with each execution? A chain's scalars are set once.
bool has_number(const KernelStep& step) {
  return std::any_of(step.arguments().begin(), step.arguments().end(),
                     [](const Argument& one) { return std::holds_alternative<Number>(one.value); });
}

class JoinedStep : public Step {
 public:
  JoinedStep(Device& device, ChainKernel chain, std::vector<Region> regions)
      : Step("joined"),
        device_(device),
        chain_(std::move(chain)),
        regions_(std::move(regions)),
        workers_(chain_workers(device.profile())) {}

  void enqueue(cl_command_queue queue, Bindings& bindings, const Dependencies& d) override {
    ScratchPool::Lease state =
        device_.states().borrow(chain_.state_bytes, queue, is_in_order(queue));
    std::vector<cl_event> waits(d.list, d.list + d.count);
    if (state.wait_for() != nullptr) waits.push_back(state.wait_for());
    set(ChainKernel::kState, state.buffer());
    for (std::size_t i = 0; i < regions_.size(); ++i)
      set(ChainKernel::kFirstBuffer + static_cast<cl_uint>(i), bindings.resolve(regions_[i]));
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
  std::vector<Region> regions_;
  std::size_t workers_;
};

}  // namespace

void join(Executable& executable, Device& device) {
  const Sequence& run = executable.run;
  if (run.size() < 2 || !has_slow_launches(device.profile())) return;
  if (launch_policy() == LaunchPolicy::kEach) return;
  ChainProgram program(device);
  Regions regions;
  for (std::size_t i = 0; i < run.size(); ++i) {
    const KernelStep* step = run.step(i).as_launch();
    if (step == nullptr || has_number(*step)) return;
    if (!may_be_task(step->kernel(), step->range(), device.cl())) return;
    std::vector<std::string> arguments;
    for (const Argument& argument : step->arguments())
      arguments.push_back(std::visit(Expression{program, regions}, argument.value));
    program.add(step->kernel(), step->range(), arguments);
  }
  try {
    executable.joined.add(
        std::make_unique<JoinedStep>(device, program.build(regions.all().size()), regions.all()));
  } catch (const Error& error) {
    if (error.code() != Code::kBuildFailed) throw;  // the launches remain
  }
}

}  // namespace clconv::core
