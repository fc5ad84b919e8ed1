// parts: lane_sums row_end depthwise_totals epilogue prefetch depthwise_rolling
// Depthwise weight gradient on CPUs, of planes that are read row by row as they lie: see parts/depthwise_rolling.cl.
//
//   x                                        registers, floatv each
//     a row, VW columns of each tap column     g[ROLL]: the rows of dy that see the row; acc[KH][COLUMNS] of the filter
//     v
//
// One work-item per work-group, `filters_per_work_group` filters with a part of all bands each. A band is `band` rows
// of dy. A vector of columns after the other, the work-item goes down the rows of x, once for each COLUMNS columns of
// the filter, whose sums stay in registers. Each vector that is loaded meets all rows of dy that see it. Lanes are
// added at the end of a filter.
//
// Macros: COLUMNS, PARTS (1: the result is floats, which sum_parts adds up), and those of parts/depthwise_rolling.cl;
// KH KW SH SW DH DW, DATA=0, ACCUMULATE. All other sizes are arguments.

// Lane i: the sum over the lanes of vectors[i]. With vectors of 16 each step adds whole vectors, which takes half as
// long as lane_sums (2-core Zen 5, 2026-11).
ALWAYS_INLINE floatv sums_of_all(const floatv* vectors) {
#if VW == 16
  floatv a[8], b[4], c[2];
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    // So that the results are in order.
    const floatv v = vectors[2 * i % 4 * 4 + i / 2], w = vectors[(2 * i + 1) % 4 * 4 + i / 2];
    a[i] = shuffle2(v, w, (uint16)(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)) +
           shuffle2(v, w, (uint16)(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const floatv v = a[2 * i], w = a[2 * i + 1];
    b[i] = shuffle2(v, w, (uint16)(0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)) +
           shuffle2(v, w, (uint16)(4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31));
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const floatv v = b[2 * i], w = b[2 * i + 1];
    c[i] = shuffle2(v, w, (uint16)(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)) +
           shuffle2(v, w, (uint16)(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31));
  }
  return shuffle2(c[0], c[1], (uint16)(0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30)) +
         shuffle2(c[0], c[1], (uint16)(1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31));
#else
  return lane_sums(vectors, 0);
#endif
}

// The lanes of the row of dy at `at` that are `counted`; `count` elements exist.
ALWAYS_INLINE floatv gradient_of(global const element* dy, global const element* y, const long at, const intv counted,
                                 const int count, const int careful) {
#if MASK
  const floatv all = careful ? BACKWARD(get_first(dy + at, count), get_first(y + at, count))
                             : BACKWARD(GET_V(dy + at), GET_V(y + at));
#else
  const floatv all = careful ? get_first(dy + at, count) : GET_V(dy + at);
#endif
  return counted ? all : (floatv)(0.0f);
}

// acc += the row of x at `at`, row s of a step, times the rows of dy that see it, for columns [v0, v0 + COLUMNS) of the
// filter.
ALWAYS_INLINE void multiply_row(floatv acc[KH * COLUMNS], const floatv g[ROLL], global const element* x,
                                global const element* y, const long at, const int s, const int v0, const intv* inside,
                                const int column, const int in_w, const long size, const int careful) {
#pragma unroll
  for (int v = v0; v < v0 + COLUMNS; ++v) {
    if (v >= KW) continue;
    const floatv in = see(x, y, at, v * DW, inside, column, in_w, size, careful);
#pragma unroll
    for (int a = 0; a < ROLL; ++a) {
      const int u = ROLLING_TAP_ROW(s, a, 0);
      if (!IS_TAP(u, DH, KH)) continue;
      const int t = u / DH * COLUMNS + v - v0;
      acc[t] = fma(g[a], in, acc[t]);
    }
  }
}

// sums[KH*KW] += rows [first, last) of a vector of columns of dy, without its first `skip` lanes, times what they see.
#define ROLL_PARAMETERS                                                                                              \
  floatv *sums, global const element *x, global const element *dy, global const element *y, const long from,         \
      const long gradient, const int in_h, const int in_w, const int top, const int column, const int first,         \
      const int last, const int ow, const int skip, const long size, const long ahead
ALWAYS_INLINE void roll_down(const int careful, ROLL_PARAMETERS) {
  const int count = min(ow, VW);
  // Two conditions: see find_inside.
  const intv counted = (LANES >= (intv)(skip)) & (LANES < (intv)(count));
  // x is set to 0, too, where dy is: it may be infinite, and 0 * infinity is NaN.
  intv inside[REACH_W + 1];
  find_inside(inside, column, in_w);
#pragma unroll
  for (int q = 0; q <= REACH_W; ++q) inside[q] &= counted;
  const int begin = first_step(first, top), end = last_step(last, top, in_h);
#pragma unroll
  for (int v0 = 0; v0 < KW; v0 += COLUMNS) {
    floatv acc[KH * COLUMNS];
#pragma unroll
    for (int t = 0; t < KH * COLUMNS; ++t) {
      if (v0 + t % COLUMNS < KW) acc[t] = sums[t / COLUMNS * KW + v0 + t % COLUMNS];
    }
    floatv g[ROLL];
#pragma unroll
    for (int a = 0; a + 1 < ROLL; ++a) {
      const int i = begin - (ROLL - 1) + a;
      g[a] = (floatv)(0.0f);
      if (i >= first) g[a] = gradient_of(dy, y, gradient + (long)i * ow, counted, count, careful);
    }
    __attribute__((opencl_unroll_hint(1)))
    for (int step = begin; step < end; ++step) {
      g[ROLL - 1] = (floatv)(0.0f);
      PREFETCH(dy + gradient + (long)(step + last) * ow);
      if (step < last) g[ROLL - 1] = gradient_of(dy, y, gradient + (long)step * ow, counted, count, careful);
#pragma unroll
      for (int s = 0; s < IH; ++s) {
        const int row = step * IH + s + top;
        if (s > 0 && row >= in_h) continue;
        const long at = from + (long)row * in_w;
        if (v0 == 0) {
#pragma unroll
          for (int line = 0; line < IW; ++line) PREFETCH(x + at + column + ahead + line * 16);
        }
        multiply_row(acc, g, x, y, at, s, v0, inside, column, in_w, size, careful);
      }
#pragma unroll
      for (int a = 0; a + 1 < ROLL; ++a) g[a] = g[a + 1];
    }
#pragma unroll
    for (int t = 0; t < KH * COLUMNS; ++t) {
      if (v0 + t % COLUMNS < KW) sums[t / COLUMNS * KW + v0 + t % COLUMNS] = acc[t];
    }
  }
}

// Functions of their own, as those of `rolling`.
NOT_INLINED void roll(ROLL_PARAMETERS) {
  roll_down(0, sums, x, dy, y, from, gradient, in_h, in_w, top, column, first, last, ow, skip, size, ahead);
}
NOT_INLINED void roll_carefully(ROLL_PARAMETERS) {
  roll_down(1, sums, x, dy, y, from, gradient, in_h, in_w, top, column, first, last, ow, skip, size, ahead);
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict dy, \
  global const element* restrict y_mask, global result_element* restrict result, int groups, \
  int filters, int in_h, int in_w, long in_size, int top, int oh, int ow, long dy_size, int band, int bands, \
  long units, long units_per_part, long part_stride, long all_filters, long filters_per_work_group
#define ARGUMENTS \
  x, dy, y_mask, result, groups, filters, in_h, in_w, in_size, top, oh, ow, dy_size, band, bands, \
  units, units_per_part, part_stride, all_filters, filters_per_work_group

NOT_INLINED void depthwise_weights_rolling_item(const long id, PARAMETERS) {
  const long planes = (long)groups * filters;
  const long last_index = min((id + 1) * filters_per_work_group, all_filters);
  for (long index = id * filters_per_work_group; index < last_index; ++index) {
    const long part = all_filters == planes ? 0 : index / planes;  // a division takes as long as some rows
    const long f = index - part * planes;
    floatv sums[SUMS];
#pragma unroll
    for (int t = 0; t < SUMS; ++t) sums[t] = (floatv)(0.0f);
    for (long unit = part * units_per_part; unit < min((part + 1) * units_per_part, units); ++unit) {
      const long image = bands == 1 ? unit : unit / bands;
      const int first = bands == 1 ? 0 : (int)(unit % bands) * band;
      const int last = min(first + band, oh);
      const long from = (image * groups + (filters == 1 ? f : f / filters)) * in_h * in_w;
      const long gradient = (image * planes + f) * oh * ow;
      // Only the planes at both ends of the tensors can be read beyond them.
      const int careful = from < BEFORE || from + (long)in_h * in_w + SPAN > in_size ||
                          gradient + (long)oh * ow + VW > dy_size;
      const long ahead = bands == 1 ? in_h * in_w : band * IH * in_w;
      __attribute__((opencl_unroll_hint(1)))
      for (int j0 = 0; j0 < ow; j0 += VW) {
        const int j = ow > VW ? min(j0, ow - VW) : 0;
#define ROLL_BY(how)                                                                                                   \
  how(sums, x, dy, y_mask, from, gradient + j, in_h, in_w, top, j * IW, first, last, ow, j0 - j, in_size, ahead)
        if (careful) {
          ROLL_BY(roll_carefully);
        } else {
          ROLL_BY(roll);
        }
      }
    }
    const long at = part * part_stride + f * FILTER_TAPS;
#pragma unroll
    for (int t = 0; t < SUMS; t += VW) store_totals(sums_of_all(sums + t), t, result, at);
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_weights_rolling(PARAMETERS) {
  depthwise_weights_rolling_item(get_group_id(0), ARGUMENTS);
}
