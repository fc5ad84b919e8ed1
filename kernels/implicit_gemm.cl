// Implicit GEMM: a correlation (a forward convolution, or a phase of a data gradient: see
// src/ops/correlation.hpp) as a matrix product whose im2col matrix is gathered while multiplying and
// never stored. Three bodies for the same product, chosen by which macros the config has:
//
//   BM BN BK TM TN   tile     GPUs: tiles of both matrices in local memory, a register micro-tile
//                             per work-item.
//   KV TH TW VW      filters  CPUs: one work-item per work-group, explicit vectors along the
//                             filters, a register tile of pixels.
//   MR NV VW STAGE   pixels   CPUs: the same with vectors along the pixels of a row; for few filters
//                             per group and short reductions.
//
// Class macros: SH SW DH DW (stride, dilation: as arguments they cost 1.9x on PoCL 3.1), CHANNELS_LAST (of input
// and result), BIAS, RESIDUAL, ACTIVATION, MASK (the input is a gradient that counts only where y > 0), ACCUMULATE
// (add to the result), HALF. All sizes are arguments, so one binary serves every size of a class. No
// early returns: PoCL 3.1 aborts on one before a barrier.
//
// Result (i,j) of a filter goes to image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step,
// filters counted over all groups; the residual lies as the result does.

#ifdef BM
// ---- tile ----------------------------------------------------------------------------------------
//
//                     pixels (images*oh*ow) ->
//                    +----- BN -----+            Work-group: BM filters x BN pixels, (BM/TM)*(BN/TN)
//               BK   |  B: gathered |            work-items. Per step of BK products each work-item
//                    +--------------+            brings its share of A and B to local memory, then
//        +-- BK --+  +--------------+            multiplies TM filters (neighbours) by TN pixels
//    BM  |   A    |  |  TM x TN per |            (BN/TN apart, so that neighbouring work-items read
//        | weights|  |  work-item   |            and write neighbouring pixels).
//        +--------+  +--------------+

#define LX (BN / TN)
#define LY (BM / TM)
#define ITEMS (LX * LY)
#define B_ROWS (ITEMS / BN)  // rows of B that all work-items together fetch at once
#define A_ROWS (ITEMS / BK)  // filters of A likewise

// (channel, u, v) of product r, moved on by a step that the host has taken apart into (c, u, v).
#define ADVANCE(channel, u, v, step_channel, step_u, step_v) \
  v += step_v;                                               \
  u += step_u;                                               \
  channel += step_channel;                                   \
  if (v >= taps_w) {                                         \
    v -= taps_w;                                             \
    ++u;                                                     \
  }                                                          \
  if (u >= taps_h) {                                         \
    u -= taps_h;                                             \
    ++channel;                                               \
  }

