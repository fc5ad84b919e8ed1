// Why bytes are no protobuf message, which protobuf itself does not say.
#pragma once

#include <cstddef>
#include <string>

namespace clconv::net {

// Of bytes that did not parse: where the outermost message breaks off or is damaged.
std::string wire_error(const void* bytes, std::size_t size);

}  // namespace clconv::net
