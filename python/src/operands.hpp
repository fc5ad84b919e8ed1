// What Python passes as operands: PyOpenCL's objects, used as they are, and host arrays, which become buffers for one
// call. Knows nothing of shapes and types: who calls has checked them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "device.hpp"

namespace clconv_python {

// The address in an int, or in the attribute `int_ptr` of an object of PyOpenCL.
std::uintptr_t address_of(nb::handle object, const char* name);

cl_command_queue queue_of(nb::handle object);

// `wait_for`: None or a sequence of events. Refers to events that the caller keeps.
class WaitList {
 public:
  explicit WaitList(nb::handle events);
  cl_uint size() const { return static_cast<cl_uint>(events_.size()); }
  const cl_event* data() const { return events_.empty() ? nullptr : events_.data(); }

 private:
  std::vector<cl_event> events_;
};

// Buffers of the caller: ints, pyopencl.Buffer, pyopencl.array.Array. An Array that starts inside its buffer becomes a
// sub-buffer, which lives until this does: OpenCL keeps it while commands use it.
class DeviceOperands {
 public:
  DeviceOperands() = default;
  ~DeviceOperands();
  DeviceOperands(const DeviceOperands&) = delete;
  DeviceOperands& operator=(const DeviceOperands&) = delete;
  cl_mem get(nb::handle object, const char* name);  // None: NULL

 private:
  cl_mem part_of(nb::handle array, const char* name);
  std::vector<cl_mem> parts_;
};

enum class Access { kRead, kWrite, kReadWrite };

// Arrays of the host as buffers of one call. Where the device shares the host's memory nothing is copied.
class HostOperands {
 public:
  explicit HostOperands(std::shared_ptr<Device> device) : device_(std::move(device)) {}
  ~HostOperands();
  HostOperands(const HostOperands&) = delete;
  HostOperands& operator=(const HostOperands&) = delete;

  // `array` has the buffer protocol, in C order; None adds nothing. `slot` gets its buffer while run() runs, NULL where
  // it has no bytes.
  void add(nb::handle array, const char* name, Access access, cl_mem* slot);

  // Calls `enqueue` with a queue and waits for what it enqueued; without the GIL. Results are in the arrays afterwards.
  void run(const std::function<clconv_status(cl_command_queue)>& enqueue);

 private:
  struct Entry {
    Py_buffer view;
    const char* name;
    Access access;
    cl_mem* slot;
    bool copied;
  };
  void check_apart() const;
  void open(cl_command_queue queue, bool copy_unaligned);
  void open(Entry& entry, cl_command_queue queue, bool copy);
  void collect(cl_command_queue queue);
  void close();
  bool aligned(const Entry& entry) const;

  std::shared_ptr<Device> device_;
  std::vector<Entry> entries_;
};

}  // namespace clconv_python
