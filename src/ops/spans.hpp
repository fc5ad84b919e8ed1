// How element-wise kernels are divided: a GPU takes one element per work-item, neighbours side by
// side; a CPU takes a whole line per work-item, so that the compiler sees the inner loop.
#pragma once

#include <algorithm>
#include <cstdint>

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

}  // namespace clconv::core
