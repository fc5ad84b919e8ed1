// parts: filter_tile inside prefetch keep_order
// Implicit GEMM on CPUs, channels last, vectors along the filters: a forward convolution as a matrix product whose
// im2col matrix is read from the input while multiplying, with the register tile of parts/filter_tile.cl. A work-item
// computes some neighbouring tiles of a block of filters, one after the other: what finds a tile costs as much as a
// short reduction. Per product: KV vector loads, TH*TW broadcasts, TH*TW*KV fused multiply-adds. x is float whatever
// the storage: broadcasting a float16 takes three instructions.
//
//   a row of the input, per pixel channels c0 c1 ..      a segment: products that lie together, of a tap, or of a
//     - - [c0 c1 ..] [c0 c1 ..] [c0 c1 ..]               whole row of taps where these are neighbours too
//     ^ padding: pixels read a row of zeroes, which
//       ends the packed weights of the first block
//
// Taps that meet only padding in all pixels of a tile are left out.
//
// A tile's pixels come late where they are in memory or the last-level cache: for each line of them that is multiplied,
// the kernel prefetches one of a later tile, and before a tile the lines of a later tile's results.
//
// Result (i,j) of a filter is at image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step, filters
// counted over all groups; the residual has the same layout.
//
// Where filters do not fill the last vector, it is moved back over the one before it: both then store the same bits.
//
// Macros: KV TH TW VW, UNROLL (channels per loop iteration, up to 6), WHOLE (segments are multiples of it), POINTWISE
// (one tap, no padding), ONE_ROW (of results; TH is 1), SH SW DH DW, and those of the epilogue. All other sizes are
// arguments, so that one binary serves every size of a class.

#define LINE 16    // floats of a cache line
#define AHEAD 192  // products
#define TURNS (LINE / UNROLL >= 4 ? 4 : 2)  // iterations that prefetch a line of each pixel

#define PARAMETERS_WITH(restrict) \
  global const float* restrict x, global const float* restrict packed, \
  global const element* restrict b, global const element* restrict r, \
  global element* restrict result, int images, int channels, int taps_h, int taps_w, \
  long x_image, int pitch, int step, int top, int left, int in_h, int in_w, int oh, int ow, int tiles_x, \
  int tiles, int tiles_per_run, int runs, int supertile, int filters, int blocks_per_group, int groups, \
  long out_image, long out_plane, long out_offset, long out_pitch, int out_step SLOPES_PARAMETER_WITH(restrict)
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS \
  x, packed, b, r, result, images, channels, taps_h, taps_w, x_image, pitch, step, top, left, in_h, in_w, oh, ow, \
  tiles_x, tiles, tiles_per_run, runs, supertile, filters, blocks_per_group, groups, out_image, out_plane, \
  out_offset, out_pitch, out_step SLOPES_ARGUMENT

// The tiles of a work-item and its block of filters.
typedef struct {
  int first, last, block;
  long image;
} Run;

// The order of work-groups: blocks, images, runs of tiles; with supertile > 0 images, supertiles of that many runs,
// blocks, runs.
ALWAYS_INLINE Run run_of(const long id, PLAIN_PARAMETERS) {
  Run run;
  int index;
  if (supertile == 0) {
    index = (int)(id % runs);
    run.image = id / runs % images;
    run.block = (int)(id / runs / images);
  } else {
    const int blocks = blocks_per_group * groups;
    run.image = id / ((long)runs * blocks);
    const int in_image = (int)(id - run.image * runs * blocks);
    const int first = in_image / (supertile * blocks) * supertile;
    const int width = min(supertile, runs - first);
    const int in_supertile = in_image - first * blocks;
    index = first + in_supertile % width;
    run.block = in_supertile / width;
  }
  run.first = index * tiles_per_run;
  run.last = min(run.first + tiles_per_run, tiles);
  return run;
}

// The first result of a tile, before tiles at the edges are moved back.
typedef struct {
  int i, j;
} Place;

ALWAYS_INLINE Place place_of(const int tile, const int tiles_x) {
  const Place place = {ONE_ROW ? 0 : tile / tiles_x * TH, (ONE_ROW ? tile : tile % tiles_x) * TW};
  return place;
}

// acc += weights times one element of each pixel i; the last vector of weights is `back` floats before its place.
#define MULTIPLY_BACK(weights, element_of) \
  MULTIPLY_TILE(acc, PIXELS, KV, LOAD_V((weights) + v * VW - (v == KV - 1 ? back : 0)), element_of)

