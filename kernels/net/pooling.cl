// parts: lanes
// Max and average pooling of planes on CPUs, `span` rows of results per work-item, ROWS of them at a time:
//
//   x  . . . . . . .   1. maxima (sums) of KH rows -> line  [ padding | image columns | padding ], of CHUNK results
//      . . . . . . .   2. maxima (sums) of KW places of the line, VW results at a time: no test of borders
//      . . . . . . .
//
// ROWS lines are written before the first is read: a load that waits for the store in front of it stalls.
//
// NaN is larger than every number. An average divides by the elements of the window that lie in the image, or with
// INCLUDE_PAD in the image and its padding. A vector may be read beyond the end of a row where the tensor goes on, and
// is written beyond the end of a row of results where this work-item writes the next row afterwards.
//
// Macros: VW; KH KW SH SW DH DW (window, stride, dilation); AVERAGE, INCLUDE_PAD (0 or 1).

#define ROWS 4
#define WIDE (256 / SW / VW * VW)
#define CHUNK (WIDE > 0 ? WIDE : VW)
// Image columns of a chunk, and what the last vectors read behind them.
#define LINE ((CHUNK + VW) * SW + (KW - 1) * DW + 2 * VW)

typedef struct {
  int h, w, oh, ow, pt, pl, h_end, w_end;
} Sizes;

#if AVERAGE
#define START 0.0f
ALWAYS_INLINE floatv fold(const floatv best, const floatv value) {
  return best + value;
}
#else
#define START (-INFINITY)
// The comparison is one instruction that gives `value` where either is NaN.
ALWAYS_INLINE floatv fold(const floatv best, const floatv value) {
  const floatv larger = best > value ? best : value;
  return best != best ? best : larger;
}
#endif

// Of VW columns, all rows of the window.
ALWAYS_INLINE floatv fold_window(global const element* from, const int w) {
  floatv best = GET_V(from);
#pragma unroll 8
  for (int p = 1; p < KH; ++p) best = fold(best, GET_V(from + (long)p * DH * w));
  return best;
}

// The taps [p0, p1) of its rows; `left` columns are there.
ALWAYS_INLINE floatv fold_rows(global const element* from, const int p0, const int p1, const int w, const int left) {
  if (p0 >= p1) return (floatv)(START);
  floatv best = get_some(from + (long)p0 * DH * w, left);
  for (int p = p0 + 1; p < p1; ++p) best = fold(best, get_some(from + (long)p * DH * w, left));
  return best;
}

// The taps of a window's rows that lie in front of `end`, the window being at the row `top`.
ALWAYS_INLINE int taps_before(const int top, const int end) {
  return top < end ? min((end - top + DH - 1) / DH, KH) : 0;
}
ALWAYS_INLINE int taps_outside(const int top) {
  return top < 0 ? min((DH - 1 - top) / DH, KH) : 0;
}

// Step 1, of the columns that the results [j0, j1) take. `start` is where the window's first row starts in x.
ALWAYS_INLINE void fill_line(float* line, global const element* x, const long start, const int top,
                             const int j0, const int j1, const Sizes s, const long total) {
  const int p0 = taps_outside(top), p1 = taps_before(top, s.h);
  const int base = j0 * SW - s.pl;
  const int needed = (j1 - j0 - 1) * SW + (KW - 1) * DW + 1;
  const int c0 = clamp(base, 0, s.w);
  const int c1 = clamp(base + needed, c0, s.w);
  const long last_row = start + (long)max(p1 - 1, 0) * DH * s.w;
  for (int t = 0; t < min(c0 - base, needed); ++t) line[t] = START;
  for (int c = c0; c < c1; c += VW) {
    const int left = last_row + c + VW <= total ? VW : c1 - c;
    floatv best;
    if (p0 == 0 && p1 == KH && left == VW)
      best = fold_window(x + start + c, s.w);
    else
      best = fold_rows(x + start + c, p0, p1, s.w, left);
    IN_ONE_PIECE(, line + (c - base)) = best;
  }
  for (int t = max(c1 - base, 0); t < needed; ++t) line[t] = START;
}

