// The reference every strategy is held to: the definition of the convolution and its gradients, in
// double precision, on the host, as short as it can be.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <vector>

#include "problem.hpp"
#include "runtime/storage.hpp"

namespace clconv::test {

using core::Direction;
using core::Problem;
using core::Tensor;

inline std::vector<float> random_floats(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values)
    v = uniform(engine);
  return values;
}

// All tensors of a problem, by Tensor. The result's hold what is there before the execution.
struct Tensors {
  std::array<std::vector<float>, core::kTensors> values;

  explicit Tensors(const Problem& p, unsigned seed = 1) {
    for (int t = 0; t < core::kTensors; ++t) {
      // Rounded to the problem's data type, so that the device computes with the same numbers.
      values[static_cast<std::size_t>(t)] =
          core::from_storage(core::to_storage(random_floats(elements_of(p, static_cast<Tensor>(t)),
                                                            seed + static_cast<unsigned>(t)),
                                              p.data_type),
                             p.data_type);
    }
  }
  std::vector<float>& operator[](Tensor t) { return values[static_cast<std::size_t>(t)]; }
  const std::vector<float>& operator[](Tensor t) const {
    return values[static_cast<std::size_t>(t)];
  }
};

struct Reference {
  std::vector<double> result;
  std::vector<double>
      magnitude;  // sum of the magnitudes of what is added: errors are relative to it

  void add(std::size_t at, double value) {
    result[at] += value;
    magnitude[at] += std::fabs(value);
  }
};

// Where an element lies: of x or y, with so many channels, rows and columns; of the weights.
inline std::size_t at_tensor(const Problem& p, std::int64_t n, std::int64_t channel,
                             std::int64_t row, std::int64_t column, std::int64_t channels,
                             std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(p.layout == core::TensorLayout::kNhwc
                                      ? ((n * rows + row) * columns + column) * channels + channel
                                      : ((n * channels + channel) * rows + row) * columns + column);
}
inline std::size_t at_weights(const Problem& p, std::int64_t k, std::int64_t c, std::int64_t kh,
                              std::int64_t kw) {
  const std::int64_t cg = p.c / p.g;
  return static_cast<std::size_t>(p.weights_layout == core::WeightsLayout::kKrsc
                                      ? ((k * p.kh + kh) * p.kw + kw) * cg + c
                                      : ((k * cg + c) * p.kh + kh) * p.kw + kw);
}

// Every product of an x, a w and a y position of the convolution, as visit(x index, w index, y index).
template <class Visit>
void for_each_product(const Problem& p, Visit&& visit) {
  const std::int64_t cg = p.c / p.g, kg = p.k / p.g;
  for (std::int64_t n = 0; n < p.n; ++n)
    for (std::int64_t k = 0; k < p.k; ++k)
      for (std::int64_t i = 0; i < p.oh(); ++i)
        for (std::int64_t j = 0; j < p.ow(); ++j)
          for (std::int64_t c = 0; c < cg; ++c)
            for (std::int64_t kh = 0; kh < p.kh; ++kh)
              for (std::int64_t kw = 0; kw < p.kw; ++kw) {
                const std::int64_t row = i * p.sh - p.pt + kh * p.dh;
                const std::int64_t col = j * p.sw - p.pl + kw * p.dw;
                if (row < 0 || row >= p.h || col < 0 || col >= p.w) continue;
                visit(at_tensor(p, n, k / kg * cg + c, row, col, p.c, p.h, p.w),
                      at_weights(p, k, c, kh, kw), at_tensor(p, n, k, i, j, p.k, p.oh(), p.ow()));
              }
}

// The derivative of an activation where its result is y.
inline double derivative(const Problem& p, core::Activation activation, double y) {
  const auto slope = static_cast<double>(p.activation_slope);
  switch (activation) {
    case core::Activation::kNone: return 1;
    case core::Activation::kRelu: return y > 0 ? 1 : 0;
    case core::Activation::kRelu6: return y > 0 && y < 6 ? 1 : 0;
    case core::Activation::kLeakyRelu: return y > 0 ? 1 : slope;
    case core::Activation::kHardSigmoid: return y > 0 && y < 1 ? slope : 0;
    case core::Activation::kSigmoid: return y * (1 - y);
    case core::Activation::kTanh: return 1 - y * y;
    case core::Activation::kSilu:
    case core::Activation::kHardSwish:
    case core::Activation::kGelu:
    case core::Activation::kPrelu: break;  // y does not tell
  }
  return std::nan("");
}

