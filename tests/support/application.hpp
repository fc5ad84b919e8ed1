// What an application brings: an OpenCL context, queues and buffers, and a clconv context on them. Refuses to
// know of anything behind the public headers.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "clconv/clconv.hpp"
#include "doctest/doctest.h"
#include "support/queues.hpp"

namespace clconv::test {

// Never destroyed: a driver's own globals may be gone before ours.
inline cl::Context application_context() {
  static const cl::Context& context = *new cl::Context(clconv::select_device());
  return context;
}

inline clconv::Context& context() {
  static clconv::Context& instance =
      *new clconv::Context(application_context(), clconv::select_device());
  return instance;
}

// A queue of its own: for tests of several queues, or of another kind of queue.
inline cl::CommandQueue own_queue(cl_command_queue_properties properties = 0) {
  return cl::CommandQueue(application_context(), clconv::select_device(), properties);
}

// The one in-order queue that executes and reads. Not a queue each: Intel's runtime for CPUs (2026.22) does
// not order a write, a kernel and a read in three queues, even when each is waited for.
inline cl::CommandQueue make_queue() {
  static const cl::CommandQueue& queue = *new cl::CommandQueue(own_queue());
  return queue;
}

// Filled when it is made, by no queue: Intel's runtime does not order a queue's write before an out-of-order kernel
// either.
inline cl::Buffer device_buffer(std::vector<float> values) {
  return cl::Buffer(application_context(), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                    values.size() * 4, values.data());
}

inline cl::Buffer empty_buffer(std::int64_t bytes) {
  return device_buffer(
      std::vector<float>(static_cast<std::size_t>((bytes + 3) / 4), std::nanf("")));
}

inline std::vector<float> read(const cl::Buffer& buffer,
                               const cl::CommandQueue& queue = make_queue()) {
  std::vector<float> values(buffer.getInfo<CL_MEM_SIZE>() / 4);
  queue.enqueueReadBuffer(buffer, CL_TRUE, 0, values.size() * 4, values.data());
  return values;
}

// What `call` throws, which must be a clconv::Error with `status`; "" (and a failed check) if it throws none.
template <class Call>
std::string error_of(clconv_status status, Call&& call) {
  try {
    call();
  } catch (const clconv::Error& error) {
    CHECK(error.status() == status);
    return error.what();
  }
  FAIL_CHECK("expected an error, none was thrown");
  return "";
}

}  // namespace clconv::test
