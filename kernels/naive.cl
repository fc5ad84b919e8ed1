// Direct convolution, one work-item per result element, all loops inside: the fallback that always
// applies and the on-device reference for the others. 64-bit everywhere, no tiling, no tricks.
//
// Macros: BIAS, RELU.

kernel void naive_forward(global const float* restrict x, global const float* restrict weights,
                          global const float* restrict b, global float* restrict y, long n, long c,
                          long h, long w, long k, long kh, long kw, long sh, long sw, long pt,
                          long pl, long dh, long dw, long g, long oh, long ow) {
  const long id = get_global_id(0);
  if (id >= n * k * oh * ow) return;
  const long j = id % ow;
  const long i = id / ow % oh;
  const long filter = id / (ow * oh) % k;
  const long image = id / (ow * oh * k);
  const long channels = c / g;
  const long first_channel = filter / (k / g) * channels;

  global const float* xp = x + (image * c + first_channel) * h * w;
  global const float* wp = weights + filter * channels * kh * kw;
  float sum = 0.0f;
  for (long channel = 0; channel < channels; ++channel, xp += h * w) {
    for (long p = 0; p < kh; ++p) {
      const long row = i * sh - pt + p * dh;
      for (long q = 0; q < kw; ++q, ++wp) {
        const long column = j * sw - pl + q * dw;
        const bool inside = row >= 0 && row < h && column >= 0 && column < w;
        if (inside) sum = MULTIPLY_ADD(xp[row * w + column], *wp, sum);
      }
    }
  }
  const float value = sum + BIAS_OF(b, filter);
  y[id] = ACTIVATE(value);
}
