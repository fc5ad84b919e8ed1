// Implicit GEMM for the weight gradient: dw (filters x channels*kh*kw) = dy (filters x pixels) times the
// patches of x (pixels x channels*kh*kw), gathered while multiplying. The reduction runs over all pixels
// of all images; it can be split into parts, whose sums another kernel adds in a fixed order.
//
//   BM BN BK TM TN   tile     GPUs: tiles of both matrices in local memory (see common.cl)
//   BUFFERS
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
//   A: dy, BM filters x BK pixels        B: patches, BK pixels x BN columns, one per channel and tap
//
// Neighbours fetch neighbouring pixels: BK of them of one filter of A, of one column of B, of ROWS at once. What a column
// is stays in local memory. Lines of the tiles are a float4 longer, so that what a filter's or column's neighbours store
// meets different banks.

#define ROWS (ITEMS / BK)
#define A_FETCHES (BM / ROWS)
#define B_FETCHES (BN / ROWS)

#define FETCH()                                                                                \
  {                                                                                            \
    const int inside = pixel < last;                                                           \
    const long gradient = first_dy + image * dy_image + i * ow + j;                            \
    _Pragma("unroll") for (int f = 0; f < A_FETCHES; ++f) {                                    \
      const int m = fetch_row + f * ROWS;                                                      \
      const long at = gradient + (long)m * image_pixels;                                       \
      next_a[f] = inside && m0 + m < filters ? MASKED(dy, y_mask, at) : 0.0f;                  \
    }                                                                                          \
    const long patch = image * x_image + (long)(i * SH) * w + j * SW;                          \
    _Pragma("unroll") for (int f = 0; f < B_FETCHES; ++f) {                                    \
      const int2 tap = taps[fetch_row + f * ROWS];                                             \
      const int line = i * SH + tap.x;                                                         \
      const int column = j * SW + tap.y;                                                       \
      const int real = inside && line >= 0 && line < h && column >= 0 && column < w;           \
      next_b[f] = real ? GET(x, patch + starts[fetch_row + f * ROWS]) : 0.0f;                  \
    }                                                                                          \
    pixel += BK;                                                                               \
    ADVANCE(image, i, j, oh, ow, step_image, step_i, step_j)                                   \
  }

#define KEEP(buffer)                                                                           \
  {                                                                                            \
    local float* a_line = (local float*)A[buffer][fetch_k] + fetch_row;                        \
    local float* b_line = (local float*)B[buffer][fetch_k] + fetch_row;                        \
    _Pragma("unroll") for (int f = 0; f < A_FETCHES; ++f) a_line[f * ROWS] = next_a[f];        \
    _Pragma("unroll") for (int f = 0; f < B_FETCHES; ++f) b_line[f * ROWS] = next_b[f];        \
  }

#define MULTIPLY_BUFFER(buffer) MULTIPLY_TILES(acc, A[buffer], B[buffer])

// step_*: BK pixels further, as images, rows and columns.
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void weights_tile(global const element* restrict x, global const element* restrict dy,
                  global const element* restrict y_mask, global float* restrict result, int channels,
                  int h, int w, int filters, int kh, int kw, int pt, int pl, int oh, int ow,
                  int groups, long pixels, long pixels_per_part, int filter_tiles, int column_tiles,
                  int step_image, int step_i, int step_j, long part_stride) {
  local float4 A[BUFFERS][BK][BM / 4 + 1];
  local float4 B[BUFFERS][BK][BN / 4 + 1];
  local long starts[BN];
  local int2 taps[BN];
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
  const long dy_image = (long)groups * filters * image_pixels;
  const long x_image = (long)groups * channels * h * w;
  const long first = part * pixels_per_part;
  const long last = min(first + pixels_per_part, pixels);
  const int steps = (int)((last - first + BK - 1) / BK);

  // Columns behind the last one see no row of x.
  for (int n = item; n < BN; n += ITEMS) {
    const int column = n0 + n;
    const int tap_y = column / kw % kh * DH - pt;
    const int tap_x = column % kw * DW - pl;
    starts[n] = (((long)group_index * channels + column / (kh * kw)) * h + tap_y) * w + tap_x;
    taps[n] = (int2)(column < columns ? tap_y : -INT_MAX / 2, tap_x);
  }
  barrier(CLK_LOCAL_MEM_FENCE);

  const int fetch_k = item % BK;
  const int fetch_row = item / BK;
  const long first_dy = ((long)group_index * filters + m0) * image_pixels;
  long pixel = first + fetch_k;
  long image = pixel / image_pixels;
  int i = (int)(pixel % image_pixels) / ow;
  int j = (int)(pixel % image_pixels) % ow;

  float4 acc[TM][TN / 4];
#pragma unroll
  for (int a = 0; a < TM; ++a) {
#pragma unroll
    for (int c = 0; c < TN / 4; ++c) acc[a][c] = (float4)(0.0f);
  }
  float next_a[A_FETCHES], next_b[B_FETCHES];
  FOR_EACH_STEP(0, steps, FETCH, KEEP, MULTIPLY_BUFFER)

#pragma unroll
  for (int a = 0; a < TM; ++a) {
    const int filter = m0 + TILE_ROW(a);
    if (filter < filters) {
      global float* out =
          result + part * part_stride + ((long)group_index * filters + filter) * columns;
#pragma unroll
      for (int c = 0; c < TN / 4; ++c) {
        const int n = n0 + TILE_COLUMN(4 * c);
        store_some(acc[a][c], out + n, columns - n);
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
