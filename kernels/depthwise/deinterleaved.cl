// parts: stream epilogue row_end deinterleaved_rows
// Depthwise convolution at stride 2 on CPUs, forward, of planes that are read as they lie.
//
//   input, a row                             registers, floatv each
//     2*VW columns, loaded once:               acc[RB][MOST_MOVED + 1]: sums of RB rows of results, for each distance m
//     VW pairs of neighbours, whose            that taps of the filter have; the first and the second ones of a row
//     first and second ones are apart
//
// The last two taps of a row of the filter see pair i for result i, the two before them pair i - 1, and so on: those at
// distance m see pair i - m. So sums are kept apart by m and moved by m lanes when a vector is complete, once for all
// rows of the filter, instead of loading the input at each tap's place. What is moved out of a vector is moved into the
// next one.
//
// One work-item per work-group, `bands_per_work_group` bands of `band` rows of results each. A tile is RB rows of a
// vector; the last rows of a plane are computed with those before them.
//
// in_image, out_image: elements from one image to the next, of the input, of the result and r.
//
// Macros: RB, STREAM, LEFT (columns of padding), those of parts/deinterleaved_rows.cl and of the epilogue; KH KW SH SW
// DH DW, DATA=0. All other sizes are arguments: res_h >= RB. MOST_MOVED < VW.

// Of column v of the filter: m, and whether it sees second ones.
#define FROM_LAST(v) ((KW - 1 - (v)) * DW)
#define MOVED_OF(v) (FROM_LAST(v) / 2)
#define SECOND_OF(v) (FROM_LAST(v) % 2 == 0)
#define MOST_MOVED MOVED_OF(0)
// Of the pair that the last two taps of result 0 see.
#define FIRST_COLUMN (REACH_W - 1 - LEFT)
// Columns of a row that vectors read behind it, and rows of results of which some may read behind the tensor.
#define BEYOND (FIRST_COLUMN + 2 * VECTORS * VW - IN_W)
#define UNSAFE_ROWS (REACH_H / IH + 1 + max(BEYOND, -FIRST_COLUMN) / IN_W)
// The last result sees padding at the end.
#define SEES_END (2 * (OW - 1) - LEFT + REACH_W >= IN_W)

#define TILE_ROWS ((RB - 1) * IH + REACH_H + 1)
// Does DO(t, weight) for each row t of the tile that sees row p of it through column v of the filter.
#define MULTIPLY_EACH(p, v, DO)                             \
  _Pragma("unroll") for (int t = 0; t < RB; ++t) {          \
    const int u = (p) - t * IH;                             \
    if (IS_TAP(u, DH, KH)) DO(t, weight[u / DH * KW + (v)]) \
  }

// A row of tiles: results from element `to` on of what begins at row `row` of the image and element `at` of the input.
// `whole`: all rows that they see are in the image.
#define ROW_PARAMETERS                                                                                               \
  global const element *x, const long at, const floatv *weight, const float bias, const float slope,                  \
      global const element *r, global element *result, const long to, const int row, const int in_h,                 \
      const long in_size, const int streamed, const int whole, const int careful

// before[t][m]: what the pairs in front of vector 0 add to its results.
ALWAYS_INLINE void add_in_front(floatv before[RB][MOST_MOVED + 1], ROW_PARAMETERS) {
#pragma unroll
  for (int t = 0; t < RB * (MOST_MOVED + 1); ++t) before[t / (MOST_MOVED + 1)][t % (MOST_MOVED + 1)] = (floatv)(0.0f);
#pragma unroll
  for (int v = 0; v < KW; ++v) {
#pragma unroll
    for (int pair = 0; pair <= MOST_MOVED; ++pair) {
      const int column = FIRST_COLUMN - 2 * pair + SECOND_OF(v);
      if (pair == 0 || pair > MOVED_OF(v) || column < 0) continue;
      float sums[RB];
#pragma unroll
      for (int t = 0; t < RB; ++t) sums[t] = 0.0f;
#pragma unroll
      for (int p = 0; p < TILE_ROWS; ++p) {
        if (!whole && (row + p < 0 || row + p >= in_h)) continue;
        const float in = GET(x, at + (long)p * IN_W + column);
#define ADD_IN_FRONT(t, w) sums[t] = fma((w).s0, in, sums[t]);
        MULTIPLY_EACH(p, v, ADD_IN_FRONT)
      }
#pragma unroll
      for (int t = 0; t < RB; ++t) {
        before[t][MOVED_OF(v)] += LANES == (intv)(VW - pair) ? (floatv)(sums[t]) : (floatv)(0.0f);
      }
    }
  }
}

