// parts: vectors
// Interleaving two vectors, and transposing VW vectors in registers.
//
// Macros: VW (4, 8 or 16; nothing is defined for others).

#if VW >= 4
inline floatv interleave_lo(const floatv a, const floatv b) {
  floatv r;
  r.even = a.lo;
  r.odd = b.lo;
  return r;
}
inline floatv interleave_hi(const floatv a, const floatv b) {
  floatv r;
  r.even = a.hi;
  r.odd = b.hi;
  return r;
}

// TRANSPOSE transposes `floatv rows[VW]`; `floatv other[VW]` is its working space, and TRANSPOSED(rows, other) its
// result. It first transposes 4 x 4 within lanes of 4 floats, which takes no index vector, then the lanes.
#if VW == 4
#define SHUFFLE_ROWS(from, to)                          \
  _Pragma("unroll") for (int s = 0; s < 2; ++s) {       \
    to[2 * s] = interleave_lo(from[s], from[s + 2]);     \
    to[2 * s + 1] = interleave_hi(from[s], from[s + 2]); \
  }
#define TRANSPOSE(rows, other) SHUFFLE_ROWS(rows, other) SHUFFLE_ROWS(other, rows)
#define TRANSPOSED(rows, other) rows
#else
#if VW == 8
#define FIRST_PAIRS s0145
#define SECOND_PAIRS s2367
#define EVEN_LANES s0123
#define ODD_LANES s4567
#else
#define FIRST_PAIRS s014589cd
#define SECOND_PAIRS s2367abef
#define EVEN_LANES s012389ab
#define ODD_LANES s4567cdef
#endif
#define SHUFFLE_2(to, to_a, to_b, a, b, from) \
  {                                           \
    floatv r;                                 \
    r.to_a = (a).from;                        \
    r.to_b = (b).from;                        \
    to = r;                                   \
  }
#define TRANSPOSE_LANES(rows, other)                                                            \
  _Pragma("unroll") for (int s = 0; s < VW; s += 2) {                                           \
    SHUFFLE_2(other[s], even, odd, rows[s], rows[s + 1], FIRST_PAIRS)                           \
    SHUFFLE_2(other[s + 1], even, odd, rows[s], rows[s + 1], SECOND_PAIRS)                      \
  }                                                                                             \
  _Pragma("unroll") for (int s = 0; s < VW; s += 4) {                                           \
    SHUFFLE_2(rows[s], FIRST_PAIRS, SECOND_PAIRS, other[s], other[s + 2], FIRST_PAIRS)          \
    SHUFFLE_2(rows[s + 1], FIRST_PAIRS, SECOND_PAIRS, other[s], other[s + 2], SECOND_PAIRS)     \
    SHUFFLE_2(rows[s + 2], FIRST_PAIRS, SECOND_PAIRS, other[s + 1], other[s + 3], FIRST_PAIRS)  \
    SHUFFLE_2(rows[s + 3], FIRST_PAIRS, SECOND_PAIRS, other[s + 1], other[s + 3], SECOND_PAIRS) \
  }
#if VW == 8
#define TRANSPOSE(rows, other)                                        \
  TRANSPOSE_LANES(rows, other)                                        \
  _Pragma("unroll") for (int s = 0; s < 4; ++s) {                     \
    SHUFFLE_2(other[s], lo, hi, rows[s], rows[s + 4], EVEN_LANES)     \
    SHUFFLE_2(other[s + 4], lo, hi, rows[s], rows[s + 4], ODD_LANES)  \
  }
#define TRANSPOSED(rows, other) other
#else
#define TRANSPOSE(rows, other)                                                        \
  TRANSPOSE_LANES(rows, other)                                                        \
  _Pragma("unroll") for (int s = 0; s < 4; ++s) {                                     \
    SHUFFLE_2(other[4 * s], lo, hi, rows[s], rows[s + 4], EVEN_LANES)                 \
    SHUFFLE_2(other[4 * s + 1], lo, hi, rows[s + 8], rows[s + 12], EVEN_LANES)        \
    SHUFFLE_2(other[4 * s + 2], lo, hi, rows[s], rows[s + 4], ODD_LANES)              \
    SHUFFLE_2(other[4 * s + 3], lo, hi, rows[s + 8], rows[s + 12], ODD_LANES)         \
  }                                                                                   \
  _Pragma("unroll") for (int s = 0; s < 4; ++s) {                                     \
    SHUFFLE_2(rows[s], lo, hi, other[4 * s], other[4 * s + 1], EVEN_LANES)            \
    SHUFFLE_2(rows[s + 4], lo, hi, other[4 * s + 2], other[4 * s + 3], EVEN_LANES)    \
    SHUFFLE_2(rows[s + 8], lo, hi, other[4 * s], other[4 * s + 1], ODD_LANES)         \
    SHUFFLE_2(rows[s + 12], lo, hi, other[4 * s + 2], other[4 * s + 3], ODD_LANES)    \
  }
#define TRANSPOSED(rows, other) rows
#endif
#endif
#endif
