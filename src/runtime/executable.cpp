#include "runtime/executable.hpp"

#include <utility>
#include <vector>

#include "problem.hpp"

namespace clconv::core {
namespace {

// Where in the workspace the weights are prepared.
std::int64_t weights_offset(const Executable& e, const DeviceProfile& profile) {
  return round_up(e.workspace_bytes, profile.base_alignment_bytes);
}

}  // namespace

std::int64_t Executable::workspace_bytes_with_weights(const DeviceProfile& profile) const {
  if (prepared_weights_bytes == 0) return workspace_bytes;
  return weights_offset(*this, profile) + prepared_weights_bytes;
}

Executable one_step(std::unique_ptr<Step> step) {
  Executable executable;
  executable.run.add(std::move(step));
  return executable;
}

void enqueue(const Executable& e, Device& device, cl_command_queue queue, bool in_order,
             Bindings& bindings, const Provided& provided, const Dependencies& d) {
  const bool prepares = e.prepared_weights_bytes > 0 && !provided.prepared;
  const std::int64_t bytes =
      prepares ? e.workspace_bytes_with_weights(device.profile()) : e.workspace_bytes;
  Dependencies next{d.count, d.list, nullptr, device.awake()};
  std::vector<cl_event> waits;
  ScratchPool::Lease lease;
  if (!provided.workspace && bytes > 0) {
    lease = device.scratch().borrow(bytes, queue, in_order);
    bindings.bind(Executable::kWorkspaceSlot, lease.buffer(), lease.parts());
    if (lease.wait_for() != nullptr) {
      waits.assign(d.list, d.list + d.count);
      waits.push_back(lease.wait_for());
      next.count = static_cast<cl_uint>(waits.size());
      next.list = waits.data();
    }
  }
  cl::Event prepared;
  if (prepares) {
    bindings.bind(Executable::kPreparedSlot,
                  Region{Executable::kWorkspaceSlot, weights_offset(e, device.profile()),
                         e.prepared_weights_bytes});
  }
  const bool joins = prepares && !e.joined_with_weights.empty();
  if (prepares && !joins) {
    cl_event event = nullptr;
    if (!in_order) next.done = &event;
    e.prepare.enqueue(queue, in_order, bindings, next);
    prepared = cl::Event(event);
    next = {in_order ? 0U : 1U, in_order ? nullptr : &prepared(), nullptr, device.awake()};
  }
  const Sequence& commands = joins ? e.joined_with_weights : e.commands();
  if (!lease) {
    next.done = d.done;
    commands.enqueue(queue, in_order, bindings, next);
    return;
  }
  // A borrowed workspace needs the event too: another queue may have it when the work is over.
  cl_event event = nullptr;
  next.done = &event;
  commands.enqueue(queue, in_order, bindings, next);
  const cl::Event done(event);
  lease.enqueued(done());
  if (d.done != nullptr) {
    check(clRetainEvent(done()), "clRetainEvent");
    *d.done = done();
  }
}

}  // namespace clconv::core
