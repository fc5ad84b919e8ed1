// One kernel that does what several launches do, one after another: for CPUs whose threads lose time between launches.
// kernels/parts/chain.cl says how. Knows nothing of what is computed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/device.hpp"
#include "runtime/launch.hpp"
#include "runtime/merged_program.hpp"

namespace clconv::core {

// What a launch costs more than a task of a chain: the time between two launches, and, because its threads do not end
// at once, a fraction of its own time. PoCL 3.1, 2-core Zen 5, 2026-11, in us per launch: EfficientNet-Lite0 23 of 70,
// ResNet-50 12 of 300, AlexNet 45 of 500, Real-ESRGAN 60 of 800.
constexpr double kBetweenLaunchesUs = 14, kUnevenEnd = 0.04;

// What CLCONV_LAUNCHES asks for.
enum class LaunchPolicy { kWhereItPays, kEach, kChained };
// Throws Error{kInvalidArgument} for a value of the variable that is none.
LaunchPolicy launch_policy();

// Only launches in one dimension, with work-groups of one work-item, of a program that was built from source.
bool may_be_task(const cl::Kernel& kernel, const Range& range, const cl::Device& device);

// How many work-groups a chain is launched with: one for each core.
std::size_t chain_workers(const DeviceProfile& profile);

// The kernel of a chain, and the buffer that it reads the scalar arguments of its tasks from, which it does not keep
// alive itself.
struct ChainKernel {
  // The parameters that are left to set: a buffer of state_bytes, all of them 0 before a run and after it, and the
  // buffers that the tasks work on.
  static constexpr cl_uint kState = 0, kFirstBuffer = 4;

  cl::Kernel kernel;
  cl::Buffer scalars;
  std::int64_t state_bytes = 0;
};

// Puts the text of a chain's kernel together. Scalar arguments are read from a buffer, so that one program serves all
// sizes. They are no literals in the text also because a compiler that knows the sizes spills the sums of `filters`,
// which costs 15 % of its time (PoCL 3.1).
class ChainProgram {
 public:
  explicit ChainProgram(Device& device) : device_(device) {}

  // Adds a task: a launch whose arguments are these expressions.
  void add(const cl::Kernel& kernel, const Range& range, const std::vector<std::string>& arguments);
  // An argument as an expression in the kernel: a scalar,
  std::string expression(cl_int value) { return "(int)" + scalar(value); }
  std::string expression(cl_long value) { return scalar(value); }
  std::string expression(cl_float value);
  // or byte `offset` of buffer `index` of the chain's kernel.
  std::string expression(std::size_t index, std::int64_t offset);

  // The kernel takes `buffers` buffers. Throws Error{kBuildFailed} where the device's compiler does not take it.
  ChainKernel build(std::size_t buffers) const;

  std::size_t tasks() const { return count_; }

 private:
  std::string scalar(cl_long value);
  std::size_t program_index(const cl::Kernel& kernel);

  Device& device_;
  std::vector<ProgramText> programs_;
  std::vector<cl_long> scalars_;
  std::string tasks_;  // statements of the kernel
  std::size_t count_ = 0;
  std::size_t memory_bytes_ = 1;  // of local memory, for any one task
};

}  // namespace clconv::core
