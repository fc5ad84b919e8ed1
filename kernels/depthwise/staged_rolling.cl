// parts: depthwise_rolling depthwise_staged epilogue
// Depthwise convolution on CPUs with few vector registers, forward and data gradient, of planes that are copied to
// local memory, row by row: see parts/depthwise_rolling.cl and parts/depthwise_staged.cl.
//
//   local memory                          registers, floatv each
//     the filter                            acc[ROLL][NV]: NV vectors of the ROLL rows of results that see the rows of
//     the rows of a band, from the          a step; the weights of a column of the filter that meet a row; a vector of
//     first that it sees                    the input
//
// One work-item per work-group, `bands_per_work_group` bands of `band` rows of results each. It goes down the rows of
// the input for NV vectors of columns at a time. With the first of them it copies the rows of the step after the next
// before it multiplies those of this one, so that copies and multiply-adds overlap. Each vector is loaded once per
// column of the filter and serves all rows of results that see it; the loop over columns is not unrolled, so that LLVM
// has no multiply-adds to sort. From 8 on, ROLL * NV sums hide the latency of a multiply-add.
//
// The last vectors overlap their neighbours: res_w >= VW. in_image, out_image: elements from one image to the next, of
// the input, of the result and r.
//
// Macros: NV, and those of the two parts; KH KW SH SW DH DW, DATA PT_MOD PL_MOD, and those of the epilogue.
// All other sizes are arguments. A data gradient has stride 1.

#define TAPS (KH * KW)
#define TAPS_FLOATS ((TAPS + 15) / 16 * 16)
#define WEIGHT_COLUMN(v) (DATA ? KW - 1 - (v) : (v))

ALWAYS_INLINE void stage_weights(global const element* weights, local float* memory) {
#pragma unroll
  for (int t = 0; t + VW <= TAPS; t += VW) IN_ONE_PIECE(local, memory + t) = GET_V(weights + t);
#pragma unroll
  for (int t = TAPS / VW * VW; t < TAPS; ++t) memory[t] = GET(weights, t);
}

// Copies the rows of step `step`; rows behind the image are 0.
ALWAYS_INLINE void stage_step(global const element* input, global const element* y, const long from, const int step,
                              const int top, const int in_h, local float* staged) {
#pragma unroll
  for (int s = 0; s < IH; ++s) {
    const int row = step * IH + s + top;
    if (s == 0 || row < in_h) {
      stage_row(input, y, from + (long)row * IN_W, staged + s * STAGE_PITCH);
    } else {
      clear_floats(staged + s * STAGE_PITCH, STAGE_PITCH);
    }
  }
}

// acc += the rows of a step, from results' column 0 on, times the taps that meet them.
ALWAYS_INLINE void add_step(floatv* acc, local const float* rows, local const float* weights, const int last_vector) {
  local const float* seen = rows + TAP_AT(0);
  local const float* column = weights + WEIGHT_COLUMN(0);
  int next = TO_NEXT_TAP;
  __attribute__((opencl_unroll_hint(1)))
  for (int v = 0; v < KW; ++v) {
#pragma unroll
    for (int s = 0; s < IH; ++s) {
#pragma unroll
      for (int k = 0; k < NV; ++k) {
        const floatv in = STAGED_V(seen + s * STAGE_PITCH + (k + 1 < NV ? k * VW : last_vector));
#pragma unroll
        for (int t = 0; t < ROLL; ++t) {
          const int u = ROLLING_TAP_ROW(s, t, 0);
          if (IS_TAP(u, DH, KH)) acc[t * NV + k] = fma((floatv)(column[u / DH * KW]), in, acc[t * NV + k]);
        }
      }
    }
    seen += next;
    next = TO_NEXT_TAP_AFTER(next);
    column += WEIGHT_COLUMN(1) - WEIGHT_COLUMN(0);
  }
}

ALWAYS_INLINE void store_row(const floatv* sums, const float slope, global const element* r, global element* result,
                             const long at, const int last_vector) {
#pragma unroll
  for (int k = 0; k < NV; ++k) {
    const long to = at + (k + 1 < NV ? k * VW : last_vector);
#if RESIDUAL
    PUT_V(ACTIVATE(sums[k] + GET_V(r + to), slope), result + to);
#else
    PUT_V(ACTIVATE(sums[k], slope), result + to);
#endif
  }
}

// Computes rows [first, last) of NV vectors of results, from column `column` on; the last of them begins `last_vector`
// columns later. `staged`: the rows from that of step `begin` on, which lies there, and with `copying` the others are
// copied now. Functions of their own, so that loops have all registers.
#define ROLL_PARAMETERS                                                                                              \
  global const element *input, global const element *y_mask, const long from, local float *staged,                   \
      local const float *weights, const float bias, const float slope, global const element *r,                      \
      global element *result, const long to, const int column, const int last_vector, const int first,               \
      const int last, const int begin, const int end, const int top, const int in_h, const int res_w
