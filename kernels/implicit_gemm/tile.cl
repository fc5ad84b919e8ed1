// parts: store_four gathered_steps
// Implicit GEMM on GPUs: a correlation (a forward convolution, or a phase of a data gradient: src/ops/correlation.hpp)
// as a matrix product whose im2col matrix is gathered while multiplying and never stored. The tiles are those of
// parts/local_tile.cl, of factors as parts/tile_factors.cl keeps and multiplies them:
//
//   A: packed weights, BM filters x BK products, as they lie
//   B: BK products x BN pixels (of images*oh*ow), gathered
//      GATHER 0  one element at a time; neighbouring work-items take neighbouring pixels
//             1  four pixels at a time: one tap, stride 1, no padding, rows of a multiple of 4, out_step 1
//             2  four channels at a time: CHANNELS_LAST, a multiple of 4 channels
//             3  as 0, for few channels
//
// The order of the products is block of BK channels, tap row, tap column, channel of the block: a step has one tap. So
// what a work-item fetches for a step lies at fixed distances from one pointer, under one test. With few channels the
// blocks would be mostly empty. With GATHER 3 the order is tap row, tap column, channel, and each element has its own
// tap.
//
// With PARTIAL several work-groups share a tile: each sums a part of the steps and stores floats to `partial`, which
// implicit_gemm_fold adds up in their order.
//
// Result (i,j) of a filter is at image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step, filters
// counted over all groups; the residual has the same layout.
//
// Macros: BM BN BK TM TN AHEAD (part local_tile), HALF or MATRIX (part tile_factors), GATHER, PARTIAL; DIVIDE_TAPS (see
// TAP_BY_NUMBER), ONE_TAP (the filter has one), WHOLE (the channels are a multiple of BK), STORE_FOURS (results are
// stored four pixels at once, with CHANNELS_LAST four filters), WIDE (distances or pixels need 64 bits); SH SW DH DW,
// CHANNELS_LAST (of input and result), MASK (the input is a gradient), and those of the epilogue. All other sizes are
// arguments, so that one binary serves every size of a class. No early return: PoCL 3.1 aborts on one before a barrier.

#define TILES_IN_L2 8  // tiles of filters that stay in L2 while the pixels pass

// Stores the sums of pixel PIXEL_OF(c) + p of the tile, at `out` of filter 0.
#if PARTIAL
#define STORE_PIXEL(c, p, out)                                                                          \
  _Pragma("unroll") for (int a = 0; a < SUM_ROWS; ++a) {                                                \
    const int filter = m0 + FILTER_OF(a);                                                               \
    if (filter < filters) (out)[filter * (long)pixels] = SUM_OF(a, c, p);                               \
  }
#elif STORE_FOURS && CHANNELS_LAST
#define STORE_PIXEL(c, p, out)                                                                          \
  _Pragma("unroll") for (int a = 0; a < TM; a += 4) {                                                   \
    const int filter = m0 + TILE_ROW(a / 4);                                                            \
    if (filter < filters) {                                                                             \
      const float4 sums = (float4)(COMPONENT(acc[a][c], p), COMPONENT(acc[a + 1][c], p),                \
                                   COMPONENT(acc[a + 2][c], p), COMPONENT(acc[a + 3][c], p));           \
      STORE_FOUR(sums, BIAS_FOUR(first_filter + filter), SLOPE_FOUR(first_filter + filter), (out) + filter) \
    }                                                                                                   \
  }
#else
#define STORE_PIXEL(c, p, out)                                                                          \
  _Pragma("unroll") for (int a = 0; a < SUM_ROWS; ++a) {                                                \
    const int filter = m0 + FILTER_OF(a);                                                               \
    if (filter < filters) {                                                                             \
      const long to = (out) + filter * out_plane;                                                       \
      const float value =                                                                               \
          SUM_OF(a, c, p) + BIAS_OF(b, first_filter + filter) + RESIDUAL_OF(r, to);                     \
      const float slope = SLOPE_OF(SLOPES_OF(image, (long)groups * filters), first_filter + filter);    \
      PUT(RESULT(GET(result, to), ACTIVATE(value, slope)), result, to);                                 \
    }                                                                                                   \
  }
#endif

// Stores the sums of the work-item's pixels from `first_pixel` on, of block `c` of them.
#if PARTIAL
#define STORE_PIXELS(c, first_pixel)                                                                           \
  global float* sums = partial + ((long)part * groups + group_index) * filters * pixels + first_pixel;         \
  _Pragma("unroll") for (int p = 0; p < SUMS_TOGETHER; ++p) {                                                  \
    if (first_pixel + p < pixels) STORE_PIXEL(c, p, sums + p)                                                  \
  }
#else
#define FIND_RESULT(first_pixel)                                     \
  number image = QUOTIENT(first_pixel, image_pixels);                \
  const int at = (int)(first_pixel - image * image_pixels);          \
  int i = QUOTIENT(at, ow);                                          \
  int j = at - i * ow;                                               \
  const int first_filter = group_index * filters;                    \
  const long first_out = first_filter * out_plane + out_offset;
#if STORE_FOURS && !CHANNELS_LAST
#define STORE_PIXELS(c, first_pixel)                                                                           \
  FIND_RESULT(first_pixel)                                                                                     \
  if (first_pixel < pixels) {                                                                                  \
    const long out = first_out + image * out_image + i * out_pitch + j;                                        \
    _Pragma("unroll") for (int a = 0; a < TM; ++a) {                                                           \
      const int filter = m0 + TILE_ROW(a / 4) + a % 4;                                                         \
      if (filter < filters) {                                                                                  \
        STORE_FOUR(acc[a][c], BIAS_OF(b, first_filter + filter),                                               \
                   SLOPE_OF(SLOPES_OF(image, (long)groups * filters), first_filter + filter),                  \
                   out + filter * out_plane)                                                                   \
      }                                                                                                        \
    }                                                                                                          \
  }
