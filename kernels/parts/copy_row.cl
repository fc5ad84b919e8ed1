// parts: mask
// Copying a row of a tensor: vectors, then halves of vectors, then elements.
//
// Macros: VW, MASK.

// N elements, if that many are left.
#define COPY_PIECE(N)                                         \
  if (count - j >= N) {                                       \
    CLCONV_PASTE(vstore, N)(KEPT_N(N, j), 0, out + j);          \
    j += N;                                                   \
  }
// Copies `count` elements of a tensor, masked where it is a gradient, as floats.
inline void copy_row(global const element* input, global const element* y,
                     global float* out, const int count) {
  int j = 0;
#if VW == 16
  for (; j + 16 <= count; j += 16) vstore16(KEPT_N(16, j), 0, out + j);
  COPY_PIECE(8)
  COPY_PIECE(4)
#elif VW == 8
  for (; j + 8 <= count; j += 8) vstore8(KEPT_N(8, j), 0, out + j);
  COPY_PIECE(4)
#elif VW == 4
  for (; j + 4 <= count; j += 4) vstore4(KEPT_N(4, j), 0, out + j);
#endif
#if VW > 1
  COPY_PIECE(2)
#endif
  for (; j < count; ++j) out[j] = MASKED(input, y, j);
}
