// DeviceProfile: what planning needs to know of a device, as plain data that can be written down
// and read back, so that planning needs no device. Device: an OpenCL device in a context with its
// profile, its compiled programs and its scratch memory.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/awake.hpp"
#include "runtime/kernel.hpp"
#include "runtime/opencl.hpp"
#include "runtime/program.hpp"
#include "runtime/scratch.hpp"

namespace clconv::core {

// Decides which kernel bodies suit a device. Taken from the device type, never from the vendor
// (PoCL reports the CPU's vendor id); accelerators count as GPUs.
enum class Family { kCpu, kGpu };

const char* to_string(Family family);

struct DeviceProfile {
  std::string name, vendor, platform, driver;
  Family family = Family::kCpu;
  std::int64_t compute_units = 1;
  std::int64_t clock_mhz = 1000;
  std::int64_t float_width = 1;  // native vector width in floats; 1 on scalar (GPU) architectures
  std::int64_t vector_registers = 0;  // of a CPU core; 0 where that is not known
  std::int64_t max_work_group_size = 1;
  std::int64_t local_memory_bytes = 0;
  bool local_memory_dedicated = false;  // on-chip memory; false where it is ordinary memory
  std::int64_t global_memory_bytes = 0;
  std::int64_t max_allocation_bytes = 0;
  std::int64_t base_alignment_bytes = 128;  // of a sub-buffer's origin
  std::int64_t cache_bytes = 0;
  std::string float_atomics;  // "" none, "ext" cl_ext_float_atomics, "ptx" NVIDIA inline PTX
  // Arithmetic in float16: "" none, "khr" cl_khr_fp16, "ptx" NVIDIA inline PTX. And units that multiply float16
  // matrices with float32 sums: "" none that is known, "mma" NVIDIA's (of TF32, too, at half the rate), "mfma" and
  // "wmma" AMD's, "xmx" Intel's. What ends in "rounded" does the same in float32, rounding its results; no device says
  // so, tests do.
  std::string float16, matrix_units;
  // Their multiply-adds in the time of a float32 one.
  double float16_rate = 2, matrix_rate = 8;
  bool driver_cache = false;  // the driver keeps compiled kernels on disk by itself
  // The cost model's three constants: float32 FMA peak, copy bandwidth (bytes read + written) and
  // the time of one enqueued launch. Estimated from the fields above until probe() or quick_probe() measures them.
  double peak_gflops = 1;
  double bandwidth_gbs = 1;
  double launch_us = 1;
  bool measured = false;
};

std::string to_json(const DeviceProfile& profile);
// Throws Error{kInvalidArgument} that names the missing or mistyped field.
DeviceProfile profile_from_json(const std::string& text);

// Do the estimated speeds, and the model's efficiencies, stem from measurements on such a device? The only list of
// them: elsewhere the speeds are measured before the first estimate.
bool is_calibrated(const DeviceProfile& profile);

DeviceProfile query_profile(const cl::Device& device);

// One device of one platform; `index` is "P:D", as --device and CLCONV_DEVICE take it.
struct DeviceEntry {
  std::string index;
  cl::Device device;
  bool is_default = false;
};

// All devices of all platforms, in the ICD loader's order; empty where there are none. The default
// is the first GPU, else the first accelerator, else the first CPU.
std::vector<DeviceEntry> list_devices();

// `spec` is an index "P:D", a part of a device's or platform's name (any case), or empty for the
// default. Throws Error{kNoDevice} that lists what there is.
cl::Device select_device(const std::string& spec);

// Throws Error{kInvalidArgument} for a device that the cl_context does not have.
void check_device(const cl::Context& context, const cl::Device& device);

class Device {
 public:
  Device(const cl::Context& context, const cl::Device& device, const CacheOptions& cache)
      : Device(context, device, cache, query_profile(device)) {}
  // As if the device were what `profile` says: how the kernels of other families are tested.
  Device(const cl::Context& context, const cl::Device& device, const CacheOptions& cache,
         const DeviceProfile& profile);

  const cl::Context& context() const { return context_; }
  const cl::Device& cl() const { return device_; }
  const DeviceProfile& profile() const { return profile_; }
  // A copy, also while another thread measures the speeds.
  DeviceProfile snapshot() const;
  // Replaces the estimated speeds by measured ones. Not while another thread plans.
  void set_speeds(double peak_gflops, double bandwidth_gbs, double launch_us);
  ProgramCache& programs() { return programs_; }
  ScratchPool& scratch() { return scratch_; }
  // Small buffers that are 0 when they are lent, and must be when they come back.
  ScratchPool& states() { return states_; }
  // Null unless CLCONV_WAIT_POLICY is `active`, on a CPU of several units.
  Awake* awake() const { return awake_.get(); }

  // A new kernel object (kernels are not thread-safe, programs are) of entry point `entry` in
  // kernels/<file>.cl, built with `options`.
  Kernel kernel(const char* file, const char* entry, const std::string& options);

  // The same of a generated program (ProgramCache::get_generated).
  Kernel generated_kernel(const std::string& text, const char* entry, const std::string& options);

  // While one is alive, kernel() and generated_kernel() compile nothing in this thread: for who wants their text, and
  // may never launch them.
  class TextOnly {
   public:
    explicit TextOnly(bool wanted = true);
    ~TextOnly();
    TextOnly(const TextOnly&) = delete;
    TextOnly& operator=(const TextOnly&) = delete;

   private:
    bool before_;
  };

  cl::CommandQueue make_queue(cl_command_queue_properties properties = 0) const {
    return cl::CommandQueue(context_, device_, properties);
  }

 private:
  cl::Context context_;
  cl::Device device_;
  DeviceProfile profile_;
  mutable std::mutex speeds_mutex_;
  std::string dialect_;  // build options that follow from what the device lacks
  ProgramCache programs_;
  ScratchPool scratch_, states_;
  std::unique_ptr<Awake> awake_;
};

// What the device's name and driver do not tell and measured times depend on: compute units in use (a sub-device's,
// and of a CPU as many as affinity and control groups allow), vector width, the platform's version (with PoCL the
// compiler's), of a CPU its family, model and stepping (PoCL's name is the same for several), whether launches stay
// apart (CLCONV_LAUNCHES), and the wait policy.
std::string machine_of(const Device& device);

}  // namespace clconv::core
