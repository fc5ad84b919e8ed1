// clconv.h on top of the planner: turns handles into objects, structs into values and exceptions
// into statuses. No decisions here.
#include "clconv/clconv.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "api_support.hpp"
#include "ops/gemm.hpp"
#include "ops/im2col.hpp"
#include "planner/environment.hpp"
#include "runtime/affinity.hpp"
#include "runtime/files.hpp"
#include "text.hpp"

using namespace clconv::core;
using namespace clconv::core::api;
using Json = nlohmann::ordered_json;

namespace {

static_assert(CLCONV_INTERNAL == static_cast<int>(Code::kInternal) &&
                  CLCONV_CONSTRAINT == static_cast<int>(Code::kConstraint) &&
                  CLCONV_IO == static_cast<int>(Code::kIo),
              "clconv_status and Code must agree");

thread_local std::string last_error;
thread_local std::string last_detail;

static_assert(kActivations == CLCONV_GELU + 1 && kDataTypes == CLCONV_BFLOAT16 + 1,
              "clconv.h names every row");

clconv_problem problem_defaults() {
  clconv_problem p{};
  for (int64_t* one :
       {&p.n, &p.c, &p.h, &p.w, &p.k, &p.kh, &p.kw, &p.sh, &p.sw, &p.dh, &p.dw, &p.g}) {
    *one = 1;
  }
  p.activation_slope = Problem().activation_slope;
  p.activation_offset = Problem().activation_offset;
  return p;
}

clconv_plan_options plan_options_defaults() {
  clconv_plan_options o{};
  o.workspace_limit_bytes = -1;
  return o;
}

clconv_gemm_params gemm_params_defaults() {
  clconv_gemm_params p{};
  p.m = p.n = p.k = 1;
  p.lda = p.ldb = p.ldc = 1;
  p.alpha = 1;
  return p;
}

std::string text_of(const char* text) {
  return text != nullptr ? text : "";
}

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

// A value of an enumeration that counts from 0.
template <class Enumeration>
Enumeration known(const char* name, int32_t value, int32_t last) {
  if (value < 0 || value > last) {
    bad(std::string(name) + " " + std::to_string(value) + " is unknown");
  }
  return static_cast<Enumeration>(value);
}

// Not validated yet.
Problem geometry_of(const clconv_problem* given, const char* name = "problem") {
  required(given, name);
  const clconv_problem c = versioned(given, problem_defaults(), "clconv_problem");
  Problem p;
  p.n = c.n, p.c = c.c, p.h = c.h, p.w = c.w, p.k = c.k, p.kh = c.kh, p.kw = c.kw;
  p.sh = c.sh, p.sw = c.sw, p.pt = c.pt, p.pl = c.pl, p.pb = c.pb, p.pr = c.pr;
  p.dh = c.dh, p.dw = c.dw, p.g = c.g;
  p.direction = known<Direction>("direction", c.direction, CLCONV_TRANSPOSED);
  p.bias = c.bias != 0;
  p.residual = c.residual != 0;
  p.activation = known<Activation>("activation", c.activation, CLCONV_GELU);
  p.activation_slope = c.activation_slope;
  p.activation_offset = c.activation_offset;
  p.mask = c.mask != 0;
  p.accumulate = c.accumulate != 0;
  p.data_type = known<DataType>("data_type", c.data_type, CLCONV_BFLOAT16);
  p.layout = known<TensorLayout>("layout", c.layout, CLCONV_NHWC);
  p.weights_layout = known<WeightsLayout>("weights_layout", c.weights_layout, CLCONV_KRSC);
  return p;
}

Problem problem_of(const clconv_problem* given) {
  const Problem p = geometry_of(given);
  p.validate();
  return p;
}

void put(clconv_problem* out, const Problem& p) {
  clconv_problem c = problem_defaults();
  c.n = p.n, c.c = p.c, c.h = p.h, c.w = p.w, c.k = p.k, c.kh = p.kh, c.kw = p.kw;
  c.sh = p.sh, c.sw = p.sw, c.pt = p.pt, c.pl = p.pl, c.pb = p.pb, c.pr = p.pr;
  c.dh = p.dh, c.dw = p.dw, c.g = p.g;
  c.direction = static_cast<clconv_direction>(p.direction);
  c.bias = p.bias ? 1 : 0;
  c.residual = p.residual ? 1 : 0;
  c.activation = static_cast<clconv_activation>(p.activation);
  c.activation_slope = p.activation_slope;
  c.activation_offset = p.activation_offset;
  c.data_type = static_cast<clconv_data_type>(p.data_type);
  c.layout = static_cast<clconv_tensor_layout>(p.layout);
  c.weights_layout = static_cast<clconv_weights_layout>(p.weights_layout);
  c.mask = p.mask ? 1 : 0;
  c.accumulate = p.accumulate ? 1 : 0;
  copy_out(out, c, known_size(required(out, "problem").struct_size, "clconv_problem"));
}

std::vector<std::string> names_of(const char* list) {
  std::vector<std::string> names;
  const std::string text = text_of(list);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    names.push_back(find_strategy(text.substr(begin, end - begin)).name);
    begin = end + 1;
  }
  return names;
}