inline double counted_dy(const Problem& p, const Tensors& t, std::size_t at) {
  const auto dy = static_cast<double>(t[Tensor::kDy][at]);
  if (!p.mask) return dy;
  const double factor = derivative(p, p.masked, static_cast<double>(t[Tensor::kY][at]));
  return factor == 0 ? 0 : factor * dy;  // what is masked out may be NaN
}

// `slope` is the channel's, of an activation that has slopes.
inline double activated(const Problem& p, double value, double slope = 0) {
  switch (p.activation) {
    case core::Activation::kNone: return value;
    case core::Activation::kRelu: return value < 0 ? 0 : value;
    case core::Activation::kRelu6: return value < 0 ? 0 : value > 6 ? 6 : value;
    case core::Activation::kLeakyRelu:
      return value < 0 ? static_cast<double>(p.activation_slope) * value : value;
    case core::Activation::kSilu: return value / (1 + std::exp(-value));
    case core::Activation::kHardSwish: return value * std::clamp(value + 3, 0.0, 6.0) / 6;
    case core::Activation::kHardSigmoid:
      return std::clamp(static_cast<double>(p.activation_slope) * value +
                            static_cast<double>(p.activation_offset),
                        0.0, 1.0);
    case core::Activation::kSigmoid: return 1 / (1 + std::exp(-value));
    case core::Activation::kTanh: return std::tanh(value);
    case core::Activation::kGelu: return 0.5 * value * (1 + std::erf(value / std::sqrt(2.0)));
    case core::Activation::kPrelu: return value < 0 ? slope * value : value;
  }
  return value;
}

inline Reference reference(const Problem& p, const Tensors& t) {
  const auto d = [](float v) { return static_cast<double>(v); };
  const auto size = t[result_of(p)].size();
  Reference r{std::vector<double>(size, 0.0), std::vector<double>(size, 0.0)};
  const auto dy = [&](std::size_t at) { return counted_dy(p, t, at); };
  if (p.direction == Direction::kBackwardBias) {
    const auto plane = static_cast<std::size_t>(p.oh() * p.ow());
    for (std::size_t i = 0; i < t[Tensor::kDy].size(); ++i) {
      r.add(i / plane % static_cast<std::size_t>(p.k), dy(i));
    }
  } else {
    for_each_product(p, [&](std::size_t x, std::size_t w, std::size_t y) {
      if (p.direction == Direction::kForward) {
        r.add(y, d(t[Tensor::kX][x]) * d(t[Tensor::kW][w]));
      } else if (p.wants_dx()) {
        r.add(x, dy(y) * d(t[Tensor::kW][w]));
      } else {
        r.add(w, d(t[Tensor::kX][x]) * dy(y));
      }
    });
  }
  const auto channels = static_cast<std::size_t>(p.wants_dx() ? p.c : p.k);
  const bool slopes = core::row_of(p.activation).slopes;
  const std::size_t plane = p.layout == core::TensorLayout::kNhwc ? 1
                            : p.bias || slopes || p.scale
                                ? size / (static_cast<std::size_t>(p.n) * channels)
                                : 1;
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t channel = i / plane % channels;
    if (p.bias) r.add(i, d(t[Tensor::kB][channel]));
    if (p.residual) r.add(i, d(t[Tensor::kR][i]));
    r.result[i] = activated(p, r.result[i], slopes ? d(t[Tensor::kSlopes][channel]) : 0.0);
    if (p.scale) r.result[i] *= d(t[Tensor::kSlopes][i / plane]);  // of its image and channel
    if (p.accumulate) r.add(i, d(t[result_of(p)][i]));
  }
  return r;
}

// What Candidate::error_bound of dw is relative to where error_reach is above 0.
inline std::vector<double> magnitude_of_planes(const Problem& p, const Tensors& t) {
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  const std::int64_t cg = p.c / p.g, kg = p.k / p.g, taps = p.kh * p.kw;
  std::vector<double> largest(at(p.n * p.c), 0.0), sums(at(p.n * p.k), 0.0);
  for (std::int64_t i = 0; i < p.x_elements(); ++i) {
    double& most = largest[at(i / (p.h * p.w))];
    most = std::max(most, std::fabs(static_cast<double>(t[Tensor::kX][at(i)])));
  }
  for (std::int64_t i = 0; i < p.y_elements(); ++i)
    sums[at(i / (p.oh() * p.ow()))] += std::fabs(counted_dy(p, t, at(i)));
  std::vector<double> magnitude(t[Tensor::kW].size(), 0.0);
  for (std::size_t i = 0; i < magnitude.size(); ++i) {
    const std::int64_t filter = static_cast<std::int64_t>(i) / taps / cg;
    const std::int64_t channel = filter / kg * cg + static_cast<std::int64_t>(i) / taps % cg;
    for (std::int64_t image = 0; image < p.n; ++image)
      magnitude[i] += largest[at(image * p.c + channel)] * sums[at(image * p.k + filter)];
    if (p.accumulate) magnitude[i] += std::fabs(static_cast<double>(t[result_of(p)][i]));
  }
  return magnitude;
}

