#include "device.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <new>
#include <optional>

namespace clconv_python {
namespace {

template <class T>
T device_info(cl_device_id device, cl_device_info name) {
  T value{};
  check_opencl(clGetDeviceInfo(device, name, sizeof(value), &value, nullptr), "clGetDeviceInfo");
  return value;
}

bool is_pocl(cl_device_id device) {
  char name[64] = {};  // a longer name does not fit, and stays empty
  const auto platform = device_info<cl_platform_id>(device, CL_DEVICE_PLATFORM);
  clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof(name) - 1, name, nullptr);
  return std::string(name) == "Portable Computing Language";
}

template <class T>
T address(std::uintptr_t value) {
  return reinterpret_cast<T>(value);  // as PyOpenCL's int_ptr gives it
}

struct Options {
  std::optional<std::string> cache_directory, wisdom_path;
  clconv_context_options c{};

  Options(std::optional<std::string> cache, std::optional<std::string> wisdom,
          std::int64_t scratch_limit)
      : cache_directory(std::move(cache)), wisdom_path(std::move(wisdom)) {
    clconv_context_options_init(&c);
    if (cache_directory) c.cache_directory = cache_directory->c_str();
    if (wisdom_path) c.wisdom_path = wisdom_path->c_str();
    c.scratch_limit_bytes = scratch_limit;
  }
};

std::shared_ptr<Device> open_named(const std::optional<std::string>& spec, const Options& options) {
  guard_fork();
  const nb::gil_scoped_release no_python;
  clconv_context context = nullptr;
  check(clconv_context_create_on(spec ? spec->c_str() : nullptr, &options.c, &context));
  return std::make_shared<Device>(context);
}

std::shared_ptr<Device> open_given(std::uintptr_t opencl, std::uintptr_t device,
                                   const Options& options) {
  guard_fork();
  const nb::gil_scoped_release no_python;
  clconv_context context = nullptr;
  check(clconv_context_create(address<cl_context>(opencl), address<cl_device_id>(device),
                              &options.c, &context));
  return std::make_shared<Device>(context);
}

std::pair<std::uintptr_t, std::uintptr_t> owner_of_queue(std::uintptr_t queue) {
  cl_context opencl = nullptr;
  cl_device_id device = nullptr;
  const auto given = address<cl_command_queue>(queue);
  check_opencl(clGetCommandQueueInfo(given, CL_QUEUE_CONTEXT, sizeof(opencl), &opencl, nullptr),
               "clGetCommandQueueInfo");
  check_opencl(clGetCommandQueueInfo(given, CL_QUEUE_DEVICE, sizeof(device), &device, nullptr),
               "clGetCommandQueueInfo");
  return {reinterpret_cast<std::uintptr_t>(opencl), reinterpret_cast<std::uintptr_t>(device)};
}

std::string profile(const Context& self, bool measure) {
  guard_fork();
  const nb::gil_scoped_release no_python;
  char* json = nullptr;
  check(clconv_context_profile(self.device->context(), measure ? 1 : 0, &json));
  return take(json);
}

std::string stats(const Context& self) {
  char* json = nullptr;
  check(clconv_context_stats(self.device->context(), &json));
  return take(json);
}

nb::dict memory(const Context& self) {
  clconv_memory_info info{};
  info.struct_size = sizeof(info);
  check(clconv_context_memory(self.device->context(), &info));
  nb::dict result;
  result["scratch_bytes"] = info.scratch_bytes;
  result["scratch_peak_bytes"] = info.scratch_peak_bytes;
  result["scratch_limit_bytes"] = info.scratch_limit_bytes;
  result["scratch_buffers"] = info.scratch_buffers;
  result["programs"] = info.programs;
  result["plans"] = info.plans;
  result["clblast_programs"] = info.clblast_programs != 0;
  return result;
}

}  // namespace

Device::Device(clconv_context context) : context_(context) {
  try {
    check(clconv_context_get(context, &opencl_, &id_));
    shares_host_memory_ =
        (device_info<cl_device_type>(id_, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU) != 0 &&
        device_info<cl_bool>(id_, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0;
    needs_no_map_ = shares_host_memory_ && is_pocl(id_);
    const auto bits = device_info<cl_uint>(id_, CL_DEVICE_MEM_BASE_ADDR_ALIGN);
    alignment_ = bits < 8 ? 1 : bits / 8;
  } catch (...) {
    clconv_context_release(context);
    throw;
  }
}

Device::~Device() {
  if (forked_in_use()) return;
  for (const cl_command_queue queue : idle_)
    clReleaseCommandQueue(queue);
  clconv_context_release(context_);
}

QueueLoan::QueueLoan(Device& device) : device_(device) {
  {
    const std::lock_guard lock(device.mutex_);
    if (!device.idle_.empty()) {
      queue_ = device.idle_.back();
      device.idle_.pop_back();
      return;
    }
  }
  cl_int code = CL_SUCCESS;
  queue_ = clCreateCommandQueue(device.opencl(), device.id(), 0, &code);
  check_opencl(code, "clCreateCommandQueue");
}

QueueLoan::~QueueLoan() {
  const std::lock_guard lock(device_.mutex_);
  try {
    device_.idle_.push_back(queue_);
  } catch (const std::bad_alloc&) {
    clReleaseCommandQueue(queue_);
  }
}

void bind_context(nb::module_& m) {
  m.def("devices", [] {
    guard_fork();
    const nb::gil_scoped_release no_python;
    char* json = nullptr;
    check(clconv_devices(&json));
    return take(json);
  });
  m.def("owner_of_queue", owner_of_queue, nb::arg("queue"));
  m.def("pin_pocl_threads", [] { return clconv_pin_pocl_threads() != 0; });
  nb::class_<Context>(m, "Context")
      .def(
          "__init__",
          [](Context* self, const std::optional<std::string>& spec,
             std::optional<std::string> cache, std::optional<std::string> wisdom,
             std::int64_t scratch_limit) {
            new (self) Context{
                open_named(spec, Options(std::move(cache), std::move(wisdom), scratch_limit))};
          },
          nb::arg("spec").none(), nb::arg("cache_directory").none(), nb::arg("wisdom_path").none(),
          nb::arg("scratch_limit_bytes"))
      .def(
          "__init__",
          [](Context* self, std::uintptr_t opencl, std::uintptr_t device,
             std::optional<std::string> cache, std::optional<std::string> wisdom,
             std::int64_t scratch_limit) {
            new (self) Context{open_given(
                opencl, device, Options(std::move(cache), std::move(wisdom), scratch_limit))};
          },
          nb::arg("opencl"), nb::arg("device"), nb::arg("cache_directory").none(),
          nb::arg("wisdom_path").none(), nb::arg("scratch_limit_bytes"))
      .def_prop_ro("opencl_ptr",
                   [](const Context& self) {
                     return reinterpret_cast<std::uintptr_t>(self.device->opencl());
                   })
      .def_prop_ro(
          "device_ptr",
          [](const Context& self) { return reinterpret_cast<std::uintptr_t>(self.device->id()); })
      .def_prop_ro("alignment", [](const Context& self) { return self.device->alignment(); })
      .def_prop_ro("shares_host_memory",
                   [](const Context& self) { return self.device->shares_host_memory(); })
      .def("profile", profile, nb::arg("measure"))
      .def("stats", stats)
      .def("memory", memory)
      .def("trim", [](const Context& self) {
        guard_fork();
        const nb::gil_scoped_release no_python;
        check(clconv_context_trim(self.device->context()));
      });
}

}  // namespace clconv_python
