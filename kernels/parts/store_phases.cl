// parts: interleave store_first
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
    store_first(row[s] + bias, rest - s * VW, slope, r + s * VW, result + s * VW);
  }
}
