// parts: vectors
// Local response normalisation of x [n, channels, inner]: each element is divided by
// (bias + alpha * sum of squares over the channels from `before` in front of it to `after` behind it) ^ beta.
//
//   channels  . . . . .     `span` neighbouring vectors of results per work-item
//             v v v v v
//             . . . . .
//
// Macros: VW (1 on GPUs); THREE_QUARTERS (beta is 0.75, which takes two roots).

kernel void lrn(global const element* restrict x, global element* restrict y, long tasks, int channels, long inner,
                int before, int after, float bias, float alpha, float beta, long span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, tasks);
  const long vectors = (inner + VW - 1) / VW;
  for (long task = first; task < last; ++task) {
    const long i = task % vectors * VW;
    const long line = task / vectors;
    const int channel = (int)(line % channels);
    const int left = (int)min(inner - i, (long)VW);
    global const element* image = x + (line - channel) * inner + i;
    floatv sum = (floatv)(0.0f);
    for (int c = max(channel - before, 0); c <= min(channel + after, channels - 1); ++c) {
      const floatv value = get_some(image + c * inner, left);
      sum += value * value;
    }
    const floatv base = bias + alpha * sum;
#ifdef THREE_QUARTERS
    const floatv root = sqrt(base);
    const floatv power = root * sqrt(root);
#else
    const floatv power = pow(base, (floatv)(beta));
#endif
    put_some(get_some(image + channel * inner, left) / power, y + line * inner + i, left);
  }
}
