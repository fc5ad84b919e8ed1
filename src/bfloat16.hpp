// bfloat16 on the host: the upper half of a float32's bits, rounded to nearest, ties to even. Knows nothing else,
// so that the programs can use it, too.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace clconv::core {

inline std::uint16_t bfloat16_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (std::isnan(value)) return static_cast<std::uint16_t>(bits >> 16 | 0x40);  // stays one
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float float_of_bfloat16(std::uint16_t stored) {
  const std::uint32_t bits = std::uint32_t{stored} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

}  // namespace clconv::core
