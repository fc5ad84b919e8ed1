// Machine: what a processor is, as far as bodies plan with it: vectors, registers, caches, rates. One row per kind of
// processor that the cost model was calibrated on; docs/calibration.md shows the measurements behind each. No OpenCL.
#pragma once

#include <cstdint>

#include "runtime/device.hpp"

namespace clconv::core {

struct Machine {
  const char* name;  // of the row, in docs/calibration.md
  bool calibrated;   // false: the nearest row, with measured speeds

  int lanes;      // floats of the vectors that bodies for CPUs use
  int registers;  // vector registers

  // Caches of a core that blocking plans with, the same on all rows: not a processor's sizes (Zen 3 has 512 KiB of L2,
  // Zen 5 48 KiB of L1), but those with which the blocks were measured fastest or level on both.
  std::int64_t l1_bytes = 32 << 10;
  std::int64_t l2_bytes = 1 << 20;
  std::int64_t line_bytes = 64;

  // Cycles.
  double fmas_per_cycle = 2;   // of whole vectors
  double loads_per_cycle = 2;  // likewise, at best
  double fma_latency = 4;      // from a sum to the next product that adds to it
  double l2_line = 2.75;       // to bring a cache line from L2 to L1

  // Where channels are multiplied in slabs, with sums stored in between: so many channels, or products of a result, at
  // most (docs/calibration.md, AMD Zen 3).
  std::int64_t slab_channels = 64;
  std::int64_t slab_products = 256;

  // A register tile is then so small that what surrounds its multiply-adds counts: x86 without AVX-512.
  bool few_registers() const { return registers < 32; }

  static Machine of(const DeviceProfile& profile);
};

}  // namespace clconv::core
