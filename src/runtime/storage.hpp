// Values on the host as they lie in a buffer of a data type, and back: rounded to nearest, ties to even.
#pragma once

#include <CL/cl_half.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "bfloat16.hpp"
#include "problem.hpp"

namespace clconv::core {

inline std::uint16_t to_16_bits(float value, DataType type) {
  return type == DataType::kBfloat16 ? bfloat16_of(value) : cl_half_from_float(value, CL_HALF_RTE);
}
inline float from_16_bits(std::uint16_t stored, DataType type) {
  return type == DataType::kBfloat16 ? float_of_bfloat16(stored) : cl_half_to_float(stored);
}

inline std::vector<unsigned char> to_storage(const std::vector<float>& values, DataType type) {
  const auto size = static_cast<std::size_t>(element_bytes(type));
  std::vector<unsigned char> bytes(values.size() * size);
  if (type == DataType::kFloat32) {
    if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t stored = to_16_bits(values[i], type);
    std::memcpy(&bytes[i * size], &stored, size);
  }
  return bytes;
}

inline std::vector<float> from_storage(const std::vector<unsigned char>& bytes, DataType type) {
  const auto size = static_cast<std::size_t>(element_bytes(type));
  std::vector<float> values(bytes.size() / size);
  if (type == DataType::kFloat32) {
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t stored;
    std::memcpy(&stored, &bytes[i * size], size);
    values[i] = from_16_bits(stored, type);
  }
  return values;
}

}  // namespace clconv::core
