// parts: depthwise_pairs prefetch
// Depthwise convolution of 16-bit elements on CPUs, forward at strides up to 2 and data gradient, of planes that
// are read as they lie, in rows of two vectors of results, whose order is that of the part depthwise_pairs.
//
//   input, row p                 registers, floatv each
//     2*VW columns, as each        sums[KH][2]: the rows of results that see row p
//     column of taps sees them
//
// One work-item per work-group, `bands_per_work_group` planes. A plane is gone through in columns of 2*VW results, from
// the top to the bottom: a row of the input is added to all rows of results that see it, and then the row that has seen
// its last is stored. The loop is unrolled for as many rows as the filter has: tiles with code of their own for each
// border, as in `planes`, are more than the caches of instructions hold. Meanwhile the next plane is prefetched, and
// the place of its results: line by line, since a column touches the lines of all rows in a short time (dw3_b16: 1.58
// ms where each row prefetches the same row of the next plane, 1.44 line by line, 1.38 with the results; 2-core Zen 3,
// 2026-11).
//
// in_image, out_image: elements from one image to the next, of the input, of the result and r.
//
// Macros: those of parts/depthwise_planes.cl but SHIFT_H, PAIRS; NARROW (1: rows of RES_W results, less than a tile,
// and IN_W columns of the input), ALL_ROWS (1, where NARROW: the loop is unrolled for a whole plane of RES_H rows of
// results and PLANE_ROWS of the input, and leaves out rows beyond the results), IN_HALVES (1: the last column of
// results is HALVES); KH KW SH SW DH DW, DATA, and those of the epilogue. All other sizes are arguments. In bfloat16,
// (KW - 1) * DW is even.

#define TILE_ROWS 1

// Adds row p of those that the results see to its results: that of step t is sums[t % RING]; p % (IH * RING) is `at`.
ALWAYS_INLINE void add_row(const int how, floatv sums[RING][2], const int at, global const element* input,
                           global const element* y_mask, const long from, const float* weight, const int left,
                           const int right, const long apart, const uintv seen, const long size) {
  floatv columns[REACH_W + 1][2];
  see_row(how, input, y_mask, from, left, right, apart, seen, size, columns);
#pragma unroll
  for (int q = 0; q <= REACH_W; ++q) {
    const int v = TAP_COLUMN(q, 0);
    if (!IS_TAP(v, DW, KW)) continue;
#pragma unroll
    for (int step = 0; step < RING; ++step) {
      const int row = at % IH + step * IH;  // of those that the result sees
      const int u = TAP_ROW(row, 0, 0);
      if (row > REACH_H || !IS_TAP(u, DH, KH)) continue;
#if ALL_ROWS
      if (at / IH < step || at / IH - step >= RES_H) continue;
#endif
      floatv* sum = sums[(at / IH - step + RING) % RING];
      const floatv w = (floatv)(weight[u / DH * KW + v / DW]);
#pragma unroll
      for (int i = 0; i < 2; ++i) sum[i] = fma(w, columns[q][i], sum[i]);
    }
  }
}

// -1 in the halves whose row is in the image.
ALWAYS_INLINE uintv seen_halves(const int lower, const int upper, const int in_h) {
  const intv row = LANES < (intv)(VW / 2) ? (intv)(lower) : (intv)(upper);
  return AS_UINTV((row >= (intv)(0)) & (row < (intv)(in_h)));
}

// A column of results of a plane, `height` rows; of HALVES each of them, the lower one `further` rows of results below.
// What is prefetched, of the next plane, begins `ahead` elements behind.
#define COLUMN_PARAMETERS                                                                                            \
  global const element *input, global const element *y_mask, const long from, const float *weight, const float bias, \
      const float slope, global const element *r, global element *result, const long to, const int in_h,             \
      const int in_w, const int res_h, const int res_w, const long ahead, const long size
#define COLUMN_ARGUMENTS \
  input, y_mask, from, weight, bias, slope, r, result, to, in_h, in_w, res_h, res_w, ahead, size
