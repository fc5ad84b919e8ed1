#include "net/chain.hpp"

#include <algorithm>
#include <set>

#include "error.hpp"
#include "net/choice.hpp"
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

// Numbers the buffers that launches use, in the order of the chain's parameters, and gives each argument of a launch as
// an expression in the chain's kernel.
class Roots {
 public:
  Roots(const std::vector<Location>& locations, core::ChainProgram& program)
      : locations_(locations), program_(program) {}

  std::string operator()(const Launch::Part& part) {
    if (part.buffer == kNoBuffer) return "0";
    const Location at = location_of(part, locations_);
    auto found = std::find(all_.begin(), all_.end(), at.root);
    if (found == all_.end()) found = all_.insert(all_.end(), at.root);
    return program_.expression(static_cast<std::size_t>(found - all_.begin()), at.offset);
  }
  template <class Scalar>
  std::string operator()(const Scalar& value) {
    return program_.expression(value);
  }

  const std::vector<BufferId>& all() const { return all_; }

 private:
  const std::vector<Location>& locations_;
  core::ChainProgram& program_;
  std::vector<BufferId> all_;
};

// Steps [first, last) of a plan, all of which may be part of one chain.
struct Segment {
  std::size_t first = 0, last = 0;
};

bool may_chain(const StepLaunches& step, const cl::Device& device) {
  return !step.launches.empty() &&
         std::all_of(step.launches.begin(), step.launches.end(), [&](const Launch& launch) {
           return core::may_be_task(launch.kernel, launch.range, device);
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
    if (!may_chain(steps[i], device)) continue;
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

// Does it spare more time of the cores, over all runs, than compiling its kernels once more takes?
bool pays(const Segment& segment, const core::DeviceProfile& profile,
          const std::vector<StepLaunches>& steps, double runs) {
  std::set<cl_program> programs;
  double us = 0;
  for (std::size_t i = segment.first; i < segment.last; ++i) {
    us += std::max(steps[i].step->predicted_us(), 0.0);
    for (const Launch& launch : steps[i].launches)
      programs.insert(launch.kernel.getInfo<CL_KERNEL_PROGRAM>()());
  }
  const auto launches = static_cast<double>(launches_of(segment, steps));
  const auto cores = static_cast<double>(core::chain_workers(profile));
  return (launches * core::kBetweenLaunchesUs + us * core::kUnevenEnd) * cores * runs >
         kCompileUs * static_cast<double>(programs.size());
}

}  // namespace

Chain::Chain(core::Device& device, const std::vector<StepLaunches>& steps, std::size_t first,
             std::size_t last, const std::vector<Location>& locations)
    : first_(first), last_(last), workers_(core::chain_workers(device.profile())) {
  core::ChainProgram program(device);
  Roots roots(locations, program);
  for (std::size_t i = first; i < last; ++i) {
    for (const Launch& launch : steps[i].launches) {
      std::vector<std::string> arguments;
      for (const auto& argument : launch.arguments)
        arguments.push_back(std::visit(roots, argument));
      program.add(launch.kernel, launch.range, arguments);
    }
    if (i > first) spared_us_ += launching_us(*steps[i].step, device.profile());
  }
  roots_ = roots.all();
  chain_ = program.build(roots_.size());
}

void Chain::enqueue(cl_command_queue queue, const Memory& memory, cl_mem state,
                    const core::Dependencies& dependencies) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto set = [&](cl_uint index, cl_mem buffer) {
    core::check(clSetKernelArg(chain_.kernel(), index, sizeof(buffer), &buffer), "clSetKernelArg");
  };
  set(core::ChainKernel::kState, state);
  for (std::size_t i = 0; i < roots_.size(); ++i) {
    const BufferId root = roots_[i];
    set(core::ChainKernel::kFirstBuffer + static_cast<cl_uint>(i),
        root == Location::kArena           ? memory.arena()
        : root == Launch::Part::kWorkspace ? memory.workspace()
                                           : memory.buffer(root));
  }
  const std::size_t one = 1;
  core::check(clEnqueueNDRangeKernel(queue, chain_.kernel(), 1, nullptr, &workers_, &one,
                                     dependencies.count, dependencies.list, dependencies.done),
              "clEnqueueNDRangeKernel");
}

std::vector<std::unique_ptr<Chain>> make_chains(core::Device& device,
                                                const std::vector<std::unique_ptr<Step>>& steps,
                                                const std::vector<Location>& locations,
                                                double runs) {
  std::vector<std::unique_ptr<Chain>> chains;
  const core::LaunchPolicy wanted = core::launch_policy();
  if (wanted == core::LaunchPolicy::kEach || !core::has_slow_launches(device.profile()))
    return chains;
  std::vector<StepLaunches> all;
  for (const auto& step : steps)
    all.push_back({step.get(), step->launches()});
  for (const Segment& segment : segments_of(device.cl(), all, locations)) {
    if (launches_of(segment, all) < 2) continue;
    if (wanted == core::LaunchPolicy::kWhereItPays && !pays(segment, device.profile(), all, runs))
      continue;
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