ALWAYS_INLINE void add_vector(floatv before[RB][MOST_MOVED + 1], const int j, ROW_PARAMETERS) {
  const int column = FIRST_COLUMN + 2 * j;
  const int sees_padding = column < 0 ? 1 : column + 2 * VW > IN_W ? SEES_END : 0;
  KEEP_ORDER
  floatv acc[RB][MOST_MOVED + 1];
#pragma unroll
  for (int t = 0; t < RB * (MOST_MOVED + 1); ++t) {
    acc[t / (MOST_MOVED + 1)][t % (MOST_MOVED + 1)] = (floatv)(t % (MOST_MOVED + 1) == 0 ? bias : 0.0f);
  }
#pragma unroll
  for (int p = 0; p < TILE_ROWS; ++p) {
    if (!whole && (row + p < 0 || row + p >= in_h)) continue;
    floatv halves[2];
    load_halves(halves, x, at + p * IN_W + column, in_size, careful);
    if (whole && p >= REACH_H + 1 - IH) PREFETCH(x + at + (p + ROWS_AHEAD) * IN_W + column);
#pragma unroll
    for (int second = 0; second < 2; ++second) {
      const intv columns = SHUFFLED(LANES) * (intv)(2) + (intv)(column + second);
      const intv inside = (columns >= (intv)(0)) & (columns < (intv)(IN_W));
      if (sees_padding) halves[second] = inside ? in_register(halves[second]) : (floatv)(0.0f);
    }
#pragma unroll
    for (int v = 0; v < KW; ++v) {
#define ADD_PRODUCT(t, w) acc[t][MOVED_OF(v)] = fma(w, halves[SECOND_OF(v)], acc[t][MOVED_OF(v)]);
      MULTIPLY_EACH(p, v, ADD_PRODUCT)
    }
  }
#pragma unroll
  for (int t = 0; t < RB; ++t) {
    floatv sum = UNSHUFFLED(acc[t][0]);
#pragma unroll
    for (int m = 0; m <= MOST_MOVED; ++m) {
      if (m == 0) continue;
      const floatv in_order = UNSHUFFLED(acc[t][m]);
      sum += shuffle2(before[t][m], in_order, AS_UINTV(LANES + (intv)(VW - m)));
      before[t][m] = in_order;
    }
    const int count = min(OW - j, VW);
    global element* const out = result + to + t * OW + j;
#if RESIDUAL
    sum += get_first(r + (out - result), count);
#endif
    if (count == VW) {
      PUT_STREAMED(streamed, ACTIVATE(sum, slope), out)
    } else {
      put_known(ACTIVATE(sum, slope), count, out);
    }
  }
}

// Rows of tiles [first, last) of a plane of `res_h` rows.
#define ROWS_PARAMETERS                                                                                              \
  global const element *x, const long from, const floatv *weight, const float bias, const float slope,                \
      global const element *r, global element *result, const long to, const int first, const int last, const int top, \
      const int in_h, const int res_h, const long in_size, const int streamed
ALWAYS_INLINE void add_rows(const int whole, const int careful, ROWS_PARAMETERS) {
  __attribute__((opencl_unroll_hint(1)))
  for (int tile = first; tile < last; ++tile) {
    const int i = min(tile * RB, res_h - RB);
    const int row = i * IH + top;
    const long at = from + (long)row * IN_W, out = to + (long)i * OW;
    floatv before[RB][MOST_MOVED + 1];
    add_in_front(before, x, at, weight, bias, slope, r, result, out, row, in_h, in_size, streamed, whole, careful);
#define ADD_VECTOR(j, skip)                                                                                  \
  add_vector(before, (j) + (skip), x, at, weight, bias, slope, r, result, out, row, in_h, in_size, streamed, \
             whole, careful)
    FOR_VECTORS_OF_ROW(OW, ADD_VECTOR)
  }
}