#else
#define STORE_PIXELS(c, first_pixel)                                                                           \
  FIND_RESULT(first_pixel)                                                                                     \
  _Pragma("unroll") for (int p = 0; p < SUMS_TOGETHER; ++p) {                                                  \
    if (first_pixel + p < pixels) {                                                                            \
      const long out = first_out + image * out_image + i * out_pitch + (long)j * out_step;                     \
      STORE_PIXEL(c, p, out)                                                                                   \
    }                                                                                                          \
    if (++j == ow) {                                                                                           \
      j = 0;                                                                                                   \
      if (++i * ow == image_pixels) {                                                                          \
        i = 0;                                                                                                 \
        ++image;                                                                                               \
      }                                                                                                        \
    }                                                                                                          \
  }
#endif
#endif

// column_step, row_step, block_step: elements of x to the next tap column, row, or block of channels; with GATHER 3 the
// first two are those from one tap to the next, and fetch_tap_row, fetch_tap_column and fetch_channel are FETCH_ROWS
// products as counters. fetch_step: FETCH_ROWS channels.
kernel SUB_GROUP __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void implicit_gemm_tile(global const element* restrict x, global const element* restrict y_mask,
                        global const four* restrict packed, global const element* restrict b,
                        global const element* restrict r, global element* restrict result,
                        global float* restrict partial, int channels, int taps_h, int taps_w,
                        number column_step, number row_step, number block_step, number fetch_step,
                        int fetch_tap_row, int fetch_tap_column, int fetch_channel, int steps,
                        int steps_per_part, int taps_reciprocal, int taps_shift, int taps_w_reciprocal,
                        int taps_w_shift, int in_h, int in_w, int top, int left, int ow,
                        int ow_reciprocal, int ow_shift, int image_pixels, int image_pixels_reciprocal,
                        int image_pixels_shift, int filters, int groups, number pixels,
                        int filter_tiles, number pixel_tiles, long in_image, number in_plane,
                        long in_pitch, int in_step, long out_image, long out_plane, long out_offset,
                        long out_pitch, int out_step SLOPES_PARAMETER) {
  LOCAL_TILES()
  const int item = get_local_id(0);
  PLACE_SUMS()
  // The order of work-groups: supertiles of filter tiles, in each the pixels, for each of them the supertile's tiles.
  const number tiles = filter_tiles * pixel_tiles;
  const int outermost = (int)((number)get_group_id(0) / tiles);
  const number tile = (number)get_group_id(0) - outermost * tiles;
  const int supertile = (int)(tile / (TILES_IN_L2 * pixel_tiles)) * TILES_IN_L2;
  const int supertile_tiles = min(TILES_IN_L2, filter_tiles - supertile);
  const number in_supertile = tile - supertile * pixel_tiles;
  const number pixel_tile = in_supertile / supertile_tiles;
  const int filter_tile = supertile + (int)(in_supertile - pixel_tile * supertile_tiles);
  const int part = outermost / groups;
  const int group_index = outermost - part * groups;
  const int m0 = filter_tile * BM;
  const number n0 = pixel_tile * BN;
  const int first_step = part * steps_per_part;
  const int last_step = min(first_step + steps_per_part, steps);
  PLACE_FETCHES()
  START_STEPS()
  global const four* weights =
      packed + (((long)group_index * filter_tiles + filter_tile) * steps + first_step) * (BK * BM / 4) + item;

  SUMS()
  four next_a[A_FETCHES];
  fetched next_b[FETCHES];
  FOR_EACH_STEP(first_step, last_step, FETCH, TO_LOCAL, MULTIPLY_BUFFER)

#pragma unroll
  for (int c = 0; c < SUM_BLOCKS; ++c) {
    const number first_pixel = n0 + PIXEL_OF(c);
    STORE_PIXELS(c, first_pixel)
  }
}

// Adds up the partial sums. A work-item has a pixel, of every get_global_size(1)-th of the filters of all groups.
kernel void implicit_gemm_fold(global const float* restrict partial, global const element* restrict b,
                               global const element* restrict r, global element* restrict result,
                               int parts, int all_filters, number pixels, int ow, int ow_reciprocal,
                               int ow_shift, int image_pixels, int image_pixels_reciprocal,
                               int image_pixels_shift, long out_image, long out_plane, long out_offset, long out_pitch,
                               int out_step SLOPES_PARAMETER) {
  const number pixel = get_global_id(0);
  if (pixel >= pixels) return;
  const number image = QUOTIENT(pixel, image_pixels);
  const int at = (int)(pixel - image * image_pixels);
  const int row = QUOTIENT(at, ow);
  const long out = image * out_image + out_offset + row * out_pitch + (long)(at - row * ow) * out_step;
  for (int filter = get_global_id(1); filter < all_filters; filter += get_global_size(1)) {
    const long to = out + filter * out_plane;
    float sum = 0.0f;
    for (int part = 0; part < parts; ++part) sum += partial[((long)part * all_filters + filter) * pixels + pixel];
    const float value = sum + BIAS_OF(b, filter) + RESIDUAL_OF(r, to);
    const float slope = SLOPE_OF(SLOPES_OF(image, all_filters), filter);
    PUT(RESULT(GET(result, to), ACTIVATE(value, slope)), result, to);
  }
}
