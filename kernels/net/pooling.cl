// parts: lanes
// Max and average pooling of planes on CPUs, `span` rows of results per work-item, one after another:
//
//   x  . . . . . . .   1. maxima (sums) of KH rows -> line  [ padding | image columns | padding ], at most CHUNK results
//      . . . . . . .      wide
//      . . . . . . .   2. maxima (sums) of KW places of the line, VW results at a time: no test of borders
//
// NaN is larger than every number. An average divides by the elements of the window that lie in the image, or with
// INCLUDE_PAD in the image and its padding. A vector may be read beyond the end of a row where the tensor goes on, and
// is written beyond the end of a row of results where this work-item writes the next row afterwards.
//
// Macros: VW; KH KW SH SW DH DW (window, stride, dilation); AVERAGE, INCLUDE_PAD (0 or 1).

#define WIDE (512 / SW / VW * VW)
#define CHUNK (WIDE > 0 ? WIDE : VW)
// Image columns of a chunk, and what the last vectors read behind them.
#define LINE ((CHUNK + VW) * SW + (KW - 1) * DW + 2 * VW)

#if AVERAGE
#define START 0.0f
#define FOLD(best, value) ((best) + (value))
#else
#define START (-INFINITY)
#define FOLD(best, value) select(best, value, ((value) > (best)) | ((value) != (value)))
#endif

// Of VW columns, the taps [p0, p1) of the window's rows; `left` columns are there.
ALWAYS_INLINE floatv fold_rows(global const element* from, const int p0, const int p1, const int w, const int left) {
  floatv best = (floatv)(START);
  for (int p = p0; p < p1; ++p) {
    const floatv value = get_some(from + (long)p * DH * w, left);
    best = FOLD(best, value);
  }
  return best;
}

// VW places of the line from `at` on, SW apart.
ALWAYS_INLINE floatv places(const float* line, const int at) {
#if SW == 1
  return IN_ONE_PIECE(const, line + at);
#elif SW == 2
  const floatv a = IN_ONE_PIECE(const, line + (at & ~1));
  const floatv b = IN_ONE_PIECE(const, line + (at & ~1) + VW);
  return (at & 1) ? odd_lanes(a, b) : even_lanes(a, b);
#else
  float values[VW];
  for (int lane = 0; lane < VW; ++lane) values[lane] = line[at + lane * SW];
  return LOAD_V(values);
#endif
}

// How many of the KW taps from the columns `first` on lie in [low, high).
ALWAYS_INLINE floatv taps_inside(const intv first, const int low, const int high) {
  intv count = (intv)(0);
  for (int q = 0; q < KW; ++q) {
    const intv column = first + (intv)(q * DW);
    count -= (column >= (intv)(low)) & (column < (intv)(high));
  }
  return CLCONV_PASTE(convert_float, VW)(max(count, (intv)(1)));
}

kernel void pool_rows(global const element* restrict x, global element* restrict y, long rows, int h, int w,
                      int oh, int ow, int pt, int pl, int h_end, int w_end, long total, long span) {
  float line[LINE];
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, rows);
  for (long row = first; row < last; ++row) {
    const int top = (int)(row % oh) * SH - pt;
    const int p0 = top < 0 ? min((DH - 1 - top) / DH, KH) : 0;
    const int p1 = top < h ? min((h - top + DH - 1) / DH, KH) : 0;
#if AVERAGE
    const int divided_rows = INCLUDE_PAD ? min((h_end - top + DH - 1) / DH, KH) : p1 - p0;
#endif
    const long start = row / oh * h * w + (long)top * w;  // of the window's first row
    for (int j0 = 0; j0 < ow; j0 += CHUNK) {
      const int j1 = min(j0 + CHUNK, ow);
      const int base = j0 * SW - pl;
      const int needed = (j1 - j0 - 1) * SW + (KW - 1) * DW + 1;
      const int c0 = clamp(base, 0, w);
      const int c1 = clamp(base + needed, c0, w);
      for (int t = 0; t < min(c0 - base, needed); ++t) line[t] = START;
      for (int c = c0; c < c1; c += VW) {
        const long at = start + c;
        const int left = at + (long)max(p1 - 1, 0) * DH * w + VW <= total ? VW : c1 - c;
        floatv best;
        if (p0 == 0 && p1 == KH && left == VW)
          best = fold_rows(x + at, 0, KH, w, VW);
        else
          best = fold_rows(x + at, p0, p1, w, left);
        IN_ONE_PIECE(, line + (c - base)) = best;
      }
      for (int t = max(c1 - base, 0); t < needed; ++t) line[t] = START;
      for (int j = j0; j < j1; j += VW) {
        const int from = (j - j0) * SW;
        floatv best = places(line, from);
        for (int q = 1; q < KW; ++q) {
          const floatv value = places(line, from + q * DW);
          best = FOLD(best, value);
        }
#if AVERAGE
        const int column = j * SW - pl;
        const int high = INCLUDE_PAD ? w_end : w;
        const int inside = (INCLUDE_PAD || column >= 0) && column + (VW - 1) * SW + (KW - 1) * DW < high;
        const float taps_of_rows = (float)max(divided_rows, 1);
        if (inside)
          best /= (floatv)(taps_of_rows * (float)(KW));
        else
          best /= taps_of_rows * taps_inside((intv)(column) + (intv)(SW) * LANES, INCLUDE_PAD ? -pl : 0, high);
#endif
        const long to = row * ow + j;
        put_some(best, y + to, to + VW <= last * ow ? VW : ow - j);
      }
    }
  }
}
