// parts: vectors mask local_tile
// Implicit GEMM for the weight gradient: dw (filters x channels*kh*kw) = dy (filters x pixels) times the
// patches of x (pixels x channels*kh*kw), gathered while multiplying. The reduction runs over all pixels
// of all images; it can be split into parts, whose sums another kernel adds in a fixed order.
//
//   BM BN BK TM TN   tile     GPUs: tiles of both matrices in local memory (see parts/local_tile.cl)
//   BUFFERS
//   KV TC TQ VW      filters  CPUs: vectors along the filters, a register tile of TC channels x TQ taps
//                             of a filter row
//   MR TP TQ VW      pixels   CPUs: vectors along the pixels of a row, a register tile of MR filters x
//                             TP x TQ taps of one channel; for few filters per group
//   MR NE DEPTH VW   planes   CPUs: vectors along the pixels of an image, a register tile of MR filters x
//   ELEMENT_TILES             NE patch elements; nothing is copied before, for small patches
//   KV TF DEPTH VW   patches  CPUs: vectors along the elements of a patch, a register tile of TF filters x
//                             KV vectors; nothing is copied before, for many filters or few pixels
//
// Class macros: SH SW DH DW, MASK and STORAGE_.. (tile only: the others read floats that are masked already). All
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

#if defined(KV) && !defined(TF)
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

#ifdef TP
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
#endif  // TP

#if defined(NE) || defined(TF)
// ---- what `planes` and `patches` share -------------------------------------------------------------
// SW: 1, 2, or 0 for any.

typedef CLCONV_PASTE(int, VW) intv;
typedef CLCONV_PASTE(uint, VW) uintv;
#define AS_UINT(value) CLCONV_PASTE(as_uint, VW)(value)
// Moved in one piece, see parts/local_tile.cl.
typedef struct __attribute__((packed)) { floatv v; } packed_floatv;
#define IN_ONE_PIECE(space, pointer) (((space packed_floatv*)(pointer))->v)
#endif

#ifdef NE
// ---- planes --------------------------------------------------------------------------------------
//
//   dy, as it lies: MR filters      rows of patch elements, local: NE at a time      registers, floatv each
//     [ floatv ] ->                   element [ DEPTH pixels ]                         acc[MR][NE]
//                                       |     [              ]
//                                       v
//
// Per vector of pixels: MR + NE vector loads, MR*NE fused multiply-adds; the lanes are added up once per
// DEPTH pixels. A work-group takes up to ELEMENT_TILES tiles of patch elements (channel, row, column of the
// filter) to a run of filters, some pieces of images at a time. The padding is zeroes in the rows. Where the pixels
// of an image are no whole vectors, the last vector starts earlier, with zeroes for what the one before has done.
//
// An image has VW pixels or more.

#define ROW (DEPTH + VW)
#define SUMS ((MR * NE + VW - 1) / VW * VW)
#if VW == 16
#define LANES ((int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#elif VW == 8
#define LANES ((int8)(0, 1, 2, 3, 4, 5, 6, 7))
#else
#define LANES ((int4)(0, 1, 2, 3))
#endif

#if SW == 2
inline floatv get_pixels(global const element* pointer) {
  const floatv a = GET_V(pointer);
  const floatv b = GET_V(pointer + VW);
  floatv r;
  r.lo = a.even;
  r.hi = b.even;
  return r;
}
#else
#define get_pixels(pointer) GET_V(pointer)
#endif

// Half as many vectors of partial sums, twice as many results in each. The first time by halves: of neighbours LLVM
// makes horizontal additions, which reach 16 registers only, and confines the sums to those from the beginning.
inline floatv fold_halves(const floatv a, const floatv b) {
  floatv r;
  r.lo = a.lo + a.hi;
  r.hi = b.lo + b.hi;
  return r;
}
inline floatv fold_pairs(const floatv a, const floatv b) {
  floatv r;
  r.lo = a.even + a.odd;
  r.hi = b.even + b.odd;
  return r;
}
#define FOLD_LANES(fold, count) \
  _Pragma("unroll") for (int s = 0; s < (count) / 2; ++s) sums[s] = fold(sums[2 * s], sums[2 * s + 1]);

