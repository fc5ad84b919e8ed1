// parts: vectors activation
// What the rows of element-wise operators need beside activations. NaN stays NaN, and nothing overflows on the way to a
// finite result.

inline floatv elementwise_softplus(const floatv v) {
  return activate_relu(v) + log(1.0f + exp(-fabs(v)));
}

// v*tanh(log(1 + exp(v))), by the exponential of what is not positive.
inline floatv elementwise_mish(const floatv v) {
  const floatv e = exp(-fabs(v));
  const floatv above = 1.0f + 2.0f * e, below = e * (e + 2.0f);
  return v * (v < 0.0f ? below / (below + 2.0f) : above / (above + 2.0f * e * e));
}

#define elementwise_gelu_tanh(v) \
  (0.5f * (v) * (1.0f + tanh(0.79788456f * ((v) + 0.044715f * (v) * (v) * (v)))))

// PoCL 3.1 computes sin, cos and tan of a vector to 2 digits where any of its lanes is large, infinite or NaN. Such
// vectors are computed lane by lane.
#if VW == 1
#define ELEMENTWISE_PERIODIC(function) return function(v);
#else
#define ELEMENTWISE_PERIODIC(function)                        \
  if (all(fabs(v) < 100.0f)) return function(v);              \
  float lanes[VW];                                            \
  STORE_V(v, lanes);                                          \
  for (int i = 0; i < VW; ++i) lanes[i] = function(lanes[i]); \
  return LOAD_V(lanes);
#endif
inline floatv elementwise_sin(const floatv v) { ELEMENTWISE_PERIODIC(sin) }
inline floatv elementwise_cos(const floatv v) { ELEMENTWISE_PERIODIC(cos) }
inline floatv elementwise_tan(const floatv v) { ELEMENTWISE_PERIODIC(tan) }
