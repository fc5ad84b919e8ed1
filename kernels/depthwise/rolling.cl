// parts: transpose row_end epilogue prefetch depthwise_rolling
// Depthwise convolution on CPUs, forward and data gradient, of planes that are read in place, row by row:
// see parts/depthwise_rolling.cl.
//
//   input                                    registers, floatv each
//     a row, VW columns of each tap column     acc[ROLL][RH][RW]: the results that see the row; KH*KW weights
//     v
//
// One work-item per work-group, `bands_per_work_group` bands of `band` steps of results each. For one vector of columns
// after the other, it goes down the rows of the input. Each vector that is loaded serves all results that see it. After
// a step the sums of the first row are complete and are stored, and the others move up by one place in acc.
//
// in_image, out_image: elements from one image to the next, of the input, of the result and r.
//
// Macros: those of parts/depthwise_rolling.cl; KH KW SH SW DH DW, DATA PT_MOD PL_MOD, and those of the epilogue. All
// other sizes are arguments.

// Stores `count` elements of a row of results, or with `whole` whole vectors, beyond them.
ALWAYS_INLINE void store_vector(const floatv value, const float slope, global const element* r, global element* result,
                                const long at, const int count, const int whole BOUNDS_PARAMETER) {
#if RESIDUAL
#define WITH_RESIDUAL(load) (value + load)
#else
#define WITH_RESIDUAL(load) value
#endif
  if (whole) {
    PUT_V(ACTIVATE(WITH_RESIDUAL(RESIDUAL_V(r + at)), slope), result + at);
  } else {
    put_first(ACTIVATE(WITH_RESIDUAL(residual_first(r + at, count)), slope), count, result + at);
  }
}
ALWAYS_INLINE void store_row(const floatv* sums, const float slope, global const element* r, global element* result,
                             const long at, const int count, const int whole BOUNDS_PARAMETER) {
#if RW == 1
  store_vector(sums[0], slope, r, result, at, count, whole BOUNDS_PASSED);
#else
  store_vector(interleave_lo(sums[0], sums[1]), slope, r, result, at, min(count, VW), whole BOUNDS_PASSED);
  store_vector(interleave_hi(sums[0], sums[1]), slope, r, result, at + VW, max(count - VW, 0), whole BOUNDS_PASSED);
#endif
}

// So many rows at the end of a plane are stored exactly. The others are stored as whole vectors, which run over into
// the next row. Its elements are stored later: a plane's vectors go from the last to the first, the rows of each
// downwards.
#define EXACT_ROWS(count, width) (((count) < RW * VW ? RW * VW - (count) + (width) - 1 : 0) / (width))

// Computes steps [first, last) of the results of a vector of columns. `careful`: the input is read element by element
// where a vector may reach beyond the buffer. A function of its own, so that its loop has all registers: where pitches
// of rows are read from the stack, a row takes 9 instead of 5 cycles (2-core Zen 5, 2026-11).
#define ROLL_PARAMETERS                                                                                         \
  global const element *input, global const element *y_mask, const long from, global const element *weights,    \
      const float bias, const float slope, global const element *r, global element *result, const long to,      \
      const int in_h, const int in_w, const int top, const int column, const int first, const int last,         \
      const int res_h, const int res_w, const long size, const long ahead BOUNDS_PARAMETER
// acc += row s of a step, at input[at], times the taps that meet it. Meanwhile what lies `ahead` is prefetched. A row
// has sums of its own, so that no result waits for a long chain of sums. Not a function: of that LLVM 15 makes code
// that takes 3 % longer (mobilenet_dw_s1; 2-core Zen 3, 2026-11).
#define MULTIPLY_ROW()                                                                                        \
  _Pragma("unroll") for (int line = 0; line < IW; ++line) PREFETCH(input + at + column + ahead + line * 16);  \
  floatv row_sums[ROLL * RH * RW];                                                                            \
  _Pragma("unroll") for (int t = 0; t < ROLL * RH * RW; ++t) row_sums[t] = (floatv)(0.0f);                    \
  _Pragma("unroll") for (int q = 0; q <= REACH_W; ++q) {                                                      \
    if (!IS_TAP(TAP_COLUMN(q, 0), DW, KW) && !IS_TAP(TAP_COLUMN(q, RW - 1), DW, KW)) continue;                \
    const floatv in = see(input, y_mask, at, q, inside, column, in_w, size, careful);                         \
    _Pragma("unroll") for (int t = 0; t < ROLL * RH * RW; ++t) {                                              \
      const int u = ROLLING_TAP_ROW(s, t / (RH * RW), t / RW % RH), v = TAP_COLUMN(q, t % RW);                \
      if (!IS_TAP(u, DH, KH) || !IS_TAP(v, DW, KW)) continue;                                                 \
      const floatv w = (floatv)(weight[u / DH * KW + v / DW]);                                                \
      row_sums[t] = RW == 1 && q == 0 ? w * in : fma(w, in, row_sums[t]);                                     \
    }                                                                                                         \
  }                                                                                                           \
  _Pragma("unroll") for (int t = 0; t < ROLL * RH * RW; ++t) {                                                \
    if (IS_TAP(ROLLING_TAP_ROW(s, t / (RH * RW), t / RW % RH), DH, KH)) {                                     \
      acc[t / (RH * RW)][t / RW % RH][t % RW] += row_sums[t];                                                 \
    }                                                                                                         \
  }

