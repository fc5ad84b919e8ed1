// parts: transpose
// 2 or 4 vectors as one row in which their elements alternate, and back. `from` and `to` are arrays of vectors.
//
//   from  a0 a1 a2 a3, b0 b1 b2 b3   <-  INTERLEAVE, PART  ->   to  a0 b0 a1 b1, a2 b2 a3 b3
//
// Macros: VW (4, 8 or 16; nothing is defined for others).

#if VW >= 4
#define INTERLEAVE_2(from, to)                 \
  (to)[0] = interleave_lo((from)[0], (from)[1]); \
  (to)[1] = interleave_hi((from)[0], (from)[1]);
#define INTERLEAVE_4(from, to)                                    \
  {                                                               \
    const floatv even_lo = interleave_lo((from)[0], (from)[2]);   \
    const floatv even_hi = interleave_hi((from)[0], (from)[2]);   \
    const floatv odd_lo = interleave_lo((from)[1], (from)[3]);    \
    const floatv odd_hi = interleave_hi((from)[1], (from)[3]);    \
    (to)[0] = interleave_lo(even_lo, odd_lo);                     \
    (to)[1] = interleave_hi(even_lo, odd_lo);                     \
    (to)[2] = interleave_lo(even_hi, odd_hi);                     \
    (to)[3] = interleave_hi(even_hi, odd_hi);                     \
  }
#define INTERLEAVE(count, from, to) CLCONV_PASTE(INTERLEAVE_, count)(from, to)

inline floatv evens_of(const floatv a, const floatv b) {
  floatv r;
  r.lo = a.even;
  r.hi = b.even;
  return r;
}
inline floatv odds_of(const floatv a, const floatv b) {
  floatv r;
  r.lo = a.odd;
  r.hi = b.odd;
  return r;
}
#define PART_2(from, to)                    \
  (to)[0] = evens_of((from)[0], (from)[1]); \
  (to)[1] = odds_of((from)[0], (from)[1]);
#define PART_4(from, to)                                      \
  {                                                           \
    const floatv even_lo = evens_of((from)[0], (from)[1]);    \
    const floatv even_hi = evens_of((from)[2], (from)[3]);    \
    const floatv odd_lo = odds_of((from)[0], (from)[1]);      \
    const floatv odd_hi = odds_of((from)[2], (from)[3]);      \
    (to)[0] = evens_of(even_lo, even_hi);                     \
    (to)[1] = evens_of(odd_lo, odd_hi);                       \
    (to)[2] = odds_of(even_lo, even_hi);                      \
    (to)[3] = odds_of(odd_lo, odd_hi);                        \
  }
#define PART(count, from, to) CLCONV_PASTE(PART_, count)(from, to)
#endif