ALWAYS_INLINE void roll_down(const int copying, ROLL_PARAMETERS) {
  floatv acc[ROLL * NV];
#pragma unroll
  for (int t = 0; t < ROLL * NV; ++t) acc[t] = (floatv)(bias);
  local float* rows = staged;
  int step = begin;
  __attribute__((opencl_unroll_hint(1)))
  for (; step < end; ++step) {
    if (copying && step + 2 < end) {
      stage_step(input, y_mask, from, step + 2, top, in_h, rows + 2 * IH * STAGE_PITCH);
    }
    add_step(acc, rows + column, weights, last_vector);
    rows += IH * STAGE_PITCH;
    const int i = step - (ROLL - 1);
    if (i >= first) store_row(acc, slope, r, result, to + (long)i * res_w + column, last_vector);
#pragma unroll
    for (int t = 0; t < ROLL * NV; ++t) acc[t] = t < (ROLL - 1) * NV ? acc[t + NV] : (floatv)(bias);
  }
  // The last rows see no more of the input.
#pragma unroll
  for (int t = 0; t < ROLL - 1; ++t) {
    const int i = step - (ROLL - 1) + t;
    if (i >= first && i < last) {
      store_row(acc + t * NV, slope, r, result, to + (long)i * res_w + column, last_vector);
    }
  }
}
NOT_INLINED void roll(ROLL_PARAMETERS) {
  roll_down(0, input, y_mask, from, staged, weights, bias, slope, r, result, to, column, last_vector, first, last,
            begin, end, top, in_h, res_w);
}
NOT_INLINED void roll_copying(ROLL_PARAMETERS) {
  roll_down(1, input, y_mask, from, staged, weights, bias, slope, r, result, to, column, last_vector, first, last,
            begin, end, top, in_h, res_w);
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict y_mask, \
  global const element* restrict weights, global const element* restrict b, \
  global const element* restrict r, global element* restrict result, int groups, int filters, \
  int in_h, int top, int most_steps, int res_h, int res_w, int band, int bands, \
  long all_bands, long bands_per_work_group, long in_image, long out_image SLOPES_PARAMETER
#define ARGUMENTS \
  x, y_mask, weights, b, r, result, groups, filters, in_h, top, most_steps, res_h, \
  res_w, band, bands, all_bands, bands_per_work_group, in_image, out_image SLOPES_ARGUMENT

NOT_INLINED void depthwise_staged_rolling_item(const long id, local float* restrict memory, PARAMETERS) {
  const long first_index = id * bands_per_work_group;
  const long last_index = min(first_index + bands_per_work_group, all_bands);
  local float* const staged = memory + TAPS_FLOATS + STAGE_BORDER;
  clear_beside(staged, most_steps * IH);
  for (long index = first_index; index < last_index; ++index) {
    const long plane = bands == 1 ? index : index / bands;  // of the result
    const int first = bands == 1 ? 0 : (int)(index % bands) * band;
    const int last = min(first + band, res_h);
    const long image = plane / ((long)groups * filters);
    const long f = plane - image * ((long)groups * filters);
    const long from = image * in_image + (filters == 1 ? f : f / filters) * in_h * IN_W;
    const long to = image * out_image + f * res_h * res_w;
    const float bias = BIAS_OF(b, f);
    const float slope = SLOPE_OF(SLOPES_OF(image, (long)groups * filters), f);
    const int begin = first_step(first, top), end = last_step(last, top, in_h);
    stage_weights(weights + f * TAPS, memory);
    if (begin < end) stage_step(x, y_mask, from, begin, top, in_h, staged);
    if (begin + 1 < end) stage_step(x, y_mask, from, begin + 1, top, in_h, staged + IH * STAGE_PITCH);
    __attribute__((opencl_unroll_hint(1)))
    for (int j = 0; j < res_w; j += NV * VW) {
      const int column = max(min(j, res_w - NV * VW), 0);
      const int last_vector = min((NV - 1) * VW, res_w - VW);
#define ROLL_BY(how)                                                                                               \
  how(x, y_mask, from, staged, memory, bias, slope, r, result, to, column, last_vector, first, last, begin, end, top, \
      in_h, res_w)
      if (j == 0) {
        ROLL_BY(roll_copying);
      } else {
        ROLL_BY(roll);
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_staged_rolling(PARAMETERS) {
  local float memory[STAGE_FLOATS] __attribute__((aligned(64)));
  depthwise_staged_rolling_item(get_group_id(0), memory, ARGUMENTS);
}
