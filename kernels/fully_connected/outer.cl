// parts: register_tile epilogue mask
// Gradients of fully connected layers on CPUs, from the tensors as they lie, nothing packed: dx = dz * w and
// dw = dz^T * x, both sums over r of a number of dz times row r of w or x. Vectors run along the row.
//
//      r ->           columns ->                     registers, floatv each
//   i  [ dz(i,r) ]    row r [ KV vectors ]           acc[MR][KV]
//
//   dx: i an image, r a filter, rows those of w      dw: i a filter, r an image, rows those of x
//
// One work-item per work-group. Per r: KV loads, MR broadcasts, MR*KV fused multiply-adds.
//
// result_step: elements from one row of the result to the next.
//
// Macros: MR KV VW; MASK and BACKWARD (dz is dy, masked), and those of the epilogue.

// Rows beyond the last one repeat it; their results are not stored.
#define ROW(index, count) ((long)min(index, (count)-1))

#define BLOCK (KV * VW)

// The bias, or the slope, of up to VW columns from `column` on, of dx (n,c,h,w) with `plane` pixels per plane.
#if BIAS || SLOPES
inline floatv of_channels(global const element* values, const int column, const int plane, const int count) {
  if (plane == 1) return get_some(values + column, count);
  float found[VW];
  for (int i = 0; i < VW; ++i) found[i] = i < count ? GET(values, (column + i) / plane) : 0.0f;
  return LOAD_V(found);
}
#endif
#if BIAS
#define bias_of_columns(b, column, plane, count) of_channels(b, column, plane, count)
#else
#define bias_of_columns(b, column, plane, count) 0.0f
#endif
#if SLOPES
#define slopes_of_columns(slopes, column, plane, count) of_channels(slopes, column, plane, count)
#else
#define slopes_of_columns(slopes, column, plane, count) 0.0f
#endif

// Of the block's columns, from `first` on, `left` exist. With the constant BLOCK the compiler drops the checks.
inline void outer_block(global const element* dy, global const element* y,
                        global const element* rows, global const element* b,
                        global const element* residual, global const element* slopes,
                        global element* result,
                        const int i0, const int is, const int rs, const int columns, const long i_step,
                        const long r_step, const long result_step, const int plane, const int first,
                        const int left) {
  floatv acc[MR][KV];
  CLEAR_TILE(acc, MR, KV)
  for (int r = 0; r < rs; ++r) {
    MULTIPLY_TILE_SCALAR_FIRST(acc, MR, KV, MASKED(dy, y, ROW(i0 + i, is) * i_step + r * r_step),
                               get_some(rows + (long)r * columns + first + v * VW, left - v * VW))
  }
#pragma unroll
  for (int m = 0; m < MR; ++m) {
    if (i0 + m < is) {
      const long at = (i0 + m) * result_step + first;
#pragma unroll
      for (int v = 0; v < KV; ++v) {
        const int count = left - v * VW;
        const floatv value = acc[m][v] + bias_of_columns(b, first + v * VW, plane, count) +
                             residual_some(residual + at + v * VW, count);
        const floatv slope = slopes_of_columns(SLOPES_OF(i0 + m, columns / plane), first + v * VW, plane, count);
        put_some(RESULT(get_some(result + at + v * VW, count), ACTIVATE(value, slope)),
                 result + at + v * VW, count);
      }
    }
  }
}

#define PARAMETERS \
  global const element* restrict dy, global const element* restrict y, \
  global const element* restrict rows, global const element* restrict b, \
  global const element* restrict r, global element* restrict result, int is, int rs, \
  int columns, long i_step, long r_step, long result_step, int plane SLOPES_PARAMETER
#define ARGUMENTS \
  dy, y, rows, b, r, result, is, rs, columns, i_step, r_step, result_step, plane SLOPES_ARGUMENT

NOT_INLINED void fully_connected_outer_item(const long id, const long id_1, PARAMETERS) {
  const int i0 = (int)id * MR;
  const int first = (int)id_1 * BLOCK;
  if (columns - first >= BLOCK) {
    outer_block(dy, y, rows, b, r, SLOPES_PASSED, result, i0, is, rs, columns, i_step, r_step, result_step, plane,
                first, BLOCK);
  } else {
    outer_block(dy, y, rows, b, r, SLOPES_PASSED, result, i0, is, rs, columns, i_step, r_step, result_step, plane,
                first, columns - first);
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void fully_connected_outer(PARAMETERS) {
  fully_connected_outer_item(get_group_id(0), get_group_id(1), ARGUMENTS);
}
