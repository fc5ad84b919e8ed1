#include "runtime/device.hpp"

#include <CL/cl_ext.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>

#include "runtime/chain_program.hpp"
#include "runtime/files.hpp"
#include "runtime/gpus.hpp"
#include "runtime/processor.hpp"
#include "runtime/waking.hpp"
#include "text.hpp"

namespace clconv::core {
namespace {

bool contains_word(const std::string& words, const char* word) {
  return (" " + words + " ").find(" " + std::string(word) + " ") != std::string::npos;
}

// A driver's words: in any encoding, padded.
std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\0'))
    text.pop_back();
  return one_line(text);
}

// Half of an operation's error bound is that a result is the nearest float16, the smallest ones included.
bool has_float16(const cl::Device& device) {
  constexpr cl_device_info kHalfConfig = 0x1033;  // CL_DEVICE_HALF_FP_CONFIG, of cl_khr_fp16
  constexpr cl_device_fp_config kNeeded = CL_FP_DENORM | CL_FP_ROUND_TO_NEAREST;
  cl_device_fp_config config = 0;
  return contains_word(device.getInfo<CL_DEVICE_EXTENSIONS>(), "cl_khr_fp16") &&
         clGetDeviceInfo(device(), kHalfConfig, sizeof(config), &config, nullptr) == CL_SUCCESS &&
         (config & kNeeded) == kNeeded;
}

void find_float16(const cl::Device& device, DeviceProfile& p) {
  const Float16Rates rates = float16_rates(device, p);
  if (rates.by_ptx) {
    if (rates.arithmetic > 0) p.float16 = "ptx";
  } else if (has_float16(device)) {
    p.float16 = "khr";
  }
  if (rates.arithmetic > 0) p.float16_rate = rates.arithmetic;
  p.matrix_units = rates.matrix_units;
  if (rates.matrix > 0) p.matrix_rate = rates.matrix;
}

std::string float_atomics_of(const cl::Device& device) {
  const std::string extensions = device.getInfo<CL_DEVICE_EXTENSIONS>();
#ifdef CL_DEVICE_SINGLE_FP_ATOMIC_CAPABILITIES_EXT
  if (contains_word(extensions, "cl_ext_float_atomics")) {
    cl_device_fp_atomic_capabilities_ext bits = 0;
    const cl_int status = clGetDeviceInfo(device(), CL_DEVICE_SINGLE_FP_ATOMIC_CAPABILITIES_EXT,
                                          sizeof(bits), &bits, nullptr);
    if (status == CL_SUCCESS && (bits & CL_DEVICE_GLOBAL_FP_ATOMIC_ADD_EXT) != 0) return "ext";
  }
#endif
  // Every NVIDIA GPU since Fermi (2010) has atom.global.add.f32, and the driver accepts inline PTX.
  if (contains_word(extensions, "cl_nv_compiler_options")) return "ptx";
  return "";
}

// Rough, and only ratios between candidates depend on it; `clconv profile --measure` replaces it.
void estimate_speeds(const cl::Device& device, DeviceProfile& p) {
  const double gigahertz = static_cast<double>(p.clock_mhz) / 1000.0;
  const double units = static_cast<double>(p.compute_units);
  if (p.family == Family::kCpu) {
    // Two FMA pipes a core. Measured on a 2-core Zen 5 under PoCL 3.1 (2026-11): 500 GFLOP/s where
    // this says 332, because the clock reported is the base clock; 40 GB/s; 5 us a launch.
    p.peak_gflops = units * gigahertz * static_cast<double>(p.float_width) * 4.0;
    p.bandwidth_gbs = 30;
    p.launch_us = 5;
  } else {
    // An FMA per lane and cycle; memory as of a mid-range card, or the host's. Not measured: no GPU was available.
    p.peak_gflops = units * gigahertz * lanes_of_unit(device, p) * 2.0;
    p.bandwidth_gbs = device.getInfo<CL_DEVICE_HOST_UNIFIED_MEMORY>() == CL_TRUE ? 40 : 400;
    p.launch_us = 5;
  }
}

// The only list of the profile's fields; reading and writing both walk over it.
template <class Profile, class Visitor>
void visit_fields(Profile& p, Visitor&& visit) {
  visit("name", p.name);
  visit("vendor", p.vendor);
  visit("platform", p.platform);
  visit("driver", p.driver);
  visit("family", p.family);
  visit("compute_units", p.compute_units);
  visit("clock_mhz", p.clock_mhz);
  visit("float_width", p.float_width);
  visit("vector_registers", p.vector_registers);
  visit("max_work_group_size", p.max_work_group_size);
  visit("local_memory_bytes", p.local_memory_bytes);
  visit("local_memory_dedicated", p.local_memory_dedicated);
  visit("global_memory_bytes", p.global_memory_bytes);
  visit("max_allocation_bytes", p.max_allocation_bytes);
  visit("base_alignment_bytes", p.base_alignment_bytes);
  visit("cache_bytes", p.cache_bytes);
  visit("float_atomics", p.float_atomics);
  visit("float16", p.float16);
  visit("matrix_units", p.matrix_units);
  visit("float16_rate", p.float16_rate);
  visit("matrix_rate", p.matrix_rate);
  visit("driver_cache", p.driver_cache);
  visit("peak_gflops", p.peak_gflops);
  visit("bandwidth_gbs", p.bandwidth_gbs);
  visit("launch_us", p.launch_us);
  visit("measured", p.measured);
}

[[noreturn]] void bad_profile(const std::string& text) {
  throw Error(Code::kInvalidArgument, "device profile: " + text);
}

struct FieldReader {
  const nlohmann::json& json;

