// parts: lanes mask
// Copying rows of a plane to local memory as floats, with their padding as zeroes.
//
//   rows of a plane              local memory, `pitch` floats per row
//     a b c d e                    0 a b c d e 0
//     f g h i j                    0 f g h i j 0
//
// Macros: VW (4, 8 or 16), MASK.

// A vector of a gradient.
#if MASK
#define MASKED_V(gradient, y, at) BACKWARD(GET_V((gradient) + (at)), GET_V((y) + (at)))
#else
#define MASKED_V(gradient, y, at) GET_V((gradient) + (at))
#endif

// The first `count` elements at `at`, the others 0; `masked`: of a gradient, where MASK says that it is masked.
// Elements behind them are read where the tensor has some (it has `size` in all).
inline floatv load_begin(global const element* input, global const element* y, const int masked, const long at,
                         const int count, const long size) {
  if (at + VW > size) {
    float values[VW];
    for (int t = 0; t < VW; ++t) {
      values[t] = t >= count ? 0.0f : masked ? MASKED(input, y, at + t) : GET(input, at + t);
    }
    return LOAD_V(values);
  }
  const floatv all = masked ? MASKED_V(input, y, at) : GET_V(input + at);
  return count >= VW ? all : LANES < (intv)(count) ? all : (floatv)(0.0f);
}

// Copies rows [top, top + rows) and columns [left, left + columns) of the plane at input[plane], 0 outside it, with
// room for a vector behind each row.
inline void stage_rows(global const element* input, global const element* y, const int masked, const long plane,
                       const long size, const int in_h, const int in_w, const int top, const int left, const int rows,
                       const int columns, local float* stage, const int pitch) {
  const floatv zero = (floatv)(0.0f);
  const int lo = clamp(-left, 0, columns);
  const int hi = clamp(in_w - left, lo, columns);
  const int whole = lo + (hi - lo) / VW * VW;
  const intv behind = LANES < (intv)(hi - whole);
  for (int r = 0; r < rows; ++r, stage += pitch) {
    const int row = top + r;
    int t = 0;
    if (row >= 0 && row < in_h) {
      for (; t < lo; t += VW) IN_ONE_PIECE(local, stage + t) = zero;
      global const element* from = input + plane + (long)row * in_w + left;
      for (t = lo; t < whole; t += VW) {
        IN_ONE_PIECE(local, stage + t) =
            masked ? MASKED_V(input, y, plane + (long)row * in_w + left + t) : GET_V(from + t);
      }
      if (t < hi) {
        const long at = plane + (long)row * in_w + left + t;
        IN_ONE_PIECE(local, stage + t) = at + VW > size  ? load_begin(input, y, masked, at, hi - t, size)
                                         : masked        ? (behind ? MASKED_V(input, y, at) : zero)
                                                         : (behind ? GET_V(from + t) : zero);
        t += VW;
      }
    }
    for (; t < columns; t += VW) IN_ONE_PIECE(local, stage + t) = zero;
  }
}
