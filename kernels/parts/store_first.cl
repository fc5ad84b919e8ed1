// parts: row_end epilogue
// Finishes a vector of sums and stores the results, of which a row may end in the middle.
//
// Macros: VW (4, 8 or 16), and those of the epilogue.

// Stores the first `count` results, up to VW, to `result`; the residual is at `r`.
ALWAYS_INLINE void store_first(const floatv sum, const int count, const float slope, global const element* r,
                               global element* result BOUNDS_PARAMETER) {
  if (count >= VW) {
    const floatv value = sum + RESIDUAL_V(r);
    const floatv activated = ACTIVATE(value, slope);
    PUT_V(RESULT(GET_V(result), activated), result);
  } else if (count > 0) {
    const floatv value = sum + residual_first(r, count);
    const floatv activated = ACTIVATE(value, slope);
#if ACCUMULATE
    put_first(get_first(result, count) + activated, count, result);
#else
    put_first(activated, count, result);
#endif
  }
}
