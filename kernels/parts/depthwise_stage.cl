// parts: lanes mask depthwise_taps
// Copying a section of an input plane to local memory, with its border.
//
//   a section of an input plane            local memory, `pitch` floats per row and column phase
//     . . . . . . . .                     0 0 0 0 0      IW == 2, even columns first:  0 b d 0 | a c e 0
//     . a b c d e . .   stage_section ->     0 a b c d
//     . f g h i j . .                     0 f g h i      Vectors of result columns are then vectors of
//                                                        neighbours, and borders need no care any more.
//
// Macros: VW (4, 8 or 16).

// The first `count` elements at input[at], the others 0; with `masked` a masked gradient. Elements
// beyond them are read, too, if they belong to the tensor, which has `size` elements.
inline floatv load_first(global const element* input, global const element* y,
                         const int masked, const long at, const int count, const long size) {
  floatv v;
  if (at + VW <= size) {
    v = GET_V(input + at);
    if (masked) v = BACKWARD(v, GET_V(y + at));
    if (count < VW) v = LANES < (intv)(count) ? v : (floatv)(0.0f);
  } else {
    v = get_some(input + at, count);
    if (masked) v = BACKWARD(v, get_some(y + at, count));
  }
  return v;
}

// Copies a row of the plane, whose `columns` columns begin at input[row_at]: [lo, hi) of them lie inside. The others
// become 0 where there are `borders`.
#if IW == 1
ALWAYS_INLINE void stage_row(global const element* input, global const element* y, const int masked, const long row_at,
                      const long size, const int lo, const int hi, const int columns, local float* stage,
                      const int pitch, const int shift, const int borders) {
  if (borders) {
    for (int t = 0; t < lo; t += VW) STORE_V((floatv)(0.0f), stage + shift + t);
    for (int t = hi; t < columns; t += VW) STORE_V((floatv)(0.0f), stage + shift + t);
  }
  if (hi - lo >= VW) {
    // The last vector overlaps the one before.
    for (int t = lo; t < hi; t += VW) {
      const int at = min(t, hi - VW);
      floatv v = GET_V(input + row_at + at);
      if (masked) v = BACKWARD(v, GET_V(y + row_at + at));
      STORE_V(v, stage + shift + at);
    }
  } else if (lo < hi) {
    STORE_V(load_first(input, y, masked, row_at + lo, hi - lo, size), stage + shift + lo);
  }
}
#elif IW == 2
// Stores the columns of two vectors: the even ones, then the odd ones, `half_way` floats behind the first.
#define STAGE_PAIR(a, b, half_way)                    \
  {                                                   \
    STORE_V(even_lanes(a, b), first + (half_way));    \
    STORE_V(odd_lanes(a, b), second + (half_way));    \
  }
ALWAYS_INLINE void stage_row(global const element* input, global const element* y, const int masked, const long row_at,
                      const long size, const int lo, const int hi, const int columns, local float* stage,
                      const int pitch, const int shift, const int borders) {
  for (int phase = 0; borders && phase < 2; ++phase) {
    local float* start = stage + shift + phase * pitch;
    for (int t = 0; 2 * t < lo; t += VW) STORE_V((floatv)(0.0f), start + t);
    for (int t = (hi - phase + 1) / 2; 2 * t < columns; t += VW) {
      STORE_V((floatv)(0.0f), start + t);
    }
  }
  local float* first = stage + shift + (lo & 1) * pitch + lo / 2;
  local float* second = stage + shift + (~lo & 1) * pitch + (lo + 1) / 2;
  int t = lo;
  for (; hi - t >= 2 * VW; t += 2 * VW) {
    floatv a = GET_V(input + row_at + t);
    floatv b = GET_V(input + row_at + t + VW);
    if (masked) {
      a = BACKWARD(a, GET_V(y + row_at + t));
      b = BACKWARD(b, GET_V(y + row_at + t + VW));
    }
    STAGE_PAIR(a, b, (t - lo) / 2)
  }
  if (t < hi) {
    const floatv a = load_first(input, y, masked, row_at + t, hi - t, size);
    const floatv b = hi - t > VW
                         ? load_first(input, y, masked, row_at + t + VW, hi - t - VW, size)
                         : (floatv)(0.0f);
    STAGE_PAIR(a, b, (t - lo) / 2)
  }
}
#else
ALWAYS_INLINE void stage_row(global const element* input, global const element* y, const int masked, const long row_at,
                      const long size, const int lo, const int hi, const int columns, local float* stage,
                      const int pitch, const int shift, const int borders) {
  for (int t = 0; t < columns; ++t) {
    const int inside = t >= lo && t < hi;
    const float v = !inside  ? 0.0f
                    : masked ? BACKWARD(GET(input, row_at + t), GET(y, row_at + t))
                             : GET(input, row_at + t);
    stage[shift + t % IW * pitch + t / IW] = v;
  }
}
#endif

// Copies rows [top, top + rows) and columns [left, left + columns) of the plane at input[plane], 0 outside it, to
// stage + shift, with room for a vector behind each row. `shift` aligns the first column of an image. Without `borders`
// the columns outside are 0 already.
inline void stage_section(global const element* input, global const element* y,
                       const int masked, const long plane, const long size, const int in_h,
                       const int in_w, const int top, const int left, const int rows,
                       const int columns, local float* stage, const int pitch, const int shift,
                       const int borders) {
  const int lo = clamp(-left, 0, columns);
  const int hi = clamp(in_w - left, lo, columns);
  for (int r = 0; r < rows; ++r, stage += IW * pitch) {
    const int row = top + r;
    if (row < 0 || row >= in_h) {
      for (int t = 0; t < IW * pitch; t += VW) STORE_V((floatv)(0.0f), stage + t);
    } else {
      stage_row(input, y, masked, plane + (long)row * in_w + left, size, lo, hi, columns, stage, pitch, shift, borders);
    }
  }
}
