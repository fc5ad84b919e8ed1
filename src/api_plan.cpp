// Plans of clconv.h: options, making, executing and explaining them.
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "api_json.hpp"
#include "api_support.hpp"
#include "planner/environment.hpp"

using namespace clconv::core;
using namespace clconv::core::api;

namespace {

clconv_plan_options plan_options_defaults() {
  clconv_plan_options o{};
  o.workspace_limit_bytes = -1;
  return o;
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

// In the order of clconv_math, which is not that of precision.
Math math_of(clconv_math math) {
  switch (math) {
    case CLCONV_MATH_FLOAT32: return Math::kFloat32;
    case CLCONV_MATH_FLOAT16: return Math::kFloat16;
    case CLCONV_MATH_TF32: return Math::kTf32;
    default: bad("math " + std::to_string(math) + " is unknown");
  }
}

const Plan& plan_of(clconv_plan handle) {
  return *required(handle, "plan").plan;
}

Operands operands_of(const Problem& p, const clconv_operands* given) {
  required(given, "operands");
  const clconv_operands c = versioned(given, clconv_operands{}, "clconv_operands");
  Operands operands;
  operands.tensors = {c.x,  c.w,  c.b,  c.y, c.dx,
                      c.dw, c.db, c.dy, c.r, p.scale ? c.scale : c.slopes};
  if (p.direction == Direction::kTransposed) {
    // What the caller knows as x and y are dy and dx of the convolution behind it.
    operands.tensors[static_cast<std::size_t>(Tensor::kDy)] = c.x;
    operands.tensors[static_cast<std::size_t>(Tensor::kDx)] = c.y;
  }
  operands.prepared = c.prepared;
  operands.workspace = c.workspace;
  return operands;
}

// The member of clconv_operands that the buffer of a slot is, as its offset: the inverse of operands_of().
std::size_t operand_of(const Problem& p, int slot) {
  if (slot == Executable::kPreparedSlot) return offsetof(clconv_operands, prepared);
  if (slot == Executable::kWorkspaceSlot) return offsetof(clconv_operands, workspace);
  const bool transposed = p.direction == Direction::kTransposed;
  switch (static_cast<Tensor>(slot)) {
    case Tensor::kX: return offsetof(clconv_operands, x);
    case Tensor::kW: return offsetof(clconv_operands, w);
    case Tensor::kB: return offsetof(clconv_operands, b);
    case Tensor::kY: return offsetof(clconv_operands, y);
    case Tensor::kDx:
      return transposed ? offsetof(clconv_operands, y) : offsetof(clconv_operands, dx);
    case Tensor::kDw: return offsetof(clconv_operands, dw);
    case Tensor::kDb: return offsetof(clconv_operands, db);
    case Tensor::kDy:
      return transposed ? offsetof(clconv_operands, x) : offsetof(clconv_operands, dy);
    case Tensor::kR: return offsetof(clconv_operands, r);
    case Tensor::kSlopes:
      return p.scale ? offsetof(clconv_operands, scale) : offsetof(clconv_operands, slopes);
  }
  throw Error(Code::kInternal, "slot " + std::to_string(slot) + " is no operand");
}

struct ToArgument {
  const Problem& problem;
  clconv_launch_argument operator()(const Region& region) const {
    return {CLCONV_ARGUMENT_BUFFER, 0, operand_of(problem, region.slot), region.offset, 0};
  }
  clconv_launch_argument operator()(cl_int value) const {
    return {CLCONV_ARGUMENT_INT, 0, 0, 0, value};
  }
  clconv_launch_argument operator()(cl_long value) const {
    return {CLCONV_ARGUMENT_LONG, 0, 0, 0, value};
  }
  clconv_launch_argument operator()(cl_float value) const {
    return {CLCONV_ARGUMENT_FLOAT, value, 0, 0, 0};
  }
  clconv_launch_argument operator()(const Number&) const {
    throw Error(Code::kInternal, "a convolution with a number that comes with each execution");
  }
};

// The arguments of every command that is a launch.
std::vector<std::vector<clconv_launch_argument>> launch_arguments(const Plan& plan) {
  std::vector<std::vector<clconv_launch_argument>> all(plan.steps());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const KernelStep* launch = plan.launch(i);
    if (launch == nullptr) continue;
    for (const Argument& argument : launch->arguments())
      all[i].push_back(std::visit(ToArgument{plan.report().problem}, argument.value));
  }
  return all;
}

Json steps_json(const std::vector<StepTime>& times) {
  Json json = Json::array();
  for (const StepTime& time : times)
    json.push_back({{"step", time.name}, {"us", time.us}});
  return json;
}

}  // namespace

PlannerOptions clconv::core::api::options_of(const clconv_plan_options* given) {
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
  o.launches_apart = c.launches_apart != 0;
  o.math = math_of(c.math);
  return with_environment(
      o, {c.rigor == CLCONV_RIGOR_DEFAULT, c.workspace_limit_bytes < 0, c.strategy == nullptr});
}

clconv_plan clconv::core::api::handle_of(std::shared_ptr<Context> context,
                                         std::shared_ptr<const Plan> plan) {
  auto handle = std::make_unique<clconv_plan_s>();
  handle->context = std::move(context);
  handle->plan = std::move(plan);
  handle->config = handle->plan->candidate().config.text();
  handle->launches = launch_arguments(*handle->plan);
  return handle.release();
}

void clconv_plan_options_defaults(clconv_plan_options* options, size_t size) {
  write_defaults(options, size, plan_options_defaults());
}

clconv_status clconv_plan_create(clconv_context context, const clconv_problem* problem,
                                 const clconv_plan_options* options, clconv_plan* result) {
  return guarded([&] {
    context_of(context);
    required(result, "result");
    const auto owner = context->context;
    *result = handle_of(owner, owner->plan(problem_of(problem), options_of(options)));
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
    i.error_floor = result_error_floor(p.report().problem) + p.candidate().error_floor;
    copy_out(info, i, known_size(required(info, "info").struct_size, "clconv_plan_info"));
  });
}

clconv_status clconv_plan_get_launch(clconv_plan plan, int64_t index, clconv_launch* launch) {
  return guarded([&] {
    const Plan& p = plan_of(plan);
    const std::size_t size = known_size(required(launch, "launch").struct_size, "clconv_launch");
    if (index < 0 || index >= static_cast<int64_t>(p.steps())) {
      bad("index is " + std::to_string(index) + ", the plan has " + std::to_string(p.steps()) +
          " steps");
    }
    const auto at = static_cast<std::size_t>(index);
    const KernelStep* step = p.launch(at);
    if (step == nullptr) {
      throw Error(Code::kConstraint,
                  "step " + std::to_string(index) + " of the plan is no launch of one kernel");
    }
    clconv_launch l{};
    l.kernel = step->kernel()();
    std::copy(step->range().global.begin(), step->range().global.end(), l.global_size);
    std::copy(step->range().local.begin(), step->range().local.end(), l.local_size);
    l.num_arguments = static_cast<int64_t>(plan->launches[at].size());
    l.arguments = plan->launches[at].data();
    copy_out(launch, l, size);
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
