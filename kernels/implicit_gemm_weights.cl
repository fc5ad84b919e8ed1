// Implicit GEMM for the weight gradient: dw (filters x channels*kh*kw) = dy (filters x pixels) times the
// patches of x (pixels x channels*kh*kw), gathered while multiplying. The reduction runs over all pixels
// of all images; it can be split into parts, whose sums another kernel adds in a fixed order.
//
//   BM BN BK TM TN   tile     GPUs: as in implicit_gemm.cl
//   KV TC TQ VW      filters  CPUs: vectors along the filters, a register tile of TC channels x TQ taps
//                             of a filter row
//   MR TP TQ VW      pixels   CPUs: vectors along the pixels of a row, a register tile of MR filters x
//                             TP x TQ taps of one channel; for few filters per group
//
// Class macros: SH SW DH DW, MASK and HALF (tile only: the others read floats that are masked already). All
// sizes are arguments. No early returns. Results are floats: dw itself, or what is added up to it.

#ifdef BM
// ---- tile ----------------------------------------------------------------------------------------
//
//   A: dy, BM filters x BK pixels        B: patches, BK pixels x BN of channels*kh*kw

#define LX (BN / TN)
#define LY (BM / TM)
#define ITEMS (LX * LY)
#define B_ROWS (ITEMS / BN)
#define A_ROWS (ITEMS / BK)

// (image, i, j) of a pixel, moved on by a step that the host has taken apart.
#define ADVANCE(image, i, j, step_image, step_i, step_j) \
  j += step_j;                                           \
  i += step_i;                                           \
  image += step_image;                                   \
  if (j >= ow) {                                         \
    j -= ow;                                             \
    ++i;                                                 \
  }                                                      \
  if (i >= oh) {                                         \
    i -= oh;                                             \
    ++image;                                             \
  }

