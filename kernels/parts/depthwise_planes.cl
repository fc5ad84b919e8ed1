// parts: mask deinterleave
// Depthwise convolution of planes that are read as they lie, without a copy.
//
//        LEFT        RIGHT       The plane of results is divided into tiles of TILE_ROWS rows x VW columns (steps). The
//       . . . . . . . .          last ones overlap their neighbours, so that all are whole, and only the outer ones
//   TOP . +---------+ .          see something outside the image: at most TOP, BOTTOM rows and LEFT, RIGHT columns,
//       . |         | .          at the first and the last position of the filter. Each case is code of its own
//       . |         | .          without conditions: rows outside are left out; columns outside are lanes set to 0,
//       . +---------+ . BOTTOM   of a vector that is read inside the image. Nothing is read outside it.
//       . . . . . . . .
//
// Macros: VW (4, 8 or 16), MASK; TOP BOTTOM LEFT RIGHT; ONE_TILE, ONE_VECTOR (1: there is one tile, one vector of
// columns); SHIFT_H, SHIFT_W (tiles and vectors between the first and the last begin so much earlier, so that only the
// last sees the end); PAIRS (1: bfloat16, forward, stride 2); STAGE_PITCH (defined: columns are apart already, in
// order). The program defines TILE_ROWS and EACH_CASE.

#define IN_H ((TILE_ROWS - 1) * IH + REACH_H + 1)

// Row p of those that a tile sees is in the image.
#define IS_ROW(p, top, bottom) (!((top) && (p) < TOP) && !((bottom) && (p) >= IN_H - (BOTTOM)))

// The vector at `at` (of a gradient: masked), of which the first `before` or the last `behind` elements lie
// outside and are 0. Both are constants.
ALWAYS_INLINE floatv see(global const element* input, global const element* y, const long at,
                         const int before, const int behind) {
  const int out = before > 0 ? before : behind > 0 ? -behind : 0;
  floatv v = GET_V(input + at + out);
#if MASK && DATA
  v = BACKWARD(v, GET_V(y + at + out));
#endif
  return out == 0 ? v
                  : shuffle2(v, (floatv)(0.0f), AS_UINTV((LANES - out) & (2 * VW - 1)));
}

// At stride 2, the columns left of the image are those two further right, moved by one lane, with a 0 coming in. So
// columns are read from the image's first on, if this does not read further to the right.
#if IW == 2
#define FROM_LEFT (LEFT > 0 && LEFT <= REACH_W && LEFT + ((REACH_W - LEFT) & ~1) <= (REACH_W & ~1))
#define MOVES(q, left) ((left) && FROM_LEFT && (q) < LEFT ? (LEFT - (q) + 1) / 2 : 0)
#define MOST_MOVES (FROM_LEFT ? (LEFT + 1) / 2 : 0)
// In shuffled order: lane i of the result is lane i - n of v, or 0.
#define MOVE(v, n)                                                                          \
  shuffle2(v, (floatv)(0.0f),                                                               \
           AS_UINTV(SHUFFLED(LANES) < (intv)(n) || SHUFFLED(LANES) >= (intv)(VW + (n))      \
                        ? (intv)(VW)                                                        \
                        : shuffle(UNSHUFFLED(LANES), AS_UINTV((SHUFFLED(LANES) - (intv)(n)) & (VW - 1)))))
#else
#define MOVES(q, left) 0
#define MOST_MOVES 0
#define MOVE(v, n) (v)
#endif

// VW columns, IW apart, from `at` + q on, in shuffled order; q is a constant up to REACH_W. The caller moves them by
// MOVES(q, left) lanes.
ALWAYS_INLINE floatv see_columns(global const element* input, global const element* y, const long at,
                                 const int q, const int left, const int right) {
#if IW == 1
  return see(input, y, at + q, left ? LEFT - q : 0, right ? RIGHT - (REACH_W - q) : 0);
#else
  const int seen = q + 2 * MOVES(q, left);
  const int odd = (seen - (left && FROM_LEFT ? LEFT : 0)) & 1;
  const int even = seen - odd;
#if PAIRS
  if (!(left && LEFT > even) && !(right && RIGHT - (REACH_W - even) + 1 > 0)) {
    return COLUMNS_OF_PAIRS(pairs_at(input + at + even), odd);
  }
#endif
  const floatv a = see(input, y, at + even, left ? LEFT - even : 0, 0);
  const floatv b = see(input, y, at + even + VW, 0, right ? RIGHT - (REACH_W - even) + 1 : 0);
  return odd ? ODD_COLUMNS(a, b) : EVEN_COLUMNS(a, b);
#endif
}

// Does DO(row, column, top, bottom, left, right) for all tiles of row `index` of the `count` rows of tiles in a plane
// of `height` x `width` results. The last four are constants. Where the first ones see no padding, they need no code of
// their own, unless EACH_CASE is 1.
#define AT_TOP (EACH_CASE || TOP > 0 || ONE_TILE)
#define AT_LEFT (EACH_CASE || LEFT > 0 || ONE_VECTOR)
#define FOR_VECTORS(row, top, bottom, width, DO)                                             \
  if (AT_LEFT) { DO(row, 0, top, bottom, 1, ONE_VECTOR) }                                    \
  if (!ONE_VECTOR) {                                                                         \
    __attribute__((opencl_unroll_hint(1)))                                                   \
    for (int j = AT_LEFT ? VW - SHIFT_W : 0; j < (width) - VW;                               \
         j += !AT_LEFT && j == 0 ? VW - SHIFT_W : VW) {                                      \
      DO(row, j, top, bottom, 0, 0)                                                          \
    }                                                                                        \
    DO(row, (width) - VW, top, bottom, 0, 1)                                                 \
  }
#define FOR_TILES(index, count, height, width, DO)                                \
  if (AT_TOP && (index) == 0) {                                                   \
    FOR_VECTORS(0, 1, ONE_TILE, width, DO)                                        \
  } else if ((index) + 1 < (count)) {                                             \
    FOR_VECTORS(max((index) * TILE_ROWS - SHIFT_H, 0), 0, 0, width, DO)           \
  } else if (!ONE_TILE) {                                                         \
    FOR_VECTORS((height) - TILE_ROWS, 0, 1, width, DO)                            \
  }
