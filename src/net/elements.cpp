#include "net/elements.hpp"

#include <CL/cl_half.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "bfloat16.hpp"
#include "error.hpp"

namespace clconv::net {
namespace {

// One element after another, through `converted`.
template <class T, class Result, class Convert>
void read(const void* bytes, std::size_t count, std::vector<Result>& results, Convert&& converted) {
  const auto* at = static_cast<const unsigned char*>(bytes);
  results.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, at + i * sizeof(T), sizeof(T));
    results[i] = converted(value);
  }
}

template <class T>
void read_floats(const void* bytes, std::size_t count, Constant& constant) {
  read<T>(bytes, count, constant.floats, [](T value) { return static_cast<float>(value); });
}

template <class T>
void read_integers(const void* bytes, std::size_t count, Constant& constant) {
  read<T>(bytes, count, constant.integers,
          [](T value) { return static_cast<std::int64_t>(value); });
}

}  // namespace

std::int64_t integer_of(std::uint64_t value, const std::string& who) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw core::Error(core::Code::kUnsupported, who + " has an element " + std::to_string(value) +
                                                    ", which is above the largest int64");
  }
  return static_cast<std::int64_t>(value);
}

std::int64_t truncated(double value) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (std::isnan(value)) return 0;
  if (value >= 0x1p63) return Limits::max();
  if (value < -0x1p63) return Limits::min();
  return static_cast<std::int64_t>(value);
}

float float_of_bits(Type type, std::uint16_t bits) {
  return type == Type::kFloat16 ? cl_half_to_float(bits) : core::float_of_bfloat16(bits);
}

void read_elements(const void* bytes, const std::string& who, Constant& constant) {
  const auto count = static_cast<std::size_t>(constant.count());
  switch (constant.type) {
    case Type::kFloat32: return read_floats<float>(bytes, count, constant);
    case Type::kFloat64: return read_floats<double>(bytes, count, constant);
    case Type::kFloat16:
    case Type::kBfloat16:
      return read<std::uint16_t>(bytes, count, constant.floats, [&](std::uint16_t bits) {
        return float_of_bits(constant.type, bits);
      });
    case Type::kInt8: return read_integers<std::int8_t>(bytes, count, constant);
    case Type::kUint8: return read_integers<std::uint8_t>(bytes, count, constant);
    case Type::kInt16: return read_integers<std::int16_t>(bytes, count, constant);
    case Type::kUint16: return read_integers<std::uint16_t>(bytes, count, constant);
    case Type::kInt32: return read_integers<std::int32_t>(bytes, count, constant);
    case Type::kUint32: return read_integers<std::uint32_t>(bytes, count, constant);
    case Type::kInt64: return read_integers<std::int64_t>(bytes, count, constant);
    case Type::kUint64:
      return read<std::uint64_t>(bytes, count, constant.integers,
                                 [&](std::uint64_t value) { return integer_of(value, who); });
    case Type::kBool:
      return read<std::uint8_t>(bytes, count, constant.integers,
                                [](std::uint8_t value) { return value != 0 ? 1 : 0; });
    case Type::kString:
    case Type::kUndefined: break;
  }
  throw core::Error(core::Code::kUnsupported,
                    who + " is of type " + to_string(constant.type) + ", which is not supported");
}

}  // namespace clconv::net
