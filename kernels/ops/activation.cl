// parts: vectors activation
// ReLU, and the backward of any activation that has one, element by element. The result may overwrite an input.
//
//   x  [ span | span | span | .. ]   each work-item: `span` neighbours, VW at a time
//
// Macros: VW (vectors on a CPU; 1 on a GPU), ACTIVATION, BACKWARD.

kernel void relu(global const float* x, global float* y, long count, long span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, count);
  for (long i = first; i < last; i += VW) {
    const int left = (int)min(last - i, (long)VW);
    const floatv value = load_some(x + i, left);
    store_some(ACTIVATE(value, 0.0f), y + i, left);
  }
}

// dx = dy times the derivative where the activation's result is y.
kernel void activation_gradient(global const float* y, global const float* dy, global float* dx, long count,
                                long span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, count);
  for (long i = first; i < last; i += VW) {
    const int left = (int)min(last - i, (long)VW);
    const floatv gradient = load_some(dy + i, left);
    store_some(BACKWARD(gradient, load_some(y + i, left)), dx + i, left);
  }
}
