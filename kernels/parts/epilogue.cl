// parts: storage activation
// What is done to a sum before it is stored: add the bias and the residual, activate, add to what is there.
//
//   PUT(RESULT(GET(y, at), ACTIVATE(sum + BIAS_OF(b, k) + RESIDUAL_OF(r, at), SLOPE_OF(slopes, k))), y, at);
//
// Macros: BIAS, RESIDUAL (0, 1 or 2), SLOPES, ACCUMULATE, BOUNDS (0 or 1), and those of the part activation.

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
// vectors) and residual_first (with part row_end) read its first `count` elements, the others are 0. RESIDUAL=2: there
// is one where the pointer `r` is not null.
#if defined(RESIDUAL) && RESIDUAL == 2
#define HAS_RESIDUAL(r) ((r) != 0)
#define RESIDUAL_OF(r, at) (HAS_RESIDUAL(r) ? GET(r, at) : 0.0f)
#define RESIDUAL_V(pointer) (HAS_RESIDUAL(r) ? GET_V(pointer) : (floatv)(0.0f))
#define residual_some(pointer, count) (HAS_RESIDUAL(r) ? get_some(pointer, count) : (floatv)(0.0f))
#define residual_first(pointer, count) (HAS_RESIDUAL(r) ? get_first(pointer, count) : (floatv)(0.0f))
#elif defined(RESIDUAL) && RESIDUAL
#define HAS_RESIDUAL(r) 1
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

// BOUNDS: one program for all activations that hold a result between two numbers (none: infinite ones), which are
// arguments of the kernel and parameters of the functions in which it activates.
#if defined(BOUNDS) && BOUNDS
#define BOUNDS_PARAMETER , const float low, const float high
#define BOUNDS_PASSED , low, high
#else
#define BOUNDS_PARAMETER
#define BOUNDS_PASSED
#endif

// The slopes of an activation that has some, one per channel of the result. SLOPES_PARAMETER ends the parameters of
// each kernel that activates, SLOPES_ARGUMENT the arguments of its function NAME_item. SLOPES_PASSED is the argument
// for a function's parameter `slopes`; without slopes it is some pointer that is not read. With SCALE the slopes are
// the scale, one per image and channel: SLOPES_OF is SLOPES_PASSED of an image, counted over the whole batch.
// slopes_some (with part vectors) reads `count` of them.
#if defined(SLOPES) && SLOPES
#define SLOPES_PARAMETER_WITH(restrict) , global const element* restrict slopes
#define SLOPES_ARGUMENT , slopes
#define SLOPES_PASSED slopes
#if defined(SCALE) && SCALE
#define SLOPES_OF(image, channels) (slopes + (long)(image) * (channels))
#else
#define SLOPES_OF(image, channels) slopes
#endif
#define SLOPE_OF(slopes, k) GET(slopes, k)
#define slopes_some(pointer, count) get_some(pointer, count)
#else
#define SLOPES_PARAMETER_WITH(restrict) BOUNDS_PARAMETER
#define SLOPES_ARGUMENT BOUNDS_PASSED
#define SLOPES_PASSED b
#define SLOPES_OF(image, channels) b
#define SLOPE_OF(slopes, k) 0.0f
#define slopes_some(pointer, count) 0.0f
#endif
#define SLOPES_PARAMETER SLOPES_PARAMETER_WITH(restrict)
