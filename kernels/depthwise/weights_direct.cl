// parts: epilogue mask
// Depthwise weight gradient on GPUs.
//
//   work-group: one filter and tap          item 0  1  2  ..
//     pixels of all images, dealt to          [ sums: local memory ]
//     ITEMS work-items in turn                  \ /     halved until one is left
//
// Neighbouring work-items read neighbouring pixels.
//
// Macros: ITEMS; KH KW SH SW DH DW, MASK, ACCUMULATE. All other sizes are arguments.

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void depthwise_weights_direct(global const element* restrict x, global const element* restrict dy,
                              global const element* restrict y_mask, global element* restrict result,
                              int images, int groups, int filters, int in_h, int in_w, int pt,
                              int pl, int oh, int ow) {
  local float sums[ITEMS];
  const long id = get_group_id(0);
  const int v = (int)(id % KW);
  const int u = (int)(id / KW % KH);
  const int filter = (int)(id / (KW * KH));
  const int item = get_local_id(0);
  float sum = 0.0f;
  for (int image = 0; image < images; ++image) {
    global const element* from = x + ((long)image * groups + filter / filters) * in_h * in_w;
    const long gradient = ((long)image * groups * filters + filter) * oh * ow;
    float image_sum = 0.0f;
    for (int pixel = item; pixel < oh * ow; pixel += ITEMS) {
      const int i = pixel / ow * SH - pt + u * DH;
      const int j = pixel % ow * SW - pl + v * DW;
      if (i >= 0 && i < in_h && j >= 0 && j < in_w) {
        image_sum = MULTIPLY_ADD(MASKED(dy, y_mask, gradient + pixel),
                                 GET(from, (long)i * in_w + j), image_sum);
      }
    }
    sum += image_sum;
  }
  sums[item] = sum;
  // A barrier behind the last addition, too: without one Intel's runtime (2026.22) stores partial sums of bfloat16.
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int half_of = ITEMS / 2; half_of > 0; half_of /= 2) {
    if (item < half_of) sums[item] += sums[item + half_of];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (item == 0) PUT(RESULT(GET(result, id), sums[0]), result, id);
}
