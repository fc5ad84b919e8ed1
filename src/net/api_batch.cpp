// The networks over devices of net.h: checks what comes in, and hands on. No decisions here.
#include "net/api_support.hpp"
#include "net/batch.hpp"

using namespace clconv::net;
using namespace clconv::net::api;

struct clconv_net_batch_s {
  std::unique_ptr<NetworkBatch> batch;
  std::vector<std::unique_ptr<clconv_net_s>> nets;  // by part; null where it has no images
};

namespace {

NetworkBatch& batch_of(clconv_net_batch handle) {
  return *required(handle, "batch").batch;
}

std::vector<clconv::Context> contexts_of(const clconv_context* contexts, std::size_t count) {
  if (count < 1) bad("count is 0, expected at least one context");
  required(contexts, "contexts");
  std::vector<clconv::Context> shared;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = "contexts[" + std::to_string(i) + "]";
    required(contexts[i], name.c_str());
    shared.push_back(clconv::Context::shared(contexts[i]));
  }
  return shared;
}

std::vector<std::int64_t> images_of(const int64_t* given, std::size_t count) {
  return given == nullptr ? std::vector<std::int64_t>{}
                          : std::vector<std::int64_t>(given, given + count);
}

template <class T>
std::vector<T> pointers_of(std::int64_t count, const T* pointers, const char* what) {
  in_range(count, 0, kMostTensors, what);
  if (count > 0) required(pointers, what);
  return std::vector<T>(pointers, pointers + count);
}

}  // namespace

void clconv_net_batch_options_defaults(clconv_net_batch_options* options, size_t size) {
  write_defaults(options, size, clconv_net_batch_options{});
}

clconv_status clconv_net_batch_create(const clconv_context* contexts, size_t count,
                                      clconv_net_model model,
                                      const clconv_net_batch_options* options,
                                      clconv_net_batch* result) {
  return guarded([&] {
    required(result, "result");
    model_of(model);
    const auto o = versioned(options, clconv_net_batch_options{}, "clconv_net_batch_options");
    auto handle = std::make_unique<clconv_net_batch_s>();
    handle->batch = std::make_unique<NetworkBatch>(contexts_of(contexts, count), copy_of(model),
                                                   options_of(o.net), images_of(o.images, count));
    for (const NetworkBatch::Part& part : handle->batch->parts()) {
      handle->nets.push_back(
          part.network ? std::make_unique<clconv_net_s>(clconv_net_s{part.network}) : nullptr);
    }
    *result = handle.release();
  });
}

void clconv_net_batch_release(clconv_net_batch batch) {
  delete batch;
}

clconv_status clconv_net_batch_counts(clconv_net_batch batch, int64_t* num_inputs,
                                      int64_t* num_outputs) {
  return guarded([&] {
    const NetworkBatch& b = batch_of(batch);
    if (num_inputs != nullptr) *num_inputs = static_cast<std::int64_t>(b.inputs().size());
    if (num_outputs != nullptr) *num_outputs = static_cast<std::int64_t>(b.outputs().size());
  });
}

clconv_status clconv_net_batch_input(clconv_net_batch batch, int64_t index,
                                     clconv_net_tensor_info* info) {
  return guarded([&] { edge_out(batch_of(batch).inputs(), index, info); });
}

clconv_status clconv_net_batch_output(clconv_net_batch batch, int64_t index,
                                      clconv_net_tensor_info* info) {
  return guarded([&] { edge_out(batch_of(batch).outputs(), index, info); });
}

clconv_status clconv_net_batch_get_part(clconv_net_batch batch, size_t index,
                                        clconv_net_batch_part* part) {
  return guarded([&] {
    const auto& parts = batch_of(batch).parts();
    const std::size_t size =
        known_size(required(part, "part").struct_size, "clconv_net_batch_part");
    if (index >= parts.size()) {
      bad("index is " + std::to_string(index) + ", expected 0 to " +
          std::to_string(parts.size() - 1));
    }
    clconv_net_batch_part p{};
    p.first = parts[index].first;
    p.images = parts[index].images;
    p.image_us = parts[index].image_us;
    p.net = batch->nets[index].get();
    copy_out(part, p, size);
  });
}

clconv_status clconv_net_batch_run(clconv_net_batch batch, int64_t num_inputs,
                                   const float* const* inputs, int64_t num_outputs,
                                   float* const* outputs) {
  return guarded([&] {
    batch_of(batch).run(pointers_of(num_inputs, inputs, "inputs"),
                        pointers_of(num_outputs, outputs, "outputs"));
  });
}
