// Nine GPUs as OpenCL would describe them, from public listings: none was ever asked. For plans without a device.
#pragma once

#include <algorithm>
#include <string>

#include "runtime/device.hpp"
#include "runtime/gpus.hpp"

namespace clconv::test {

struct Gpu {
  const char* name;
  const char* vendor;
  const char* platform;
  const char* target;  // of tests/gpu/shares.txt; "" no compiler is at hand
  std::int64_t compute_units, clock_mhz, float_width, max_work_group_size, local_memory_kib;
  bool local_memory_dedicated;
  std::int64_t global_memory_mb, max_allocation_mb, cache_kib, base_alignment_bytes;
  int lanes;                          // of a compute unit, as lanes_of_unit() says
  double peak_gflops, bandwidth_gbs;  // of the data sheet, float32 without matrix units
  int wave;                           // work-items that run together
};

constexpr Gpu kGpus[] = {
    {"h200", "NVIDIA Corporation", "NVIDIA CUDA", "sm_90", 132, 1980, 1, 1024, 48, true, 150000,
     37500, 3696, 512, 128, 66900, 4800, 32},
    {"a100", "NVIDIA Corporation", "NVIDIA CUDA", "sm_80", 108, 1410, 1, 1024, 48, true, 85000,
     21000, 3024, 512, 64, 19500, 2039, 32},
    {"rtx3080", "NVIDIA Corporation", "NVIDIA CUDA", "sm_86", 68, 1710, 1, 1024, 48, true, 10500,
     2600, 1904, 512, 128, 29770, 760, 32},
    {"rx6800", "Advanced Micro Devices, Inc.", "AMD Accelerated Parallel Processing", "gfx1030", 30,
     2475, 1, 256, 64, true, 17163, 14588, 16, 256, 128, 16170, 512, 32},
    {"mi210", "Advanced Micro Devices, Inc.", "AMD Accelerated Parallel Processing", "gfx90a", 104,
     1700, 1, 256, 64, true, 68702, 58397, 16, 128, 64, 22600, 1638, 64},
    {"arc770", "Intel(R) Corporation", "Intel(R) OpenCL HD Graphics", "acm-g10", 512, 2400, 1, 1024,
     64, true, 16225, 4294, 16384, 128, 8, 19660, 560, 16},
    {"mali_g710", "ARM", "ARM Platform", "", 10, 848, 1, 1024, 32, false, 8000, 8000, 2048, 128, 32,
     1085, 51, 16},
    {"mali_g52", "ARM", "ARM Platform", "", 3, 800, 4, 384, 32, false, 8000, 8000, 256, 128, 32,
     115, 15, 8},
    {"adreno740", "QUALCOMM", "QUALCOMM Snapdragon(TM)", "", 6, 680, 1, 1024, 32, true, 5700, 1400,
     128, 128, 64, 2090, 67, 64},
};

// With the speeds that the library estimates before it measures.
inline core::DeviceProfile estimated(const Gpu& gpu) {
  constexpr std::int64_t kKib = 1 << 10, kMb = 1000 * 1000;
  core::DeviceProfile p;
  p.name = gpu.name;
  p.vendor = gpu.vendor;
  p.platform = gpu.platform;
  p.driver = "none";
  p.family = core::Family::kGpu;
  p.compute_units = gpu.compute_units;
  p.clock_mhz = gpu.clock_mhz;
  p.float_width = gpu.float_width;
  p.max_work_group_size = gpu.max_work_group_size;
  p.local_memory_bytes = gpu.local_memory_kib * kKib;
  p.local_memory_dedicated = gpu.local_memory_dedicated;
  p.global_memory_bytes = gpu.global_memory_mb * kMb;
  p.max_allocation_bytes = gpu.max_allocation_mb * kMb;
  p.base_alignment_bytes = gpu.base_alignment_bytes;
  p.cache_bytes = std::max(gpu.cache_kib * kKib, core::gpu_kind(p).cache_bytes);
  p.peak_gflops = static_cast<double>(gpu.compute_units * gpu.clock_mhz * gpu.lanes) * 2e-3;
  p.bandwidth_gbs = gpu.local_memory_dedicated ? 400 : 40;
  p.launch_us = 5;
  return p;
}

// As if measured: fractions of the data sheet's speeds.
inline core::DeviceProfile measured(const Gpu& gpu, double of_peak, double of_bandwidth,
                                    double launch_us) {
  core::DeviceProfile p = estimated(gpu);
  p.peak_gflops = of_peak * gpu.peak_gflops;
  p.bandwidth_gbs = of_bandwidth * gpu.bandwidth_gbs;
  p.launch_us = launch_us;
  p.measured = true;
  return p;
}

}  // namespace clconv::test
