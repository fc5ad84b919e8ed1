// The commands of one execution: kernels with their arguments, enqueued one after another on the
// caller's queue, whatever its order. Knows slots and regions, nothing of what is computed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/awake.hpp"
#include "runtime/kernel.hpp"
#include "runtime/opencl.hpp"
#include "runtime/scratch.hpp"

namespace clconv::core {

// A part of the buffer that an execution binds to `slot`. `offset` is aligned for sub-buffers.
struct Region {
  int slot = 0;
  std::int64_t offset = 0;
  std::int64_t bytes = 0;
};

// A number that comes with each execution, as the buffers do (a learning rate).
struct Number {
  int slot = 0;
};

// What one execution works on: slot -> buffer, and numbers. Sub-buffers for regions inside a buffer are made on
// demand and live as long as the Bindings, or the Parts they were given to; OpenCL keeps them until
// the commands that use them end.
class Bindings {
 public:
  static constexpr int kSlots = 12;
  static constexpr int kNumbers = 6;

  void bind(int slot, cl_mem buffer) { at(slot) = {buffer, nullptr, 0, 0}; }
  // A buffer whose parts are kept in `parts` for other executions.
  void bind(int slot, cl_mem buffer, Parts& parts) { at(slot) = {buffer, &parts, 0, 0}; }
  // A region of another slot's buffer, that slot being bound already.
  void bind(int slot, const Region& region);
  void bind(Number number, cl_float value) {
    numbers_[static_cast<std::size_t>(number.slot)] = value;
  }
  cl_float value(Number number) const { return numbers_[static_cast<std::size_t>(number.slot)]; }
  // The region as a buffer of its own.
  cl_mem resolve(const Region& region);

 private:
  struct Bound {
    cl_mem buffer = nullptr;
    Parts* parts = nullptr;
    std::int64_t offset = 0;  // of the slot in the buffer
    std::int64_t bytes = 0;   // of the slot where it is a region, else 0
  };
  Bound& at(int slot) { return slots_[static_cast<std::size_t>(slot)]; }

  std::array<Bound, kSlots> slots_{};
  std::array<cl_float, kNumbers> numbers_{};
  Parts own_;
};

// The wait list and the event of one command.
struct Dependencies {
  cl_uint count = 0;
  const cl_event* list = nullptr;
  cl_event* done = nullptr;  // null: nobody asks
  Awake* awake = nullptr;    // told of each step of a sequence
};

class KernelStep;

// One command of a plan. enqueue() is called under the owning Sequence's lock.
class Step {
 public:
  explicit Step(std::string name) : name_(std::move(name)) {}
  virtual ~Step() = default;
  // Itself where it is a launch of one kernel, else null.
  virtual const KernelStep* as_launch() const { return nullptr; }
  const std::string& name() const { return name_; }
  virtual void enqueue(cl_command_queue queue, Bindings& bindings,
                       const Dependencies& dependencies) = 0;

 private:
  std::string name_;
};

// What a kernel gets for the parameter of that name.
struct Argument {
  const char* name;
  std::variant<Region, Number, cl_int, cl_long, cl_float> value;
};

// A size as an int parameter. Throws Error{kInternal} for one that an int cannot hold: the strategies refuse such
// problems before (beyond_32_bits).
cl_int narrow(std::int64_t value);

// Work-items in total and per work-group. The local size is never left to the runtime: PoCL then
// takes one group, one core (measured 1.95x slower).
struct Range {
  std::array<std::size_t, 3> global{1, 1, 1};
  std::array<std::size_t, 3> local{1, 1, 1};
};

// `groups` work-groups of one work-item each: how CPU bodies are launched.
inline Range one_item_groups(std::int64_t groups) {
  return {{static_cast<std::size_t>(groups), 1, 1}, {1, 1, 1}};
}
// At least `items` work-items in groups of `local`.
Range items(std::int64_t items, std::int64_t local);

// A kernel with all its arguments, in the order of its parameters; constants are set here, buffers and numbers at each
// enqueue. Throws Error{kInternal} where their number, or as far as the driver tells, a name or a type differs from the
// compiled kernel's.
class KernelStep : public Step {
 public:
  KernelStep(std::string name, Kernel kernel, const std::vector<Argument>& arguments,
             const Range& range);
  const KernelStep* as_launch() const override { return this; }
  const Kernel& kernel() const { return kernel_; }
  // Compiles the kernel where it is not compiled; else enqueue() does. Throws Error{kBuildFailed}. Not thread-safe.
  void compile() {
    if (launched_() == nullptr) make_ready();
  }
  const Range& range() const { return range_; }
  const std::vector<Argument>& arguments() const { return arguments_; }
  void enqueue(cl_command_queue queue, Bindings& bindings,
               const Dependencies& dependencies) override;

 private:
  void make_ready();

  Kernel kernel_;
  cl::Kernel launched_;  // null until one that is not compiled is first enqueued
  std::vector<Argument> arguments_;
  std::vector<std::pair<cl_uint, Region>> buffers_;
  std::vector<std::pair<cl_uint, Number>> numbers_;
  Range range_;
};

// Zeroes the first `bytes` of a region.
class FillStep : public Step {
 public:
  FillStep(std::string name, const Region& region, std::int64_t bytes)
      : Step(std::move(name)), region_(region), bytes_(bytes) {}
  void enqueue(cl_command_queue queue, Bindings& bindings,
               const Dependencies& dependencies) override;

 private:
  Region region_;
  std::int64_t bytes_;
};

struct StepTime {
  std::string name;
  double us = 0;
};

bool is_in_order(cl_command_queue queue);

// Steps in their order. Usable from many threads at once with distinct Bindings.
class Sequence {
 public:
  void add(std::unique_ptr<Step> step) { steps_.push_back(std::move(step)); }
  bool empty() const { return steps_.empty(); }
  std::size_t size() const { return steps_.size(); }
  const Step& step(std::size_t index) const { return *steps_.at(index); }

  // Enqueues all steps behind the wait list without waiting for anything. `dependencies.done`
  // gets one event that ends them all; an empty sequence still waits and gives one. On an
  // out-of-order queue each step waits for the one before. If a step fails, the ones before it stay enqueued and no
  // event is returned.
  void enqueue(cl_command_queue queue, Bindings& bindings, const Dependencies& dependencies) const {
    enqueue(queue, is_in_order(queue), bindings, dependencies);
  }
  // The same for a caller who knows the queue's order.
  void enqueue(cl_command_queue queue, bool in_order, Bindings& bindings,
               const Dependencies& dependencies) const {
    enqueue(queue, in_order, bindings, dependencies, nullptr);
  }

  // Runs once on a profiling queue and waits: device time of each step.
  std::vector<StepTime> profile(cl_command_queue profiling_queue, Bindings& bindings) const;

 private:
  void enqueue(cl_command_queue queue, bool in_order, Bindings& bindings,
               const Dependencies& dependencies, std::vector<cl::Event>* events) const;

  std::vector<std::unique_ptr<Step>> steps_;
  // Kernel arguments are state of the kernel object: set and enqueued under one lock.
  mutable std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
};

}  // namespace clconv::core
