// parts: vectors epilogue mask local_tile
// Implicit GEMM on GPUs: a correlation (a forward convolution, or a phase of a data gradient: src/ops/correlation.hpp)
// as a matrix product whose im2col matrix is gathered while multiplying and never stored. The tiles are those of
// parts/local_tile.cl:
//
//   A: packed weights, BM filters x BK products, as they lie
//   B: BK products x BN pixels (of images*oh*ow), gathered
//      GATHER 0  one element at a time; neighbouring work-items take neighbouring pixels
//             1  four pixels at a time: one tap, stride 1, no padding, rows of a multiple of 4, out_step 1
//             2  four channels at a time: CHANNELS_LAST, a multiple of 4 channels
//
// Products are numbered by three counters (outer, middle, inner): channel, tap row, tap column; with CHANNELS_LAST tap
// row, tap column, channel. With PARTIAL several work-groups share a tile: each sums a part of the products and stores
// floats to `partial`, which implicit_gemm_fold adds up in their order.
//
// Result (i,j) of a filter is at image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step, filters
// counted over all groups; the residual has the same layout.
//
// Macros: BM BN BK TM TN BUFFERS (part local_tile), VW=4, GATHER, PARTIAL; SH SW DH DW, CHANNELS_LAST (of input and
// result), MASK (the input is a gradient), and those of the epilogue. All other sizes are arguments, so that one binary
// serves every size of a class. No early return: PoCL 3.1 aborts on one before a barrier.

#define PRODUCTS (GATHER == 2 ? 4 : 1)                 // of one fetch
#define FETCH_COLUMNS (GATHER == 1 ? BN / 4 : BN)
#define FETCH_ROWS (ITEMS / FETCH_COLUMNS * PRODUCTS)  // products that the work-group fetches at once
#define FETCHES (BK / FETCH_ROWS)
#define A_FETCHES (BK * BM / 4 / ITEMS)
#define TILES_IN_L2 8  // tiles of filters that stay in L2 while the pixels pass

#if GATHER == 0
typedef float fetched;
#define FETCHED(at) MASKED(x, y_mask, at)
#else
typedef float4 fetched;
#if MASK
#define FETCHED(at) BACKWARD(GET_V(x + (at)), GET_V(y_mask + (at)))
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
    const int in_row = first_row + TAP_ROW * DH;                                                 \
    const int column = first_column + TAP_COLUMN * DW;                                           \
    const int inside = fetch_inside && outer_r < outer && in_row >= 0 && in_row < in_h &&        \
                       column >= 0 && column < in_w;                                             \
    const long at = first_x + outer_r * outer_step + middle_r * middle_step +                    \
                    inner_r * inner_step;                                                        \
    next_b[f] = inside ? FETCHED(at) : (fetched)(0.0f);                                          \
    ADVANCE(outer_r, middle_r, inner_r, middle, inner, fetch_outer, fetch_middle, fetch_inner)   \
  }

#if GATHER == 2
#define TO_LOCAL_B(buffer, row, value)                  \
  {                                                     \
    local float* to = (local float*)B[buffer][row] + fetch_n; \
    to[0] = value.s0;                                   \
    to[BN] = value.s1;                                  \
    to[2 * BN] = value.s2;                              \
    to[3 * BN] = value.s3;                              \
  }
#elif GATHER == 1
#define TO_LOCAL_B(buffer, row, value) B[buffer][row][fetch_n / 4] = value;
#else
#define TO_LOCAL_B(buffer, row, value) ((local float*)B[buffer][row])[fetch_n] = value;
#endif

#define TO_LOCAL(buffer)                                                                       \
  _Pragma("unroll") for (int f = 0; f < A_FETCHES; ++f) {                                      \
    A[buffer][(item + f * ITEMS) / (BM / 4)][(item + f * ITEMS) % (BM / 4)] = next_a[f];       \
  }                                                                                            \
  _Pragma("unroll") for (int f = 0; f < FETCHES; ++f) TO_LOCAL_B(buffer, fetch_r + f * FETCH_ROWS, next_b[f])

