// parts: epilogue
// col2im, the adjoint of im2col: adds every entry of the matrix to the pixel it came from.
//
//   gather   matrix  [ . # . # . ]        one work-item per `span` pixels: sums the entries that came from a pixel,
//                       \ | /             always in the same order: deterministic, no atomics, writes every pixel
//            dx           #
//
//   atomic   matrix       #               one work-item per entry: adds it to its pixel. dx must be zero before
//                         v
//            dx      [ . .#. . ]
//
// Entry of (image, element of a patch, pixel): cols[image*image_stride + group*group_stride + element*reduction_stride
// + pixel*pixel_stride], with element = (channel*kh + p)*kw + q within the group and pixel = (i - first_row)*ow + j
// within a chunk of `rows` output rows. This covers both layouts. `planes`: of dx, those of all channels of the chunk's
// images. Images of dx count from first_image and are x_image elements apart.
//
// Macros: FLOAT_ATOMICS (0: compare-exchange on the bits, on any OpenCL 1.2 device; 1: cl_ext_float_atomics; 2: NVIDIA
// PTX); gather: those of the epilogue (with the last chunk), STORAGE_.. (of dx, b and r; the matrix is float).

// add: adds to what dx holds (a chunk after the first one, or accumulation); finish: applies the epilogue.
kernel void col2im_gather(global const float* restrict cols, global const element* restrict b,
                          global const element* restrict r, global element* restrict dx, long planes,
                          int c, int h, int w, int kh, int kw, int sh, int sw, int pt, int pl, int dh, int dw, int ow,
                          long first_image, int first_row, int rows, int channels_per_group,
                          long image_stride, long group_stride, long x_image, long reduction_stride,
                          long pixel_stride, int span, int add, int finish SLOPES_PARAMETER) {
  const long id = get_global_id(0);
  const int spans = (w + span - 1) / span;
  const int x0 = (int)(id % spans) * span;
  const int y = (int)(id / spans % h);
  const long plane = id / spans / h;
  if (plane >= planes) return;
  const int x1 = min(x0 + span, w);
  const int channel = (int)(plane % c);
  global const float* matrix = cols + plane / c * image_stride +
                               channel / channels_per_group * group_stride +
                               channel % channels_per_group * kh * kw * reduction_stride;
  const long row_at = (first_image + plane / c) * x_image + ((long)channel * h + y) * w;
  for (int column = x0; column < x1; ++column) {
    float sum = add ? GET(dx, row_at + column) : 0.0f;
    for (int p = 0; p < kh; ++p) {
      const int from_y = y + pt - p * dh;
      const int i = from_y / sh;
      if (from_y < 0 || i * sh != from_y || i < first_row || i >= first_row + rows) continue;
      for (int q = 0; q < kw; ++q) {
        const int from_x = column + pl - q * dw;
        const int j = from_x / sw;
        if (from_x < 0 || j * sw != from_x || j >= ow) continue;
        sum += matrix[(p * kw + q) * reduction_stride +
                      ((long)(i - first_row) * ow + j) * pixel_stride];
      }
    }
    if (finish) {
      const float value = sum + BIAS_OF(b, channel) + RESIDUAL_OF(r, row_at + column);
      sum = ACTIVATE(value, SLOPE_OF(SLOPES_OF(first_image + plane / c, c), channel));
    }
    PUT(sum, dx, row_at + column);
  }
}

#if FLOAT_ATOMICS == 1
#pragma OPENCL EXTENSION cl_ext_float_atomics : enable
void add(volatile global float* target, float value) {
  atomic_fetch_add_explicit((volatile global atomic_float*)target, value, memory_order_relaxed,
                            memory_scope_device);
}
#elif FLOAT_ATOMICS == 2
void add(volatile global float* target, float value) {
  float old;
  __asm__ volatile("atom.global.add.f32 %0, [%1], %2;" : "=f"(old) : "l"(target), "f"(value) : "memory");
}
#else
// Compares bits, not floats: a NaN in the sum must not make the loop run forever. The first guess is 0, with which dx
// mostly starts; loading dx instead would be a race.
void add(volatile global float* target, float value) {
  volatile global uint* bits = (volatile global uint*)target;
  uint seen = 0;
  uint expected;
  do {
    expected = seen;
    seen = atomic_cmpxchg(bits, expected, as_uint(as_float(expected) + value));
  } while (seen != expected);
}
#endif

kernel void col2im_atomic(global const float* restrict cols, volatile global float* restrict dx,
                          long entries, int c, int h, int w, int kh, int kw, int sh, int sw, int pt,
                          int pl, int dh, int dw, int ow, long first_image, int first_row, int rows,
                          int channels_per_group, long image_stride, long group_stride, long x_image,
                          long reduction_stride, long pixel_stride) {
  const long id = get_global_id(0);
  if (id >= entries) return;
  const int j = (int)(id % ow);
  const int row = (int)(id / ow % rows);
  const long in_patches = id / ow / rows;  // an element of the patches of all images
  const int q = (int)(in_patches % kw);
  const int p = (int)(in_patches / kw % kh);
  const long plane = in_patches / kw / kh;
  const int channel = (int)(plane % c);
  const int y = (first_row + row) * sh - pt + p * dh;
  const int column = j * sw - pl + q * dw;
  if (y < 0 || y >= h || column < 0 || column >= w) return;
  const float value =
      cols[plane / c * image_stride + channel / channels_per_group * group_stride +
           ((channel % channels_per_group * kh + p) * kw + q) * reduction_stride +
           ((long)row * ow + j) * pixel_stride];
  add(dx + (first_image + plane / c) * x_image + ((long)channel * h + y) * w + column, value);
}
