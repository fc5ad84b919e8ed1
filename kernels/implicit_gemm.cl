// parts: vectors row_end transpose epilogue mask prefetch local_tile
// Implicit GEMM: a correlation (a forward convolution, or a phase of a data gradient: see
// src/ops/correlation.hpp) as a matrix product whose im2col matrix is gathered while multiplying and
// never stored. Three bodies for the same product, chosen by which macros the config has:
//
//   BM BN BK TM TN   tile     GPUs: tiles of both matrices in local memory (see parts/local_tile.cl), a register
//   BUFFERS GATHER PARTIAL    micro-tile per work-item.
//   KV TH TW VW SUMS filters  CPUs: one work-item per work-group, explicit vectors along the
//                             filters, a register tile of pixels.
//   MR NV VW STAGE   pixels   CPUs: the same with vectors along the pixels of a row; for few filters
//                             per group and short reductions.
//   MR NV VW PATCH   patches  CPUs: the same, the pixels of some rows or images gathered in local memory
//   SUMS SCATTER              first; for small images, short reductions, and CPUs with few registers.
//
// Class macros: SH SW DH DW (stride, dilation: as arguments they cost 1.9x on PoCL 3.1), CHANNELS_LAST (of input
// and result), BIAS, RESIDUAL, ACTIVATION, MASK (the input is a gradient that counts only where y > 0), ACCUMULATE
// (add to the result), STORAGE_... All sizes are arguments, so one binary serves every size of a class. No
// early returns: PoCL 3.1 aborts on one before a barrier.
//
// Result (i,j) of a filter goes to image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step,
// filters counted over all groups; the residual lies as the result does.

#ifdef BM
// ---- tile ----------------------------------------------------------------------------------------
//
// A: packed weights, BM filters of BK products as they lie. B: BK products of BN pixels (of images*oh*ow), gathered:
//   GATHER 0: an element at a time, neighbours take neighbouring pixels
//          1: four pixels at a time; one tap, stride 1, no padding, rows of a multiple of 4, out_step 1
//          2: four channels at a time; CHANNELS_LAST, channels a multiple of 4
// Products are counted (outer, middle, inner): (channel, tap row, tap column), CHANNELS_LAST (tap row, tap column,
// channel). PARTIAL: each of several work-groups sums some of the products of a tile and leaves the floats in `partial`,
// to be added up, in their order, by implicit_gemm_fold.

#define PRODUCTS (GATHER == 2 ? 4 : 1)                // of a fetch
#define FETCH_COLUMNS (GATHER == 1 ? BN / 4 : BN)
#define FETCH_ROWS (ITEMS / FETCH_COLUMNS * PRODUCTS)  // products that all work-items together fetch at once
#define FETCHES (BK / FETCH_ROWS)
#define A_FETCHES (BK * BM / 4 / ITEMS)
#define PANEL 8  // tiles of filters that stay in the second cache while the pixels pass

#if GATHER == 0
typedef float fetched;
#define FETCHED(at) MASKED(x, y_mask, at)
#else
typedef float4 fetched;
#if MASK
#define FETCHED(at) (GET_V(y_mask + (at)) > 0.0f ? GET_V(x + (at)) : (float4)(0.0f))
#else
#define FETCHED(at) GET_V(x + (at))
#endif
#endif

#if CHANNELS_LAST
#define TAP_ROW outer_r
#define TAP_COLUMN middle_r
#else
#define TAP_ROW middle_r
#define TAP_COLUMN inner_r
#endif

#define FETCH()                                                                                  \
  _Pragma("unroll") for (int f = 0; f < A_FETCHES; ++f) {                                        \
    next_a[f] = vload4(item + f * ITEMS, weights);                                               \
  }                                                                                              \
  weights += BK * BM;                                                                            \
  _Pragma("unroll") for (int f = 0; f < FETCHES; ++f) {                                          \
    const int line = first_line + TAP_ROW * DH;                                                  \
    const int column = first_column + TAP_COLUMN * DW;                                           \
    const int inside = fetch_inside && outer_r < outer && line >= 0 && line < in_h &&            \
                       column >= 0 && column < in_w;                                             \
    const long at = first_x + outer_r * outer_step + middle_r * middle_step +                    \
                    inner_r * inner_step;                                                        \
    next_b[f] = inside ? FETCHED(at) : (fetched)(0.0f);                                          \
    ADVANCE(outer_r, middle_r, inner_r, middle, inner, fetch_outer, fetch_middle, fetch_inner)   \
  }

#if GATHER == 2
#define KEEP_B(buffer, row, value)                      \
  {                                                     \
    local float* to = (local float*)B[buffer][row] + fetch_n; \
    to[0] = value.s0;                                   \
    to[BN] = value.s1;                                  \
    to[2 * BN] = value.s2;                              \
    to[3 * BN] = value.s3;                              \
  }
#elif GATHER == 1
#define KEEP_B(buffer, row, value) B[buffer][row][fetch_n / 4] = value;
#else
#define KEEP_B(buffer, row, value) ((local float*)B[buffer][row])[fetch_n] = value;
#endif

