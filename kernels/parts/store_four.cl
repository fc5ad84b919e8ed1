// parts: aligned epilogue
// Four results that lie together, aligned: `to` is an element of the result.
//
//   STORE_FOUR(sums, BIAS_FOUR(k), SLOPE_FOUR(k), to)                    of four channels from k on
//   STORE_FOUR(sums, BIAS_OF(b, k), SLOPE_OF(slopes, k), to)             of one channel

#define STORE_FOUR(sums, bias, slope, to)                                              \
  {                                                                                    \
    const float4 value = (sums) + (bias) + RESIDUAL_FOUR(to);                          \
    PUT_ALIGNED(4, RESULT(GET_ALIGNED(4, result + (to)), ACTIVATE(value, slope)), result + (to)); \
  }
#if BIAS
#define BIAS_FOUR(k) GET_ALIGNED(4, b + (k))
#else
#define BIAS_FOUR(k) 0.0f
#endif
#if SLOPES
#define SLOPE_FOUR(k) GET_ALIGNED(4, slopes + (k))
#else
#define SLOPE_FOUR(k) 0.0f
#endif
#if RESIDUAL
#define RESIDUAL_FOUR(at) GET_ALIGNED(4, r + (at))
#else
#define RESIDUAL_FOUR(at) 0.0f
#endif
