// parts: aligned epilogue mask quotient
// Implicit GEMM on GPUs without local memory: a correlation whose work-items read the input and the packed weights
// themselves. For groups of few filters, and for devices whose local memory is ordinary memory.
//
//   packed weights, a block of MR filters:  product [ f f f f ]     sums[NP][MR / 4], float4 each
//   pixels of an image:                     t, t + lanes, ... NP of them for work-item t, so that neighbours read
//                                           neighbouring pixels
//
// Result (i,j) of a filter is at image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step, filters
// counted over all groups; the residual has the same layout.
//
// Macros: MR (a multiple of 4), NP; SH SW DH DW, CHANNELS_LAST (the order of the packed weights), MASK (the input is a
// gradient), and those of the epilogue. All other sizes are arguments.

#define COMPONENT(v, p) ((p) == 0 ? (v).x : (p) == 1 ? (v).y : (p) == 2 ? (v).z : (v).w)

// A work-item has the pixels of every get_global_size(1)-th (image, group, block of filters).
kernel void implicit_gemm_direct(global const element* restrict x, global const element* restrict y_mask,
                                 global const float4* restrict packed, global const element* restrict b,
                                 global const element* restrict r, global element* restrict result,
                                 int channels, int taps_h, int taps_w, int in_h, int in_w, int top,
                                 int left, int ow, int ow_reciprocal, int ow_shift, int image_pixels,
                                 int lanes, int filters, int groups, int blocks, int images,
                                 long in_image, long in_plane, long in_pitch, int in_step,
                                 long out_image, long out_plane, long out_offset, long out_pitch,
                                 int out_step SLOPES_PARAMETER) {
  const int t = get_global_id(0);
  if (t >= lanes) return;
  int rows[NP], columns[NP];
#pragma unroll
  for (int p = 0; p < NP; ++p) {
    const int at = min(t + p * lanes, image_pixels - 1);
    rows[p] = QUOTIENT(at, ow);
    columns[p] = at - rows[p] * ow;
  }
  const int taps = taps_h * taps_w;
  for (long plane = get_global_id(1); plane < (long)images * groups * blocks; plane += get_global_size(1)) {
    const int block = (int)(plane % blocks);
    const int group_index = (int)(plane / blocks % groups);
    const long image = plane / blocks / groups;
    const long first_x = image * in_image + (long)group_index * channels * in_plane;
    float4 sums[NP][MR / 4];
#pragma unroll
    for (int p = 0; p < NP; ++p) {
#pragma unroll
      for (int m = 0; m < MR / 4; ++m) sums[p][m] = (float4)(0.0f);
    }
    for (int tap = 0; tap < taps; ++tap) {
      const int u = tap / taps_w;
      const int v = tap - u * taps_w;
      global const float4* weights = packed + ((long)group_index * blocks + block) * channels * taps * (MR / 4) +
                                     (long)tap * (CHANNELS_LAST ? channels : 1) * (MR / 4);
      long from[NP];
      int inside[NP];
#pragma unroll
      for (int p = 0; p < NP; ++p) {
        const int row = rows[p] * SH + top + u * DH;
        const int column = columns[p] * SW + left + v * DW;
        inside[p] = (uint)row < (uint)in_h && (uint)column < (uint)in_w;
        from[p] = first_x + row * in_pitch + (long)column * in_step;
      }
      for (int channel = 0; channel < channels; ++channel) {
#pragma unroll
        for (int p = 0; p < NP; ++p) {
          const float value = inside[p] ? MASKED(x, y_mask, from[p]) : 0.0f;
          from[p] += in_plane;
#pragma unroll
          for (int m = 0; m < MR / 4; ++m) sums[p][m] = MULTIPLY_ADD(weights[m], (float4)(value), sums[p][m]);
        }
        weights += (CHANNELS_LAST ? 1 : taps) * (MR / 4);
      }
    }
#pragma unroll
    for (int p = 0; p < NP; ++p) {
      const long out = image * out_image + out_offset + rows[p] * out_pitch + (long)columns[p] * out_step;
      if (t + p * lanes < image_pixels) {
#pragma unroll
        for (int m = 0; m < MR; ++m) {
          if (block * MR + m < filters) {
            const int filter = group_index * filters + block * MR + m;
            const long to = out + filter * out_plane;
            const float value = COMPONENT(sums[p][m / 4], m % 4) + BIAS_OF(b, filter) + RESIDUAL_OF(r, to);
            const float slope = SLOPE_OF(SLOPES_OF(image, (long)groups * filters), filter);
            PUT(RESULT(GET(result, to), ACTIVATE(value, slope)), result, to);
          }
        }
      }
    }
  }
}