// a_c a_u a_v, b_c b_u b_v: BK and B_ROWS products further, as channels, filter rows and columns.
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void implicit_gemm_tile(global const element* restrict x, global const element* restrict y_mask,
                        global const element* restrict weights, global const element* restrict b,
                        global const element* restrict r, global element* restrict result, int channels, int in_h, int in_w, int filters,
                        int taps_h, int taps_w, int top, int left, int oh, int ow, int groups,
                        long pixels, int filter_tiles, long pixel_tiles, int a_c, int a_u, int a_v,
                        int b_c, int b_u, int b_v, long w_base, long w_group, long w_filter,
                        long w_channel, long w_row, long w_column, long in_image, long in_plane,
                        long in_pitch, int in_step, long out_image, long out_plane, long out_offset,
                        long out_pitch, int out_step) {
  local float A[BK][BM + 1];  // + 1: work-items that store a column hit different banks
  local float B[BK][BN];
  const int item = get_local_id(0);
  const int lx = item % LX;
  const int ly = item / LX;
  const long id = get_group_id(0);
  const int filter_tile = (int)(id % filter_tiles);
  const long pixel_tile = id / filter_tiles % pixel_tiles;
  const int group_index = (int)(id / filter_tiles / pixel_tiles);
  const int reduction = channels * taps_h * taps_w;
  const int m0 = filter_tile * BM;
  const long n0 = pixel_tile * BN;

  // This work-item fetches column `fetch_n` of B, product (r_c, r_u, r_v) and every B_ROWS-th after
  // it. Beyond the last pixel it fetches zeroes.
  const int fetch_n = item % BN;
  const long fetch_pixel = n0 + fetch_n;
  const int fetch_inside = fetch_pixel < pixels;
  const int image_pixels = oh * ow;
  const long image = fetch_inside ? fetch_pixel / image_pixels : 0;
  const int position = fetch_inside ? (int)(fetch_pixel % image_pixels) : 0;
  const int y0 = position / ow * SH + top;
  const int x0 = position % ow * SW + left;
  const long planes = image * in_image + (long)group_index * channels * in_plane;
  int r_c = item / BN / (taps_h * taps_w);
  int r_u = item / BN / taps_w % taps_h;
  int r_v = item / BN % taps_w;
  // ... and of A product `item % BK` = (a_channel, u, v) and every BK-th after it, of every A_ROWS-th
  // filter.
  const int fetch_k = item % BK;
  int q_c = fetch_k / (taps_h * taps_w);
  int q_u = fetch_k / taps_w % taps_h;
  int q_v = fetch_k % taps_w;
  global const element* rows = weights + w_base + group_index * w_group + m0 * w_filter;

  float acc[TM][TN];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
#pragma unroll
    for (int j = 0; j < TN; ++j) acc[i][j] = 0.0f;
  }

  for (int k0 = 0; k0 < reduction; k0 += BK) {
    const long tap = q_c * w_channel + q_u * w_row + q_v * w_column;
    const int in_reduction = k0 + fetch_k < reduction;
#pragma unroll
    for (int fetch = 0; fetch < BM / A_ROWS; ++fetch) {
      const int m = item / BK + fetch * A_ROWS;
      A[fetch_k][m] = m0 + m < filters && in_reduction ? GET(rows, m * w_filter + tap) : 0.0f;
    }
    ADVANCE(q_c, q_u, q_v, a_c, a_u, a_v)
#pragma unroll
    for (int fetch = 0; fetch < BK / B_ROWS; ++fetch) {
      const int row = item / BN + fetch * B_ROWS;
      const int line = y0 + r_u * DH;
      const int column = x0 + r_v * DW;
      const int inside = fetch_inside && r_c < channels && line >= 0 && line < in_h && column >= 0 &&
                         column < in_w;
      const long at = planes + r_c * in_plane + line * in_pitch + (long)column * in_step;
      B[row][fetch_n] = inside ? MASKED(x, y_mask, at) : 0.0f;
      ADVANCE(r_c, r_u, r_v, b_c, b_u, b_v)
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int kk = 0; kk < BK; ++kk) {
      float a[TM], column[TN];
#pragma unroll
      for (int i = 0; i < TM; ++i) a[i] = A[kk][ly * TM + i];
#pragma unroll
      for (int j = 0; j < TN; ++j) column[j] = B[kk][lx + j * LX];
#pragma unroll
      for (int i = 0; i < TM; ++i) {
#pragma unroll
        for (int j = 0; j < TN; ++j) acc[i][j] = MULTIPLY_ADD(a[i], column[j], acc[i][j]);
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }

#pragma unroll
  for (int j = 0; j < TN; ++j) {
    const long pixel = n0 + lx + j * LX;
    if (pixel < pixels) {
      const int at = (int)(pixel % image_pixels);
      const long first = pixel / image_pixels * out_image + (long)group_index * filters * out_plane +
                         out_offset + at / ow * out_pitch + (long)(at % ow) * out_step;
#pragma unroll
      for (int i = 0; i < TM; ++i) {
        const int filter = m0 + ly * TM + i;
        if (filter < filters) {
          const long out = first + filter * out_plane;
          const float value =
              acc[i][j] + BIAS_OF(b, group_index * filters + filter) + RESIDUAL_OF(r, out);
          PUT(RESULT(GET(result, out), ACTIVATE(value)), result, out);
        }
      }
    }
  }
}
#endif  // BM

#ifdef KV
// ---- filters -------------------------------------------------------------------------------------
//
//   packed weights, per block:        input (padding written out)    registers, floatv each
//     r [ KV vectors of filters ]       . . . . . . . .              acc[TH*TW pixels][KV]
//     | [                       ]       . # # # # # # .  TH x TW
//     v [                       ]       . # # # # # # .  pixels
//
// Per product: KV vector loads, TH*TW scalar broadcasts, TH*TW*KV fused multiply-adds. The host picks
// TH*TW*KV + KV + 1 <= vector registers; one more costs 1.3x. Tiles at the lower and right edge
// overlap their neighbours instead of being partial (oh >= TH, ow >= TW): both write the same bits.
// Where results are added to what is there, each pixel is left to the tile that starts at or before it.
// x is float whatever HALF is: broadcasting a half takes three instructions.
//
// CHANNELS_LAST: the products of a tap are a run of neighbours, at distances that only the host knows from
// pixel to pixel; `channels` is the run's length, that of a whole row of taps where they are neighbours too.

#define PIXELS (TH * TW)
#define BLOCK (VW * KV)

// acc += the filters at `weights` times one element of each pixel.
#define MULTIPLY(weights, element_of)                                                      \
  {                                                                                        \
    floatv filter[KV];                                                                     \
    _Pragma("unroll") for (int v = 0; v < KV; ++v) filter[v] = LOAD_V((weights) + v * VW); \
    _Pragma("unroll") for (int i = 0; i < PIXELS; ++i) {                                   \
      const floatv pixel = (floatv)(element_of);                                           \
      _Pragma("unroll") for (int v = 0; v < KV; ++v) {                                     \
        acc[i][v] = fma(filter[v], pixel, acc[i][v]);                                      \
      }                                                                                    \
    }                                                                                      \
  }

// x_image, plane, pitch, step: floats from one image, channel, row, column to the next.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_filters(global const float* restrict x, global const float* restrict packed,
                           global const element* restrict b, global const element* restrict r,
                           global element* restrict result, int images, int channels, int taps_h,
                           int taps_w, long x_image, long plane, int pitch, int step,
                           long x_offset, int oh, int ow, int tiles_x, int tiles, int filters,
                           int blocks_per_group, int groups, int blocks_inner, long out_image,
                           long out_plane, long out_offset, long out_pitch, int out_step) {
  const long id = get_group_id(0);
  const int tile = (int)(id % tiles);
  const long outer = id / tiles;
  const int blocks = blocks_per_group * groups;
  const int block = (int)(blocks_inner ? outer % blocks : outer / images);
  const long image = blocks_inner ? outer / blocks : outer % images;
  const int group_index = block / blocks_per_group;
  const int first_i = tile / tiles_x * TH;
  const int first_j = tile % tiles_x * TW;
  const int i0 = min(first_i, oh - TH);
  const int j0 = min(first_j, ow - TW);

  global const float* xp = x + image * x_image + (long)group_index * channels * plane + x_offset +
                           (long)(i0 * SH) * pitch + (long)(j0 * SW) * step;
  global const float* wp = packed + (long)block * channels * taps_h * taps_w * BLOCK;
  floatv acc[PIXELS][KV];
#pragma unroll
  for (int i = 0; i < PIXELS; ++i) {
#pragma unroll
    for (int v = 0; v < KV; ++v) acc[i][v] = (floatv)(0.0f);
  }
#if CHANNELS_LAST
  for (int p = 0; p < taps_h; ++p) {
    for (int q = 0; q < taps_w; ++q) {
      global const float* tap = xp + p * DH * pitch + q * DW * step;
      global const float* pixels[PIXELS];
#pragma unroll
      for (int i = 0; i < PIXELS; ++i) pixels[i] = tap + i / TW * SH * pitch + i % TW * SW * step;
      int channel = 0;
      for (; channel + UNROLL <= channels; channel += UNROLL, wp += UNROLL * BLOCK) {
#pragma unroll
        for (int u = 0; u < UNROLL; ++u) MULTIPLY(wp + u * BLOCK, pixels[i][channel + u])
      }
      for (; channel < channels; ++channel, wp += BLOCK) MULTIPLY(wp, pixels[i][channel])
    }
  }
#else
  for (int channel = 0; channel < channels; ++channel, xp += plane) {
    for (int p = 0; p < taps_h; ++p) {
      for (int q = 0; q < taps_w; ++q, wp += BLOCK) {
        global const float* tap = xp + p * DH * pitch + q * DW;
        MULTIPLY(wp, tap[i / TW * SH * pitch + i % TW * SW])
      }
    }
  }
#endif

  const int first_filter = block % blocks_per_group * BLOCK;
  const long first_b = (long)group_index * filters + first_filter;
  const long first_out =
      image * out_image + first_b * out_plane + out_offset + i0 * out_pitch + (long)j0 * out_step;
#if CHANNELS_LAST
#pragma unroll
  for (int v = 0; v < KV; ++v) {
    const int left = filters - first_filter - v * VW;
    const floatv bias = BIAS ? get_some(b + first_b + v * VW, left) : (floatv)(0.0f);
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
      const long at = first_out + i / TW * out_pitch + (long)(i % TW) * out_step + v * VW;
      const floatv value = acc[i][v] + bias + residual_some(r + at, left);
      put_some(ACTIVATE(value), result + at, left);
    }
  }
