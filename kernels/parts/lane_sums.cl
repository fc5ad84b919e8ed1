// parts: lanes
// Sums over the lanes of many vectors at once: three instructions per vector instead of eight.
//
//   a0 a1 a2 a3, b0 b1 b2 b3   ->   a0+a1 a2+a3 b0+b1 b2+b3   ->   ...
//
// Macros: VW (4, 8 or 16).

#define ADD_PAIRS(from, to, count)                                \
  _Pragma("unroll") for (int s = 0; s < (count); ++s) {           \
    to[s] = even_lanes(from[2 * s], from[2 * s + 1]) + odd_lanes(from[2 * s], from[2 * s + 1]); \
  }

// Lane i: the sum over vectors[i]; with `halves` lanes 2*i and 2*i + 1 of the result those over the lower and the upper
// half of vectors[i], of VW / 2 vectors.
ALWAYS_INLINE floatv lane_sums(const floatv* vectors, const int halves) {
  floatv a[VW], b[VW];
  const int count = halves ? VW / 2 : VW;
  ADD_PAIRS(vectors, a, count / 2)
  ADD_PAIRS(a, b, count / 4)
  if (count == 4) return b[0];
  ADD_PAIRS(b, a, count / 8)
  if (count == 8) return a[0];
  ADD_PAIRS(a, b, count / 16)
  return b[0];
}
