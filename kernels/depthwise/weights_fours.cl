// parts: epilogue mask aligned quotient
// Depthwise weight gradient on GPUs: the sums of all taps in registers.
//
//   a row of x    [ i i i i i i ]      A tile is 4 neighbouring pixels of TY rows of dy, which a work-item keeps. It
//                   | / | / | /        loads each row of x that they meet once, COLUMNS of it, and adds the products to
//   TY rows of dy  [ g g g g ]         its sums[KH*KW].
//                  [ g g g g ]
//
// A work-group has a filter, and a part of the tiles of all images: work-items take ITEMS neighbouring tiles at a time.
// At the end their sums meet in local memory, half of those that are left at a time.
//
// Macros: ITEMS (a power of two), TY; ALIGNED (rows of x and dy are multiples of 4 pixels, which are loaded as
// vectors), LEFT (pl % 4), WHOLE (rows of dy are a multiple of TY), PARTS (1: the result is floats, which sum_parts
// adds up); KH KW SH SW DH DW, MASK, ACCUMULATE. All other sizes are arguments.

#if PARTS
typedef float result_element;
#else
typedef element result_element;
#endif

#define TAPS (KH * KW)
#define COLUMNS (3 * SW + (KW - 1) * DW + 1)
#define ROWS ((TY - 1) * SH + (KH - 1) * DH + 1)
#define IS_TAP(position, step, taps) ((position) >= 0 && (position) % (step) == 0 && (position) / (step) < (taps))
// Columns [LEFT, END_OF_FOURS) of x are vectors, each inside or outside as a whole.
#if ALIGNED
#define END_OF_FOURS (LEFT + (COLUMNS - LEFT) / 4 * 4)
#else
#define END_OF_FOURS LEFT
#endif
#define INSIDE(c) ((uint)(column0 + (c)) < (uint)in_w)
#define LANE(v, c) ((c) == 0 ? (v).x : (c) == 1 ? (v).y : (c) == 2 ? (v).z : (v).w)

// Rows and pixels of dy that are not there are left out: 0 times an infinite x is NaN.
#if WHOLE
#define HAS_ROW(t) 1
#else
#define HAS_ROW(t) (row0 + (t) < oh)
#endif
#if ALIGNED
#define HAS_PIXEL(c) 1
#else
#define HAS_PIXEL(c) (4 * quad + (c) < ow)
#endif
#define PIXEL(at, c) (HAS_PIXEL(c) ? MASKED(dy, y_mask, (at) + (c)) : 0.0f)
#if !ALIGNED
#define GRADIENT(at) (float4)(PIXEL(at, 0), PIXEL(at, 1), PIXEL(at, 2), PIXEL(at, 3))
#elif MASK
#define GRADIENT(at) BACKWARD(GET_ALIGNED(4, dy + (at)), GET_ALIGNED(4, y_mask + (at)))
#else
#define GRADIENT(at) GET_ALIGNED(4, dy + (at))
#endif

#define LOAD_COLUMN(c) in[c] = INSIDE(c) ? GET(from, c) : 0.0f;
#define LOAD_ROW()                                                                            \
  _Pragma("unroll") for (int c = 0; c < LEFT; ++c) LOAD_COLUMN(c)                             \
  _Pragma("unroll") for (int c = LEFT; c < END_OF_FOURS; c += 4) {                            \
    const float4 four = INSIDE(c) ? GET_ALIGNED(4, from + c) : (float4)(0.0f);                \
    _Pragma("unroll") for (int lane = 0; lane < 4; ++lane) in[c + lane] = LANE(four, lane);   \
  }                                                                                           \
  _Pragma("unroll") for (int c = END_OF_FOURS; c < COLUMNS; ++c) LOAD_COLUMN(c)