#define KEEP(buffer)                                                                           \
  _Pragma("unroll") for (int f = 0; f < A_FETCHES; ++f) {                                      \
    A[buffer][(item + f * ITEMS) / (BM / 4)][(item + f * ITEMS) % (BM / 4)] = next_a[f];       \
  }                                                                                            \
  _Pragma("unroll") for (int f = 0; f < FETCHES; ++f) KEEP_B(buffer, fetch_r + f * FETCH_ROWS, next_b[f])

#define MULTIPLY_BUFFER(buffer) MULTIPLY_TILES(acc, A[buffer], B[buffer])

#if GATHER == 1 && !PARTIAL
#define PIXELS_STORED 4  // at once
#else
#define PIXELS_STORED 1
#endif

// first_x: element of tap (0,0) of a work-item's pixel, which may lie outside. *_step: elements from one product to the
// next by counter; fetch_*: FETCH_ROWS products further.
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void implicit_gemm_tile(global const element* restrict x, global const element* restrict y_mask,
                        global const float* restrict packed, global const element* restrict b,
                        global const element* restrict r, global element* restrict result,
                        global float* restrict partial, int outer, int middle, int inner,
                        long outer_step, long middle_step, long inner_step, int fetch_outer,
                        int fetch_middle, int fetch_inner, int steps, int steps_per_part, int in_h,
                        int in_w, int top, int left, int oh, int ow, int filters, int groups,
                        long pixels, int filter_tiles, long pixel_tiles, long in_image,
                        long in_group, long in_pitch, int in_step, long out_image, long out_plane,
                        long out_offset, long out_pitch, int out_step) {
  local float4 A[BUFFERS][BK][BM / 4];
  local float4 B[BUFFERS][BK][BN / 4];
  const int item = get_local_id(0);
  const int lx = item % LX;
  const int ly = item / LX;
  // Panels of filter tiles, in them pixels, in them the panel's tiles.
  const long tiles = filter_tiles * pixel_tiles;
  const long outermost = (long)get_group_id(0) / tiles;
  const long tile = (long)get_group_id(0) % tiles;
  const int panel = (int)(tile / (PANEL * pixel_tiles)) * PANEL;
  const int panel_tiles = min(PANEL, filter_tiles - panel);
  const long in_panel = tile - panel * pixel_tiles;
  const int filter_tile = panel + (int)(in_panel % panel_tiles);
  const int group_index = (int)(outermost % groups);
  const int part = (int)(outermost / groups);
  const int m0 = filter_tile * BM;
  const long n0 = in_panel / panel_tiles * BN;
  const int first_step = part * steps_per_part;
  const int last_step = min(first_step + steps_per_part, steps);

  // Beyond the last pixel this work-item fetches zeroes.
  const int fetch_n = item % FETCH_COLUMNS * (BN / FETCH_COLUMNS);
  const int fetch_r = item / FETCH_COLUMNS * PRODUCTS;
  const int fetch_inside = n0 + fetch_n < pixels;
  const int image_pixels = oh * ow;
  const long fetch_pixel = fetch_inside ? n0 + fetch_n : 0;
  const int position = (int)(fetch_pixel % image_pixels);
  const int first_line = position / ow * SH + top;
  const int first_column = position % ow * SW + left;
  const long first_x = fetch_pixel / image_pixels * in_image + group_index * in_group +
                       first_line * in_pitch + (long)first_column * in_step;
  const int first_r = first_step * BK + fetch_r;
  int outer_r = first_r / (middle * inner);
  int middle_r = first_r / inner % middle;
  int inner_r = first_r % inner;
  global const float* weights =
      packed + (((long)group_index * filter_tiles + filter_tile) * steps + first_step) * (BK * BM);

  float4 acc[TM][TN / 4];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
#pragma unroll
    for (int j = 0; j < TN / 4; ++j) acc[i][j] = (float4)(0.0f);
  }
  float4 next_a[A_FETCHES];
  fetched next_b[FETCHES];
  FOR_EACH_STEP(first_step, last_step, FETCH, KEEP, MULTIPLY_BUFFER)

  float sums[TM][TN];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
#pragma unroll
    for (int j = 0; j < TN / 4; ++j) vstore4(acc[i][j], j, sums[i]);
  }
  const int first_filter = group_index * filters;
#pragma unroll
  for (int j = 0; j < TN; j += PIXELS_STORED) {
    const long pixel = n0 + TILE_COLUMN(j);
    const int at = (int)(pixel % image_pixels);
    const long out = pixel / image_pixels * out_image + first_filter * out_plane + out_offset +
                     at / ow * out_pitch + (long)(at % ow) * out_step;
    if (pixel < pixels) {
#if CHANNELS_LAST && !PARTIAL
#pragma unroll
      for (int i = 0; i < TM; i += 4) {
        const int filter = m0 + TILE_ROW(i);
        const int count = filters - filter;
        if (count > 0) {
          const float4 bias = BIAS ? get_some(b + first_filter + filter, count) : (float4)(0.0f);
          const float4 value = (float4)(sums[i][j], sums[i + 1][j], sums[i + 2][j], sums[i + 3][j]) +
                               bias + residual_some(r + out + filter, count);
          put_some(ACTIVATE(value), result + out + filter, count);
        }
      }
#else
#pragma unroll
      for (int i = 0; i < TM; ++i) {
        const int filter = m0 + TILE_ROW(i);
        if (filter < filters) {
#if PARTIAL
          partial[(((long)part * groups + group_index) * filters + filter) * pixels + pixel] =
              sums[i][j];
#elif PIXELS_STORED == 4
          const long to = out + filter * out_plane;
          const float4 value =
              acc[i][j / 4] + BIAS_OF(b, first_filter + filter) + RESIDUAL_V(r + to);
          const float4 activated = ACTIVATE(value);
          PUT_V(RESULT(GET_V(result + to), activated), result + to);
#else
          const long to = out + filter * out_plane;
          const float value = sums[i][j] + BIAS_OF(b, first_filter + filter) + RESIDUAL_OF(r, to);
          PUT(RESULT(GET(result, to), ACTIVATE(value)), result, to);
#endif
        }
      }
#endif
    }
  }
}

