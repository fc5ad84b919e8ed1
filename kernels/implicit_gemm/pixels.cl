// parts: register_tile lanes epilogue prefetch
// Implicit GEMM on CPUs, vectors along the pixels of a row: for few filters per group and short reductions.
//
//   packed weights, per block:      input (padding written out)         registers, floatv each
//     r [ MR filters ]                [ NV vectors of a row's pixels ]   acc[MR][NV]
//     |
//     v
//
// One work-item per work-group. Per product: NV vector loads (SW == 2: two each, of which the even elements are kept),
// MR broadcasts, MR*NV fused multiply-adds. The last tile of a row overlaps its neighbour instead of being partial:
// both write the same bits. A row shorter than a tile is padded to it.
//
// Result (i,j) of a filter is at image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step, filters
// counted over all groups; the residual has the same layout.
//
// Macros: MR NV VW; DIRECT (1, with 16-bit storage: x is the input itself instead of a float copy, since converting
// whole vectors costs nothing); STAGE (KiB; with one tap: the pixels of all channels are first copied to local memory,
// dense and as floats); SH SW DH DW, and those of the epilogue. All other sizes are arguments.

#define SPAN (VW * NV)

#if DIRECT
typedef element input;
#define LOAD_X(pointer) GET_V(pointer)
#else
typedef float input;
#define LOAD_X(pointer) IN_ONE_PIECE(global const, pointer)
#endif

#if SW == 1
#define LOAD_PIXELS(pointer) LOAD_X(pointer)
#else
#define LOAD_PIXELS(pointer) even_lanes(LOAD_X(pointer), LOAD_X((pointer) + VW))
#endif

// acc += MR filters times NV vectors of pixels.
#define MULTIPLY(vector) MULTIPLY_TILE_SCALAR_FIRST(acc, MR, NV, wp[i], vector)

#define PARAMETERS \
  global const input* restrict x, global const float* restrict packed, \
  global const element* restrict b, global const element* restrict r, \
  global element* restrict result, int channels, int taps_h, int taps_w, long x_image, \
  long plane, int pitch, long x_offset, int oh, int ow, int tiles_x, int filters, \
  int blocks_per_group, int run, int groups, long out_image, long out_plane, long out_offset, \
  long out_pitch, int out_step SLOPES_PARAMETER
#define ARGUMENTS \
  x, packed, b, r, result, channels, taps_h, taps_w, x_image, plane, pitch, x_offset, oh, ow, \
  tiles_x, filters, blocks_per_group, run, groups, out_image, out_plane, out_offset, out_pitch, \
  out_step SLOPES_ARGUMENT

