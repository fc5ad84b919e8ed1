// Fully connected layers on CPUs: y (n,k) = x (n,c) * w (k,c)^T and its two gradients, from the tensors as
// they lie, nothing packed. One work-item per work-group, explicit vectors, a register tile:
//
//   MR NR VW   dot     y    the reduction runs along the rows of w and x: vectors along it, their lanes
//                           summed at the end.
//   MR KV VW   outer   dx   = dz * w     sum over r of a number of dz times row r of w (x): vectors along
//                      dw   = dz^T * x   the row.
//
// Class macros: BIAS, ACTIVATION (dot); MASK (dz is dy where y > 0, else 0), ACCUMULATE (outer).

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
// `images_per_item` rows of x, so that w is read from memory once.

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

// acc += the products at `at`, where LOAD gets a vector.
#define STEP(LOAD)                                                           \
  {                                                                          \
    floatv inputs[NR];                                                       \
    _Pragma("unroll") for (int i = 0; i < NR; ++i) inputs[i] = LOAD(x_rows[i] + at); \
    _Pragma("unroll") for (int m = 0; m < MR; ++m) {                         \
      const floatv weights = LOAD(w_rows[m] + at);                           \
      _Pragma("unroll") for (int i = 0; i < NR; ++i)                         \
        acc[m][i] = fma(weights, inputs[i], acc[m][i]);                      \
    }                                                                        \
  }
#define LOAD_REST(pointer) load_some(pointer, c - at)

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void fully_connected_dot(global const float* restrict x, global const float* restrict w,
                         global const float* restrict b, global float* restrict y, int images, int c,
                         int k, int images_per_item) {
  const int k0 = (int)get_group_id(0) * MR;
  const int first = (int)get_group_id(1) * images_per_item;
  const int last = min(first + images_per_item, images);
  global const float* w_rows[MR];
#pragma unroll
  for (int m = 0; m < MR; ++m) w_rows[m] = w + ROW(k0 + m, k) * c;
  for (int image = first; image < last; image += NR) {
    global const float* x_rows[NR];
    floatv acc[MR][NR];
#pragma unroll
    for (int i = 0; i < NR; ++i) {
      x_rows[i] = x + ROW(image + i, last) * c;
#pragma unroll
      for (int m = 0; m < MR; ++m) acc[m][i] = (floatv)(0.0f);
    }
    int at = 0;
    for (; at + VW <= c; at += VW) STEP(LOAD_V)
    if (at < c) STEP(LOAD_REST)
#pragma unroll
    for (int i = 0; i < NR; ++i) {
#pragma unroll
      for (int m = 0; m < MR; ++m) {
        const float value = sum_of_lanes(acc[m][i]);
        if (image + i < last && k0 + m < k) {
          const float biased = value + BIAS_OF(b, k0 + m);
          y[(long)(image + i) * k + k0 + m] = ACTIVATE(biased);
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

// `left` columns of the block exist; a constant BLOCK lets the compiler drop the checks.
inline void outer_block(global const float* restrict dy, global const float* restrict y,
                        global const float* restrict rows, global float* restrict result, const int i0,
                        const int is, const int rs, const int columns, const long i_step,
                        const long r_step, const int left) {
  floatv acc[MR][KV];
#pragma unroll
  for (int m = 0; m < MR; ++m) {
#pragma unroll
    for (int v = 0; v < KV; ++v) acc[m][v] = (floatv)(0.0f);
  }
  for (int r = 0; r < rs; ++r) {
    floatv row[KV];
#pragma unroll
    for (int v = 0; v < KV; ++v) row[v] = load_some(rows + (long)r * columns + v * VW, left - v * VW);
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
      global float* to = result + (long)(i0 + m) * columns;
#pragma unroll
      for (int v = 0; v < KV; ++v) {
        store_some(RESULT(load_some(to + v * VW, left - v * VW), acc[m][v]), to + v * VW,
                    left - v * VW);
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void fully_connected_outer(global const float* restrict dy, global const float* restrict y,
                           global const float* restrict rows, global float* restrict result, int is,
                           int rs, int columns, long i_step, long r_step) {
  const int i0 = (int)get_group_id(0) * MR;
  const int first = (int)get_group_id(1) * BLOCK;
  if (columns - first >= BLOCK) {
    outer_block(dy, y, rows + first, result + first, i0, is, rs, columns, i_step, r_step, BLOCK);
  } else {
    outer_block(dy, y, rows + first, result + first, i0, is, rs, columns, i_step, r_step,
                columns - first);
  }
}
#endif  // KV