// The parts of a tile's sums, added up; all filters of all groups.
kernel void implicit_gemm_fold(global const float* restrict partial, global const element* restrict b,
                               global const element* restrict r, global element* restrict result,
                               int parts, int all_filters, long pixels, int oh, int ow,
                               long out_image, long out_plane, long out_offset, long out_pitch,
                               int out_step) {
  const long id = get_global_id(0);
  if (id >= all_filters * pixels) return;
  const int filter = (int)(id / pixels);
  const long pixel = id % pixels;
  const int at = (int)(pixel % (oh * ow));
  const long to = pixel / (oh * ow) * out_image + filter * out_plane + out_offset +
                  at / ow * out_pitch + (long)(at % ow) * out_step;
  float sum = 0.0f;
  for (int part = 0; part < parts; ++part) sum += partial[part * all_filters * pixels + id];
  const float value = sum + BIAS_OF(b, filter) + RESIDUAL_OF(r, to);
  PUT(RESULT(GET(result, to), ACTIVATE(value)), result, to);
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
// x is float whatever STORAGE_.. is: broadcasting a float16 takes three instructions.
//
// CHANNELS_LAST: the products of a tap are a run of neighbours, at distances that only the host knows from
// pixel to pixel; `channels` is the run's length, that of a whole row of taps where they are neighbours too.
// Else a tile takes a line or two of every plane, which no prefetcher of a CPU foresees: the kernel asks for those of
// the channels to come, of the results, and for the next block's weights, a share of them in every tile.

#define PIXELS (TH * TW)
#define BLOCK (VW * KV)
#define AHEAD 96  // channels; resnet50.txt's 1x1 from memory: 24 too late, 48 nearly (2-core Zen 5, 2026-11)
#define LINE 16   // floats of a cache line

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

// The results of the tile at (i0, j0), of which the tile before has those above first_i and left of first_j already.
ALWAYS_INLINE void store_tile(const floatv acc[PIXELS][KV], global const element* b,
                              global const element* r, global element* result, const long first_b,
                              const int rest, const int i0, const int j0, const int first_i,
                              const int first_j, const long first_out, const long out_plane,
                              const long out_pitch, const int out_step) {
#if CHANNELS_LAST
#pragma unroll
  for (int v = 0; v < KV; ++v) {
    const int left = rest - v * VW;
    const floatv bias = BIAS ? get_some(b + first_b + v * VW, left) : (floatv)(0.0f);
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
      const long at = first_out + i / TW * out_pitch + (long)(i % TW) * out_step + v * VW;
      const floatv value = acc[i][v] + bias + residual_some(r + at, left);
      put_some(ACTIVATE(value), result + at, left);
    }
  }
#else
  // Vectors along filters become vectors along pixels, VW x VW at a time, to be stored as rows, or one by one:
  // converted as a whole, since PoCL converts single halves in software.
#define ROW_OF(i) ((from + (i)) / TW)
#define COLUMN_OF(i) ((from + (i)) % TW)
#define PLACE(base, i) \
  (((global STORED()*)(base))[ROW_OF(i) * out_pitch + (long)COLUMN_OF(i) * out_step])
#define GATHER_V(value, base, count)                                                           \
  {                                                                                            \
    STORED(VW) there = 0;                                                                      \
    _Pragma("unroll") for (int i = 0; i < VW; ++i) {                                           \
      if (i < (count) && NEW_AT(i)) ((STORED()*)&there)[i] = PLACE(base, i);                   \
    }                                                                                          \
    value += FROM_STORED(VW, there);                                                           \
  }
#if ACCUMULATE
#define NEW_AT(i) (i0 + ROW_OF(i) >= first_i && j0 + COLUMN_OF(i) >= first_j)
#else
#define NEW_AT(i) 1
#endif
#if ACCUMULATE
  const int whole_rows = 0;
#elif TH == 1
  const int whole_rows = out_step == 1;
#else
  const int whole_rows = out_step == 1 && TW == out_pitch;
#endif
  // The filters one by one, with what each may lack, take twice the time.
  const int whole = whole_rows && rest >= BLOCK;
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
      const int first_f = v * VW;
      if (whole) {
        long line = first_out + first_f * out_plane + from;
#pragma unroll
        for (int f = 0; f < VW; ++f, line += out_plane) {
          const floatv value = TRANSPOSED(rows, other)[f] + BIAS_OF(b, first_b + first_f + f) +
                               residual_first(r + line, PIXELS - from);
          put_known(ACTIVATE(value), PIXELS - from, result + line);
        }
      } else {
        float sums[VW * VW];
#pragma unroll
        for (int f = 0; f < VW; ++f) STORE_V(TRANSPOSED(rows, other)[f], sums + f * VW);
        const int count = min(PIXELS - from, VW);
        const int there = min(rest - first_f, VW);
#pragma nounroll
        for (int f = 0; f < there; ++f) {
          const floatv sum = LOAD_V(sums + f * VW) + BIAS_OF(b, first_b + first_f + f);
          const long line = first_out + (first_f + f) * out_plane;
          if (whole_rows) {
            const floatv value = sum + residual_first(r + line + from, PIXELS - from);
            put_first(ACTIVATE(value), PIXELS - from, result + line + from);
          } else {
            floatv value = sum;
#if RESIDUAL
            GATHER_V(value, r + line, count)
#endif
            value = ACTIVATE(value);
#if ACCUMULATE
            GATHER_V(value, result + line, count)
#endif
            const STORED(VW) all = TO_STORED(VW, value);
#pragma unroll
            for (int i = 0; i < VW; ++i) {
              if (i < count && NEW_AT(i)) PLACE(result + line, i) = ((const STORED()*)&all)[i];
            }
          }
        }
      }
    }
  }
