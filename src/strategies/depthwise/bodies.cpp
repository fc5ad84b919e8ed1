#include "strategies/depthwise/bodies.hpp"

#include "ops/epilogue.hpp"

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

Correlation taps_of(const Problem& problem) {
  Problem p = problem;
  p.c = p.g = 1;
  return correlations_of(p).front();
}

void describe_as(Candidate& candidate, const Problem& p, double predicted_us) {
  candidate.predicted_us = predicted_us;
  candidate.predicted_setup_us = kPredictedBuildUs;
  candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
}

bool from_memory(const Case& c) {
  return operand_bytes(c.problem) > real(c.machine.last_level_bytes);
}

bool results_leave_caches(const Case& c) {
  return from_memory(c) && c.machine.last_level_bytes > 0 && c.machine.few_registers() &&
         c.problem.data_type == DataType::kFloat32;
}

double streamed_bytes(const Case& c) {
  // Of a copy's three transfers the result's is one that reads it; a third of the result is what 14 runs of
  // n16c144h56w56k144kh3kw3p1g144 saved (2-core Zen 3, 2026-11).
  constexpr double kSaved = 0.35;
  return kSaved * real(c.problem.wants_dx() ? c.problem.x_bytes() : c.problem.y_bytes());
}

Pass plane_pass(const Case& c, VectorWork work, double work_groups) {
  // Narrower vectors take as many instructions, of which fewer cross a cache line. Calibrated on PoCL 3.1, 2-core Zen
  // 5, 2026-11.
  constexpr double kNarrowerVector = 0.75;
  if (work.width < c.machine.lanes) work.count = kNarrowerVector * work.count;
  work.width = c.machine.lanes;
  return vector_pass(c.profile, work, {cached(c.machine, operand_bytes(c.problem)), work_groups});
}

Pass direct_pass(const Case& c, double flops, double work_groups) {
  // Fractions of peak. PoCL 3.1, 2-core Zen 5, 2026-11: about 5 of 500 GFLOP/s. Mesa 22.3, llvmpipe, on the same. Of
  // GPUs multiply-adds among the instructions of a 3x3 kernel, and of the loop of a data gradient (docs/gpu.md).
  constexpr double kOnCpu = 0.01, kOnItems = 0.06, kOnGpu = 0.09, kDataOnGpu = 0.14;
  const double on_gpu = c.problem.wants_dx() ? kDataOnGpu : kOnGpu;
  const double efficiency = c.profile.family == Family::kGpu ? on_gpu
                            : vectors_are_items(c.profile)   ? kOnItems
                                                             : kOnCpu;
  return arithmetic_pass(flops, efficiency, {operand_bytes(c.problem), work_groups});
}

}  // namespace clconv::core::depthwise
