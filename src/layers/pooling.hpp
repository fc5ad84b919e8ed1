// Max and average pooling. Letters as those of a convolution.
#pragma once

#include <memory>

#include "runtime/device.hpp"
#include "runtime/launch.hpp"

namespace clconv::core {

enum class PoolingMode { kMax = 0, kAverage = 1 };

// x (n,c,h,w), y (n,c,oh,ow). Windows are clipped at the edge of the image: padding never wins a maximum and is
// not counted by an average.
struct Pooling {
  std::int64_t n = 1, c = 1, h = 1, w = 1;
  std::int64_t kh = 1, kw = 1, sh = 1, sw = 1;
  std::int64_t pt = 0, pl = 0, pb = 0, pr = 0;
  PoolingMode mode = PoolingMode::kMax;
  bool ceil =
      false;  // a last window that reaches beyond the padding counts, if it starts in front of it

  std::int64_t oh() const { return output_size(h, kh, sh, pt, pb); }
  std::int64_t ow() const { return output_size(w, kw, sw, pl, pr); }
  std::int64_t x_bytes() const { return n * c * h * w * 4; }
  std::int64_t y_bytes() const { return n * c * oh() * ow() * 4; }

  // Throws Error{kInvalidProblem} whose text names the first bad field, its value and the rule.
  void validate() const;
  // Everything above: equal texts, equal poolings.
  std::string text() const;

 private:
  std::int64_t output_size(std::int64_t size, std::int64_t kernel, std::int64_t stride,
                           std::int64_t before, std::int64_t after) const;
};

std::unique_ptr<Step> pool(Device& device, const Pooling& pooling, const Region& x,
                           const Region& y);
// `x` is read for maxima only. dx is overwritten; pixels that no window takes get 0.
std::unique_ptr<Step> unpool(Device& device, const Pooling& pooling, const Region& x,
                             const Region& dy, const Region& dx);

}  // namespace clconv::core
