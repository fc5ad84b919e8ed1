#include "planner/expected.hpp"

#include <algorithm>

namespace clconv::core {
namespace {

// About 0.3 s on one core. PoCL needs as long to compile the program of strategy `naive`, which is the alternative.
constexpr double kMostFlops = 3e8;

using Values = std::vector<float>;

double activated(const Problem& p, double v, double slope) {
  const ActivationRow& row = row_of(p.activation);
  return row.value(v, row.slopes ? slope : double{p.activation_slope}, double{p.activation_offset});
}

// Where the elements of a tensor of images lie.
struct Images {
  std::int64_t channels, height, width;
  bool channels_last;

  std::int64_t step() const { return channels_last ? channels : 1; }  // to the next column
  std::int64_t at(std::int64_t image, std::int64_t channel, std::int64_t row) const {
    return channels_last ? (image * height + row) * width * channels + channel
                         : ((image * channels + channel) * height + row) * width;
  }
};

class Forward {
 public:
  Forward(const Problem& p, const Values& x, const Values& w)
      : p_(p),
        x_(x),
        w_(w),
        last_(p.layout == TensorLayout::kNhwc),
        in_{p.c, p.h, p.w, last_},
        sums_(static_cast<std::size_t>(p.ow())) {}

  // The sums of row `i` of the results, valid until the next call.
  const std::vector<double>& row(std::int64_t image, std::int64_t filter, std::int64_t i) {
    std::fill(sums_.begin(), sums_.end(), 0.0);
    const std::int64_t channels = p_.c_per_group();
    const std::int64_t first = filter / p_.k_per_group() * channels;
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      for (std::int64_t u = 0; u < p_.kh; ++u) {
        const std::int64_t row = i * p_.sh - p_.pt + u * p_.dh;
        if (row < 0 || row >= p_.h) continue;
        const float* x = x_.data() + in_.at(image, first + channel, row);
        for (std::int64_t v = 0; v < p_.kw; ++v)
          add_tap(x, double{w_[weight(filter, channel, u, v)]}, v * p_.dw - p_.pl);
      }
    }
    return sums_;
  }

 private:
  std::size_t weight(std::int64_t filter, std::int64_t channel, std::int64_t u,
                     std::int64_t v) const {
    const std::int64_t channels = p_.c_per_group();
    return static_cast<std::size_t>(p_.weights_layout == WeightsLayout::kKrsc
                                        ? ((filter * p_.kh + u) * p_.kw + v) * channels + channel
                                        : ((filter * channels + channel) * p_.kh + u) * p_.kw + v);
  }

  // Adds one tap to all sums of a row. The tap of the first sum is at `column` of x; those outside the image add
  // nothing.
  void add_tap(const float* x, double weight, std::int64_t column) {
    const std::int64_t begin = column < 0 ? ceil_div(-column, p_.sw) : 0;
    const std::int64_t end =
        column >= p_.w ? 0 : std::min(p_.ow(), (p_.w - 1 - column) / p_.sw + 1);
    if (begin >= end) return;
    const std::int64_t step = p_.sw * in_.step();
    const float* from = x + (column + begin * p_.sw) * in_.step();
    double* sums = sums_.data() + begin;
    if (step == 1) {  // the compiler makes vectors of it
      for (std::int64_t j = 0; j < end - begin; ++j)
        sums[j] += weight * double{from[j]};
    } else {
      for (std::int64_t j = 0; j < end - begin; ++j)
        sums[j] += weight * double{from[j * step]};
    }
  }

  const Problem& p_;
  const Values& x_;
  const Values& w_;
  bool last_;
  Images in_;
  std::vector<double> sums_;
};

}  // namespace

bool has_expected_result(const Problem& problem) {
  return problem.direction == Direction::kForward && problem.flops() <= kMostFlops;
}

std::vector<float> expected_result(const Problem& p, const std::map<Tensor, Values>& operands) {
  const auto of_channel = [&](Tensor tensor, std::int64_t channel) {
    const auto found = operands.find(tensor);
    return found == operands.end() ? 0.0 : double{found->second[static_cast<std::size_t>(channel)]};
  };
  Forward forward(p, operands.at(Tensor::kX), operands.at(Tensor::kW));
  const Images out{p.k, p.oh(), p.ow(), p.layout == TensorLayout::kNhwc};
  Values y(static_cast<std::size_t>(p.y_elements()));
  for (std::int64_t image = 0; image < p.n; ++image) {
    for (std::int64_t filter = 0; filter < p.k; ++filter) {
      // A scale, one number per image and channel, is passed as the slopes are; a problem has only one of them.
      const double bias = of_channel(Tensor::kB, filter),
                   slope = p.scale ? 1 : of_channel(Tensor::kSlopes, filter),
                   scale = p.scale ? of_channel(Tensor::kSlopes, image * p.k + filter) : 1;
      for (std::int64_t i = 0; i < p.oh(); ++i) {
        std::int64_t at = out.at(image, filter, i);
        for (const double sum : forward.row(image, filter, i)) {
          const double residual = p.residual ? of_channel(Tensor::kR, at) : 0;
          y[static_cast<std::size_t>(at)] =
              static_cast<float>(activated(p, sum + bias + residual, slope) * scale);
          at += out.step();
        }
      }
    }
  }
  return y;
}

}  // namespace clconv::core
