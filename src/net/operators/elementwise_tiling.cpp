#include "net/operators/elementwise_tiling.hpp"

#include <algorithm>

#include "net/operators/elementwise_kernel.hpp"

namespace clconv::net {
namespace {

// Rows of 64 elements and more are left alone: four vectors of today's widest. Repeated ones stay in L1.
constexpr std::int64_t kLongRow = 64, kMostRepeated = 1024;

std::int64_t largest_divisor(std::int64_t of, std::int64_t most) {
  std::int64_t divisor = std::min(of, std::max<std::int64_t>(most, 1));
  while (of % divisor != 0)
    --divisor;
  return divisor;
}

}  // namespace

std::vector<float> ElementwiseTiling::repeated(const std::vector<float>& values) const {
  std::vector<float> result;
  const auto size = static_cast<std::ptrdiff_t>(row);
  for (auto begin = values.begin(); begin != values.end(); begin += size) {
    for (std::int64_t i = 0; i < times; ++i)
      result.insert(result.end(), begin, begin + size);
  }
  return result;
}

ElementwiseTiling untiled(const Shape& output, const std::vector<Shape>& inputs) {
  return {output, inputs, std::vector<bool>(inputs.size(), false)};
}

ElementwiseTiling tiled(const Shape& output, const std::vector<Shape>& inputs,
                        const std::vector<bool>& may_repeat) {
  ElementwiseTiling same = untiled(output, inputs);
  const Walk walk(output, inputs);
  const std::size_t last = walk.sizes.size() - 1;
  if (last == 0 || walk.inner() >= kLongRow || elements(output) == 0) return same;
  ElementwiseTiling result = same;
  result.row = walk.inner();
  result.times = largest_divisor(walk.sizes[last - 1], kMostRepeated / walk.inner());
  if (result.times == 1) return same;
  result.output = walk.sizes;
  result.output[last - 1] /= result.times;
  result.output[last] *= result.times;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const bool of_row = walk.has(last, i), of_rows = walk.has(last - 1, i);
    result.is_repeated[i] = of_row && !of_rows;
    if (of_row != of_rows && !(of_row && may_repeat[i])) return same;
    result.inputs[i] = result.output;
    for (std::size_t d = 0; d <= last; ++d) {
      if (!walk.has(d, i)) result.inputs[i][d] = 1;
    }
  }
  return result;
}

}  // namespace clconv::net
