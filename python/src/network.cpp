#include "network.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <vector>

#include "operands.hpp"
#include "problem.hpp"

namespace clconv_python {

NetOptions::NetOptions(std::int64_t batch, const std::string& rigor, double time_limit_s,
                       std::int64_t workspace_limit_bytes, bool deterministic,
                       std::int64_t expected_runs, const std::string& data_type, Text skip_passes,
                       std::int64_t plan_capacity, const std::string& math)
    : skip_passes_(std::move(skip_passes)) {
  clconv_net_options_init(&options_);
  options_.batch = batch;
  options_.rigor = rigor_of(rigor);
  options_.time_limit_s = time_limit_s;
  options_.workspace_limit_bytes = workspace_limit_bytes;
  options_.deterministic = deterministic ? 1 : 0;
  options_.expected_runs = expected_runs;
  options_.data_type = data_type_of(data_type);
  options_.plan_capacity = plan_capacity;
  options_.math = math_of(math);
}

clconv_net_options NetOptions::get(const std::vector<clconv_net_shape>& shapes) const {
  clconv_net_options options = options_;
  options.num_shapes = static_cast<std::int64_t>(shapes.size());
  options.shapes = shapes.empty() ? nullptr : shapes.data();
  options.skip_passes = skip_passes_ ? skip_passes_->c_str() : nullptr;
  return options;
}

// By position, or by `name` where it is not NULL; names live as long as the caller's.
static clconv_net_shape shape_of(const Sizes& sizes, const char* name) {
  clconv_net_shape shape{};
  clconv_net_shape_init(&shape);
  shape.name = name;
  if (sizes.size() > CLCONV_NET_MAX_RANK) {
    refuse("a shape has " + std::to_string(sizes.size()) + " dimensions, at most " +
           std::to_string(CLCONV_NET_MAX_RANK) + " are supported");
  }
  shape.rank = static_cast<std::int64_t>(sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i)
    shape.sizes[i] = sizes[i];
  return shape;
}

std::vector<clconv_net_shape> named_shapes(const std::vector<std::string>& names,
                                           const Shapes& shapes) {
  std::vector<clconv_net_shape> given;
  for (std::size_t i = 0; i < shapes.size(); ++i)
    given.push_back(shape_of(shapes[i], names.at(i).c_str()));
  return given;
}

nb::tuple sizes_of(const clconv_net_tensor_info& info) {
  nb::list sizes;
  for (std::int64_t i = 0; i < info.rank; ++i)
    sizes.append(info.sizes[i]);
  return nb::tuple(sizes);
}

nb::dict dict_of(const clconv_net_memory_info& info) {
  nb::dict result;
  result["weights_bytes"] = info.weights_bytes;
  result["arena_bytes"] = info.arena_bytes;
  result["alive_bytes"] = info.alive_bytes;
  result["workspace_bytes"] = info.workspace_bytes;
  result["arenas"] = info.arenas;
  result["plans"] = info.plans;
  return result;
}

namespace {

class Network {
 public:
  Network(std::shared_ptr<Device> device, clconv_net handle)
      : device_(std::move(device)), handle_(handle) {}
  Network(Network&& other) noexcept
      : device_(std::move(other.device_)), handle_(std::exchange(other.handle_, nullptr)) {}
  Network& operator=(Network&&) = delete;
  ~Network() {
    if (!forked_in_use()) clconv_net_release(handle_);
  }
  const std::shared_ptr<Device>& device() const { return device_; }
  clconv_net get() const { return handle_; }