  // Profiles written before there was such a field have none.
  bool lacks(std::string_view name) const {
    static constexpr std::string_view kNewer[] = {"vector_registers", "float16", "matrix_units",
                                                  "float16_rate", "matrix_rate"};
    return std::find(std::begin(kNewer), std::end(kNewer), name) != std::end(kNewer) &&
           json.find(name) == json.end();
  }
  const nlohmann::json& at(const char* name) const {
    const auto found = json.find(name);
    if (found == json.end()) bad_profile("field '" + std::string(name) + "' is missing");
    return *found;
  }
  void operator()(const char* name, Family& value) const {
    std::string word;
    (*this)(name, word);
    if (word != "cpu" && word != "gpu") {
      bad_profile("field 'family' is '" + word + "', expected cpu or gpu");
    }
    value = word == "cpu" ? Family::kCpu : Family::kGpu;
  }
  void operator()(const char* name, std::string& value) const {
    if (lacks(name)) return;
    if (!at(name).is_string()) bad_profile("field '" + std::string(name) + "' is not a string");
    value = one_line(at(name).get<std::string>());
  }
  void operator()(const char* name, bool& value) const {
    if (!at(name).is_boolean())
      bad_profile("field '" + std::string(name) + "' is not true or false");
    value = at(name).get<bool>();
  }
  void operator()(const char* name, std::int64_t& value) const {
    if (lacks(name)) return;
    if (!at(name).is_number_integer() || at(name).get<std::int64_t>() < 0) {
      bad_profile("field '" + std::string(name) + "' is not a non-negative integer");
    }
    value = at(name).get<std::int64_t>();
  }
  void operator()(const char* name, double& value) const {
    if (lacks(name)) return;
    if (!at(name).is_number() || !(at(name).get<double>() > 0)) {
      bad_profile("field '" + std::string(name) + "' is not a positive number");
    }
    value = at(name).get<double>();
  }
};

}  // namespace

const char* to_string(Family family) {
  return family == Family::kCpu ? "cpu" : "gpu";
}

std::string to_json(const DeviceProfile& profile) {
  nlohmann::ordered_json json;
  visit_fields(profile, [&](const char* name, const auto& value) {
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, Family>) {
      json[name] = to_string(value);
    } else {
      json[name] = value;
    }
  });
  return json.dump(2);
}

DeviceProfile profile_from_json(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) bad_profile("not a JSON object");
  DeviceProfile profile;
  visit_fields(profile, FieldReader{json});
  // A zero here would divide by zero in the cost model or in a tiling.
  for (const auto& [name, value] :
       {std::pair{"compute_units", profile.compute_units},
        std::pair{"float_width", profile.float_width},
        std::pair{"base_alignment_bytes", profile.base_alignment_bytes},
        std::pair{"max_work_group_size", profile.max_work_group_size}}) {
    if (value < 1) bad_profile("field '" + std::string(name) + "' must be at least 1");
  }
  return profile;
}

