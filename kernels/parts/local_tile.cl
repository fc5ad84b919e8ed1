// parts: language
// A product of tiles in local memory, for GPUs.
//
//                  +---- BN ----+      A work-group of ITEMS work-items computes BM x BN results. Each step copies BK
//             BK   |     B      |      products of both matrices to local memory. A work-item multiplies TM rows by TN
//                  +------------+      columns in registers, in blocks of 4 x 4, so that neighbours read neighbouring
//       +-- BK -+  +------------+      float4s: rows 4*(LY*a + ly) + 0..3, a < TM/4; columns likewise.
//   BM  |   A   |  | TM x TN    |      With two BUFFERS the next step is fetched while this one is multiplied, at one
//       +-------+  +------------+      barrier per step; with one buffer, at two.
//
// Macros: BM BN BK TM TN BUFFERS. Names: lx and ly, the position of the work-item in the tile.

#define LX (BN / TN)
#define LY (BM / TM)
#define ITEMS (LX * LY)
#define TILE_ROW(a) (4 * ((a) / 4 * LY + ly) + (a) % 4)
#define TILE_COLUMN(a) (4 * ((a) / 4 * LX + lx) + (a) % 4)

// acc[TM][TN / 4] += the BK products in `local float4 A[BK][pitch_a], B[BK][pitch_b]`.
#define MULTIPLY_TILES(acc, A, B)                                                             \
  for (int kk = 0; kk < BK; ++kk) {                                                           \
    float rows_of[TM];                                                                        \
    float4 columns_of[TN / 4];                                                                \
    _Pragma("unroll") for (int a = 0; a < TM / 4; ++a) {                                      \
      vstore4((A)[kk][a * LY + ly], a, rows_of);                                              \
    }                                                                                         \
    _Pragma("unroll") for (int a = 0; a < TN / 4; ++a) columns_of[a] = (B)[kk][a * LX + lx];  \
    _Pragma("unroll") for (int a = 0; a < TM; ++a) {                                          \
      _Pragma("unroll") for (int c = 0; c < TN / 4; ++c) {                                    \
        acc[a][c] = MULTIPLY_ADD((float4)(rows_of[a]), columns_of[c], acc[a][c]);             \
      }                                                                                       \
    }                                                                                         \
  }

// Runs the steps [first, last). FETCH() loads the work-item's share of the next step into registers, TO_LOCAL(buffer)
// stores it to local memory, MULTIPLY(buffer) uses it. FETCH is called once per step, in order.
#if BUFFERS == 2
#define FOR_EACH_STEP(first, last, FETCH, TO_LOCAL, MULTIPLY)      \
  {                                                                \
    int buffer = 0;                                                \
    if ((first) < (last)) {                                        \
      FETCH()                                                      \
      TO_LOCAL(0)                                                  \
    }                                                              \
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
#else
#define FOR_EACH_STEP(first, last, FETCH, TO_LOCAL, MULTIPLY)      \
  for (int step = first; step < (last); ++step) {                  \
    FETCH()                                                        \
    barrier(CLK_LOCAL_MEM_FENCE);                                  \
    TO_LOCAL(0)                                                    \
    barrier(CLK_LOCAL_MEM_FENCE);                                  \
    MULTIPLY(0)                                                    \
  }
#endif

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
