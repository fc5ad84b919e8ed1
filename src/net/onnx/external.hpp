// External data: tensors whose bytes lie in a file beside the model. Knows nothing of protobuf.
#pragma once

#include <cstdint>
#include <string>

namespace clconv::net {

// Where the bytes are, as the model says it.
struct ExternalData {
  std::string location;      // relative to the model's folder
  std::int64_t offset = 0;   // of the first byte in the file
  std::int64_t length = -1;  // below 0: what the tensor's shape says
};

// Reads `bytes` bytes of a tensor. Opens files inside `folder` only, however the location or symbolic links are put;
// an empty folder holds none. `tensor` names the tensor in errors. Throws Error{kInvalidModel} or Error{kIo}.
std::string read_external(const std::string& tensor, const ExternalData& data,
                          const std::string& folder, std::int64_t bytes);

}  // namespace clconv::net
