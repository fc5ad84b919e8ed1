// Measures a device's speeds: the constants of the cost model and the roof of every benchmark.
#pragma once

#include "runtime/device.hpp"

namespace clconv::core {

struct Speeds {
  double peak_gflops = 0;    // float32 fused multiply-adds, counted as two
  double bandwidth_gbs = 0;  // copy, bytes read + written
  double launch_us = 0;      // one of many kernels enqueued back to back
};

// Takes well under a second once its kernels are compiled. Best of several runs: on a shared
// machine that is the device's speed, the rest is the neighbours'. Throws Error.
Speeds probe(Device& device);

// The same within tens of milliseconds once its kernels are compiled, however slow the device: each amount of work
// grows until a launch of it takes about 2 ms. For choices, not for benchmarks. Throws Error.
Speeds quick_probe(Device& device);

}  // namespace clconv::core
