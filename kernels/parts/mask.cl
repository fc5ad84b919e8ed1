// parts: storage activation
// A masked gradient: an element counts times the derivative of an activation whose forward result is y. Of ReLU: only
// where y is above 0.
//
// Macros: MASK (0 or 1), BACKWARD and what it needs (part activation).

// Element `at` of a gradient.
#if defined(MASK) && MASK
#define MASKED(gradient, y, at) BACKWARD(GET(gradient, at), GET(y, at))
#else
#define MASKED(gradient, y, at) GET(gradient, at)
#endif

// A vector of N elements of `input` at `at`.
#if defined(MASK) && MASK
#define KEPT_N(N, at) BACKWARD(GET_N(N, input + (at)), GET_N(N, y + (at)))
#else
#define KEPT_N(N, at) GET_N(N, input + (at))
#endif
