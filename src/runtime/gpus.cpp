#include "runtime/gpus.hpp"

#include <algorithm>
#include <iterator>

#include "runtime/device.hpp"
#include "text.hpp"

namespace clconv::core {
namespace {

constexpr std::int64_t kMib = 1 << 20;

// From the vendors' documents and from what compilers make of the kernels (docs/gpu.md); none was measured.
constexpr GpuKind kKinds[] = {
    {"nvidia", 128, 128, 4 * kMib, true, false, ""},
    // Of a work-group processor 128, of a compute unit before RDNA 64: see lanes_of_unit().
    {"advanced micro devices", 64, 256, 4 * kMib, false, true, ""},
    {"amd", 64, 256, 4 * kMib, false, true, ""},
    // A compute unit is a vector engine.
    {"intel", 8, 8, 4 * kMib, true, true, " -cl-intel-256-GRF-per-thread"},
    {"arm", 32, 32, kMib / 2, false, true, ""},
    {"qualcomm", 64, 128, kMib / 2, false, true, ""},
    {"", 64, 128, kMib, false, true, ""},
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

cl_uint compute_capability(const cl::Device& device) {
  return 10 * number_of(device, kComputeCapabilityMajor) +
         number_of(device, kComputeCapabilityMinor);
}

// By compute capability: CUDA C++ programming guide, "Throughput of Native Arithmetic Instructions", and data sheets.
struct NvidiaFloat16 {
  cl_uint from;       // capability, up to the next row's
  double arithmetic;  // of pairs of float16
  double matrix;      // mma.sync m16n8k16 with float32 sums, from 8.0 on
};
constexpr NvidiaFloat16 kNvidiaFloat16[] = {
    {0, 0, 0},    {53, 2, 0},  {61, 0, 0},  // of GeForce 10 a 64th
    {62, 2, 0},   {80, 4, 16},              // A100
    {86, 1, 2},                             // GeForce 30 and 40
    {90, 2, 15},                            // H100
    {100, 2, 15}, {120, 1, 2},
};

NvidiaFloat16 nvidia_float16(cl_uint capability) {
  NvidiaFloat16 rates = kNvidiaFloat16[0];
  for (const NvidiaFloat16& row : kNvidiaFloat16) {
    if (row.from <= capability) rates = row;
  }
  return rates;
}

// Matrix multiplication by sub-groups of 8 work-items: Xe-HPG.
bool has_xmx(const cl::Device& device) {
  constexpr cl_device_info kSubGroupSizes = 0x4108;  // of cl_intel_required_subgroup_size
  const std::string extensions = device.getInfo<CL_DEVICE_EXTENSIONS>();
  if (extensions.find("cl_intel_subgroup_matrix_multiply_accumulate") == std::string::npos)
    return false;
  std::size_t sizes[16] = {}, bytes = 0;
  if (clGetDeviceInfo(device(), kSubGroupSizes, sizeof(sizes), sizes, &bytes) != CL_SUCCESS)
    return false;
  std::size_t* const end = sizes + std::min(bytes / sizeof(sizes[0]), std::size(sizes));
  return std::find(sizes, end, std::size_t{8}) != end;
}

// CDNA: MI100, MI200, MI300.
bool has_mfma(const DeviceProfile& profile) {
  const std::string name = lowered(profile.name);
  return begins_with(name, "gfx908") || begins_with(name, "gfx90a") || begins_with(name, "gfx94");
}

// RDNA 3. Those of RDNA 4 have other fragments.
bool has_wmma(const DeviceProfile& profile) {
  return begins_with(lowered(profile.name), "gfx11");
}

}  // namespace

Float16Rates float16_rates(const cl::Device& device, const DeviceProfile& profile) {
  // wmma: 256 multiply-adds a cycle and unit, of float32 128 where two issue at once.
  constexpr double kPacked = 2, kMfma = 8, kWmma = 2, kXmx = 8;
  // Xe's lanes do two float16 at once only for sub-groups of 16 and more, and tiles are compiled for 8.
  constexpr double kIntel = 1;
  const std::string vendor = gpu_kind(profile).vendor;
  if (profile.family == Family::kGpu && vendor == "nvidia") {
    const NvidiaFloat16 rates = nvidia_float16(compute_capability(device));
    return {rates.arithmetic, true, rates.matrix > 0 ? "mma" : "", rates.matrix};
  }
  const bool amd = vendor == "amd" || vendor == "advanced micro devices";
  if (amd && has_mfma(profile)) return {kPacked, false, "mfma", kMfma};
  if (amd && has_wmma(profile)) return {kPacked, false, "wmma", kWmma};
  if (vendor == "intel") {
    const bool xmx = has_xmx(device);
    return {kIntel, false, xmx ? "xmx" : "", xmx ? kXmx : 0};
  }
  return {kPacked, false, "", 0};
}

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
    const cl_uint capability = compute_capability(device);
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
