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
// Neighbouring work-items fetch neighbouring pixels: BK of them of one filter of A and of one column of B, for ROWS
// filters and columns at once. A work-item has the same columns in every step, and keeps their taps. Lines of the tiles
// are one float4 longer than needed, so that what work-items of neighbouring filters or columns store goes to different
// banks.
//
// Macros: BM BN BK TM TN AHEAD (part local_tile), WIDE (distances or pixels need 64 bits), STORE_FOURS (a filter has
// a multiple of 4 columns), INSIDE (no padding is read), WHOLE (the filters are a multiple of BM); SH SW DH DW, MASK
// and STORAGE_... All other sizes are arguments. No early return: PoCL 3.1 aborts on one before a barrier.

#define ROWS (ITEMS / BK)
#define A_FETCHES (BM / ROWS)
#define B_FETCHES (BN / ROWS)

#if WIDE
#define number long
#undef QUOTIENT
#define QUOTIENT(n, by) ((n) / (by))
#else
#define number int
#endif

#if WHOLE
#define FILTER_INSIDE(f) 1
#else
#define FILTER_INSIDE(f) (fetch_row + (f) * ROWS < filters_left)
#endif
#if INSIDE
#define REAL(f) (inside && n0 + fetch_row + (f) * ROWS < columns)
#else
#define REAL(f) (inside && (uint)(in_row + tap_y[f]) < (uint)h && (uint)(in_column + tap_x[f]) < (uint)w)
#endif

#define FETCH()                                                                                \
  {                                                                                            \
    const int inside = pixel < last;                                                           \
    const number gradient = image * dy_image + i * ow + j;                                     \
    _Pragma("unroll") for (int f = 0; f < A_FETCHES; ++f) {                                    \
      next_a[f] =                                                                              \
          inside && FILTER_INSIDE(f) ? MASKED(dy_rows, y_rows, gradient + f * fetch_step) : 0.0f; \
    }                                                                                          \
    const int in_row = i * SH, in_column = j * SW;                                             \
    const number patch = image * x_image + in_row * w + in_column;                             \
    _Pragma("unroll") for (int f = 0; f < B_FETCHES; ++f) {                                    \
      next_b[f] = REAL(f) ? GET(x, patch + starts[f]) : 0.0f;                                  \
    }                                                                                          \
    pixel += BK;                                                                               \
    ADVANCE(image, i, j, oh, ow, step_image, step_i, step_j)                                   \
  }

#define TO_LOCAL(buffer)                                                                       \
  {                                                                                            \
    local float* a_line = (local float*)A[buffer][fetch_k] + fetch_row;                        \
    local float* b_line = (local float*)B[buffer][fetch_k] + fetch_row;                        \
    _Pragma("unroll") for (int f = 0; f < A_FETCHES; ++f) a_line[f * ROWS] = next_a[f];        \
    _Pragma("unroll") for (int f = 0; f < B_FETCHES; ++f) b_line[f * ROWS] = next_b[f];        \
  }

#define MULTIPLY_BUFFER(buffer) MULTIPLY_TILES(acc, A[buffer], B[buffer])

// step_image, step_i, step_j: BK pixels as images, rows and columns. fetch_step: elements of dy between ROWS filters.
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void weights_tile(global const element* restrict x, global const element* restrict dy,
                  global const element* restrict y_mask, global float* restrict result, int channels,
                  int h, int w, int filters, int kw, int kw_reciprocal, int kw_shift, int taps,
                  int taps_reciprocal, int taps_shift, int pt, int pl, int oh, int ow, int ow_reciprocal,
                  int ow_shift, int image_pixels, int image_pixels_reciprocal, int image_pixels_shift,
                  int groups, number pixels, number pixels_per_part, int filter_tiles, int column_tiles,
                  number x_image, number dy_image, number fetch_step, int step_image, int step_i,
                  int step_j, long part_stride) {
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
  const int m0 = filter_tile * BM;
  const int n0 = column_tile * BN;
  const number first = part * pixels_per_part;
  const number last = min(first + pixels_per_part, pixels);
  const int steps = (int)((last - first + BK - 1) / BK);

  const int fetch_k = item % BK;
  const int fetch_row = item / BK;
#if !WHOLE
  const int filters_left = filters - m0;
#endif
  const long first_dy = ((long)group_index * filters + m0 + fetch_row) * image_pixels;
  global const element* dy_rows = dy + first_dy;
#if MASK
  global const element* y_rows = y_mask + first_dy;
#endif
  number pixel = first + fetch_k;
  number image = QUOTIENT(pixel, image_pixels);
  const int position = (int)(pixel - image * image_pixels);
  int i = QUOTIENT(position, ow);
  int j = position - i * ow;

  // Columns beyond the last one see no row of x.
  number starts[B_FETCHES];
  int tap_y[B_FETCHES], tap_x[B_FETCHES];
#pragma unroll
  for (int f = 0; f < B_FETCHES; ++f) {
    const int column = n0 + fetch_row + f * ROWS;
    const int channel = QUOTIENT(column, taps);
    const int tap = column - channel * taps;
    const int tap_row = QUOTIENT(tap, kw);
    tap_y[f] = tap_row * DH - pt;
    tap_x[f] = (tap - tap_row * kw) * DW - pl;
    starts[f] = ((group_index * (number)channels + channel) * h + tap_y[f]) * w + tap_x[f];
    if (column >= columns) tap_y[f] = -INT_MAX / 2;
  }

  float4 acc[TM][TN / 4];
  CLEAR_SUMS(acc)
  float next_a[A_FETCHES], next_b[B_FETCHES];
  FOR_EACH_STEP(0, steps, FETCH, TO_LOCAL, MULTIPLY_BUFFER)

#pragma unroll
  for (int a = 0; a < TM; ++a) {
    const int filter = m0 + TILE_ROW(a / 4) + a % 4;
    if (filter < filters) {
      global float* out = result + part * part_stride + ((long)group_index * filters + filter) * columns;
#pragma unroll
      for (int c = 0; c < TN / 4; ++c) {
        const int n = n0 + TILE_COLUMN(c);
#if STORE_FOURS
        if (n < columns) *(global float4*)(out + n) = acc[a][c];
#else
#pragma unroll
        for (int p = 0; p < 4; ++p) {
          if (n + p < columns) out[n + p] = COMPONENT(acc[a][c], p);
        }
#endif
      }
    }
  }
}
