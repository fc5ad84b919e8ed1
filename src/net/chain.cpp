#include "net/chain.hpp"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "error.hpp"
#include "net/choice.hpp"
#include "runtime/files.hpp"
#include "runtime/merged_program.hpp"
#include "runtime/processor.hpp"
#include "runtime/waking.hpp"

namespace clconv::net {
namespace {

// kernels/parts/chain.cl: bytes of `state` per task, and of what follows the tasks.
constexpr std::int64_t kTaskBytes = 2 * 32 * sizeof(cl_int);
// What a launch of its own costs more than a task of a chain: the time between two of them, and that its threads do not
// end at once, in parts of its time. PoCL 3.1, 2-core Zen 5, 2026-11, in us per launch: EfficientNet-Lite0 23 of 70,
// ResNet-50 12 of 300, AlexNet 45 of 500, Real-ESRGAN 60 of 800.
constexpr double kLaunchUs = 14, kUnevenEnd = 0.04;
// Parameters of the kernel that are no buffers, and room for what a driver adds.
constexpr std::size_t kOtherParameters = 8;

bool is_task(const Launch& launch) {
  return launch.range.local == std::array<std::size_t, 3>{1, 1, 1} && launch.range.global[1] == 1 &&
         launch.range.global[2] == 1 &&
         launch.range.global[0] <= static_cast<std::size_t>(INT32_MAX / 2);
}

Location location_of(const Launch::Part& part, const std::vector<Location>& locations) {
  if (part.buffer == Launch::Part::kWorkspace) return {part.buffer, part.offset};
  const Location& at = locations[static_cast<std::size_t>(part.buffer)];
  return {at.root, at.offset + part.offset};
}

// The text of a chain's program, task by task.
class Source {
 public:
  Source(const cl::Device& device, const std::vector<Location>& locations)
      : device_(device), locations_(locations) {}

  void add(const Launch& launch) {
    const std::string name = launch.kernel.getInfo<CL_KERNEL_FUNCTION_NAME>().c_str();
    const std::string items = std::to_string(launch.range.global[0]);
    tasks_ += "  TASK(" + std::to_string(count_++) + ", " + items + ", " +
              core::merged_name(name, program(launch.kernel)) + "(item, " + items + ", memory";
    for (const auto& argument : launch.arguments)
      tasks_ += ", " + std::visit(Word{*this}, argument);
    tasks_ += "))\n";
    memory_bytes_ = std::max(memory_bytes_, core::chain_memory_bytes(launch.kernel, device_));
  }

  std::string text() const {
    std::string text = "// parts: chain\n" + core::merged_source(programs_) +
                       "#line 1 \"tasks\"\nkernel __attribute__((reqd_work_group_size(1, 1, 1)))\n"
                       "void chain(volatile global int* state, int workers, local char* memory";
    for (std::size_t i = 0; i < roots_.size(); ++i)
      text += ", global char* b" + std::to_string(i);
    return text + ") {\n" + tasks_ + "  LEAVE(" + std::to_string(count_) + ")\n}\n";
  }

  std::int64_t tasks() const { return count_; }
  std::size_t programs() const { return programs_.size(); }
  std::size_t memory_bytes() const { return memory_bytes_; }
  const std::vector<BufferId>& roots() const { return roots_; }

 private:
  struct Word {
    Source& source;
    std::string operator()(const Launch::Part& part) const { return source.pointer(part); }
    std::string operator()(cl_int value) const { return std::to_string(value); }
    std::string operator()(cl_long value) const { return std::to_string(value) + "L"; }
    std::string operator()(cl_float value) const {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &value, sizeof(bits));
      char word[32];
      std::snprintf(word, sizeof(word), "as_float(0x%08" PRIx32 "u)", bits);
      return word;
    }
  };

  std::string pointer(const Launch::Part& part) {
    if (part.buffer == kNoBuffer) return "0";
    const Location at = location_of(part, locations_);
    auto found = std::find(roots_.begin(), roots_.end(), at.root);
    if (found == roots_.end()) found = roots_.insert(roots_.end(), at.root);
    return "(global void*)(b" + std::to_string(found - roots_.begin()) + " + " +
           std::to_string(at.offset) + "L)";
  }