#endif  // CHANNELS_LAST
}

// x_image, plane, pitch, step: floats from one image, channel, row, column to the next.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_filters(global const float* restrict x, global const float* restrict packed,
                           global const element* restrict b, global const element* restrict r,
                           global element* restrict result, int images, int channels, int taps_h,
                           int taps_w, long x_image, long plane, int pitch, int step,
                           long x_offset, int oh, int ow, int tiles_x, int tiles, int filters,
                           int blocks_per_group, int groups, int panel, long out_image,
                           long out_plane, long out_offset, long out_pitch, int out_step) {
  // Blocks, images, tiles; or, where panel > 0, images, panels of so many tiles, blocks, tiles.
  const long id = get_group_id(0);
  const int blocks = blocks_per_group * groups;
  const long image = panel == 0 ? id / tiles % images : id / tiles / blocks;
  const int in_image = (int)(panel == 0 ? id % tiles : id - image * tiles * blocks);
  const int first_tile = panel == 0 ? 0 : in_image / (panel * blocks) * panel;
  const int panel_tiles = panel == 0 ? tiles : min(panel, tiles - first_tile);
  const int in_panel = in_image - first_tile * blocks;
  const int tile = first_tile + in_panel % panel_tiles;
  const int block = panel == 0 ? (int)(id / tiles / images) : in_panel / panel_tiles;
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
  const int first_filter = block % blocks_per_group * BLOCK;
  const long first_b = (long)group_index * filters + first_filter;
  const long first_out =
      image * out_image + first_b * out_plane + out_offset + i0 * out_pitch + (long)j0 * out_step;
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
  const int next_tile = tile + 1 < first_tile + panel_tiles ? tile + 1 : first_tile;
  const int next_i = min(next_tile / tiles_x * TH, oh - TH);
  const int next_j = min(next_tile % tiles_x * TW, ow - TW);
  const long to_next_tile = (long)((next_i - i0) * SH) * pitch + (next_j - j0) * SW;
  // Behind the last channel come those of the next tile.
  const int turn = channels - min(AHEAD, channels) - 1;
  const long at_turn = to_next_tile - (channels - 1) * plane;
  global const float* next_xp = xp + (turn < 0 ? to_next_tile : AHEAD * plane);
  const int share = (BLOCK + panel_tiles - 1) / panel_tiles;
  global const float* next_wp =
      wp + (long)channels * taps_h * taps_w * (BLOCK + (tile - first_tile) * share);
#pragma unroll
  for (int f = 0; f < BLOCK; ++f) {
    PREFETCH_TO_WRITE(result + first_out + f * out_plane + (TH - 1) * out_pitch +
                      (TW - 1) * (long)out_step);
  }
#define PREFETCH_PIXELS()                                                \
  {                                                                      \
    _Pragma("unroll") for (int i = 0; i < TH; ++i) {                     \
      _Pragma("unroll") for (int j = TW * SW - 1; j >= 0; j -= LINE) {   \
        PREFETCH(next_xp + i * SH * pitch + j);                          \
      }                                                                  \
    }                                                                    \
    next_xp += channel == turn ? at_turn : plane;                        \
  }
  if (taps_h * taps_w == 1) {  // the loops below would take as long as a small tile's products
    for (int channel = 0; channel < channels; ++channel, xp += plane, wp += BLOCK, next_wp += share) {
      PREFETCH_PIXELS()
      PREFETCH_FAR(next_wp);
      MULTIPLY(wp, xp[i / TW * SH * pitch + i % TW * SW])
    }
  } else {
    for (int channel = 0; channel < channels; ++channel, xp += plane) {
      PREFETCH_PIXELS()
      for (int p = 0; p < taps_h; ++p) {
        for (int q = 0; q < taps_w; ++q, wp += BLOCK, next_wp += share) {
          global const float* tap = xp + p * DH * pitch + q * DW;
          PREFETCH_FAR(next_wp);
          MULTIPLY(wp, tap[i / TW * SH * pitch + i % TW * SW])
        }
      }
    }
  }
#endif

  store_tile(acc, b, r, result, first_b, filters - first_filter, i0, j0, first_i, first_j, first_out,
             out_plane, out_pitch, out_step);
}

