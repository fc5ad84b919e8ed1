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

  // The caches of the row's processor: L1 and L2 of a core.
  std::int64_t l1_bytes, l2_bytes;
  std::int64_t last_level_bytes;  // all of it, as the device reports it; 0 where it does not
  std::int64_t line_bytes = 64;

  // What cache blocking counts on, of each core: the sizes with which the blocks were measured fastest or level on all
  // rows. They are not always those of the caches: Zen 5 has more L1, and Zen 3 half of this L2.
  std::int64_t l1_blocking_bytes, l2_blocking_bytes;
  // A core's share of the last-level cache, which moves twice the bytes that memory does.
  std::int64_t last_level_share_bytes = 8 << 20;

  // Per cycle: multiply-adds of whole vectors, and loads of vectors or of numbers for all lanes of one.
  double fmas_per_cycle = 2;
  double loads_per_cycle = 2;
  // Cycles.
  double fma_latency = 4;  // from a sum to the next product that adds to it
  double l2_line = 2.75;   // to bring a cache line from L2 to L1
  double l2_vector = 1;    // what a load from L2 takes longer, between other work
  // Bytes per cycle of weights that come from beyond L2 while a core multiplies.
  double outer_bytes_per_cycle;

  // Where channels are multiplied in slabs, with sums stored in between: so many channels, or products of a result, at
  // most (docs/calibration.md, AMD Zen 3).
  std::int64_t slab_channels = 64;
  std::int64_t slab_products = 256;

  // Of a GPU: work-items that keep a compute unit busy, and that give each of its schedulers something; whether a
  // work-group has several units; GpuKind::loads_ahead and divides_taps; the build option for kernels of 64 sums per
  // work-item.
  std::int64_t items_per_unit = 256;
  std::int64_t issuing_items = 128;
  bool group_spans_units = false;
  bool loads_ahead = false;
  bool divides_taps = false;
  const char* more_registers = "";

  // A register tile is then so small that what surrounds its multiply-adds counts: x86 without AVX-512.
  bool few_registers() const { return registers < 32; }
  // A number that was measured both with 16 vector registers (Zen 3) and with 32 (Zen 5).
  double measured(double with_16, double with_32) const {
    return few_registers() ? with_16 : with_32;
  }

  static Machine of(const DeviceProfile& profile);
};

}  // namespace clconv::core
