// A context of the C ABI with what the package adds to it: queues for calls on host arrays. Knows nothing of problems.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "errors.hpp"

namespace clconv_python {

// Shared by a Context and by all that is made in it.
class Device {
 public:
  // Takes over the caller's reference.
  explicit Device(clconv_context context);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  clconv_context context() const { return context_; }
  cl_context opencl() const { return opencl_; }
  cl_device_id id() const { return id_; }
  // The device computes on the host's memory: arrays are used where they lie.
  bool shares_host_memory() const { return shares_host_memory_; }
  // Its buffers over the host's memory are that memory: results are there without being mapped.
  bool needs_no_map() const { return needs_no_map_; }
  // Bytes: what CLBlast's kernels want, and what sub-buffers start at.
  std::size_t alignment() const { return alignment_; }

 private:
  friend class QueueLoan;
  clconv_context context_;
  cl_context opencl_ = nullptr;
  cl_device_id id_ = nullptr;
  bool shares_host_memory_ = false, needs_no_map_ = false;
  std::size_t alignment_ = 1;
  std::mutex mutex_;
  std::vector<cl_command_queue> idle_;
};

// An in-order queue for one call: calls of several threads run side by side. Given back empty.
class QueueLoan {
 public:
  explicit QueueLoan(Device& device);
  ~QueueLoan();
  QueueLoan(const QueueLoan&) = delete;
  QueueLoan& operator=(const QueueLoan&) = delete;
  cl_command_queue get() const { return queue_; }

 private:
  Device& device_;
  cl_command_queue queue_ = nullptr;
};

struct Context {
  std::shared_ptr<Device> device;
};

void bind_context(nb::module_& m);

}  // namespace clconv_python
