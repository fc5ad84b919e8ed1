// parts: aligned mask quotient local_tile
// Implicit GEMM for the weight gradient, on GPUs:
// dw (filters x channels*kh*kw) = dy (filters x pixels) times the patches of x (pixels x channels*kh*kw), gathered
// while multiplying. The reduction runs over the pixels of all images. It can be split into parts, whose sums another
// kernel adds in a fixed order: the results are floats, dw itself or a part.
//
// The tiles are those of parts/local_tile.cl:
//
//   A: dy, BM filters x BK pixels        B: patches, BK pixels x BN columns, one per channel and tap
//
// A work-item fetches SPAN neighbouring pixels of a row of results at once, for filters of A and columns of B that are
// ROWS apart: one test of the row and one distance serve them all. Neighbouring work-items fetch 8 neighbouring pixels,
// then those of the next row or column. Lines of the tiles are one float4 longer than needed, which puts these in
// different banks. A work-item has the same columns in every step, and keeps their taps.
//
// Macros: BM BN BK TM TN AHEAD (part local_tile), SPAN (1, 2 or 4, a divisor of ow), WIDE (distances or pixels need 64
// bits), STORE_FOURS (a filter has a multiple of 4 columns), INSIDE (no padding is read), POINT (inside, 1x1 filters
// that see all pixels of x), WHOLE (the filters are a multiple of BM), FULL (all steps have BK pixels); SH SW DH DW,
// MASK and STORAGE_... All other sizes are arguments. No early return: PoCL 3.1 aborts on one before a barrier.

#define SPANS (BK / SPAN)
#define ROWS (ITEMS / SPANS)
#define A_FETCHES (BM / ROWS)
#define B_FETCHES (BN / ROWS)
#define NEAR (8 / SPAN)

// Conditions by &: && becomes branches.
#if FULL
#define SPAN_INSIDE 1
#else
#define SPAN_INSIDE (span < last)
#endif
#if WHOLE
#define FILTER_INSIDE(f) 1
#else
#define FILTER_INSIDE(f) (fetch_row + (f) * ROWS < filters_left)
#endif
#if INSIDE
#define ROW_INSIDE(f) inside
#define COLUMN_INSIDE(f, c) 1
#else
#define ROW_INSIDE(f) (inside & ((uint)(in_row + tap_y[f]) < (uint)h))
#define COLUMN_INSIDE(f, c) ((uint)(in_column + tap_x[f] + (c) * SW) < (uint)w)
#endif

// SPAN pixels of dy at `at`, which is a multiple of SPAN.
#if SPAN == 1
typedef float lanes;
#define GRADIENT(at) MASKED(dy, y_mask, at)
#define LANES_AT(pointer) GET(pointer, 0)
#define LANE(v, c) (v)
#else
#if SPAN == 2
typedef float2 lanes;
#define LANE(v, c) ((c) == 0 ? (v).x : (v).y)
#else
typedef float4 lanes;
#define LANE(v, c) COMPONENT(v, c)
#endif
#define LANES_AT(pointer) GET_ALIGNED(SPAN, pointer)
#if MASK
#define GRADIENT(at) BACKWARD(LANES_AT(dy + (at)), LANES_AT(y_mask + (at)))
#else
#define GRADIENT(at) LANES_AT(dy + (at))
#endif
#endif

// Where the span lies in x before padding and tap, and its pixels for column f of B, at `from`.
#if POINT
#define POSITION (image * (x_image - image_pixels) + SPAN * span)
#define PIXELS_OF(f)                                                                           \
  const lanes pixels = ROW_INSIDE(f) ? LANES_AT(from) : (lanes)(0.0f);                         \
  _Pragma("unroll") for (int c = 0; c < SPAN; ++c) next_b[f][c] = LANE(pixels, c);
#else
#define POSITION (image * x_image + in_row * w + in_column)
#define PIXELS_OF(f)                                                                           \
  const int row_inside = ROW_INSIDE(f);                                                        \
  _Pragma("unroll") for (int c = 0; c < SPAN; ++c) {                                           \
    next_b[f][c] = (row_inside & COLUMN_INSIDE(f, c)) ? GET(from, c * SW) : 0.0f;              \
  }
#endif

#define FIND_PIXEL()                                                                           \
  image = QUOTIENT(span, image_spans);                                                         \
  i = QUOTIENT((int)(span - image * image_spans), spans);                                      \
  j = (int)(span - image * image_spans) - i * spans;
// Of 64 bits the quotients are slow.
#if WIDE
#define THIS_PIXEL()
#define NEXT_PIXEL() ADVANCE(image, i, j, oh, spans, step_image, step_i, step_j)
#else
#define THIS_PIXEL() FIND_PIXEL()
#define NEXT_PIXEL()
#endif

#define FETCH()                                                                                \
  {                                                                                            \
    THIS_PIXEL()                                                                               \
    const int inside = SPAN_INSIDE;                                                            \
    const number gradient = first_dy + image * dy_others + SPAN * span;                         \
    _Pragma("unroll") for (int f = 0; f < A_FETCHES; ++f) {                                    \
      next_a[f] =                                                                              \
          (inside & FILTER_INSIDE(f)) ? GRADIENT(gradient + f * filter_step) : (lanes)(0.0f);    \
    }                                                                                          \
    const int in_row = i * SH, in_column = j * (SPAN * SW);                                    \
    const number patch = POSITION;                                                             \
    _Pragma("unroll") for (int f = 0; f < B_FETCHES; ++f) {                                    \
      global const element* from = x + (patch + starts[f]);                                    \
      PIXELS_OF(f)                                                                             \
    }                                                                                          \
    span += SPANS;                                                                             \
    NEXT_PIXEL()                                                                               \
  }

