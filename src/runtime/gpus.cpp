#include "runtime/gpus.hpp"

#include "runtime/device.hpp"
#include "text.hpp"

namespace clconv::core {
namespace {

constexpr std::int64_t kMib = 1 << 20;

// From the vendors' documents and from what compilers make of the kernels (docs/gpu.md); none was measured.
constexpr GpuKind kKinds[] = {
    {"nvidia", 128, 128, 4 * kMib, true, ""},
    // Of a work-group processor 128, of a compute unit before RDNA 64: see lanes_of_unit().
    {"advanced micro devices", 64, 256, 4 * kMib, false, ""},
    {"amd", 64, 256, 4 * kMib, false, ""},
    // A compute unit is a vector engine.
    {"intel", 8, 8, 4 * kMib, true, " -cl-intel-256-GRF-per-thread"},
    {"arm", 32, 32, kMib / 2, false, ""},
    {"qualcomm", 64, 128, kMib / 2, false, ""},
    {"", 64, 128, kMib, false, ""},
};

// cl_nv_device_attribute_query, cl_amd_device_attribute_query.
constexpr cl_device_info kComputeCapabilityMajor = 0x4000, kComputeCapabilityMinor = 0x4001;
constexpr cl_device_info kSimdsPerUnit = 0x4040, kSimdWidth = 0x4041;

// 0 where the device does not say.
cl_uint number_of(const cl::Device& device, cl_device_info name) {
  cl_uint value = 0;
  const cl_int status = clGetDeviceInfo(device(), name, sizeof(value), &value, nullptr);
  return status == CL_SUCCESS ? value : 0;
}

bool begins_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

// A unit is a work-group processor of 4 x 32 lanes; before, it was a compute unit of 4 x 16 lanes for waves of 64.
bool is_rdna(const DeviceProfile& profile) {
  return begins_with(lowered(profile.name), "gfx1");
}

}  // namespace

const GpuKind& gpu_kind(const DeviceProfile& profile) {
  const std::string vendor = lowered(profile.vendor);
  const GpuKind* kind = kKinds;
  while (!begins_with(vendor, kind->vendor))
    ++kind;
  return *kind;
}

std::int64_t issuing_items(const DeviceProfile& profile) {
  constexpr std::int64_t kRdna = 128;
  const GpuKind& kind = gpu_kind(profile);
  return kind.issuing_items == 256 && is_rdna(profile) ? kRdna : kind.issuing_items;
}

int lanes_of_unit(const cl::Device& device, const DeviceProfile& profile) {
  const GpuKind& kind = gpu_kind(profile);
  const std::string vendor = kind.vendor;
  if (vendor == "nvidia") {
    const cl_uint capability = 10 * number_of(device, kComputeCapabilityMajor) +
                               number_of(device, kComputeCapabilityMinor);
    // P100, V100, T4 and its kin, A100.
    const bool half = capability == 60 || capability == 70 || capability == 75 || capability == 80;
    return half ? kind.lanes / 2 : kind.lanes;
  }
  if (vendor == "amd" || vendor == "advanced micro devices") {
    const cl_uint lanes = number_of(device, kSimdsPerUnit) * number_of(device, kSimdWidth);
    if (lanes >= 16 && lanes <= 256) return static_cast<int>(lanes);
    if (is_rdna(profile)) return 128;
  }
  return kind.lanes;
}

}  // namespace clconv::core
