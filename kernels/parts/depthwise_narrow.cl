// parts: lanes mask prefetch depthwise_taps
// Depthwise convolution of planes that are narrow: a row of results, or those of two planes, fit one vector.
//
//   PLANES planes, a row of each                one vector (of the input, at stride 2: even and odd columns)
//     a b c d e f g | A B C D E F G     ->        a b c d e f g 0 A B C D E F G 0
//
//   The taps of a column of the filter see it      0 a b c d e f g 0 A B C D E F G   q = LEFT - 1
//   moved by a constant number of lanes, with 0    a b c d e f g 0 A B C D E F G 0   q = LEFT
//   from outside the plane.
//
// Macros: VW (8 or 16), PLANES (1 or 2), RB (steps of a tile of results); TOP BOTTOM LEFT (rows, columns of padding),
// ONE_TILE (1: a plane has one tile, in which rows of padding are left out), ZERO_LANES (at the end of a plane's).

#define GROUP (VW / PLANES)  // lanes of a plane
#define LANE_OF_PLANE (LANES & (GROUP - 1))

// Rows of the input that a tile sees, and which of them are loaded.
#define IN_H ((RB - 1) * IH + REACH_H + 1)
#define FIRST_ROW (ONE_TILE && (TOP) > 0 ? (TOP) : 0)
#define END_ROW (ONE_TILE && (BOTTOM) > 0 ? IN_H - (BOTTOM) : IN_H)

// N elements at `at`, with `masked` of a masked gradient. Beyond `count` they are any that belong to the tensor of
// `size` elements, or 0.
#define NARROW_LOAD(N)                                                                               \
  inline CLCONV_PASTE(float, N) CLCONV_PASTE(load_, N)(                                              \
      global const element* input, global const element* y, const int masked, const long at,         \
      const int count, const long size) {                                                            \
    if (at + N <= size) {                                                                            \
      const CLCONV_PASTE(float, N) v = GET_N(N, input + at);                                         \
      return masked ? BACKWARD(v, GET_N(N, y + at)) : v;                                             \
    }                                                                                                \
    float values[N];                                                                                 \
    for (int i = 0; i < N; ++i) {                                                                    \
      values[i] = i >= count ? 0.0f : masked ? BACKWARD(GET(input, at + i), GET(y, at + i)) : GET(input, at + i); \
    }                                                                                                \
    return CLCONV_PASTE(vload, N)(0, values);                                                        \
  }
#if VW == 16
NARROW_LOAD(16)
NARROW_LOAD(8)
#define LOAD_WHOLE load_16
#define LOAD_HALF load_8
#else
NARROW_LOAD(8)
NARROW_LOAD(4)
#define LOAD_WHOLE load_8
#define LOAD_HALF load_4
#endif

// The first `count` columns of the row at `at` of the planes at from[], 0 beyond.
inline floatv load_row(global const element* input, global const element* y, const int masked,
                       const long* from, const long at, const int count, const long size) {
#if PLANES == 1
  const floatv v = LOAD_WHOLE(input, y, masked, from[0] + at, count, size);
#else
  floatv v;
  v.lo = LOAD_HALF(input, y, masked, from[0] + at, count, size);
  v.hi = LOAD_HALF(input, y, masked, from[1] + at, count, size);
#endif
  return LANE_OF_PLANE < (intv)(count) ? v : (floatv)(0.0f);
}

// Rows FIRST_ROW to END_ROW of those that a tile sees, of which row 0 is `row` of the planes at from[]; at stride 2
// the even columns, then the odd ones. Meanwhile what lies `ahead` elements further is prefetched.
inline void load_rows(floatv* rows, global const element* input, global const element* y, const int masked,
                      const long* from, const long ahead, const int row, const int in_h, const int in_w,
                      const long size) {
  __attribute__((opencl_unroll_hint(1)))
  for (int p = FIRST_ROW; p < END_ROW; ++p) {
    if (!ONE_TILE && (row + p < 0 || row + p >= in_h)) {
      for (int phase = 0; phase < IW; ++phase) rows[p * IW + phase] = (floatv)(0.0f);
      continue;
    }
    const long at = (long)(row + p) * in_w;
    for (int line = 0; line < IW; ++line) PREFETCH(input + from[0] + ahead + PLANES * at + line * 16);
#if IW == 1
    rows[p] = load_row(input, y, masked, from, at, in_w, size);
#else
    const floatv a = LOAD_WHOLE(input, y, masked, from[0] + at, in_w, size);
#if PLANES == 1
    const floatv b = LOAD_WHOLE(input, y, masked, from[0] + at + VW, in_w - VW, size);
#else
    const floatv b = LOAD_WHOLE(input, y, masked, from[1] + at, in_w, size);
#endif
    rows[2 * p] = LANE_OF_PLANE * 2 < (intv)(in_w) ? even_lanes(a, b) : (floatv)(0.0f);
    rows[2 * p + 1] = LANE_OF_PLANE * 2 + 1 < (intv)(in_w) ? odd_lanes(a, b) : (floatv)(0.0f);
#endif
  }
}

// Column q of those that a step sees: which of a row's IW vectors, and by how many lanes further right. (With 64 for
// the division to round down.)
#define COLUMN_PHASE(q) (((q) - (LEFT) + 64 * IW) % IW)
#define COLUMN_LANES(q) (((q) - (LEFT) + 64 * IW) / IW - 64)
// v, each lane from n (a constant) further right. Where the last lanes are 0 they may come round: by one instruction,
// while LLVM takes a slow one (vexpandps) to bring zeroes in.
#define LANE_STAYS(n) (LANE_OF_PLANE + (intv)(n) >= 0 && LANE_OF_PLANE + (intv)(n) < (intv)(GROUP))
#define ROUND(n) ((LANES & (intv)(VW - GROUP)) + ((LANE_OF_PLANE + (intv)(n)) & (intv)(GROUP - 1)))
#define MOVED(v, n)                                                                                  \
  ((n) == 0                                  ? (v)                                                   \
   : (n) <= ZERO_LANES && (n) >= -ZERO_LANES ? shuffle(v, AS_UINTV(ROUND(n)))                        \
                                             : shuffle2(v, (floatv)(0.0f),                           \
                                                        AS_UINTV(LANE_STAYS(n) ? ROUND(n) : (intv)(VW))))
