// parts: lanes mask depthwise_taps
// Rows of planes that depthwise convolutions copy to local memory as floats.
//
//   a row, STAGE_PITCH floats                        stride 2: taps 0, 1, 2, ... of 2 columns of padding see
//     stride 1   x0 x1 x2 ... 0 0                      x of -2, 0, 2, ...   from the even columns on, moved by -1
//     stride 2   x0 x2 x4 ... 0 0 x1 x3 x5 ... 0 0     x of -1, 1, 3, ...   from the odd columns on, moved by -1
//                                                      x of 0, 2, 4, ...    from the even columns on
//
// So each tap sees a vector of neighbours, and where the image ends it sees zeroes. Pitch and width are constants: with
// a pitch in a register LLVM computes the address of each row, loads all rows first, and spills (2-core Zen 3,
// 2026-11).
//
// Macros: VW (4, 8 or 16), MASK, LEFT (columns of padding), and those of parts/depthwise_taps.cl; IN_W (columns of the
// image), STAGE_PITCH (not defined: nothing is staged), STAGE_FLOATS (of local memory), STAGE_BORDER (zeroes in front
// of the first row).

#ifdef STAGE_PITCH
#define HALF_PITCH (STAGE_PITCH / IW)
// From a result's column to what it sees at tap column q.
#if IW == 1
#define TAP_AT(q) ((q) - (LEFT))
#else
#define TAP_AT(q) ((((q) - (LEFT)) >> 1) + (((q) - (LEFT)) & 1) * HALF_PITCH)
#endif
// From what a result's column sees at the first tap column to what it sees at the next, and so on.
#define TO_NEXT_TAP (TAP_AT(DW) - TAP_AT(0))
#define TO_NEXT_TAP_AFTER(next) (IW == 1 || DW % 2 == 0 ? (next) : DW - (next))
#define STAGED_V(pointer) IN_ONE_PIECE(local const, pointer)

ALWAYS_INLINE void clear_floats(local float* memory, const int count) {
  for (int t = 0; t < count; t += VW) IN_ONE_PIECE(local, memory + t) = (floatv)(0.0f);
}

// Zeroes beside `rows` rows. They stay: all rows are copied to the same columns.
ALWAYS_INLINE void clear_beside(local float* staged, const int rows) {
  clear_floats(staged - STAGE_BORDER, STAGE_BORDER);
  const int shortest = IN_W / IW / VW * VW;  // of odd columns there may be one less than of even ones
  for (int t = 0; t < rows * IW; ++t) {
    clear_floats(staged + shortest, HALF_PITCH - shortest);
    staged += HALF_PITCH;
  }
  clear_floats(staged, VW);
}

// Copies the row of IN_W elements at input[at], of a gradient masked. What lies beside it stays as it is.
ALWAYS_INLINE void stage_row(global const element* input, global const element* y, const long at, local float* staged) {
#if MASK && DATA
#define SOURCE_V(at) BACKWARD(GET_V(input + (at)), GET_V(y + (at)))
#else
#define SOURCE_V(at) GET_V(input + (at))
#endif
#if IW == 1
#define COPY_AT(j) IN_ONE_PIECE(local, staged + (j)) = SOURCE_V(at + (j));
#else
#define COPY_AT(j)                                                       \
  {                                                                       \
    const floatv a = SOURCE_V(at + (j)), b = SOURCE_V(at + (j) + VW);     \
    IN_ONE_PIECE(local, staged + (j) / 2) = even_lanes(a, b);             \
    IN_ONE_PIECE(local, staged + (j) / 2 + HALF_PITCH) = odd_lanes(a, b); \
  }
#endif
#if IN_W <= 8 * IW * VW
#pragma unroll
#else
  __attribute__((opencl_unroll_hint(1)))
#endif
  for (int j = 0; j + IW * VW <= IN_W; j += IW * VW) {
    COPY_AT(j)
  }
#if IN_W % (IW * VW) > 0
  COPY_AT((IN_W - IW * VW) / IW * IW)
#if IN_W % IW == 1
  staged[IN_W / 2] = GET(input, at + IN_W - 1);
#endif
#endif
}
#endif
