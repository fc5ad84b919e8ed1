// Work divided among devices: how much each gets, and all parts at once. Knows nothing of what the work is.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "error.hpp"
#include "runtime/opencl.hpp"

namespace clconv::core {

// Images for each device, so that the last one is done as early as possible: device i takes `image_us[i]` for one.
// Of equal choices the first device.
std::vector<std::int64_t> divide(std::int64_t images, const std::vector<double>& image_us);

// By which times to divide among `count` devices: measured where those are known of all, else predicted; equal where
// some device has neither. A time that is unknown is not in the list, or not above 0.
std::vector<double> comparable_times(std::size_t count, const std::vector<double>& measured,
                                     const std::vector<double>& predicted);

// Runs `body`; an error of it names the device.
template <class Body>
auto on_device(std::size_t index, const std::string& name, Body&& body) {
  const std::string who = "device " + std::to_string(index) + " of the batch (" + name + "): ";
  try {
    return body();
  } catch (const Error& error) {
    throw Error(error.code(), who + error.what(), error.detail());
  } catch (const cl::Error& error) {
    const Error converted = opencl_error(error.what(), error.err());
    throw Error(converted.code(), who + converted.what());
  }
}

// Calls `body` for each of `devices` at once, for the first in the caller's thread. Throws the failure of the first
// that failed when all have ended.
void run_at_once(const std::vector<std::size_t>& devices,
                 const std::function<void(std::size_t)>& body);

}  // namespace clconv::core