// sums += row p of x times the rows of dy that meet it.
#define MULTIPLY_ROW()                                                                                       \
  _Pragma("unroll") for (int t = 0; t < TY; ++t) {                                                           \
    if (IS_TAP(p - t * SH, DH, KH) && HAS_ROW(t)) {                                                          \
      _Pragma("unroll") for (int c = 0; c < 4; ++c) {                                                        \
        if (HAS_PIXEL(c)) {                                                                                  \
          _Pragma("unroll") for (int v = 0; v < KW; ++v) {                                                   \
            const int tap = (p - t * SH) / DH * KW + v;                                                      \
            sums[tap] = MULTIPLY_ADD(LANE(gradient[t], c), in[c * SW + v * DW], sums[tap]);                  \
          }                                                                                                  \
        }                                                                                                    \
      }                                                                                                      \
    }                                                                                                        \
  }

// Adds up the work-items' sums in shared[tap * ITEMS + item], half of those that are left at a time: that of a tap is
// then shared[tap * ITEMS].
#define ADD_ITEMS()                                                                               \
  _Pragma("unroll") for (int tap = 0; tap < TAPS; ++tap) shared[tap * ITEMS + item] = sums[tap];  \
  barrier(CLK_LOCAL_MEM_FENCE);                                                                   \
  _Pragma("unroll") for (int half_of = ITEMS / 2; half_of > 0; half_of /= 2) {                    \
    for (int n = item; n < TAPS * half_of; n += ITEMS) {                                          \
      const int to = n / half_of * ITEMS + n % half_of;                                           \
      shared[to] += shared[to + half_of];                                                         \
    }                                                                                             \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                 \
  }

// x_image, dy_image: elements of an image. tiles: of a filter, of all images; tiles_per_part: a multiple of ITEMS.
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void depthwise_weights_fours(global const element* restrict x, global const element* restrict dy,
                             global const element* restrict y_mask, global result_element* restrict result,
                             int all_filters, int filters, int in_h, int in_w, int pt, int pl, int oh, int ow,
                             int row_tiles, int row_tiles_reciprocal, int row_tiles_shift, int quads,
                             int quads_reciprocal, int quads_shift, int tiles, int tiles_per_part,
                             long x_image, long dy_image, long part_stride) {
  local float shared[TAPS * ITEMS];
  const int item = get_local_id(0);
  const int id = get_group_id(0);
  const int part = id / all_filters;
  const int filter = id - part * all_filters;
  const long x_plane = (long)(filter / filters) * in_h * in_w;
  const long dy_plane = (long)filter * oh * ow;
  const int last = min((part + 1) * tiles_per_part, tiles);
  float sums[TAPS];
#pragma unroll
  for (int tap = 0; tap < TAPS; ++tap) sums[tap] = 0.0f;

  for (int tile = part * tiles_per_part + item; tile < last; tile += ITEMS) {
    const int rows = QUOTIENT(tile, quads);
    const int quad = tile - rows * quads;
    const int image = QUOTIENT(rows, row_tiles);
    const int row0 = (rows - image * row_tiles) * TY;
    const long at = image * dy_image + dy_plane + row0 * ow + 4 * quad;
    float4 gradient[TY];
#pragma unroll
    for (int t = 0; t < TY; ++t) gradient[t] = HAS_ROW(t) ? GRADIENT(at + t * ow) : (float4)(0.0f);
    const int column0 = 4 * SW * quad - pl;
    const int top = row0 * SH - pt;
    global const element* from = x + (image * x_image + x_plane + ((long)top * in_w + column0));
#pragma unroll
    for (int p = 0; p < ROWS; ++p) {
      if (top + p >= 0 && top + p < in_h) {
        float in[COLUMNS];
        LOAD_ROW()
        MULTIPLY_ROW()
      }
      from += in_w;
    }
  }

  ADD_ITEMS()
  for (int tap = item; tap < TAPS; tap += ITEMS) {
    const long to = part * part_stride + (long)filter * TAPS + tap;
#if PARTS
    result[to] = shared[tap * ITEMS];
#else
    PUT(RESULT(GET(result, to), shared[tap * ITEMS]), result, to);
#endif
  }
}
