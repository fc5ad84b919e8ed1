#include "runtime/buffers.hpp"

#include <algorithm>
#include <array>
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

// Where a buffer lies: in itself, or in the buffer it is a part of.
struct Extent {
  cl_mem parent;
  std::int64_t begin, end;
};

Extent extent_of(const BufferUse& use) {
  const auto parent = info<cl_mem>(use, CL_MEM_ASSOCIATED_MEMOBJECT);
  const std::int64_t begin =
      parent != nullptr ? static_cast<std::int64_t>(info<std::size_t>(use, CL_MEM_OFFSET)) : 0;
  return {parent != nullptr ? parent : use.buffer, begin, begin + use.bytes};
}

}  // namespace

void check_buffer(const Device& device, const BufferUse& use, const std::string& who) {
  if (use.bytes == 0) return;
  const auto refuse = [&](const std::string& why) {
    throw Error(Code::kInvalidArgument, "buffer " + std::string(use.name) + " " + why);
  };
  if (use.buffer == nullptr) {
    refuse("is missing, " + who + " needs " + std::to_string(use.bytes) + " bytes");
  }
  if (info<cl_mem_object_type>(use, CL_MEM_TYPE) != CL_MEM_OBJECT_BUFFER) {
    refuse("is an image or a pipe, expected a buffer");
  }
  if (info<cl_context>(use, CL_MEM_CONTEXT) != device.context()()) {
    refuse("belongs to another cl_context");
  }
  const auto size = static_cast<std::int64_t>(info<std::size_t>(use, CL_MEM_SIZE));
  if (size < use.bytes) {
    refuse("has " + std::to_string(size) + " bytes, " + who + " needs " +
           std::to_string(use.bytes));
  }
  const auto flags = info<cl_mem_flags>(use, CL_MEM_FLAGS);
  if (use.access != Access::kWrite && (flags & CL_MEM_WRITE_ONLY) != 0) {
    refuse("is read, but was made with CL_MEM_WRITE_ONLY");
  }
  if (use.access != Access::kRead && (flags & CL_MEM_READ_ONLY) != 0) {
    refuse("is written, but was made with CL_MEM_READ_ONLY");
  }
}

void check_buffers(const Device& device, const std::vector<BufferUse>& uses, const std::string& who,
                   const std::vector<std::pair<const char*, const char*>>& in_place) {
  constexpr std::size_t kMost = 12;
  std::array<Extent, kMost> extents{};
  for (std::size_t i = 0; i < uses.size(); ++i) {
    check_buffer(device, uses[i], who);
    if (uses[i].bytes > 0) extents.at(i) = extent_of(uses[i]);
  }
  const auto allowed = [&](const BufferUse& a, const BufferUse& b, bool same) {
    return same && std::any_of(in_place.begin(), in_place.end(), [&](const auto& pair) {
             return std::strcmp(pair.first, a.name) == 0 && std::strcmp(pair.second, b.name) == 0;
           });
  };
  for (std::size_t i = 0; i < uses.size(); ++i) {
    for (std::size_t k = i + 1; k < uses.size(); ++k) {
      const Extent &a = extents[i], &b = extents[k];
      if (uses[i].bytes == 0 || uses[k].bytes == 0 || a.parent != b.parent) continue;
      if (uses[i].access == Access::kRead && uses[k].access == Access::kRead) continue;
      if (a.begin >= b.end || b.begin >= a.end) continue;
      const bool same = a.begin == b.begin;
      if (allowed(uses[i], uses[k], same) || allowed(uses[k], uses[i], same)) continue;
      throw Error(Code::kInvalidArgument, "buffers " + std::string(uses[i].name) + " and " +
                                              uses[k].name +
                                              " overlap, and one of them is written");
    }
  }
}

}  // namespace clconv::core
