// Keeps the threads of a CPU device awake between launches, as OMP_WAIT_POLICY=active does for OpenMP.
//
// PoCL's threads sleep when there is nothing to do: in a chain of launches, each thread that finishes first sleeps
// until the next launch wakes it up, which takes longer than many a layer (20-30 us on a virtual machine,
// docs/results.md). Nothing can wait inside a kernel for the next launch, since that is made ready when the
// last thread has left; but another launch can. With every launch, one of a single work-item that does nothing for
// some microseconds is enqueued on a queue aside, to be ready together with it: whoever runs out of work takes it,
// and is back when the next launch is there.
#pragma once

#include <mutex>

#include "runtime/opencl.hpp"
#include "runtime/program.hpp"

namespace clconv::core {

class Awake {
 public:
  // `programs` must outlive it.
  Awake(const cl::Context& context, const cl::Device& device, ProgramCache& programs);
  // A launch that `done` ends has just been enqueued. From any thread. What fails here only costs speed: nothing
  // is thrown.
  void launched(cl_event done) noexcept;

 private:
  std::mutex mutex_;
  cl::CommandQueue queue_;
  cl::Buffer out_;
  cl::Kernel kernel_;
  cl::Event previous_;  // with it the launch after it becomes ready
};

}  // namespace clconv::core
