// parts: store_four mask quotient
// Implicit GEMM on GPUs without local memory: a correlation whose work-items read the input and the packed weights
// themselves. For groups of few filters, and for devices whose local memory is ordinary memory.
//
//                   +---- MR filters ----+      A work-item has MR filters of 4 neighbouring pixels of an image, which
//   packed weights  | f f f f    f f f f |      are counted row by row. It takes 4 channels of a tap at a time, in 4
//                   +--------------------+      vectors: with planes of 4 pixels each, with CHANNELS_LAST of 4
//   4 pixels        |   sums in floats   |      channels. They are multiplied with 4 times MR weights. The channels
//                   +--------------------+      beyond a multiple of 4 come one by one.
//
// The order of products is block of BK channels, tap row, tap column, channel of the block, as
// implicit_gemm/tile_pack.cl lays out the weights, in tiles of BM filters: what the taps read of a block comes from
// L1 after the first. With CHANNELS_LAST work-items are neighbours along the filters, else along the pixels.
//
// Result (i,j) of a filter is at image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step, filters
// counted over all groups; the residual has the same layout.
//
// Macros: MR, BK, BM (multiples of 4; BM of MR); SH SW DH DW, CHANNELS_LAST, ALIGNED (vectors of the input are at
// multiples of their size), FLAT (each four pixels are neighbours inside the image under every tap), WHOLE (the
// channels are a multiple of BK), STORE_FOURS (results are stored four pixels at once, with CHANNELS_LAST four
// filters), MASK (the input is a gradient), and those of the epilogue. All other sizes are arguments.

#define COMPONENT(v, p) ((p) == 0 ? (v).x : (p) == 1 ? (v).y : (p) == 2 ? (v).z : (v).w)

#if ALIGNED
#define VECTOR(pointer) GET_ALIGNED(4, pointer)
#else
#define VECTOR(pointer) GET_BY_ELEMENT(4, pointer)
#endif
#if MASK
#define ELEMENT(from, at) MASKED(from, from##_y, at)
#define ELEMENTS(from, at) BACKWARD(VECTOR(from + (at)), VECTOR(from##_y + (at)))
#define IN_BOTH(statement) statement(, x) statement(_y, y_mask)
#else
#define ELEMENT(from, at) GET(from, at)
#define ELEMENTS(from, at) VECTOR(from + (at))
#define IN_BOTH(statement) statement(, x)
#endif

// The factors of 4 channels, or of one. FACTOR(p, c) is that of pixel p and channel c.
#if CHANNELS_LAST
// Pixels outside the image are read from zeroes behind the weights.
#define FACTOR(p, c) COMPONENT(factors[p], c)
#define START_TAP(suffix, tensor)                                                                     \
  global const element* pixel0##suffix = inside[0] ? tensor + first + at[0] : zeroes;                 \
  global const element* pixel1##suffix = inside[1] ? tensor + first + at[1] : zeroes;                 \
  global const element* pixel2##suffix = inside[2] ? tensor + first + at[2] : zeroes;                 \
  global const element* pixel3##suffix = inside[3] ? tensor + first + at[3] : zeroes;
#define LOAD_FOUR(f)                       \
  factors[0] = ELEMENTS(pixel0, 4 * (f));  \
  factors[1] = ELEMENTS(pixel1, 4 * (f));  \
  factors[2] = ELEMENTS(pixel2, 4 * (f));  \
  factors[3] = ELEMENTS(pixel3, 4 * (f));
#define LOAD_ONE(f)                   \
  factors[0].x = ELEMENT(pixel0, f);  \
  factors[1].x = ELEMENT(pixel1, f);  \
  factors[2].x = ELEMENT(pixel2, f);  \
  factors[3].x = ELEMENT(pixel3, f);
#else
#define FACTOR(p, c) COMPONENT(factors[c], p)
// `pixel` is the first; where it lies outside, any inside.
#define START_TAP(suffix, tensor) global const element* pixel##suffix = tensor + first + at[0];
#define NEXT_PLANE(suffix, tensor) pixel##suffix += in_plane;
#define IF_INSIDE(p, value) (inside[p] ? (value) : 0.0f)
#define ONE_BY_ONE(to)                                                                                     \
  {                                                                                                        \
    const float4 read = (float4)(ELEMENT(pixel, 0), ELEMENT(pixel, at[1] - at[0]),                         \
                                 ELEMENT(pixel, at[2] - at[0]), ELEMENT(pixel, at[3] - at[0]));            \
    to = (float4)(IF_INSIDE(0, read.x), IF_INSIDE(1, read.y), IF_INSIDE(2, read.z), IF_INSIDE(3, read.w)); \
  }
