// What a forward convolution and a data gradient have in common: correlations of input planes with
// filters. Geometry only, no OpenCL.
#pragma once

#include <cstdint>
#include <vector>

#include "problem.hpp"

namespace clconv::core {

// result[image][group][f][i][j] = sum over channel, u, v of
//     input[image][group][channel][top + i*sh + u*dh][left + j*sw + v*dw] * weight(group, f, channel, u, v)
// with zero outside the input. A forward convolution is one of these. A data gradient is one per
// residue class of dx's rows and columns modulo the stride, each at stride 1 with every sh-th tap (if
// dilation does not interfere): no multiplication by the zeroes of a dilated dy (the sub-pixel form of
// a transposed convolution: W. Shi et al., "Is the deconvolution layer the same as a convolutional
// layer?", 2016).
struct Correlation {
  std::int64_t images = 1, groups = 1;
  std::int64_t channels = 1;            // of the input, per group
  std::int64_t in_h = 1, in_w = 1;      // input planes
  std::int64_t top = 0, left = 0;       // input position of tap (0,0) of result (0,0)
  std::int64_t taps_h = 1, taps_w = 1;  // may be 0: then the results are zero
  std::int64_t sh = 1, sw = 1;          // input rows, columns from one result to the next
  std::int64_t dh = 1, dw = 1;          // and from one tap to the next
  std::int64_t filters = 1;             // planes of the result, per group
  std::int64_t oh = 1, ow = 1;          // results per plane; oh*ow may be 0
  // Input (row, column) of a channel lies at image*in_image + channel*in_plane + row*in_pitch +
  // column*in_step, channels counted over all groups; result (i, j) of a filter at image*out_image +
  // filter*out_plane + out_offset + i*out_pitch + j*out_step, filters likewise.
  std::int64_t in_image = 1, in_plane = 1, in_pitch = 1, in_step = 1;
  std::int64_t out_image = 1, out_plane = 1, out_offset = 0, out_pitch = 1, out_step = 1;
  bool channels_last = false;               // in_plane == out_plane == 1
  DataType data_type = DataType::kFloat32;  // of input, weights and result
  // weight(group, f, channel, u, v) = w[w_base + group*w_group + f*w_filter + channel*w_channel
  //                                     + u*w_row + v*w_column]
  std::int64_t w_base = 0, w_group = 0, w_filter = 0, w_channel = 0, w_row = 0, w_column = 0;

  std::int64_t reduction() const { return channels * taps_h * taps_w; }
  // Elements from the first of the input to its last, of planes one after the other.
  std::int64_t input_span() const { return (images - 1) * in_image + groups * channels * in_plane; }
  // Rows and columns of the input that the taps reach over all results.
  std::int64_t reach_h() const { return taps_h == 0 ? 0 : (oh - 1) * sh + (taps_h - 1) * dh + 1; }
  std::int64_t reach_w() const { return taps_w == 0 ? 0 : (ow - 1) * sw + (taps_w - 1) * dw + 1; }
};

// The correlations that together compute y or dx, none with oh*ow == 0. A 1x1 filter at stride 1
// without padding sees no rows: it comes as planes of one long row, which tile best.
std::vector<Correlation> correlations_of(const Problem& problem);

// The same problem as one row per plane where a filter of one tap sees no rows (stride 1, no padding): one long row
// tiles best. Weight gradients and depthwise convolutions start from it.
Problem flattened(const Problem& problem);

// The part of the input that all of them read. Rows and columns beyond the input are padding.
struct Window {
  std::int64_t top = 0, left = 0, h = 0, w = 0;
  bool inside(const Correlation& c) const {
    return top >= 0 && left >= 0 && top + h <= c.in_h && left + w <= c.in_w;
  }
};
Window window_of(const std::vector<Correlation>& correlations);

}  // namespace clconv::core
