#include "runtime/buffers.hpp"

#include <algorithm>
#include <cstring>

namespace clconv::core {
namespace {

template <class Value>
Value info(const BufferUse& use, cl_mem_info what) {
  Value value{};
  const cl_int status = clGetMemObjectInfo(use.buffer, what, sizeof(value), &value, nullptr);
  if (status != CL_SUCCESS) {
    throw Error(Code::kInvalidArgument,
                "buffer " + std::string(use.name) + " is not a buffer: " + status_text(status));
  }
  return value;
}

// Where a buffer lies: in itself, or in the buffer it is a part of; and where the caller gave the memory, there.
struct Extent {
  cl_mem parent = nullptr;
  std::int64_t begin = 0, end = 0;
  const char* host = nullptr;
};

bool overlap(const Extent& a, const Extent& b) {
  if (a.parent == b.parent) return a.begin < b.end && b.begin < a.end;
  if (a.host == nullptr || b.host == nullptr) return false;
  return a.host < b.host + (b.end - b.begin) && b.host < a.host + (a.end - a.begin);
}

bool same_begin(const Extent& a, const Extent& b) {
  return a.parent == b.parent ? a.begin == b.begin : a.host == b.host;
}

[[noreturn]] void refuse(const BufferUse& use, const std::string& why) {
  throw Error(Code::kInvalidArgument, "buffer " + std::string(use.name) + " " + why);
}

Extent extent_of(const Device& device, const BufferUse& use, cl_mem_flags flags) {
  Extent extent{use.buffer, 0, use.bytes, nullptr};
  if (const auto parent = info<cl_mem>(use, CL_MEM_ASSOCIATED_MEMOBJECT)) {
    const auto begin = static_cast<std::int64_t>(info<std::size_t>(use, CL_MEM_OFFSET));
    const std::int64_t alignment = device.profile().base_alignment_bytes;
    // Another device of the cl_context may allow it.
    if (begin % alignment != 0) {
      refuse(use, "starts at byte " + std::to_string(begin) +
                      " of its parent, the device needs a multiple of " +
                      std::to_string(alignment));
    }
    extent = {parent, begin, begin + use.bytes, nullptr};
  }
  if ((flags & CL_MEM_USE_HOST_PTR) != 0) extent.host = info<const char*>(use, CL_MEM_HOST_PTR);
  return extent;
}

Extent check_buffer(const Device& device, const BufferUse& use, const std::string& who) {
  if (use.bytes == 0) return {};
  if (use.buffer == nullptr) {
    refuse(use, "is missing, " + who + " needs " + std::to_string(use.bytes) + " bytes");
  }
  if (info<cl_mem_object_type>(use, CL_MEM_TYPE) != CL_MEM_OBJECT_BUFFER) {
    refuse(use, "is an image or a pipe, expected a buffer");
  }
  if (info<cl_context>(use, CL_MEM_CONTEXT) != device.context()()) {
    refuse(use, "belongs to another cl_context");
  }
  const auto size = static_cast<std::int64_t>(info<std::size_t>(use, CL_MEM_SIZE));
  if (size < use.bytes) {
    refuse(use, "has " + std::to_string(size) + " bytes, " + who + " needs " +
                    std::to_string(use.bytes));
  }
  const auto flags = info<cl_mem_flags>(use, CL_MEM_FLAGS);
  if (use.access != Access::kWrite && (flags & CL_MEM_WRITE_ONLY) != 0) {
    refuse(use, "is read, but was made with CL_MEM_WRITE_ONLY");
  }
  if (use.access != Access::kRead && (flags & CL_MEM_READ_ONLY) != 0) {
    refuse(use, "is written, but was made with CL_MEM_READ_ONLY");
  }
  return extent_of(device, use, flags);
}

}  // namespace

void check_buffers(const Device& device, const std::vector<BufferUse>& uses, const std::string& who,
                   const std::vector<std::pair<const char*, const char*>>& in_place) {
  std::vector<Extent> extents;
  extents.reserve(uses.size());
  for (const BufferUse& use : uses)
    extents.push_back(check_buffer(device, use, who));
  const auto allowed = [&](const BufferUse& a, const BufferUse& b, bool same) {
    return same && std::any_of(in_place.begin(), in_place.end(), [&](const auto& pair) {
             return std::strcmp(pair.first, a.name) == 0 && std::strcmp(pair.second, b.name) == 0;
           });
  };
  for (std::size_t i = 0; i < uses.size(); ++i) {
    for (std::size_t k = i + 1; k < uses.size(); ++k) {
      const Extent &a = extents[i], &b = extents[k];
      if (uses[i].bytes == 0 || uses[k].bytes == 0) continue;
      if (uses[i].access == Access::kRead && uses[k].access == Access::kRead) continue;
      if (!overlap(a, b)) continue;
      const bool same = same_begin(a, b);
      if (allowed(uses[i], uses[k], same) || allowed(uses[k], uses[i], same)) continue;
      throw Error(Code::kInvalidArgument, "buffers " + std::string(uses[i].name) + " and " +
                                              uses[k].name +
                                              " overlap, and one of them is written");
    }
  }
}

bool check_queue(const Device& device, cl_command_queue queue) {
  const auto refuse_queue = [](const std::string& why) {
    throw Error(Code::kInvalidArgument, "queue " + why);
  };
  const auto get = [&](cl_command_queue_info what, auto value) {
    const cl_int status = clGetCommandQueueInfo(queue, what, sizeof(value), &value, nullptr);
    if (status != CL_SUCCESS) refuse_queue("is not a command queue: " + status_text(status));
    return value;
  };
  constexpr cl_command_queue_properties kOnDevice = 1 << 2;  // CL_QUEUE_ON_DEVICE of OpenCL 2
  if (queue == nullptr) refuse_queue("is NULL");
  if (get(CL_QUEUE_CONTEXT, cl_context{}) != device.context()()) {
    refuse_queue("belongs to another cl_context");
  }
  if (get(CL_QUEUE_DEVICE, cl_device_id{}) != device.cl()()) {
    refuse_queue("belongs to another device");
  }
  const auto properties = get(CL_QUEUE_PROPERTIES, cl_command_queue_properties{});
  if ((properties & kOnDevice) != 0) refuse_queue("is on the device, expected one on the host");
  return (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) == 0;
}

void check_wait_list(const Device& device, cl_uint count, const cl_event* list) {
  if ((count > 0) != (list != nullptr)) {
    throw Error(Code::kInvalidArgument, "wait list and num_events do not agree");
  }
  for (cl_uint i = 0; i < count; ++i) {
    const auto refuse_event = [&](const std::string& why) {
      throw Error(Code::kInvalidArgument,
                  "event " + std::to_string(i) + " of the wait list " + why);
    };
    if (list[i] == nullptr) refuse_event("is NULL");
    cl_context context = nullptr;
    const cl_int status =
        clGetEventInfo(list[i], CL_EVENT_CONTEXT, sizeof(context), &context, nullptr);
    if (status != CL_SUCCESS) refuse_event("is not an event: " + status_text(status));
    if (context != device.context()()) refuse_event("belongs to another cl_context");
  }
}

}  // namespace clconv::core