#else
  // Vectors along filters become vectors along pixels, VW x VW at a time, to be stored as rows.
#if ACCUMULATE
  const int whole_rows = 0;
#elif TH == 1
  const int whole_rows = out_step == 1;
#else
  const int whole_rows = out_step == 1 && TW == out_pitch;
#endif
#pragma unroll
  for (int v = 0; v < KV; ++v) {
#pragma unroll
    for (int from = 0; from < PIXELS; from += VW) {
      floatv rows[VW], other[VW];
#pragma unroll
      for (int i = 0; i < VW; ++i) {
        rows[i] = from + i < PIXELS ? acc[from + i < PIXELS ? from + i : 0][v] : (floatv)(0.0f);
      }
      TRANSPOSE(rows, other)
#pragma unroll
      for (int f = 0; f < VW; ++f) {
        if (first_filter + v * VW + f < filters) {
          const floatv sum = TRANSPOSED(rows, other)[f] + BIAS_OF(b, first_b + v * VW + f);
          const long line = first_out + (v * VW + f) * out_plane;
          if (whole_rows) {
            const floatv value = sum + residual_first(r + line + from, PIXELS - from);
            put_first(ACTIVATE(value), PIXELS - from, result + line + from);
          } else {
            float sums[VW];
            STORE_V(sum, sums);
#pragma unroll
            for (int i = 0; i < VW; ++i) {
              const int row = (from + i) / TW;
              const int column = (from + i) % TW;
              const long at = line + row * out_pitch + (long)column * out_step;
              if (from + i < PIXELS) {
#if ACCUMULATE
                if (i0 + row >= first_i && j0 + column >= first_j)
#endif
                {
                  const float value = sums[i] + RESIDUAL_OF(r, at);
                  PUT(RESULT(GET(result, at), ACTIVATE(value)), result, at);
                }
              }
            }
          }
        }
      }
    }
  }
