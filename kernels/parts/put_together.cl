// parts: lanes
// Storing vectors of a tile together, and bfloat16 in pairs. In bfloat16 a NaN needs care: rounded as a number, it
// could become one (0x7fffffff would be -0). Where vectors are stored together, one test and a branch see to all of
// them, instead of three instructions each, and two vectors are packed by one instruction.
//
//   floatv kept[COUNT];
//   KEEP(kept[t], value, pointer)        for each: now stored where nothing is gained, else kept
//   PUT_KEPT(kept, COUNT, POINTER_OF)    stores those that are kept, of which t goes to POINTER_OF(t)
//
// Two neighbours in bfloat16 are the halves of 32 bits: PAIRS_AT(pointer) are 2*VW elements, EVEN_OF and ODD_OF the
// floats of every second, by one instruction each, and joined() rounds them and brings them back.
//
// Macros: VW (4, 8 or 16).

// With vectors of 16 floats not measured.
#if defined(STORAGE_BFLOAT16) && VW <= 8
#define PUTS_TOGETHER 1
#define KEEP(kept, value, pointer) kept = (value)
#define PUT_KEPT(kept, count, POINTER_OF)                                                           \
  {                                                                                                 \
    MAKE_ROUNDABLE(kept, count)                                                                     \
    _Pragma("unroll") for (int t = 0; t < (count) / 2; ++t) {                                       \
      const STORED(TWICE_VW) two = rounded_one_behind_the_other((kept)[2 * t], (kept)[2 * t + 1]);  \
      PACKED_OF(VW, POINTER_OF(2 * t)) = two.lo;                                                    \
      PACKED_OF(VW, POINTER_OF(2 * t + 1)) = two.hi;                                                \
    }                                                                                               \
    if ((count) % 2 == 1) {                                                                         \
      const floatv last = (kept)[(count) - 1];                                                      \
      PACKED_OF(VW, POINTER_OF((count) - 1)) = rounded_one_behind_the_other(last, last).lo;         \
    }                                                                                               \
  }

// What rounding does not change of a NaN takes its place. A macro: in a function the loops would not be unrolled.
#define MAKE_ROUNDABLE(kept, count)                                                           \
  {                                                                                           \
    intv nan = (kept)[(count) - 1] != (kept)[(count) - 1];                                    \
    _Pragma("unroll") for (int t = 0; t < (count) / 2; ++t) {                                 \
      nan |= ((kept)[2 * t] != (kept)[2 * t]) | ((kept)[2 * t + 1] != (kept)[2 * t + 1]);     \
    }                                                                                         \
    if (any_bit(nan)) {                                                                       \
      _Pragma("unroll") for (int t = 0; t < (count); ++t) (kept)[t] = roundable((kept)[t]);   \
    }                                                                                         \
  }

#if VW == 8
#define TWICE_VW 16
#define HALF_UINTV uint4
#define HALVES_TOGETHER(v) (as_ulong4(v).lo | as_ulong4(v).hi)
#else
#define TWICE_VW 8
#define HALF_UINTV uint2
#define HALVES_TOGETHER(v) as_ulong2(v)
#endif
typedef struct __attribute__((packed)) { uintv v; } pairs_in_memory;
typedef struct __attribute__((packed)) { HALF_UINTV v; } half_in_memory;
#define AS_FLOATV(bits) CLCONV_PASTE(as_float, VW)(bits)
#define PAIRS_AT(pointer) (((global const pairs_in_memory*)(pointer))->v)
#define HALF_AT(pointer) (((global const half_in_memory*)(pointer))->v)
#define PUT_PAIRS(pairs, pointer) (((global pairs_in_memory*)(pointer))->v = (pairs))
#define PUT_HALF(half_of_pairs, pointer) (((global half_in_memory*)(pointer))->v = (half_of_pairs))
#define EVEN_OF(pairs) AS_FLOATV((pairs) << (uintv)(16))
#define ODD_OF(pairs) AS_FLOATV((pairs) & (uintv)(0xffff0000))

inline bool any_bit(const intv v) {
  const ulong2 bits = HALVES_TOGETHER(v);
  return (bits.x | bits.y) != 0;
}
// A NaN as to_stored() leaves it, in the upper half.
inline floatv roundable(const floatv v) {
  const uintv bits = AS_UINTV(v);
  return v != v ? AS_FLOATV((bits & (uintv)(0xffff0000)) | (uintv)(0x00400000)) : v;
}
// Bits whose upper half is v rounded to nearest, ties to even.
inline uintv rounded(const floatv v) {
  const uintv bits = AS_UINTV(v);
  return bits + (uintv)(0x7fff) + ((bits >> (uintv)(16)) & (uintv)(1));
}
inline STORED(TWICE_VW) rounded_one_behind_the_other(const floatv a, const floatv b) {
  return CLCONV_PASTE(convert_ushort, TWICE_VW)(
      (CLCONV_PASTE(uint, TWICE_VW))(rounded(a) >> (uintv)(16), rounded(b) >> (uintv)(16)));
}
// The pairs of what is roundable.
inline uintv joined(const floatv even, const floatv odd) {
  return (rounded(even) >> (uintv)(16)) | (rounded(odd) & (uintv)(0xffff0000));
}
#else
#define PUTS_TOGETHER 0
#define KEEP(kept, value, pointer) PUT_V(value, pointer)
#define PUT_KEPT(kept, count, POINTER_OF)
#endif
