// Devices and contexts of clconv.h.
#include "api_json.hpp"
#include "api_support.hpp"
#include "ops/gemm.hpp"
#include "runtime/files.hpp"

using namespace clconv::core;
using namespace clconv::core::api;

// ---- devices ------------------------------------------------------------------------------------

clconv_status clconv_devices(char** json) {
  return guarded([&] {
    TextOut out(json, "json");
    Json list = Json::array();
    for (const DeviceEntry& entry : list_devices()) {
      const DeviceProfile profile = query_profile(entry.device);
      const auto type = entry.device.getInfo<CL_DEVICE_TYPE>();
      list.push_back({{"index", entry.index},
                      {"default", entry.is_default},
                      {"type", (type & CL_DEVICE_TYPE_GPU) != 0           ? "gpu"
                               : (type & CL_DEVICE_TYPE_ACCELERATOR) != 0 ? "accelerator"
                                                                          : "cpu"},
                      {"name", profile.name},
                      {"platform", profile.platform},
                      {"vendor", profile.vendor},
                      {"driver", profile.driver},
                      {"compute_units", profile.compute_units},
                      {"clock_mhz", profile.clock_mhz},
                      {"float_width", profile.float_width},
                      {"global_memory_bytes", profile.global_memory_bytes},
                      {"local_memory_bytes", profile.local_memory_bytes}});
    }
    out.put(dump(list));
  });
}

clconv_status clconv_select_device(const char* spec, cl_device_id* device) {
  return guarded([&] {
    std::string wanted = text_of(spec);
    if (wanted.empty()) wanted = environment("CLCONV_DEVICE");
    required(device, "device") = select_device(wanted)();
  });
}

// ---- contexts -----------------------------------------------------------------------------------

void clconv_context_options_defaults(clconv_context_options* options, size_t size) {
  write_defaults(options, size, clconv_context_options{});
}

clconv_status clconv_context_create(cl_context context, cl_device_id device,
                                    const clconv_context_options* options, clconv_context* result) {
  return guarded([&] {
    if (context == nullptr) bad("context is NULL");
    if (device == nullptr) bad("device is NULL");
    required(result, "result");
    const auto given = versioned(options, clconv_context_options{}, "clconv_context_options");
    ContextOptions o;
    o.cache_directory = text_of(given.cache_directory);
    if (given.cache_max_bytes < 0)
      bad("cache_max_bytes is " + std::to_string(given.cache_max_bytes));
    o.cache_max_bytes = given.cache_max_bytes;
    o.wisdom_path = text_of(given.wisdom_path);
    if (given.plan_cache_capacity < 0) {
      bad("plan_cache_capacity is " + std::to_string(given.plan_cache_capacity));
    }
    if (given.scratch_limit_bytes < 0) {
      bad("scratch_limit_bytes is " + std::to_string(given.scratch_limit_bytes));
    }
    o.scratch_limit_bytes = given.scratch_limit_bytes;
    if (given.plan_cache_capacity > 0) {
      o.plan_cache_capacity = static_cast<std::size_t>(given.plan_cache_capacity);
    }
    check_device(cl::Context(context, true), cl::Device(device, true));
    auto handle = std::make_unique<clconv_context_s>();
    handle->context =
        std::make_shared<Context>(cl::Context(context, true), cl::Device(device, true), o);
    *result = handle.release();
  });
}

clconv_status clconv_context_create_on(const char* spec, const clconv_context_options* options,
                                       clconv_context* result) {
  cl_device_id device = nullptr;
  const clconv_status status = clconv_select_device(spec, &device);
  if (status != CLCONV_OK) return status;
  clconv_status created = CLCONV_OK;
  const clconv_status made = guarded([&] {
    const cl::Context context((cl::Device(device, true)));
    created = clconv_context_create(context(), device, options, result);
  });
  return made != CLCONV_OK ? made : created;
}

clconv_status clconv_context_get(clconv_context context, cl_context* cl, cl_device_id* device) {
  return guarded([&] {
    Device& d = context_of(context).device();
    if (cl != nullptr) *cl = d.context()();
    if (device != nullptr) *device = d.cl()();
  });
}

clconv_status clconv_context_retain(clconv_context context) {
  return guarded([&] { ++required(context, "context").references; });
}

void clconv_context_release(clconv_context context) {
  if (context != nullptr && --context->references == 0) delete context;
}

clconv_status clconv_context_profile(clconv_context context, int measure, char** json) {
  return guarded([&] {
    TextOut out(json, "json");
    Context& c = context_of(context);
    if (measure != 0) c.measure_speeds();
    out.put(to_json(c.device().snapshot()));
  });
}

clconv_status clconv_context_stats(clconv_context context, char** json) {
  return guarded([&] {
    TextOut out(json, "json");
    Device& device = context_of(context).device();
    const ProgramCache::Stats stats = device.programs().stats();
    out.put(dump({{"programs",
                   {{"built", stats.built},
                    {"from_disk", stats.from_disk},
                    {"from_memory", stats.from_memory},
                    {"evicted", stats.evicted},
                    {"build_us", stats.build_us},
                    {"last_disk_failure", stats.last_disk_failure}}},
                  {"scratch_bytes", device.scratch().allocated_bytes()},
                  {"wisdom",
                   {{"path", context_of(context).wisdom().path()},
                    {"notes", context_of(context).wisdom().notes()}}}}));
  });
}

clconv_status clconv_context_memory(clconv_context context, clconv_memory_info* info) {
  return guarded([&] {
    Context& c = context_of(context);
    const ScratchPool::Use scratch = c.device().scratch().use();
    clconv_memory_info i{};
    i.scratch_bytes = scratch.bytes;
    i.scratch_peak_bytes = scratch.peak_bytes;
    i.scratch_limit_bytes = c.device().scratch().limit();
    i.scratch_buffers = scratch.buffers;
    i.programs = c.device().programs().size();
    i.plans = c.cached_plans();
    i.clblast_programs = gemm_cache_holds(c.device().context()()) ? 1 : 0;
    copy_out(info, i, known_size(required(info, "info").struct_size, "clconv_memory_info"));
  });
}

clconv_status clconv_context_trim(clconv_context context) {
  return guarded([&] { context_of(context).trim(); });
}
