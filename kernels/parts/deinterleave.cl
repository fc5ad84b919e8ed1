// parts: lanes depthwise_taps
// Even and odd columns of a row, apart, for depthwise convolutions at stride 2.
//
// They are taken from two vectors within lanes of 4 floats, by one instruction instead of two. They, and the results,
// are then in shuffled order: SHUFFLED brings lanes to it, UNSHUFFLED before the store back to the order of columns
// (mobilenet_dw_s2: 70 against 76 us; 2-core Zen 3, 2026-11).
//
// PAIRS: two neighbours in bfloat16 are the halves of 32 bits. The upper half, and the lower one moved up, are the
// floats of the odd and of the even columns, in order.
//
// Macros: VW (4, 8 or 16), and those of parts/depthwise_taps.cl; PAIRS (1: bfloat16, and IW is 2); STAGE_PITCH
// (defined: columns are apart already, in order).

#if IW == 2 && VW == 16 && !PAIRS && !defined(STAGE_PITCH)
#define EVEN_COLUMNS(a, b) \
  ((floatv)((a).s02, (b).s02, (a).s46, (b).s46, (a).s8a, (b).s8a, (a).sce, (b).sce))
#define ODD_COLUMNS(a, b) \
  ((floatv)((a).s13, (b).s13, (a).s57, (b).s57, (a).s9b, (b).s9b, (a).sdf, (b).sdf))
#define SHUFFLED(v) ((v).s018923ab45cd67ef)
#define UNSHUFFLED(v) ((v).s014589cd2367abef)
#elif IW == 2 && VW == 8 && !PAIRS && !defined(STAGE_PITCH)
#define EVEN_COLUMNS(a, b) ((floatv)((a).s02, (b).s02, (a).s46, (b).s46))
#define ODD_COLUMNS(a, b) ((floatv)((a).s13, (b).s13, (a).s57, (b).s57))
#define SHUFFLED(v) ((v).s01452367)
#define UNSHUFFLED(v) ((v).s01452367)
#else
#define EVEN_COLUMNS(a, b) ((floatv)((a).even, (b).even))
#define ODD_COLUMNS(a, b) ((floatv)((a).odd, (b).odd))
#define SHUFFLED(v) (v)
#define UNSHUFFLED(v) (v)
#endif

// v, loaded by an instruction of its own. With a memory operand AVX2's permutation of 64 bits, which SHUFFLED takes, is
// slow: a loop of 9 multiply-adds with two of them takes 14 cycles instead of 8 (2-core Zen 3, 2026-12). Nor does LLVM
// merge a mask into the shuffles before it.
#if defined(__x86_64__) && defined(__AVX__) && VW == 8
ALWAYS_INLINE floatv in_register(floatv v) {
  __asm__("" : "+x"(v));
  return v;
}
#else
#define in_register(v) (v)
#endif

#if PAIRS
#if VW == 16
#define AS_PAIRS(elements) as_uint8(elements)
#elif VW == 8
#define AS_PAIRS(elements) as_uint4(elements)
#else
#define AS_PAIRS(elements) as_uint2(elements)
#endif
// The pairs of 2*VW elements. Loaded in two halves: of a single packed struct clang makes one integer of 256 bits,
// which Oclgrind does not know.
ALWAYS_INLINE uintv pairs_at(global const element* input) {
  return (uintv)(AS_PAIRS(PACKED_OF(VW, input)), AS_PAIRS(PACKED_OF(VW, input + VW)));
}
#define COLUMNS_OF_PAIRS(pairs, odd) \
  CLCONV_PASTE(as_float, VW)((odd) ? (pairs) & (uintv)(0xffff0000) : (pairs) << (uintv)(16))
#endif
