// parts: stage_rows transpose
// Copying pixels of planes to local memory as floats, with the planes innermost, and back.
//
//   planes:  f [ t t t t ... ]       local memory:  t [ VW planes f ]   `step` floats apart
//            | [             ]  ->                  | [             ]
//
// Macros: VW (4, 8 or 16), MASK.

// Stores `pixels` pixels of VW planes from `at` on to `to`, a vector of planes per pixel. Planes from `rest` on repeat
// the last one. `masked`: of a gradient, where MASK says that it is masked.
inline void stage_transposed(global const element* input, global const element* y, const int masked, const long at,
                             const long size, const long plane, const int rest, const int pixels, local float* to,
                             const int step) {
  for (int t = 0; t < pixels; t += VW) {
    // The last vector overlaps the one before, so that none reads beyond the pixels.
    const int first = max(min(t, pixels - VW), 0);
    floatv rows[VW], other[VW];
    if (pixels >= VW) {
#pragma unroll
      for (int f = 0; f < VW; ++f) {
        const long from = at + min(f, rest - 1) * plane + first;
        rows[f] = masked ? MASKED_V(input, y, from) : GET_V(input + from);
      }
    } else {
#pragma unroll
      for (int f = 0; f < VW; ++f) {
        rows[f] = load_begin(input, y, masked, at + min(f, rest - 1) * plane, pixels, size);
      }
    }
    TRANSPOSE(rows, other)
#pragma unroll
    for (int i = 0; i < VW; ++i) {
      if (i < pixels) IN_ONE_PIECE(local, to + (first + i) * step) = TRANSPOSED(rows, other)[i];
    }
  }
}

// Stores `count` vectors of VW filters, `step` floats apart, of which the first `rest` lanes count: those of a filter
// together, `filter_size` floats from one filter to the next.
inline void store_transposed(local const float* sums, const int count, const int rest, const int step,
                             global float* result, const int filter_size) {
  for (int e = 0; e < count; e += VW) {
    floatv rows[VW], other[VW];
#pragma unroll
    for (int i = 0; i < VW; ++i) rows[i] = LOAD_V(sums + min(e + i, count - 1) * step);
    TRANSPOSE(rows, other)
#pragma unroll
    for (int f = 0; f < VW; ++f) {
      if (f < rest) store_some(TRANSPOSED(rows, other)[f], result + (long)f * filter_size + e, count - e);
    }
  }
}