#endif  // CHANNELS_LAST
}
#endif  // KV

#ifdef MR
// ---- pixels --------------------------------------------------------------------------------------
//
//   packed weights, per block:      input (padding written out)         registers, floatv each
//     r [ MR filters ]                [ NV vectors of a row's pixels ]   acc[MR][NV]
//     |
//     v
//
// Per product: NV vector loads (SW == 2: two each, even elements kept), MR scalar broadcasts, MR*NV
// fused multiply-adds. The last tile of a row overlaps its neighbour as in `filters`; a row shorter than a tile
// is padded to it. DIRECT (with HALF): x is no float copy but the input, whose halves become floats as
// vectors at no cost. STAGE, in KiB: with one tap, the pixels of all channels come to local memory first, dense and
// as floats.

#define SPAN (VW * NV)

#if DIRECT
typedef element input;
#define LOAD_X(pointer) GET_V(pointer)
#else
typedef float input;
#define LOAD_X(pointer) LOAD_V(pointer)
#endif

#if SW == 1
#define LOAD_PIXELS(pointer) LOAD_X(pointer)
#else
floatv load_even(global const input* pointer) {
  const floatv a = LOAD_X(pointer);
  const floatv b = LOAD_X(pointer + VW);
  floatv r;
  r.lo = a.even;
  r.hi = b.even;
  return r;
}
#define LOAD_PIXELS(pointer) load_even(pointer)
#endif

