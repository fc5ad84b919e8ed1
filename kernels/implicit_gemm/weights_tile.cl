// parts: vectors mask local_tile
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
// filters and columns at once. The offset and the tap of each column are kept in local memory. Lines of the tiles are
// one float4 longer than needed, so that what work-items of neighbouring filters or columns store goes to different
// banks.
//
// Macros: BM BN BK TM TN BUFFERS (part local_tile), VW=4; SH SW DH DW, MASK and STORAGE_... All other sizes are
// arguments. No early return: PoCL 3.1 aborts on one before a barrier.

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
      const int in_row = i * SH + tap.x;                                                       \
      const int column = j * SW + tap.y;                                                       \
      const int real = inside && in_row >= 0 && in_row < h && column >= 0 && column < w;       \
      next_b[f] = real ? GET(x, patch + starts[fetch_row + f * ROWS]) : 0.0f;                  \
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

// step_image, step_i, step_j: BK pixels as images, rows and columns.
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

  // Columns beyond the last one see no row of x.
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
  FOR_EACH_STEP(0, steps, FETCH, TO_LOCAL, MULTIPLY_BUFFER)

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
