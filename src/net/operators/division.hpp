// How an operator's work is divided among work-items: CPUs take vectors, and few work-groups with much to do; GPUs one
// result per work-item, or one row per work-group.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "net/lowering.hpp"
#include "runtime/spans.hpp"

namespace clconv::net {

// Does a work-item compute in vectors (kernels with macro VW above 1)?
inline bool takes_vectors(const core::DeviceProfile& profile) {
  return profile.family == core::Family::kCpu && core::Runs::vector_width(profile) > 1;
}

// `tasks` neighbours of `elements` each: `span` of them per work-item.
struct Tasks {
  static constexpr std::int64_t kWorkGroupsPerUnit = 4;
  static constexpr std::int64_t kLeastElements =
      4096;  // of a work-group: starting one costs as much

  std::int64_t span = 1;
  core::Range range;

  Tasks(const core::DeviceProfile& profile, std::int64_t tasks, std::int64_t elements) {
    const bool cpu = profile.family == core::Family::kCpu;
    if (cpu) {
      span = std::max(core::ceil_div(kLeastElements, std::max<std::int64_t>(elements, 1)),
                      core::ceil_div(tasks, profile.compute_units * kWorkGroupsPerUnit));
      span = std::min(span, std::max<std::int64_t>(tasks, 1));
    }
    range = core::items(core::ceil_div(tasks, span), cpu ? 1 : core::Spans::local_size(profile));
  }
};

// A row per work-group: as many work-items as share one, a power of 2.
inline std::int64_t row_items(const core::DeviceProfile& profile) {
  std::int64_t local = 1;
  while (profile.family == core::Family::kGpu && local < 128 &&
         2 * local <= profile.max_work_group_size) {
    local *= 2;
  }
  return local;
}
inline core::Range rows_of_items(std::int64_t rows, std::int64_t local) {
  return {{static_cast<std::size_t>(rows * local), 1, 1}, {static_cast<std::size_t>(local), 1, 1}};
}

// The macro of the vectors that a CPU takes.
inline std::string vector_define(const core::DeviceProfile& profile) {
  return " -DVW=" + std::to_string(core::Runs::vector_width(profile));
}

}  // namespace clconv::net