// The `vectors` of an image are cut into `pieces` of `piece`; `at_once` pieces fit DEPTH pixels. runs: that the tiles of
// filters are divided into. x_elements: of all of x.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void weights_planes(global const element* restrict x, global const float* restrict dy,
                    global float* restrict result, long x_elements, int channels, int h, int w,
                    int filters, int kh, int kw, int pt, int pl, int sh, int sw, int dh, int dw,
                    int oh, int ow, int groups, int blocks, int runs, int vectors, int pieces,
                    int piece, int at_once, long all_pieces, long pieces_per_part,
                    long part_stride) {
  local float block[ELEMENT_TILES * NE * ROW + VW] __attribute__((aligned(64)));
  const long id = get_group_id(0);
  const int block_index = (int)(id % blocks);
  const int run_index = (int)(id / blocks % runs);
  const int group_index = (int)(id / blocks / runs % groups);
  const long part = id / blocks / runs / groups;
  const int patch = channels * kh * kw;
  const int element_tiles = (patch + NE - 1) / NE;
  const int e0 = (int)((long)element_tiles * block_index / blocks) * NE;
  const int elements = (int)((long)element_tiles * (block_index + 1) / blocks) * NE - e0;
  const int tiles = (filters + MR - 1) / MR;
  const int first_tile = (int)((long)tiles * run_index / runs);
  const int last_tile = (int)((long)tiles * (run_index + 1) / runs);
  const int image_pixels = oh * ow;
  const long first = part * pieces_per_part;
  const long last = min(first + pieces_per_part, all_pieces);

  for (long piece0 = first; piece0 < last; piece0 += at_once) {
    const int count = (int)min((long)at_once, last - piece0);
    for (int e = 0; e < elements; ++e) {
      // Elements behind the last see no row of x.
      const int element_index = min(e0 + e, patch - 1);
      const int tap_y = e0 + e < patch ? element_index / kw % kh * dh - pt : -INT_MAX / 2;
      const int tap_x = element_index % kw * dw - pl;
      local float* out = block + e * ROW;
      for (int s = 0; s < count; ++s) {
        const long image = (piece0 + s) / pieces;
        const int q0 = (int)((piece0 + s) % pieces) * piece;
        const int end = min((q0 + piece) * VW, image_pixels);
        const long plane =
            ((image * groups + group_index) * channels + element_index / (kh * kw)) * h * w;
        int i = q0 * VW / ow;
        int j = q0 * VW % ow;
        for (int t = q0 * VW; t < end;) {
          const int run = min(ow - j, end - t);
          const int line = i * sh + tap_y;
          const int column = j * sw + tap_x;
          const long from = plane + (long)line * w + column;
          if (line < 0 || line >= h) {
            for (int r = 0; r < run; r += VW) IN_ONE_PIECE(local, out + r) = (floatv)(0.0f);
#if SW > 0
          } else if (from >= 0 && from + (run + VW - 1) / VW * VW * SW <= x_elements) {
            const intv columns = LANES * SW + column;
            for (int r = 0; r < run; r += VW) {
              const floatv value = get_pixels(x + from + r * SW);
              IN_ONE_PIECE(local, out + r) =
                  AS_UINT(columns + r * SW) < (uintv)(w) ? value : (floatv)(0.0f);
            }
#endif
          } else {
            for (int r = 0; r < run; ++r) {
              const int at = column + r * sw;
              out[r] = at >= 0 && at < w ? GET(x, from + r * sw) : 0.0f;
            }
          }
          t += run;
          out += run;
          j = 0;
          ++i;
        }
        const int odd = end % VW;
        if (odd > 0) {
          out += VW - odd;
          const floatv value = LOAD_V(out - VW - (VW - odd));
          IN_ONE_PIECE(local, out - VW) = LANES >= VW - odd ? value : (floatv)(0.0f);
        }
      }
    }

    for (int e = 0; e < elements; e += NE) {
      for (int tile = first_tile; tile < last_tile; ++tile) {
        // The last tile overlaps the one before, whose filters it does not store.
        const int f0 = min(tile * MR, filters - MR);
        floatv acc[MR][NE];
#pragma unroll
        for (int m = 0; m < MR; ++m) {
#pragma unroll
          for (int n = 0; n < NE; ++n) acc[m][n] = (floatv)(0.0f);
        }
        local const float* rows = block + e * ROW;
        for (int s = 0; s < count; ++s) {
          const long image = (piece0 + s) / pieces;
          const int q0 = (int)((piece0 + s) % pieces) * piece;
          const int q1 = min(q0 + piece, vectors);
          global const float* gradient =
              dy + ((image * groups + group_index) * filters + f0) * image_pixels;
          for (int q = q0; q < q1; ++q, rows += VW) {
            const long at = min(q * VW, image_pixels - VW);
            floatv g[MR];
#pragma unroll
            for (int m = 0; m < MR; ++m) g[m] = LOAD_V(gradient + (long)m * image_pixels + at);
#pragma unroll
            for (int n = 0; n < NE; ++n) {
              const floatv pixels = LOAD_V(rows + n * ROW);
#pragma unroll
              for (int m = 0; m < MR; ++m) acc[m][n] = fma(g[m], pixels, acc[m][n]);
            }
          }
        }
        floatv sums[SUMS];
#pragma unroll
        for (int s = 0; s < SUMS; ++s) {
          sums[s] = s < MR * NE ? acc[s / NE % MR][s % NE] : (floatv)(0.0f);
        }
        FOLD_LANES(fold_halves, SUMS)
        FOLD_LANES(fold_pairs, SUMS / 2)
#if VW >= 8
        FOLD_LANES(fold_pairs, SUMS / 4)
#endif
#if VW >= 16
        FOLD_LANES(fold_pairs, SUMS / 8)
#endif
        float values[SUMS];
#pragma unroll
        for (int s = 0; s < SUMS / VW; ++s) STORE_V(sums[s], values + s * VW);
        for (int m = tile * MR - f0; m < MR; ++m) {
          global float* to = result + part * part_stride +
                             ((long)group_index * filters + f0 + m) * patch + e0 + e;
          const int real = min(NE, patch - e0 - e);
          for (int n = 0; n < real; ++n) {
            to[n] = values[m * NE + n] + (piece0 == first ? 0.0f : to[n]);
          }
        }
      }
    }
  }
}
#endif  // NE