PlannerOptions options_of(const clconv_plan_options* given) {
  const clconv_plan_options c = versioned(given, plan_options_defaults(), "clconv_plan_options");
  PlannerOptions o;
  if (c.rigor < CLCONV_RIGOR_DEFAULT || c.rigor > CLCONV_EXHAUSTIVE) {
    bad("rigor " + std::to_string(c.rigor) + " is unknown");
  }
  if (c.rigor != CLCONV_RIGOR_DEFAULT) o.rigor = static_cast<Rigor>(c.rigor - CLCONV_WISDOM_ONLY);
  if (std::isnan(c.time_limit_s)) bad("time_limit_s is nan, expected seconds");
  if (c.time_limit_s > 0) o.time_limit_s = c.time_limit_s;
  if (c.workspace_limit_bytes >= 0) o.workspace_limit = c.workspace_limit_bytes;
  o.deterministic = c.deterministic != 0;
  o.strategy = text_of(c.strategy);
  if (!o.strategy.empty()) o.strategy = find_strategy(o.strategy).name;
  if (c.config != nullptr && o.strategy.empty()) bad("config needs strategy");
  o.config = Config::parse(text_of(c.config)).text();
  o.allow = names_of(c.allow);
  o.deny = names_of(c.deny);
  if (c.expected_runs < 0) bad("expected_runs is " + std::to_string(c.expected_runs));
  o.expected_runs = c.expected_runs;
  o.weights_change = c.weights_change != 0;
  o.time_all = c.time_all != 0;
  return with_environment(
      o, {c.rigor == CLCONV_RIGOR_DEFAULT, c.workspace_limit_bytes < 0, c.strategy == nullptr});
}

const Plan& plan_of(clconv_plan handle) {
  return *required(handle, "plan").plan;
}

Operands operands_of(const Problem& p, const clconv_operands* given) {
  required(given, "operands");
  const clconv_operands c = versioned(given, clconv_operands{}, "clconv_operands");
  Operands operands;
  operands.tensors = {c.x, c.w, c.b, c.y, c.dx, c.dw, c.db, c.dy, c.r};
  if (p.direction == Direction::kTransposed) {
    // What the caller knows as x and y are dy and dx of the convolution behind it.
    operands.tensors[static_cast<std::size_t>(Tensor::kDy)] = c.x;
    operands.tensors[static_cast<std::size_t>(Tensor::kDx)] = c.y;
  }
  operands.prepared = c.prepared;
  operands.workspace = c.workspace;
  return operands;
}

Json steps_json(const std::vector<StepTime>& times) {
  Json json = Json::array();
  for (const StepTime& time : times)
    json.push_back({{"step", time.name}, {"us", time.us}});
  return json;
}

}  // namespace

clconv_status clconv::core::api::fail(Code code, const char* text, const char* detail) noexcept {
  try {
    last_error = one_line(text);
    last_detail = detail;
  } catch (...) {
    last_error.clear();  // no memory for the text: the status must do
    last_detail.clear();
  }
  return static_cast<clconv_status>(code);
}

// Defined with the C linkage that clconv.h declares.