bool is_calibrated(const DeviceProfile& profile) {
  // PoCL on x86 with AVX2 or AVX-512: docs/calibration.md.
  return profile.family == Family::kCpu && profile.platform == "Portable Computing Language" &&
         (profile.float_width == 8 || profile.float_width == 16);
}

DeviceProfile query_profile(const cl::Device& device) {
  DeviceProfile p;
  const cl::Platform platform(device.getInfo<CL_DEVICE_PLATFORM>());
  p.name = trimmed(device.getInfo<CL_DEVICE_NAME>());
  p.vendor = trimmed(device.getInfo<CL_DEVICE_VENDOR>());
  p.platform = trimmed(platform.getInfo<CL_PLATFORM_NAME>());
  p.driver = trimmed(device.getInfo<CL_DRIVER_VERSION>());
  const bool cpu = (device.getInfo<CL_DEVICE_TYPE>() & CL_DEVICE_TYPE_CPU) != 0;
  p.family = cpu ? Family::kCpu : Family::kGpu;
  p.compute_units = std::max<std::int64_t>(1, device.getInfo<CL_DEVICE_MAX_COMPUTE_UNITS>());
  p.clock_mhz = std::max<std::int64_t>(1, device.getInfo<CL_DEVICE_MAX_CLOCK_FREQUENCY>());
  p.float_width = std::max<std::int64_t>(1, device.getInfo<CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT>());
  if (cpu) p.vector_registers = processor_vector_registers();
  const auto size = [](auto value) { return static_cast<std::int64_t>(value); };
  p.max_work_group_size =
      std::max<std::int64_t>(1, size(device.getInfo<CL_DEVICE_MAX_WORK_GROUP_SIZE>()));
  p.local_memory_bytes = size(device.getInfo<CL_DEVICE_LOCAL_MEM_SIZE>());
  p.local_memory_dedicated = device.getInfo<CL_DEVICE_LOCAL_MEM_TYPE>() == CL_LOCAL;
  p.global_memory_bytes = size(device.getInfo<CL_DEVICE_GLOBAL_MEM_SIZE>());
  p.max_allocation_bytes = size(device.getInfo<CL_DEVICE_MAX_MEM_ALLOC_SIZE>());
  p.base_alignment_bytes =
      std::max<std::int64_t>(1, device.getInfo<CL_DEVICE_MEM_BASE_ADDR_ALIGN>() / 8);
  p.cache_bytes = size(device.getInfo<CL_DEVICE_GLOBAL_MEM_CACHE_SIZE>());
  p.float_atomics = float_atomics_of(device);
  find_float16(device, p);
  p.driver_cache = p.platform == kPocl;
  if (!cpu) p.cache_bytes = std::max(p.cache_bytes, gpu_kind(p).cache_bytes);
  estimate_speeds(device, p);
  return p;
}

