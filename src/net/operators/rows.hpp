// How kernels that move rows are divided: a GPU takes one element per work-item, a CPU a few rows, or a piece of a long
// one, per work-item.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "problem.hpp"
#include "runtime/device.hpp"
#include "runtime/launch.hpp"
#include "runtime/spans.hpp"

namespace clconv::net {

constexpr std::int64_t kWorkGroupsPerUnit = 4;  // of a CPU
constexpr std::int64_t kTileItems = 256;        // work-items of a tile in local memory

struct RowDivision {
  std::int64_t rows_each, columns_each;
  core::Range range;

  RowDivision(const core::DeviceProfile& profile, std::int64_t rows, std::int64_t columns)
      : rows_each(1), columns_each(1) {
    constexpr std::int64_t kLeast = 4096, kLine = 32;
    const bool cpu = profile.family == core::Family::kCpu;
    if (cpu) {
      const std::int64_t each = std::max(
          kLeast, core::ceil_div(rows * columns, profile.compute_units * kWorkGroupsPerUnit));
      columns_each = columns >= 2 * each ? core::round_up(each, kLine) : columns;
      rows_each = columns_each < columns ? 1 : core::ceil_div(each, columns);
    }
    range = core::items(core::ceil_div(rows, rows_each) * core::ceil_div(columns, columns_each),
                        cpu ? 1 : core::Spans::local_size(profile));
  }
};

inline std::string vector_define(const core::DeviceProfile& profile) {
  const bool cpu = profile.family == core::Family::kCpu;
  return " -DVW=" + std::to_string(cpu ? core::Runs::vector_width(profile) : 1);
}

// The kernels' index type, for offsets and counts up to `most`: a GPU's divisions of long are slow. Numbers of
// work-items, which are rounded up, fit, too.
inline std::string index_define(const core::DeviceProfile& profile, std::int64_t most) {
  constexpr std::int64_t kSpare = 1 << 16;
  const bool fits = most < std::numeric_limits<std::int32_t>::max() - kSpare;
  return profile.family == core::Family::kGpu && fits ? " -DINDEX=int" : " -DINDEX=long";
}

}  // namespace clconv::net
