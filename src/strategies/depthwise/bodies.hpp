// The list of bodies for depthwise convolutions, and what all of them share.
#pragma once

#include <string>

#include "strategies/body.hpp"
#include "strategies/cost_model.hpp"

namespace clconv::core::depthwise {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// Work-groups per compute unit that even out what one takes longer than another.
constexpr std::int64_t kWorkGroupsPerUnit = 8;

// The operands of the forward convolution and the data gradient.
struct Operands {
  Region input, result;
  Region mask;  // y; without p.mask the input, which the kernel then does not read
  explicit Operands(const Problem& p);
};

// " -DNAME=value".
std::string define(const char* name, std::int64_t value);
// The macros of a program: the config's, the class of the problem (filter, stride, dilation, layout, direction) and
// the epilogue.
std::string class_defines(const Problem& p, const Config& config);

// The weights as those of one group of k filters with one channel: packed, that is [tap][channel].
Correlation taps_of(const Problem& problem);

// All of a candidate but its memory.
void describe_as(Candidate& candidate, const Problem& p, double predicted_us);

// A launch over planes that the last-level cache may hold, with vectors of the machine's width or less.
Pass plane_pass(const Case& c, VectorWork work, double work_groups);

// The last-level cache does not hold the operands. Where it does, prefetching takes longer (docs/calibration.md).
bool from_memory(const Case& c);
// Nor does it hold the result until it is read, so that storing past the caches is faster: measured with 16 registers.
bool results_leave_caches(const Case& c);
// The bytes that a launch saves whose results are stored past the caches.
double streamed_bytes(const Case& c);

// And one of the bodies for GPUs.
Pass direct_pass(const Case& c, double flops, double work_groups);

}  // namespace clconv::core::depthwise
