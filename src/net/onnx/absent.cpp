// Stands in for the importer in a build without protobuf or onnx.proto.
#include "error.hpp"
#include "net/model.hpp"

namespace clconv::net {

bool has_importer() {
  return false;
}

Model import_onnx(const void*, std::size_t, const std::string&) {
  throw core::Error(
      core::Code::kUnsupported,
      "this build of clconv-net reads no ONNX models: it was built without protobuf or onnx.proto");
}

}  // namespace clconv::net