// acc += the weights from wp on times the pixels' `count` products of a segment; with `whole` a multiple of UNROLL.
// `ahead`: the same segment of a later tile's first pixel, of which each iteration prefetches a line of every TURNS-th
// pixel.
ALWAYS_INLINE void multiply_segment(floatv acc[PIXELS][KV], global const float* const* pixels, global const float* wp,
                                    const int back, const int whole, const int count, global const float* ahead,
                                    const int apart) {
  uint turn = 0;
  int channel = 0;
  if (whole || UNROLL <= count) {
    do {
      global const float* line = ahead + channel + turn * apart;
#pragma unroll
      for (int j = 0; j < TW; j += TURNS) PREFETCH(line + j * apart);
#pragma unroll
      for (int u = 0; u < UNROLL; ++u) {
        MULTIPLY_BACK(wp + u * BLOCK, pixels[i][channel + u])
        KEEP_ORDER
      }
      channel += UNROLL;
      turn = (turn + 1) % TURNS;
      wp += UNROLL * BLOCK;
    } while (channel + UNROLL <= count);
  }
  if (whole) return;
  for (; channel < count; ++channel, wp += BLOCK) MULTIPLY_BACK(wp, pixels[i][channel])
}

// The same for the tile's pixels of the segment whose first is at `segment`.
ALWAYS_INLINE void multiply_pixels(floatv acc[PIXELS][KV], global const float* segment, global const float* wp,
                                   const int back, const int count, const int pitch, const int step,
                                   const long to_later) {
  global const float* pixels[PIXELS];
#pragma unroll
  for (int i = 0; i < PIXELS; ++i) pixels[i] = segment + i / TW * SH * pitch + i % TW * SW * step;
  multiply_segment(acc, pixels, wp, back, WHOLE, count, segment + to_later, SW * step);
}

// The same for all segments of a tile that meets no padding in the rows of taps [first_p, last_p).
ALWAYS_INLINE void multiply_inside(floatv acc[PIXELS][KV], global const float* xp, global const float* w_block,
                                   const int back, const int first_p, const int last_p, const long to_later,
                                   PLAIN_PARAMETERS) {
  const int joined = DW == 1 && step == channels;
  const int segments = joined ? 1 : taps_w;
  const int count = joined ? taps_w * channels : channels;
  global const float* wp = w_block + (long)first_p * taps_w * channels * BLOCK;
  for (int p = first_p; p < last_p; ++p) {
    for (int q = 0; q < segments; ++q, wp += count * BLOCK) {
      multiply_pixels(acc, xp + p * DH * pitch + q * DW * step, wp, back, count, pitch, step, to_later);
    }
  }
}

// The same for a tile at (row, column) of the input, some of whose taps are in padding.
ALWAYS_INLINE void multiply_at_border(floatv acc[PIXELS][KV], global const float* xp, global const float* w_block,
                                      const int back, const int first_p, const int last_p, const int row,
                                      const int column, PLAIN_PARAMETERS) {
  global const float* zeroes = packed + (long)taps_h * taps_w * channels * BLOCK;
  const int first_q = first_inside(column + (TW - 1) * SW, DW);
  const int last_q = last_inside(column, DW, taps_w, in_w);
  for (int p = first_p; p < last_p; ++p) {
    for (int q = first_q; q < last_q; ++q) {
      for (int channel = 0; channel < channels; channel += BLOCK) {
        global const float* segment = xp + p * DH * pitch + q * DW * step + channel;
        global const float* pixels[PIXELS];
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
          const int inside = (uint)(row + p * DH + i / TW * SH) < (uint)in_h &&
                             (uint)(column + q * DW + i % TW * SW) < (uint)in_w;
          pixels[i] = inside ? segment + i / TW * SH * pitch + i % TW * SW * step : zeroes;
        }
        multiply_segment(acc, pixels, w_block + ((long)(p * taps_w + q) * channels + channel) * BLOCK, back, 0,
                         min(BLOCK, channels - channel), segment, 0);
      }
    }
  }
}

