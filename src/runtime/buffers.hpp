// The buffers of a call, looked at before anything is enqueued: what OpenCL would take and compute nonsense with.
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

// Throws Error{kInvalidArgument} that names the buffer: null, no buffer (an image, a pipe), of another cl_context, too small,
// read although it is write-only or written although it is read-only. `who` needs it, as the text says.
void check_buffer(const Device& device, const BufferUse& use, const std::string& who);

// Of all, and that nothing that is written overlaps anything else: one buffer, or parts of one parent. The same range may
// be both where `in_place` names the two.
void check_buffers(const Device& device, const std::vector<BufferUse>& uses, const std::string& who,
                   const std::vector<std::pair<const char*, const char*>>& in_place = {});

}  // namespace clconv::core
