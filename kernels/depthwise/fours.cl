// parts: store_four mask quotient
// Depthwise convolution on GPUs, several results per work-item: forward in either layout, and the data gradient at
// stride 1, which is a forward convolution with the filter turned around.
//
//   a row of the input    [ i i i i i i ]      A work-item computes 4 neighbouring results of TY rows (NHWC: of 4
//                           \ | | /            channels each). It loads each row of the input once, COLUMNS of it in
//   TY rows of results     [ r r r r ]         vectors, and adds its products to all rows of results that it meets.
//                          [ r r r r ]
//
// Neighbouring work-items are neighbours in a row of results, with NHWC along the channels. Rows outside the image are
// left out, columns outside are zeroes. in_image, out_image: elements from one image to the next, of the input, of the
// result and r.
//
// Macros: TY; NHWC (x, r and y have the channels last, the weights are packed: [tap][channel], floats); KH KW SH SW DH
// DW, DATA (the weights are turned around), STORE_FOURS (without NHWC: four results are aligned), MASK, and those of
// the epilogue. All other sizes are arguments.

#define COLUMNS (3 * SW + (KW - 1) * DW + 1)
#define ROWS ((TY - 1) * SH + (KH - 1) * DH + 1)
#define IS_TAP(position, step, taps) ((position) >= 0 && (position) % (step) == 0 && (position) / (step) < (taps))

#if NHWC
typedef float4 lanes;
#define COLUMN(c) ((c) * column_step)
#define ELEMENTS(pointer) GET_ALIGNED(4, pointer)
#define WEIGHT(tap) packed[(tap) * planes + plane]
#define FOURS 0
#else
typedef float lanes;
#define COLUMN(c) (c)
#define ELEMENTS(pointer) GET(pointer, 0)
#define WEIGHT(tap) GET(weights, (long)plane * (KH * KW) + (DATA ? KH * KW - 1 - (tap) : (tap)))
#define FOURS (COLUMNS / 4 * 4)
#endif
// Of 4 channels, more weights than these take too many registers.
#define KEEP_WEIGHTS (!NHWC || KH * KW <= 9)
#if KEEP_WEIGHTS
#define KEPT(tap) kept[tap]
#else
#define KEPT(tap) WEIGHT(tap)
#endif
#if MASK
#define INPUT(at) BACKWARD(ELEMENTS(from + (at)), ELEMENTS(from_y + (at)))
#define INPUT_FOUR(at) BACKWARD(GET_BY_ELEMENT(4, from + (at)), GET_BY_ELEMENT(4, from_y + (at)))
#else
#define INPUT(at) ELEMENTS(from + (at))
#define INPUT_FOUR(at) GET_BY_ELEMENT(4, from + (at))
#endif

// COLUMNS of a row that all lie inside: FOURS of them in vectors along the row.
#define LOAD_INSIDE()                                                           \
  _Pragma("unroll") for (int c = 0; c < FOURS; c += 4) {                        \
    const float4 four = INPUT_FOUR(c);                                          \
    PUT_FOUR(c, four)                                                           \
  }                                                                             \
  _Pragma("unroll") for (int c = FOURS; c < COLUMNS; ++c) in[c] = INPUT(COLUMN(c));
#if FOURS > 0
#define PUT_FOUR(c, four) in[c] = four.x, in[(c) + 1] = four.y, in[(c) + 2] = four.z, in[(c) + 3] = four.w;
#else
#define PUT_FOUR(c, four)
#endif
// Those at a border: near[c] is c or where it lies outside the nearest inside.
#define LOAD_BORDER()                                                           \
  _Pragma("unroll") for (int c = 0; c < COLUMNS; ++c) {                         \
    const lanes read = INPUT(COLUMN(near[c]));                                  \
    in[c] = near[c] == c ? read : (lanes)(0.0f);                                \
  }

// sums += the row at `from` (and from_y) times the taps that meet it, row p of those that the work-item sees.
#define MULTIPLY_ROW(p)                                                                        \
  {                                                                                            \
    lanes in[COLUMNS];                                                                         \
    if (inside) {                                                                              \
      LOAD_INSIDE()                                                                            \
    } else {                                                                                   \
      LOAD_BORDER()                                                                            \
    }                                                                                          \
    _Pragma("unroll") for (int t = 0; t < TY; ++t) {                                           \
      if (IS_TAP((p) - t * SH, DH, KH)) {                                                      \
        _Pragma("unroll") for (int v = 0; v < KW; ++v) {                                       \
          const lanes w = KEPT(((p) - t * SH) / DH * KW + v);                                  \
          _Pragma("unroll") for (int c = 0; c < 4; ++c) {                                      \
            sums[t][c] = MULTIPLY_ADD(in[c * SW + v * DW], w, sums[t][c]);                     \
          }                                                                                    \
        }                                                                                      \
      }                                                                                        \
    }                                                                                          \
  }

