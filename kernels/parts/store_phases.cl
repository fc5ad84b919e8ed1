// parts: interleave row_end epilogue
// The end of a register tile of phases: finishes the results of a filter and stores them as one row.
//
// Macros: VW, SW (phases: 2 or 4), and those of the epilogue.

// `rest`: results of the row from `result` on; the residual, at `r`, has as many.
ALWAYS_INLINE void store_phases(const floatv phases[SW], const int rest, const float bias, const float slope,
                                global const element* r, global element* result) {
  floatv row[SW];
  INTERLEAVE(SW, phases, row)
#pragma unroll
  for (int s = 0; s < SW; ++s) {
    const int count = rest - s * VW;
    global element* out = result + s * VW;
    const floatv sum = row[s] + bias;
    if (count >= VW) {
      const floatv value = sum + RESIDUAL_V(r + s * VW);
      PUT_V(RESULT(GET_V(out), ACTIVATE(value, slope)), out);
    } else if (count > 0) {
      const floatv value = sum + residual_first(r + s * VW, count);
      put_first(RESULT(get_first(out, count), ACTIVATE(value, slope)), count, out);
    }
  }
}
