#include "net/chain.hpp"

#include <algorithm>

#include "error.hpp"
#include "runtime/chain_program.hpp"
#include "runtime/waking.hpp"

namespace clconv::net {
namespace {

// Parameters of the kernel that are not the plan's buffers, and room for what a driver adds.
constexpr std::size_t kOtherParameters = 8;

Location location_of(const Launch::Part& part, const std::vector<Location>& locations) {
  if (part.buffer == Launch::Part::kWorkspace) return {part.buffer, part.offset};
  const Location& at = locations[static_cast<std::size_t>(part.buffer)];
  return {at.root, at.offset + part.offset};
}

// Numbers the buffers that launches use, in the order of the chain's parameters, and turns each argument of a launch
// into one of a task.
class Roots {
 public:
  explicit Roots(const std::vector<Location>& locations) : locations_(locations) {}

  core::ChainArgument operator()(const Launch::Part& part) {
    if (part.buffer == kNoBuffer) return core::ChainBuffer{};
    const Location at = location_of(part, locations_);
    auto found = std::find(all_.begin(), all_.end(), at.root);
    if (found == all_.end()) found = all_.insert(all_.end(), at.root);
    return core::ChainBuffer{static_cast<std::size_t>(found - all_.begin()), at.offset};
  }
  template <class Scalar>
  core::ChainArgument operator()(const Scalar& value) {
    return value;
  }

  const std::vector<BufferId>& all() const { return all_; }

 private:
  const std::vector<Location>& locations_;
  std::vector<BufferId> all_;
};

// The same where buffers have their numbers already.
struct OfBuffers {
  core::ChainArgument operator()(const Launch::Part& part) const {
    if (part.buffer == kNoBuffer) return core::ChainBuffer{};
    return core::ChainBuffer{static_cast<std::size_t>(part.buffer), part.offset};
  }
  template <class Scalar>
  core::ChainArgument operator()(const Scalar& value) const {
    return value;
  }
};

// Steps [first, last) of a plan, all of which may be part of one chain.
struct Segment {
  std::size_t first = 0, last = 0;
};

bool may_chain(const StepLaunches& step) {
  return !step.launches.empty() &&
         std::all_of(step.launches.begin(), step.launches.end(), [&](const Launch& launch) {
           return core::may_be_task(*launch.program, launch.range);
         });
}

// Adds the buffers of a step's launches that are not in `roots` yet.
void add_roots(const StepLaunches& step, const std::vector<Location>& locations,
               std::vector<BufferId>& roots) {
  for (const Launch& launch : step.launches) {
    for (const auto& argument : launch.arguments) {
      const auto* part = std::get_if<Launch::Part>(&argument);
      if (part == nullptr || part->buffer == kNoBuffer) continue;
      const BufferId root = location_of(*part, locations).root;
      if (std::find(roots.begin(), roots.end(), root) == roots.end()) roots.push_back(root);
    }
  }
}

// Each as long as possible: up to a step that cannot be part of a chain, or until there are more buffers than a kernel
// may have parameters.
std::vector<Segment> segments_of(const cl::Device& device, const std::vector<StepLaunches>& steps,
                                 const std::vector<Location>& locations) {
  const std::size_t most =
      device.getInfo<CL_DEVICE_MAX_PARAMETER_SIZE>() / sizeof(cl_mem) - kOtherParameters;
  std::vector<Segment> segments;
  std::vector<BufferId> roots;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!may_chain(steps[i])) continue;
    std::vector<BufferId> with = roots;
    add_roots(steps[i], locations, with);
    if (!segments.empty() && segments.back().last == i && with.size() <= most) {
      segments.back().last = i + 1;
      roots = std::move(with);
      continue;
    }
    segments.push_back({i, i + 1});
    roots.clear();
    add_roots(steps[i], locations, roots);
  }
  return segments;
}

// How much of a step's predicted time is for its launch: enqueueing it, and waiting for threads that wake up. The rest
// is work. waking_us() asks for the work alone: of a short step on two threads that is half of waiting and working, and
// of a longer one it makes no difference.
double launching_us(const Step& step, const core::DeviceProfile& profile) {
  const double waiting_and_working = std::max(step.predicted_us() - profile.launch_us, 0.0);
  return profile.launch_us + core::waking_us(profile, waiting_and_working / 2,
                                             static_cast<double>(profile.compute_units));
}

std::size_t launches_of(const Segment& segment, const std::vector<StepLaunches>& steps) {
  std::size_t launches = 0;
  for (std::size_t i = segment.first; i < segment.last; ++i)
    launches += steps[i].launches.size();
  return launches;
}

}  // namespace

