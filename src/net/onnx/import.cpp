// The importer: ONNX models as the distribution's protobuf reads them, in its lite form, which registers nothing in the
// process and so stands beside any other copy of ONNX's format.
#include <google/protobuf/stubs/logging.h>

#include <limits>

#include "error.hpp"
#include "net/model.hpp"
#include "net/onnx/importer.hpp"
#include "net/onnx/tensors.hpp"
#include "net/onnx/wire.hpp"

namespace clconv::net {
namespace {

using onnx_format::FunctionProto;
using onnx_format::ModelProto;
using onnx_format::NodeProto;

constexpr std::int64_t kLeastOpset = 7;

ModelProto parsed(const void* bytes, std::size_t size) {
  if (size == 0) invalid_model("the model is empty: 0 bytes");
  if (size > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    invalid_model("the model has " + std::to_string(size) +
                  " bytes, an ONNX file at most 2147483647: larger weights are external data");
  }
  const google::protobuf::LogSilencer silence;  // the library never prints
  ModelProto model;
  if (!model.ParseFromArray(bytes, static_cast<int>(size))) {
    invalid_model("this is no ONNX model: " + wire_error(bytes, size));
  }
  if (!model.has_graph()) {
    invalid_model("this is no ONNX model, or a truncated one: there is no graph in its " +
                  std::to_string(size) + " bytes");
  }
  return model;
}

// The version of ONNX's own operators.
std::int64_t opset_of(const ModelProto& model) {
  std::int64_t opset = 0;
  for (const auto& import : model.opset_import()) {
    if (!import.domain().empty() && import.domain() != "ai.onnx") continue;
    if (opset != 0 && import.version() != opset) {
      invalid_model("the model imports opsets " + std::to_string(opset) + " and " +
                    std::to_string(import.version()) + " of ONNX's operators");
    }
    opset = import.version();
    if (opset < kLeastOpset) {
      unsupported_model("the model's opset is " + std::to_string(opset) + ", supported from " +
                        std::to_string(kLeastOpset) + " on");
    }
  }
  if (opset == 0) invalid_model("the model does not say which opset of ONNX's operators it uses");
  return opset;
}

// Models may define operators as graphs of others. Those would be taken for ONNX's own where they have the same name.
void refuse_functions(const ModelProto& model) {
  for (const FunctionProto& function : model.functions()) {
    for (const NodeProto& node : model.graph().node()) {
      if (node.op_type() != function.name() || node.domain() != function.domain()) continue;
      unsupported_model("node '" + node.name() + "' (" + node.op_type() +
                        ") is a function that the model defines, which is not supported");
    }
  }
}

}  // namespace

bool has_importer() {
  return true;
}

Model import_onnx(const void* bytes, std::size_t size, const std::string& folder) {
  ModelProto proto = parsed(bytes, size);
  Model model;
  model.producer = proto.producer_name();
  if (!proto.producer_version().empty()) model.producer += " " + proto.producer_version();
  const std::int64_t opset = opset_of(proto);
  refuse_functions(proto);
  model.graph = Importer(folder, opset).graph(*proto.mutable_graph());
  return model;
}

}  // namespace clconv::net
