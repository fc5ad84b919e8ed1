// Activations, of floats and of vectors of floats; ACTIVATE(v) is the one chosen. NaN stays NaN, which fmax and clamp
// would not give.
//
// Macros: ACTIVATION (the name of an activate_ macro; none: activate_none), SLOPE and OFFSET (for some of them).

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
#define CLCONV_BETWEEN(v, low, high) ((v) < (low) ? (low) : (v) > (high) ? (high) : (v))
#ifndef ACTIVATION
#define ACTIVATION activate_none
#endif
#define ACTIVATE(v) ACTIVATION(v)
