// parts: lanes epilogue
// Fully connected layers on CPUs: y (n,k) = x (n,c) * w (k,c)^T from the tensors as they lie, nothing packed. The
// reduction runs along the rows of w and x, and so do the vectors; their lanes are added at the end.
//
//              c ->                 registers, floatv each
//   w   [ MR rows, VW at a time ]   acc[MR][NR]
//   x   [ NR rows, VW at a time ]
//
// One work-item per work-group. Per step MR + NR loads and MR*NR fused multiply-adds. A work-item takes MR rows of w
// through `images_per_item` rows of x, so that w is read from memory once.
//
// x_image, y_image: elements from one row of x, of y and r to the next.
//
// Macros: MR NR VW; X_FLOATS (1: x is a float copy, since every row of w meets it and loading a float16 takes some
// instructions), and those of the epilogue.

// Rows beyond the last one repeat it; their results are not stored.
#define ROW(index, count) ((long)min(index, (count)-1))

#if X_FLOATS
typedef float x_element;
#define GET_X(pointer) LOAD_V(pointer)
#define GET_X_REST(pointer) load_some(pointer, c - at)
#else
typedef element x_element;
#define GET_X(pointer) GET_V(pointer)
#define GET_X_REST(pointer) GET_REST(pointer)
#endif

// acc += the products at `at`; X_VECTOR and W_VECTOR load a vector. Not MULTIPLY_LANES of parts/register_tile.cl, whose
// factors have the other order.
#define STEP(X_VECTOR, W_VECTOR)                                                         \
  {                                                                                      \
    floatv inputs[NR];                                                                   \
    _Pragma("unroll") for (int i = 0; i < NR; ++i) inputs[i] = X_VECTOR(x_rows[i] + at); \
    _Pragma("unroll") for (int m = 0; m < MR; ++m) {                                     \
      const floatv weights = W_VECTOR(w_rows[m] + at);                                   \
      _Pragma("unroll") for (int i = 0; i < NR; ++i)                                     \
        acc[m][i] = fma(weights, inputs[i], acc[m][i]);                                  \
    }                                                                                    \
  }
#define GET_REST(pointer) get_some(pointer, c - at)

#define PARAMETERS \
  global const x_element* restrict x, global const element* restrict w, \
  global const element* restrict b, global const element* restrict r, \
  global element* restrict y, int images, int c, int k, int images_per_item, long x_image, \
  long y_image SLOPES_PARAMETER
#define ARGUMENTS \
  x, w, b, r, y, images, c, k, images_per_item, x_image, y_image SLOPES_ARGUMENT

NOT_INLINED void fully_connected_dot_item(const long id, const long id_1, PARAMETERS) {
  const int k0 = (int)id * MR;
  const int first = (int)id_1 * images_per_item;
  const int last = min(first + images_per_item, images);
  global const element* w_rows[MR];
#pragma unroll
  for (int m = 0; m < MR; ++m) w_rows[m] = w + ROW(k0 + m, k) * c;
  for (int image = first; image < last; image += NR) {
    global const x_element* x_rows[NR];
    floatv acc[MR][NR];
#pragma unroll
    for (int i = 0; i < NR; ++i) {
      x_rows[i] = x + ROW(image + i, last) * x_image;
#pragma unroll
      for (int m = 0; m < MR; ++m) acc[m][i] = (floatv)(0.0f);
    }
    int at = 0;
    for (; at + VW <= c; at += VW) STEP(GET_X, GET_V)
    if (at < c) STEP(GET_X_REST, GET_REST)
#pragma unroll
    for (int i = 0; i < NR; ++i) {
#pragma unroll
      for (int m = 0; m < MR; ++m) {
        const float value = sum_of_lanes(acc[m][i]);
        if (image + i < last && k0 + m < k) {
          const long result = (image + i) * y_image + k0 + m;
          const float finished = value + BIAS_OF(b, k0 + m) + RESIDUAL_OF(r, result);
          PUT(ACTIVATE(finished, SLOPE_OF(SLOPES_OF(image + i, k), k0 + m)), y, result);
        }
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void fully_connected_dot(PARAMETERS) {
  fully_connected_dot_item(get_group_id(0), get_group_id(1), ARGUMENTS);
}
