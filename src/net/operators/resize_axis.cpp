#include "net/operators/resize_axis.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace clconv::net {
namespace {

// Where index `i` of the result lies in the input. Mode nearest computes it in float, as ONNX Runtime does: a position
// such as 4 / 0.8f rounds to the 5 that is meant. The other modes compute it in double.
template <class Number>
Number coordinate(const ResizeModes& modes, const ResizeAxis& axis, std::int64_t i) {
  const auto x = static_cast<Number>(i), from = static_cast<Number>(axis.from_size);
  const auto scale = static_cast<Number>(axis.scale), half = Number{1} / 2;
  const Number width = scale * from;  // of the result, before it was rounded
  const std::string& how = modes.coordinates;
  if (how == "asymmetric") return x / scale;
  if (how == "align_corners") return i == 0 || width <= 1 ? 0 : x * (from - 1) / (width - 1);
  if (how == "tf_half_pixel_for_nn") return (x + half) / scale;
  if (how == "pytorch_half_pixel" && axis.size == 1) return 0;
  if (how == "tf_crop_and_resize") {
    const auto start = static_cast<Number>(axis.roi_start), end = static_cast<Number>(axis.roi_end);
    if (axis.size == 1) return half * (start + end) * (from - 1);
    return start * (from - 1) + x * (end - start) * (from - 1) / static_cast<Number>(axis.size - 1);
  }
  const Number half_pixel = (x + half) / scale - half;
  if (how != "half_pixel_symmetric") return half_pixel;
  return from / 2 * (1 - static_cast<Number>(axis.size) / width) + half_pixel;
}

template <class Number>
bool is_outside(const ResizeModes& modes, const ResizeAxis& axis, Number at) {
  // Also NaN, of a region that is not finite.
  return modes.coordinates == "tf_crop_and_resize" &&
         !(at >= 0 && at <= static_cast<Number>(axis.from_size - 1));
}

// Is nothing asked for? Some modes would move every position by half an element.
bool stays(const ResizeModes& modes, const ResizeAxis& axis) {
  return axis.scale == 1 && axis.size == axis.from_size &&
         modes.coordinates != "tf_crop_and_resize";
}

float rounded(const ResizeModes& modes, const ResizeAxis& axis, float at) {
  if (modes.nearest == "floor") return std::floor(at);
  if (modes.nearest == "ceil") return std::ceil(at);
  if (modes.nearest == "simple") return axis.scale < 1 ? std::ceil(at) : std::floor(at);
  const float below = std::floor(at), rest = at - below;
  if (rest == 0.5f) return modes.nearest == "round_prefer_ceil" ? below + 1 : below;
  return rest < 0.5f ? below : below + 1;
}

// NaN, which is outside, becomes 0.
cl_int clamped(double index, std::int64_t size) {
  return index > 0 ? static_cast<cl_int>(std::min(index, static_cast<double>(size - 1))) : 0;
}

// R. Keys, "Cubic convolution interpolation for digital image processing" (1981); `t` is the distance from the second
// of four neighbours.
std::array<double, 4> cubic_weights(double a, double t) {
  const auto near = [&](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  const auto far = [&](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  return {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

// Appends the taps of one index of the result, which lies at `at`.
void add_taps(const ResizeModes& modes, double at, Taps& taps) {
  const double below = std::floor(at), t = at - below;
  const bool cubic = modes.mode == "cubic";
  const std::array<double, 4> weights = cubic ? cubic_weights(static_cast<double>(modes.cubic_a), t)
                                              : std::array<double, 4>{1 - t, t, 0, 0};
  const double first = cubic ? below - 1 : below;
  const auto count = static_cast<std::size_t>(taps.count);
  std::array<double, 4> kept{};
  double sum = 0;
  for (std::size_t k = 0; k < count; ++k) {
    const double index = first + static_cast<double>(k);
    const bool outside = index < 0 || index > static_cast<double>(taps.from_size - 1);
    kept[k] = modes.exclude_outside && outside ? 0 : weights[k];
    sum += kept[k];
    taps.indices.push_back(clamped(index, taps.from_size));
  }
  for (std::size_t k = 0; k < count; ++k)
    taps.weights.push_back(static_cast<float>(modes.exclude_outside ? kept[k] / sum : kept[k]));
}

}  // namespace

std::vector<cl_int> nearest_indices(const ResizeModes& modes, const ResizeAxis& axis) {
  if (stays(modes, axis)) return own_taps(axis.size).indices;
  std::vector<cl_int> indices;
  for (std::int64_t i = 0; i < axis.size; ++i) {
    const auto at = coordinate<float>(modes, axis, i);
    indices.push_back(is_outside(modes, axis, at)
                          ? kOutside
                          : clamped(static_cast<double>(rounded(modes, axis, at)), axis.from_size));
  }
  return indices;
}

Taps own_taps(std::int64_t size) {
  Taps taps{size, size, 1, {}, {}};
  for (std::int64_t i = 0; i < size; ++i)
    taps.indices.push_back(static_cast<cl_int>(i));
  taps.weights.assign(static_cast<std::size_t>(size), 1);
  return taps;
}

bool takes_itself(const Taps& taps) {
  if (taps.size != taps.from_size) return false;
  const auto count = static_cast<std::size_t>(taps.count);
  for (std::size_t i = 0; i < taps.indices.size(); ++i) {
    const bool own = taps.indices[i] == static_cast<cl_int>(i / count);
    if (taps.indices[i - i % count] == kOutside || (taps.weights[i] != 0 && !own)) return false;
  }
  return true;
}

Taps taps_of(const ResizeModes& modes, const ResizeAxis& axis) {
  if (stays(modes, axis)) return own_taps(axis.size);
  Taps taps{axis.from_size, axis.size, modes.mode == "cubic" ? 4 : 2, {}, {}};
  for (std::int64_t i = 0; i < axis.size; ++i) {
    const auto at = coordinate<double>(modes, axis, i);
    const std::size_t begin = taps.indices.size();
    add_taps(modes, at, taps);
    if (is_outside(modes, axis, at)) taps.indices[begin] = kOutside;
  }
  return takes_itself(taps) ? own_taps(axis.size) : taps;
}

}  // namespace clconv::net
