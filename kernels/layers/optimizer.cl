// parts: vectors
// The step of an optimizer over one packed buffer of parameters, in place.
//
//   w  [ span | span | span | .. ]   each work-item: `span` neighbours, VW at a time
//
// Macros: VW; MOMENTUM (sgd keeps a velocity).

// v = momentum*v + (dw + decay*w), w -= rate*v; without momentum v = dw + decay*w.
kernel void sgd(global float* restrict w, global const float* restrict dw, global float* restrict velocity,
                long count, long span, float rate, float momentum, float decay) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, count);
  for (long i = first; i < last; i += VW) {
    const int left = (int)min(last - i, (long)VW);
    const floatv weights = load_some(w + i, left);
    floatv step = fma((floatv)(decay), weights, load_some(dw + i, left));
#if MOMENTUM
    step = fma((floatv)(momentum), load_some(velocity + i, left), step);
    store_some(step, velocity + i, left);
#endif
    store_some(fma((floatv)(-rate), step, weights), w + i, left);
  }
}

// Kingma and Ba 2015, algorithm 1. `rate` is divided by 1 - beta1^t, `scale2` is 1 / (1 - beta2^t).
kernel void adam(global float* restrict w, global const float* restrict dw, global float* restrict moment1,
                 global float* restrict moment2, long count, long span, float rate, float beta1,
                 float beta2, float scale2, float epsilon, float decay) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, count);
  for (long i = first; i < last; i += VW) {
    const int left = (int)min(last - i, (long)VW);
    const floatv weights = load_some(w + i, left);
    const floatv gradient = fma((floatv)(decay), weights, load_some(dw + i, left));
    const floatv m = fma((floatv)(beta1), load_some(moment1 + i, left), (1.0f - beta1) * gradient);
    const floatv v =
        fma((floatv)(beta2), load_some(moment2 + i, left), (1.0f - beta2) * gradient * gradient);
    store_some(m, moment1 + i, left);
    store_some(v, moment2 + i, left);
    store_some(weights - rate * m / (sqrt(v * scale2) + epsilon), w + i, left);
  }
}