namespace {

// Where the ICD loader looks for drivers, and what it finds named there.
std::string drivers_text() {
  const std::string named = environment("OCL_ICD_VENDORS");
  const std::string folder = named.empty() ? "/etc/OpenCL/vendors" : named;
  std::string files;
  std::error_code error;
  // ocl-icd takes an .icd file or a library there, too.
  if (!named.empty() && !std::filesystem::is_directory(named, error)) {
    return "OCL_ICD_VENDORS is '" + named + "', which is no folder or driver that could be loaded";
  }
  for (const auto& file : std::filesystem::directory_iterator(folder, error)) {
    if (file.path().extension() != ".icd") continue;
    std::string library;
    try {
      read_file(file.path().string(), library);
    } catch (const Error&) {
      library = "cannot be read";
    }
    library = library.substr(0, library.find('\n'));
    files += (files.empty() ? "" : ", ") + file.path().filename().string() + " (" + library + ")";
  }
  if (files.empty()) {
    return "no driver is named in " + folder +
           ": install one (any CPU: the package pocl-opencl-icd)";
  }
  return "none of the drivers named in " + folder + " could be loaded: " + files;
}

std::string no_device_text(const cl::Platform& platform, cl_int status) {
  const std::string name = trimmed(platform.getInfo<CL_PLATFORM_NAME>());
  return "platform '" + name + "' has none or cannot start: " + status_text(status) +
         (name == kPocl ? kPoclFolderHint : "");
}

// Devices, and why a platform has none.
std::vector<DeviceEntry> find_devices(std::string& reasons) {
  std::vector<DeviceEntry> entries;
  std::vector<cl::Platform> platforms;
  const auto because = [&](const std::string& reason) {
    reasons += (reasons.empty() ? "" : "; ") + reason;
  };
  try {
    cl::Platform::get(&platforms);
  } catch (const cl::Error& error) {
    constexpr cl_int kNoPlatform = -1001;  // CL_PLATFORM_NOT_FOUND_KHR
    if (error.err() != kNoPlatform) because("clGetPlatformIDs failed: " + status_text(error.err()));
  }
  if (platforms.empty() && reasons.empty()) because(drivers_text());
  for (std::size_t p = 0; p < platforms.size(); ++p) {
    std::vector<cl::Device> devices;
    cl_int status = CL_DEVICE_NOT_FOUND;  // of which CLHPP makes an empty list
    try {
      platforms[p].getDevices(CL_DEVICE_TYPE_ALL, &devices);
    } catch (const cl::Error& error) {
      status = error.err();
    }
    // It hides no others.
    if (devices.empty()) because(no_device_text(platforms[p], status));
    for (std::size_t d = 0; d < devices.size(); ++d) {
      entries.push_back({std::to_string(p) + ":" + std::to_string(d), devices[d], false});
    }
  }
  constexpr cl_device_type kPreferred[] = {CL_DEVICE_TYPE_GPU, CL_DEVICE_TYPE_ACCELERATOR,
                                           CL_DEVICE_TYPE_CPU};
  for (const cl_device_type wanted : kPreferred) {
    for (DeviceEntry& entry : entries) {
      if ((entry.device.getInfo<CL_DEVICE_TYPE>() & wanted) != 0) {
        entry.is_default = true;
        return entries;
      }
    }
  }
  if (!entries.empty()) entries.front().is_default = true;
  return entries;
}

}  // namespace

std::vector<DeviceEntry> list_devices() {
  std::string reasons;
  return find_devices(reasons);
}

cl::Device select_device(const std::string& spec) {
  std::string reasons;
  const std::vector<DeviceEntry> entries = find_devices(reasons);
  if (entries.empty()) throw Error(Code::kNoDevice, "no OpenCL device found: " + reasons);
  std::string known;
  for (const DeviceEntry& entry : entries) {
    const DeviceProfile profile = query_profile(entry.device);
    const bool by_name = lowered(profile.name).find(lowered(spec)) != std::string::npos ||
                         lowered(profile.platform).find(lowered(spec)) != std::string::npos;
    if (spec.empty() ? entry.is_default : entry.index == spec || by_name) return entry.device;
    known += (known.empty() ? "" : ", ") + entry.index + " (" + profile.name + ")";
  }
  throw Error(Code::kNoDevice, "no device matches '" + spec + "'; there is " + known);
}

DeviceProfile Device::snapshot() const {
  const std::lock_guard<std::mutex> lock(speeds_mutex_);
  return profile_;
}

void Device::set_speeds(double peak_gflops, double bandwidth_gbs, double launch_us) {
  const std::lock_guard<std::mutex> lock(speeds_mutex_);
  profile_.peak_gflops = peak_gflops;
  profile_.bandwidth_gbs = bandwidth_gbs;
  profile_.launch_us = launch_us;
  profile_.measured = true;
}

namespace {

// Of a CPU; binaries and times of one are not another's, also where both have one name and share a home.
std::string processor(const DeviceProfile& profile) {
  static const std::string here = processor_name();
  return profile.family == Family::kCpu ? here : "";
}

// With PoCL the compiler's version, which is no part of the driver's.
std::string platform_version(const cl::Device& device) {
  return trimmed(cl::Platform(device.getInfo<CL_DEVICE_PLATFORM>()).getInfo<CL_PLATFORM_VERSION>());
}

// All that a binary depends on besides source and options. Programs of 32 and 64 bits may share a home.
std::string program_key(const cl::Device& device, const DeviceProfile& p) {
  return p.platform + "|" + p.name + "|" + p.driver + "|" + processor(p) + "|" +
         platform_version(device) + "|" + std::to_string(p.float_width) + " floats|" +
         std::to_string(device.getInfo<CL_DEVICE_ADDRESS_BITS>()) + " bits";
}

}  // namespace

