#include "plan.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <array>
#include <memory>

#include "operands.hpp"
#include "problem.hpp"

namespace clconv_python {
namespace {

class Plan {
 public:
  Plan(std::shared_ptr<Device> device, clconv_plan handle)
      : device_(std::move(device)), handle_(handle) {}
  Plan(Plan&& other) noexcept
      : device_(std::move(other.device_)), handle_(std::exchange(other.handle_, nullptr)) {}
  Plan& operator=(Plan&&) = delete;
  ~Plan() {
    if (!forked_in_use()) clconv_plan_release(handle_);
  }
  const std::shared_ptr<Device>& device() const { return device_; }
  clconv_plan get() const { return handle_; }

 private:
  std::shared_ptr<Device> device_;
  clconv_plan handle_;
};

struct OperandField {
  const char* name;
  cl_mem clconv_operands::*member;
};
// The order of execute()'s arguments.
constexpr std::array<OperandField, 12> kOperands = {{{"x", &clconv_operands::x},
                                                     {"w", &clconv_operands::w},
                                                     {"b", &clconv_operands::b},
                                                     {"y", &clconv_operands::y},
                                                     {"dx", &clconv_operands::dx},
                                                     {"dw", &clconv_operands::dw},
                                                     {"db", &clconv_operands::db},
                                                     {"dy", &clconv_operands::dy},
                                                     {"r", &clconv_operands::r},
                                                     {"slopes", &clconv_operands::slopes},
                                                     {"prepared", &clconv_operands::prepared},
                                                     {"workspace", &clconv_operands::workspace}}};

using Given = std::array<nb::handle, kOperands.size()>;

clconv_operands defaults() {
  clconv_operands operands{};
  clconv_operands_init(&operands);
  return operands;
}

std::uintptr_t as_integer(cl_event event) {
  return reinterpret_cast<std::uintptr_t>(event);
}

Plan make_plan(const Context& context, const clconv_problem& problem, const nb::dict& options) {
  guard_fork();
  const PlanOptions given(options);
  const nb::gil_scoped_release no_python;
  clconv_plan handle = nullptr;
  check(clconv_plan_create(context.device->context(), &problem, given.get(), &handle));
  return {context.device, handle};
}

std::string explain(const Context& context, const clconv_problem& problem,
                    const nb::dict& options) {
  guard_fork();
  const PlanOptions given(options);
  const nb::gil_scoped_release no_python;
  char* json = nullptr;
  check(clconv_explain(context.device->context(), &problem, given.get(), &json));
  return take(json);
}

std::string explain_profile(const std::string& profile, const clconv_problem& problem,
                            const nb::dict& options) {
  const PlanOptions given(options);
  char* json = nullptr;
  check(clconv_explain_profile(profile.c_str(), &problem, given.get(), &json));
  return take(json);
}

std::uintptr_t execute(const Plan& plan, nb::handle queue, const Given& given,
                       nb::handle wait_for) {
  guard_fork();
  DeviceOperands buffers;
  clconv_operands operands = defaults();
  for (std::size_t i = 0; i < kOperands.size(); ++i)
    operands.*kOperands[i].member = buffers.get(given[i], kOperands[i].name);
  const cl_command_queue cl_queue = queue_of(queue);
  const WaitList events(wait_for);
  const nb::gil_scoped_release no_python;
  cl_event event = nullptr;
  check(clconv_plan_execute(plan.get(), cl_queue, &operands, events.size(), events.data(), &event));
  return as_integer(event);
}

// `result` names the operand that is written; `accumulate`: it is read, too.
void run(const Plan& plan, const nb::dict& arrays, const std::string& result, bool accumulate) {
  HostOperands host(plan.device());
  clconv_operands operands = defaults();
  for (const auto [key, array] : arrays) {
    const std::string name = nb::cast<std::string>(key);
    bool known = false;
    for (const OperandField& field : kOperands) {
      if (name != field.name) continue;
      const Access access = name != result ? Access::kRead
                            : accumulate   ? Access::kReadWrite
                                           : Access::kWrite;
      host.add(array, field.name, access, &(operands.*field.member));
      known = true;
    }
    if (!known) refuse("a convolution has no operand '" + name + "'");
  }
  host.run([&](cl_command_queue queue) {
    return clconv_plan_execute(plan.get(), queue, &operands, 0, nullptr, nullptr);
  });
}

std::uintptr_t prepare(const Plan& plan, nb::handle queue, nb::handle w, nb::handle prepared,
                       nb::handle wait_for) {
  guard_fork();
  DeviceOperands buffers;
  const cl_mem from = buffers.get(w, "w"), to = buffers.get(prepared, "prepared");
  const cl_command_queue cl_queue = queue_of(queue);
  const WaitList events(wait_for);
  const nb::gil_scoped_release no_python;
  cl_event event = nullptr;
  check(clconv_plan_prepare(plan.get(), cl_queue, from, to, events.size(), events.data(), &event));
  return as_integer(event);
}

std::string profile(const Plan& plan, const nb::dict& given) {
  guard_fork();
  DeviceOperands buffers;
  clconv_operands operands = defaults();
  for (const OperandField& field : kOperands)
    if (given.contains(field.name))
      operands.*field.member = buffers.get(given[field.name], field.name);
  const nb::gil_scoped_release no_python;
  char* json = nullptr;
  check(clconv_plan_profile(plan.get(), &operands, &json));
  return take(json);
}

std::string report(const Plan& plan) {
  char* json = nullptr;
  check(clconv_plan_report(plan.get(), &json));
  return take(json);
}

nb::dict info(const Plan& plan) {
  clconv_plan_info i{};
  i.struct_size = sizeof(i);
  check(clconv_plan_get_info(plan.get(), &i));
  const auto or_none = [](double us) { return us < 0 ? nb::none() : nb::object(nb::float_(us)); };
  nb::dict result;
  result["strategy"] = i.strategy;
  result["config"] = i.config;
  result["workspace_bytes"] = i.workspace_bytes;
  result["workspace_unprepared_bytes"] = i.workspace_unprepared_bytes;
  result["prepared_weights_bytes"] = i.prepared_weights_bytes;
  result["deterministic"] = i.deterministic != 0;
  result["error_bound"] = i.error_bound;
  result["error_floor"] = i.error_floor;
  result["error_reach"] = i.error_reach;
  result["predicted_us"] = or_none(i.predicted_us);
  result["measured_us"] = or_none(i.measured_us);
  result["steps"] = i.steps;
  return result;
}

}  // namespace

void bind_plan(nb::module_& m) {
  m.def("plan", make_plan, nb::arg("context"), nb::arg("problem"), nb::arg("options"));
  m.def("explain", explain, nb::arg("context"), nb::arg("problem"), nb::arg("options"));
  m.def("explain_profile", explain_profile, nb::arg("profile"), nb::arg("problem"),
        nb::arg("options"));
  using H = nb::handle;
  nb::class_<Plan>(m, "Plan")
      .def(
          "execute",
          [](const Plan& plan, H queue, H x, H w, H b, H y, H dx, H dw, H db, H dy, H r, H slopes,
             H prepared, H workspace, H wait_for) {
            return execute(plan, queue,
                           {x, w, b, y, dx, dw, db, dy, r, slopes, prepared, workspace}, wait_for);
          },
          nb::arg("queue").none(), nb::arg("x").none(), nb::arg("w").none(), nb::arg("b").none(),
          nb::arg("y").none(), nb::arg("dx").none(), nb::arg("dw").none(), nb::arg("db").none(),
          nb::arg("dy").none(), nb::arg("r").none(), nb::arg("slopes").none(),
          nb::arg("prepared").none(), nb::arg("workspace").none(), nb::arg("wait_for").none())
      .def("run", run, nb::arg("arrays"), nb::arg("result"), nb::arg("accumulate"))
      .def("prepare", prepare, nb::arg("queue").none(), nb::arg("w").none(),
           nb::arg("prepared").none(), nb::arg("wait_for").none())
      .def("profile", profile, nb::arg("operands"))
      .def("report", report)
      .def("info", info);
}

}  // namespace clconv_python
