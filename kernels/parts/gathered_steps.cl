// parts: mask quotient tile_factors
// What a work-item of implicit_gemm/tile fetches for each step and stores to local memory: its share of a block of
// packed weights, A, and of the im2col matrix, B, which is gathered from the input. The kernel has the arguments and
// variables that the macros name; implicit_gemm/tile.cl says what they are.
//
//   PLACE_FETCHES() START_STEPS()         before the first step
//   FETCH() TO_LOCAL(buffer)              FOR_EACH_STEP's, of part local_tile
//
// Macros: those of implicit_gemm/tile.cl.

#define PRODUCTS (GATHER == 2 ? 4 : 1)                 // of one fetch
#define FETCH_COLUMNS (GATHER == 1 ? BN / 4 : BN)
#define FETCH_ROWS (ITEMS / FETCH_COLUMNS * PRODUCTS)  // products that the work-group fetches at once
#define FETCHES (BK / FETCH_ROWS)
#define A_FETCHES (BK * BM / 4 / ITEMS)

#if GATHER == 0 || GATHER == 3
typedef float fetched;
#define FETCHED(at) MASKED(from, from_y, at)
#else
typedef float4 fetched;
#if MASK
#define FETCHED(at) BACKWARD(GET_ALIGNED(4, from + (at)), GET_ALIGNED(4, from_y + (at)))
#else
#define FETCHED(at) GET_ALIGNED(4, from + (at))
#endif
#endif

#define PIXEL_INSIDE(row, column) ((uint)(row) < (uint)in_h && (uint)(column) < (uint)in_w)
#if WHOLE
#define CHANNEL_INSIDE(f) 1
#define PASS_CHANNELS()
#else
#define CHANNEL_INSIDE(f) (fetch_r + (f) * FETCH_ROWS < channels_left)
#define PASS_CHANNELS() channels_left -= BK;
#endif

// Where a step's tap lies. TAP_OF_STEP() divides the number of the step, without a condition: of counters with selects
// AMD's compiler makes vector instructions, of this it makes scalar ones, which issue beside them. NVIDIA's makes more
// of it. There, and for 64-bit distances, NEXT_TAP() counts.
#define TAP_BY_NUMBER (DIVIDE_TAPS && !ONE_TAP && !WIDE && GATHER != 3)

#if MASK
#define MOVE(distance)  \
  from += distance;     \
  from_y += distance;
#define FROM_Y_AT(distance) global const element* from_y = y_mask + start + (distance);
#else
#define MOVE(distance) from += distance;
#define FROM_Y_AT(distance)
#endif

#if TAP_BY_NUMBER
#define TAP_OF_STEP()                                                                                         \
  const int block = QUOTIENT(next_step, taps);                                                                \
  const int tap = next_step - block * taps;                                                                   \
  const int tap_row = QUOTIENT(tap, taps_w);                                                                  \
  const int tap_column = tap - tap_row * taps_w;                                                              \
  const int channels_left = channels - block * BK;                                                            \
  const int distance = block * block_distance + tap_row * row_distance + tap_column * column_step;            \
  global const element* from = x + start + distance;                                                          \
  FROM_Y_AT(distance)
#define NEXT_TAP() ++next_step;
#else
#define TAP_OF_STEP()
#if ONE_TAP
#define NEXT_TAP()  \
  PASS_CHANNELS()   \
  MOVE(block_step)
#else
#define NEXT_TAP()                \
  {                               \
    number distance = column_step; \
    if (++tap_column == taps_w) { \
      tap_column = 0;             \
      ++tap_row;                  \
      distance = row_step;        \
    }                             \
    if (tap_row == taps_h) {      \
      tap_row = 0;                \
      PASS_CHANNELS()             \
      distance = block_step;      \
    }                             \
    MOVE(distance)                \
  }
#endif
#endif

#define FETCH_A()                                                                                 \
  _Pragma("unroll") for (int f = 0; f < A_FETCHES; ++f) next_a[f] = weights[f * ITEMS];           \
  weights += BK * BM / 4;

#if GATHER == 3
#define FETCH()                                                                                   \
  FETCH_A()                                                                                       \
  _Pragma("unroll") for (int f = 0; f < FETCHES; ++f) {                                           \
    const int inside =                                                                            \
        tap_row < taps_h && PIXEL_INSIDE(in_row + tap_row * DH, in_column + tap_column * DW);     \
    const number at = tap_row * row_step + tap_column * column_step + channel * in_plane;         \
    next_b[f] = inside ? FETCHED(at) : 0.0f;                                                      \
    ADVANCE(tap_row, tap_column, channel, taps_w, channels, fetch_tap_row, fetch_tap_column, fetch_channel) \
  }
