// The list of bodies for depthwise convolutions, and what all of them share.
#pragma once

#include <string>

#include "strategies/body.hpp"

namespace clconv::core::depthwise {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// Work-groups per compute unit that even out what one takes longer than another.
constexpr std::int64_t kWorkGroupsPerUnit = 8;

// What work on vectors takes that are narrower than the machine's, in place of whole ones: it has as many
// instructions, of which fewer cross a cache line. Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11.
constexpr double kNarrowerVector = 0.75;

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

// All of a candidate but its memory.
void describe_as(Candidate& candidate, const Problem& p, double predicted_us);

// Fraction of peak of the bodies for GPUs.
double direct_efficiency(const DeviceProfile& profile);

}  // namespace clconv::core::depthwise
