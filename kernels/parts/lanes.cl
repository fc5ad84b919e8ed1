// parts: vectors
// Lanes of a vector: their numbers, their sum, and the even or odd ones of two vectors.
//
// Macros: VW (4, 8 or 16).

typedef CLCONV_PASTE(int, VW) intv;
typedef CLCONV_PASTE(uint, VW) uintv;
#define AS_UINTV(value) CLCONV_PASTE(as_uint, VW)(value)

#define LANES_4 ((int4)(0, 1, 2, 3))
#define LANES_8 ((int8)(0, 1, 2, 3, 4, 5, 6, 7))
#define LANES_16 ((int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#define LANES CLCONV_PASTE(LANES_, VW)

inline float sum_of_lanes(const floatv v) {
#if VW == 16
  const float8 v8 = v.lo + v.hi;
#elif VW == 8
  const float8 v8 = v;
#endif
#if VW >= 8
  const float4 v4 = v8.lo + v8.hi;
#else
  const float4 v4 = v;
#endif
  const float2 v2 = v4.lo + v4.hi;
  return v2.x + v2.y;
}

// Of 2*VW elements a, b: those at even, at odd places.
inline floatv even_lanes(const floatv a, const floatv b) {
  floatv r;
  r.lo = a.even;
  r.hi = b.even;
  return r;
}
inline floatv odd_lanes(const floatv a, const floatv b) {
  floatv r;
  r.lo = a.odd;
  r.hi = b.odd;
  return r;
}
