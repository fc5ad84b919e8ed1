// The device under test (CLCONV_DEVICE, else the default) and buffers that notice overruns.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "runtime/device.hpp"
#include "runtime/files.hpp"
#include "runtime/storage.hpp"

namespace clconv::test {

// Never destroyed: a driver's own globals may be gone before ours.
inline core::Device& device() {
  static core::Device& instance = [&]() -> core::Device& {
    const cl::Device chosen = core::select_device(core::environment("CLCONV_DEVICE"));
    return *new core::Device(cl::Context(chosen), chosen, core::cache_options("", 0));
  }();
  return instance;
}

inline cl::CommandQueue& queue() {
  static cl::CommandQueue& instance = *new cl::CommandQueue(device().make_queue());
  return instance;
}

// A device buffer whose last kilobyte is a pattern that nobody may touch.
class GuardedBuffer {
 public:
  explicit GuardedBuffer(std::int64_t bytes, cl::CommandQueue& q = queue())
      : queue_(q),
        bytes_(static_cast<std::size_t>(bytes)),
        buffer_(device().context(), CL_MEM_READ_WRITE, bytes_ + kGuard) {
    const std::vector<unsigned char> pattern(kGuard, kPattern);
    queue_.enqueueWriteBuffer(buffer_, CL_TRUE, bytes_, kGuard, pattern.data());
    // Poison: results that are not written, and scratch that is read before it is written, show.
    // All bits set are NaN in float32 and in float16.
    const std::vector<unsigned char> nan(bytes_, 0xFF);
    if (bytes_ > 0) queue_.enqueueWriteBuffer(buffer_, CL_TRUE, 0, bytes_, nan.data());
  }
  GuardedBuffer(GuardedBuffer&&) = default;
  explicit GuardedBuffer(const std::vector<float>& values,
                         core::DataType type = core::DataType::kFloat32,
                         cl::CommandQueue& q = queue())
      : GuardedBuffer(static_cast<std::int64_t>(values.size()) * core::element_bytes(type), q) {
    write(values, type);
  }

  cl_mem get() const { return buffer_(); }
  void write(const std::vector<float>& values, core::DataType type = core::DataType::kFloat32) {
    const std::vector<unsigned char> stored = core::to_storage(values, type);
    if (stored.empty()) return;
    queue_.enqueueWriteBuffer(buffer_, CL_TRUE, 0, stored.size(), stored.data());
  }
  std::vector<float> read(core::DataType type = core::DataType::kFloat32) {
    std::vector<unsigned char> stored(bytes_);
    if (!stored.empty()) queue_.enqueueReadBuffer(buffer_, CL_TRUE, 0, bytes_, stored.data());
    return core::from_storage(stored, type);
  }
  bool intact() {
    std::vector<unsigned char> guard(kGuard);
    queue_.enqueueReadBuffer(buffer_, CL_TRUE, bytes_, kGuard, guard.data());
    for (const unsigned char c : guard) {
      if (c != kPattern) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kGuard = 1024;
  static constexpr unsigned char kPattern = 0xA5;
  cl::CommandQueue& queue_;
  std::size_t bytes_;
  cl::Buffer buffer_;
};

}  // namespace clconv::test
