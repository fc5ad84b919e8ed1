// parts: aligned epilogue group_sum
// Fully connected layers of few images on GPUs: y (n,k) = x (n,c) * w (k,c)^T from the tensors as they lie.
//
//              c ->
//   w   [ 1 row                  ]    work-item i takes vectors i, i + LOCAL, ... of the row and of IMAGES rows of x;
//   x   [ IMAGES rows            ]    the sums of the work-items are added at the end
//
// Neighbouring work-items read neighbouring vectors, and w is read once per IMAGES images.
//
// Macros: LOCAL (work-items per work-group, a power of 2), IMAGES, FOURS (c is a multiple of 4: vectors of 4, else
// single elements), and those of the epilogue.

#if FOURS
#define WIDTH 4
#define PRODUCT(a, b) dot(GET_ALIGNED(4, a), GET_ALIGNED(4, b))
#else
#define WIDTH 1
#define PRODUCT(a, b) (GET(a, 0) * GET(b, 0))
#endif

kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1)))
void fully_connected_rows(global const element* restrict x, global const element* restrict w,
                          global const element* restrict b, global const element* restrict r,
                          global element* restrict y, int images, int c, int k, int groups_of_row SLOPES_PARAMETER) {
  local float values[LOCAL];
  const int row = (int)get_group_id(0) / groups_of_row;
  const int first = (int)get_group_id(0) % groups_of_row * IMAGES;
  global const element* w_row = w + (long)row * c;
  global const element* x_rows[IMAGES];
  float sums[IMAGES];
  // Images beyond the last one repeat it; their results are not stored.
#pragma unroll
  for (int i = 0; i < IMAGES; ++i) {
    x_rows[i] = x + (long)min(first + i, images - 1) * c;
    sums[i] = 0.0f;
  }
  for (int at = (int)get_local_id(0) * WIDTH; at < c; at += LOCAL * WIDTH) {
#pragma unroll
    for (int i = 0; i < IMAGES; ++i) sums[i] += PRODUCT(w_row + at, x_rows[i] + at);
  }
#pragma unroll
  for (int i = 0; i < IMAGES; ++i) {
    const float sum = sum_of_group(sums[i], values);
    if (get_local_id(0) == 0 && first + i < images) {
      const long result = (long)(first + i) * k + row;
      const float value = sum + BIAS_OF(b, row) + RESIDUAL_OF(r, result);
      PUT(ACTIVATE(value, SLOPE_OF(SLOPES_OF(first + i, k), row)), y, result);
    }
  }
}
