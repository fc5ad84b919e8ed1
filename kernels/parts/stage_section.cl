// parts: lanes mask
// Copying a section of an input plane to local memory, with its border.
//
//   a section of an input plane            local memory, `pitch` floats per row and column phase
//     . . . . . . . .                     0 0 0 0 0      IW == 2, even columns first:  0 b d 0 | a c e 0
//     . a b c d e . .   stage_section ->     0 a b c d
//     . f g h i j . .                     0 f g h i      Vectors of result columns are then vectors of
//                                                        neighbours, and borders need no care any more.
//
// Macros: VW (4, 8 or 16), IW (columns of the input from one result to the next).

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
    for (int t = 0; t < lo; t += VW) IN_ONE_PIECE(local, stage + shift + t) = (floatv)(0.0f);
    for (int t = hi; t < columns; t += VW) IN_ONE_PIECE(local, stage + shift + t) = (floatv)(0.0f);
  }
  if (hi - lo >= VW) {
    // The last vector overlaps the one before.
    for (int t = lo; t < hi; t += VW) {
      const int at = min(t, hi - VW);
      floatv v = GET_V(input + row_at + at);
      if (masked) v = BACKWARD(v, GET_V(y + row_at + at));
      IN_ONE_PIECE(local, stage + shift + at) = v;
    }
  } else if (lo < hi) {
    IN_ONE_PIECE(local, stage + shift + lo) = load_first(input, y, masked, row_at + lo, hi - lo, size);
  }
}
#elif IW == 2 || IW == 4
// Stores IW * VW columns, every IW-th from the k-th on at to[k] + offset.
ALWAYS_INLINE void store_apart(const floatv seen[IW], local float* const to[IW], const int offset) {
  const floatv even = even_lanes(seen[0], seen[1]), odd = odd_lanes(seen[0], seen[1]);
#if IW == 2
  IN_ONE_PIECE(local, to[0] + offset) = even;
  IN_ONE_PIECE(local, to[1] + offset) = odd;
#else
  const floatv next_even = even_lanes(seen[2], seen[3]), next_odd = odd_lanes(seen[2], seen[3]);
  IN_ONE_PIECE(local, to[0] + offset) = even_lanes(even, next_even);
  IN_ONE_PIECE(local, to[1] + offset) = even_lanes(odd, next_odd);
  IN_ONE_PIECE(local, to[2] + offset) = odd_lanes(even, next_even);
  IN_ONE_PIECE(local, to[3] + offset) = odd_lanes(odd, next_odd);
#endif
}
ALWAYS_INLINE void stage_row(global const element* input, global const element* y, const int masked, const long row_at,
                      const long size, const int lo, const int hi, const int columns, local float* stage,
                      const int pitch, const int shift, const int borders) {
  for (int phase = 0; borders && phase < IW; ++phase) {
    local float* start = stage + shift + phase * pitch;
    for (int t = 0; IW * t < lo; t += VW) IN_ONE_PIECE(local, start + t) = (floatv)(0.0f);
    for (int t = (hi - phase + IW - 1) / IW; IW * t < columns; t += VW) {
      IN_ONE_PIECE(local, start + t) = (floatv)(0.0f);
    }
  }
  local float* to[IW];  // of the columns from `lo` on that are IW apart
#pragma unroll
  for (int k = 0; k < IW; ++k) to[k] = stage + shift + (lo + k) % IW * pitch + (lo + k) / IW;
  int t = lo;
  for (; hi - t >= IW * VW; t += IW * VW) {
    floatv seen[IW];
#pragma unroll
    for (int k = 0; k < IW; ++k) {
      const long at = row_at + t + k * VW;
      seen[k] = GET_V(input + at);
      if (masked) seen[k] = BACKWARD(seen[k], GET_V(y + at));
    }
    store_apart(seen, to, (t - lo) / IW);
  }
  if (t < hi) {
    floatv seen[IW];
#pragma unroll
    for (int k = 0; k < IW; ++k) {
      const int at = t + k * VW;
      seen[k] = at < hi ? load_first(input, y, masked, row_at + at, hi - at, size) : (floatv)(0.0f);
    }
    store_apart(seen, to, (t - lo) / IW);
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
      for (int t = 0; t < IW * pitch; t += VW) IN_ONE_PIECE(local, stage + t) = (floatv)(0.0f);
    } else {
      stage_row(input, y, masked, plane + (long)row * in_w + left, size, lo, hi, columns, stage, pitch, shift, borders);
    }
  }
}