Chain::Chain(core::Device& device, const std::vector<StepLaunches>& steps, std::size_t first,
             std::size_t last, const std::vector<Location>& locations)
    : device_(device), first_(first), last_(last), workers_(core::chain_workers(device.profile())) {
  std::vector<core::ChainTask> tasks;
  Roots roots(locations);
  for (std::size_t i = first; i < last; ++i) {
    for (const Launch& launch : steps[i].launches) {
      core::ChainTask task{launch.program, launch.kernel, launch.range.global[0], {}};
      for (const auto& argument : launch.arguments)
        task.arguments.push_back(std::visit(roots, argument));
      tasks.push_back(std::move(task));
    }
    if (i > first) spared_us_ += launching_us(*steps[i].step, device.profile());
  }
  roots_ = roots.all();
  program_ = std::make_unique<core::ChainProgram>(device, tasks, roots_.size());
  table_ = *program_->table_of(tasks);
}

template <class Buffer>
void Chain::launch(cl_command_queue queue, const core::ChainTable& table, cl_mem state,
                   Buffer&& buffer, const core::Dependencies& dependencies) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const cl_kernel kernel = program_->kernel()();
  const auto set = [&](cl_uint index, cl_mem one) {
    core::check(clSetKernelArg(kernel, index, sizeof(one), &one), "clSetKernelArg");
  };
  set(core::ChainProgram::kState, state);
  set(core::ChainProgram::kTable, table.numbers());
  for (std::size_t i = 0; i < roots_.size(); ++i)
    set(core::ChainProgram::kFirstBuffer + static_cast<cl_uint>(i), buffer(i));
  const std::size_t one = 1;
  core::check(clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &workers_, &one, dependencies.count,
                                     dependencies.list, dependencies.done),
              "clEnqueueNDRangeKernel");
}

void Chain::enqueue(cl_command_queue queue, const Memory& memory, cl_mem state,
                    const core::Dependencies& dependencies) const {
  const auto buffer = [&](std::size_t i) {
    return roots_[i] == Location::kArena           ? memory.arena()
           : roots_[i] == Launch::Part::kWorkspace ? memory.workspace()
                                                   : memory.buffer(roots_[i]);
  };
  launch(queue, table_, state, buffer, dependencies);
}

bool Chain::run(const cl::CommandQueue& queue, const std::vector<Launch>& launches,
                const std::vector<cl_mem>& buffers) const {
  if (buffers.size() > roots_.size()) return false;
  std::vector<core::ChainTask> tasks;
  for (const Launch& one : launches) {
    if (!core::may_be_task(*one.program, one.range)) return false;
    core::ChainTask task{one.program, one.kernel, one.range.global[0], {}};
    for (const auto& argument : one.arguments)
      task.arguments.push_back(std::visit(OfBuffers{}, argument));
    tasks.push_back(std::move(task));
  }
  const auto table = program_->table_of(tasks);
  if (!table) return false;
  std::vector<char> zeroes(static_cast<std::size_t>(table->state_bytes), 0);
  const cl::Buffer state(device_.context(), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, zeroes.size(),
                         zeroes.data());
  const auto buffer = [&](std::size_t i) { return i < buffers.size() ? buffers[i] : nullptr; };
  launch(queue(), *table, state(), buffer, {});
  core::check(clFinish(queue()), "clFinish");
  return true;
}

bool makes_chains(const core::Device& device) {
  return core::launch_policy() != core::LaunchPolicy::kEach &&
         core::has_slow_launches(device.profile());
}

std::vector<std::unique_ptr<Chain>> make_chains(core::Device& device,
                                                const std::vector<std::unique_ptr<Step>>& steps,
                                                const std::vector<Location>& locations) {
  std::vector<std::unique_ptr<Chain>> chains;
  if (!makes_chains(device)) return chains;
  std::vector<StepLaunches> all;
  for (const auto& step : steps)
    all.push_back({step.get(), step->launches()});
  for (const Segment& segment : segments_of(device.cl(), all, locations)) {
    if (launches_of(segment, all) < 2) continue;
    try {
      chains.push_back(
          std::make_unique<Chain>(device, all, segment.first, segment.last, locations));
    } catch (const core::Error& error) {
      if (error.code() != core::Code::kBuildFailed) throw;  // its steps are launched one by one
    }
  }
  return chains;
}

}  // namespace clconv::net