// A work-item multiplies its pixels by `run` blocks of filters, one after the other.
NOT_INLINED void implicit_gemm_pixels_item(const long id, local float* restrict staged, PARAMETERS) {
  const int first_j = (int)(id % tiles_x) * SPAN;
  const int j0 = max(min(first_j, ow - SPAN), 0);
  const int i = (int)(id / tiles_x % oh);
  const long outer = id / tiles_x / oh;
  const int runs = (blocks_per_group + run - 1) / run;
  const int first_block = (int)(outer % runs) * run;
  const int group_index = (int)(outer / runs % groups);
  const long image = outer / runs / groups;
  const int last_block = min(first_block + run, blocks_per_group);
  // A chunk's results begin with those of its first image.
  global const element* slopes_of_image = SLOPES_OF(image + out_offset / out_image, (long)groups * filters);

  global const input* pixels_at = x + image * x_image + (long)group_index * channels * plane +
                                  x_offset + (long)(i * SH) * pitch + j0 * SW;
  global const float* wp =
      packed + ((long)group_index * blocks_per_group + first_block) * channels * taps_h * taps_w * MR;
#if ACCUMULATE
  const int skipped = first_j - j0;  // pixels that the tile before adds
#else
  const int skipped = 0;
#endif
#if STAGE
  // Prefetches the pixels of the next tile while this one is multiplied: per block, one vector of each channel.
  const int next_i = (int)((id + 1) / tiles_x % oh);
  const int next_j = max(min((int)((id + 1) % tiles_x) * SPAN, ow - SPAN), 0);
  global const input* next_pixels =
      pixels_at + (long)((next_i - i) * SH) * pitch + (next_j - j0) * SW;
  for (int channel = 0; channel < channels; ++channel) {
#pragma unroll
    for (int v = 0; v < NV; ++v) {
      IN_ONE_PIECE(local, staged + channel * SPAN + v * VW) = LOAD_PIXELS(pixels_at + channel * plane + v * VW * SW);
    }
  }
#endif
  for (int block = first_block; block < last_block; ++block) {
    global const input* xp = pixels_at;
    const int first_filter = block * MR;
    const long first_b = (long)group_index * filters + first_filter;
    const long first_out =
        image * out_image + first_b * out_plane + out_offset + i * out_pitch + (long)j0 * out_step;
    floatv acc[MR][NV];
#pragma unroll
    for (int m = 0; m < MR; ++m) {
#pragma unroll
      for (int v = 0; v < NV; ++v) {
        acc[m][v] = (floatv)(0.0f);
        PREFETCH_TO_WRITE(result + first_out + m * out_plane + (long)(v * VW) * out_step);
      }
    }
#if STAGE
    global const input* next_line = next_pixels + (block - first_block) % NV * (VW * SW);
    for (int channel = 0; channel < channels; ++channel, wp += MR, next_line += plane) {
      PREFETCH_FAR(next_line);
      MULTIPLY(LOAD_V(staged + channel * SPAN + v * VW))
    }
#else
    for (int channel = 0; channel < channels; ++channel, xp += plane) {
      for (int p = 0; p < taps_h; ++p) {
        for (int q = 0; q < taps_w; ++q, wp += MR) {
          global const input* tap = xp + p * DH * pitch + q * DW;
          MULTIPLY(LOAD_PIXELS(tap + v * VW * SW))
        }
      }
    }
#endif

#define IS_WHOLE(v) (skipped <= (v) * VW && ow - j0 >= ((v) + 1) * VW && out_step == 1)
    const int rows = min(MR, filters - first_filter);
    float sums[MR * SPAN];
#pragma unroll
    for (int v = 0; v < NV; ++v) {
      if (IS_WHOLE(v)) {
#pragma unroll
        for (int m = 0; m < MR; ++m) {
          if (m < rows) {
            const long at = first_out + m * out_plane + v * VW;
            const floatv value = acc[m][v] + BIAS_OF(b, first_b + m) + RESIDUAL_V(r + at);
            const floatv activated = ACTIVATE(value, SLOPE_OF(slopes_of_image, first_b + m));
            PUT_V(RESULT(GET_V(result + at), activated), result + at);
          }
        }
      } else {
#pragma unroll
        for (int m = 0; m < MR; ++m) STORE_V(acc[m][v], sums + m * SPAN + v * VW);
      }
    }
    // What is not whole goes through memory, so that its code is there once and not per vector.
    if (IS_WHOLE(0) && IS_WHOLE(NV - 1)) continue;
    __attribute__((opencl_unroll_hint(1)))
    for (int v = 0; v < NV; ++v) {
      if (IS_WHOLE(v)) continue;
      __attribute__((opencl_unroll_hint(1)))
      for (int m = 0; m < rows; ++m) {
        const float slope = SLOPE_OF(slopes_of_image, first_b + m);
        for (int t = max(skipped - v * VW, 0); t < min(ow - j0 - v * VW, VW); ++t) {
          const long at = first_out + m * out_plane + (long)(v * VW + t) * out_step;
          const float value = sums[m * SPAN + v * VW + t] + BIAS_OF(b, first_b + m) + RESIDUAL_OF(r, at);
          PUT(RESULT(GET(result, at), ACTIVATE(value, slope)), result, at);
        }
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_pixels(PARAMETERS) {
  local float staged[STAGE > 0 ? STAGE * 256 : 1] __attribute__((aligned(64)));
  implicit_gemm_pixels_item(get_group_id(0), staged, ARGUMENTS);
}
