// parts: mask quotient winograd_store local_tile
// Winograd F(2x2, 3x3) on GPUs in one kernel: the tiles of the input are transformed into local memory, multiplied
// there and transformed back, so that neither V nor the products are ever in memory.
//
//      x ----+                                A work-group has BM filters of BN tiles, 16 products (xi) of each. A step
//            | transform                      has BK channels: a work-item transforms a tile of a channel, and copies
//            v                                its share of the transformed weights. Then LX*LY work-items multiply
//   local:  V [k][xi][BN]                     each xi, TM x TN products a work-item (parts/local_tile.cl). What the
//           U [k][xi][BM] <---- weights       next step needs is loaded meanwhile.
//            |
//            v   sums[TM][TN] of one xi       At the end two rows of filters at a time go through the same local
//   local:  P [xi][2 LY][BN]                  memory: a work-item gets the 16 products of one filter and tile,
//            |                                transforms them back and stores 2 x 2 results.
//            v transform
//            y
//
// The weights are [group][xi][channel][filters, zero up to a multiple of BM] (winograd/tile_weights.cl).
//
// Macros: M (2); BM BN BK TM (a multiple of 4) TN (8), BK*BN of at most WORK_ITEMS; WHOLE (the channels are a
// multiple of BK), MASK, and those of the epilogue. All other sizes are arguments. No early return: PoCL 3.1 aborts
// on one before a barrier.

typedef float floatv;
typedef float floatt;

#define WORK_ITEMS (XI * ITEMS)
#define U_FETCHES (BK * XI * BM / 4 / WORK_ITEMS)
#define U_ROWS (WORK_ITEMS / (BM / 4))  // of U that the work-group fetches at once: channels times XI
#define ROUND_FILTERS (2 * LY)          // whose products are in local memory at once
#define FACTOR_FLOATS (BK * XI * (BM + BN))
#define PRODUCT_FLOATS (XI * ROUND_FILTERS * BN)
#define LOCAL_FLOATS (FACTOR_FLOATS > PRODUCT_FLOATS ? FACTOR_FLOATS : PRODUCT_FLOATS)

#if MASK
#define ELEMENT(at) MASKED(from, from_y, at)
#define MOVE(distance) \
  from += distance;    \
  from_y += distance;
#else
#define ELEMENT(at) GET(from, at)
#define MOVE(distance) from += distance;
#endif
#if WHOLE
#define CHANNEL_INSIDE(channel) 1
#else
#define CHANNEL_INSIDE(channel) ((channel) < channels)
#endif

// The work-item's share of channels k0 .. k0 + BK: zeroes beyond the last and outside the image.
#define FETCH(k0)                                                                                      \
  _Pragma("unroll") for (int f = 0; f < U_FETCHES; ++f) {                                              \
    next_u[f] = CHANNEL_INSIDE((k0) + u_channel + f * (U_ROWS / XI)) ? weights[f * u_step] : (float4)(0.0f); \
  }                                                                                                    \
  weights += BK * (padded_filters / 4);                                                                \
  if (transforms) {                                                                                    \
    _Pragma("unroll") for (int i = 0; i < EDGE; ++i) {                                                 \
      _Pragma("unroll") for (int j = 0; j < EDGE; ++j) {                                               \
        d[i][j] = (inside >> i & inside >> (EDGE + j) & 1) && CHANNEL_INSIDE((k0) + channel)           \
                      ? ELEMENT(i * in_w + j)                                                          \
                      : 0.0f;                                                                          \
      }                                                                                                \
    }                                                                                                  \
    MOVE(step)                                                                                         \
  }

#define FROM_INPUT(i) d[i][j]
#define TO_COLUMN(i) s[i][j]
#define FROM_COLUMN(j) s[i][j]
#define TO_LOCAL_V(j) v_out[(i * EDGE + (j)) * BN]
#define TO_LOCAL()                                                                                     \
  _Pragma("unroll") for (int f = 0; f < U_FETCHES; ++f) memory[id + f * WORK_ITEMS] = next_u[f];       \
  if (transforms) {                                                                                    \
    float s[EDGE][EDGE];                                                                               \
    _Pragma("unroll") for (int j = 0; j < EDGE; ++j) { B_TRANSFORM(FROM_INPUT, TO_COLUMN) }            \
    _Pragma("unroll") for (int i = 0; i < EDGE; ++i) { B_TRANSFORM(FROM_COLUMN, TO_LOCAL_V) }          \
  }

// Bits: the rows, then the columns of the tile at (row, column) that lie in the image.
ALWAYS_INLINE int inside_of(const int real, const int row, const int column, const int in_h, const int in_w) {
  int inside = 0;
#pragma unroll
  for (int e = 0; e < EDGE; ++e) {
    inside |= (real && (uint)(row + e) < (uint)in_h) << e;
    inside |= ((uint)(column + e) < (uint)in_w) << (EDGE + e);
  }
  return inside;
}