// Pixels in one row inside the image are one vector.
#define LOAD_FOUR(f)                                     \
  if (whole) {                                           \
    _Pragma("unroll") for (int c = 0; c < 4; ++c) {      \
      factors[c] = ELEMENTS(pixel, 0);                   \
      IN_BOTH(NEXT_PLANE)                                \
    }                                                    \
  } else {                                               \
    _Pragma("unroll") for (int c = 0; c < 4; ++c) {      \
      ONE_BY_ONE(factors[c])                             \
      IN_BOTH(NEXT_PLANE)                                \
    }                                                    \
  }
#define LOAD_ONE(f)          \
  ONE_BY_ONE(factors[0])     \
  IN_BOTH(NEXT_PLANE)
#endif
// `channels` of them with the weights of product `product` and on.
#define MULTIPLY(product, channels)                                                                 \
  _Pragma("unroll") for (int c = 0; c < (channels); ++c) {                                          \
    _Pragma("unroll") for (int m = 0; m < MR / 4; ++m) {                                            \
      const float4 weight = weights[((product) + c) * (BM / 4) + m];                                \
      _Pragma("unroll") for (int p = 0; p < 4; ++p) {                                               \
        sums[p][m] = MULTIPLY_ADD(weight, (float4)(FACTOR(p, c)), sums[p][m]);                      \
      }                                                                                             \
    }                                                                                               \
  }

// For each tap of the channels from `first` on.
#define EACH_TAP(multiply)                                                               \
  for (int u = 0; u < taps_h; ++u) {                                                     \
    for (int v = 0; v < taps_w; ++v) {                                                   \
      int at[4], inside[4];                                                              \
      _Pragma("unroll") for (int p = 0; p < 4; ++p) {                                    \
        const int row = i[p] * SH + (top + u * DH);                                      \
        const int column = j[p] * SW + (left + v * DW);                                  \
        inside[p] = (uint)row < (uint)in_h && (uint)column < (uint)in_w;                 \
        at[p] = inside[p] ? row * in_pitch + column * in_step : 0;                       \
      }                                                                                  \
      const int whole = FLAT || (in_a_row && inside[0] && inside[3]);                    \
      IN_BOTH(START_TAP)                                                                 \
      multiply                                                                           \
      weights += BK * BM / 4;                                                            \
    }                                                                                    \
  }
#define BLOCK()                                   \
  _Pragma("unroll") for (int f = 0; f < BK / 4; ++f) { \
    float4 factors[4];                            \
    LOAD_FOUR(f)                                  \
    MULTIPLY(4 * f, 4)                            \
  }
// Of the last channels.
#define PART_OF_A_BLOCK()                                     \
  for (int f = 0; f < left_over / 4; ++f) {                   \
    float4 factors[4];                                        \
    LOAD_FOUR(f)                                              \
    MULTIPLY(4 * f, 4)                                        \
  }                                                           \
  for (int f = left_over / 4 * 4; f < left_over; ++f) {       \
    float4 factors[4];                                        \
    LOAD_ONE(f)                                               \
    MULTIPLY(f, 1)                                            \
  }

// Stores the sums of the four pixels.
#if STORE_FOURS && !CHANNELS_LAST
#define STORE_SUMS()                                                                                            \
  const long out = first_out + i[0] * out_pitch + j[0];                                                         \
  _Pragma("unroll") for (int m = 0; m < MR; ++m) {                                                              \
    if (m < filters_left) {                                                                                     \
      const float4 four = (float4)(COMPONENT(sums[0][m / 4], m % 4), COMPONENT(sums[1][m / 4], m % 4),          \
                                   COMPONENT(sums[2][m / 4], m % 4), COMPONENT(sums[3][m / 4], m % 4));         \
      STORE_FOUR(four, BIAS_OF(b, first_filter + m),                                                            \
                 SLOPE_OF(SLOPES_OF(image, (long)groups * filters), first_filter + m), out + m * out_plane)     \
    }                                                                                                           \
  }
#else
#define STORE_SUMS()                                                                                            \
  _Pragma("unroll") for (int p = 0; p < 4; ++p) {                                                               \
    const long out = first_out + i[p] * out_pitch + (long)j[p] * out_step;                                      \
    if (4 * quad + p < image_pixels) { STORE_PIXEL(p, out) }                                                    \
  }
