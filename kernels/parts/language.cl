// What kernels add to the language: joining names, forced inlining, multiply-add.
//
// Macros: NO_FMA (the device has no fused multiply-add).

#define CLCONV_PASTE_(a, b) a##b
#define CLCONV_PASTE(a, b) CLCONV_PASTE_(a, b)

// Without optimisation, a C99 function that is inline and not static is not defined.
#ifndef inline
#define inline static inline
#endif
#define ALWAYS_INLINE inline __attribute__((always_inline))

// Without the instruction, fma() would be a routine of integer arithmetic.
#ifdef NO_FMA
#define fma(a, b, c) ((a) * (b) + (c))
#endif

// A single rounding where the hardware has it, whatever the compiler contracts elsewhere.
#if defined(FP_FAST_FMAF) || defined(VW)
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif
