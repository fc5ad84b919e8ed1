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

// What a launch of its own costs more than a task of a chain: the time between two of them, and that its threads do not
// end at once, in parts of its time. PoCL 3.1, 2-core Zen 5, 2026-11, in us per launch: EfficientNet-Lite0 23 of 70,
// ResNet-50 12 of 300, AlexNet 45 of 500, Real-ESRGAN 60 of 800.
constexpr double kBetweenLaunchesUs = 14, kUnevenEnd = 0.04;

// CLCONV_LAUNCHES.
enum class LaunchPolicy { kWhereItPays, kEach, kChained };
// Throws Error{kInvalidArgument} for another value.
LaunchPolicy launch_policy();

// Work-groups of one item, in one dimension, of a program that was built from source.
bool may_be_task(const cl::Kernel& kernel, const Range& range, const cl::Device& device);

// As many as have a core of their own: how many work-groups a chain is launched with.
std::size_t chain_workers(const DeviceProfile& profile);

// The kernel of a chain, and the buffer that it reads sizes from. The kernel does not keep that alive.
struct ChainKernel {
  // The parameters that are left to set: a buffer of state_bytes, all of them 0 before a run and afterwards, and the
  // buffers that the launches work on.
  static constexpr cl_uint kState = 0, kFirstBuffer = 4;

  cl::Kernel kernel;
  cl::Buffer numbers;
  std::int64_t state_bytes = 0;
};

// Sizes are numbers that the kernel reads, not literals: a compiler that knows them spills the sums of `filters`, 15 %
// of its time (PoCL 3.1), and one program serves all sizes.
class ChainProgram {
 public:
  explicit ChainProgram(Device& device) : device_(device) {}

  // A launch whose arguments are these expressions.
  void add(const cl::Kernel& kernel, const Range& range, const std::vector<std::string>& arguments);
  std::string word(cl_int value) { return "(int)" + number(value); }
  std::string word(cl_long value) { return number(value); }
  std::string word(cl_float value);
  // Byte `offset` of buffer `index` of the chain's kernel.
  std::string word(std::size_t index, std::int64_t offset);

  // The kernel takes `buffers` buffers. Throws Error{kBuildFailed} where the device's compiler does not take it.
  ChainKernel build(std::size_t buffers) const;

  std::size_t tasks() const { return count_; }

 private:
  std::string number(cl_long value);
  std::size_t program(const cl::Kernel& kernel);

  Device& device_;
  std::vector<ProgramText> programs_;
  std::vector<cl_long> numbers_;
  std::string tasks_;
  std::size_t count_ = 0;
  std::size_t memory_bytes_ = 1;
};

}  // namespace clconv::core
