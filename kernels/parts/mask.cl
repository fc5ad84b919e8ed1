// parts: storage
// A masked gradient: an element counts only where the forward result y is above 0 (the backward pass of ReLU).
//
// Macros: MASK (0 or 1).

// Element `at` of a gradient.
#if defined(MASK) && MASK
#define MASKED(gradient, y, at) (GET(y, at) > 0.0f ? GET(gradient, at) : 0.0f)
#else
#define MASKED(gradient, y, at) GET(gradient, at)
#endif

// A vector of N elements of `input` at `at`.
#if defined(MASK) && MASK
#define KEPT_N(N, at)                                   \
  (GET_N(N, y + (at)) > 0.0f ? GET_N(N, input + (at)) \
                             : (CLCONV_PASTE(float, N))(0.0f))
#else
#define KEPT_N(N, at) GET_N(N, input + (at))
#endif
