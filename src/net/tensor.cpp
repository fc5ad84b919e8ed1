#include "net/tensor.hpp"

#include <algorithm>

#include "error.hpp"
#include "problem.hpp"

namespace clconv::net {

using core::Code;
using core::Error;

const char* to_string(Type type) {
  switch (type) {
    case Type::kFloat32: return "float32";
    case Type::kUint8: return "uint8";
    case Type::kInt8: return "int8";
    case Type::kUint16: return "uint16";
    case Type::kInt16: return "int16";
    case Type::kInt32: return "int32";
    case Type::kInt64: return "int64";
    case Type::kString: return "string";
    case Type::kBool: return "bool";
    case Type::kFloat16: return "float16";
    case Type::kFloat64: return "float64";
    case Type::kUint32: return "uint32";
    case Type::kUint64: return "uint64";
    case Type::kBfloat16: return "bfloat16";
    case Type::kUndefined: break;
  }
  return "?";
}

std::int64_t element_bytes(Type type) {
  switch (type) {
    case Type::kUint8:
    case Type::kInt8:
    case Type::kBool: return 1;
    case Type::kUint16:
    case Type::kInt16:
    case Type::kFloat16:
    case Type::kBfloat16: return 2;
    case Type::kFloat32:
    case Type::kInt32:
    case Type::kUint32: return 4;
    case Type::kInt64:
    case Type::kUint64:
    case Type::kFloat64: return 8;
    case Type::kString:
    case Type::kUndefined: break;
  }
  return 0;
}

bool is_floating(Type type) {
  return type == Type::kFloat32 || type == Type::kFloat16 || type == Type::kBfloat16 ||
         type == Type::kFloat64;
}

bool is_integer(Type type) {
  return element_bytes(type) > 0 && !is_floating(type);
}

std::string to_string(const Shape& shape) {
  std::string text;
  for (const std::int64_t size : shape)
    text += (text.empty() ? "" : "x") + std::to_string(size);
  return text.empty() ? "scalar" : text;
}

std::int64_t elements(const Shape& shape, std::size_t begin, std::size_t end) {
  std::int64_t product = 1;
  for (std::size_t i = begin; i < end; ++i)
    product = core::saturating_product(product, shape[i]);
  return product;
}

std::int64_t elements(const Shape& shape) {
  return elements(shape, 0, shape.size());
}

std::int64_t extent(const Shape& shape) {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) {
    if (size > 0) product = core::saturating_product(product, size);
  }
  return product;
}

Shape broadcast(const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()));
  for (std::size_t i = 1; i <= result.size(); ++i) {
    const std::int64_t of_a = i <= a.size() ? a[a.size() - i] : 1;
    const std::int64_t of_b = i <= b.size() ? b[b.size() - i] : 1;
    if (of_a != of_b && of_a != 1 && of_b != 1) {
      throw Error(Code::kInvalidModel,
                  "shapes " + to_string(a) + " and " + to_string(b) + " do not broadcast");
    }
    result[result.size() - i] = of_a == 1 ? of_b : of_a;
  }
  return result;
}

std::size_t normalized_axis(std::int64_t axis, std::size_t rank, bool beyond) {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank + (beyond ? 1 : 0)) {
    throw Error(Code::kInvalidModel, "axis " + std::to_string(axis) +
                                         " is outside a tensor of rank " + std::to_string(rank));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

ConstantPtr constant_of(Shape shape, std::vector<float> values) {
  auto constant = std::make_shared<Constant>();
  constant->shape = std::move(shape);
  constant->floats = std::move(values);
  return constant;
}

ConstantPtr constant_of(Shape shape, std::vector<std::int64_t> values) {
  auto constant = std::make_shared<Constant>();
  constant->type = Type::kInt64;
  constant->shape = std::move(shape);
  constant->integers = std::move(values);
  return constant;
}

}  // namespace clconv::net
