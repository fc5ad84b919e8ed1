// Activations and their backward, of floats and of vectors of floats. ACTIVATE(v, slope) is the activation chosen, with
// the slope of v's channel where it has slopes. BACKWARD(dy, y) is dy times the derivative of the one chosen, where its
// result is y. NaN stays NaN, which fmax and clamp would not give.
//
// Macros: ACTIVATION (the name of an activate_ macro; none: activate_none), SLOPES (1: it takes a slope per channel),
// SCALE (1: instead, its result is multiplied by a number per image and channel, which takes the slope's place), BOUNDS
// (1: instead, it is held between `low` and `high`, see part epilogue),
// BACKWARD (the name of a backward_ macro; none: backward_relu), SLOPE and OFFSET (for some of them).

#define activate_none(v) (v)
#define activate_relu(v) ((v) < 0.0f ? 0.0f : (v))
#define activate_relu6(v) CLCONV_BETWEEN(v, 0.0f, 6.0f)
#define activate_leaky_relu(v) ((v) < 0.0f ? SLOPE * (v) : (v))
#define activate_silu(v) ((v) / (1.0f + exp(-(v))))
#define activate_hard_swish(v) ((v) * CLCONV_BETWEEN((v) + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f))
#define activate_hard_sigmoid(v) CLCONV_BETWEEN(SLOPE * (v) + OFFSET, 0.0f, 1.0f)
#define activate_sigmoid(v) (1.0f / (1.0f + exp(-(v))))
#define activate_tanh(v) tanh(v)
#define activate_gelu(v) (0.5f * (v) * (1.0f + erf(0.70710678f * (v))))
#define activate_prelu(v, slope) ((v) < 0.0f ? (slope) * (v) : (v))
#define CLCONV_BETWEEN(v, low, high) ((v) < (low) ? (low) : (v) > (high) ? (high) : (v))
#ifndef ACTIVATION
#define ACTIVATION activate_none
#endif
#if defined(BOUNDS) && BOUNDS
#define ACTIVATE(v, slope) CLCONV_BETWEEN(v, low, high)
#elif defined(SCALE) && SCALE
#define ACTIVATE(v, slope) ((slope) * ACTIVATION(v))
#elif defined(SLOPES) && SLOPES
#define ACTIVATE(v, slope) ACTIVATION(v, slope)
#else
#define ACTIVATE(v, slope) ACTIVATION(v)
#endif

// Where y is 0, v was below 0, or dy counts as if it was: a leaky ReLU rounds small results to 0, and one with slope 0
// all. 1 - y*y would lose what is left of it where y is nearly 1.
#define backward_none(dy, y) (dy)
#define backward_relu(dy, y) ((y) > 0.0f ? (dy) : 0.0f)
#define backward_relu6(dy, y) ((y) > 0.0f ? ((y) < 6.0f ? (dy) : 0.0f) : 0.0f)
#define backward_leaky_relu(dy, y) ((y) > 0.0f ? (dy) : SLOPE * (dy))
#define backward_hard_sigmoid(dy, y) ((y) > 0.0f ? ((y) < 1.0f ? SLOPE * (dy) : 0.0f) : 0.0f)
#define backward_sigmoid(dy, y) ((y) * (1.0f - (y)) * (dy))
#define backward_tanh(dy, y) ((1.0f - (y)) * (1.0f + (y)) * (dy))
#ifndef BACKWARD
#define BACKWARD backward_relu
#endif
