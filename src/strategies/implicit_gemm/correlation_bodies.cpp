#include "strategies/implicit_gemm/correlation_bodies.hpp"

#include <algorithm>

#include "ops/epilogue.hpp"
#include "ops/quotient.hpp"

namespace clconv::core::implicit_gemm {

namespace {

std::string defines_of(const Correlation& c, const std::string& config) {
  return config + " -DSH=" + std::to_string(c.sh) + " -DSW=" + std::to_string(c.sw) +
         " -DDH=" + std::to_string(c.dh) + " -DDW=" + std::to_string(c.dw) + " " +
         (c.channels_last ? " -DCHANNELS_LAST=1 " : " -DCHANNELS_LAST=0 ");
}

}  // namespace

std::vector<Argument> operand_arguments(const Problem& p, const Region& packed) {
  const Operands operands(p);
  return {{"x", operands.input},        {"y_mask", p.mask ? operands.mask : operands.input},
          {"packed", packed},           {"b", Region{kBiasSlot}},
          {"r", Region{kResidualSlot}}, {"result", operands.result}};
}

std::vector<Argument> view_arguments(const Correlation& c) {
  const Reciprocal of_ow(c.ow);
  return {{"in_h", narrow(c.in_h)},
          {"in_w", narrow(c.in_w)},
          {"top", narrow(c.top)},
          {"left", narrow(c.left)},
          {"ow", narrow(c.ow)},
          {"ow_reciprocal", of_ow.bits()},
          {"ow_shift", cl_int{of_ow.shift}},
          {"image_pixels", narrow(c.oh * c.ow)}};
}

Range plane_items(std::int64_t lanes, std::int64_t local, std::int64_t planes) {
  Range range = items(lanes, local);
  range.global[1] = static_cast<std::size_t>(std::min<std::int64_t>(planes, 32768));
  return range;
}

std::string class_defines(const Problem& p, const Correlation& c, const std::string& config) {
  return defines_of(c, config) + epilogue_defines(p);
}

std::string shared_defines(const Problem& p, const Correlation& c, const std::string& config) {
  return defines_of(c, config) + shared_epilogue_defines(p);
}

double bytes_touched(const Problem& p, const Correlation& c, std::int64_t weights_bytes) {
  const double results = static_cast<double>(c.images * c.groups * c.filters * c.oh * c.ow);
  const double all = static_cast<double>(elements_of(p, result_of(p)));
  // Filters with fewer rows than the stride skip rows of x.
  const double rows_read =
      c.taps_h < c.sh ? static_cast<double>(c.taps_h) / static_cast<double>(c.sh) : 1.0;
  const double x_bytes = static_cast<double>(p.x_bytes()) * rows_read;
  return (x_bytes + static_cast<double>(p.y_bytes() + weights_bytes)) * results / all;
}

bool nothing_to_do(const Problem& p, const Correlation& c) {
  return p.accumulate && c.reduction() == 0;
}

std::vector<Argument> result_arguments(const Correlation& c, std::int64_t first_image) {
  return {{"out_image", cl_long{c.out_image}},
          {"out_plane", cl_long{c.out_plane}},
          {"out_offset", cl_long{c.out_offset + first_image * c.out_image}},
          {"out_pitch", cl_long{c.out_pitch}},
          {"out_step", narrow(c.out_step)}};
}

Coverage coverage_of(const Case& c, std::int64_t filters, std::int64_t columns) {
  const Correlation& first = c.correlations.front();
  Coverage coverage;
  coverage.filters = filters;
  // An image that is one row has more columns than any tile.
  const bool flattened = first.ow > (c.problem.wants_dx() ? c.problem.w : c.problem.ow());
  const std::int64_t step = first.channels_last ? 1 : first.out_step;
  if (!flattened) coverage.columns = columns * step;
  return coverage;
}

std::int64_t aligned(std::int64_t bytes, const DeviceProfile& profile) {
  WorkspaceLayout layout(profile);
  layout.add(bytes);
  return layout.bytes();
}

}  // namespace clconv::core::implicit_gemm
