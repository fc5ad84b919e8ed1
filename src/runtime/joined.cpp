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

struct Word {
  ChainProgram& program;
  Regions& regions;
  std::string operator()(const Region& region) const {
    return program.word(regions.index(region), 0);
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

// The launches of both sequences, one after the other, as one; NULL where that cannot be.
std::unique_ptr<Step> joined_step(Device& device, const Sequence& first, const Sequence& second) {
  ChainProgram program(device);
  Regions regions;
  for (std::size_t i = 0; i < first.size() + second.size(); ++i) {
    const Step& one = i < first.size() ? first.step(i) : second.step(i - first.size());
    const KernelStep* step = one.as_launch();
    if (step == nullptr || has_number(*step)) return nullptr;
    if (!may_be_task(step->kernel(), step->range(), device.cl())) return nullptr;
    std::vector<std::string> arguments;
    for (const Argument& argument : step->arguments())
      arguments.push_back(std::visit(Word{program, regions}, argument.value));
    program.add(step->kernel(), step->range(), arguments);
  }
  try {
    return std::make_unique<JoinedStep>(device, program.build(regions.all().size()), regions.all());
  } catch (const Error& error) {
    if (error.code() != Code::kBuildFailed) throw;
    return nullptr;  // the launches remain
  }
}

}  // namespace

void join(Executable& executable, Device& device, bool with_weights) {
  if (!has_slow_launches(device.profile()) || launch_policy() == LaunchPolicy::kEach) return;
  const auto fill = [&](Sequence& joined, const Sequence& first, const Sequence& second) {
    if (first.size() + second.size() < 2) return;
    if (auto step = joined_step(device, first, second)) joined.add(std::move(step));
  };
  fill(executable.joined, {}, executable.run);
  if (with_weights && !executable.prepare.empty())
    fill(executable.joined_with_weights, executable.prepare, executable.run);
}

}  // namespace clconv::core
