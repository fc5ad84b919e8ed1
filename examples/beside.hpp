// Before and after in one picture.
#pragma once

#include <algorithm>
#include <cstddef>

#include "cli/image.hpp"

namespace example {

using clconv::cli::Picture;

// Two pictures of the same channels, next to each other on white.
inline Picture beside(const Picture& left, const Picture& right) {
  constexpr std::int64_t kGap = 8;
  Picture both;
  both.width = left.width + kGap + right.width;
  both.height = std::max(left.height, right.height);
  both.channels = left.channels;
  both.values.assign(static_cast<std::size_t>(both.channels * both.height * both.width), 1.0f);
  for (const Picture* part : {&left, &right}) {
    const std::int64_t from = part == &left ? 0 : left.width + kGap;
    for (std::int64_t row = 0; row < part->channels * part->height; ++row) {
      const std::int64_t c = row / part->height, y = row % part->height;
      std::copy_n(part->values.begin() + row * part->width, part->width,
                  both.values.begin() + (c * both.height + y) * both.width + from);
    }
  }
  return both;
}

}  // namespace example
