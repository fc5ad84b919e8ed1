// Steps made ready for a device with the memory that they need, and how they are enqueued. Knows nothing of what is
// computed.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

// All kernels compiled, all arguments but the buffers set. Usable from many threads at once with distinct Bindings.
struct Executable {
  // The slots of the memory that is no operand. Operands have the slots below them.
  static constexpr int kWorkspaceSlot = Bindings::kSlots - 2;
  static constexpr int kPreparedSlot = Bindings::kSlots - 1;

  Sequence prepare;                // weights -> prepared; empty where prepared_weights_bytes is 0
  Sequence run;                    // the other inputs -> the result
  Sequence joined{};               // the same as one launch; empty where there is none (joined.hpp)
  Sequence joined_with_weights{};  // `prepare` and `run` as one launch; empty where there is none
  // A single launch is joined, too: its few work-groups are then shared among threads as these come. PoCL gives half of
  // them to the first thread, so that the second, which wakes up 20 us later, ends as much later. 2-core Zen 5,
  // 2026-11, a wait after each: resnet_1x1_14's weight gradient takes 234 us, not 252. In a row of launches it is
  // level.
  bool share_launch = false;
  // What an execution enqueues whose weights are prepared.
  const Sequence& commands() const { return joined.empty() ? run : joined; }
  // What the slots must hold.
  std::int64_t workspace_bytes = 0;
  std::int64_t prepared_weights_bytes = 0;

  // Workspace of an execution that prepares the weights itself: they lie behind the workspace of `run`.
  std::int64_t workspace_bytes_with_weights(const DeviceProfile& profile) const;
};

// A step that needs no memory but its operands.
Executable one_step(std::unique_ptr<Step> step);

// Which memory of an execution the caller has bound.
struct Provided {
  bool workspace = false;  // with room for the weights where they do not come prepared
  bool prepared = false;
};

// Enqueues an execution without waiting for anything. A workspace that is not provided is borrowed from the device,
// which allocates nothing in the steady state; weights that do not come prepared are prepared in the workspace.
// `in_order` is the queue's. If a step fails, the ones before it stay enqueued and no event is returned.
void enqueue(const Executable& executable, Device& device, cl_command_queue queue, bool in_order,
             Bindings& bindings, const Provided& provided, const Dependencies& dependencies);

}  // namespace clconv::core
