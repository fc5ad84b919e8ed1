// How element-wise kernels are divided: a GPU takes one element per work-item, neighbours side by
// side; a CPU takes a whole line per work-item, so that the compiler sees the inner loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "problem.hpp"
#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

struct Spans {
  std::int64_t span;      // elements of a line per work-item
  std::int64_t per_line;  // work-items per line
  std::int64_t local;

  Spans(const DeviceProfile& profile, std::int64_t line)
      : span(profile.family == Family::kCpu ? line : 1),
        per_line(ceil_div(line, span)),
        local(profile.family == Family::kCpu ? 1 : local_size(profile)) {}

  Range range(std::int64_t lines) const { return items(lines * per_line, local); }

  // Work-items per group where each does one small thing.
  static std::int64_t local_size(const DeviceProfile& profile) {
    return std::min<std::int64_t>(64, profile.max_work_group_size);
  }
};

// How a long row of elements without lines is divided: a CPU takes vectors, and few work-groups with much to do
// (a launch costs some microseconds, and so do a thousand work-groups); a GPU one element per work-item.
struct Runs {
  std::int64_t span;   // elements per work-item
  std::int64_t width;  // of vectors
  Range range;

  Runs(const DeviceProfile& profile, std::int64_t count) {
    constexpr std::int64_t kWorkGroupsPerUnit = 4, kLeast = 4096;
    const bool cpu = profile.family == Family::kCpu;
    width = cpu ? vector_width(profile) : 1;
    span = cpu ? round_up(
                     std::max(kLeast, ceil_div(count, profile.compute_units * kWorkGroupsPerUnit)),
                     width)
               : 1;
    range = items(ceil_div(count, span), cpu ? 1 : Spans::local_size(profile));
  }
  std::string define() const { return "-DVW=" + std::to_string(width); }

  // What parts/vectors.cl has a type for, at most the device's own.
  static std::int64_t vector_width(const DeviceProfile& profile) {
    return profile.float_width >= 16  ? 16
           : profile.float_width >= 8 ? 8
           : profile.float_width >= 4 ? 4
                                      : 1;
  }
};

}  // namespace clconv::core
