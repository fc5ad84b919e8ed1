// parts: vectors copy_row
// im2col: the patches of x as a matrix. Each work-item writes, for one output row of one channel, the kh*kw matrix rows
// (columns layout) or matrix entries (rows layout) of `span` output pixels:
//
//      columns layout                           rows layout
//           pixels ->                                c*kh*kw ->
//      r   [ . . . . . . . ]  one work-item:    pixel [ . . | p q ... | . ]
//      |   [ . # # # . . . ]  kh*kw such runs   |     [ . . | # # # # | . ]  one work-item:
//      v   [ . # # # . . . ]  of `span`         v     [ . . | # # # # | . ]  `span` such runs
//
// On a GPU span is 1, so that neighbouring work-items write neighbouring pixels; on a CPU it is a whole row.
//
// cols[image*image_stride + group*group_stride + r*ld + pixel]   columns layout
// cols[image*image_stride + group*group_stride + pixel*ld + r]    rows layout
// r = (channel*kh + p)*kw + q within the group; pixel = (i - first_row)*ow + j within the chunk of `rows` output rows;
// images count from first_image and are x_image elements apart.
//
// Macros: VW; SW (stride in width, so that stride 1 copies whole vectors), MASK (x is a gradient), STORAGE_.. (of x and
// y; the matrix is float).

// The j in [j0, j1) with 0 <= j*SW + first < w, as [lo, hi).
#define VALID_RANGE(first)                                                          \
  const int lo = clamp((first) >= 0 ? 0 : (-(first) + SW - 1) / SW, j0, j1);        \
  const int hi = clamp((first) >= w ? 0 : (w - (first) + SW - 1) / SW, lo, j1);

kernel void im2col_columns(global const element* restrict x, global const element* restrict y,
                           global float* restrict cols, int images, int c, int h, int w, int kh, int kw,
                           int sh, int pt, int pl, int dh, int dw, int ow, long first_image, int first_row, int rows,
                           int channels_per_group, long image_stride, long group_stride, long x_image, long ld,
                           int span) {
  const long id = get_global_id(0);
  const int spans = (ow + span - 1) / span;
  const int j0 = (int)(id % spans) * span;
  const int row = (int)(id / spans % rows);
  const long image_channel = id / spans / rows;
  if (image_channel >= (long)images * c) return;
  const int j1 = min(j0 + span, ow);
  const int channel = (int)(image_channel % c);
  const long image = image_channel / c;

  const long plane = (first_image + image) * x_image + (long)channel * h * w;
  global float* out = cols + image * image_stride + (channel / channels_per_group) * group_stride +
                      (long)(channel % channels_per_group) * kh * kw * ld + (long)row * ow;
  for (int p = 0; p < kh; ++p) {
    const int in_row = (first_row + row) * sh - pt + p * dh;
    for (int q = 0; q < kw; ++q, out += ld) {
      const int first = q * dw - pl;
      VALID_RANGE(first)
      if (in_row < 0 || in_row >= h) {
        for (int j = j0; j < j1; ++j) out[j] = 0.0f;
      } else {
        for (int j = j0; j < lo; ++j) out[j] = 0.0f;
        const long from = plane + (long)in_row * w + first;
#if SW == 1
        copy_row(x + from + lo, y + from + lo, out + lo, hi - lo);
#else
        for (int j = lo; j < hi; ++j) out[j] = MASKED(x, y, from + j * SW);
#endif
        for (int j = hi; j < j1; ++j) out[j] = 0.0f;
      }
    }
  }
}

kernel void im2col_rows(global const element* restrict x, global float* restrict cols, int images,
                        int c, int h, int w, int kh, int kw, int sh, int pt, int pl, int dh, int dw,
                        int ow, long first_image, int first_row, int rows, int channels_per_group,
                        long image_stride, long group_stride, long x_image, long ld, int channel_span) {
  const long id = get_global_id(0);
  const int spans = (c + channel_span - 1) / channel_span;
  const int c0 = (int)(id % spans) * channel_span;
  const int j = (int)(id / spans % ow);
  const int row = (int)(id / spans / ow % rows);
  const long image = id / spans / ow / rows;
  if (image >= images) return;
  const int c1 = min(c0 + channel_span, c);

  global float* pixel = cols + image * image_stride + ((long)row * ow + j) * ld;
  const int x0 = j * SW - pl;
  for (int channel = c0; channel < c1; ++channel) {
    global const element* plane = x + (first_image + image) * x_image + (long)channel * h * w;
    global float* out = pixel + channel / channels_per_group * group_stride +
                        (long)(channel % channels_per_group) * kh * kw;
    for (int p = 0; p < kh; ++p) {
      const int in_row = (first_row + row) * sh - pt + p * dh;
      const bool row_inside = in_row >= 0 && in_row < h;
      for (int q = 0; q < kw; ++q) {
        const int column = x0 + q * dw;
        const bool inside = row_inside && column >= 0 && column < w;
        *out++ = inside ? GET(plane, (long)in_row * w + column) : 0.0f;
      }
    }
  }
}

// Sets the border of a matrix per group to 0. `rows` x `columns` of it are filled, rows_padded x ld allocated. One
// work-item per row.
kernel void zero_border(global float* restrict matrix, long all_rows, int rows, int rows_padded,
                        long columns, long ld) {
  const long row = get_global_id(0);
  if (row >= all_rows) return;
  const bool filled = row % rows_padded < rows;
  for (long column = filled ? columns : 0; column < ld; ++column) matrix[row * ld + column] = 0.0f;
}
