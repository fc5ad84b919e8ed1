#include "batch.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "device.hpp"
#include "host_arrays.hpp"
#include "problem.hpp"

namespace clconv_python {
namespace {

class Batch {
 public:
  Batch(std::vector<std::shared_ptr<Device>> devices, clconv_batch handle)
      : devices_(std::move(devices)), handle_(handle) {}
  Batch(Batch&& other) noexcept
      : devices_(std::move(other.devices_)), handle_(std::exchange(other.handle_, nullptr)) {}
  Batch& operator=(Batch&&) = delete;
  ~Batch() {
    if (!forked_in_use()) clconv_batch_release(handle_);
  }
  std::size_t size() const { return devices_.size(); }
  clconv_batch get() const { return handle_; }

 private:
  std::vector<std::shared_ptr<Device>> devices_;
  clconv_batch handle_;
};

Batch make_batch(const nb::list& contexts, const clconv_problem& problem, const nb::dict& options,
                 const std::optional<std::vector<std::int64_t>>& images) {
  guard_fork();
  const PlanOptions plan(options);
  std::vector<std::shared_ptr<Device>> devices;
  std::vector<clconv_context> handles;
  for (const nb::handle context : contexts) {
    devices.push_back(nb::cast<const Context&>(context).device);
    handles.push_back(devices.back()->context());
  }
  if (images && images->size() != handles.size()) {
    refuse("images has " + std::to_string(images->size()) + " numbers, expected one for each of " +
           std::to_string(handles.size()) + " devices");
  }
  clconv_batch_options given{};
  clconv_batch_options_init(&given);
  given.plan = plan.get();
  if (images) given.images = images->data();
  const nb::gil_scoped_release no_python;
  clconv_batch handle = nullptr;
  check(clconv_batch_create(handles.data(), handles.size(), &problem, &given, &handle));
  return {std::move(devices), handle};
}

void prepare(const Batch& batch, nb::handle w) {
  guard_fork();
  HostArrays arrays;
  const void* memory = arrays.get(w, "w", false);
  const nb::gil_scoped_release no_python;
  check(clconv_batch_prepare(batch.get(), memory));
}

// `result` names the operand that is written.
void run(const Batch& batch, const nb::dict& given, const std::string& result) {
  guard_fork();
  HostArrays arrays;
  clconv_host_operands o{};
  clconv_host_operands_init(&o);
  for (const auto [key, array] : given) {
    const std::string name = nb::cast<std::string>(key);
    void* memory = arrays.get(array, name, name == result);
    const std::pair<const char*, const void**> inputs[] = {
        {"x", &o.x}, {"w", &o.w}, {"b", &o.b}, {"dy", &o.dy}, {"r", &o.r}, {"slopes", &o.slopes}};
    const std::pair<const char*, void**> others[] = {
        {"y", &o.y}, {"dx", &o.dx}, {"dw", &o.dw}, {"db", &o.db}};
    for (const auto& [field, slot] : inputs)
      if (name == field) *slot = memory;
    for (const auto& [field, slot] : others)
      if (name == field) *slot = memory;
  }
  const nb::gil_scoped_release no_python;
  check(clconv_batch_run(batch.get(), &o));
}

nb::list parts(const Batch& batch) {
  nb::list result;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    clconv_batch_part part{};
    part.struct_size = sizeof(part);
    check(clconv_batch_get_part(batch.get(), i, &part));
    nb::dict item;
    item["first"] = part.first;
    item["images"] = part.images;
    item["image_us"] = part.image_us < 0 ? nb::none() : nb::object(nb::float_(part.image_us));
    item["strategy"] = nb::none();
    item["config"] = nb::none();
    if (part.plan != nullptr) {
      clconv_plan_info info{};
      info.struct_size = sizeof(info);
      check(clconv_plan_get_info(part.plan, &info));
      item["strategy"] = info.strategy;
      item["config"] = info.config;
    }
    result.append(item);
  }
  return result;
}

}  // namespace

void bind_batch(nb::module_& m) {
  m.def("batch", make_batch, nb::arg("contexts"), nb::arg("problem"), nb::arg("options"),
        nb::arg("images").none());
  nb::class_<Batch>(m, "Batch")
      .def("prepare", prepare, nb::arg("w"))
      .def("run", run, nb::arg("arrays"), nb::arg("result"))
      .def("parts", parts);
}

}  // namespace clconv_python
