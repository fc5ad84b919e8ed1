// One kernel that does what several launches do, one after another: for CPUs whose threads lose time between launches.
// kernels/parts/chain.cl says how. Knows nothing of what is computed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/device.hpp"
#include "runtime/launch.hpp"
#include "runtime/merged_program.hpp"

namespace clconv::core {

// What CLCONV_LAUNCHES asks for; kChained where it is not set.
enum class LaunchPolicy { kEach, kChained };
// Throws Error{kInvalidArgument} for a value of the variable that is none.
LaunchPolicy launch_policy();

// Only launches in one dimension, with work-groups of one work-item, of a program whose source is known.
bool may_be_task(const ProgramText& program, const Range& range);

// How many work-groups a chain is launched with: one for each core.
std::size_t chain_workers(const DeviceProfile& profile);

// An argument of a task: a number, or where in which buffer of the chain's kernel it begins.
struct ChainBuffer {
  static constexpr std::size_t kNull = SIZE_MAX;
  std::size_t index = kNull;
  std::int64_t offset = 0;  // bytes
};
using ChainArgument = std::variant<ChainBuffer, cl_int, cl_long, cl_float>;

// A launch as a task.
struct ChainTask {
  ProgramTextPtr program;
  std::string kernel;     // in it
  std::size_t items = 0;  // work-groups
  std::vector<ChainArgument> arguments;
};

// Tasks as the kernel of a chain reads them.
struct ChainTable {
  cl::Buffer numbers;
  // Of the memory that the kernel counts in, all of it 0 before a run and after it.
  std::int64_t state_bytes = 0;
};

// A program for tasks of some kernels. It reads from a table which tasks these are, and their sizes. As literals in the
// text these would cost more: a compiler that knows the sizes spills the sums of `filters`, which costs 15 % of its
// time (PoCL 3.1), and every task would be code to compile. So one program serves all sizes.
class ChainProgram {
 public:
  // The parameters of its kernel that are left to set: a table with its state, then the buffers.
  static constexpr cl_uint kState = 0, kTable = 3, kFirstBuffer = 4;

  // For the kernels of these tasks, which take up to `buffers` buffers. Throws Error{kBuildFailed} where the device's
  // compiler does not take it.
  ChainProgram(Device& device, const std::vector<ChainTask>& tasks, std::size_t buffers);

  const cl::Kernel& kernel() const { return kernel_; }
  // None where it lacks the kernel of a task.
  std::optional<ChainTable> table_of(const std::vector<ChainTask>& tasks) const;

 private:
  struct Entry {
    std::size_t program;
    std::string kernel;
    bool operator==(const Entry& other) const {
      return program == other.program && kernel == other.kernel;
    }
  };
  std::size_t program_of(const ChainTask& task) const;
  std::optional<std::size_t> number_of(const ChainTask& task) const;
  void add(const ChainTask& task);
  std::string text(std::size_t buffers) const;

  Device& device_;
  std::vector<ProgramTextPtr> programs_;
  std::vector<Entry> kernels_;
  std::string tasks_, cases_;  // a function for each kernel, and where it is called
  std::size_t memory_bytes_;   // of local memory, for the arrays of any of them
  cl::Kernel kernel_;
};

}  // namespace clconv::core