#if STORE_FOURS
#define STORE_PIXEL(p, out)                                                                                     \
  _Pragma("unroll") for (int m = 0; m < MR / 4; ++m) {                                                          \
    if (4 * m < filters_left) {                                                                                 \
      STORE_FOUR(sums[p][m], BIAS_FOUR(first_filter + 4 * m), SLOPE_FOUR(first_filter + 4 * m), (out) + 4 * m)  \
    }                                                                                                           \
  }
#else
#define STORE_PIXEL(p, out)                                                                                     \
  _Pragma("unroll") for (int m = 0; m < MR; ++m) {                                                              \
    if (m < filters_left) {                                                                                     \
      const int filter = first_filter + m;                                                                      \
      const long to = (out) + m * out_plane;                                                                    \
      const float value = COMPONENT(sums[p][m / 4], m % 4) + BIAS_OF(b, filter) + RESIDUAL_OF(r, to);           \
      const float slope = SLOPE_OF(SLOPES_OF(image, (long)groups * filters), filter);                           \
      PUT(RESULT(GET(result, to), ACTIVATE(value, slope)), result, to);                                         \
    }                                                                                                           \
  }
#endif
#endif

// Dimension 0 has the pixels, in fours (`quads`), with CHANNELS_LAST for each of them the blocks of MR filters of all
// groups. A work-item takes every get_global_size(1)-th of the `planes`: with CHANNELS_LAST images, else (image, group,
// block of filters). `products` of a tile of weights end with at least BK zeroes.
kernel void implicit_gemm_direct(global const element* restrict x, global const element* restrict y_mask,
                                 global const float4* restrict packed, global const element* restrict b,
                                 global const element* restrict r, global element* restrict result,
                                 int channels, int taps_h, int taps_w, int products, int in_h, int in_w,
                                 int top, int left, int ow, int ow_reciprocal, int ow_shift,
                                 int image_pixels, int quads, int planes, int filters, int groups,
                                 int blocks, int blocks_reciprocal, int blocks_shift, int all_blocks,
                                 int all_blocks_reciprocal, int all_blocks_shift, int filter_tiles,
                                 long in_image, long in_plane, int in_pitch, int in_step, long out_image,
                                 long out_plane, long out_offset, long out_pitch,
                                 int out_step SLOPES_PARAMETER) {
  const int item = get_global_id(0);
#if CHANNELS_LAST
  const int quad = QUOTIENT(item, all_blocks);
  const int item_block = item - quad * all_blocks;
  global const element* zeroes = (global const element*)(packed + (products - BK) * (BM / 4));
#else
  const int quad = item;
#endif
  if (quad >= quads) return;
  int i[4], j[4];
#pragma unroll
  for (int p = 0; p < 4; ++p) {
    const int pixel = min(4 * quad + p, image_pixels - 1);
    i[p] = QUOTIENT(pixel, ow);
    j[p] = pixel - i[p] * ow;
  }
  const int in_a_row = SW == 1 && j[3] - j[0] == 3;
  for (int plane = get_global_id(1); plane < planes; plane += get_global_size(1)) {
#if CHANNELS_LAST
    const int image = plane;
    const int of_groups = item_block;
#else
    const int image = QUOTIENT(plane, all_blocks);
    const int of_groups = plane - image * all_blocks;
#endif
    const int group_index = QUOTIENT(of_groups, blocks);
    const int block = of_groups - group_index * blocks;
    const int tile = group_index * filter_tiles + block / (BM / MR);
    global const float4* weights = packed + (long)tile * products * (BM / 4) + block % (BM / MR) * (MR / 4);
    long first = image * in_image + (long)group_index * channels * in_plane;
    float4 sums[4][MR / 4];
#pragma unroll
    for (int t = 0; t < MR; ++t) sums[t % 4][t / 4] = (float4)(0.0f);
    int left_over = channels;
    for (; left_over >= BK; left_over -= BK) {
      EACH_TAP(BLOCK())
      first += BK * in_plane;
    }
#if !WHOLE
    if (left_over > 0) { EACH_TAP(PART_OF_A_BLOCK()) }
#endif

    const int first_filter = group_index * filters + block * MR;
    const int filters_left = filters - block * MR;
    const long first_out = image * out_image + first_filter * out_plane + out_offset;
    STORE_SUMS()
  }
}
