// parts: deinterleave keep_order prefetch
// Rows of planes that are read as they lie, at stride 2: VW even and VW odd columns at a time.
//
// The width is a constant of the program: all vectors of a row are code of their own, up to 9 of them, and so are the
// masks of those at its ends. Where a vector may reach beyond the tensor, it is read element by element ("careful").
//
// Macros: IN_W OW (columns of the input and of the result, or of dy), VECTORS (of a row), and those of
// parts/deinterleave.cl.

NOT_INLINED floatv load_carefully(global const element* tensor, const long at, const long size) {
  float values[VW];
  for (int lane = 0; lane < VW; ++lane) {
    values[lane] = at + lane >= 0 && at + lane < size ? GET(tensor, at + lane) : 0.0f;
  }
  return LOAD_V(values);
}
// VW elements of a tensor of `size`. `careful`: some may be outside of it.
ALWAYS_INLINE floatv load(global const element* tensor, const long at, const long size, const int careful) {
  return careful && (at < 0 || at + VW > size) ? load_carefully(tensor, at, size) : GET_V(tensor + at);
}

// The even and the odd ones of the 2*VW columns of x at `at`.
ALWAYS_INLINE void load_halves(floatv halves[2], global const element* x, const long at, const long size,
                               const int careful) {
#if PAIRS
  uintv pairs;
  if (careful && (at < 0 || at + 2 * VW > size)) {
    const floatv a = load_carefully(x, at, size), b = load_carefully(x, at + VW, size);
    pairs = AS_UINTV(odd_lanes(a, b)) | (AS_UINTV(even_lanes(a, b)) >> (uintv)(16));
  } else {
    pairs = pairs_at(x + at);
  }
  halves[0] = COLUMNS_OF_PAIRS(pairs, 0);
  halves[1] = COLUMNS_OF_PAIRS(pairs, 1);
#else
  const floatv a = load(x, at, size, careful), b = load(x, at + VW, size, careful);
  halves[0] = EVEN_COLUMNS(a, b);
  halves[1] = ODD_COLUMNS(a, b);
#endif
}

// Prefetches the lines of `rows` rows at `pointer`, a few rows ahead: n1c32h320w320k32kh3kw3s2p1g32's weight gradient
// takes 360 us instead of 500 with 4 or 8 rows, 410 with 16; where a cache holds the input it is level (one thread,
// 2-core Zen 3, 2026-12).
#define ROWS_AHEAD 4
#define PREFETCH_ROWS(pointer, rows) \
  _Pragma("unroll") for (int row = 0; row < (rows); ++row) PREFETCH((pointer) + (ROWS_AHEAD + row) * IN_W);

// Does DO(column, skip) for each vector of a row, from column VW * i on; the last, which begins at `last` at most,
// skips what the one before it had.
#define FOR_VECTORS_OF_ROW(last, DO)                  \
  DO(0, 0);                                           \
  FOR_MIDDLE_VECTORS(DO)                              \
  if (VECTORS > 2) AT_MOST((VECTORS - 2) * VW, last, DO) \
  if (VECTORS > 1) AT_MOST((VECTORS - 1) * VW, last, DO)
#define AT_MOST(j, last, DO) DO(min(j, last), (j) - min(j, last));
#if VECTORS > 9
#define FOR_MIDDLE_VECTORS(DO)             \
  __attribute__((opencl_unroll_hint(1)))   \
  for (int j = VW; j < (VECTORS - 2) * VW; j += VW) DO(j, 0);
#elif VECTORS > 3
#define FOR_MIDDLE_VECTORS(DO) \
  _Pragma("unroll") for (int j = VW; j < (VECTORS - 2) * VW; j += VW) DO(j, 0);
#else
#define FOR_MIDDLE_VECTORS(DO)
#endif