// The work-group's sums go through local memory, ROUND_FILTERS filters at a time: a work-item has all xi of a tile and
// of a filter there, in row `round_row`, BN tiles wide. It transforms them and stores the results.
#define FROM_ROUND(i) from_local[((i) * EDGE + j) * (ROUND_FILTERS * BN)]
#define TO_SUM_ROWS(i) s[i][j]
#define STORE_ROUNDS()                                                                                    \
  const int round_row = id / BN;                                                                          \
  local const float* from_local = (local const float*)memory + round_row * BN + n;                        \
  const long first_out = image * out_image + i0 * (long)ow + j0;                                          \
  _Pragma("unroll") for (int round = 0; round < TM / 2; ++round) {                                        \
    if (round > 0) barrier(CLK_LOCAL_MEM_FENCE);                                                          \
    _Pragma("unroll") for (int a = 0; a < 2; ++a) {                                                       \
      _Pragma("unroll") for (int c = 0; c < TN / 4; ++c) {                                                \
        memory[((xi * 2 + a) * LY + row_block) * (BN / 4) + TILE_COLUMN(c) / 4] = acc[2 * round + a][c];  \
      }                                                                                                   \
    }                                                                                                     \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                         \
    float s[M][EDGE];                                                                                     \
    _Pragma("unroll") for (int j = 0; j < EDGE; ++j) A_TRANSFORM(FROM_ROUND, TO_SUM_ROWS)                 \
    const int a = 2 * round + round_row / LY;                                                             \
    const int filter = block * BM + 4 * (round_row % LY + a / 4 * LY) + a % 4;                            \
    if (real && filter < filters) {                                                                       \
      const int of_result = group_index * filters + filter;                                               \
      const float bias = BIAS_OF(b, of_result);                                                           \
      const float slope = SLOPE_OF(SLOPES_OF(image, (long)groups * filters), of_result);                  \
      STORE_RESULTS(first_out + of_result * (long)oh * ow)                                                \
    }                                                                                                     \
  }

kernel __attribute__((reqd_work_group_size(WORK_ITEMS, 1, 1)))
void winograd_fused(global const element* restrict x, global const element* restrict y,
                    global const float4* restrict packed, global const element* restrict b,
                    global const element* restrict r, global element* restrict result, int channels,
                    int filters, int groups, int padded_filters, int blocks, int strips, int in_h, int in_w,
                    int top, int left, int oh, int ow, int tiles, int tiles_y, int tiles_y_reciprocal,
                    int tiles_y_shift, int tiles_x, int tiles_x_reciprocal, int tiles_x_shift, long in_image,
                    long out_image SLOPES_PARAMETER) {
  local float4 memory[LOCAL_FLOATS / 4];
  const int id = get_local_id(0);
  const int xi = id / ITEMS, item = id % ITEMS;
  PLACE_IN_TILE()
  const int work_group = get_group_id(0);
  const int block = work_group % blocks;
  const int strip = work_group / blocks % strips;
  const int group_index = work_group / blocks / strips;

  // The tile that the work-item transforms, of channel `channel` of a step, and at the end transforms back.
  const int n = id % BN, channel = id / BN;
  const int transforms = channel < BK;
  const int tile = strip * BN + n, real = tile < tiles;
  const int line = QUOTIENT(real ? tile : 0, tiles_x);
  const int image = QUOTIENT(line, tiles_y);
  const int i0 = (line - image * tiles_y) * M;
  const int j0 = ((real ? tile : 0) - line * tiles_x) * M;
  const int inside = inside_of(real, i0 + top, j0 + left, in_h, in_w);
  const long plane = (long)in_h * in_w, step = BK * plane;
  const long first = image * in_image + ((long)group_index * channels + channel) * plane +
                     (i0 + top) * (long)in_w + j0 + left;
  global const element* from = x + first;
#if MASK
  global const element* from_y = y + first;
#endif
  const int u_row = id / (BM / 4);
  const int u_channel = u_row / XI;
  const int u_step = U_ROWS / XI * (padded_filters / 4);
  global const float4* weights = packed + (((long)group_index * XI + u_row % XI) * channels + u_channel) *
                                              (padded_filters / 4) + block * (BM / 4) + id % (BM / 4);
  local float* v_out = (local float*)memory + BK * XI * BM + channel * XI * BN + n;
  local float4 (*U)[XI * BM / 4] = (local float4 (*)[XI * BM / 4])(memory + xi * (BM / 4));
  local float4 (*V)[XI * BN / 4] = (local float4 (*)[XI * BN / 4])(memory + BK * XI * BM / 4 + xi * (BN / 4));
  float4 acc[TM][TN / 4];
  CLEAR_SUMS(acc)
  float4 next_u[U_FETCHES];
  float d[EDGE][EDGE];
  FETCH(0)
  for (int k0 = 0; k0 < channels; k0 += BK) {
    TO_LOCAL()
    barrier(CLK_LOCAL_MEM_FENCE);
    if (k0 + BK < channels) { FETCH(k0 + BK) }
    MULTIPLY_TILES(acc, U, V)
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  STORE_ROUNDS()
}