#if SUMS
// Where the weights of a tile's reduction do not stay in the first cache for the next tile: slabs of `slab` channels do, for
// all tiles of a panel of pixels, and the sums wait for the next slab in SUMS KiB of local memory. A work-item takes `run`
// blocks of filters.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_slabs(global const float* restrict x, global const float* restrict packed,
                         global const element* restrict b, global const element* restrict r,
                         global element* restrict result, int images, int channels, int taps_h,
                         int taps_w, long x_image, long plane, int pitch, int step, long x_offset,
                         int oh, int ow, int tiles_x, int tiles, int filters, int blocks_per_group,
                         int groups, int panel, long out_image, long out_plane, long out_offset,
                         long out_pitch, int out_step, int slab, int run) {
  local float sums[SUMS * 256] __attribute__((aligned(64)));
  const int panels = (tiles + panel - 1) / panel;
  const int runs = (blocks_per_group + run - 1) / run;
  const long id = get_group_id(0);  // groups, runs, images, panels: all use the weights of a run while they are near
  const int first_tile = (int)(id % panels) * panel;
  const int last_tile = min(first_tile + panel, tiles);
  const long image = id / panels % images;
  const int first_block = (int)(id / panels / images % runs) * run;
  const int last_block = min(first_block + run, blocks_per_group);
  const int group_index = (int)(id / panels / images / runs);
  const int taps = taps_h * taps_w;
  for (int channel = 0; channel < channels; channel += slab) {
    const int last_channel = min(channel + slab, channels);
    global const float* slab_xp =
        x + image * x_image + ((long)group_index * channels + channel) * plane + x_offset;
    local float* kept = sums;
    const int share = ((last_channel - channel) * taps * BLOCK + last_tile - first_tile - 1) / (last_tile - first_tile);
    for (int block = first_block; block < last_block; ++block) {
      global const float* slab_wp =
          packed + (((long)group_index * blocks_per_group + block) * channels + channel) * taps * BLOCK;
      global const float* next_wp = slab_wp + (long)channels * taps * BLOCK;
      const int first_filter = block * BLOCK;
      const long first_b = (long)group_index * filters + first_filter;
      for (int tile = first_tile; tile < last_tile; ++tile, kept += PIXELS * BLOCK) {
        const int first_i = tile / tiles_x * TH;
        const int first_j = tile % tiles_x * TW;
        const int i0 = min(first_i, oh - TH);
        const int j0 = min(first_j, ow - TW);
        floatv acc[PIXELS][KV];
        if (channel > 0) {
#pragma unroll
          for (int i = 0; i < PIXELS; ++i) {
#pragma unroll
            for (int v = 0; v < KV; ++v) acc[i][v] = LOAD_V(kept + (i * KV + v) * VW);
          }
        } else {
#pragma unroll
          for (int i = 0; i < PIXELS; ++i) {
#pragma unroll
            for (int v = 0; v < KV; ++v) acc[i][v] = (floatv)(0.0f);
          }
        }
        // A share of the next block's slab; that of the run's last block asks for nothing that comes next.
        for (int line = 0; line < share; line += LINE, next_wp += LINE) PREFETCH_FAR(next_wp);
        global const float* wp = slab_wp;
        global const float* xp = slab_xp + (long)(i0 * SH) * pitch + (long)(j0 * SW) * step;
        if (taps == 1) {
          int c = channel;
          for (; c + 4 <= last_channel; c += 4) {
#pragma unroll
            for (int u = 0; u < 4; ++u, xp += plane, wp += BLOCK) {
              MULTIPLY(wp, xp[i / TW * SH * pitch + i % TW * SW])
            }
          }
          for (; c < last_channel; ++c, xp += plane, wp += BLOCK) {
            MULTIPLY(wp, xp[i / TW * SH * pitch + i % TW * SW])
          }
        } else {
          for (int c = channel; c < last_channel; ++c, xp += plane) {
            for (int p = 0; p < taps_h; ++p) {
              for (int q = 0; q < taps_w; ++q, wp += BLOCK) {
                global const float* tap = xp + p * DH * pitch + q * DW;
                MULTIPLY(wp, tap[i / TW * SH * pitch + i % TW * SW])
              }
            }
          }
        }
        if (last_channel < channels) {
#pragma unroll
          for (int i = 0; i < PIXELS; ++i) {
#pragma unroll
            for (int v = 0; v < KV; ++v) STORE_V(acc[i][v], kept + (i * KV + v) * VW);
          }
          continue;
        }
        store_tile(acc, b, r, result, first_b, filters - first_filter, i0, j0, first_i, first_j,
                   image * out_image + first_b * out_plane + out_offset + i0 * out_pitch +
                       (long)j0 * out_step,
                   out_plane, out_pitch, out_step);
      }
    }
  }
}
#endif
#endif  // KV

