#include "ops/operation.hpp"

namespace clconv::core {

void enqueue(const Operation& operation, Device& device, cl_command_queue queue, Bindings& bindings,
             const Dependencies& d) {
  const bool in_order = is_in_order(queue);
  if (operation.temporary_bytes == 0) {
    operation.run.enqueue(queue, in_order, bindings, {d.count, d.list, d.done, device.awake()});
    return;
  }
  ScratchPool::Lease lease = device.scratch().borrow(operation.temporary_bytes, queue, in_order);
  bindings.bind(Operation::kTemporarySlot, lease.buffer(), lease.parts());
  std::vector<cl_event> waits(d.list, d.list + d.count);
  if (lease.wait_for() != nullptr) waits.push_back(lease.wait_for());
  cl_event event = nullptr;
  operation.run.enqueue(queue, in_order, bindings,
                        {static_cast<cl_uint>(waits.size()), waits.empty() ? nullptr : waits.data(),
                         &event, device.awake()});
  const cl::Event done(event);
  lease.enqueued(done());
  if (d.done != nullptr) {
    check(clRetainEvent(done()), "clRetainEvent");
    *d.done = done();
  }
}

}  // namespace clconv::core
