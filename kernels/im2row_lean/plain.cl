// parts: epilogue
// Memory-lean im2row on GPUs: y from unfolded columns of the padded input, with the channels innermost, times weights
// in the order q, p, channel with the filters innermost. kernels/im2row_lean/filters.cl has the picture and the words.
//
// One work-item per result, neighbours along the filters.
//
// out_image: elements from one image of y and r to the next.
//
// Macros: those of the epilogue. One binary serves all strides and dilations.

kernel void im2row_lean_plain(global const float* restrict unfolded, global const float* restrict packed,
                              global const element* restrict b, global const element* restrict r,
                              global element* restrict y, long group_stride, long row_step,
                              long column_step, int taps_w, int taps_h, int adjacent, long tap_row,
                              long tap_column, int oh, int ow, int first_column, int columns, int filters,
                              int groups, int image, long out_image SLOPES_PARAMETER) {
  const long id = get_global_id(0);
  if (id >= (long)groups * filters * oh * columns) return;
  const int filter = (int)(id % filters);
  const int j = (int)(id / filters % columns);
  const int i = (int)(id / filters / columns % oh);
  const int group_index = (int)(id / filters / columns / oh);
  global const float* first = unfolded + group_index * group_stride + i * row_step + j * column_step;
  global const float* wp = packed + (long)group_index * taps_w * taps_h * adjacent * filters + filter;
  float sum = 0.0f;
  for (int q = 0; q < taps_w; ++q) {
    for (int p = 0; p < taps_h; ++p) {
      global const float* tap = first + q * tap_column + p * tap_row;
      for (int at = 0; at < adjacent; ++at, wp += filters) sum = MULTIPLY_ADD(tap[at], *wp, sum);
    }
  }
  const long channel = (long)group_index * filters + filter;
  const long at = image * out_image + (channel * oh + i) * ow + first_column + j;
  const float value = sum + BIAS_OF(b, channel) + RESIDUAL_OF(r, at);
  PUT(ACTIVATE(value, SLOPE_OF(SLOPES_OF(image, (long)groups * filters), channel)), y, at);
}
