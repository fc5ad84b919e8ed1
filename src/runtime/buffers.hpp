// The handles of a call, looked at before anything is enqueued: what OpenCL would take and compute nonsense with,
// or refuse later without a name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/device.hpp"

namespace clconv::core {

// What a call does with a buffer. kUpdate: reads and writes it.
enum class Access { kRead, kWrite, kUpdate };

struct BufferUse {
  const char* name;
  cl_mem buffer;
  std::int64_t bytes;  // needed from its start; 0: the buffer is not looked at
  Access access = Access::kRead;
};

// Throws Error{kInvalidArgument} that names the buffer: null, no buffer (an image, a pipe), of another cl_context,
// too small, a part that starts where the device cannot address it, read although it is write-only or written
// although it is read-only; and where something that is written overlaps anything else: one buffer, parts of one
// parent, or the same host memory. The same range may be both where `in_place` names the two. `who` needs it, as
// the text says. About 0.1 us a buffer on PoCL.
void check_buffers(const Device& device, const std::vector<BufferUse>& uses, const std::string& who,
                   const std::vector<std::pair<const char*, const char*>>& in_place = {});

// Throws Error{kInvalidArgument} for a queue that is null, of another cl_context or device, or on the device itself.
// Is it in order?
bool check_queue(const Device& device, cl_command_queue queue);

// Throws Error{kInvalidArgument} where count and list do not agree, and for an event that is null or of another
// cl_context.
void check_wait_list(const Device& device, cl_uint count, const cl_event* list);

}  // namespace clconv::core
