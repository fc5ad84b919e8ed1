#include "machine/machine.hpp"

#include <algorithm>

#include "runtime/gpus.hpp"

namespace clconv::core {
namespace {

constexpr std::int64_t kKib = 1 << 10;

// By vector width: what PoCL on x86 reports.
struct Row {
  const char* name;
  int lanes, registers;
  std::int64_t l1_bytes, l2_bytes;
};
constexpr Row kRows[] = {
    {"AMD Zen 5 (AVX-512)", 16, 32, 48 * kKib, 1024 * kKib},
    {"AMD Zen 3 (AVX2)", 8, 16, 32 * kKib, 512 * kKib},
};
// SSE, NEON, and GPUs that run a body for CPUs anyway: the least that is usual.
constexpr Row kOther = {"other", 4, 16, 32 * kKib, 512 * kKib};

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
  machine.l1_bytes = row.l1_bytes;
  machine.l2_bytes = row.l2_bytes;
  machine.last_level_bytes = profile.cache_bytes;
  machine.l1_blocking_bytes = std::min(row.l1_bytes, 32 * kKib);
  machine.l2_blocking_bytes = std::max(row.l2_bytes, 1024 * kKib);
  machine.outer_bytes_per_cycle = machine.measured(24, 256);
  if (profile.family == Family::kGpu) {
    const GpuKind& kind = gpu_kind(profile);
    machine.group_spans_units = kind.lanes < 16;
    if (machine.group_spans_units) machine.items_per_unit = 2 * kind.lanes;
    machine.issuing_items = core::issuing_items(profile);
    machine.loads_ahead = kind.loads_ahead;
    machine.divides_taps = kind.divides_taps;
    // Neither other drivers for the vendor's GPUs know the option, nor "Intel(R) OpenCL", the vendor's for CPUs.
    if (profile.platform.compare(0, 5, "Intel") == 0 &&
        profile.platform.find("Graphics") != std::string::npos) {
      machine.more_registers = kind.more_registers;
    }
  }
  return machine;
}

}  // namespace clconv::core