#ifdef TF
// ---- patches -------------------------------------------------------------------------------------
//
//   patches of DEPTH pixels, local:               dy, as it lies         registers, floatv each
//     pixel [ KV vectors of patch elements ]        TF filters, one        acc[TF][KV]
//       |   [                              ]        pixel of each
//       v
//
// Per pixel: KV vector loads, TF scalar broadcasts, TF*KV fused multiply-adds. A work-group takes a block of
// patch elements (channel, row, column of the filter) to a run of filters, DEPTH pixels at a time, and adds up in
// the result, where its vectors lie as they are. The padding is zeroes in the patches. With many pixels and few
// filters `filters` does less: each pixel of x is copied here once per tap.

#define BLOCK (VW * KV)
#define LOAD_I(pointer) CLCONV_PASTE(vload, VW)(0, pointer)

// Patches are transposed four pixels at a time: a quad is four pixels of one element, a vector has the quads of
// every fourth element, so that what remains are transpositions of 4 x 4 within the quarters of four vectors.
#if VW == 16
#define EVEN s02468ace
#define ODD s13579bdf
#define LOWER s014589cd
#define UPPER s2367abef
#elif VW == 8
#define EVEN s0246
#define ODD s1357
#define LOWER s0145
#define UPPER s2367
#else
#define EVEN s02
#define ODD s13
#define LOWER s01
#define UPPER s23
#endif
#define QUAD(e) (pointer + offsets[e])
#if SW == 1
inline floatv get_quads(global const element* pointer, local const int* offsets) {
#if VW == 16
  return (floatv)(GET_N(4, QUAD(0)), GET_N(4, QUAD(4)), GET_N(4, QUAD(8)), GET_N(4, QUAD(12)));
#elif VW == 8
  return (floatv)(GET_N(4, QUAD(0)), GET_N(4, QUAD(4)));
#else
  return GET_N(4, QUAD(0));
#endif
}
#elif SW == 2
inline floatv get_quads(global const element* pointer, local const int* offsets) {
#if VW == 16
  floatv r;
  r.lo = ((float16)(GET_N(8, QUAD(0)), GET_N(8, QUAD(4)))).even;
  r.hi = ((float16)(GET_N(8, QUAD(8)), GET_N(8, QUAD(12)))).even;
  return r;
#elif VW == 8
  return ((float16)(GET_N(8, QUAD(0)), GET_N(8, QUAD(4)))).even;
#else
  return GET_N(8, QUAD(0)).even;
#endif
}
#endif