#define TO_LOCAL(buffer)                                                                       \
  _Pragma("unroll") for (int c = 0; c < SPAN; ++c) {                                           \
    local float* a_line = (local float*)A[buffer][SPAN * fetch_k + c] + fetch_row;             \
    local float* b_line = (local float*)B[buffer][SPAN * fetch_k + c] + fetch_row;             \
    _Pragma("unroll") for (int f = 0; f < A_FETCHES; ++f) a_line[f * ROWS] = LANE(next_a[f], c); \
    _Pragma("unroll") for (int f = 0; f < B_FETCHES; ++f) b_line[f * ROWS] = next_b[f][c];     \
  }

// By 4, AMD's compiler takes up to 34 registers more.
#undef UNROLL_PRODUCTS
#define UNROLL_PRODUCTS "unroll 2"
#define MULTIPLY_BUFFER(buffer) MULTIPLY_TILES(acc, A[buffer], B[buffer])

// Stores the sums of the work-item.
#define STORE_SUMS()                                                                                            \
  _Pragma("unroll") for (int a = 0; a < TM; ++a) {                                                              \
    const int filter = m0 + TILE_ROW(a / 4) + a % 4;                                                            \
    if (filter < filters) {                                                                                     \
      global float* out = result + part * part_stride + ((long)group_index * filters + filter) * columns;       \
      _Pragma("unroll") for (int c = 0; c < TN / 4; ++c) {                                                      \
        const int n = n0 + TILE_COLUMN(c);                                                                      \
        STORE_BLOCK(a, c, n, out)                                                                               \
      }                                                                                                         \
    }                                                                                                           \
  }
#if STORE_FOURS

#define STORE_BLOCK(a, c, n, out) if (n < columns) *(global float4*)(out + n) = acc[a][c];
#else
#define STORE_BLOCK(a, c, n, out)                                                                               \
  _Pragma("unroll") for (int p = 0; p < 4; ++p) {                                                               \
    if (n + p < columns) out[n + p] = COMPONENT(acc[a][c], p);                                                  \
  }
#endif

// spans: of a row of results; spans_per_part: of all images' spans what one part of the sum has. dy_others: elements of
// dy from the last pixel of a filter to its first in the next image. step_image, step_i, step_j: BK pixels as images,
// rows and spans, with WIDE.
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void weights_tile(global const element* restrict x, global const element* restrict dy,
                  global const element* restrict y_mask, global float* restrict result, int channels,
                  int h, int w, int filters, int kw, int kw_reciprocal, int kw_shift, int taps,
                  int taps_reciprocal, int taps_shift, int pt, int pl, int oh, int ow, int spans,
                  int spans_reciprocal, int spans_shift, int image_spans, int image_spans_reciprocal,
                  int image_spans_shift, int image_pixels, int groups, number all_spans,
                  number spans_per_part, int filter_tiles, int column_tiles, number x_image,
                  number dy_others, int step_image, int step_i, int step_j, long part_stride) {
  local float4 A[2][BK][BM / 4 + 1];
  local float4 B[2][BK][BN / 4 + 1];
  const int item = get_local_id(0);
  PLACE_IN_TILE()
  const int id = get_group_id(0);
  const int above = id / column_tiles;
  const int column_tile = id - above * column_tiles;
  const int outer = above / filter_tiles;
  const int filter_tile = above - outer * filter_tiles;
  const int part = outer / groups;
  const int group_index = outer - part * groups;
  const int columns = channels * taps;
  const int m0 = filter_tile * BM, n0 = column_tile * BN;
  const number first = part * spans_per_part, last = min(first + spans_per_part, all_spans);
  const int steps = (int)((last - first + SPANS - 1) / SPANS);

  const int fetch_k = item % NEAR + item / (NEAR * ROWS) * NEAR;
  const int fetch_row = item / NEAR % ROWS;
#if !WHOLE
  const int filters_left = filters - m0;
#endif
  const number filter_step = ROWS * (number)image_pixels;
  const number first_dy = (group_index * (number)filters + m0 + fetch_row) * image_pixels;
  number span = first + fetch_k;
  number image;
  int i, j;  // the row, and the span in it
  FIND_PIXEL()

  // Columns beyond the last one, whose sums are not stored, are the last one.
  number starts[B_FETCHES];
  int tap_y[B_FETCHES], tap_x[B_FETCHES];
#pragma unroll
  for (int f = 0; f < B_FETCHES; ++f) {
    const int column = min(n0 + fetch_row + f * ROWS, columns - 1);
    const int channel = QUOTIENT(column, taps);
    const int tap = column - channel * taps;
    const int tap_row = QUOTIENT(tap, kw);
    tap_y[f] = tap_row * DH - pt;
    tap_x[f] = (tap - tap_row * kw) * DW - pl;
    starts[f] = ((group_index * (number)channels + channel) * h + tap_y[f]) * w + tap_x[f];
  }

  float4 acc[TM][TN / 4];
  CLEAR_SUMS(acc)
  lanes next_a[A_FETCHES];
  float next_b[B_FETCHES][SPAN];
  FOR_EACH_STEP(0, steps, FETCH, TO_LOCAL, MULTIPLY_BUFFER)
  STORE_SUMS()
}
