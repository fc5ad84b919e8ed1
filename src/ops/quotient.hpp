// Divisors as the kernels' part `quotient` takes them: n / divisor = (2 * n * reciprocal >> 32) >> shift for
// 0 <= n < 2^31.
#pragma once

#include <cstdint>

namespace clconv::core {

struct Reciprocal {
  std::uint32_t reciprocal;
  int shift;

  // As an int argument, whose bits the kernel takes as a uint.
  std::int32_t bits() const { return static_cast<std::int32_t>(reciprocal); }

  // `divisor` in [1, 2^31). With 2^shift the next power of two, reciprocal*divisor exceeds 2^(31+shift) by less than
  // 2^shift: too little to matter below 2^31.
  explicit Reciprocal(std::int64_t divisor) : shift(0) {
    while ((std::int64_t{1} << shift) < divisor)
      ++shift;
    const auto wide = static_cast<std::uint64_t>(divisor);
    reciprocal = static_cast<std::uint32_t>(((std::uint64_t{1} << (31 + shift)) + wide - 1) / wide);
  }
};

}  // namespace clconv::core