#define MULTIPLY_BUFFER(buffer) MULTIPLY_TILES(acc, A[buffer], B[buffer])

#if GATHER == 1 && !PARTIAL
#define PIXELS_STORED 4  // by one store
#else
#define PIXELS_STORED 1
#endif

// outer_step, middle_step, inner_step: elements from one product to the next, by counter. fetch_outer, fetch_middle,
// fetch_inner: FETCH_ROWS products, as counters.
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
                        long out_offset, long out_pitch, int out_step SLOPES_PARAMETER) {
  local float4 A[BUFFERS][BK][BM / 4];
  local float4 B[BUFFERS][BK][BN / 4];
  const int item = get_local_id(0);
  const int lx = item % LX;
  const int ly = item / LX;
  // The order of work-groups: panels of filter tiles, in a panel the pixels, for each of them the panel's tiles.
  const long tiles = filter_tiles * pixel_tiles;
  const long outermost = (long)get_group_id(0) / tiles;
  const long tile = (long)get_group_id(0) % tiles;
  const int panel = (int)(tile / (TILES_IN_L2 * pixel_tiles)) * TILES_IN_L2;
  const int panel_tiles = min(TILES_IN_L2, filter_tiles - panel);
  const long in_panel = tile - panel * pixel_tiles;
  const int filter_tile = panel + (int)(in_panel % panel_tiles);
  const int group_index = (int)(outermost % groups);
  const int part = (int)(outermost / groups);
  const int m0 = filter_tile * BM;
  const long n0 = in_panel / panel_tiles * BN;
  const int first_step = part * steps_per_part;
  const int last_step = min(first_step + steps_per_part, steps);

  // A work-item beyond the last pixel fetches zeroes. first_x: the element under tap (0,0), which may lie outside.
  const int fetch_n = item % FETCH_COLUMNS * (BN / FETCH_COLUMNS);
  const int fetch_r = item / FETCH_COLUMNS * PRODUCTS;
  const int fetch_inside = n0 + fetch_n < pixels;
  const int image_pixels = oh * ow;
  const long fetch_pixel = fetch_inside ? n0 + fetch_n : 0;
  const int position = (int)(fetch_pixel % image_pixels);
  const int first_row = position / ow * SH + top;
  const int first_column = position % ow * SW + left;
  const long first_x = fetch_pixel / image_pixels * in_image + group_index * in_group +
                       first_row * in_pitch + (long)first_column * in_step;
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
  FOR_EACH_STEP(first_step, last_step, FETCH, TO_LOCAL, MULTIPLY_BUFFER)

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
    global const element* slopes_of_image = SLOPES_OF(pixel / image_pixels, (long)groups * filters);
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
          put_some(ACTIVATE(value, slopes_some(slopes + first_filter + filter, count)),
                   result + out + filter, count);
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
          const float4 activated = ACTIVATE(value, SLOPE_OF(slopes_of_image, first_filter + filter));
          PUT_V(RESULT(GET_V(result + to), activated), result + to);
#else
          const long to = out + filter * out_plane;
          const float value = sums[i][j] + BIAS_OF(b, first_filter + filter) + RESIDUAL_OF(r, to);
          const float slope = SLOPE_OF(slopes_of_image, first_filter + filter);
          PUT(RESULT(GET(result, to), ACTIVATE(value, slope)), result, to);
#endif
        }
      }
#endif
    }
  }
}

// Adds up the partial sums of all filters of all groups.
kernel void implicit_gemm_fold(global const float* restrict partial, global const element* restrict b,
                               global const element* restrict r, global element* restrict result,
                               int parts, int all_filters, long pixels, int oh, int ow,
                               long out_image, long out_plane, long out_offset, long out_pitch,
                               int out_step SLOPES_PARAMETER) {
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
  const float slope = SLOPE_OF(SLOPES_OF(pixel / (oh * ow), all_filters), filter);
  PUT(RESULT(GET(result, to), ACTIVATE(value, slope)), result, to);
}
