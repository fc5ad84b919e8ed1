#include "strategies/depthwise/bodies.hpp"

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"

namespace clconv::core::depthwise {

Operands::Operands(const Problem& p)
    : input{p.wants_dx() ? kDySlot : kXSlot},
      result{p.wants_dx() ? kDxSlot : kYSlot},
      mask(p.mask ? Region{kYSlot} : input) {}

std::string define(const char* name, std::int64_t value) {
  return " -D" + std::string(name) + "=" + std::to_string(value);
}

std::string class_defines(const Problem& p, const Config& config) {
  return config.defines() + define("KH", p.kh) + define("KW", p.kw) + define("SH", p.sh) +
         define("SW", p.sw) + define("DH", p.dh) + define("DW", p.dw) +
         define("NHWC", p.layout == TensorLayout::kNhwc ? 1 : 0) +
         define("DATA", p.wants_dx() ? 1 : 0) + define("PT_MOD", p.wants_dx() ? p.pt % p.sh : 0) +
         define("PL_MOD", p.wants_dx() ? p.pl % p.sw : 0) + " " + epilogue_defines(p);
}

void describe_as(Candidate& candidate, const Problem& p, double predicted_us) {
  candidate.predicted_us = predicted_us;
  candidate.predicted_setup_us = kPredictedBuildUs;
  candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
}

// PoCL 3.1, 2-core Zen 5, 2026-11: about 5 of 500 GFLOP/s; of GPUs a guess.
double direct_efficiency(const DeviceProfile& profile) {
  // The second: Mesa 22.3, llvmpipe, 2-core Zen 5, 2026-11.
  return profile.family == Family::kGpu ? 0.15 : vectors_are_items(profile) ? 0.06 : 0.01;
}

}  // namespace clconv::core::depthwise
