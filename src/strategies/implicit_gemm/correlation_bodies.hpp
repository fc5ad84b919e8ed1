// What the bodies of correlations (forward, data gradient, transposed) share.
#pragma once

#include <string>
#include <vector>

#include "strategies/body.hpp"

namespace clconv::core::implicit_gemm {

// The operands by direction.
struct Operands {
  Region input, result;
  Region mask;  // y, only with p.mask
  explicit Operands(const Problem& p)
      : input{p.wants_dx() ? kDySlot : kXSlot},
        result{p.wants_dx() ? kDxSlot : kYSlot},
        mask{kYSlot} {}
};

// The first arguments of the kernels that multiply by packed weights.
std::vector<Argument> operand_arguments(const Problem& p, const Region& packed);

// The input's size, where its first tap lies, and the pixels of an image, as `direct`, `items` and `tile` take them.
std::vector<Argument> view_arguments(const Correlation& c);
// `lanes` work-items in groups of `local`, times `planes`, or fewer that take several planes: drivers limit the
// work-groups of the second dimension.
Range plane_items(std::int64_t lanes, std::int64_t local, std::int64_t planes);

// The macros of a program: the config's, stride and dilation (the same in all correlations of a problem), epilogue.
std::string class_defines(const Problem& p, const Correlation& c, const std::string& config);
// The same with shared_epilogue_defines.
std::string shared_defines(const Problem& p, const Correlation& c, const std::string& config);

// One correlation's share of the traffic.
double bytes_touched(const Problem& p, const Correlation& c, std::int64_t weights_bytes);

// Phases without taps only write zeroes (or the epilogue of zero); adding zero is nothing to do.
bool nothing_to_do(const Problem& p, const Correlation& c);

// Where the results of `first_image` and on go: the last arguments of all kernels.
std::vector<Argument> result_arguments(const Correlation& c, std::int64_t first_image);

// Of a register tile of so many filters and columns of a correlation.
Coverage coverage_of(const Case& c, std::int64_t filters, std::int64_t columns);

// Of one region in a workspace of its own.
std::int64_t aligned(std::int64_t bytes, const DeviceProfile& profile);

}  // namespace clconv::core::implicit_gemm