#ifdef MR
#define SPAN (VW * NV)

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
#endif  // MR

#if defined(MR) && !defined(PATCH)
// ---- pixels --------------------------------------------------------------------------------------
//
//   packed weights, per block:      input (padding written out)         registers, floatv each
//     r [ MR filters ]                [ NV vectors of a row's pixels ]   acc[MR][NV]
//     |
//     v
//
// Per product: NV vector loads (SW == 2: two each, even elements kept), MR scalar broadcasts, MR*NV
// fused multiply-adds. The last tile of a row overlaps its neighbour as in `filters`; a row shorter than a tile
// is padded to it. DIRECT (with 16-bit storage): x is no float copy but the input, whose elements become floats as
// vectors at no cost. STAGE, in KiB: with one tap, the pixels of all channels come to local memory first, dense and
// as floats.

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
  // The next tile's pixels are asked for while this one's are multiplied, a vector of each channel per block.
  const int next_i = (int)((id + 1) / tiles_x % oh);
  const int next_j = max(min((int)((id + 1) % tiles_x) * SPAN, ow - SPAN), 0);
  global const input* next_pixels =
      pixels_at + (long)((next_i - i) * SH) * pitch + (next_j - j0) * SW;
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
#endif  // MR && !PATCH

#ifdef PATCH
// ---- patches -------------------------------------------------------------------------------------
//
//   packed weights, per block:      patches of the tile, in local memory           registers, floatv each
//     r [ MR filters ]                r [ pixels, row after row: SPAN, SPAN, ... ]   acc[MR][NV]
//     |                               |
//     v                               v
//
// As `pixels`, but the tile's columns of the im2col matrix are gathered once for all filters, straight from the input:
// no padded copy, no second launch, nothing to shuffle in the loop, and rows of any width lie densely, so that results go
// to memory by whole vectors. A tile is `tile_images` whole images, some whole rows of one, or a part of a row; the
// pixels of an image begin with a vector. PATCH: KiB of local memory.

// At a time: 4 of 12 multiply-adds each take 2-15 % less time than 1 (2-core Zen 3, 2026-11), 2 of 16 are level.
#if VW == 16
#define UNROLLED 1
#else
#define UNROLLED 4
#endif

// With slabs a strip stays in the first cache for all blocks; without, results go to memory row after row of a plane, which
// counts for more where reductions are short (vgg_conv1_1: 1.9 against 2.7 ms; 2-core Zen 3, 2026-11).
#define STRIPS for (int first_v = 0; first_v < all_vectors; first_v += NV)
#define BLOCKS for (int block = first_block; block < last_block; ++block)
#if SUMS
#define FOR_STRIPS_AND_BLOCKS STRIPS BLOCKS
#else
#define FOR_STRIPS_AND_BLOCKS BLOCKS STRIPS
#endif

#define KEEP(N, value, pointer) (((local CLCONV_PASTE(staged, N)*)(pointer))->v = (value))

// Vectors of N pixels of all rows of a tap, or at stride 2 of BOTH it and the next one, whose pixels lie between.
// Borders are masked before pixels are dealt out: otherwise LLVM 15 cuts the loads into halves.
#define STAGE_ROWS(N, BOTH)                                                                  \
  for (int i = 0; i < rows; ++i, to += columns, from += line) {                              \
    int##N column = first_column + LANES_##N;                                                \
    for (int t = 0; t < columns; t += N, column += N * SW) {                                 \
      DEAL(N, from + t * SW)                                                                 \
      KEEP(N, DEALT_FIRST(N), to + t);                                                       \
      if (BOTH) KEEP(N, DEALT_SECOND(N), to + pitch + t);                                    \
    }                                                                                        \
  }
#define INSIDE(N, column, at) (as_uint##N(column) < (uint)in_w ? KEPT_N(N, at) : zero)
#if SW == 1
#define DEAL(N, at) const float##N a = INSIDE(N, column, at);
#define DEALT_FIRST(N) a
#define DEALT_SECOND(N) a
#define PAIRED 0
#else
#define DEAL(N, at)                                         \
  const float##N a = INSIDE(N, column, at);                 \
  const float##N b = INSIDE(N, column + N, (at) + N);
#define DEALT_FIRST(N) ((float##N)(a.even, b.even))
#define DEALT_SECOND(N) ((float##N)(a.odd, b.odd))
#define PAIRED (DW == 1)
#endif

#define STAGE_ZEROES(N, count)                                   \
  for (int i = 0; i < (count); ++i, to += columns) {             \
    for (int t = 0; t < columns; t += N) {                       \
      KEEP(N, zero, to + t);                                     \
      if (both) KEEP(N, zero, to + pitch + t);                   \
    }                                                            \
  }