ALWAYS_INLINE void pairs_column(const int how, const int left, const int right, COLUMN_PARAMETERS) {
#if ALL_ROWS
#define ROWS ((RES_H - 1) * IH + REACH_H + 1)
#define IN_ROWS PLANE_ROWS
  const int height = RES_H;
#else
#define ROWS (IH * RING)
#define IN_ROWS in_h
  const int height = how == HALVES ? (res_h + 1) / 2 : res_h;
#endif
  const int further = ALL_ROWS ? 0 : res_h - height, input_further = further * IH;
  floatv sums[RING][2];
#pragma unroll
  for (int t = 0; t < 2 * RING; ++t) sums[t / 2][t % 2] = (floatv)(0.0f);
  __attribute__((opencl_unroll_hint(1)))
  for (int first = 0; first < (height - 1) * IH + REACH_H + 1; first += ROWS) {
#pragma unroll
    for (int k = 0; k < ROWS; ++k) {
      int row = first + k - (TOP);
      if (k % IH == 0) {
#pragma unroll
        for (int i = 0; i < 2; ++i) sums[k / IH % RING][i] = (floatv)(bias);
      }
      if (row + input_further >= 0 && row < IN_ROWS) {
        long apart = (long)input_further * in_w;
        uintv seen = (uintv)(-1);
        if (how == HALVES && (row < 0 || row + input_further >= in_h)) {
          seen = seen_halves(row, row + input_further, in_h);
          apart = (long)(min(row + input_further, in_h - 1) - max(row, 0)) * in_w;
          row = max(row, 0);
        }
        PREFETCH(input + from + ahead + (long)row * (IW * 2 * VW));
        PREFETCH_TO_WRITE(result + to + ahead / (IH * IW) + (long)row * (2 * VW / IH));
        add_row(how, sums, k, input, y_mask, from + (long)row * in_w, weight, left, right, apart, seen, size);
      }
      if ((k - REACH_H) % IH != 0) continue;
      const int done = (first + k - REACH_H) / IH;
      if (first + k >= REACH_H && done < height) {
        const int of = (k / IH - REACH_H / IH + RING) % RING;
        store_row(how, sums[of], slope, r, to + (long)done * res_w, (long)further * res_w,
                    done == height + further - 1, result);
      }
    }
  }
}
NOT_INLINED void pairs_first(COLUMN_PARAMETERS) {
  pairs_column(WHOLE, 1, ONE_VECTOR || NARROW, COLUMN_ARGUMENTS);
}
#if NARROW
NOT_INLINED void pairs_at_ends(COLUMN_PARAMETERS) {
  pairs_column(AT_ENDS, 1, 1, COLUMN_ARGUMENTS);
}
#elif !ONE_VECTOR
NOT_INLINED void pairs_inside(COLUMN_PARAMETERS) {
  pairs_column(WHOLE, 0, 0, COLUMN_ARGUMENTS);
}
NOT_INLINED void pairs_last(COLUMN_PARAMETERS) {
  pairs_column(IN_HALVES ? HALVES : WHOLE, 0, 1, COLUMN_ARGUMENTS);
}
#endif

#define PARAMETERS \
  global const element* restrict x, global const element* restrict y_mask, \
  global const element* restrict weights, global const element* restrict b, \
  global const element* restrict r, global element* restrict result, int groups, int filters, \
  int in_h, int in_w, int res_h, int res_w, int shift_h, int shift_w, int band, int bands, \
  long all_bands, long bands_per_work_group, long in_image, long out_image, long in_size SLOPES_PARAMETER
#define ARGUMENTS \
  x, y_mask, weights, b, r, result, groups, filters, in_h, in_w, res_h, res_w, shift_h, \
  shift_w, band, bands, all_bands, bands_per_work_group, in_image, out_image, in_size SLOPES_ARGUMENT

NOT_INLINED void depthwise_pairs_item(const long id, PARAMETERS) {
  const long first = id * bands_per_work_group;
  const long last = min(first + bands_per_work_group, all_bands);
  for (long plane = first; plane < last; ++plane) {  // of the result
    const long image = plane / ((long)groups * filters);
    const long f = plane % ((long)groups * filters);
    const long from = image * in_image + f / filters * in_h * in_w - LEFT;
    const long to = image * out_image + f * res_h * res_w;
    const float bias = BIAS_OF(b, f);
    const float slope = SLOPE_OF(SLOPES_OF(image, (long)groups * filters), f);
    float weight[KH * KW];
#pragma unroll
    for (int t = 0; t < KH * KW; ++t) weight[t] = GET(weights, f * (KH * KW) + t);
#define COLUMN(how, j)                                                                                              \
  how(x, y_mask, from + (j) * IW, weight, bias, slope, r, result, to + (j), in_h, in_w, res_h, res_w,               \
      (long)in_h * (in_w + (j) * IW) - (j) * IW, in_size)
#if NARROW
    if (from < 0 || from + (long)in_h * in_w + REACH_W + 2 * VW > in_size) {
      COLUMN(pairs_at_ends, 0);
      continue;
    }
#endif
    COLUMN(pairs_first, 0);
#if !ONE_VECTOR && !NARROW
    const int columns = 2 * VW, last_columns = IN_HALVES ? VW : columns;
    for (int j = columns - (IN_HALVES ? 0 : shift_w); j < res_w - last_columns; j += columns) COLUMN(pairs_inside, j);
    COLUMN(pairs_last, res_w - last_columns);
#endif
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_pairs(PARAMETERS) {
  depthwise_pairs_item(get_group_id(0), ARGUMENTS);
}
