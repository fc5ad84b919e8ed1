// parts: lane_sums epilogue depthwise_narrow
// Depthwise weight gradient on CPUs, of narrow planes: see parts/depthwise_narrow.cl.
//
//   dy, RB rows      x: all rows that they see      registers, floatv each
//     row t            row p, moved by the lanes      acc[t % 2][KH] of column q; sums of all columns in private memory
//                      of column q
//
// One work-item per work-group, `sets_per_work_group` sets of PLANES filters, with a part of all images each. Tiles go
// through the filter column by column; each moved row of x meets up to KH rows of dy. Lanes are added at the end.
//
// Macros: PARTS (1: the result is floats, which sum_parts adds up), and those of parts/depthwise_narrow.cl; KH KW SH SW
// DH DW, DATA=0, MASK, ACCUMULATE. All other sizes are arguments; oh is a multiple of RB.

#if PARTS
typedef float result_element;
#else
typedef element result_element;
#endif

#define TAPS (KH * KW)
// As many vectors as lane_sums adds at once, or a multiple of that.
#define SUMS ((TAPS + GROUP - 1) / GROUP * GROUP)

ALWAYS_INLINE void add_tile(floatv* sums, const floatv* rows, const floatv* gradient) {
#pragma unroll
  for (int q = 0; q <= REACH_W; q += DW) {
    floatv acc[2][KH];
#pragma unroll
    for (int t = 0; t < 2 * KH; ++t) acc[t / KH][t % KH] = (floatv)(0.0f);
#pragma unroll
    for (int p = FIRST_ROW; p < END_ROW; ++p) {
      const floatv in = MOVED(rows[p * IW + COLUMN_PHASE(q)], COLUMN_LANES(q));
#pragma unroll
      for (int t = 0; t < RB; ++t) {
        const int u = TAP_ROW(p, t, 0);
        if (IS_TAP(u, DH, KH)) acc[t % 2][u / DH] = fma(gradient[t], in, acc[t % 2][u / DH]);
      }
    }
#pragma unroll
    for (int u = 0; u < KH; ++u) sums[u * KW + q / DW] += acc[0][u] + acc[1][u];
  }
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict dy, \
  global const element* restrict y_mask, global result_element* restrict result, int groups, \
  int filters, int in_h, int in_w, long in_size, int oh, int ow, long dy_size, long sets, \
  long images, long images_per_part, long part_stride, long all_sets, long sets_per_work_group
#define ARGUMENTS \
  x, dy, y_mask, result, groups, filters, in_h, in_w, in_size, oh, ow, dy_size, sets, images, \
  images_per_part, part_stride, all_sets, sets_per_work_group

NOT_INLINED void depthwise_weights_narrow_item(const long id, PARAMETERS) {
  const long first_index = id * sets_per_work_group;
  const long last_index = min(first_index + sets_per_work_group, all_sets);
  const long planes = (long)groups * filters;
  for (long index = first_index; index < last_index; ++index) {
    const long first = index % sets * PLANES;
    const long f[2] = {first, min(first + PLANES - 1, planes - 1)};
    const long part = index / sets;
    floatv sums[SUMS];
#pragma unroll
    for (int t = 0; t < SUMS; ++t) sums[t] = (floatv)(0.0f);
    for (long image = part * images_per_part; image < min((part + 1) * images_per_part, images); ++image) {
      const long from[2] = {(image * groups + (filters == 1 ? f[0] : f[0] / filters)) * in_h * in_w,
                            (image * groups + (filters == 1 ? f[1] : f[1] / filters)) * in_h * in_w};
      const long gradient[2] = {(image * planes + f[0]) * oh * ow, (image * planes + f[1]) * oh * ow};
      __attribute__((opencl_unroll_hint(1)))
      for (int i = 0; i < oh; i += RB) {
        floatv rows[IN_H * IW];
        load_rows(rows, x, x, 0, from, PLANES * in_h * in_w, i * IH - (TOP), in_h, in_w, in_size);
        floatv g[RB];
        __attribute__((opencl_unroll_hint(1)))
        for (int t = 0; t < RB; ++t) g[t] = load_row(dy, y_mask, MASK, gradient, (long)(i + t) * ow, ow, dy_size);
        add_tile(sums, rows, g);
      }
    }
    // Lanes beyond dy hold 0 times x, which is NaN where x is infinite.
#pragma unroll
    for (int t = 0; t < TAPS; ++t) sums[t] = LANE_OF_PLANE < (intv)(ow) ? sums[t] : (floatv)(0.0f);
    float totals[PLANES * SUMS];
#pragma unroll
    for (int t = 0; t < SUMS; t += GROUP) STORE_V(lane_sums(sums + t, PLANES == 2), totals + t * PLANES);
    for (int plane = 0; plane < PLANES; ++plane) {
      const long at = part * part_stride + f[plane] * TAPS;
      // Two work-items never share a filter; of an odd last one both planes are the same.
      if (plane == 1 && f[1] == f[0]) break;
      for (int t = 0; t < TAPS; ++t) {
#if PARTS
        result[at + t] = totals[t * PLANES + plane];
#else
        PUT(RESULT(GET(result, at + t), totals[t * PLANES + plane]), result, at + t);
#endif
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_weights_narrow(PARAMETERS) {
  depthwise_weights_narrow_item(get_group_id(0), ARGUMENTS);
}