// What Candidate::error_bound is relative to where error_reach is `reach` > 0, at stride 1.
inline std::vector<double> magnitude_within(const Problem& p, const Tensors& t, int reach) {
  using Index = std::int64_t;
  if (p.direction == core::Direction::kBackwardWeights) return magnitude_of_planes(p, t);
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  const bool dx = p.wants_dx();
  const Index in_h = dx ? p.oh() : p.h, in_w = dx ? p.ow() : p.w;
  const Index out_h = dx ? p.h : p.oh(), out_w = dx ? p.w : p.ow();
  const Index span_h = p.dh * (p.kh - 1), span_w = p.dw * (p.kw - 1);
  // First input row and column that tap (0,0) of result (0,0) meets.
  const Index top = dx ? p.pt - span_h : -p.pt, left = dx ? p.pl - span_w : -p.pl;
  const Index cg = p.c / p.g, kg = p.k / p.g;
  const Index from = dx ? kg : cg, to = dx ? cg : kg;  // channels, filters per group
  const bool last = p.layout == core::TensorLayout::kNhwc;
  // Pixel `pixel` of a channel of a group of `image` (images times groups), of `channels` per group and `pixels`.
  const auto place = [&](Index image, Index channel, Index pixel, Index channels, Index pixels) {
    return last ? at(((image / p.g) * pixels + pixel) * p.g * channels + image % p.g * channels +
                     channel)
                : at((image * channels + channel) * pixels + pixel);
  };
  std::vector<double> magnitude(t[result_of(p)].size(), 0.0);
  std::vector<double> rows(at(in_h * out_w)), largest(at(out_h * out_w));
  for (Index image = 0; image < p.n * p.g; ++image) {
    for (Index channel = 0; channel < from; ++channel) {
      for (Index i = 0; i < in_h; ++i)
        for (Index j = 0; j < out_w; ++j) {
          double& most = rows[at(i * out_w + j)] = 0;
          for (Index q = std::max<Index>(0, left + j - reach);
               q <= std::min(in_w - 1, left + j + span_w + reach); ++q) {
            const std::size_t input = place(image, channel, i * in_w + q, from, in_h * in_w);
            most = std::max(most, std::fabs(dx ? counted_dy(p, t, input)
                                               : static_cast<double>(t[Tensor::kX][input])));
          }
        }
      for (Index i = 0; i < out_h; ++i)
        for (Index j = 0; j < out_w; ++j) {
          double& most = largest[at(i * out_w + j)] = 0;
          for (Index r = std::max<Index>(0, top + i - reach);
               r <= std::min(in_h - 1, top + i + span_h + reach); ++r) {
            most = std::max(most, rows[at(r * out_w + j)]);
          }
        }
      for (Index filter = 0; filter < to; ++filter) {
        const Index first =
            image % p.g * kg * cg + (dx ? channel * cg + filter : filter * cg + channel);
        const Index taps = p.kh * p.kw;
        double weights = 0;
        for (Index tap = 0; tap < taps; ++tap) {
          const Index weight = p.weights_layout == core::WeightsLayout::kKrsc
                                   ? (first / cg * taps + tap) * cg + first % cg
                                   : first * taps + tap;
          weights += std::fabs(static_cast<double>(t[Tensor::kW][at(weight)]));
        }
        for (Index i = 0; i < out_h * out_w; ++i)
          magnitude[place(image, filter, i, to, out_h * out_w)] += weights * largest[at(i)];
      }
    }
  }
  for (std::size_t i = 0; i < magnitude.size(); ++i) {
    const Index channel = static_cast<Index>(i) / (last ? 1 : out_h * out_w) % (p.g * to);
    if (p.bias) magnitude[i] += std::fabs(static_cast<double>(t[Tensor::kB][at(channel)]));
    if (p.residual) magnitude[i] += std::fabs(static_cast<double>(t[Tensor::kR][i]));
    if (p.accumulate) magnitude[i] += std::fabs(static_cast<double>(t[result_of(p)][i]));
  }
  return magnitude;
}

}  // namespace clconv::test