  std::size_t program(const cl::Kernel& kernel) {
    core::ProgramText text = core::text_of(kernel, device_);
    const auto found = std::find(programs_.begin(), programs_.end(), text);
    if (found != programs_.end()) return static_cast<std::size_t>(found - programs_.begin());
    programs_.push_back(std::move(text));
    return programs_.size() - 1;
  }

  const cl::Device& device_;
  const std::vector<Location>& locations_;
  std::vector<core::ProgramText> programs_;
  std::vector<BufferId> roots_;
  std::string tasks_;
  std::int64_t count_ = 0;
  std::size_t memory_bytes_ = 1;
};

// A run of steps that may become a chain.
struct Segment {
  std::size_t first = 0, last = 0;
};

bool may_chain(const Step& step, const cl::Device& device) {
  const std::vector<Launch> launches = step.launches();
  return !launches.empty() &&
         std::all_of(launches.begin(), launches.end(), [&](const Launch& launch) {
           return is_task(launch) && !core::text_of(launch.kernel, device).source.empty();
         });
}

// Buffers of a step's launches, once each.
void add_roots(const Step& step, const std::vector<Location>& locations,
               std::vector<BufferId>& roots) {
  for (const Launch& launch : step.launches()) {
    for (const auto& argument : launch.arguments) {
      const auto* part = std::get_if<Launch::Part>(&argument);
      if (part == nullptr || part->buffer == kNoBuffer) continue;
      const BufferId root = location_of(*part, locations).root;
      if (std::find(roots.begin(), roots.end(), root) == roots.end()) roots.push_back(root);
    }
  }
}

// As long as possible each: until a step that is none, or more buffers than a kernel may have parameters.
std::vector<Segment> segments_of(const cl::Device& device,
                                 const std::vector<std::unique_ptr<Step>>& steps,
                                 const std::vector<Location>& locations) {
  const std::size_t most =
      device.getInfo<CL_DEVICE_MAX_PARAMETER_SIZE>() / sizeof(cl_mem) - kOtherParameters;
  std::vector<Segment> segments;
  std::vector<BufferId> roots;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!may_chain(*steps[i], device)) continue;
    std::vector<BufferId> with = segments.empty() ? std::vector<BufferId>() : roots;
    add_roots(*steps[i], locations, with);
    if (!segments.empty() && segments.back().last == i && with.size() <= most) {
      segments.back().last = i + 1;
      roots = std::move(with);
      continue;
    }
    segments.push_back({i, i + 1});
    roots.clear();
    add_roots(*steps[i], locations, roots);
  }
  return segments;
}

// As many as have a core of their own.
std::size_t workers_of(const core::DeviceProfile& profile) {
  const std::int64_t usable = core::usable_cpus();
  const std::int64_t units = std::max<std::int64_t>(profile.compute_units, 1);
  return static_cast<std::size_t>(usable > 0 ? std::min(units, usable) : units);
}

// Of the prediction of a step, what is there because its `launches` are launches.
double launching_us(const Step& step, double launches, const core::DeviceProfile& profile) {
  const auto units = static_cast<double>(profile.compute_units);
  const double us = std::max(step.predicted_us() / launches - profile.launch_us, 0.0);
  return launches * (profile.launch_us + core::waking_us(profile, us / 2, units));
}

// Does it take less time of the cores than compiling does?
bool pays(const Segment& segment, core::Device& device,
          const std::vector<std::unique_ptr<Step>>& steps, double runs) {
  std::vector<core::ProgramText> programs;
  double launches = 0, us = 0;
  for (std::size_t i = segment.first; i < segment.last; ++i) {
    us += std::max(steps[i]->predicted_us(), 0.0);
    for (const Launch& launch : steps[i]->launches()) {
      ++launches;
      core::ProgramText text = core::text_of(launch.kernel, device.cl());
      if (std::find(programs.begin(), programs.end(), text) == programs.end())
        programs.push_back(std::move(text));
    }
  }
  if (launches < 2) return false;
  const auto cores = static_cast<double>(workers_of(device.profile()));
  return (launches * kLaunchUs + us * kUnevenEnd) * cores * runs >
         kCompileUs * static_cast<double>(programs.size());
}

}  // namespace

