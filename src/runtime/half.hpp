// float16 on the host: values as they lie in a buffer of a data type, and back.
#pragma once

#include <CL/cl_half.h>

#include <cstring>
#include <vector>

#include "problem.hpp"

namespace clconv::core {

inline std::vector<unsigned char> to_storage(const std::vector<float>& values, DataType type) {
  const auto size = static_cast<std::size_t>(element_bytes(type));
  std::vector<unsigned char> bytes(values.size() * size);
  if (type == DataType::kFloat32) {
    if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const cl_half half = cl_half_from_float(values[i], CL_HALF_RTE);
    std::memcpy(&bytes[i * size], &half, size);
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
    cl_half half;
    std::memcpy(&half, &bytes[i * size], size);
    values[i] = cl_half_to_float(half);
  }
  return values;
}

}  // namespace clconv::core
