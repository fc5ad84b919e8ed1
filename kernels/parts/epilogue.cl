// parts: storage activation
// What is done to a sum before it is stored: add the bias and the residual, activate, add to what is there.
//
//   PUT(RESULT(GET(y, at), ACTIVATE(sum + BIAS_OF(b, k) + RESIDUAL_OF(r, at))), y, at);
//
// Macros: BIAS, RESIDUAL, ACCUMULATE (0 or 1), and those of the part activation.

// ACCUMULATE: the value is added to the old one.
#if defined(ACCUMULATE) && ACCUMULATE
#define RESULT(old, value) ((old) + (value))
#else
#define RESULT(old, value) (value)
#endif

#if defined(BIAS) && BIAS
#define BIAS_OF(b, k) GET(b, k)
#else
#define BIAS_OF(b, k) 0.0f
#endif

// The residual `r` has the layout of the result. RESIDUAL_V reads a whole vector of it; residual_some (with part
// vectors) and residual_first (with part row_end) read its first `count` elements, the others are 0.
#if defined(RESIDUAL) && RESIDUAL
#define RESIDUAL_OF(r, at) GET(r, at)
#define RESIDUAL_V(pointer) GET_V(pointer)
#define residual_some(pointer, count) get_some(pointer, count)
#define residual_first(pointer, count) get_first(pointer, count)
#else
#define RESIDUAL_OF(r, at) 0.0f
#define RESIDUAL_V(pointer) 0.0f
#define residual_some(pointer, count) 0.0f
#define residual_first(pointer, count) 0.0f
#endif
