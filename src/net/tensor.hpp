// Shapes, element types and constants of a network. Knows nothing of OpenCL and nothing of operators.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace clconv::net {

// ONNX's element types, with its numbers (TensorProto.DataType).
enum class Type {
  kUndefined = 0,
  kFloat32 = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kFloat64 = 11,
  kUint32 = 12,
  kUint64 = 13,
  kBfloat16 = 16,
};

// "float32", ..., "bool"; "?" for a number that is none.
const char* to_string(Type type);
// Of one element as a file or a caller stores it; 0 for strings and unknown types.
std::int64_t element_bytes(Type type);
bool is_floating(Type type);
bool is_integer(Type type);  // bool counts as one

// Outermost dimension first. Empty: a scalar, which has one element.
using Shape = std::vector<std::int64_t>;

// "1x3x224x224"; "scalar" for a scalar.
std::string to_string(const Shape& shape);
// The product, saturated at INT64_MAX: a size that overflows exceeds every limit.
std::int64_t elements(const Shape& shape);
// The same without sizes of 0: what strides and sums of sizes stay within, also of a tensor without elements.
std::int64_t extent(const Shape& shape);
// Of the dimensions [begin, end).
std::int64_t elements(const Shape& shape, std::size_t begin, std::size_t end);

// The shape that both broadcast to by NumPy's rules. Throws Error{kInvalidModel} that names both.
Shape broadcast(const Shape& a, const Shape& b);

// An axis from -rank to rank-1 (`beyond`: to rank) as one from 0. Throws Error{kInvalidModel}.
std::size_t normalized_axis(std::int64_t axis, std::size_t rank, bool beyond = false);

// A tensor whose value is known before the network runs: weights, and what shapes are computed from. Numbers of
// floating types are held as floats, those of integer types and bool as 64-bit integers, whatever `type` is; float64
// is rounded to float.
struct Constant {
  Type type = Type::kFloat32;
  Shape shape;
  std::vector<float> floats;           // of floating types
  std::vector<std::int64_t> integers;  // of integer types

  std::int64_t count() const { return elements(shape); }
  // The element as float, whatever the type.
  float number(std::size_t index) const {
    return is_floating(type) ? floats[index] : static_cast<float>(integers[index]);
  }
};
// Constants are shared by the graphs made of one model, and never change.
using ConstantPtr = std::shared_ptr<const Constant>;

ConstantPtr constant_of(Shape shape, std::vector<float> values);
ConstantPtr constant_of(Shape shape, std::vector<std::int64_t> values);

}  // namespace clconv::net
