// Values on the host as they lie in a buffer of a data type, and back: rounded to nearest, ties to even. Knows nothing
// of devices, so that the programs can use it, too.
#pragma once

#include <CL/cl_half.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "bfloat16.hpp"
#include "data_type.hpp"

namespace clconv::core {

// No default: a type without its conversion does not compile.
inline void store_value(float value, DataType type, unsigned char* to) {
  switch (type) {
    case DataType::kFloat32: std::memcpy(to, &value, sizeof(value)); return;
    case DataType::kFloat16: {
      const std::uint16_t bits = cl_half_from_float(value, CL_HALF_RTE);
      std::memcpy(to, &bits, sizeof(bits));
      return;
    }
    case DataType::kBfloat16: {
      const std::uint16_t bits = bfloat16_of(value);
      std::memcpy(to, &bits, sizeof(bits));
      return;
    }
  }
}

inline float stored_value(const unsigned char* from, DataType type) {
  float value = 0;
  std::uint16_t bits;
  switch (type) {
    case DataType::kFloat32: std::memcpy(&value, from, sizeof(value)); break;
    case DataType::kFloat16:
      std::memcpy(&bits, from, sizeof(bits));
      value = cl_half_to_float(bits);
      break;
    case DataType::kBfloat16:
      std::memcpy(&bits, from, sizeof(bits));
      value = float_of_bfloat16(bits);
      break;
  }
  return value;
}

inline std::vector<unsigned char> to_storage(const std::vector<float>& values, DataType type) {
  const auto size = static_cast<std::size_t>(element_bytes(type));
  std::vector<unsigned char> bytes(values.size() * size);
  for (std::size_t i = 0; i < values.size(); ++i)
    store_value(values[i], type, &bytes[i * size]);
  return bytes;
}

inline std::vector<float> from_storage(const std::vector<unsigned char>& bytes, DataType type) {
  const auto size = static_cast<std::size_t>(element_bytes(type));
  std::vector<float> values(bytes.size() / size);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = stored_value(&bytes[i * size], type);
  return values;
}

}  // namespace clconv::core
