// ONNX files of a few nodes for tests, written byte by byte: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto has
// the numbers of the fields.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace clconv::test {

// A protobuf message under construction.
class Message {
 public:
  Message& number(int field, std::int64_t value) {
    key(field, 0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Message& text(int field, const std::string& value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return text(field, value.bytes_); }
  Message& real(int field, float value) {
    key(field, 5);
    char raw[4];
    std::memcpy(raw, &value, 4);
    bytes_.append(raw, 4);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void key(int field, int wire) { varint(static_cast<std::uint64_t>(field * 8 + wire)); }
  void varint(std::uint64_t value) {
    for (; value >= 128; value >>= 7)
      bytes_ += static_cast<char>(128 | (value & 127));
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

// Sizes: a number, or -1 for one that is open.
class OnnxFile {
 public:
  using Sizes = std::vector<std::int64_t>;
  using Names = std::vector<std::string>;

  OnnxFile& input(const std::string& name, const Sizes& sizes) {
    graph_.message(11, value_info(name, sizes));
    return *this;
  }
  OnnxFile& output(const std::string& name, const Sizes& sizes) {
    graph_.message(12, value_info(name, sizes));
    return *this;
  }
  OnnxFile& constant(const std::string& name, const Sizes& sizes,
                     const std::vector<float>& values) {
    Message tensor;
    for (const std::int64_t size : sizes)
      tensor.number(1, size);
    tensor.number(2, 1).text(8, name);
    tensor.text(9, std::string(reinterpret_cast<const char*>(values.data()), values.size() * 4));
    graph_.message(5, tensor);
    return *this;
  }
  // Attributes are lists of integers: {"pads", {1, 1, 1, 1}}.
  OnnxFile& node(const std::string& op, const std::string& name, const Names& inputs,
                 const Names& outputs,
                 const std::vector<std::pair<std::string, Sizes>>& attributes = {}) {
    Message node;
    for (const std::string& input : inputs)
      node.text(1, input);
    for (const std::string& output : outputs)
      node.text(2, output);
    node.text(3, name).text(4, op);
    for (const auto& [key, values] : attributes) {
      Message attribute;
      attribute.text(1, key);
      for (const std::int64_t value : values)
        attribute.number(8, value);
      node.message(5, attribute.number(20, 7));
    }
    graph_.message(1, node);
    return *this;
  }
  std::string bytes(std::int64_t opset = 13) const {
    Message named = graph_;
    return Message()
        .number(1, 7)
        .text(2, "a test")
        .message(7, named.text(2, "graph"))
        .message(8, Message().text(1, "").number(2, opset))
        .bytes();
  }

 private:
  static Message value_info(const std::string& name, const Sizes& sizes) {
    Message shape;
    for (const std::int64_t size : sizes)
      shape.message(1, size < 0 ? Message().text(2, "open") : Message().number(1, size));
    const Message tensor = Message().number(1, 1).message(2, shape);
    return Message().text(1, name).message(2, Message().message(1, tensor));
  }
  Message graph_;
};

// Weights (3,3,size,size) that keep the three colours of a picture apart: `plane` for each.
inline std::vector<float> colours_apart(std::size_t size, const std::vector<float>& plane) {
  std::vector<float> weights(9 * size * size, 0.0f);
  for (std::size_t c = 0; c < 3; ++c)
    std::copy(plane.begin(), plane.end(),
              weights.begin() + static_cast<std::ptrdiff_t>(4 * c * size * size));
  return weights;
}

}  // namespace clconv::test