// acc += all products of a tile at (row, column) of the input.
ALWAYS_INLINE void multiply_taps(floatv acc[PIXELS][KV], global const float* xp, global const float* w_block,
                                 const int back, const int row, const int column, const long to_later,
                                 PLAIN_PARAMETERS) {
#if POINTWISE
  multiply_pixels(acc, xp, w_block, back, channels, pitch, step, to_later);
#else
  const int first_p = first_inside(row + (TH - 1) * SH, DH);
  const int last_p = last_inside(row, DH, taps_h, in_h);
  const int rows_inside = TH == 1 || (row >= 0 && row + (TH - 1) * SH + (taps_h - 1) * DH < in_h);
  if (rows_inside && column >= 0 && column + (TW - 1) * SW + (taps_w - 1) * DW < in_w) {
    multiply_inside(acc, xp, w_block, back, first_p, last_p, to_later, ARGUMENTS);
  } else {
    multiply_at_border(acc, xp, w_block, back, first_p, last_p, row, column, ARGUMENTS);
  }
#endif
}

// Stores the tile of results whose first is at `first_out`, of `rest` filters: the last vector `back` filters before
// its place, or unless `whole` what is beyond `rest` not at all. Inlined, so that `whole` is a constant.
ALWAYS_INLINE void store_pixels(const floatv acc[PIXELS][KV], global const element* b, global const element* r,
                                global const element* slopes, global element* result, const long first_b,
                                const int whole, const int rest, const int back, const long first_out,
                                const long out_pitch, const int out_step BOUNDS_PARAMETER) {
#pragma unroll
  for (int v = 0; v < KV; ++v) {
    const int first = v * VW - (v == KV - 1 ? back : 0);
    const int left = whole ? VW : max(rest - first, 0);
    const floatv bias = BIAS ? get_first(b + first_b + first, left) : (floatv)(0.0f);
    const floatv slope = slopes_some(slopes + first_b + first, left);
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
      const long at = first_out + i / TW * out_pitch + (long)(i % TW) * out_step + first;
      const floatv value = ACTIVATE(acc[i][v] + bias + residual_first(r + at, left), slope);
      put_first(value, left, result + at);
    }
  }
}

// Tap (0,0) of result (0,0) is at row `top`, column `left` of an image of in_h x in_w. x_image, pitch, step: floats
// from one image, row, column to the next.
NOT_INLINED void implicit_gemm_filters_last_item(const long id, PARAMETERS) {
  const Run run = run_of(id, ARGUMENTS);
  const int group_index = run.block / blocks_per_group;
  const int first_filter = run.block % blocks_per_group * BLOCK;
  const long first_b = (long)group_index * filters + first_filter;
  const int products = taps_h * taps_w * channels;
  global const float* x_group = x + run.image * x_image + (long)group_index * channels;
  global const float* w_block = packed + (long)run.block * (products + 1) * BLOCK;
  const long out_block = run.image * out_image + first_b * out_plane + out_offset;
  // A chunk's results begin with those of its first image.
  global const element* slopes_of_image = SLOPES_OF(run.image + out_offset / out_image, (long)groups * filters);
  const int ahead = 1 + AHEAD / products;  // tiles
  const int rest = filters - first_filter;
  const int back = KV > 1 && rest > BLOCK - VW ? max(BLOCK - rest, 0) : 0;

  for (int tile = run.first; tile < run.last; ++tile) {
    const Place place = place_of(tile, tiles_x), later = place_of(tile + ahead, tiles_x);
    const int i0 = min(place.i, oh - TH), j0 = min(place.j, ow - TW);
    const int later_i = min(later.i, oh - TH), later_j = min(later.j, ow - TW);
    const int row = top + i0 * SH, column = left + j0 * SW;
    global const float* xp = x_group + (long)row * pitch + (long)column * step;
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
      PREFETCH_TO_WRITE(result + out_block + (later_i + i / TW) * out_pitch + (long)(later_j + i % TW) * out_step +
                        BLOCK - 1);
    }
    const long to_later = (long)(later_i - i0) * SH * pitch + (long)(later_j - j0) * SW * step;
    floatv acc[PIXELS][KV];
    CLEAR_TILE(acc, PIXELS, KV)
    multiply_taps(acc, xp, w_block, back, row, column, to_later, ARGUMENTS);
    const long first_out = out_block + i0 * out_pitch + (long)j0 * out_step;
    if (rest + back >= BLOCK) {
      store_pixels(acc, b, r, slopes_of_image, result, first_b, 1, rest, back, first_out, out_pitch,
                   out_step BOUNDS_PASSED);
    } else {
      store_pixels(acc, b, r, slopes_of_image, result, first_b, 0, rest, back, first_out, out_pitch,
                   out_step BOUNDS_PASSED);
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_filters_last(PARAMETERS) {
  implicit_gemm_filters_last_item(get_group_id(0), ARGUMENTS);
}
