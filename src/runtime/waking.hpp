// What it costs that the threads of a CPU sleep between launches.
#pragma once

#include <algorithm>

#include "runtime/device.hpp"

namespace clconv::core {

// Microseconds from a launch until the threads work on it that have slept; the first is awake. PoCL 3.1, 2-core Zen 5,
// 2026-11: launches below 20 us take as long as one thread needs, longer ones 10 us more than two would.
constexpr double kWakeUs = 20;

// Does what is said of threads that sleep hold for the device? PoCL's CPUs; PoCL alone keeps compiled kernels.
inline bool has_slow_launches(const DeviceProfile& profile) {
  return profile.family == Family::kCpu && profile.driver_cache;
}

// What a launch takes longer than `us`, the time of `units` that begin together.
inline double waking_us(const DeviceProfile& profile, double us, double units) {
  return profile.family == Family::kCpu ? (units - 1) * std::min(us, kWakeUs / units) : 0;
}

}  // namespace clconv::core
