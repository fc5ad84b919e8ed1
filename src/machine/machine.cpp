#include "machine/machine.hpp"

namespace clconv::core {
namespace {

// By vector width: what PoCL on x86 reports.
struct Row {
  const char* name;
  int lanes, registers;
};
constexpr Row kRows[] = {
    {"AMD Zen 5 (AVX-512)", 16, 32},
    {"AMD Zen 3 (AVX2)", 8, 16},
};
// SSE, NEON, and GPUs that run a body for CPUs anyway.
constexpr Row kOther = {"other", 4, 16};

}  // namespace

Machine Machine::of(const DeviceProfile& profile) {
  Row row = kOther;
  for (const Row& candidate : kRows) {
    if (profile.float_width < candidate.lanes) continue;
    row = candidate;
    break;
  }
  Machine machine{};
  machine.name = row.name;
  machine.calibrated = is_calibrated(profile);
  machine.lanes = row.lanes;
  // A core with AVX-512 has 32 also where it is used at half its width, and so has one with NEON.
  machine.registers =
      profile.vector_registers > 0 ? static_cast<int>(profile.vector_registers) : row.registers;
  return machine;
}

}  // namespace clconv::core
