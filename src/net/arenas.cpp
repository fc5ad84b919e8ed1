#include <algorithm>

#include "net/plan.hpp"

namespace clconv::net {
namespace {

bool is_over(const cl::Event& event) {
  return event() == nullptr || event.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() <= CL_COMPLETE;
}

}  // namespace

std::unique_ptr<Arenas::Instance> Arenas::take(cl_command_queue queue, bool in_order,
                                               cl::Event& wait_for) {
  const auto ordered = [&](const std::unique_ptr<Instance>& one) {
    return one->queue() == queue && in_order && one->in_order;
  };
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto found = std::find_if(free_.begin(), free_.end(), ordered);
    if (found == free_.end()) {
      found = std::find_if(free_.begin(), free_.end(),
                           [](const auto& one) { return is_over(one->last_run); });
    }
    if (found == free_.end() && count_ >= static_cast<std::int64_t>(kMost)) found = free_.begin();
    if (found != free_.end()) {
      std::unique_ptr<Instance> taken = std::move(*found);
      free_.erase(found);
      if (!ordered(taken)) wait_for = taken->last_run;
      return taken;
    }
    ++count_;
  }
  try {
    return make_(plan_);
  } catch (...) {
    lose();
    throw;
  }
}

void Arenas::give_back(std::unique_ptr<Instance> instance, cl_command_queue queue, bool in_order,
                       const cl::Event& last_run) {
  instance->queue = cl::CommandQueue(queue, true);
  instance->in_order = in_order;
  instance->last_run = last_run;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (count_ > static_cast<std::int64_t>(kMost)) {
    --count_;  // OpenCL frees the memory when the run has ended
    return;
  }
  free_.push_back(std::move(instance));
}

void Arenas::lose() {
  const std::lock_guard<std::mutex> lock(mutex_);
  --count_;
}

std::int64_t Arenas::count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return count_;
}

}  // namespace clconv::net