// Tiles that see rows of the image only; that see padding, too; and that may be read beyond the tensor. Functions of
// their own, so that loops have all registers.
NOT_INLINED void add_whole(ROWS_PARAMETERS) {
  add_rows(1, 0, x, from, weight, bias, slope, r, result, to, first, last, top, in_h, res_h, in_size, streamed);
}
NOT_INLINED void add_some(ROWS_PARAMETERS) {
  add_rows(0, 0, x, from, weight, bias, slope, r, result, to, first, last, top, in_h, res_h, in_size, streamed);
}
NOT_INLINED void add_carefully(ROWS_PARAMETERS) {
  add_rows(0, 1, x, from, weight, bias, slope, r, result, to, first, last, top, in_h, res_h, in_size, streamed);
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict weights, global const element* restrict b, \
  global const element* restrict r, global element* restrict result, int groups, int filters, \
  int in_h, long in_size, int top, int res_h, int band, int bands, long all_bands, long bands_per_work_group, \
  long in_image, long out_image SLOPES_PARAMETER
#define ARGUMENTS \
  x, weights, b, r, result, groups, filters, in_h, in_size, top, res_h, band, bands, all_bands, bands_per_work_group, \
  in_image, out_image SLOPES_ARGUMENT

NOT_INLINED void depthwise_deinterleaved_item(const long id, PARAMETERS) {
  const long last_index = min((id + 1) * bands_per_work_group, all_bands);
  for (long index = id * bands_per_work_group; index < last_index; ++index) {
    const long plane = bands == 1 ? index : index / bands;  // of the result
    const int first_row = bands == 1 ? 0 : (int)(index % bands) * band;
    const long image = plane / ((long)groups * filters);
    const long f = plane - image * ((long)groups * filters);
    const long from = image * in_image + (filters == 1 ? f : f / filters) * in_h * IN_W;
    const long to = image * out_image + f * res_h * OW;
    const float bias = BIAS_OF(b, f);
    const float slope = SLOPE_OF(SLOPES_OF(image, (long)groups * filters), f);
    const int streamed = OW % VW == 0 && IS_ALIGNED(result + to, sizeof(floatv));
    floatv weight[KH * KW];
#pragma unroll
    for (int t = 0; t < KH * KW; ++t) weight[t] = (floatv)GET(weights, f * (KH * KW) + t);
    // Rows of tiles. Only planes at the ends of the tensor can be read beyond it, in their first or last rows.
    const int first = first_row / RB, last = (min(first_row + band, res_h) + RB - 1) / RB;
    const int unsafe = UNSAFE_ROWS / RB + 2;
    const int begin = from + FIRST_COLUMN < 0 ? min(first + unsafe, last) : first;
    const int end = from + (long)in_h * IN_W + BEYOND > in_size ? max(last - unsafe, begin) : last;
    // Between them those whose rows all are in the image.
    const int whole = clamp(((IH - 1 - top) / IH + RB - 1) / RB, begin, end);
    const int lowest = in_h - TILE_ROWS - top;
    const int behind = clamp(lowest < 0 ? 0 : lowest / (IH * RB) + 1, whole, end);
#define ADD_BY(how, first, last)                                                                       \
  if ((first) < (last)) how(x, from, weight, bias, slope, r, result, to, first, last, top, in_h, res_h, \
                            in_size, streamed)
    ADD_BY(add_carefully, first, begin);
    ADD_BY(add_some, begin, whole);
    ADD_BY(add_whole, whole, behind);
    ADD_BY(add_some, behind, end);
    ADD_BY(add_carefully, end, last);
  }
  END_STREAM
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_deinterleaved(PARAMETERS) {
  depthwise_deinterleaved_item(get_group_id(0), ARGUMENTS);
}
