// What a device's queues can do. Out-of-order ones are optional, and some implementations have none.
#pragma once

#include <vector>

#include "CL/opencl.hpp"
#include "doctest/doctest.h"

namespace clconv::test {

inline bool has_out_of_order_queues(const cl::Device& device) {
  return (device.getInfo<CL_DEVICE_QUEUE_PROPERTIES>() & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) !=
         0;
}

// Says that what needs an out-of-order queue is left out, where the device has none.
inline bool skips_out_of_order(const cl::Device& device) {
  if (has_out_of_order_queues(device)) return false;
  MESSAGE("skipped: the device has no out-of-order queues");
  return true;
}

// Both kinds of queue, or the one there is, with a message.
inline std::vector<cl_command_queue_properties> queue_kinds(const cl::Device& device) {
  std::vector<cl_command_queue_properties> kinds = {0};
  if (!skips_out_of_order(device)) kinds.push_back(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  return kinds;
}

}  // namespace clconv::test
