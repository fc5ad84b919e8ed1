// The networks of net.h: checks what comes in, and hands on. No decisions here.
#include "net/api_support.hpp"

using namespace clconv::net;
using namespace clconv::net::api;

namespace {

clconv_net_shape shape_defaults() {
  clconv_net_shape shape{};
  return shape;
}

// Structs in an array are as far apart as their first says that they are large.
template <class T>
T* element(T* array, std::int64_t index) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  return reinterpret_cast<T*>(reinterpret_cast<Byte*>(array) +
                              static_cast<std::size_t>(index) * array->struct_size);
}

std::vector<WantedShape> shapes_of(std::int64_t count, const clconv_net_shape* shapes) {
  in_range(count, 0, kMostTensors, "num_shapes");
  std::vector<WantedShape> wanted;
  for (std::int64_t i = 0; i < count; ++i) {
    known_size(required(shapes, "shapes").struct_size, "clconv_net_shape");
    const auto one = versioned(element(shapes, i), shape_defaults(), "clconv_net_shape");
    const std::string name = text_of(one.name);
    for (const WantedShape& other : wanted) {
      if (!name.empty() && other.name == name) bad("input '" + name + "' has two shapes");
    }
    wanted.push_back({name, shape_of(one.rank, one.sizes)});
  }
  return wanted;
}

}  // namespace

clconv_net_options clconv::net::api::options_defaults() {
  clconv_net_options options{};
  options.workspace_limit_bytes = -1;
  return options;
}

NetworkOptions clconv::net::api::options_of(const clconv_net_options* given) {
  const auto c = versioned(given, options_defaults(), "clconv_net_options");
  NetworkOptions options;
  options.shapes = shapes_of(c.num_shapes, c.shapes);
  options.batch = in_range(c.batch, 0, INT32_MAX, "batch");
  if (c.data_type < 0 || c.data_type >= static_cast<int>(clconv::core::kDataTypes)) {
    bad("data_type " + std::to_string(c.data_type) + " is unknown");
  }
  options.lowering.storage = static_cast<clconv::core::DataType>(c.data_type);
  clconv_plan_options& planning = options.lowering.planning;
  planning.rigor = c.rigor;
  planning.time_limit_s = c.time_limit_s;
  planning.workspace_limit_bytes = c.workspace_limit_bytes;
  planning.deterministic = c.deterministic;
  planning.expected_runs = c.expected_runs;
  if (c.math < CLCONV_MATH_FLOAT32 || c.math > CLCONV_MATH_TF32)
    bad("math " + std::to_string(c.math) + " is unknown");
  planning.math = c.math;
  options.skip_passes = c.skip_passes != nullptr ? c.skip_passes : "";
  const std::int64_t capacity = in_range(c.plan_capacity, 0, kMostTensors, "plan_capacity");
  if (capacity > 0) options.plan_capacity = static_cast<std::size_t>(capacity);
  if (c.progress != nullptr) {
    options.lowering.progress = [c](std::int64_t done, std::int64_t total,
                                    const std::string& layer) {
      c.progress(c.progress_user, done, total, layer.c_str());
    };
  }
  return options;
}

namespace {

clconv_net_tensor_info info_of(const Edge& edge) {
  clconv_net_tensor_info info{};
  info.name = edge.name.c_str();
  info.type = CLCONV_NET_FLOAT32;
  info.rank = static_cast<std::int64_t>(edge.shape.size());
  if (info.rank > CLCONV_NET_MAX_RANK) {
    throw Error(Code::kUnsupported, "'" + edge.name + "' has " + std::to_string(info.rank) +
                                        " dimensions, more than " +
                                        std::to_string(CLCONV_NET_MAX_RANK));
  }
  std::copy(edge.shape.begin(), edge.shape.end(), info.sizes);
  info.bytes = edge.bytes;
  return info;
}

}  // namespace

void clconv::net::api::edge_out(const std::vector<Edge>& edges, std::int64_t index,
                                clconv_net_tensor_info* info) {
  const std::size_t size = known_size(required(info, "info").struct_size, "clconv_net_tensor_info");
  in_range(index, 0, static_cast<std::int64_t>(edges.size()) - 1, "index");
  copy_out(info, info_of(edges[static_cast<std::size_t>(index)]), size);
}

namespace {

Network& network_of(clconv_net net) {
  return *required(net, "net").network;
}

std::vector<cl_mem> buffers_of(std::int64_t count, const cl_mem* buffers, const char* what) {
  in_range(count, 0, kMostTensors, what);
  if (count > 0) required(buffers, what);
  return std::vector<cl_mem>(buffers, buffers + count);
}

// What runs that wait have in common.
template <class Body>
clconv_status observed(clconv_net net, std::int64_t num_inputs, const cl_mem* inputs,
                       std::int64_t num_outputs, const cl_mem* outputs, char** json, Body&& body) {
  return guarded([&] {
    TextOut out(json, "json");
    const NetworkPlan& plan = network_of(net).first();
    out.put(body(plan, buffers_of(num_inputs, inputs, "inputs"),
                 buffers_of(num_outputs, outputs, "outputs")));
  });
}

}  // namespace