const char* clconv_status_name(clconv_status status) {
  switch (status) {
    case CLCONV_OK: return "CLCONV_OK";
    case CLCONV_INVALID_ARGUMENT: return "CLCONV_INVALID_ARGUMENT";
    case CLCONV_INVALID_PROBLEM: return "CLCONV_INVALID_PROBLEM";
    case CLCONV_CONSTRAINT: return "CLCONV_CONSTRAINT";
    case CLCONV_NO_DEVICE: return "CLCONV_NO_DEVICE";
    case CLCONV_BUILD_FAILED: return "CLCONV_BUILD_FAILED";
    case CLCONV_OUT_OF_MEMORY: return "CLCONV_OUT_OF_MEMORY";
    case CLCONV_OPENCL: return "CLCONV_OPENCL";
    case CLCONV_GEMM: return "CLCONV_GEMM";
    case CLCONV_IO: return "CLCONV_IO";
    case CLCONV_INTERNAL: return "CLCONV_INTERNAL";
    default: return "?";
  }
}

const char* clconv_last_error(void) {
  return last_error.c_str();
}
const char* clconv_last_error_detail(void) {
  return last_detail.c_str();
}
const char* clconv_version(void) {
  return CLCONV_VERSION;
}
const char* clconv_activation_name(clconv_activation activation) {
  return activation >= 0 && activation < static_cast<int>(kActivations)
             ? kActivationRows[activation].word
             : "?";
}

const char* clconv_data_type_name(clconv_data_type type) {
  return type >= 0 && type < static_cast<int>(kDataTypes) ? kDataTypeRows[type].word : "?";
}

int clconv_pin_pocl_threads(void) {
  if (!may_pin_pocl()) return 0;
  ::setenv("POCL_AFFINITY", "1", 0);
  return environment("POCL_AFFINITY") == "1" ? 1 : 0;
}

void clconv_free(char* text) {
  std::free(text);
}

// ---- problems -----------------------------------------------------------------------------------

void clconv_problem_defaults(clconv_problem* problem, size_t size) {
  write_defaults(problem, size, problem_defaults());
}

clconv_status clconv_problem_parse(const char* text, clconv_problem* problem) {
  return guarded([&] {
    const Problem p = parse_problem(&required(text, "text"));
    put(problem, p);
  });
}

clconv_status clconv_problem_transposed(const clconv_problem* as_seen, int64_t output_pad_h,
                                        int64_t output_pad_w, clconv_problem* problem) {
  return guarded([&] {
    required(problem, "problem");
    put(problem, transposed(geometry_of(as_seen, "as_seen"), output_pad_h, output_pad_w));
  });
}

clconv_status clconv_problem_format(const clconv_problem* problem, char** text) {
  return guarded([&] {
    TextOut out(text, "text");
    out.put(to_text(problem_of(problem)));
  });
}

clconv_status clconv_problem_query(const clconv_problem* problem, clconv_problem_info* info) {
  return guarded([&] {
    const Problem p = problem_of(problem);
    clconv_problem_info i{};
    i.oh = p.oh();
    i.ow = p.ow();
    i.x_bytes = p.x_bytes();
    i.w_bytes = p.w_bytes();
    i.b_bytes = p.b_bytes();
    i.y_bytes = p.y_bytes();
    i.flops = p.flops();
    copy_out(info, i, known_size(required(info, "info").struct_size, "clconv_problem_info"));
  });
}

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

