// parts: transpose row_end epilogue depthwise_narrow
// Depthwise convolution on CPUs, forward and data gradient, of narrow planes: see parts/depthwise_narrow.cl.
//
//   input: all rows that a tile sees, VW lanes   registers, floatv each
//     row p, moved by the lanes of column q         acc[RB][RW] of one residue class of rows, KH weights of column q
//
// One work-item per work-group, `sets_per_work_group` sets of PLANES planes each. A tile of RB steps goes through the
// filter column by column. Each moved row is used for up to KH rows of results.
//
// Results are stored as whole vectors, which run over into rows that are stored later; the last row of a plane is
// exact. Tiles at the end overlap their neighbours.
//
// Macros: those of parts/depthwise_narrow.cl; KH KW SH SW DH DW, DATA PT_MOD PL_MOD, MASK, and those of the
// epilogue. All other sizes are arguments.

// Stores the first `count` elements of a row of each plane's results to the planes at to[]; beyond a GROUP of steps
// there are none. `sums`: RW vectors.
#define SECOND_PLANE(v) ((floatv)((v).hi, (v).hi))
ALWAYS_INLINE void store_row(const floatv* sums, const floatv slope, global const element* r, global element* result,
                             const long* to, const long at, const int count) {
#define STORE_PART(value, slope_of_part, part_count, place)                                              \
  put_first(ACTIVATE((value) + residual_first(r + (place), part_count), slope_of_part), part_count, result + (place))
#if RW == 1
  STORE_PART(sums[0], slope, count, to[0] + at);
#if PLANES == 2
  STORE_PART(SECOND_PLANE(sums[0]), SECOND_PLANE(slope), count, to[1] + at);
#endif
#else
  const floatv lo = interleave_lo(sums[0], sums[1]);
  const floatv hi = interleave_hi(sums[0], sums[1]);
#if PLANES == 1
  STORE_PART(lo, slope, min(count, VW), to[0] + at);
  STORE_PART(hi, slope, count - VW, to[0] + at + VW);
#else
  STORE_PART(lo, (floatv)(slope.lo, slope.lo), count, to[0] + at);
  STORE_PART(hi, SECOND_PLANE(slope), count, to[1] + at);
#endif
#endif
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict y_mask, \
  global const element* restrict weights, global const element* restrict b, \
  global const element* restrict r, global element* restrict result, int groups, int filters, \
  int in_h, int in_w, long in_size, int steps_h, int res_h, int res_w, long planes, long sets, \
  long sets_per_work_group SLOPES_PARAMETER
#define ARGUMENTS \
  x, y_mask, weights, b, r, result, groups, filters, in_h, in_w, in_size, steps_h, res_h, \
  res_w, planes, sets, sets_per_work_group SLOPES_ARGUMENT

// What the planes of a set have of their filters.
#if PLANES == 1
typedef float weight_t;
#define OF_PLANES(a, b) (a)
#else
typedef floatv weight_t;
#define OF_PLANES(a, b) (LANES < (intv)(GROUP) ? (floatv)(a) : (floatv)(b))
#endif

// acc[ry] += the taps of the filter times the rows, column by column of the filter. Not a function: of that LLVM 15
// makes code that takes a tenth longer (n1c128h7w7k128kh3kw3p1g128; 2-core Zen 3, 2026-11).
#define MULTIPLY_TAPS(ry)                                                                            \
  _Pragma("unroll") for (int q = 0; q <= REACH_W; ++q) {                                             \
    if (!DATA && q % DW != 0) continue;                                                              \
    _Pragma("unroll") for (int p = FIRST_ROW; p < END_ROW; ++p) {                                    \
      const floatv in = MOVED(rows[p * IW + COLUMN_PHASE(q)], COLUMN_LANES(q));                      \
      _Pragma("unroll") for (int s = 0; s < STEPS_OF_ROW(REACH_H) * RW; ++s) {                       \
        const int t = STEP_OF(p, REACH_H, s / RW);                                                   \
        const int u = TAP_ROW(p, t, ry);                                                             \
        const int v = TAP_COLUMN(q, s % RW);                                                         \
        if (IS_STEP(t, RB) && IS_TAP(u, DH, KH) && IS_TAP(v, DW, KW)) {                              \
          acc[ry][t][s % RW] = fma((floatv)(weight[u / DH * KW + v / DW]), in, acc[ry][t][s % RW]);  \
        }                                                                                            \
      }                                                                                              \
    }                                                                                                \
  }

NOT_INLINED void depthwise_narrow_item(const long id, PARAMETERS) {
  const long first_index = id * sets_per_work_group;
  const long last_index = min(first_index + sets_per_work_group, sets);
  const long all_filters = (long)groups * filters;
  long filter = first_index * PLANES % all_filters;  // a division per set would take as long as a row
  for (long index = first_index; index < last_index; ++index) {
    const long first = index * PLANES;  // of the planes of results
    const long second = min(first + PLANES - 1, planes - 1);
    const long plane = (long)in_h * in_w;
    const long from[2] = {(filters == 1 ? first : first / filters) * plane,
                          (filters == 1 ? second : second / filters) * plane};
    const long to[2] = {first * res_h * res_w, second * res_h * res_w};
    const long next = filter + second - first;
    const long f[2] = {filter, next >= all_filters ? next - all_filters : next};
    filter += PLANES;
    while (filter >= all_filters) filter -= all_filters;
    const floatv bias = (floatv)(OF_PLANES(BIAS_OF(b, f[0]), BIAS_OF(b, f[1])));
    const floatv slope = (floatv)(OF_PLANES(SLOPE_OF(slopes, f[0]), SLOPE_OF(slopes, f[1])));
    weight_t weight[KH * KW];
#pragma unroll
    for (int t = 0; t < KH * KW; ++t) {
      weight[t] = OF_PLANES(GET(weights, f[0] * (KH * KW) + t), GET(weights, f[1] * (KH * KW) + t));
    }
    __attribute__((opencl_unroll_hint(1)))
    for (int i0 = 0; i0 < steps_h; i0 += RB) {
      const int i = ONE_TILE ? 0 : min(i0, steps_h - RB);
      floatv rows[IN_H * IW];
      load_rows(rows, x, y_mask, MASK && DATA, from, PLANES * plane, i * IH - (TOP), in_h, in_w, in_size);
      floatv acc[RH][RB][RW];
#pragma unroll
      for (int ry = 0; ry < RH; ++ry) {
#pragma unroll
        for (int t = 0; t < RB * RW; ++t) acc[ry][t / RW][t % RW] = bias;
        MULTIPLY_TAPS(ry)
      }
#pragma unroll
      for (int t = 0; t < RB * RH; ++t) {
        const int row = (i + t / RH) * RH + t % RH;
        const int at_end = t >= (RB - 1) * RH;  // can be the last row, or beyond it
        if (at_end && row >= res_h) continue;
        store_row(acc[t % RH][t / RH], slope, r, result, to, (long)row * res_w,
                  at_end && row + 1 == res_h ? res_w : RW * GROUP);
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_narrow(PARAMETERS) {
  depthwise_narrow_item(get_group_id(0), ARGUMENTS);
}
