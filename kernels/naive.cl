// parts: epilogue mask
// Direct convolution in all directions: the fallback that always applies, and the reference on the device for the
// other strategies. 64-bit indices everywhere, no tiling, no tricks.
//
//   for (i, j, ..: one work-item per result element)
//     for (channel or filter or image) for (rows) for (columns)
//       sum += factor * factor, where both lie inside
//
// in_image, out_image: elements from one image to the next, of x or dy and of the result and r.
//
// Macros: MASK (dy is masked), NHWC (1: x and y have the channels last; forward), KRSC (1: the weights have; forward),
// and those of the epilogue (bias, residual and activation in forward and data).

#if NHWC
#define X_AT(channel, row, column) (((row) * w + (column)) * c + (channel))
#else
#define X_AT(channel, row, column) (((channel) * h + (row)) * w + (column))
#endif
#if KRSC
#define W_AT(filter, channel, p, q) ((((filter) * kh + (p)) * kw + (q)) * channels + (channel))
#else
#define W_AT(filter, channel, p, q) ((((filter) * channels + (channel)) * kh + (p)) * kw + (q))
#endif

kernel void naive_forward(global const element* restrict x, global const element* restrict weights,
                          global const element* restrict b, global const element* restrict r,
                          global element* restrict y, long n, long c, long h, long w, long k, long kh,
                          long kw, long sh, long sw, long pt, long pl, long dh, long dw, long g,
                          long oh, long ow, long in_image, long out_image SLOPES_PARAMETER) {
  const long id = get_global_id(0);
  if (id >= n * k * oh * ow) return;
#if NHWC
  const long filter = id % k;
  const long j = id / k % ow;
  const long i = id / (k * ow) % oh;
#else
  const long j = id % ow;
  const long i = id / ow % oh;
  const long filter = id / (ow * oh) % k;
#endif
  const long image = id / (ow * oh * k);
  const long channels = c / g;
  const long first_channel = filter / (k / g) * channels;

  float sum = 0.0f;
  for (long channel = 0; channel < channels; ++channel) {
    for (long p = 0; p < kh; ++p) {
      const long row = i * sh - pt + p * dh;
      for (long q = 0; q < kw; ++q) {
        const long column = j * sw - pl + q * dw;
        if (row < 0 || row >= h || column < 0 || column >= w) continue;
        sum = MULTIPLY_ADD(GET(x, image * in_image + X_AT(first_channel + channel, row, column)),
                           GET(weights, W_AT(filter, channel, p, q)), sum);
      }
    }
  }
  const long to = image * out_image + id % (ow * oh * k);
  const float value = sum + BIAS_OF(b, filter) + RESIDUAL_OF(r, to);
  PUT(ACTIVATE(value, SLOPE_OF(SLOPES_OF(image, k), filter)), y, to);
}

kernel void naive_data(global const element* restrict dy, global const element* restrict y,
                       global const element* restrict weights, global const element* restrict b,
                       global const element* restrict r, global element* restrict dx, long n, long c,
                       long h, long w, long k, long kh, long kw, long sh, long sw, long pt, long pl,
                       long dh, long dw, long g, long oh, long ow, long in_image,
                       long out_image SLOPES_PARAMETER) {
  const long id = get_global_id(0);
  if (id >= n * c * h * w) return;
  const long column = id % w;
  const long row = id / w % h;
  const long channel = id / (w * h) % c;
  const long image = id / (w * h * c);
  const long channels = c / g;
  const long filters = k / g;
  const long first_filter = channel / channels * filters;

  float sum = 0.0f;
  for (long filter = first_filter; filter < first_filter + filters; ++filter) {
    for (long p = 0; p < kh; ++p) {
      const long from_y = row + pt - p * dh;
      const long i = from_y / sh;
      if (from_y < 0 || i * sh != from_y || i >= oh) continue;
      for (long q = 0; q < kw; ++q) {
        const long from_x = column + pl - q * dw;
        const long j = from_x / sw;
        if (from_x < 0 || j * sw != from_x || j >= ow) continue;
        const long at = image * in_image + (filter * oh + i) * ow + j;
        const long tap = ((filter * channels + channel % channels) * kh + p) * kw + q;
        sum = MULTIPLY_ADD(MASKED(dy, y, at), GET(weights, tap), sum);
      }
    }
  }
  const long to = image * out_image + id % (w * h * c);
  const float value = sum + BIAS_OF(b, channel) + RESIDUAL_OF(r, to);
  PUT(RESULT(GET(dx, to), ACTIVATE(value, SLOPE_OF(SLOPES_OF(image, c), channel))), dx, to);
}

kernel void naive_weights(global const element* restrict x, global const element* restrict dy,
                          global const element* restrict y, global element* restrict result, long n,
                          long c, long h, long w, long k, long kh, long kw, long sh, long sw,
                          long pt, long pl, long dh, long dw, long g, long oh, long ow) {
  const long id = get_global_id(0);
  const long channels = c / g;
  if (id >= k * channels * kh * kw) return;
  const long q = id % kw;
  const long p = id / kw % kh;
  const long filter = id / (kw * kh * channels);
  const long channel = filter / (k / g) * channels + id / (kw * kh) % channels;

  float sum = 0.0f;
  for (long image = 0; image < n; ++image) {
    // Summed by row, then by image: adding short sums keeps the rounding error small.
    float image_sum = 0.0f;
    for (long i = 0; i < oh; ++i) {
      const long row = i * sh - pt + p * dh;
      if (row < 0 || row >= h) continue;
      float row_sum = 0.0f;
      for (long j = 0; j < ow; ++j) {
        const long column = j * sw - pl + q * dw;
        if (column < 0 || column >= w) continue;
        const long at = ((image * k + filter) * oh + i) * ow + j;
        row_sum =
            MULTIPLY_ADD(MASKED(dy, y, at), GET(x, image * c * h * w + X_AT(channel, row, column)), row_sum);
      }
      image_sum += row_sum;
    }
    sum += image_sum;
  }
  PUT(RESULT(GET(result, id), sum), result, id);
}

kernel void naive_bias(global const element* restrict dy, global const element* restrict y,
                       global element* restrict db, long n, long k, long pixels) {
  const long filter = get_global_id(0);
  if (filter >= k) return;
  float sum = 0.0f;
  for (long image = 0; image < n; ++image) {
    float image_sum = 0.0f;
    for (long i = 0; i < pixels; ++i) image_sum += MASKED(dy, y, (image * k + filter) * pixels + i);
    sum += image_sum;
  }
  PUT(RESULT(GET(db, filter), sum), db, filter);
}