ALWAYS_INLINE void roll_down(const int careful, ROLL_PARAMETERS) {
  float weight[KH * KW];
#pragma unroll
  for (int t = 0; t < KH * KW; ++t) weight[t] = GET(weights, t);
  const int count = min(res_w - column / IW * RW, RW * VW);
  intv inside[REACH_W + 1];
  find_inside(inside, column, in_w);
  floatv acc[ROLL][RH][RW];
#pragma unroll
  for (int t = 0; t < ROLL * RH * RW; ++t) acc[t / (RH * RW)][t / RW % RH][t % RW] = (floatv)(bias);
  const int end = last_step(last, top, in_h);
  int step = first_step(first, top);
  const int last_row = min(last * RH, res_h), whole = last_row - EXACT_ROWS(count, res_w);
  long at = from + (long)(step * IH + top) * in_w;
  long result_at = to + (long)(step - (ROLL - 1)) * RH * res_w;
  __attribute__((opencl_unroll_hint(1)))
  for (; step < end; ++step) {
#pragma unroll
    for (int s = 0; s < IH; ++s) {
      if (s > 0 && step * IH + s + top >= in_h) continue;
      MULTIPLY_ROW()
      at += in_w;
    }
    const int i = step - (ROLL - 1);
#pragma unroll
    for (int ry = 0; ry < RH; ++ry) {
      const int row = i * RH + ry;
      if (i >= first && (ry == 0 || row < last_row)) {
        store_row(acc[0][ry], slope, r, result, result_at + (long)ry * res_w, count, row < whole BOUNDS_PASSED);
      }
    }
    result_at += RH * res_w;
#pragma unroll
    for (int t = 0; t < ROLL * RH * RW; ++t) {
      acc[t / (RH * RW)][t / RW % RH][t % RW] =
          t < (ROLL - 1) * RH * RW ? acc[t / (RH * RW) + 1][t / RW % RH][t % RW] : (floatv)(bias);
    }
  }
  // The last rows see no more of the input.
#pragma unroll
  for (int t = 0; t < (ROLL - 1) * RH; ++t) {
    const int row = (step - (ROLL - 1)) * RH + t;
    if (row >= first * RH && row < last_row) {
      store_row(acc[t / RH][t % RH], slope, r, result, result_at + (long)t * res_w, count, row < whole BOUNDS_PASSED);
    }
  }
}

NOT_INLINED void roll(ROLL_PARAMETERS) {
  roll_down(0, input, y_mask, from, weights, bias, slope, r, result, to, in_h, in_w, top, column, first, last, res_h,
            res_w, size, ahead BOUNDS_PASSED);
}
NOT_INLINED void roll_carefully(ROLL_PARAMETERS) {
  roll_down(1, input, y_mask, from, weights, bias, slope, r, result, to, in_h, in_w, top, column, first, last, res_h,
            res_w, size, ahead BOUNDS_PASSED);
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict y_mask, \
  global const element* restrict weights, global const element* restrict b, \
  global const element* restrict r, global element* restrict result, int groups, int filters, \
  int in_h, int in_w, long in_size, int top, int steps_h, int steps_w, int res_h, int res_w, int band, int bands, \
  long all_bands, long bands_per_work_group, long in_image, long out_image SLOPES_PARAMETER
#define ARGUMENTS \
  x, y_mask, weights, b, r, result, groups, filters, in_h, in_w, in_size, top, steps_h, \
  steps_w, res_h, res_w, band, bands, all_bands, bands_per_work_group, in_image, out_image SLOPES_ARGUMENT

NOT_INLINED void depthwise_rolling_item(const long id, PARAMETERS) {
  const long first_index = id * bands_per_work_group;
  const long last_index = min(first_index + bands_per_work_group, all_bands);
  for (long index = first_index; index < last_index; ++index) {
    const long plane = bands == 1 ? index : index / bands;  // of the result
    const int first = bands == 1 ? 0 : (int)(index % bands) * band;
    const int last = min(first + band, steps_h);
    const long image = plane / ((long)groups * filters);
    const long f = plane - image * ((long)groups * filters);
    const long from = image * in_image + (filters == 1 ? f : f / filters) * in_h * in_w;
    const long to = image * out_image + f * res_h * res_w;
    const float bias = BIAS_OF(b, f);
    const float slope = SLOPE_OF(SLOPES_OF(image, (long)groups * filters), f);
    // Only the planes at both ends of the input can be read beyond it.
    const int careful = from < BEFORE || from + (long)in_h * in_w + SPAN > in_size;
    const long ahead = bands == 1 ? in_h * in_w : band * IH * in_w;
    __attribute__((opencl_unroll_hint(1)))
    for (int j0 = (steps_w - 1) / VW * VW; j0 >= 0; j0 -= VW) {
      const int j = steps_w > VW ? min(j0, steps_w - VW) : 0;
      const int column = j * IW;
#define ROLL_BY(how)                                                                                                \
  how(x, y_mask, from, weights + f * (KH * KW), bias, slope, r, result, to + j * RW, in_h, in_w, top, column, first, \
      last, res_h, res_w, in_size, ahead BOUNDS_PASSED)
      if (careful) {
        ROLL_BY(roll_carefully);
      } else {
        ROLL_BY(roll);
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_rolling(PARAMETERS) {
  depthwise_rolling_item(get_group_id(0), ARGUMENTS);
}