// acc += MR filters times NV vectors of pixels.
#define MULTIPLY(vector)                                                                      \
  {                                                                                           \
    floatv pixels[NV];                                                                        \
    _Pragma("unroll") for (int v = 0; v < NV; ++v) pixels[v] = vector;                        \
    _Pragma("unroll") for (int m = 0; m < MR; ++m) {                                          \
      const floatv filter = (floatv)(wp[m]);                                                  \
      _Pragma("unroll") for (int v = 0; v < NV; ++v) {                                        \
        acc[m][v] = fma(filter, pixels[v], acc[m][v]);                                        \
      }                                                                                       \
    }                                                                                         \
  }

// A work-item multiplies its pixels by `run` blocks of filters, one after the other.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_pixels(global const input* restrict x, global const float* restrict packed,
                          global const element* restrict b, global const element* restrict r,
                          global element* restrict result, int channels, int taps_h, int taps_w,
                          long x_image, long plane, int pitch, long x_offset, int oh, int ow,
                          int tiles_x, int filters, int blocks_per_group, int run, int groups,
                          long out_image, long out_plane, long out_offset, long out_pitch,
                          int out_step) {
  const long id = get_group_id(0);
  const int first_j = (int)(id % tiles_x) * SPAN;
  const int j0 = max(min(first_j, ow - SPAN), 0);
  const int i = (int)(id / tiles_x % oh);
  const long outer = id / tiles_x / oh;
  const int runs = (blocks_per_group + run - 1) / run;
  const int first_block = (int)(outer % runs) * run;
  const int group_index = (int)(outer / runs % groups);
  const long image = outer / runs / groups;
  const int last_block = min(first_block + run, blocks_per_group);

#if STAGE
  local float staged[STAGE * 256];
#endif
  global const input* pixels_at = x + image * x_image + (long)group_index * channels * plane +
                                  x_offset + (long)(i * SH) * pitch + j0 * SW;
  global const float* wp =
      packed + ((long)group_index * blocks_per_group + first_block) * channels * taps_h * taps_w * MR;
#if ACCUMULATE
  const int skipped = first_j - j0;  // added by the tile before
#else
  const int skipped = 0;
#endif
#if STAGE
  for (int channel = 0; channel < channels; ++channel) {
#pragma unroll
    for (int v = 0; v < NV; ++v) {
      STORE_V(LOAD_PIXELS(pixels_at + channel * plane + v * VW * SW),
              staged + channel * SPAN + v * VW);
    }
  }
#endif
  for (int block = first_block; block < last_block; ++block) {
    global const input* xp = pixels_at;
    floatv acc[MR][NV];
#pragma unroll
    for (int m = 0; m < MR; ++m) {
#pragma unroll
      for (int v = 0; v < NV; ++v) acc[m][v] = (floatv)(0.0f);
    }
#if STAGE
    for (int channel = 0; channel < channels; ++channel, wp += MR) {
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

    const int first_filter = block * MR;
    const long first_b = (long)group_index * filters + first_filter;
    const long first_out =
        image * out_image + first_b * out_plane + out_offset + i * out_pitch + (long)j0 * out_step;
#pragma unroll
    for (int m = 0; m < MR; ++m) {
      if (first_filter + m < filters) {
#pragma unroll
        for (int v = 0; v < NV; ++v) {
          const floatv sum = acc[m][v] + BIAS_OF(b, first_b + m);
          const long line = first_out + m * out_plane + (long)(v * VW) * out_step;
          const int from = skipped - v * VW;
          const int left = ow - j0 - v * VW;
          if (from <= 0 && left >= VW && out_step == 1) {
            const floatv value = sum + RESIDUAL_V(r + line);
            const floatv activated = ACTIVATE(value);
            PUT_V(RESULT(GET_V(result + line), activated), result + line);
          } else {
            float sums[VW];
            STORE_V(sum, sums);
            for (int t = max(from, 0); t < min(left, VW); ++t) {
              const long at = line + (long)t * out_step;
              const float value = sums[t] + RESIDUAL_OF(r, at);
              PUT(RESULT(GET(result, at), ACTIVATE(value)), result, at);
            }
          }
        }
      }
    }
  }
}
#endif  // MR
