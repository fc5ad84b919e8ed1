// parts: vectors lanes
// A vector of a row, with zeroes for what is outside of the row.
//
// Macros: VW (4, 8 or 16).

// The vector at `column` of a row of `width` floats. `readable`: all of it is in the buffer.
inline floatv load_within(global const float* row, const int column, const int width, const bool readable) {
  if (!readable) {
    float values[VW];
    for (int t = 0; t < VW; ++t) values[t] = column + t >= 0 && column + t < width ? row[column + t] : 0.0f;
    return LOAD_V(values);
  }
  const uintv at = AS_UINTV(LANES + column);
  const floatv zero = (floatv)(0.0f);
  return select(zero, LOAD_V(row + column), at < (uintv)((uint)width));
}
