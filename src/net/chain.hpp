// A chain: steps that follow one another, as one launch, for CPUs. Between two launches, PoCL's threads have nothing to
// do for 14 us, and begin the next one up to 20 us apart; between two tasks of one launch they wait for less than 1 us
// (kernels/parts/chain.cl, docs/networks.md).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/step.hpp"
#include "runtime/chain_program.hpp"

namespace clconv::net {

// Where a buffer of a plan lies: in the arena, or in the buffer `root`.
struct Location {
  static constexpr BufferId kArena = -2;
  BufferId root = kNoBuffer;
  std::int64_t offset = 0;  // bytes
};

// A step, and what it launches.
struct StepLaunches {
  const Step* step;
  std::vector<Launch> launches;
};

class Chain {
 public:
  // Of steps `first` to `last` - 1 of a plan, all of which have launches; `locations` are those of the plan's buffers.
  // Throws Error{kBuildFailed} where the device's compiler does not take it.
  Chain(core::Device& device, const std::vector<StepLaunches>& steps, std::size_t first,
        std::size_t last, const std::vector<Location>& locations);

  std::size_t first() const { return first_; }
  std::size_t last() const { return last_; }
  // How much of its steps' predicted times is for launches and waking threads, but for one launch.
  double spared_us() const { return spared_us_; }
  // Size of the memory that enqueue() takes as `state`, which is 0 before each run and after it.
  std::int64_t state_bytes() const { return table_.state_bytes; }
  // Behind `dependencies`, without waiting. Thread-safe.
  void enqueue(cl_command_queue queue, const Memory& memory, cl_mem state,
               const core::Dependencies& dependencies) const;
  // Runs other launches of its kernels and waits; Launch::Part::buffer is a place in `buffers`. False where it lacks a
  // kernel of them, or takes too few buffers. Thread-safe.
  bool run(const cl::CommandQueue& queue, const std::vector<Launch>& launches,
           const std::vector<cl_mem>& buffers) const;

 private:
  // `buffer(i)` is what the kernel gets for root i.
  template <class Buffer>
  void launch(cl_command_queue queue, const core::ChainTable& table, cl_mem state, Buffer&& buffer,
              const core::Dependencies& dependencies) const;

  core::Device& device_;
  std::size_t first_, last_;
  double spared_us_ = 0;
  std::size_t workers_ = 1;
  std::vector<BufferId> roots_;  // buffers of the kernel, in their order
  std::unique_ptr<core::ChainProgram> program_;
  core::ChainTable table_;
  mutable std::mutex mutex_;  // arguments are state of the kernel object
};

// Does a plan have chains on this device? On PoCL's CPUs, unless CLCONV_LAUNCHES is `each`. Throws
// Error{kInvalidArgument} for another value of it than `each` and `chained`.
bool makes_chains(const core::Device& device);

// The chains of a plan, in order, each as long as possible. To compile one takes no longer than to compile its kernels
// one by one.
std::vector<std::unique_ptr<Chain>> make_chains(core::Device& device,
                                                const std::vector<std::unique_ptr<Step>>& steps,
                                                const std::vector<Location>& locations);

}  // namespace clconv::net