Chain::Chain(core::Device& device, const std::vector<std::unique_ptr<Step>>& steps,
             std::size_t first, std::size_t last, const std::vector<Location>& locations)
    : first_(first), last_(last), workers_(workers_of(device.profile())) {
  Source source(device.cl(), locations);
  for (std::size_t i = first; i < last; ++i) {
    const std::vector<Launch> launches = steps[i]->launches();
    for (const Launch& launch : launches)
      source.add(launch);
    spared_us_ += launching_us(*steps[i], static_cast<double>(launches.size()), device.profile());
  }
  spared_us_ -= spared_us_ / static_cast<double>(source.tasks());
  state_bytes_ = (source.tasks() + 1) * kTaskBytes;
  roots_ = source.roots();
  kernel_ = device.generated_kernel(source.text(), "chain", "-w");
  kernel_.setArg(1, static_cast<cl_int>(workers_));
  core::check(clSetKernelArg(kernel_(), 2, source.memory_bytes(), nullptr), "clSetKernelArg");
}

void Chain::enqueue(cl_command_queue queue, const Memory& memory, cl_mem state,
                    const core::Dependencies& dependencies) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto set = [&](cl_uint index, cl_mem buffer) {
    core::check(clSetKernelArg(kernel_(), index, sizeof(buffer), &buffer), "clSetKernelArg");
  };
  set(0, state);
  for (std::size_t i = 0; i < roots_.size(); ++i) {
    const BufferId root = roots_[i];
    set(static_cast<cl_uint>(3 + i), root == Location::kArena           ? memory.arena()
                                     : root == Launch::Part::kWorkspace ? memory.workspace()
                                                                        : memory.buffer(root));
  }
  const std::size_t one = 1;
  core::check(clEnqueueNDRangeKernel(queue, kernel_(), 1, nullptr, &workers_, &one,
                                     dependencies.count, dependencies.list, dependencies.done),
              "clEnqueueNDRangeKernel");
}

namespace {

enum class Policy { kWhereItPays, kEach, kChained };

// CLCONV_LAUNCHES.
Policy policy() {
  const std::string word = core::environment("CLCONV_LAUNCHES");
  if (word.empty()) return Policy::kWhereItPays;
  if (word == "each") return Policy::kEach;
  if (word == "chained") return Policy::kChained;
  throw core::Error(core::Code::kInvalidArgument,
                    "CLCONV_LAUNCHES is '" + word + "', expected each or chained");
}

}  // namespace

std::vector<std::unique_ptr<Chain>> make_chains(core::Device& device,
                                                const std::vector<std::unique_ptr<Step>>& steps,
                                                const std::vector<Location>& locations,
                                                double runs) {
  std::vector<std::unique_ptr<Chain>> chains;
  const core::DeviceProfile& profile = device.profile();
  // What is said of launches holds for PoCL, which alone keeps compiled kernels.
  const bool pocl_cpu = profile.family == core::Family::kCpu && profile.driver_cache;
  const Policy wanted = policy();
  if (wanted == Policy::kEach || !pocl_cpu) return chains;
  for (const Segment& segment : segments_of(device.cl(), steps, locations)) {
    if (wanted == Policy::kWhereItPays && !pays(segment, device, steps, runs)) continue;
    try {
      chains.push_back(
          std::make_unique<Chain>(device, steps, segment.first, segment.last, locations));
    } catch (const core::Error& error) {
      if (error.code() != core::Code::kBuildFailed) throw;  // its steps are launched one by one
    }
  }
  return chains;
}

}  // namespace clconv::net
