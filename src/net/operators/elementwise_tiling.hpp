// Short rows. Where the innermost dimension is a few elements (one number per channel, channels last), a CPU would
// start a row for each few. Constants that all rows share are repeated instead, so that many rows are one.
#pragma once

#include <vector>

#include "net/tensor.hpp"

namespace clconv::net {

struct ElementwiseTiling {
  Shape output;               // the same elements in other dimensions
  std::vector<Shape> inputs;  // that broadcast to it
  // Of inputs that are repeated: each row of `row` elements so many times, one behind the other.
  std::vector<bool> is_repeated;
  std::int64_t row = 1, times = 1;

  std::vector<float> repeated(const std::vector<float>& values) const;
};

// Nothing changed.
ElementwiseTiling untiled(const Shape& output, const std::vector<Shape>& inputs);

// `may_repeat` says so of each input. Nothing is changed where rows are long, or an input would have to be repeated
// that must not be.
ElementwiseTiling tiled(const Shape& output, const std::vector<Shape>& inputs,
                        const std::vector<bool>& may_repeat);

}  // namespace clconv::net
