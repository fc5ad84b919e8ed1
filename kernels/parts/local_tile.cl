// parts: language
// A product of tiles in local memory, for GPUs.
//
//                  +---- BN ----+      A work-group of ITEMS work-items computes BM x BN results. Each step copies BK
//             BK   |     B      |      products of both matrices to local memory; the next step is fetched while this
//                  +------------+      one is multiplied, at one barrier per step. A work-item multiplies TM rows by
//       +-- BK -+  +------------+      TN columns in registers, in blocks of 4 x 4 that are PATCH_Y and PATCH_X blocks
//   BM  |   A   |  | TM x TN    |      apart. With AHEAD it loads the factors of the next product while it multiplies
//       +-------+  +------------+      those of this one, with all of a step unrolled.
//
// 32 work-items, which a GPU runs together, have a patch of PATCH_X x PATCH_Y blocks. Two neighbours have the same
// columns: what half of the 32 read as float4s is then in different banks of the local memory.
//
// Macros: BM BN BK TM TN AHEAD. PLACE_IN_TILE() defines the work-item's first block: row_block and column_block.

#define LX (BN / TN)
#define LY (BM / TM)
#define ITEMS (LX * LY)
#if LX % 8 == 0 && LY % 4 == 0
#define PATCH_X 8
#define PATCH_Y 4
#elif LX % 4 == 0 && LY % 8 == 0
#define PATCH_X 4
#define PATCH_Y 8
#else
#define PATCH_X LX
#define PATCH_Y LY
#endif
#define PATCH (PATCH_X * PATCH_Y)
#if PATCH_Y % 2 == 0
#define PATCH_COLUMN(lane) ((lane) / 2 % PATCH_X)
#define PATCH_ROW(lane) ((lane) % 2 + (lane) / (2 * PATCH_X) * 2)
#else
#define PATCH_COLUMN(lane) ((lane) % PATCH_X)
#define PATCH_ROW(lane) ((lane) / PATCH_X)
#endif
#define PLACE_IN_TILE()                                                                                               \
  const int row_block = item / PATCH / (LX / PATCH_X) * (PATCH_Y * TM / 4) + PATCH_ROW(item % PATCH);                 \
  const int column_block = item / PATCH % (LX / PATCH_X) * (PATCH_X * TN / 4) + PATCH_COLUMN(item % PATCH);
// The first row of the work-item's block `a` of rows, and the first column of its block `c` of columns.
#define TILE_ROW(a) (4 * (row_block + (a) * PATCH_Y))
#define TILE_COLUMN(c) (4 * (column_block + (c) * PATCH_X))

// Sums of block rows and columns: row 4*a + p, columns 4*c to 4*c + 3.
#define CLEAR_SUMS(acc)                                            \
  _Pragma("unroll") for (int a = 0; a < TM; ++a) {                 \
    _Pragma("unroll") for (int c = 0; c < TN / 4; ++c) {           \
      acc[a][c] = (float4)(0.0f);                                  \
    }                                                              \
  }
#define COMPONENT(v, p) ((p) == 0 ? (v).x : (p) == 1 ? (v).y : (p) == 2 ? (v).z : (v).w)

#define LOAD_FACTORS(slot, A, B, kk)                                                                                  \
  _Pragma("unroll") for (int a = 0; a < TM / 4; ++a) rows_of[slot][a] = (A)[kk][row_block + a * PATCH_Y];             \
  _Pragma("unroll") for (int c = 0; c < TN / 4; ++c) columns_of[slot][c] = (B)[kk][column_block + c * PATCH_X];
#define MULTIPLY_ROW(acc, a, factor, slot)                                                                            \
  _Pragma("unroll") for (int c = 0; c < TN / 4; ++c) {                                                                \
    acc[a][c] = MULTIPLY_ADD((float4)(factor), columns_of[slot][c], acc[a][c]);                                       \
  }
#define MULTIPLY_FACTORS(acc, slot)                                                                                   \
  _Pragma("unroll") for (int a = 0; a < TM / 4; ++a) {                                                                \
    MULTIPLY_ROW(acc, 4 * a, rows_of[slot][a].x, slot)                                                                \
    MULTIPLY_ROW(acc, 4 * a + 1, rows_of[slot][a].y, slot)                                                            \
    MULTIPLY_ROW(acc, 4 * a + 2, rows_of[slot][a].z, slot)                                                            \
    MULTIPLY_ROW(acc, 4 * a + 3, rows_of[slot][a].w, slot)                                                            \
  }

// acc[TM][TN / 4] += the BK products in `local float4 A[BK][pitch_a], B[BK][pitch_b]`.
#if AHEAD
#define MULTIPLY_TILES(acc, A, B)                                                                                     \
  {                                                                                                                   \
    float4 rows_of[2][TM / 4], columns_of[2][TN / 4];                                                                 \
    LOAD_FACTORS(0, A, B, 0)                                                                                          \
    _Pragma("unroll") for (int kk = 0; kk < BK; ++kk) {                                                               \
      if (kk + 1 < BK) { LOAD_FACTORS((kk + 1) % 2, A, B, kk + 1) }                                                   \
      MULTIPLY_FACTORS(acc, kk % 2)                                                                                   \
    }                                                                                                                 \
  }
#else
#define UNROLL_PRODUCTS "unroll 4"
#define MULTIPLY_TILES(acc, A, B)                                                                                     \
  _Pragma(UNROLL_PRODUCTS) for (int kk = 0; kk < BK; ++kk) {                                                          \
    float4 rows_of[1][TM / 4], columns_of[1][TN / 4];                                                                 \
    LOAD_FACTORS(0, A, B, kk)                                                                                         \
    MULTIPLY_FACTORS(acc, 0)                                                                                          \
  }
#endif

// Runs the steps [first, last), one at least: IGC 1.0.12504 crashes where the first fetch depends on a condition.
// FETCH() loads the work-item's share of the next step into registers, TO_LOCAL(buffer) stores it to local memory,
// MULTIPLY(buffer) uses it. FETCH is called once per step, in order.
#define FOR_EACH_STEP(first, last, FETCH, TO_LOCAL, MULTIPLY)      \
  {                                                                \
    int buffer = 0;                                                \
    FETCH()                                                        \
    TO_LOCAL(0)                                                    \
    barrier(CLK_LOCAL_MEM_FENCE);                                  \
    for (int step = first; step < (last); ++step) {                \
      const int more = step + 1 < (last);                          \
      if (more) { FETCH() }                                        \
      MULTIPLY(buffer)                                             \
      buffer = 1 - buffer;                                         \
      if (more) { TO_LOCAL(buffer) }                               \
      barrier(CLK_LOCAL_MEM_FENCE);                                \
    }                                                              \
  }

// Advances a counter (a, b, c), whose c runs fastest, to c_end, then b, to b_end, by a step of the same form, which the
// host has computed.
#define ADVANCE(a, b, c, b_end, c_end, step_a, step_b, step_c) \
  c += step_c;                                                 \
  b += step_b;                                                 \
  a += step_a;                                                 \
  if (c >= c_end) {                                            \
    c -= c_end;                                                \
    ++b;                                                       \
  }                                                            \
  if (b >= b_end) {                                            \
    b -= b_end;                                                \
    ++a;                                                       \
  }
