// Plan: a choice made executable, and how it runs on a caller's buffers. What clconv.h hands out as an opaque handle.
// Knows nothing of how it was chosen.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "planner/report.hpp"
#include "runtime/device.hpp"
#include "runtime/executable.hpp"

namespace clconv::core {

// The caller's buffers of one execution. `prepared` null: the weights are packed again each time,
// in the workspace. `workspace` null: the library's own.
struct Operands {
  std::array<cl_mem, kTensors>
      tensors{};  // by Tensor; those that the problem does not have are null
  cl_mem prepared = nullptr;
  cl_mem workspace = nullptr;
};

// Immutable; usable from many threads at once. Must not outlive its Context (a handle of the public
// API holds both).
class Plan {
 public:
  // Compiles what the report chose. Throws what Strategy::build throws.
  Plan(Device& device, Report report, Launches launches);

  const Report& report() const { return report_; }
  const Candidate& candidate() const { return report_.choice().candidate; }
  // What an execution needs that brings prepared weights, or none.
  std::int64_t workspace_bytes(bool prepared) const;
  // Commands per execution with prepared weights.
  std::size_t steps() const { return executable_->run.size(); }
  // Command `index` of them; null where it is no launch of one kernel.
  const KernelStep* launch(std::size_t index) const {
    return executable_->run.step(index).as_launch();
  }

  // All enqueue without waiting. Throw Error{kInvalidArgument} for a buffer that is missing, too
  // small or of another cl_context, and such a queue, kOutOfMemory, kOpenCl, kGemm.
  void prepare(cl_command_queue queue, cl_mem weights, cl_mem prepared,
               const Dependencies& dependencies) const;
  void execute(cl_command_queue queue, const Operands& operands,
               const Dependencies& dependencies) const;
  // Runs once on a profiling queue and waits: device time per step.
  std::vector<StepTime> profile(const Operands& operands) const;

 private:
  // Checked; `workspace_bytes` of the caller's workspace, if there is one.
  Bindings bind(const Operands& operands, std::int64_t workspace_bytes) const;

  Device& device_;
  Report report_;
  std::unique_ptr<const Executable> executable_;
  std::string who_;  // in errors
};

}  // namespace clconv::core
