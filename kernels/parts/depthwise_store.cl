// parts: transpose row_end epilogue depthwise_taps
// Storing results of a depthwise convolution, a vector of steps at a time.
//
// Macros: VW (4, 8 or 16), and those of the epilogue.

// Stores the first `count` results.
inline void store_results(const floatv sum, const float slope, global const element* r,
                          global element* at, const int count) {
#if RESIDUAL
  const floatv value = sum + get_some(r, count);
#else
  const floatv value = sum;
#endif
#if ACCUMULATE
  put_first(ACTIVATE(value, slope) + get_some(at, count), count, at);
#else
  put_first(ACTIVATE(value, slope), count, at);
#endif
}

// Stores columns [column, ...) of a result row that ends at `width`: VW steps of RW. `spare`: elements behind the row
// that are written later anyway.
inline void store_steps(const floatv* acc, const float slope, global const element* r,
                        global element* row, const int column, const int width, const int spare) {
#if RW == 1
  store_results(acc[0], slope, r + column, row + column, width - column + spare);
#else
  const floatv lo = interleave_lo(acc[0], acc[1]);
  const floatv hi = interleave_hi(acc[0], acc[1]);
  store_results(lo, slope, r + column, row + column, width - column);
  if (width - column > VW) {
    store_results(hi, slope, r + column + VW, row + column + VW, width - column - VW);
  }
#endif
}