namespace {

// Sub-devices are of their parents' contexts.
bool belongs(cl_device_id device, const std::vector<cl::Device>& devices) {
  for (cl_device_id one = device; one != nullptr;) {
    for (const cl::Device& known : devices)
      if (known() == one) return true;
    cl_device_id parent = nullptr;
    if (clGetDeviceInfo(one, CL_DEVICE_PARENT_DEVICE, sizeof(parent), &parent, nullptr) !=
        CL_SUCCESS)
      return false;
    one = parent;
  }
  return false;
}

}  // namespace

void check_device(const cl::Context& context, const cl::Device& device) {
  if (belongs(device(), context.getInfo<CL_CONTEXT_DEVICES>())) return;
  throw Error(Code::kInvalidArgument, "device '" + trimmed(device.getInfo<CL_DEVICE_NAME>()) +
                                          "' is none of the cl_context's devices");
}

Device::Device(const cl::Context& context, const cl::Device& device, const CacheOptions& cache,
               const DeviceProfile& profile)
    : context_(context),
      device_(device),
      profile_(profile),
      dialect_((device.getInfo<CL_DEVICE_SINGLE_FP_CONFIG>() & CL_FP_FMA) != 0
                   ? " -cl-kernel-arg-info"
                   : " -cl-kernel-arg-info -DNO_FMA"),
      programs_(context, device, program_key(device, profile_),
                effective(cache, profile_.driver_cache)),
      scratch_(context, profile_.max_allocation_bytes),
      states_(context, profile_.max_allocation_bytes, ScratchPool::Content::kZeroes) {
  const std::string policy = environment("CLCONV_WAIT_POLICY");
  if (!policy.empty() && policy != "active" && policy != "passive") {
    throw Error(Code::kInvalidArgument,
                "CLCONV_WAIT_POLICY is '" + policy + "', expected active or passive");
  }
  if (policy == "active" && profile_.family == Family::kCpu && profile_.compute_units > 1) {
    awake_ = std::make_unique<Awake>(context_, device_, programs_);
  }
}

namespace {
thread_local bool text_only = false;
}  // namespace

Device::TextOnly::TextOnly(bool wanted) : before_(text_only) {
  text_only = wanted;
}

Device::TextOnly::~TextOnly() {
  text_only = before_;
}

Kernel Device::kernel(const char* file, const char* entry, const std::string& options) {
  const std::string all = options + dialect_, name = file, function = entry;
  const ProgramTextPtr text = programs_.text(name, all);
  if (!text_only) return {text, function, cl::Kernel(programs_.get(name, all), entry)};
  return {text, function, [this, name, function, all] {
            return cl::Kernel(programs_.get(name, all), function.c_str());
          }};
}

Kernel Device::generated_kernel(const std::string& text, const char* entry,
                                const std::string& options) {
  const std::string all = options + dialect_, function = entry;
  const ProgramTextPtr whole = programs_.generated_text(text, all);
  if (!text_only) return {whole, function, cl::Kernel(programs_.get_generated(text, all), entry)};
  return {whole, function, [this, text, function, all] {
            return cl::Kernel(programs_.get_generated(text, all), function.c_str());
          }};
}

std::string machine_of(const Device& device) {
  const DeviceProfile& p = device.profile();
  std::int64_t units = p.compute_units;
  if (p.family == Family::kCpu) {
    // PoCL counts neither a quota nor an affinity.
    const std::int64_t cpus = usable_cpus();
    if (cpus > 0) units = std::min(units, cpus);
  }
  std::string text = std::to_string(units) + " units, " + std::to_string(p.float_width) +
                     " floats, " + platform_version(device.cl());
  const std::string here = processor(p);
  if (!here.empty()) text += ", " + here;
  if (has_slow_launches(p) && launch_policy() == LaunchPolicy::kEach) text += ", launches apart";
  return device.awake() != nullptr ? text + ", active" : text;
}

}  // namespace clconv::core