// One tap's row of patches for each channel, channel_step apart, or `both` this tap's and the next one's. Of a tile's
// rows of pixels the first `above` lie above the input, then `rows` in it, the first of them at input[at], column
// `first_column`, then `below` below it. What a row's last vector overruns is written by the next row or image; the host
// leaves room behind the last one. All channels at once, since the digits' rows are as short as a call.
#define STAGE_TAP(N)                                                                              \
  typedef struct __attribute__((packed)) { float##N v; } staged##N;                               \
  inline void stage_tap##N(global const element* restrict input, global const element* restrict y, \
                           long at, const long size, const int channels, const long in_plane,     \
                           const int images, const long in_image, const int in_w,                 \
                           const int first_column, const int above, const int rows,               \
                           const int below, const int columns, local float* out, const int both,  \
                           const int pitch, const int image_step, const int channel_step) {       \
    const float##N zero = 0.0f;                                                                   \
    const long line = SH * (long)in_w;                                                            \
    const long reach = (rows - 1) * line + (columns + N - 1) / N * N * SW;                        \
    for (int channel = 0; channel < channels; ++channel, at += in_plane, out += channel_step) {   \
      for (int image = 0; image < images; ++image) {                                              \
        local float* to = out + image * image_step;                                               \
        long from = at + image * in_image;                                                        \
        STAGE_ZEROES(N, above)                                                                    \
        if (from < 0 || from + reach > size) {                                                    \
          for (int i = 0; i < rows; ++i, to += columns, from += line) {                           \
            for (int t = 0; t < columns; ++t) {                                                   \
              for (int odd = 0; odd <= both; ++odd) {                                             \
                const int c = first_column + t * SW + odd;                                        \
                to[odd * pitch + t] =                                                             \
                    c >= 0 && c < in_w ? MASKED(input, y, from + t * SW + odd) : 0.0f;            \
              }                                                                                   \
            }                                                                                     \
          }                                                                                       \
        } else if (both) {                                                                        \
          STAGE_ROWS(N, 1)                                                                        \
        } else {                                                                                  \
          STAGE_ROWS(N, 0)                                                                        \
        }                                                                                         \
        STAGE_ZEROES(N, below)                                                                    \
      }                                                                                           \
    }                                                                                             \
  }

#define LANES_4 ((int4)(0, 1, 2, 3))
#define LANES_8 ((int8)(0, 1, 2, 3, 4, 5, 6, 7))
#define LANES_16 ((int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
STAGE_TAP(4)
#if VW >= 8
STAGE_TAP(8)
#endif
#if VW == 16
STAGE_TAP(16)
#endif

#if SCATTER
#define PLACED(base, offset) (((global STORED()*)(base))[offset])
// The first `count` elements, 0 behind them.
inline floatv gathered(global const element* base, const long* place, const int count) {
  STORED(VW) there = 0;
#pragma unroll
  for (int i = 0; i < VW; ++i) {
    if (i < count) ((STORED()*)&there)[i] = PLACED(base, place[i]);
  }
  return FROM_STORED(VW, there);
}
#endif

