// parts: vectors epilogue mask
// Fully connected layers on CPUs: y (n,k) = x (n,c) * w (k,c)^T and its two gradients, from the tensors as
// they lie, nothing packed. One work-item per work-group, explicit vectors, a register tile:
//
//   MR NR VW   dot     y    the reduction runs along the rows of w and x: vectors along it, their lanes
//                           summed at the end.
//   MR KV VW   outer   dx   = dz * w     sum over r of a number of dz times row r of w (x): vectors along
//                      dw   = dz^T * x   the row.
//
// Class macros: BIAS, RESIDUAL, ACTIVATION; MASK (dz is dy where y > 0, else 0), ACCUMULATE (outer); STORAGE_...

// Rows beyond the last repeat it; what they give is not stored.
#define ROW(index, count) ((long)min(index, (count)-1))

#ifdef NR
// ---- dot -----------------------------------------------------------------------------------------
//
//              c ->                 registers, floatv each
//   w   [ MR rows, VW at a time ]   acc[MR][NR]
//   x   [ NR rows, VW at a time ]
//
// Per step MR + NR loads and MR*NR fused multiply-adds. A work-item takes MR rows of w through
// `images_per_item` rows of x, so that w is read from memory once. X_FLOATS: x is a float copy, as every row of w
// meets it and a float16 costs some instructions to load.

#if X_FLOATS
typedef float x_element;
#define GET_X(pointer) LOAD_V(pointer)
#define GET_X_REST(pointer) load_some(pointer, c - at)
#else
typedef element x_element;
#define GET_X(pointer) GET_V(pointer)
#define GET_X_REST(pointer) GET_REST(pointer)
#endif

inline float sum_of_lanes(const floatv v) {
#if VW == 16
  const float8 half8 = v.lo + v.hi;
  const float4 quarter = half8.lo + half8.hi;
#elif VW == 8
  const float4 quarter = v.lo + v.hi;
#else
  const float4 quarter = v;
#endif
  const float2 pair = quarter.lo + quarter.hi;
  return pair.x + pair.y;
}

// acc += the products at `at`, where X_VECTOR and W_VECTOR get a vector.
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

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void fully_connected_dot(global const x_element* restrict x, global const element* restrict w,
                         global const element* restrict b, global const element* restrict r,
                         global element* restrict y, int images, int c, int k, int images_per_item) {
  const int k0 = (int)get_group_id(0) * MR;
  const int first = (int)get_group_id(1) * images_per_item;
  const int last = min(first + images_per_item, images);
  global const element* w_rows[MR];
#pragma unroll
  for (int m = 0; m < MR; ++m) w_rows[m] = w + ROW(k0 + m, k) * c;
  for (int image = first; image < last; image += NR) {
    global const x_element* x_rows[NR];
    floatv acc[MR][NR];
#pragma unroll
    for (int i = 0; i < NR; ++i) {
      x_rows[i] = x + ROW(image + i, last) * c;
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
          const long result = (long)(image + i) * k + k0 + m;
          const float finished = value + BIAS_OF(b, k0 + m) + RESIDUAL_OF(r, result);
          PUT(ACTIVATE(finished), y, result);
        }
      }
    }
  }
}
#endif  // NR

#ifdef KV
// ---- outer ---------------------------------------------------------------------------------------
//
//      r ->           columns ->                     registers, floatv each
//   i  [ dz(i,r) ]    row r [ KV vectors ]           acc[MR][KV]
//
//   dx: i an image, r a filter, rows those of w      dw: i a filter, r an image, rows those of x
//
// Per r: KV loads, MR broadcasts, MR*KV fused multiply-adds.

#define BLOCK (KV * VW)

// The bias of up to VW columns from `column` on, of dx (n,c,h,w) with planes of `plane`.
#if BIAS
inline floatv bias_some(global const element* b, const int column, const int plane, const int count) {
  if (plane == 1) return get_some(b + column, count);
  float values[VW];
  for (int i = 0; i < VW; ++i) values[i] = i < count ? GET(b, (column + i) / plane) : 0.0f;
  return LOAD_V(values);
}
#else
#define bias_some(b, column, plane, count) 0.0f
#endif

// `left` columns of the block, from `first` on, exist; a constant BLOCK lets the compiler drop the checks.
inline void outer_block(global const element* restrict dy, global const element* restrict y,
                        global const element* restrict rows, global const element* restrict b,
                        global const element* restrict residual, global element* restrict result,
                        const int i0, const int is, const int rs, const int columns, const long i_step,
                        const long r_step, const int plane, const int first, const int left) {
  floatv acc[MR][KV];
#pragma unroll
  for (int m = 0; m < MR; ++m) {
#pragma unroll
    for (int v = 0; v < KV; ++v) acc[m][v] = (floatv)(0.0f);
  }
  for (int r = 0; r < rs; ++r) {
    floatv row[KV];
#pragma unroll
    for (int v = 0; v < KV; ++v) row[v] = get_some(rows + (long)r * columns + first + v * VW, left - v * VW);
#pragma unroll
    for (int m = 0; m < MR; ++m) {
      const long at = ROW(i0 + m, is) * i_step + r * r_step;
      const floatv factor = (floatv)(MASKED(dy, y, at));
#pragma unroll
      for (int v = 0; v < KV; ++v) acc[m][v] = fma(factor, row[v], acc[m][v]);
    }
  }
#pragma unroll
  for (int m = 0; m < MR; ++m) {
    if (i0 + m < is) {
      const long at = (long)(i0 + m) * columns + first;
#pragma unroll
      for (int v = 0; v < KV; ++v) {
        const int count = left - v * VW;
        const floatv value = acc[m][v] + bias_some(b, first + v * VW, plane, count) +
                             residual_some(residual + at + v * VW, count);
        put_some(RESULT(get_some(result + at + v * VW, count), ACTIVATE(value)), result + at + v * VW, count);
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void fully_connected_outer(global const element* restrict dy, global const element* restrict y,
                           global const element* restrict rows, global const element* restrict b,
                           global const element* restrict r, global element* restrict result, int is,
                           int rs, int columns, long i_step, long r_step, int plane) {
  const int i0 = (int)get_group_id(0) * MR;
  const int first = (int)get_group_id(1) * BLOCK;
  if (columns - first >= BLOCK) {
    outer_block(dy, y, rows, b, r, result, i0, is, rs, columns, i_step, r_step, plane, first, BLOCK);
  } else {
    outer_block(dy, y, rows, b, r, result, i0, is, rs, columns, i_step, r_step, plane, first,
                columns - first);
  }
}
#endif  // KV