 private:
  std::shared_ptr<Device> device_;
  clconv_net handle_;
};

Model load(const std::string& path) {
  const nb::gil_scoped_release no_python;
  clconv_net_model handle = nullptr;
  check(clconv_net_model_load(path.c_str(), &handle));
  return Model(handle);
}

Model parse(const nb::bytes& bytes, const Text& folder) {
  const void* data = bytes.c_str();
  const std::size_t size = bytes.size();
  const nb::gil_scoped_release no_python;
  clconv_net_model handle = nullptr;
  check(clconv_net_model_parse(data, size, folder ? folder->c_str() : nullptr, &handle));
  return Model(handle);
}

std::vector<clconv_net_shape> by_position(const Shapes& shapes) {
  std::vector<clconv_net_shape> result;
  for (const Sizes& sizes : shapes)
    result.push_back(shape_of(sizes, nullptr));
  return result;
}

Network compile(const Context& context, const Model& model, const std::vector<std::string>& names,
                const Shapes& shapes, const NetOptions& options) {
  guard_fork();
  const std::vector<clconv_net_shape> named = named_shapes(names, shapes);
  const clconv_net_options given = options.get(named);
  const nb::gil_scoped_release no_python;
  clconv_net handle = nullptr;
  check(clconv_net_create(context.device->context(), model.get(), &given, &handle));
  return {context.device, handle};
}

clconv_net_tensor_info empty_info() {
  clconv_net_tensor_info info{};
  info.struct_size = sizeof(info);
  return info;
}

std::pair<std::int64_t, std::int64_t> counts_of(const Network& network) {
  std::int64_t inputs = 0, outputs = 0;
  check(clconv_net_counts(network.get(), &inputs, &outputs));
  return {inputs, outputs};
}

// [(name, shape)] of inputs or outputs.
nb::list tensors(const Network& network, bool inputs) {
  const auto counts = counts_of(network);
  nb::list result;
  for (std::int64_t i = 0; i < (inputs ? counts.first : counts.second); ++i) {
    clconv_net_tensor_info info = empty_info();
    check(inputs ? clconv_net_input(network.get(), i, &info)
                 : clconv_net_output(network.get(), i, &info));
    result.append(nb::make_tuple(info.name, sizes_of(info)));
  }
  return result;
}

// The shapes of the outputs for these of the inputs.
nb::list prepare(const Network& network, const Shapes& shapes) {
  guard_fork();
  const std::vector<clconv_net_shape> given = by_position(shapes);
  const auto count = static_cast<std::size_t>(counts_of(network).second);
  std::vector<clconv_net_tensor_info> outputs(count, empty_info());
  {
    const nb::gil_scoped_release no_python;
    check(clconv_net_prepare(network.get(), static_cast<std::int64_t>(given.size()), given.data(),
                             static_cast<std::int64_t>(outputs.size()), outputs.data()));
  }
  nb::list result;
  for (const clconv_net_tensor_info& info : outputs)
    result.append(sizes_of(info));
  return result;
}

// All buffers of a run, in the network's order.
struct Buffers {
  std::vector<cl_mem> inputs, outputs;
  Buffers(std::size_t in, std::size_t out) : inputs(in), outputs(out) {}
};

std::int64_t signed_size(const std::vector<cl_mem>& buffers) {
  return static_cast<std::int64_t>(buffers.size());
}

void run(const Network& network, const Shapes& shapes, const std::vector<nb::object>& inputs,
         const std::vector<nb::object>& outputs) {
  const std::vector<clconv_net_shape> given = by_position(shapes);
  Buffers buffers(inputs.size(), outputs.size());
  HostOperands host(network.device());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    host.add(inputs[i], "an input", Access::kRead, &buffers.inputs[i]);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    host.add(outputs[i], "an output", Access::kWrite, &buffers.outputs[i]);
  host.run([&](cl_command_queue queue) {
    return clconv_net_run(network.get(), queue, static_cast<std::int64_t>(given.size()),
                          given.data(), signed_size(buffers.inputs), buffers.inputs.data(),
                          signed_size(buffers.outputs), buffers.outputs.data(), 0, nullptr,
                          nullptr);
  });
}

std::uintptr_t execute(const Network& network, nb::handle queue, const Shapes& shapes,
                       const std::vector<nb::object>& inputs,
                       const std::vector<nb::object>& outputs, nb::handle wait_for) {
  guard_fork();
  const std::vector<clconv_net_shape> given = by_position(shapes);
  Buffers buffers(inputs.size(), outputs.size());
  DeviceOperands operands;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    buffers.inputs[i] = operands.get(inputs[i], "an input");
  for (std::size_t i = 0; i < outputs.size(); ++i)
    buffers.outputs[i] = operands.get(outputs[i], "an output");
  const cl_command_queue cl_queue = queue_of(queue);
  const WaitList events(wait_for);
  const nb::gil_scoped_release no_python;
  cl_event event = nullptr;
  check(clconv_net_run(network.get(), cl_queue, static_cast<std::int64_t>(given.size()),
                       given.empty() ? nullptr : given.data(), signed_size(buffers.inputs),
                       buffers.inputs.data(), signed_size(buffers.outputs), buffers.outputs.data(),
                       events.size(), events.data(), &event));
  return reinterpret_cast<std::uintptr_t>(event);
}

using Judge = std::function<clconv_status(Buffers&, char**)>;

// The report of a run on host arrays with the network's own shapes.
std::string judged(const Network& network, const std::vector<nb::object>& inputs,
                   const std::vector<nb::object>& outputs, const Judge& judge) {
  Buffers buffers(inputs.size(), outputs.size());
  HostOperands host(network.device());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    host.add(inputs[i], "an input", Access::kRead, &buffers.inputs[i]);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    host.add(outputs[i], "an output", Access::kWrite, &buffers.outputs[i]);
  char* json = nullptr;
  host.run([&](cl_command_queue queue) {
    // It has a queue of its own: what the arrays bring must be there.
    if (const cl_int code = clFinish(queue); code != CL_SUCCESS)
      return clconv_set_last_error(CLCONV_OPENCL, "clFinish failed", nullptr);
    return judge(buffers, &json);
  });
  return take(json);
}

std::string profile(const Network& network, const std::vector<nb::object>& inputs,
                    const std::vector<nb::object>& outputs, std::int64_t rounds) {
  return judged(network, inputs, outputs, [&](Buffers& b, char** json) {
    return clconv_net_profile(network.get(), signed_size(b.inputs), b.inputs.data(),
                              signed_size(b.outputs), b.outputs.data(), rounds, json);
  });
}

std::string check_layers(const Network& network, const std::vector<nb::object>& inputs,
                         const std::vector<nb::object>& outputs) {
  return judged(network, inputs, outputs, [&](Buffers& b, char** json) {
    return clconv_net_check(network.get(), signed_size(b.inputs), b.inputs.data(),
                            signed_size(b.outputs), b.outputs.data(), json);
  });
}

std::string report(const Network& network) {
  char* json = nullptr;
  check(clconv_net_report(network.get(), &json));
  return take(json);
}

nb::dict memory(const Network& network) {
  clconv_net_memory_info info{};
  info.struct_size = sizeof(info);
  check(clconv_net_memory(network.get(), &info));
  return dict_of(info);
}

}  // namespace

void bind_network(nb::module_& m) {
  m.def("net_supported", [] {
    char* json = nullptr;
    check(clconv_net_supported(&json));
    return take(json);
  });
  nb::class_<Model>(m, "Model").def("describe", [](const Model& model) {
    char* json = nullptr;
    check(clconv_net_model_describe(model.get(), &json));
    return take(json);
  });
  nb::class_<NetOptions>(m, "NetOptions")
      .def(nb::init<std::int64_t, const std::string&, double, std::int64_t, bool, std::int64_t,
                    const std::string&, Text, std::int64_t, const std::string&>(),
           nb::arg("batch"), nb::arg("rigor"), nb::arg("time_limit_s"),
           nb::arg("workspace_limit_bytes"), nb::arg("deterministic"), nb::arg("expected_runs"),
           nb::arg("data_type"), nb::arg("skip_passes").none(), nb::arg("plan_capacity"),
           nb::arg("math"));
  m.def("load_model", load, nb::arg("path"));
  m.def("parse_model", parse, nb::arg("bytes"), nb::arg("folder").none());
  m.def("compile_model", compile, nb::arg("context"), nb::arg("model"), nb::arg("names"),
        nb::arg("shapes"), nb::arg("options"));
  nb::class_<Network>(m, "Network")
      .def("inputs", [](const Network& n) { return tensors(n, true); })
      .def("outputs", [](const Network& n) { return tensors(n, false); })
      .def("prepare", prepare, nb::arg("shapes"))
      .def("run", run, nb::arg("shapes"), nb::arg("inputs"), nb::arg("outputs"))
      .def("execute", execute, nb::arg("queue").none(), nb::arg("shapes"), nb::arg("inputs"),
           nb::arg("outputs"), nb::arg("wait_for").none())
      .def("profile", profile, nb::arg("inputs"), nb::arg("outputs"), nb::arg("rounds"))
      .def("check", check_layers, nb::arg("inputs"), nb::arg("outputs"))
      .def("report", report)
      .def("memory", memory);
}

}  // namespace clconv_python