void clconv_context_release(clconv_context context) {
  delete context;
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

// ---- plans --------------------------------------------------------------------------------------

void clconv_plan_options_defaults(clconv_plan_options* options, size_t size) {
  write_defaults(options, size, plan_options_defaults());
}

clconv_status clconv_plan_create(clconv_context context, const clconv_problem* problem,
                                 const clconv_plan_options* options, clconv_plan* result) {
  return guarded([&] {
    context_of(context);
    required(result, "result");
    auto handle = std::make_unique<clconv_plan_s>();
    handle->context = context->context;
    handle->plan = handle->context->plan(problem_of(problem), options_of(options));
    handle->config = handle->plan->candidate().config.text();
    *result = handle.release();
  });
}

clconv_status clconv_plan_retain(clconv_plan plan) {
  return guarded([&] { ++required(plan, "plan").references; });
}

void clconv_plan_release(clconv_plan plan) {
  if (plan != nullptr && --plan->references == 0) delete plan;
}

clconv_status clconv_plan_get_info(clconv_plan plan, clconv_plan_info* info) {
  return guarded([&] {
    const Plan& p = plan_of(plan);
    const ReportEntry& choice = p.report().choice();
    clconv_plan_info i{};
    i.strategy = choice.strategy->name;
    i.config = plan->config.c_str();
    i.workspace_bytes = p.workspace_bytes(true);
    i.workspace_unprepared_bytes = p.workspace_bytes(false);
    i.prepared_weights_bytes = p.candidate().prepared_weights_bytes;
    i.deterministic = p.candidate().deterministic ? 1 : 0;
    i.error_bound = p.candidate().error_bound;
    i.predicted_us = p.candidate().predicted_us;
    i.measured_us = choice.measured ? choice.measured->median_us : -1;
    i.steps = static_cast<int64_t>(p.steps());
    i.error_reach = p.candidate().error_reach;
    i.error_floor = result_error_floor(p.report().problem);
    copy_out(info, i, known_size(required(info, "info").struct_size, "clconv_plan_info"));
  });
}

clconv_status clconv_plan_report(clconv_plan plan, char** json) {
  return guarded([&] {
    TextOut out(json, "json");
    out.put(to_json(plan_of(plan).report()));
  });
}

void clconv_operands_defaults(clconv_operands* operands, size_t size) {
  write_defaults(operands, size, clconv_operands{});
}

clconv_status clconv_plan_prepare(clconv_plan plan, cl_command_queue queue, cl_mem w,
                                  cl_mem prepared, cl_uint num_events, const cl_event* wait_list,
                                  cl_event* event) {
  return guarded([&] {
    plan_of(plan).prepare(queue, w, prepared, {num_events, wait_list, event});
  });
}

clconv_status clconv_plan_execute(clconv_plan plan, cl_command_queue queue,
                                  const clconv_operands* operands, cl_uint num_events,
                                  const cl_event* wait_list, cl_event* event) {
  return guarded([&] {
    plan_of(plan).execute(queue, operands_of(plan_of(plan).report().problem, operands),
                          {num_events, wait_list, event});
  });
}

clconv_status clconv_plan_profile(clconv_plan plan, const clconv_operands* operands, char** json) {
  return guarded([&] {
    TextOut out(json, "json");
    out.put(dump(
        steps_json(plan_of(plan).profile(operands_of(plan_of(plan).report().problem, operands)))));
  });
}

clconv_status clconv_explain(clconv_context context, const clconv_problem* problem,
                             const clconv_plan_options* options, char** json) {
  return guarded([&] {
    TextOut out(json, "json");
    out.put(to_json(context_of(context).explain(problem_of(problem), options_of(options))));
  });
}

clconv_status clconv_explain_profile(const char* profile, const clconv_problem* problem,
                                     const clconv_plan_options* options, char** json) {
  return guarded([&] {
    TextOut out(json, "json");
    const DeviceProfile device = profile_from_json(&required(profile, "profile"));
    PlannerOptions o = options_of(options);
    if (o.rigor != Rigor::kEstimate) {
      bad(std::string("rigor ") + to_string(o.rigor) +
          " needs the device, a profile allows only estimate");
    }
    o.workspace_limit = std::min(o.workspace_limit, device.max_allocation_bytes);
    Report report = plan(problem_of(problem), device, o, strategies(), {}, nullptr);
    report.device = device.platform + " / " + device.name;
    report.driver = device.driver;
    out.put(to_json(report));
  });
}

// ---- operations ---------------------------------------------------------------------------------

namespace {

enum OperationSlot { kInput = 0, kOutput = 1, kThird = 2 };

const char* layout_name(clconv_layout layout) {
  if (layout != CLCONV_ROWS && layout != CLCONV_COLUMNS) {
    bad("layout " + std::to_string(layout) + " is unknown");
  }
  return layout == CLCONV_ROWS ? "rows" : "columns";
}

// k and g say nothing about patches; without them one sequence serves more problems.
Problem patches_of(const clconv_problem* problem) {
  Problem p = problem_of(problem);
  p.k = p.g = 1;
  return p;
}

// Of a valid problem whose matrix may exceed 64 bits.
std::int64_t columns_bytes(const Problem& p) {
  return saturating_product(columns_elements(p), Problem::kFloatBytes);
}

// INT64_MAX where they do not fit: no buffer has that many.
std::int64_t matrix_bytes(std::int64_t rows, std::int64_t width, std::int64_t ld) {
  const std::int64_t elements = saturating_product(rows - 1, ld);
  return elements > INT64_MAX - width ? INT64_MAX
                                      : saturating_product(elements + width, Problem::kFloatBytes);
}

Gemm gemm_of(const clconv_gemm_params* params) {
  required(params, "params");
  const auto g = versioned(params, gemm_params_defaults(), "clconv_gemm_params");
  for (const auto& [name, value] :
       {std::pair{"m", g.m}, std::pair{"n", g.n}, std::pair{"k", g.k}}) {
    if (value < 1) bad(std::string(name) + "=" + std::to_string(value) + ": must be at least 1");
  }
  Gemm gemm;
  gemm.transpose_a = g.transpose_a != 0;
  gemm.transpose_b = g.transpose_b != 0;
  gemm.m = g.m, gemm.n = g.n, gemm.k = g.k;
  gemm.lda = g.lda, gemm.ldb = g.ldb, gemm.ldc = g.ldc;
  for (const auto& [name, value] : {std::pair{"alpha", g.alpha}, std::pair{"beta", g.beta}}) {
    if (!std::isfinite(value))
      bad(std::string(name) + "=" + number_text(value) + ": must be finite");
  }
  gemm.alpha = g.alpha, gemm.beta = g.beta;
  return gemm;
}

void run(Device& device, const Operation& operation, cl_command_queue queue, cl_mem input,
         cl_mem output, const Dependencies& d) {
  Bindings bindings;
  bindings.bind(kInput, input);
  bindings.bind(kOutput, output);
  enqueue(operation, device, queue, bindings, d);
}

}  // namespace

clconv_status clconv_im2col(clconv_context context, cl_command_queue queue,
                            const clconv_problem* problem, clconv_layout layout, cl_mem x,
                            cl_mem cols, cl_uint num_events, const cl_event* wait_list,
                            cl_event* event) {
  return guarded([&] {
    Context& c = context_of(context);
    check_queue(c.device(), queue);
    const Problem p = patches_of(problem);
    const std::string key = std::string("im2col ") + layout_name(layout) + " " + to_text(p);
    const Dependencies d = dependencies(c.device(), num_events, wait_list, event);
    check_buffers(c.device(),
                  {{"x", x, p.x_bytes()}, {"cols", cols, columns_bytes(p), Access::kWrite}},
                  "im2col");
    const auto operation = c.operation(key, [&] {
      return Operation{im2col(c.device(), p, static_cast<ColumnsLayout>(layout), Region{kInput},
                              Region{kOutput})};
    });
    run(c.device(), *operation, queue, x, cols, d);
  });
}

clconv_status clconv_col2im(clconv_context context, cl_command_queue queue,
                            const clconv_problem* problem, clconv_layout layout,
                            clconv_col2im_variant variant, cl_mem cols, cl_mem dx,
                            cl_uint num_events, const cl_event* wait_list, cl_event* event) {
  return guarded([&] {
    Context& c = context_of(context);
    check_queue(c.device(), queue);
    const Problem p = patches_of(problem);
    if (variant != CLCONV_COL2IM_GATHER && variant != CLCONV_COL2IM_ATOMIC) {
      bad("variant " + std::to_string(variant) + " is unknown");
    }
    const std::string key = std::string("col2im ") + layout_name(layout) +
                            (variant == CLCONV_COL2IM_GATHER ? " gather " : " atomic ") +
                            to_text(p);
    const Dependencies d = dependencies(c.device(), num_events, wait_list, event);
    check_buffers(c.device(),
                  {{"cols", cols, columns_bytes(p)}, {"dx", dx, p.x_bytes(), Access::kWrite}},
                  "col2im");
    const auto operation = c.operation(key, [&] {
      return Operation{col2im(c.device(), p, static_cast<ColumnsLayout>(layout),
                              static_cast<Col2imVariant>(variant), Region{kInput},
                              Region{kOutput})};
    });
    run(c.device(), *operation, queue, cols, dx, d);
  });
}

void clconv_gemm_params_defaults(clconv_gemm_params* params, size_t size) {
  write_defaults(params, size, gemm_params_defaults());
}

clconv_status clconv_gemm(clconv_context context, cl_command_queue queue,
                          const clconv_gemm_params* params, cl_mem a, cl_mem b, cl_mem c,
                          cl_uint num_events, const cl_event* wait_list, cl_event* event) {
  return guarded([&] {
    Context& ctx = context_of(context);
    Device& device = ctx.device();
    check_queue(device, queue);
    const Gemm gemm = gemm_of(params);
    std::vector<BufferUse> uses;
    const auto add_operand = [&](const char* name, cl_mem buffer, bool transposed,
                                 std::int64_t rows, std::int64_t width, std::int64_t ld,
                                 Access access) {
      if (transposed) std::swap(rows, width);
      if (ld < width) {
        bad("ld" + std::string(name) + "=" + std::to_string(ld) +
            " is less than the width of the matrix, " + std::to_string(width));
      }
      uses.push_back({name, buffer, matrix_bytes(rows, width, ld), access});
    };
    add_operand("a", a, gemm.transpose_a, gemm.m, gemm.k, gemm.lda, Access::kRead);
    add_operand("b", b, gemm.transpose_b, gemm.k, gemm.n, gemm.ldb, Access::kRead);
    add_operand("c", c, false, gemm.m, gemm.n, gemm.ldc,
                gemm.beta == 0.0f ? Access::kWrite : Access::kUpdate);
    check_buffers(device, uses, "the product");
    const Dependencies d = dependencies(device, num_events, wait_list, event);
    const auto operation = ctx.operation("gemm " + to_text(gemm), [&] {
      return row_major_gemm(device, gemm, Region{kInput}, Region{kThird}, Region{kOutput});
    });
    Bindings bindings;
    bindings.bind(kInput, a);
    bindings.bind(kThird, b);
    bindings.bind(kOutput, c);
    enqueue(*operation, device, queue, bindings, d);
  });
}

// ---- wisdom -------------------------------------------------------------------------------------

namespace {

std::string existing_path(const char* path) {
  const std::string result = wisdom_path(text_of(path));
  if (result.empty()) {
    bad(text_of(path) == "off" || environment("CLCONV_WISDOM") == "off"
            ? "wisdom is off, there is no file"
            : "there is no place for the wisdom: HOME is not set; CLCONV_WISDOM names a file");
  }
  return result;
}

}  // namespace

clconv_status clconv_wisdom_path(char** path) {
  return guarded([&] {
    TextOut out(path, "path");
    out.put(wisdom_path(""));
  });
}

clconv_status clconv_wisdom_read(const char* path, char** json) {
  return guarded([&] {
    TextOut out(json, "json");
    const std::string file = existing_path(path);
    const WisdomBook book = read_wisdom(file).value_or(WisdomBook());
    out.put(dump({{"path", file},
                  {"records", Json::parse(book.records_json())},
                  {"unreadable_lines", book.unreadable()}}));
  });
}

clconv_status clconv_wisdom_check(const char* path) {
  return guarded([&] { check_wisdom(existing_path(path)); });
}

clconv_status clconv_wisdom_export(const char* path, const char* to) {
  return guarded([&] {
    const std::string file = existing_path(path);
    required(to, "to");
    const auto book = read_wisdom(file);
    if (!book) throw Error(Code::kIo, "cannot read " + file + ": No such file or directory");
    write_file_atomically(to, book->write());
  });
}

clconv_status clconv_wisdom_import(const char* path, const char* from, int64_t* count) {
  return guarded([&] {
    const std::string file = existing_path(path);
    std::string text;
    if (!read_file(&required(from, "from"), text)) {
      throw Error(Code::kIo, "cannot read " + std::string(from) + ": No such file or directory");
    }
    WisdomBook imported;
    std::vector<int> bad_lines;
    if (text.compare(0, 6, "SQLite") == 0) {
      imported = read_wisdom(from).value_or(WisdomBook());
    } else {
      bad_lines = imported.read(text);
    }
    if (!bad_lines.empty()) {
      bad("wisdom file " + std::string(from) + ": line " + std::to_string(bad_lines.front()) +
          " cannot be read, nothing was imported");
    }
    import_wisdom(file, imported);
    if (count != nullptr) *count = static_cast<int64_t>(imported.size());
  });
}

clconv_status clconv_wisdom_forget(const char* path, const char* problem, const char* device,
                                   int64_t* count) {
  return guarded([&] {
    const std::string file = existing_path(path);
    const std::string text =
        problem != nullptr && *problem != '\0' ? to_text(parse_problem(problem)) : "";
    const std::size_t forgotten = forget_wisdom(file, text, text_of(device));
    if (count != nullptr) *count = static_cast<int64_t>(forgotten);
  });
}

clconv_status clconv_wisdom_forget_unreadable(const char* path, int64_t* count) {
  return guarded([&] {
    const std::size_t forgotten = forget_unreadable_wisdom(existing_path(path));
    if (count != nullptr) *count = static_cast<int64_t>(forgotten);
  });
}