// Stores the 4 neighbouring results of row t, from result[to] on.
#if NHWC
#define STORE_QUAD(t, to)                                                                    \
  _Pragma("unroll") for (int c = 0; c < 4; ++c) {                                            \
    if (4 * quad + c < res_w) {                                                              \
      STORE_FOUR(sums[t][c], BIAS_FOUR(4 * plane), SLOPE_FOUR(4 * plane), (to) + COLUMN(c))  \
    }                                                                                        \
  }
#elif STORE_FOURS
#define STORE_QUAD(t, to)                                                                  \
  STORE_FOUR((float4)(sums[t][0], sums[t][1], sums[t][2], sums[t][3]), BIAS_OF(b, plane),  \
             SLOPE_OF(SLOPES_OF(image, planes), plane), to)
#else
#define STORE_QUAD(t, to)                                                            \
  const float bias = BIAS_OF(b, plane);                                              \
  const float slope = SLOPE_OF(SLOPES_OF(image, planes), plane);                     \
  _Pragma("unroll") for (int c = 0; c < 4; ++c) {                                    \
    if (4 * quad + c < res_w) {                                                      \
      const float value = sums[t][c] + bias + RESIDUAL_OF(r, (to) + c);              \
      PUT(RESULT(GET(result, (to) + c), ACTIVATE(value, slope)), result, (to) + c);  \
    }                                                                                \
  }
#endif

// Where a work-item's results are: plane (with NHWC: vector of 4 channels), image, first row, and fours of columns.
#if NHWC
#define FIND_PLACE()                              \
  const int pixels = QUOTIENT(id, planes);        \
  const int plane = id - pixels * planes;         \
  const int rows = QUOTIENT(pixels, quads);       \
  const int quad = pixels - rows * quads;         \
  const int image = QUOTIENT(rows, row_tiles);    \
  const int row0 = (rows - image * row_tiles) * TY;
#else
#define FIND_PLACE()                                    \
  const int rows = QUOTIENT(id, quads);                 \
  const int quad = id - rows * quads;                   \
  const int all_planes = QUOTIENT(rows, row_tiles);     \
  const int row0 = (rows - all_planes * row_tiles) * TY; \
  const int image = QUOTIENT(all_planes, planes);       \
  const int plane = all_planes - image * planes;
#endif

// `planes`: without NHWC filters (of a gradient: channels), `per_channel` of them per plane of the input; with NHWC
// vectors of 4 channels.
kernel void depthwise_fours(global const element* restrict x, global const element* restrict y_mask,
                            global const element* restrict weights, global const float4* restrict packed,
                            global const element* restrict b, global const element* restrict r,
                            global element* restrict result, int planes, int planes_reciprocal,
                            int planes_shift, int per_channel, int per_channel_reciprocal,
                            int per_channel_shift, int in_h, int in_w, int pt, int pl, int res_h, int res_w,
                            int row_tiles, int row_tiles_reciprocal, int row_tiles_shift, int quads,
                            int quads_reciprocal, int quads_shift, int items, long in_image,
                            long out_image SLOPES_PARAMETER) {
  const int id = get_global_id(0);
  if (id >= items) return;
  FIND_PLACE()
#if NHWC
  const int column_step = 4 * planes;
  const long first_x = image * in_image + 4 * plane;
  const long first_out = image * out_image + 4 * plane;
#else
  const int column_step = 1;
  const long first_x = image * in_image + QUOTIENT(plane, per_channel) * (long)in_h * in_w;
  const long first_out = image * out_image + plane * (long)res_h * res_w;
#endif
  lanes sums[TY][4];
#pragma unroll
  for (int t = 0; t < 4 * TY; ++t) sums[t / 4][t % 4] = (lanes)(0.0f);
#if KEEP_WEIGHTS
  lanes kept[KH * KW];
#pragma unroll
  for (int tap = 0; tap < KH * KW; ++tap) kept[tap] = WEIGHT(tap);
#endif

  const int column0 = 4 * quad * SW - pl;
  const int inside = column0 >= 0 && column0 + COLUMNS <= in_w;
  int near[COLUMNS];
#pragma unroll
  for (int c = 0; c < COLUMNS; ++c) near[c] = clamp(column0 + c, 0, in_w - 1) - column0;
  const long first = first_x + ((row0 * SH - pt) * (long)in_w + column0) * column_step;
  const long row_step = (long)in_w * column_step;
  global const element* from = x + first;
#if MASK
  global const element* from_y = y_mask + first;
#endif
#pragma unroll
  for (int p = 0; p < ROWS; ++p) {
    const int i = row0 * SH - pt + p;
    if (i >= 0 && i < in_h) MULTIPLY_ROW(p)
    from += row_step;
#if MASK
    from_y += row_step;
#endif
  }
#pragma unroll
  for (int t = 0; t < TY; ++t) {
    if (row0 + t < res_h) {
      const long to = first_out + ((long)(row0 + t) * res_w + 4 * quad) * column_step;
      STORE_QUAD(t, to)
    }
  }
}
