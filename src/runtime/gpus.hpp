// Kinds of GPUs, by their vendor: what OpenCL does not tell of them and planning needs.
#pragma once

#include <cstdint>

#include "runtime/opencl.hpp"

namespace clconv::core {

struct DeviceProfile;

struct GpuKind {
  const char* vendor;  // what its name begins with, in small letters; "" any
  int lanes;           // of a compute unit: float32 multiply-adds per cycle
  // Work-items that give each scheduler of a unit one wave: with fewer, some of the unit has nothing to issue.
  int issuing_items;
  // The least last-level cache of those in use. NVIDIA and AMD report the first level.
  std::int64_t cache_bytes;
  // A work-item has registers enough to load the factors of the next product while it multiplies those of this one.
  bool loads_ahead;
  // The tap of a step by divisions of the step's number takes fewer instructions of the vector unit than counters do.
  bool divides_taps;
  // The build option that gives a work-item of the vendor's own driver twice the registers; "" there is none.
  const char* more_registers;
};

const GpuKind& gpu_kind(const DeviceProfile& profile);

// GpuKind::issuing_items, of this device.
std::int64_t issuing_items(const DeviceProfile& profile);

// What computes in float16, and how many multiply-adds it does in the time of a float32 one; 0: none.
struct Float16Rates {
  double arithmetic = 0;
  bool by_ptx = false;            // NVIDIA's driver has inline PTX instead of cl_khr_fp16
  const char* matrix_units = "";  // DeviceProfile::matrix_units
  double matrix = 0;
};
Float16Rates float16_rates(const cl::Device& device, const DeviceProfile& profile);

// Lanes of a compute unit: what an extension tells of the device, else its kind's.
int lanes_of_unit(const cl::Device& device, const DeviceProfile& profile);

}  // namespace clconv::core
