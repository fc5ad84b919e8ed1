#include "ops/correlation.hpp"

#include <algorithm>
#include <numeric>

namespace clconv::core {
namespace {

// Planes of channels one after the other.
void lie_plane_by_plane(Correlation& c, const Problem& p) {
  c.in_step = 1;
  c.in_pitch = c.in_w;
  c.in_plane = c.in_h * c.in_w;
  c.in_image = p.input_image();
  c.out_image = p.result_image();
}

// Pixels of all channels one after the other.
void lie_channels_last(Correlation& c) {
  c.channels_last = true;
  c.in_plane = c.out_plane = 1;
  c.in_step = c.groups * c.channels;
  c.in_pitch = c.in_w * c.in_step;
  c.in_image = c.in_h * c.in_pitch;
  c.out_step = c.groups * c.filters;
  c.out_pitch = c.ow * c.out_step;
  c.out_image = c.oh * c.out_pitch;
}

Correlation forward(const Problem& p) {
  Correlation c;
  c.images = p.n;
  c.groups = p.g;
  c.channels = p.c_per_group();
  c.in_h = p.h;
  c.in_w = p.w;
  c.top = -p.pt;
  c.left = -p.pl;
  c.taps_h = p.kh;
  c.taps_w = p.kw;
  c.sh = p.sh;
  c.sw = p.sw;
  c.dh = p.dh;
  c.dw = p.dw;
  c.filters = p.k_per_group();
  c.oh = p.oh();
  c.ow = p.ow();
  c.out_plane = c.oh * c.ow;
  c.out_pitch = c.ow;
  c.data_type = p.data_type;
  c.w_group = c.filters * c.channels * p.kh * p.kw;
  c.w_filter = c.channels * p.kh * p.kw;
  const bool channels_last = p.weights_layout == WeightsLayout::kKrsc;
  c.w_channel = channels_last ? 1 : p.kh * p.kw;
  c.w_column = channels_last ? c.channels : 1;
  c.w_row = p.kw * c.w_column;
  p.layout == TensorLayout::kNhwc ? lie_channels_last(c) : lie_plane_by_plane(c, p);
  return c;
}

// One axis of a data gradient: the results y = residue + stride*a, a = 0, 1, ...
struct Axis {
  std::int64_t results;      // how many
  std::int64_t taps;         // how many taps meet them
  std::int64_t start;        // position in dy of the first tap for a = 0
  std::int64_t tap_step;     // positions in dy from one tap to the next
  std::int64_t first_tap;    // filter tap that is tap 0 of the correlation
  std::int64_t filter_step;  // filter taps from one to the next (they run backwards)
};

// dx[y] = sum of dy[i]*w[p] over i*stride - before + p*dilation == y. Those p with
// (y + before - p*dilation) divisible by the stride are p0, p0 + stride/d, ... (d = gcd of stride and
// dilation), and i falls by dilation/d from one to the next.
Axis data_axis(std::int64_t size, std::int64_t residue, std::int64_t kernel, std::int64_t stride,
               std::int64_t dilation, std::int64_t before) {
  const std::int64_t d = std::gcd(stride, dilation);
  Axis axis{};
  axis.results = residue < size ? (size - residue - 1) / stride + 1 : 0;
  axis.tap_step = dilation / d;
  axis.filter_step = -(stride / d);
  std::int64_t first = 0;
  while (first < std::min(kernel, stride / d) &&
         (residue + before - first * dilation) % stride != 0) {
    ++first;
  }
  if (first >= std::min(kernel, stride / d)) return axis;  // no tap meets this residue
  axis.taps = (kernel - 1 - first) / (stride / d) + 1;
  const std::int64_t last = first + (axis.taps - 1) * (stride / d);
  axis.first_tap = last;
  axis.start = (residue + before - last * dilation) / stride;  // exact
  return axis;
}

std::vector<Correlation> data_gradient(const Problem& p) {
  std::vector<Correlation> result;
  for (std::int64_t ry = 0; ry < std::min(p.sh, p.h); ++ry) {
    const Axis rows = data_axis(p.h, ry, p.kh, p.sh, p.dh, p.pt);
    for (std::int64_t rx = 0; rx < std::min(p.sw, p.w); ++rx) {
      const Axis columns = data_axis(p.w, rx, p.kw, p.sw, p.dw, p.pl);
      Correlation c;
      c.images = p.n;
      c.groups = p.g;
      c.channels = p.k_per_group();
      c.in_h = p.oh();
      c.in_w = p.ow();
      c.top = rows.start;
      c.left = columns.start;
      const bool any = rows.taps > 0 && columns.taps > 0;
      c.taps_h = any ? rows.taps : 0;
      c.taps_w = any ? columns.taps : 0;
      c.dh = rows.tap_step;
      c.dw = columns.tap_step;
      c.filters = p.c_per_group();
      c.oh = rows.results;
      c.ow = columns.results;
      c.out_plane = p.h * p.w;
      c.out_offset = ry * p.w + rx;
      c.out_pitch = p.sh * p.w;
      c.out_step = p.sw;
      c.data_type = p.data_type;
      c.w_group = c.channels * c.filters * p.kh * p.kw;
      c.w_filter = p.kh * p.kw;
      c.w_channel = c.filters * p.kh * p.kw;
      c.w_base = rows.first_tap * p.kw + columns.first_tap;
      c.w_row = rows.filter_step * p.kw;
      c.w_column = columns.filter_step;
      lie_plane_by_plane(c, p);
      if (c.oh > 0 && c.ow > 0) result.push_back(c);
    }
  }
  return result;
}

void flatten(Correlation& c) {
  const bool pointwise = c.taps_h == 1 && c.taps_w == 1 && c.sh == 1 && c.sw == 1 && c.top == 0 &&
                         c.left == 0 && c.in_h == c.oh && c.in_w == c.ow &&
                         c.out_pitch == c.ow * c.out_step;
  if (!pointwise) return;
  c.in_w *= c.in_h;
  c.in_pitch *= c.in_h;
  c.ow *= c.oh;
  c.out_pitch *= c.oh;
  c.in_h = c.oh = 1;
}

}  // namespace

std::vector<Correlation> correlations_of(const Problem& problem) {
  std::vector<Correlation> result =
      problem.wants_dx() ? data_gradient(problem) : std::vector<Correlation>{forward(problem)};
  for (Correlation& c : result)
    flatten(c);
  return result;
}

Window window_of(const std::vector<Correlation>& correlations) {
  std::int64_t top = INT64_MAX, left = INT64_MAX, bottom = INT64_MIN, right = INT64_MIN;
  for (const Correlation& c : correlations) {
    if (c.reduction() == 0) continue;
    top = std::min(top, c.top);
    left = std::min(left, c.left);
    bottom = std::max(bottom, c.top + c.reach_h());
    right = std::max(right, c.left + c.reach_w());
  }
  if (bottom == INT64_MIN) return {};
  return {top, left, bottom - top, right - left};
}

Problem flattened(const Problem& problem) {
  Problem p = problem;
  if (p.kh * p.kw == 1 && p.sh * p.sw == 1 && !p.padded()) {
    p.w *= p.h;
    p.h = 1;
  }
  return p;
}

}  // namespace clconv::core
