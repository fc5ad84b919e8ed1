// parts: lanes mask depthwise_taps
// Depthwise convolution of planes that are read in place, row by row, for a vector of result columns at a time.
//
//   rows of the input                    in steps of IH rows (the stride)
//     0 . . . . . . .   step 0           step s is the last that row s - (ROLL - 1) of the results sees, and the first
//     0 . . . . . . .   step 1           that row s sees: the sums of ROLL rows of results are open at a time
//     0 . . . . . . .   step 2
//
// Lanes that are columns outside the image are loaded, too, from the end of the row before or the start of the next
// one, and then set to 0. Where that may be outside the buffer, elements are read one by one ("careful").
//
// Step 0 begins TOP_MOD rows before the first row that it sees, so that the image's first row begins a step.
//
// Macros: VW (4, 8 or 16), MASK, LEFT (columns of padding), TOP_MOD (below IH), and those of parts/depthwise_taps.cl;
// STAGE_PITCH (defined: planes are not read in place, see parts/depthwise_staged.cl).

#define ROLL ((REACH_H + TOP_MOD) / IH + 1)
// Elements of a row that are read for one vector of results: from BEFORE in front of the column that lane 0 of the tap
// at the image's first column sees, to SPAN behind it.
#if IW == 1
#define BEFORE max(LEFT, 0)
#define SPAN (VW + max(REACH_W - LEFT, 0))
#else
#define BEFORE (LEFT > 0 ? VW : 0)
#define SPAN (REACH_W - LEFT > 1 ? 3 * VW : 2 * VW)
#endif
// The row of the filter, times DH, with which row s of a step meets row ry of the results of step `a`.
#define ROLLING_TAP_ROW(s, a, ry) TAP_ROW((ROLL - 1 - (a)) * IH + (s) - TOP_MOD, 0, ry)

// Steps from the first to the last one that see rows of the image, for rows [first, last) of the results. `top`: the
// row of the input at which step 0 begins.
inline int first_step(const int first, const int top) { return max(first, -top / IH); }
inline int last_step(const int last, const int top, const int in_h) {
  return min(last + ROLL - 1, (in_h - top + IH - 1) / IH);
}

#ifndef STAGE_PITCH
// inside[q]: the lanes of tap column q that lie in the image, where `column` is IW times the first result's column.
// (Two conditions: LLVM moves a single comparison into the loop.)
ALWAYS_INLINE void find_inside(intv* inside, const int column, const int in_w) {
#pragma unroll
  for (int q = 0; q <= REACH_W; ++q) {
    const intv at = LANES * (intv)(IW) + (intv)(column + q - LEFT);
    inside[q] = (at >= (intv)(0)) & (at < (intv)(in_w));
  }
}

// A vector of the input, of a gradient: masked.
#if MASK && DATA
#define SEEN(at) BACKWARD(GET_V(input + (at)), GET_V(y + (at)))
#define SEEN_ELEMENT(at) BACKWARD(GET(input, at), GET(y, at))
#else
#define SEEN(at) GET_V(input + (at))
#define SEEN_ELEMENT(at) GET(input, at)
#endif

// VW columns, IW apart, from `column` on, of the row at `at`, one by one.
NOT_INLINED floatv see_carefully(global const element* input, global const element* y, const long at, const int column,
                                 const int in_w) {
  float values[VW];
  for (int lane = 0; lane < VW; ++lane) {
    const int c = column + lane * IW;
    values[lane] = 0.0f;
    if (c >= 0 && c < in_w) values[lane] = SEEN_ELEMENT(at + c);
  }
  return LOAD_V(values);
}

// At stride 2, tap column q sees the even or the odd columns, moved by MOVED_BY(q) lanes: the lanes that come in are
// taken from the vector before or behind the two. So a row takes three or four loads, which mostly are aligned.
#define PHASE_OF(q) (((q) - LEFT) & 1)
#define MOVED_BY(q) (((q) - LEFT - PHASE_OF(q)) / 2)
#define FROM_PAIR(pair, before, behind, q)                                                                        \
  (MOVED_BY(q) == 0  ? (pair)                                                                                     \
   : MOVED_BY(q) < 0 ? shuffle2(pair, before,                                                                     \
                                AS_UINTV(MOVED_LANES(q) >= (intv)(0) ? MOVED_LANES(q)                             \
                                         : (intv)(2 * VW + PHASE_OF(q)) + MOVED_LANES(q) * (intv)(2)))            \
                     : shuffle2(pair, behind,                                                                     \
                                AS_UINTV(MOVED_LANES(q) < (intv)(VW) ? MOVED_LANES(q)                             \
                                         : (intv)(PHASE_OF(q) - VW) + MOVED_LANES(q) * (intv)(2))))
#define MOVED_LANES(q) (LANES + (intv)(MOVED_BY(q)))

// The columns of tap column q (a constant) of the row at `at`, from `column` on; 0 outside the
// image.
ALWAYS_INLINE floatv see(global const element* input, global const element* y, const long at, const int q,
                         const intv* inside, const int column, const int in_w, const long size,
                         const int careful) {
  const long first = at + column;
  if (careful && (first - BEFORE < 0 || first + SPAN > size)) {
    return see_carefully(input, y, at, column + q - LEFT, in_w);
  }
#if IW == 1
  const floatv v = SEEN(first + q - LEFT);
#else
  const floatv a = SEEN(first), b = SEEN(first + VW);
  const floatv pair = shuffle2(a, b, AS_UINTV(LANES * (intv)(2) + (intv)(PHASE_OF(q))));
  const floatv before = MOVED_BY(q) < 0 ? SEEN(first - VW) : a;
  const floatv behind = MOVED_BY(q) > 0 ? SEEN(first + 2 * VW) : a;
  const floatv v = FROM_PAIR(pair, before, behind, q);
#endif
  return inside[q] ? v : (floatv)(0.0f);
}
#endif
