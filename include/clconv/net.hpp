// net.hpp: C++17 over net.h, header only, in the manner of clconv.hpp. Owns handles, throws clconv::Error instead of
// returning statuses, takes and gives CLHPP objects. What a call does, its units, thread rules and errors are
// documented at the C function it wraps.
#ifndef CLCONV_NET_HPP
#define CLCONV_NET_HPP

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "clconv/clconv.hpp"
#include "clconv/net.h"

namespace clconv {

// What is supported, as JSON.
inline std::string net_supported() {
  char* json = nullptr;
  check(clconv_net_supported(&json));
  return take(json);
}

// The shape of an input; name "": by position.
struct InputShape {
  std::string name;
  std::vector<std::int64_t> sizes;
};
// Shapes of some or all inputs.
using InputShapes = std::vector<InputShape>;

// An input or output of a network.
struct TensorInfo {
  std::string name;
  clconv_net_type type = CLCONV_NET_FLOAT32;
  std::vector<std::int64_t> sizes;
  std::int64_t bytes = 0;
};

namespace detail {
inline TensorInfo tensor_info(const clconv_net_tensor_info& raw) {
  TensorInfo info;
  info.name = raw.name;
  info.type = raw.type;
  info.sizes.assign(raw.sizes, raw.sizes + raw.rank);
  info.bytes = raw.bytes;
  return info;
}

// Points into `shapes`, which must live as long.
inline std::vector<clconv_net_shape> raw_shapes(const InputShapes& shapes) {
  std::vector<clconv_net_shape> raws;
  for (const InputShape& shape : shapes) {
    if (shape.sizes.size() > CLCONV_NET_MAX_RANK) {
      throw Error(CLCONV_INVALID_ARGUMENT,
                  "shape of input '" + shape.name + "' has " + std::to_string(shape.sizes.size()) +
                      " sizes, at most " + std::to_string(CLCONV_NET_MAX_RANK) + " are possible");
    }
    clconv_net_shape raw;
    clconv_net_shape_init(&raw);
    raw.name = shape.name.empty() ? nullptr : shape.name.c_str();
    raw.rank = static_cast<std::int64_t>(shape.sizes.size());
    for (std::size_t i = 0; i < shape.sizes.size(); ++i)
      raw.sizes[i] = shape.sizes[i];
    raws.push_back(raw);
  }
  return raws;
}

inline std::vector<cl_mem> handles_of(const std::vector<cl::Buffer>& buffers) {
  std::vector<cl_mem> handles;
  for (const cl::Buffer& buffer : buffers)
    handles.push_back(buffer());
  return handles;
}

template <class T>
std::int64_t count_of(const std::vector<T>& list) {
  return static_cast<std::int64_t>(list.size());
}

// Null where the list is empty, as the C functions document it.
template <class T>
const T* data_of(const std::vector<T>& list) {
  return list.empty() ? nullptr : list.data();
}
}  // namespace detail

// Move-only. `Model model = Model::load("model.onnx");`, or built by hand:
// `Model model(13); model.add_input("x", {1, 3, 32, 32});`, then constants, nodes and outputs.
class Model {
 public:
  // An empty one, whose nodes have the meaning of ONNX's opset `opset`.
  explicit Model(std::int64_t opset) { check(clconv_net_model_create(opset, &handle_)); }
  static Model load(const std::string& path) {
    Model model;
    check(clconv_net_model_load(path.c_str(), &model.handle_));
    return model;
  }
  // `folder` "" where the model has no external data.
  static Model parse(const void* bytes, std::size_t size, const std::string& folder = "") {
    Model model;
    check(clconv_net_model_parse(bytes, size, folder.empty() ? nullptr : folder.c_str(),
                                 &model.handle_));
    return model;
  }
  Model(Model&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Model& operator=(Model&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Model() { clconv_net_model_release(handle_); }

  // The handle, for calls of the C ABI.
  clconv_net_model get() const { return handle_; }

  // Sizes of -1 are given when a network is made.
  void add_input(const std::string& name, const std::vector<std::int64_t>& sizes) {
    check(clconv_net_model_add_input(handle_, name.c_str(), detail::count_of(sizes),
                                     detail::data_of(sizes)));
  }
  // `data`: as many values of `type` as the sizes say.
  void add_constant(const std::string& name, clconv_net_type type,
                    const std::vector<std::int64_t>& sizes, const void* data) {
    check(clconv_net_model_add_constant(handle_, name.c_str(), type, detail::count_of(sizes),
                                        detail::data_of(sizes), data));
  }
  // Throws where the number of values is not what the sizes say.
  void add_constant(const std::string& name, const std::vector<std::int64_t>& sizes,
                    const std::vector<float>& values) {
    check_count(name, sizes, values.size());
    add_constant(name, CLCONV_NET_FLOAT32, sizes, values.data());
  }
  // The same of integers.
  void add_constant(const std::string& name, const std::vector<std::int64_t>& sizes,
                    const std::vector<std::int64_t>& values) {
    check_count(name, sizes, values.size());
    add_constant(name, CLCONV_NET_INT64, sizes, values.data());
  }
  // `attributes`: a JSON object, or "".
  void add_node(const std::string& op, const std::string& name,
                const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                const std::string& attributes = "") {
    const auto texts = [](const std::vector<std::string>& names) {
      std::vector<const char*> list;
      for (const std::string& text : names)
        list.push_back(text.c_str());
      return list;
    };
    const auto in = texts(inputs), out = texts(outputs);
    check(clconv_net_model_add_node(handle_, op.c_str(), name.c_str(), detail::count_of(in),
                                    detail::data_of(in), detail::count_of(out),
                                    detail::data_of(out),
                                    attributes.empty() ? nullptr : attributes.c_str()));
  }
  void add_output(const std::string& name) {
    check(clconv_net_model_add_output(handle_, name.c_str()));
  }

  // Inputs, outputs, operators, as JSON.
  std::string describe() const {
    char* json = nullptr;
    check(clconv_net_model_describe(handle_, &json));
    return take(json);
  }

 private:
  Model() = default;

  static void check_count(const std::string& name, const std::vector<std::int64_t>& sizes,
                          std::size_t values) {
    // Where the product does not fit, the C function refuses the sizes.
    std::int64_t count = 1;
    for (const std::int64_t size : sizes) {
      if (size < 0 || (size > 0 && count > INT64_MAX / size)) return;
      count *= size;
    }
    if (static_cast<std::uint64_t>(count) == values) return;
    throw Error(CLCONV_INVALID_ARGUMENT, "constant '" + name + "' has " + std::to_string(values) +
                                             " values, its sizes say " + std::to_string(count));
  }

  clconv_net_model handle_ = nullptr;
};

// clconv_net_options with its defaults set; shapes are given to Network beside them.
struct NetworkOptions : clconv_net_options {
  NetworkOptions() { clconv_net_options_init(this); }
};

// A model compiled for a context, which it keeps alive. Move-only.
class Network {
 public:
  // `shapes`: those of inputs whose sizes the model leaves open or that are to be others.
  Network(const Context& context, const Model& model, const InputShapes& shapes = {},
          const NetworkOptions& options = NetworkOptions()) {
    const auto raws = detail::raw_shapes(shapes);
    clconv_net_options with_shapes = options;
    if (!raws.empty()) {
      with_shapes.num_shapes = detail::count_of(raws);
      with_shapes.shapes = raws.data();
    }
    check(clconv_net_create(context.get(), model.get(), &with_shapes, &handle_));
  }
  Network(Network&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Network& operator=(Network&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Network() { clconv_net_release(handle_); }

  // The handle, for calls of the C ABI.
  clconv_net get() const { return handle_; }

  // For the shapes it was compiled for.
  std::vector<TensorInfo> inputs() const { return tensors(counts()[0], clconv_net_input); }
  // For the shapes it was compiled for.
  std::vector<TensorInfo> outputs() const { return tensors(counts()[1], clconv_net_output); }

  // Compiles for other shapes; the outputs as they are then.
  std::vector<TensorInfo> prepare(const InputShapes& shapes) const {
    const auto raws = detail::raw_shapes(shapes);
    std::vector<clconv_net_tensor_info> infos(static_cast<std::size_t>(counts()[1]));
    for (auto& info : infos)
      info.struct_size = sizeof(info);
    check(clconv_net_prepare(handle_, detail::count_of(raws), detail::data_of(raws),
                             detail::count_of(infos), infos.data()));
    std::vector<TensorInfo> result;
    for (const auto& info : infos)
      result.push_back(detail::tensor_info(info));
    return result;
  }

  // Enqueues one run, for the shapes it was compiled for.
  void run(const cl::CommandQueue& queue, const std::vector<cl::Buffer>& inputs,
           const std::vector<cl::Buffer>& outputs, const Events* wait = nullptr,
           cl::Event* event = nullptr) const {
    run(queue, {}, inputs, outputs, wait, event);
  }
  // For other shapes.
  void run(const cl::CommandQueue& queue, const InputShapes& shapes,
           const std::vector<cl::Buffer>& inputs, const std::vector<cl::Buffer>& outputs,
           const Events* wait = nullptr, cl::Event* event = nullptr) const {
    const detail::WaitList list(wait);
    detail::EventOut event_out(event);
    const auto raws = detail::raw_shapes(shapes);
    const auto in = detail::handles_of(inputs), out = detail::handles_of(outputs);
    check(clconv_net_run(handle_, queue(), detail::count_of(raws), detail::data_of(raws),
                         detail::count_of(in), detail::data_of(in), detail::count_of(out),
                         detail::data_of(out), list.size(), list.data(), event_out.get()));
    event_out.deliver();
  }

  clconv_net_memory_info memory() const {
    clconv_net_memory_info result{};
    result.struct_size = sizeof(result);
    check(clconv_net_memory(handle_, &result));
    return result;
  }

  // Layer by layer, as JSON.
  std::string report() const {
    char* json = nullptr;
    check(clconv_net_report(handle_, &json));
    return take(json);
  }
  // The report with measured times.
  std::string profile(const std::vector<cl::Buffer>& inputs, const std::vector<cl::Buffer>& outputs,
                      std::int64_t rounds) const {
    const auto in = detail::handles_of(inputs), out = detail::handles_of(outputs);
    char* json = nullptr;
    check(clconv_net_profile(handle_, detail::count_of(in), detail::data_of(in),
                             detail::count_of(out), detail::data_of(out), rounds, &json));
    return take(json);
  }
  // The report with errors against strategy naive.
  std::string check_layers(const std::vector<cl::Buffer>& inputs,
                           const std::vector<cl::Buffer>& outputs) const {
    const auto in = detail::handles_of(inputs), out = detail::handles_of(outputs);
    char* json = nullptr;
    check(clconv_net_check(handle_, detail::count_of(in), detail::data_of(in),
                           detail::count_of(out), detail::data_of(out), &json));
    return take(json);
  }

 private:
  std::array<std::int64_t, 2> counts() const {
    std::array<std::int64_t, 2> result{};
    check(clconv_net_counts(handle_, &result[0], &result[1]));
    return result;
  }
  using Query = clconv_status (*)(clconv_net, std::int64_t, clconv_net_tensor_info*);
  std::vector<TensorInfo> tensors(std::int64_t count, Query query) const {
    std::vector<TensorInfo> result;
    for (std::int64_t i = 0; i < count; ++i) {
      clconv_net_tensor_info info{};
      info.struct_size = sizeof(info);
      check(query(handle_, i, &info));
      result.push_back(detail::tensor_info(info));
    }
    return result;
  }

  clconv_net handle_ = nullptr;
};

// A network over several devices, whose images are divided among them. Inputs and outputs are the host's. Move-only.
class NetworkBatch {
 public:
  // `shapes` and `options` are those of all images. `images`: how many each device takes; empty: divided so that the
  // last device is done as early as possible.
  NetworkBatch(const std::vector<Context>& contexts, const Model& model,
               const InputShapes& shapes = {}, const NetworkOptions& options = NetworkOptions(),
               const std::vector<std::int64_t>& images = {}) {
    if (!images.empty() && images.size() != contexts.size()) {
      throw Error(CLCONV_INVALID_ARGUMENT, "images has " + std::to_string(images.size()) +
                                               " numbers, expected one for each of " +
                                               std::to_string(contexts.size()) + " devices");
    }
    std::vector<clconv_context> handles;
    for (const Context& context : contexts)
      handles.push_back(context.get());
    const auto raws = detail::raw_shapes(shapes);
    clconv_net_options with_shapes = options;
    if (!raws.empty()) {
      with_shapes.num_shapes = detail::count_of(raws);
      with_shapes.shapes = raws.data();
    }
    clconv_net_batch_options given;
    clconv_net_batch_options_init(&given);
    given.net = &with_shapes;
    given.images = detail::data_of(images);
    check(clconv_net_batch_create(handles.data(), handles.size(), model.get(), &given, &handle_));
  }
  NetworkBatch(NetworkBatch&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  NetworkBatch& operator=(NetworkBatch&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~NetworkBatch() { clconv_net_batch_release(handle_); }

  // The handle, for calls of the C ABI.
  clconv_net_batch get() const { return handle_; }

  // Of all images.
  std::vector<TensorInfo> inputs() const { return tensors(counts()[0], clconv_net_batch_input); }
  // Of all images.
  std::vector<TensorInfo> outputs() const { return tensors(counts()[1], clconv_net_batch_output); }

  // What one device does.
  clconv_net_batch_part part(std::size_t index) const {
    clconv_net_batch_part result{};
    result.struct_size = sizeof(result);
    check(clconv_net_batch_get_part(handle_, index, &result));
    return result;
  }
  // The network of one device, layer by layer, as JSON; "" where it has no images.
  std::string report(std::size_t index) const {
    const clconv_net_batch_part of_device = part(index);
    if (of_device.net == nullptr) return "";
    char* json = nullptr;
    check(clconv_net_report(of_device.net, &json));
    return take(json);
  }

  // Computes on all devices, and waits.
  void run(const std::vector<const float*>& inputs, const std::vector<float*>& outputs) const {
    check(clconv_net_batch_run(handle_, detail::count_of(inputs), detail::data_of(inputs),
                               detail::count_of(outputs), detail::data_of(outputs)));
  }

 private:
  std::array<std::int64_t, 2> counts() const {
    std::array<std::int64_t, 2> result{};
    check(clconv_net_batch_counts(handle_, &result[0], &result[1]));
    return result;
  }
  using Query = clconv_status (*)(clconv_net_batch, std::int64_t, clconv_net_tensor_info*);
  std::vector<TensorInfo> tensors(std::int64_t count, Query query) const {
    std::vector<TensorInfo> result;
    for (std::int64_t i = 0; i < count; ++i) {
      clconv_net_tensor_info info{};
      info.struct_size = sizeof(info);
      check(query(handle_, i, &info));
      result.push_back(detail::tensor_info(info));
    }
    return result;
  }

  clconv_net_batch handle_ = nullptr;
};

}  // namespace clconv

#endif  // CLCONV_NET_HPP