// VW places of the line from `tap` on, SW apart.
ALWAYS_INLINE floatv places(const float* line, const int tap) {
#if SW == 1
  return IN_ONE_PIECE(const, line + tap);
#elif SW == 2
  const floatv a = IN_ONE_PIECE(const, line + (tap & ~1));
  const floatv b = IN_ONE_PIECE(const, line + (tap & ~1) + VW);
  return (tap & 1) ? odd_lanes(a, b) : even_lanes(a, b);
#else
  float values[VW];
  for (int lane = 0; lane < VW; ++lane) values[lane] = line[tap + lane * SW];
  return LOAD_V(values);
#endif
}

#if AVERAGE
// What the sums of the windows at the columns from `column` on are divided by.
ALWAYS_INLINE floatv divisors(const int top, const int column, const Sizes s) {
  const int rows = taps_before(top, INCLUDE_PAD ? s.h_end : s.h) - (INCLUDE_PAD ? 0 : taps_outside(top));
  const int low = INCLUDE_PAD ? -s.pl : 0;
  const int high = INCLUDE_PAD ? s.w_end : s.w;
  if (column >= low && column + (VW - 1) * SW + (KW - 1) * DW < high)
    return (floatv)((float)(max(rows, 1) * KW));
  const intv first = (intv)(column) + (intv)(SW) * LANES;
  intv count = (intv)(0);
  for (int q = 0; q < KW; ++q) {
    const intv place = first + (intv)(q * DW);
    count -= (place >= (intv)(low)) & (place < (intv)(high));
  }
  return CLCONV_PASTE(convert_float, VW)(max(count * (intv)(rows), (intv)(1)));
}
#endif

// Step 2. `to` is the row of results; up to `writable` elements from its start on may be written.
ALWAYS_INLINE void take_line(const float* line, global element* to, const long writable, const int top, const int j0,
                             const int j1, const Sizes s) {
  for (int j = j0; j < j1; j += VW) {
    const float* from = line + (j - j0) * SW;
    floatv best = places(from, 0);
#pragma unroll 8
    for (int q = 1; q < KW; ++q) best = fold(best, places(from, q * DW));
#if AVERAGE
    best /= divisors(top, j * SW - s.pl, s);
#endif
    put_some(best, to + j, j + VW <= writable ? VW : s.ow - j);
  }
}

kernel void pool_rows(global const element* restrict x, global element* restrict y, long rows, int h, int w,
                      int oh, int ow, int pt, int pl, int h_end, int w_end, long total, long span) {
  float lines[ROWS][LINE];
  const Sizes s = {h, w, oh, ow, pt, pl, h_end, w_end};
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, rows);
  int i = (int)(first % oh);
  long plane = first / oh * h * w;
  for (long row = first; row < last; row += ROWS) {
    const int count = (int)min(last - row, (long)ROWS);
    int tops[ROWS];
    long starts[ROWS];
    for (int r = 0; r < count; ++r) {
      tops[r] = i * SH - pt;
      starts[r] = plane + (long)tops[r] * w;
      if (++i == oh) {
        i = 0;
        plane += (long)h * w;
      }
    }
    // Of several chunks, the first ones of all ROWS rows are there before a last one is written: not over the next row.
    const int in_one = ow <= CHUNK;
    for (int j0 = 0; j0 < ow; j0 += CHUNK) {
      const int j1 = min(j0 + CHUNK, ow);
      for (int r = 0; r < count; ++r) fill_line(lines[r], x, starts[r], tops[r], j0, j1, s, total);
      for (int r = 0; r < count; ++r)
        take_line(lines[r], y + (row + r) * ow, in_one ? (last - row - r) * ow : ow, tops[r], j0, j1, s);
    }
  }
}
