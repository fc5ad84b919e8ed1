// parts: epilogue winograd_transforms
// Winograd on GPUs: the end of a tile that a work-item transforms back by itself. s[M][EDGE], its products with A'
// along the columns, becomes M x M results; those that exist are stored. `first` is where result (i0, j0) of the plane
// lies.
//
// The kernel has s, i0, j0, oh, ow, r, result, and bias and slope of the plane.

#define OF_PRODUCTS(j) s[i][j]
#define TO_SUMS(j) sums[j]
#define STORE_RESULTS(first)                                                    \
  _Pragma("unroll") for (int i = 0; i < M; ++i) {                               \
    float sums[M];                                                              \
    A_TRANSFORM(OF_PRODUCTS, TO_SUMS)                                           \
    _Pragma("unroll") for (int j = 0; j < M; ++j) {                             \
      const long at = (first) + (long)i * ow + j;                               \
      if (i0 + i < oh && j0 + j < ow) {                                         \
        const float value = sums[j] + bias + RESIDUAL_OF(r, at);                \
        PUT(RESULT(GET(result, at), ACTIVATE(value, slope)), result, at);       \
      }                                                                         \
    }                                                                           \
  }