// A work-item multiplies its tile by `run` blocks of filters. Where the patches of all channels are too many to stay near,
// they come in slabs of `slab` channels (a strip of them, SPAN pixels wide, should fit the first cache, so that only weights
// come from the second) and the sums of a tile wait for the next slab in SUMS KiB of local memory; with SUMS 0 there is one
// slab. pitch: floats of a row of patches. SCATTER: results of a tile are not rows that lie one behind the other, and go to their
// places one by one.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_patches(global const element* restrict x, global const element* restrict y_mask,
                           global const float* restrict packed, global const element* restrict b,
                           global const element* restrict r, global element* restrict result,
                           int channels, int slab, int taps_h, int taps_w, int in_h, int in_w,
                           long in_size, int top, int left, int images, int oh, int ow,
                           int tile_images, int tile_h, int tile_w, int tiles_x, int tiles, int pitch,
                           int filters, int blocks_per_group, int run, int groups, long out_image,
                           long out_plane, long out_offset, long out_pitch, int out_step) {
  local float patches[PATCH * 256] __attribute__((aligned(64)));
#if SUMS
  local float sums[SUMS * 256] __attribute__((aligned(64)));
#endif
  const int id = (int)get_group_id(0);
  const int tile = id % tiles;
  const int runs = (blocks_per_group + run - 1) / run;
  const int first_block = id / tiles % runs * run;
  const int last_block = min(first_block + run, blocks_per_group);
  const int group_index = id / tiles / runs % groups;
  const int first_image = id / tiles / runs / groups * tile_images;
  const int i0 = tile / tiles_x * tile_h;
  const int j0 = tile % tiles_x * tile_w;
  const int image_count = min(tile_images, images - first_image);
  const int rows = min(tile_h, oh - i0);
  const int columns = min(tile_w, ow - j0);
  const int pixels = rows * columns;
  const int vectors = (pixels + VW - 1) / VW;  // of an image
  const int all_vectors = image_count * vectors;
#if SUMS
  const int strips = (all_vectors + NV - 1) / NV;
#endif

  const long in_plane = (long)in_h * in_w;
  const long in_image = groups * channels * in_plane;
  const int taps = taps_h * taps_w;
  for (int channel = 0; channel < channels; channel += slab) {
    const int staged_channels = min(slab, channels - channel);
    const long plane = first_image * in_image + (group_index * channels + channel) * in_plane;
    local float* line = patches;
    for (int p = 0; p < taps_h; ++p) {
      const int first_row = top + i0 * SH + p * DH;
      const int above = min((max(-first_row, 0) + SH - 1) / SH, rows);
      const int below = rows - clamp((max(in_h - first_row, 0) + SH - 1) / SH, above, rows);
      for (int q = 0; q < taps_w;) {
        const int both = PAIRED && q + 1 < taps_w;
        const int first_column = left + j0 * SW + q * DW;
        const long at = plane + (long)(first_row + above * SH) * in_w + first_column;
#define STAGE(N)                                                                               \
  stage_tap##N(x, y_mask, at, in_size, staged_channels, in_plane, image_count, in_image, in_w, \
               first_column, above, rows - above - below, below, columns, line, both, pitch,   \
               vectors * VW, taps * pitch);
#if VW == 16
        if (columns > 8) {
          STAGE(16)
        } else
#endif
#if VW >= 8
        if (columns > 4) {
          STAGE(8)
        } else
#endif
        {
          STAGE(4)
        }
        q += 1 + both;
        line += (1 + both) * pitch;
      }
    }

    const int products = staged_channels * taps;
    FOR_STRIPS_AND_BLOCKS {
      const int v0 = max(min(first_v, all_vectors - NV), 0);
      global const float* wp =
          packed + (((long)group_index * blocks_per_group + block) * channels + channel) * taps * MR;
      local const float* pixels_at = patches + v0 * VW;
      floatv acc[MR][NV];
#if SUMS
      local float* kept = sums + ((block - first_block) * strips + first_v / NV) * (MR * SPAN);
      if (channel > 0) {
#pragma unroll
        for (int m = 0; m < MR; ++m) {
#pragma unroll
          for (int v = 0; v < NV; ++v) acc[m][v] = LOAD_V(kept + m * SPAN + v * VW);
        }
      } else
#endif
      {
#pragma unroll
        for (int m = 0; m < MR; ++m) {
#pragma unroll
          for (int v = 0; v < NV; ++v) acc[m][v] = (floatv)(0.0f);
        }
      }
      int product = 0;
      for (; product + UNROLLED <= products; product += UNROLLED) {
#pragma unroll
        for (int u = 0; u < UNROLLED; ++u, wp += MR, pixels_at += pitch) {
          MULTIPLY(LOAD_V(pixels_at + v * VW))
        }
      }
      for (; product < products; ++product, wp += MR, pixels_at += pitch) {
        MULTIPLY(LOAD_V(pixels_at + v * VW))
      }
#if SUMS
      if (channel + slab < channels) {
#pragma unroll
        for (int m = 0; m < MR; ++m) {
#pragma unroll
          for (int v = 0; v < NV; ++v) STORE_V(acc[m][v], kept + m * SPAN + v * VW);
        }
        continue;
      }
#endif
      const long first_b = (long)group_index * filters + block * MR;
      long at[NV];
      int count[NV];
#if SCATTER
      long place[NV][VW];
#endif
#pragma unroll
      for (int v = 0; v < NV; ++v) {
        const int image = image_count == 1 ? 0 : (v0 + v) / vectors;
        const int from = (v0 + v - image * vectors) * VW;
        at[v] = (first_image + image) * out_image + first_b * out_plane + out_offset +
                i0 * out_pitch + (long)j0 * out_step;
        count[v] = v0 + v < first_v || v0 + v >= all_vectors ? 0 : min(pixels - from, VW);
#if SCATTER
        int row = from / columns;
        int column = from % columns;
#pragma unroll
        for (int i = 0; i < VW; ++i) {
          place[v][i] = row * out_pitch + (long)column * out_step;
          if (++column == columns) {
            column = 0;
            ++row;
          }
        }
#else
        at[v] += from;
#endif
      }
#pragma unroll
      for (int m = 0; m < MR; ++m) {
        if (block * MR + m < filters) {
          const float bias = BIAS_OF(b, first_b + m);
#pragma unroll
          for (int v = 0; v < NV; ++v) {
            const long to = at[v] + m * out_plane;
            const floatv sum = acc[m][v] + bias;
#if SCATTER
            // Converted as a whole, since PoCL converts single halves in software.
            floatv value = sum;
#if RESIDUAL
            value += gathered(r + to, place[v], count[v]);
#endif
            value = ACTIVATE(value);
#if ACCUMULATE
            value += gathered(result + to, place[v], count[v]);
#endif
            const STORED(VW) all = TO_STORED(VW, value);
#pragma unroll
            for (int i = 0; i < VW; ++i) {
              if (i < count[v]) PLACED(result + to, place[v][i]) = ((const STORED()*)&all)[i];
            }
#else
            if (count[v] == VW) {
              const floatv value = sum + RESIDUAL_V(r + to);
              const floatv activated = ACTIVATE(value);
              PUT_V(RESULT(GET_V(result + to), activated), result + to);
            } else if (count[v] > 0) {
              const floatv value = sum + residual_first(r + to, count[v]);
              const floatv activated = ACTIVATE(value);
#if ACCUMULATE
              put_first(get_first(result + to, count[v]) + activated, count[v], result + to);
#else
              put_first(activated, count[v], result + to);
#endif
            }
#endif
          }
        }
      }
    }
  }
}
#endif  // PATCH
