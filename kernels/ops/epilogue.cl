// parts: epilogue
// After a matrix product: folds its rows into y and applies bias, residual and activation.
//
//   product [ filter 0: pixels of image 0 | of image 1 | .. ]        y [image][filter][ pixels ]
//           [ filter 1:                                      ]  ->
//
// Each work-item handles `span` pixels of one filter of one image.
//
// Macros: those of the epilogue.

// y[first_image + image][filter][first + t] = or += act(product[group*group_stride + f*ld + image*pixels + t] + b + r),
// t < pixels, filter = group*k_per_group + f; a plane of y has y_pixels, images of y and r are y_image elements apart.
kernel void fold_output(global const float* restrict product, global const element* restrict b,
                        global const element* restrict r, global element* restrict y, int images, int k,
                        int k_per_group, long group_stride, long ld, int pixels, long y_pixels,
                        long y_image, long first_image, long first, int span SLOPES_PARAMETER) {
  const long id = get_global_id(0);
  const int spans = (pixels + span - 1) / span;
  const int t0 = (int)(id % spans) * span;
  const long image_filter = id / spans;
  if (image_filter >= (long)images * k) return;
  const int t1 = min(t0 + span, pixels);
  const int filter = (int)(image_filter % k);
  const long image = image_filter / k;
  global const float* from = product + filter / k_per_group * group_stride +
                             filter % k_per_group * ld + image * pixels;
  const long at = (first_image + image) * y_image + filter * y_pixels + first;
  global element* to = y + at;
  const float bias = BIAS_OF(b, filter);
  const float slope = SLOPE_OF(SLOPES_OF(first_image + image, k), filter);
  for (int t = t0; t < t1; ++t) {
    const float value = from[t] + bias + RESIDUAL_OF(r, at + t);
    PUT(RESULT(GET(to, t), ACTIVATE(value, slope)), to, t);
  }
}

// The same in place, where the product is the result already: `planes` planes, k of an image.
kernel void finish_output(global const element* restrict b, global const element* restrict r,
                          global element* restrict y, long planes,
                          int k, int pixels, long y_image, int span SLOPES_PARAMETER) {
  const long id = get_global_id(0);
  const int spans = (pixels + span - 1) / span;
  const int t0 = (int)(id % spans) * span;
  const long plane = id / spans;
  if (plane >= planes) return;
  const int t1 = min(t0 + span, pixels);
  const long at = plane / k * y_image + plane % k * pixels;
  global element* to = y + at;
  const float bias = BIAS_OF(b, plane % k);
  const float slope = SLOPE_OF(SLOPES_OF(plane / k, k), plane % k);
  for (int t = t0; t < t1; ++t) {
    const float value = GET(to, t) + bias + RESIDUAL_OF(r, at + t);
    PUT(ACTIVATE(value, slope), to, t);
  }
}

// The same with the channels last: `pixels` pixels of k channels. Each work-item handles `span` channels of `lines` of
// them.
kernel void finish_channels(global const element* restrict b, global const element* restrict r,
                            global element* restrict y, long pixels, int k, int span, int lines
                            SLOPES_PARAMETER) {
  const long id = get_global_id(0);
  const int spans = (k + span - 1) / span;
  const int t0 = (int)(id % spans) * span;
  const int t1 = min(t0 + span, k);
  const long first = id / spans * lines;
  const long last = min(first + lines, pixels);
  for (long pixel = first; pixel < last; ++pixel) {
    for (int t = t0; t < t1; ++t) {
      const long at = pixel * k + t;
      const float value = GET(y, at) + BIAS_OF(b, t) + RESIDUAL_OF(r, at);
      PUT(ACTIVATE(value, SLOPE_OF(slopes, t)), y, at);
    }
  }
}