// a_*, b_*: BK and B_ROWS pixels further, as images, rows and columns.
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void weights_tile(global const element* restrict x, global const element* restrict dy,
                  global const element* restrict y_mask, global float* restrict result, int channels,
                  int h, int w, int filters, int kh, int kw, int pt, int pl, int oh, int ow,
                  int groups, long pixels, long pixels_per_part, int filter_tiles, int column_tiles,
                  int a_image, int a_i, int a_j, int b_image, int b_i, int b_j, long part_stride) {
  local float A[BK][BM + 1];
  local float B[BK][BN];
  const int item = get_local_id(0);
  const int lx = item % LX;
  const int ly = item / LX;
  const long id = get_group_id(0);
  const int column_tile = (int)(id % column_tiles);
  const int filter_tile = (int)(id / column_tiles % filter_tiles);
  const int group_index = (int)(id / column_tiles / filter_tiles % groups);
  const long part = id / column_tiles / filter_tiles / groups;
  const int columns = channels * kh * kw;
  const int m0 = filter_tile * BM;
  const int n0 = column_tile * BN;
  const int image_pixels = oh * ow;
  const long first = part * pixels_per_part;
  const long last = min(first + pixels_per_part, pixels);

  // Column `item % BN` of B is one tap of one channel; the pixels run down.
  const int fetch_n = item % BN;
  const int column = n0 + fetch_n;
  const int column_inside = column < columns;
  const int channel = column_inside ? column / (kh * kw) : 0;
  const int tap_y = column / kw % kh * DH - pt;
  const int tap_x = column % kw * DW - pl;
  long b_pixel = first + item / BN;
  long image_b = b_pixel / image_pixels;
  int i_b = (int)(b_pixel % image_pixels) / ow;
  int j_b = (int)(b_pixel % image_pixels) % ow;
  // Row `item % BK` of A is one pixel; the filters run across.
  const int fetch_k = item % BK;
  long a_pixel = first + fetch_k;
  long image_a = a_pixel / image_pixels;
  int i_a = (int)(a_pixel % image_pixels) / ow;
  int j_a = (int)(a_pixel % image_pixels) % ow;

  float acc[TM][TN];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
#pragma unroll
    for (int j = 0; j < TN; ++j) acc[i][j] = 0.0f;
  }
  for (long k0 = first; k0 < last; k0 += BK) {
    const int a_inside = k0 + fetch_k < last;
    const long gradient = ((image_a * groups + group_index) * filters + m0) * image_pixels +
                          i_a * ow + j_a;
#pragma unroll
    for (int fetch = 0; fetch < BM / A_ROWS; ++fetch) {
      const int m = item / BK + fetch * A_ROWS;
      const long at = gradient + (long)m * image_pixels;
      A[fetch_k][m] = a_inside && m0 + m < filters ? MASKED(dy, y_mask, at) : 0.0f;
    }
    ADVANCE(image_a, i_a, j_a, a_image, a_i, a_j)
#pragma unroll
    for (int fetch = 0; fetch < BK / B_ROWS; ++fetch) {
      const int row = item / BN + fetch * B_ROWS;
      const int line = i_b * SH + tap_y;
      const int at = j_b * SW + tap_x;
      const int inside = column_inside && k0 + row < last && line >= 0 && line < h && at >= 0 &&
                         at < w;
      const long plane = (image_b * groups + group_index) * channels + channel;
      B[row][fetch_n] = inside ? GET(x, (plane * h + line) * w + at) : 0.0f;
      ADVANCE(image_b, i_b, j_b, b_image, b_i, b_j)
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int kk = 0; kk < BK; ++kk) {
      float a[TM], b[TN];
#pragma unroll
      for (int i = 0; i < TM; ++i) a[i] = A[kk][ly * TM + i];
#pragma unroll
      for (int j = 0; j < TN; ++j) b[j] = B[kk][lx + j * LX];
#pragma unroll
      for (int i = 0; i < TM; ++i) {
#pragma unroll
        for (int j = 0; j < TN; ++j) acc[i][j] = MULTIPLY_ADD(a[i], b[j], acc[i][j]);
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
#pragma unroll
  for (int i = 0; i < TM; ++i) {
    const int filter = m0 + ly * TM + i;
    if (filter < filters) {
#pragma unroll
      for (int j = 0; j < TN; ++j) {
        const int n = n0 + lx + j * LX;
        if (n < columns) {
          result[part * part_stride + ((long)group_index * filters + filter) * columns + n] =
              acc[i][j];
        }
      }
    }
  }
}
#endif  // BM

#ifdef KV
// ---- filters -------------------------------------------------------------------------------------
//
//   packed dy, per block:                x (padding written out)       registers, floatv each
//     pixel [ KV vectors of filters ]      TC planes, TQ neighbours     acc[TC*TQ][KV]
//       |   [                       ]      of a tap row
//       v
//
// Per pixel: KV vector loads, TC*TQ scalar broadcasts, TC*TQ*KV fused multiply-adds: the micro-kernel of
// implicit_gemm.cl with taps and channels in the place of pixels. Tiles at the end of channels and taps
// overlap (channels >= TC, kw >= TQ): both write the same bits.

#define TAPS (TC * TQ)
#define BLOCK (VW * KV)

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void weights_filters(global const float* restrict x, global const float* restrict packed,
                     global float* restrict result, int images, int channels, int kh, int kw,
                     int pitch, long plane, int oh, int ow, int filters, int blocks_per_group,
                     int groups, int channel_tiles, int tap_tiles, long rows_per_part,
                     long part_stride) {
  const long id = get_group_id(0);
  const int q0 = min((int)(id % tap_tiles) * TQ, kw - TQ);
  const int p = (int)(id / tap_tiles % kh);
  const int c0 = min((int)(id / tap_tiles / kh % channel_tiles) * TC, channels - TC);
  const long outer = id / tap_tiles / kh / channel_tiles;
  const int block = (int)(outer % (blocks_per_group * groups));
  const long part = outer / (blocks_per_group * groups);
  const int group_index = block / blocks_per_group;
  const long rows = (long)images * oh;
  const long first = part * rows_per_part;
  const long last = min(first + rows_per_part, rows);

  floatv acc[TAPS][KV];
#pragma unroll
  for (int t = 0; t < TAPS; ++t) {
#pragma unroll
    for (int v = 0; v < KV; ++v) acc[t][v] = (floatv)(0.0f);
  }
  for (long row = first; row < last; ++row) {
    const long image = row / oh;
    const int i = (int)(row % oh);
    global const float* line = x + ((image * groups + group_index) * channels + c0) * plane +
                               (long)(i * SH + p * DH) * pitch + q0 * DW;
    global const float* gradient = packed + ((long)block * rows + row) * ow * BLOCK;
    for (int j = 0; j < ow; ++j, line += SW, gradient += BLOCK) {
      floatv dy[KV];
#pragma unroll
      for (int v = 0; v < KV; ++v) dy[v] = LOAD_V(gradient + v * VW);
#pragma unroll
      for (int t = 0; t < TAPS; ++t) {
        const floatv pixel = (floatv)(line[t / TQ * plane + t % TQ * DW]);
#pragma unroll
        for (int v = 0; v < KV; ++v) acc[t][v] = fma(dy[v], pixel, acc[t][v]);
      }
    }
  }

  // Filter by filter, so that the taps of one filter are stored together.
  const int first_filter = block % blocks_per_group * BLOCK;
  const int filter_size = channels * kh * kw;
  global float* out = result + part * part_stride +
                      ((long)group_index * filters + first_filter) * filter_size +
                      (c0 * kh + p) * kw + q0;
#pragma unroll
  for (int v = 0; v < KV; ++v) {
    float values[TAPS * VW];
#pragma unroll
    for (int t = 0; t < TAPS; ++t) STORE_V(acc[t][v], values + t * VW);
    for (int f = 0; f < VW && first_filter + v * VW + f < filters; ++f) {
      global float* filter = out + (long)(v * VW + f) * filter_size;
#pragma unroll
      for (int t = 0; t < TAPS; ++t) filter[t / TQ * kh * kw + t % TQ] = values[t * VW + f];
    }
  }
}
#endif  // KV

#ifdef MR
// ---- pixels --------------------------------------------------------------------------------------
//
//   dy rows (padded to whole vectors): MR filters      x (padding written out): one channel, TP x TQ taps
//     [ floatv ] ->                                      [ floatv ] at each tap
//
// Per vector of pixels: MR + TP*TQ vector loads (SW == 2: two each for x), MR*TP*TQ fused multiply-adds;
// the lanes are added up at the end.

#define TAPS (TP * TQ)

#if SW == 1
#define LOAD_PIXELS(pointer) LOAD_V(pointer)
#else
floatv load_even(global const float* pointer) {
  const floatv a = LOAD_V(pointer);
  const floatv b = LOAD_V(pointer + VW);
  floatv r;
  r.lo = a.even;
  r.hi = b.even;
  return r;
}
#define LOAD_PIXELS(pointer) load_even(pointer)
#endif

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void weights_pixels(global const float* restrict x, global const float* restrict dy,
                    global float* restrict result, int images, int channels, int kh, int kw,
                    int pitch, long plane, int oh, int ow, int dy_pitch, long dy_plane, int filters,
                    int groups, int filter_tiles, int row_tiles, int tap_tiles, long rows_per_part,
                    long part_stride) {
  const long id = get_group_id(0);
  const int q0 = min((int)(id % tap_tiles) * TQ, kw - TQ);
  const int p0 = min((int)(id / tap_tiles % row_tiles) * TP, kh - TP);
  const int channel = (int)(id / tap_tiles / row_tiles % channels);
  const long outer = id / tap_tiles / row_tiles / channels;
  const int f0 = min((int)(outer % filter_tiles) * MR, filters - MR);
  const int group_index = (int)(outer / filter_tiles % groups);
  const long part = outer / filter_tiles / groups;
  const long rows = (long)images * oh;
  const long first = part * rows_per_part;
  const long last = min(first + rows_per_part, rows);

  floatv acc[MR][TAPS];
#pragma unroll
  for (int m = 0; m < MR; ++m) {
#pragma unroll
    for (int t = 0; t < TAPS; ++t) acc[m][t] = (floatv)(0.0f);
  }
  for (long row = first; row < last; ++row) {
    const long image = row / oh;
    const int i = (int)(row % oh);
    global const float* line = x + ((image * groups + group_index) * channels + channel) * plane +
                               (long)(i * SH + p0 * DH) * pitch + q0 * DW;
    global const float* gradient =
        dy + ((image * groups + group_index) * filters + f0) * dy_plane + (long)i * dy_pitch;
    for (int j = 0; j < ow; j += VW) {
      floatv g[MR];
#pragma unroll
      for (int m = 0; m < MR; ++m) g[m] = LOAD_V(gradient + m * dy_plane + j);
#pragma unroll
      for (int t = 0; t < TAPS; ++t) {
        const floatv pixels =
            LOAD_PIXELS(line + t / TQ * DH * pitch + t % TQ * DW + j * SW);
#pragma unroll
        for (int m = 0; m < MR; ++m) acc[m][t] = fma(g[m], pixels, acc[m][t]);
      }
    }
  }
#pragma unroll
  for (int m = 0; m < MR; ++m) {
    global float* filter =
        result + part * part_stride +
        (((long)group_index * filters + f0 + m) * channels + channel) * kh * kw;
#pragma unroll
    for (int t = 0; t < TAPS; ++t) {
      float lanes[VW];
      STORE_V(acc[m][t], lanes);
      float sum = 0.0f;
#pragma unroll
      for (int lane = 0; lane < VW; ++lane) sum += lanes[lane];
      filter[(p0 + t / TQ) * kw + q0 + t % TQ] = sum;
    }
  }
}
#endif  // MR
