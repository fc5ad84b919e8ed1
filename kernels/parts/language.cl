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

// PoCL 3.1 inlines a kernel into two functions of its own, of which it calls one, and keeps the kernel: LLVM optimizes
// and translates all three. So a kernel for CPUs has its statements in a function NAME_item that is not inlined, and is
// no more than a call of it per work-group. It also has what must be in a kernel, work-group numbers and local memory.
#define NOT_INLINED inline __attribute__((noinline))

// A function that is inlined may take all parameters of its kernel, which are PARAMETERS_WITH(restrict), but without
// `restrict`: Oclgrind cannot inline that.
#define PLAIN_PARAMETERS PARAMETERS_WITH()

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