// runs: that the tiles of filters are divided into. step: pixels that are multiplied at a time, at most DEPTH.
// x_elements: of all of x.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void weights_patches(global const element* restrict x, global const float* restrict dy,
                     global float* restrict result, long x_elements, int channels, int h, int w,
                     int filters, int kh, int kw, int pt, int pl, int sh, int sw, int dh, int dw,
                     int oh, int ow, int groups, int blocks, int runs, long pixels,
                     long pixels_per_part, int step, long part_stride) {
  // A run is transposed in quads, the last of which may reach beyond the pixels.
  local float block[(DEPTH + 3) * BLOCK] __attribute__((aligned(64)));
  local int offsets[BLOCK];
  local int lines[BLOCK];
  local int columns[BLOCK];
  // The same for the lanes of quads.
  local int quad_lines[4 * BLOCK];
  local int quad_columns[4 * BLOCK];
  const long id = get_group_id(0);
  const int e0 = (int)(id % blocks) * BLOCK;
  const int run_index = (int)(id / blocks % runs);
  const int group_index = (int)(id / blocks / runs % groups);
  const long part = id / blocks / runs / groups;
  const int tiles = (filters + TF - 1) / TF;
  const int first_tile = (int)((long)tiles * run_index / runs);
  const int last_tile = (int)((long)tiles * (run_index + 1) / runs);
  const int patch = channels * kh * kw;
  const int image_pixels = oh * ow;
  const long first = part * pixels_per_part;
  const long last = min(first + pixels_per_part, pixels);

  // Elements behind the last see no row of x.
  for (int e = 0; e < BLOCK; ++e) {
    const int at = min(e0 + e, patch - 1);
    const int line = at / kw % kh * dh - pt;
    columns[e] = at % kw * dw - pl;
    offsets[e] = (at / (kh * kw) * h + line) * w + columns[e];
    lines[e] = e0 + e < patch ? line : -INT_MAX / 2;
  }
  for (int at = 0; at < 4 * BLOCK; ++at) {
    const int lane = at % VW;
    const int e = at / (4 * VW) * VW + lane / 4 * 4 + at / VW % 4;
    quad_lines[at] = lines[e];
    quad_columns[at] = columns[e] + lane % 4 * sw;
  }
  int least = offsets[0];
  int most = offsets[0];
  for (int e = 1; e < BLOCK; ++e) {
    least = min(least, offsets[e]);
    most = max(most, offsets[e]);
  }

  for (long t0 = first; t0 < last; t0 += step) {
    const int count = (int)min((long)step, last - t0);
    const long image0 = t0 / image_pixels;
    const int pixel0 = (int)(t0 % image_pixels);

    long image = image0;
    int i = pixel0 / ow;
    int j = pixel0 % ow;
    for (int t = 0; t < count;) {
      const int run = min(ow - j, count - t);
      const long from = (image * groups + group_index) * channels * h * w + (long)i * sh * w + j * sw;
      local float* out = block + t * BLOCK;
#if SW > 0
      if (from + least >= 0 && from + most + (run + 3) / 4 * 4 * SW <= x_elements) {
#pragma unroll
        for (int v = 0; v < KV; ++v) {
          intv starts[4];  // columns of the first quads; far out where the row is
#pragma unroll
          for (int k = 0; k < 4; ++k) {
            const intv line = i * sh + LOAD_I(quad_lines + (v * 4 + k) * VW);
            const intv column = j * SW + LOAD_I(quad_columns + (v * 4 + k) * VW);
            starts[k] = line >= 0 && line < h ? column : (intv)(INT_MIN / 2);
          }
          for (int r = 0; r < run; r += 4) {
            floatv quads[4];
#pragma unroll
            for (int k = 0; k < 4; ++k) {
              const floatv q = get_quads(x + from + r * SW, offsets + v * VW + k);
              quads[k] = AS_UINT(starts[k] + r * SW) < (uintv)(w) ? q : (floatv)(0.0f);
            }
#pragma unroll
            for (int half_quad = 0; half_quad < 2; ++half_quad) {
              floatv ab, cd, even, odd;
              ab.EVEN = half_quad == 0 ? quads[0].LOWER : quads[0].UPPER;
              ab.ODD = half_quad == 0 ? quads[1].LOWER : quads[1].UPPER;
              cd.EVEN = half_quad == 0 ? quads[2].LOWER : quads[2].UPPER;
              cd.ODD = half_quad == 0 ? quads[3].LOWER : quads[3].UPPER;
              even.LOWER = ab.LOWER;
              even.UPPER = cd.LOWER;
              odd.LOWER = ab.UPPER;
              odd.UPPER = cd.UPPER;
              local float* to = out + (r + 2 * half_quad) * BLOCK + v * VW;
              IN_ONE_PIECE(local, to) = even;
              IN_ONE_PIECE(local, to + BLOCK) = odd;
            }
          }
        }
      } else
#endif
      {
        for (int e = 0; e < BLOCK; ++e) {
          const int line = i * sh + lines[e];
          const int real = line >= 0 && line < h;
          for (int r = 0; r < run; ++r) {
            const int column = (j + r) * sw + columns[e];
            out[r * BLOCK + e] =
                real && column >= 0 && column < w ? GET(x, from + offsets[e] + r * sw) : 0.0f;
          }
        }
      }
      t += run;
      j += run;
      if (j == ow) {
        j = 0;
        if (++i == oh) {
          i = 0;
          ++image;
        }
      }
    }

    for (int tile = first_tile; tile < last_tile; ++tile) {
      // The last tile overlaps the one before, whose filters it does not store.
      const int f0 = min(tile * TF, filters - TF);
      const int stored = tile * TF - f0;
      floatv acc[TF][KV];
#pragma unroll
      for (int m = 0; m < TF; ++m) {
#pragma unroll
        for (int v = 0; v < KV; ++v) acc[m][v] = (floatv)(0.0f);
      }
      long segment_image = image0;
      int segment_pixel = pixel0;
      local const float* patches = block;
      for (int t = 0; t < count;) {
        const int run = min(image_pixels - segment_pixel, count - t);
        global const float* gradient =
            dy + ((segment_image * groups + group_index) * filters + f0) * image_pixels + segment_pixel;
        for (int k = 0; k < run; ++k, ++gradient, patches += BLOCK) {
          floatv values[KV];
#pragma unroll
          for (int v = 0; v < KV; ++v) values[v] = LOAD_V(patches + v * VW);
#pragma unroll
          for (int m = 0; m < TF; ++m) {
            const floatv g = (floatv)(gradient[(long)m * image_pixels]);
#pragma unroll
            for (int v = 0; v < KV; ++v) acc[m][v] = fma(values[v], g, acc[m][v]);
          }
        }
        t += run;
        segment_pixel = 0;
        ++segment_image;
      }
      global float* out = result + part * part_stride +
                          ((long)group_index * filters + f0) * patch + e0;
      if (e0 + BLOCK <= patch) {
#pragma unroll
        for (int m = 0; m < TF; ++m) {
          if (m < stored) continue;
#pragma unroll
          for (int v = 0; v < KV; ++v) {
            global float* at = out + (long)m * patch + v * VW;
            IN_ONE_PIECE(global, at) =
                t0 == first ? acc[m][v] : IN_ONE_PIECE(global, at) + acc[m][v];
          }
        }
      } else {
        float values[TF * BLOCK];
#pragma unroll
        for (int m = 0; m < TF; ++m) {
#pragma unroll
          for (int v = 0; v < KV; ++v) STORE_V(acc[m][v], values + m * BLOCK + v * VW);
        }
        for (int m = stored; m < TF; ++m) {
          global float* at = out + (long)m * patch;
          for (int e = 0; e < patch - e0; ++e) {
            at[e] = values[m * BLOCK + e] + (t0 == first ? 0.0f : at[e]);
          }
        }
      }
    }
  }
}
#endif  // TF
