// parts: epilogue mask quotient
// Implicit GEMM where the work-items of a group are the lanes of a CPU's vectors: a correlation whose work-items load
// single floats and keep a register tile each.
//
//   packed weights, a block of MR filters:  product [ f f f f ]     sums[NP][MR / 4], float4 each
//   pixels of an image:                     t, t + lanes, ... NP of them for work-item t, so that neighbours read
//                                           neighbouring pixels
//
// The order of products is channel, tap row, tap column; with CHANNELS_LAST tap row, tap column, channel.
//
// Result (i,j) of a filter is at image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step, filters
// counted over all groups; the residual has the same layout.
//
// Macros: MR (a multiple of 4), NP; SH SW DH DW, CHANNELS_LAST (of input and result), MASK (the input is a gradient),
// and those of the epilogue. All other sizes are arguments.

#define COMPONENT(v, p) ((p) == 0 ? (v).x : (p) == 1 ? (v).y : (p) == 2 ? (v).z : (v).w)

// sums += `channels` channels of one tap, whose weights are at `weights`, weight_step apart. Pixels outside the image
// are those of pixel 0, and count as 0.
ALWAYS_INLINE void add_tap(float4 sums[NP][MR / 4], global const element* from, global const element* from_y,
                           const int* at, const int* inside, global const float4* weights, const int weight_step,
                           const int channels, const long in_plane) {
  for (int channel = 0; channel < channels; ++channel) {
#pragma unroll
    for (int p = 0; p < NP; ++p) {
      const float read = MASKED(from, from_y, at[p]);
      const float value = inside[p] ? read : 0.0f;
#pragma unroll
      for (int m = 0; m < MR / 4; ++m) sums[p][m] = MULTIPLY_ADD(weights[m], (float4)(value), sums[p][m]);
    }
    weights += weight_step;
    from += in_plane;
#if MASK
    from_y += in_plane;
#endif
  }
}

// Stores the sums of a pixel, of `rest` filters from `first_filter` on, at result[out].
ALWAYS_INLINE void store_pixel(const float4* sums, long out, const long out_plane, const int first_filter,
                               const int rest, global const element* b, global const element* r,
                               global element* result, global const element* slopes) {
#pragma unroll
  for (int m = 0; m < MR; ++m, out += out_plane) {
    if (m < rest) {
      const int filter = first_filter + m;
      const float value = COMPONENT(sums[m / 4], m % 4) + BIAS_OF(b, filter) + RESIDUAL_OF(r, out);
      PUT(RESULT(GET(result, out), ACTIVATE(value, SLOPE_OF(slopes, filter))), result, out);
    }
  }
}

// Dimension 0 has the pixels of an image, `lanes` for NP times as many. A work-item takes every get_global_size(1)-th
// of the `planes`: (image, group, block of filters).
kernel void implicit_gemm_items(global const element* restrict x, global const element* restrict y_mask,
                                global const float4* restrict packed, global const element* restrict b,
                                global const element* restrict r, global element* restrict result,
                                int channels, int taps_h, int taps_w, int in_h, int in_w, int top, int left,
                                int ow, int ow_reciprocal, int ow_shift, int image_pixels, int lanes,
                                int planes, int filters, int groups, int blocks, long in_image,
                                long in_plane, int in_pitch, int in_step, long out_image, long out_plane,
                                long out_offset, long out_pitch, int out_step SLOPES_PARAMETER) {
  const int t = get_global_id(0);
  if (t >= lanes) return;
  int rows[NP], columns[NP];
#pragma unroll
  for (int p = 0; p < NP; ++p) {
    const int pixel = min(t + p * lanes, image_pixels - 1);
    rows[p] = QUOTIENT(pixel, ow);
    columns[p] = pixel - rows[p] * ow;
  }
  const int taps = taps_h * taps_w;
  for (int plane = get_global_id(1); plane < planes; plane += get_global_size(1)) {
    const int block = plane % blocks;
    const int group_index = plane / blocks % groups;
    const int image = plane / blocks / groups;
    float4 sums[NP][MR / 4];
#pragma unroll
    for (int p = 0; p < NP; ++p) {
#pragma unroll
      for (int m = 0; m < MR / 4; ++m) sums[p][m] = (float4)(0.0f);
    }
    for (int u = 0; u < taps_h; ++u) {
      for (int v = 0; v < taps_w; ++v) {
        int at[NP], inside[NP];
#pragma unroll
        for (int p = 0; p < NP; ++p) {
          const int row = rows[p] * SH + top + u * DH;
          const int column = columns[p] * SW + left + v * DW;
          inside[p] = (uint)row < (uint)in_h && (uint)column < (uint)in_w;
          at[p] = inside[p] ? row * in_pitch + column * in_step : 0;
        }
        global const float4* weights = packed + ((long)group_index * blocks + block) * channels * taps * (MR / 4) +
                                       (long)(u * taps_w + v) * (CHANNELS_LAST ? channels : 1) * (MR / 4);
        const long first = image * in_image + (long)group_index * channels * in_plane;
        add_tap(sums, x + first, y_mask + first, at, inside, weights, (CHANNELS_LAST ? 1 : taps) * (MR / 4), channels,
                in_plane);
      }
    }
    const int first_filter = group_index * filters + block * MR;
    const long first_out = image * out_image + first_filter * out_plane + out_offset;
#pragma unroll
    for (int p = 0; p < NP; ++p) {
      const long out = first_out + rows[p] * out_pitch + (long)columns[p] * out_step;
      if (t + p * lanes < image_pixels) {
        store_pixel(sums[p], out, out_plane, first_filter, filters - block * MR, b, r, result,
                    SLOPES_OF(image, (long)groups * filters));
      }
    }
  }
}
