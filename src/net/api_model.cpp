// The models of net.h: checks what comes in, and hands on. No decisions here.
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "net/api_support.hpp"
#include "net/builder.hpp"
#include "net/operator.hpp"
#include "net/passes.hpp"
#include "runtime/files.hpp"

using namespace clconv::net;
using namespace clconv::net::api;

namespace {

std::vector<std::string> names_of(std::int64_t count, const char* const* names, const char* what) {
  in_range(count, 0, kMostTensors, what);
  std::vector<std::string> result;
  if (count > 0) required(names, what);
  for (std::int64_t i = 0; i < count; ++i)
    result.emplace_back(&required(names[i], what));
  return result;
}

// Refuses what has no end (a device, a pipe) and more than a model may have, before it is read.
std::string model_file(const std::string& path) {
  constexpr std::uintmax_t kMostBytes = std::uintmax_t{2} << 30;  // of a protobuf message
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_directory(status) &&
      !std::filesystem::is_regular_file(status)) {
    throw Error(Code::kIo, path + ": is no regular file");
  }
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (!error && size > kMostBytes) {
    throw Error(Code::kInvalidModel, path + ": has " + std::to_string(size) +
                                         " bytes, a model at most " + std::to_string(kMostBytes));
  }
  std::string bytes;
  if (!clconv::core::read_file(path, bytes)) throw Error(Code::kIo, path + ": no such file");
  return bytes;
}

}  // namespace

clconv_status clconv_net_model_load(const char* path, clconv_net_model* result) {
  return clconv::core::api::guarded([&] {  // the path is the caller's: it stays whole
    required(path, "path");
    required(result, "result");
    const std::string bytes = model_file(path);
    const std::string name = path;
    const std::size_t slash = name.rfind('/');
    const std::string folder =
        slash == std::string::npos ? "." : name.substr(0, std::max<std::size_t>(slash, 1));
    auto handle = std::make_unique<clconv_net_model_s>();
    try {
      handle->model = std::make_shared<Model>(import_onnx(bytes.data(), bytes.size(), folder));
    } catch (const Error& error) {
      throw Error(error.code(), name + ": " + clconv::core::cut_message(error.what()),
                  error.detail());
    }
    *result = handle.release();
  });
}

clconv_status clconv_net_model_parse(const void* bytes, size_t size, const char* folder,
                                     clconv_net_model* result) {
  return guarded([&] {
    required(result, "result");
    if (bytes == nullptr) bad("bytes is NULL");
    auto handle = std::make_unique<clconv_net_model_s>();
    handle->model =
        std::make_shared<Model>(import_onnx(bytes, size, folder != nullptr ? folder : ""));
    *result = handle.release();
  });
}

clconv_status clconv_net_model_create(int64_t opset, clconv_net_model* result) {
  return guarded([&] {
    required(result, "result");
    auto handle = std::make_unique<clconv_net_model_s>();
    handle->model = std::make_shared<Model>(create_model(opset));
    *result = handle.release();
  });
}

clconv_status clconv_net_model_add_input(clconv_net_model model, const char* name, int64_t rank,
                                         const int64_t* sizes) {
  return guarded(
      [&] { add_input(model_of(model), &required(name, "name"), shape_of(rank, sizes)); });
}

clconv_status clconv_net_model_add_constant(clconv_net_model model, const char* name,
                                            clconv_net_type type, int64_t rank,
                                            const int64_t* sizes, const void* data) {
  return guarded([&] {
    add_constant(model_of(model), &required(name, "name"), static_cast<Type>(type),
                 shape_of(rank, sizes), data);
  });
}

clconv_status clconv_net_model_add_node(clconv_net_model model, const char* op, const char* name,
                                        int64_t num_inputs, const char* const* inputs,
                                        int64_t num_outputs, const char* const* outputs,
                                        const char* attributes) {
  return guarded([&] {
    add_node(model_of(model), &required(op, "op"), name != nullptr ? name : "",
             names_of(num_inputs, inputs, "inputs"), names_of(num_outputs, outputs, "outputs"),
             attributes != nullptr ? attributes : "");
  });
}

clconv_status clconv_net_model_add_output(clconv_net_model model, const char* name) {
  return guarded([&] { add_output(model_of(model), &required(name, "name")); });
}

clconv_status clconv_net_model_describe(clconv_net_model model, char** json) {
  return guarded([&] { TextOut(json, "json").put(describe(model_of(model))); });
}

void clconv_net_model_release(clconv_net_model model) {
  delete model;
}

clconv_status clconv_net_supported(char** json) {
  return guarded([&] {
    TextOut out(json, "json");
    nlohmann::ordered_json supported = {{"importer", has_importer()},
                                        {"operators", nlohmann::ordered_json::array()},
                                        {"passes", nlohmann::ordered_json::array()}};
    for (const Operator* op : operators()) {
      if (std::string(op->domain) == kOwnDomain) continue;
      supported["operators"].push_back({{"domain", op->domain},
                                        {"operator", op->name},
                                        {"since", std::max<std::int64_t>(op->since, 7)},
                                        {"device", op->lower != nullptr}});
    }
    for (const Pass& pass : passes())
      supported["passes"].push_back({{"pass", pass.name}, {"about", pass.about}});
    out.put(supported.dump());
  });
}
