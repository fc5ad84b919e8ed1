#include "network_batch.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "device.hpp"
#include "host_arrays.hpp"
#include "network.hpp"

namespace clconv_python {
namespace {

class NetworkBatch {
 public:
  NetworkBatch(std::vector<std::shared_ptr<Device>> devices, clconv_net_batch handle)
      : devices_(std::move(devices)), handle_(handle) {}
  NetworkBatch(NetworkBatch&& other) noexcept
      : devices_(std::move(other.devices_)), handle_(std::exchange(other.handle_, nullptr)) {}
  NetworkBatch& operator=(NetworkBatch&&) = delete;
  ~NetworkBatch() {
    if (!forked_in_use()) clconv_net_batch_release(handle_);
  }
  std::size_t size() const { return devices_.size(); }
  clconv_net_batch get() const { return handle_; }
  clconv_net_batch_part part(std::size_t index) const {
    clconv_net_batch_part part{};
    part.struct_size = sizeof(part);
    check(clconv_net_batch_get_part(handle_, index, &part));
    return part;
  }

 private:
  std::vector<std::shared_ptr<Device>> devices_;
  clconv_net_batch handle_;
};

NetworkBatch compile(const nb::list& contexts, const Model& model,
                     const std::vector<std::string>& names, const Shapes& shapes,
                     const NetOptions& options, const std::optional<Sizes>& images) {
  guard_fork();
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
  const std::vector<clconv_net_shape> named = named_shapes(names, shapes);
  const clconv_net_options of_network = options.get(named);
  clconv_net_batch_options given{};
  clconv_net_batch_options_init(&given);
  given.net = &of_network;
  if (images) given.images = images->data();
  const nb::gil_scoped_release no_python;
  clconv_net_batch handle = nullptr;
  check(clconv_net_batch_create(handles.data(), handles.size(), model.get(), &given, &handle));
  return {std::move(devices), handle};
}

// [(name, shape)] of inputs or outputs.
nb::list tensors(const NetworkBatch& batch, bool inputs) {
  std::int64_t counts[2] = {0, 0};
  check(clconv_net_batch_counts(batch.get(), &counts[0], &counts[1]));
  nb::list result;
  for (std::int64_t i = 0; i < counts[inputs ? 0 : 1]; ++i) {
    clconv_net_tensor_info info{};
    info.struct_size = sizeof(info);
    check(inputs ? clconv_net_batch_input(batch.get(), i, &info)
                 : clconv_net_batch_output(batch.get(), i, &info));
    result.append(nb::make_tuple(info.name, sizes_of(info)));
  }
  return result;
}

void run(const NetworkBatch& batch, const std::vector<nb::object>& inputs,
         const std::vector<nb::object>& outputs) {
  guard_fork();
  HostArrays arrays;
  std::vector<const float*> in;
  std::vector<float*> out;
  for (const nb::object& array : inputs)
    in.push_back(static_cast<const float*>(arrays.get(array, "an input", false)));
  for (const nb::object& array : outputs)
    out.push_back(static_cast<float*>(arrays.get(array, "an output", true)));
  const nb::gil_scoped_release no_python;
  check(clconv_net_batch_run(batch.get(), static_cast<std::int64_t>(in.size()), in.data(),
                             static_cast<std::int64_t>(out.size()), out.data()));
}

nb::list parts(const NetworkBatch& batch) {
  nb::list result;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const clconv_net_batch_part part = batch.part(i);
    nb::dict item;
    item["first"] = part.first;
    item["images"] = part.images;
    item["image_us"] = part.image_us < 0 ? nb::none() : nb::object(nb::float_(part.image_us));
    result.append(item);
  }
  return result;
}

// None of a device without images.
std::optional<std::string> report(const NetworkBatch& batch, std::size_t index) {
  const clconv_net_batch_part part = batch.part(index);
  if (part.net == nullptr) return std::nullopt;
  char* json = nullptr;
  check(clconv_net_report(part.net, &json));
  return take(json);
}

// Of all devices together.
nb::dict memory(const NetworkBatch& batch) {
  clconv_net_memory_info sum{};
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const clconv_net_batch_part part = batch.part(i);
    if (part.net == nullptr) continue;
    clconv_net_memory_info info{};
    info.struct_size = sizeof(info);
    check(clconv_net_memory(part.net, &info));
    sum.weights_bytes += info.weights_bytes;
    sum.arena_bytes += info.arena_bytes;
    sum.alive_bytes += info.alive_bytes;
    sum.workspace_bytes += info.workspace_bytes;
    sum.arenas += info.arenas;
    sum.plans += info.plans;
  }
  return dict_of(sum);
}

}  // namespace

void bind_network_batch(nb::module_& m) {
  m.def("compile_network_batch", compile, nb::arg("contexts"), nb::arg("model"), nb::arg("names"),
        nb::arg("shapes"), nb::arg("options"), nb::arg("images").none());
  nb::class_<NetworkBatch>(m, "NetworkBatch")
      .def("inputs", [](const NetworkBatch& b) { return tensors(b, true); })
      .def("outputs", [](const NetworkBatch& b) { return tensors(b, false); })
      .def("run", run, nb::arg("inputs"), nb::arg("outputs"))
      .def("parts", parts)
      .def("report", report, nb::arg("index"))
      .def("memory", memory);
}

}  // namespace clconv_python
