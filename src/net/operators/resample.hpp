// Weighted sums of neighbours along several axes: what Resize by mode linear and cubic is (kernels/net/resample.cl).
#pragma once

#include <vector>

#include "net/lowering.hpp"
#include "net/operators/resize_axis.hpp"

namespace clconv::net {

// Axes that are one for the kernel: those in front that are copied as they are, up to three with taps, and those
// behind.
struct Resampling {
  static constexpr std::size_t kMostAxes = 3;
  std::int64_t outer = 1, inner = 1;
  std::vector<Taps> axes;  // kMostAxes after regroup()
  float fill = 0;          // of results outside the input
};

// Of one Taps per axis. False where more than kMostAxes lie between the first and the last one that is resized.
bool regroup(const std::vector<Taps>& axes, Resampling& result);
bool is_plain(const Resampling& how);  // takes every element as it is

std::vector<float> resampled(const std::vector<float>& from, const Resampling& how);
void launch_resampling(Lowering& lowering, BufferId x, BufferId y, const Resampling& how);

}  // namespace clconv::net
