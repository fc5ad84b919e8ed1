#include "net/onnx/wire.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>

namespace clconv::net {

std::string wire_error(const void* bytes, std::size_t size) {
  using google::protobuf::internal::WireFormatLite;
  const std::string text(static_cast<const char*>(bytes), size < 64 ? size : 64);
  if (text.rfind("version https://git-lfs", 0) == 0) return "it is a pointer of Git LFS";
  google::protobuf::io::CodedInputStream input(static_cast<const std::uint8_t*>(bytes),
                                               static_cast<int>(size));
  for (;;) {
    const int at = input.CurrentPosition();
    const std::uint32_t tag = input.ReadTag();
    if (tag == 0) break;
    const std::string field = "field " + std::to_string(WireFormatLite::GetTagFieldNumber(tag)) +
                              " at byte " + std::to_string(at);
    if (WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      std::uint32_t length = 0;
      const std::size_t left = input.ReadVarint32(&length)
                                   ? size - static_cast<std::size_t>(input.CurrentPosition())
                                   : 0;
      if (length > left) {
        return "truncated or damaged: " + field + " needs " + std::to_string(length) +
               " bytes, but " + std::to_string(left) + " are left";
      }
      if (!input.Skip(static_cast<int>(length))) return "damaged: " + field;
    } else if (!WireFormatLite::SkipField(&input, tag)) {
      return "truncated or damaged: " + field;
    }
  }
  const bool at_end = static_cast<std::size_t>(input.CurrentPosition()) == size;
  if (!at_end) return "damaged at byte " + std::to_string(input.CurrentPosition());
  return "a message in it is damaged, or nested more than 100 deep";
}

}  // namespace clconv::net