#else
#define FETCH()                                                                                   \
  FETCH_A()                                                                                       \
  {                                                                                               \
    TAP_OF_STEP()                                                                                 \
    const int inside =                                                                            \
        GATHER == 1 ? fetch_inside : PIXEL_INSIDE(in_row + tap_row * DH, in_column + tap_column * DW); \
    _Pragma("unroll") for (int f = 0; f < FETCHES; ++f) {                                         \
      next_b[f] = inside && CHANNEL_INSIDE(f) ? FETCHED(f * fetch_step) : (fetched)(0.0f);        \
    }                                                                                             \
    NEXT_TAP()                                                                                    \
  }
#endif

#if GATHER == 2
#define TO_LOCAL_B(buffer, row, value) PUT_B_CHANNELS(buffer, row, fetch_n, value)
#elif GATHER == 1
#define TO_LOCAL_B(buffer, row, value) PUT_B_PIXELS(buffer, row, fetch_n, value)
#else
#define TO_LOCAL_B(buffer, row, value) PUT_B(buffer, row, fetch_n, value)
#endif

#define TO_LOCAL(buffer)                                                                                \
  _Pragma("unroll") for (int f = 0; f < A_FETCHES; ++f) { PUT_A(buffer, item + f * ITEMS, next_a[f]) }   \
  _Pragma("unroll") for (int f = 0; f < FETCHES; ++f) { TO_LOCAL_B(buffer, fetch_r + f * FETCH_ROWS, next_b[f]) }

// Where the work-item fetches from: its pixel's place under tap (0,0), which may lie outside. A work-item beyond the
// last pixel fetches zeroes.
#define PLACE_FETCHES()                                                                                      \
  const int fetch_n = item % FETCH_COLUMNS * (BN / FETCH_COLUMNS);                                           \
  const int fetch_r = item / FETCH_COLUMNS * PRODUCTS;                                                       \
  const int fetch_inside = n0 + fetch_n < pixels;                                                            \
  const number fetch_pixel = fetch_inside ? n0 + fetch_n : 0;                                                \
  const number fetch_image = QUOTIENT(fetch_pixel, image_pixels);                                            \
  const int position = (int)(fetch_pixel - fetch_image * image_pixels);                                      \
  const int result_row = QUOTIENT(position, ow);                                                             \
  const int line = result_row * SH + top;                                                                    \
  const int in_row = fetch_inside ? line : -INT_MAX / 2;                                                     \
  const int in_column = (position - result_row * ow) * SW + left;                                            \
  long start = fetch_image * in_image + (long)group_index * channels * in_plane + line * in_pitch +          \
               (long)in_column * in_step;

// The tap and the channels of the first step, and what the work-item reads first of them.
#if GATHER == 3
#define START_STEPS()                                  \
  const int first_r = first_step * BK + fetch_r;       \
  const int first_tap = first_r / channels;            \
  int channel = first_r - first_tap * channels;        \
  int tap_row = first_tap / taps_w;                    \
  int tap_column = first_tap - tap_row * taps_w;       \
  START_READING()
#elif TAP_BY_NUMBER
#define START_STEPS()                                                                                \
  start += fetch_r * in_plane;                                                                       \
  int next_step = first_step;                                                                        \
  const int taps = taps_h * taps_w;                                                                  \
  const int row_distance = row_step + (taps_w - 1) * column_step;                                    \
  const int block_distance = block_step + (taps_h - 1) * row_distance + (taps_w - 1) * column_step;
#else
#define START_STEPS()                 \
  int tap_row = 0, tap_column = 0;    \
  COUNT_CHANNELS()                    \
  start += fetch_r * in_plane;        \
  START_PART()                        \
  START_READING()
#endif
#if WHOLE
#define COUNT_CHANNELS()
#define SKIP_CHANNELS(blocks)
#else
#define COUNT_CHANNELS() int channels_left = channels;
#define SKIP_CHANNELS(blocks) channels_left -= (blocks) * BK;
#endif
#if PARTIAL
#define START_PART()                                                        \
  const int first_block = first_step / (taps_h * taps_w);                   \
  const int first_tap = first_step - first_block * (taps_h * taps_w);       \
  tap_row = first_tap / taps_w;                                             \
  tap_column = first_tap - tap_row * taps_w;                                \
  SKIP_CHANNELS(first_block)                                                \
  start += (long)first_block * BK * in_plane + tap_row * DH * in_pitch + (long)(tap_column * DW) * in_step;
#else
#define START_PART()
#endif
#if MASK
#define START_READING()                       \
  global const element* from = x + start;     \
  global const element* from_y = y_mask + start;
#else
#define START_READING() global const element* from = x + start;
#endif
