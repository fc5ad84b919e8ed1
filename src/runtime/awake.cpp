#include "runtime/awake.hpp"

namespace clconv::core {
namespace {

// About 10 us at 4 GHz: longer than PoCL takes from one launch to the next, shorter than a thread takes to wake up.
constexpr cl_int kRounds = 10000;

}  // namespace

// In order, so that two threads do not take two of them: out of order, Winograd's pairs of launches took 1.7 times
// as long.
Awake::Awake(const cl::Context& context, const cl::Device& device, ProgramCache& programs)
    : queue_(context, device),
      out_(context, CL_MEM_READ_WRITE, sizeof(cl_float)),
      kernel_(programs.get("awake", ""), "stay_awake") {
  const cl_float zero = 0;
  queue_.enqueueWriteBuffer(out_, CL_TRUE, 0, sizeof(zero), &zero);
  kernel_.setArg(0, out_);
  kernel_.setArg(1, kRounds);
}

void Awake::launched(cl_event done) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (previous_() != nullptr) {
    const cl_event previous = previous_();
    const std::size_t one = 1;
    clEnqueueNDRangeKernel(queue_(), kernel_(), 1, nullptr, &one, &one, 1, &previous, nullptr);
    clFlush(queue_());
  }
  if (clRetainEvent(done) == CL_SUCCESS) previous_ = cl::Event(done);
}

}  // namespace clconv::core