void clconv_net_shape_defaults(clconv_net_shape* shape, size_t size) {
  write_defaults(shape, size, shape_defaults());
}

void clconv_net_options_defaults(clconv_net_options* options, size_t size) {
  write_defaults(options, size, options_defaults());
}

clconv_status clconv_net_create(clconv_context context, clconv_net_model model,
                                const clconv_net_options* options, clconv_net* result) {
  return guarded([&] {
    required(result, "result");
    model_of(model);
    required(context, "context");
    auto handle = std::make_unique<clconv_net_s>();
    handle->network = std::make_shared<Network>(clconv::Context::shared(context), copy_of(model),
                                                options_of(options));
    *result = handle.release();
  });
}

void clconv_net_release(clconv_net net) {
  delete net;
}

clconv_status clconv_net_counts(clconv_net net, int64_t* num_inputs, int64_t* num_outputs) {
  return guarded([&] {
    const NetworkPlan& plan = network_of(net).first();
    if (num_inputs != nullptr) *num_inputs = static_cast<std::int64_t>(plan.inputs().size());
    if (num_outputs != nullptr) *num_outputs = static_cast<std::int64_t>(plan.outputs().size());
  });
}

clconv_status clconv_net_input(clconv_net net, int64_t index, clconv_net_tensor_info* info) {
  return guarded([&] { edge_out(network_of(net).first().inputs(), index, info); });
}

clconv_status clconv_net_output(clconv_net net, int64_t index, clconv_net_tensor_info* info) {
  return guarded([&] { edge_out(network_of(net).first().outputs(), index, info); });
}

clconv_status clconv_net_prepare(clconv_net net, int64_t num_shapes, const clconv_net_shape* shapes,
                                 int64_t num_outputs, clconv_net_tensor_info* outputs) {
  return guarded([&] {
    Network& network = network_of(net);
    in_range(num_outputs, 0, static_cast<std::int64_t>(network.first().outputs().size()),
             "num_outputs");
    if (num_outputs > 0)
      known_size(required(outputs, "outputs").struct_size, "clconv_net_tensor_info");
    const auto plan = network.plan_for(shapes_of(num_shapes, shapes));
    for (std::int64_t i = 0; i < num_outputs; ++i) {
      clconv_net_tensor_info info = info_of(plan->outputs()[static_cast<std::size_t>(i)]);
      info.name = network.first().outputs()[static_cast<std::size_t>(i)].name.c_str();
      copy_out(element(outputs, i), info, outputs->struct_size);
    }
  });
}

clconv_status clconv_net_run(clconv_net net, cl_command_queue queue, int64_t num_shapes,
                             const clconv_net_shape* shapes, int64_t num_inputs,
                             const cl_mem* inputs, int64_t num_outputs, const cl_mem* outputs,
                             cl_uint num_events, const cl_event* wait_list, cl_event* event) {
  return guarded([&] {
    Network& network = network_of(net);
    const std::vector<cl_mem> in = buffers_of(num_inputs, inputs, "inputs");
    const std::vector<cl_mem> out = buffers_of(num_outputs, outputs, "outputs");
    const clconv::core::Dependencies dependencies{num_events, wait_list, event, nullptr};
    if (num_shapes == 0) {
      network.first().run(queue, in, out, dependencies);
    } else {
      network.plan_for(shapes_of(num_shapes, shapes))->run(queue, in, out, dependencies);
    }
  });
}

clconv_status clconv_net_memory(clconv_net net, clconv_net_memory_info* info) {
  return guarded([&] {
    const Network& network = network_of(net);
    const std::size_t size =
        known_size(required(info, "info").struct_size, "clconv_net_memory_info");
    const NetworkPlan& plan = network.first();
    clconv_net_memory_info i{};
    i.weights_bytes = plan.weights_bytes();
    i.arena_bytes = plan.arena().bytes;
    i.alive_bytes = plan.arena().alive_bytes;
    i.workspace_bytes = plan.workspace_bytes();
    i.arenas = plan.arenas();
    i.plans = network.plans();
    copy_out(info, i, size);
  });
}

clconv_status clconv_net_report(clconv_net net, char** json) {
  return guarded([&] { TextOut(json, "json").put(report(network_of(net).first())); });
}

clconv_status clconv_net_profile(clconv_net net, int64_t num_inputs, const cl_mem* inputs,
                                 int64_t num_outputs, const cl_mem* outputs, int64_t rounds,
                                 char** json) {
  return observed(net, num_inputs, inputs, num_outputs, outputs, json,
                  [&](const NetworkPlan& plan, const auto& in, const auto& out) {
                    return profile(plan, in, out, rounds);
                  });
}

clconv_status clconv_net_check(clconv_net net, int64_t num_inputs, const cl_mem* inputs,
                               int64_t num_outputs, const cl_mem* outputs, char** json) {
  return observed(net, num_inputs, inputs, num_outputs, outputs, json,
                  [&](const NetworkPlan& plan, const auto& in, const auto& out) {
                    return check(plan, in, out);
                  });
}
