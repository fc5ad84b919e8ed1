// A public operation made ready, and how it is enqueued. Knows nothing of what is computed.
#pragma once

#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

// Steps and the temporary memory that they share, which no caller brings.
struct Operation {
  static constexpr int kTemporarySlot = Bindings::kSlots - 1;

  Sequence run;
  std::int64_t temporary_bytes = 0;
};

// Without waiting, and in the steady state without allocating: the temporary memory is borrowed from the
// device. `bindings` has everything else.
void enqueue(const Operation& operation, Device& device, cl_command_queue queue, Bindings& bindings,
             const Dependencies& dependencies);

}  // namespace clconv::core
