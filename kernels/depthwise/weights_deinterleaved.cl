// parts: lane_sums row_end depthwise_totals epilogue deinterleaved_rows depthwise_rolling
// Depthwise weight gradient at stride 2 on CPUs, of planes that are read as they lie.
//
//   x, a row                                 dy                                  registers, floatv each
//     2*VW columns, loaded once:               a row, once for each distance m     acc[TAPS]: all KH*KW taps;
//     the VW even ones and the VW odd ones     that taps of the filter have        the vectors of dy
//
// A tap of the filter meets the even or the odd columns of x: lane i of them meets column i - m of dy. So dy is loaded
// m columns earlier, instead of x at each tap's place: a row of x takes two loads and two shuffles for all columns of
// the filter, where reading it at its place takes as much for each.
//
// One work-item per work-group, `filters_per_work_group` filters with a part of all bands each. A band is `band` rows
// of dy. Lanes of the vectors at the ends of a row that see columns of x or dy that do not exist are set to 0. Lanes
// are added at the end of a filter.
//
// Macros: TAPS, PARTS (1: the result is floats, which sum_parts adds up), those of parts/depthwise_rolling.cl and
// parts/deinterleaved_rows.cl; KH KW SH SW DH DW, DATA=0, ACCUMULATE. All other sizes are arguments;
// in_w and ow are among them, since weights_rolling has the same ones, but not used.

// m of column v of the filter, and whether it meets odd columns.
#define MOVED_OF(v) MOVED_BY((v) * DW)
#define ODD_OF(v) PHASE_OF((v) * DW)
#define IS_FIRST(v) ((v) == 0 || MOVED_OF(v) != MOVED_OF((v) - 1))

// More rows of dy than vectors reach beyond a row, or than see a row of x.
#define UNSAFE_ROWS max((VW + max(MOVED_OF(KW - 1), -MOVED_OF(0))) / OW + 1, REACH_H / IH + 1)

// Each lane counts for each tap, of the vector at column j of dy.
#define IS_WHOLE(j, skip)                                                                                   \
  ((skip) == 0 && (j) >= MOVED_OF(KW - 1) && (j) + VW <= IN_W / 2 && (j) + VW <= OW + min(MOVED_OF(0), 0))

// acc += a vector of dy, from column `column` of the row at `gradient` on but without its first `skip` lanes, times KH
// rows of x. The first of them is row `row` of the image and begins at `at`. `whole`: all are in the image.
#define ROW_PARAMETERS                                                                                               \
  floatv acc[TAPS], global const element *x, const long at, global const element *dy, global const element *y,       \
      const long gradient, const int row, const int in_h, const long x_size, const long dy_size, const int whole,    \
      const int careful
ALWAYS_INLINE void add_vector(ROW_PARAMETERS, const int column, const int skip) {
  if (whole) PREFETCH_ROWS(x + at + 2 * column, IH)
  const intv columns = SHUFFLED(LANES) + (intv)(column);
  const int all_count = IS_WHOLE(column, skip);
  KEEP_ORDER
  floatv g[KW];
#pragma unroll
  for (int v = 0; v < KW; ++v) {
    if (!IS_FIRST(v)) continue;
    const long moved = gradient + column - MOVED_OF(v);
#if MASK
    const floatv all = BACKWARD(load(dy, moved, dy_size, careful), load(y, moved, dy_size, careful));
#else
    const floatv all = load(dy, moved, dy_size, careful);
#endif
    g[v] = SHUFFLED(in_register(all));
    const intv seen = columns - (intv)(MOVED_OF(v));
    const intv counted = (columns >= (intv)(column + skip)) & (seen >= (intv)(0)) & (seen < (intv)(OW));
    if (!all_count) g[v] = counted ? in_register(g[v]) : (floatv)(0.0f);
  }
#pragma unroll
  for (int u = 0; u < KH; ++u) {
    if (!whole && (row + u * DH < 0 || row + u * DH >= in_h)) continue;
    floatv halves[2];
    load_halves(halves, x, at + u * DH * IN_W + 2 * column, x_size, careful);
    // The other lanes are 0 * x where x is of the same plane.
    if (2 * column + 2 * VW > IN_W) halves[1] = columns < (intv)(IN_W / 2) ? in_register(halves[1]) : (floatv)(0.0f);
#pragma unroll
    for (int v = 0; v < KW; ++v) {
      acc[u * KW + v] = fma(g[IS_FIRST(v) ? v : v - 1], halves[ODD_OF(v)], acc[u * KW + v]);
    }
  }
}

ALWAYS_INLINE void add_row(ROW_PARAMETERS) {
#define ADD_VECTOR(column, skip) \
  add_vector(acc, x, at, dy, y, gradient, row, in_h, x_size, dy_size, whole, careful, column, skip)
  FOR_VECTORS_OF_ROW((IN_W + 1) / 2 - VW, ADD_VECTOR)
}

// sums[TAPS] += rows [first, last) of the plane of dy at `gradient` times the plane of x at `from`.
#define ROWS_PARAMETERS                                                                                              \
  floatv *sums, global const element *x, const long from, global const element *dy, global const element *y,         \
      const long gradient, const int first, const int last, const int top, const int in_h, const long x_size,        \
      const long dy_size
ALWAYS_INLINE void add_rows(const int whole, const int careful, ROWS_PARAMETERS) {
  floatv acc[TAPS];
#pragma unroll
  for (int t = 0; t < TAPS; ++t) acc[t] = sums[t];
  long at = from + (long)(first * IH + top) * IN_W, gradient_at = gradient + (long)first * OW;
  __attribute__((opencl_unroll_hint(1)))
  for (int i = first; i < last; ++i) {
    add_row(acc, x, at, dy, y, gradient_at, i * IH + top, in_h, x_size, dy_size, whole, careful);
    at += IH * IN_W;
    gradient_at += OW;
  }
#pragma unroll
  for (int t = 0; t < TAPS; ++t) sums[t] = acc[t];
}

// Rows of dy that see rows of x only; those that see padding, too; and those that may be read beyond the tensors.
// Functions of their own, so that loops have all registers.
NOT_INLINED void add_whole(ROWS_PARAMETERS) {
  add_rows(1, 0, sums, x, from, dy, y, gradient, first, last, top, in_h, x_size, dy_size);
}
NOT_INLINED void add_some(ROWS_PARAMETERS) {
  add_rows(0, 0, sums, x, from, dy, y, gradient, first, last, top, in_h, x_size, dy_size);
}
NOT_INLINED void add_carefully(ROWS_PARAMETERS) {
  add_rows(0, 1, sums, x, from, dy, y, gradient, first, last, top, in_h, x_size, dy_size);
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict dy, \
  global const element* restrict y_mask, global result_element* restrict result, int groups, \
  int filters, int in_h, int in_w, long in_size, int top, int oh, int ow, long dy_size, int band, int bands, \
  long units, long units_per_part, long part_stride, long all_filters, long filters_per_work_group
#define ARGUMENTS \
  x, dy, y_mask, result, groups, filters, in_h, in_w, in_size, top, oh, ow, dy_size, band, bands, \
  units, units_per_part, part_stride, all_filters, filters_per_work_group

NOT_INLINED void depthwise_weights_deinterleaved_item(const long id, PARAMETERS) {
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
      // Only planes at the ends of the tensors can be read beyond them, in their first or last rows.
      const int begin = gradient < MOVED_OF(KW - 1) ? min(first + UNSAFE_ROWS, last) : first;
      const int end = from + (long)in_h * IN_W + IN_W % 2 > in_size ||
                              gradient + (long)(oh - 1) * OW + (IN_W + 1) / 2 - MOVED_OF(0) > dy_size
                          ? max(last - UNSAFE_ROWS, begin)
                          : last;
      // The rows of dy between them whose rows of x all are in the image.
      const int start = top + TOP_MOD;
      const int whole = clamp((IH - 1 - start) / IH, begin, end);
      const int behind = clamp((in_h - 1 - REACH_H - start + IH) / IH, whole, end);
#define ADD_BY(how, first, last) \
  if ((first) < (last)) how(sums, x, from, dy, y_mask, gradient, first, last, start, in_h, in_size, dy_size)
      ADD_BY(add_carefully, first, begin);
      ADD_BY(add_some, begin, whole);
      ADD_BY(add_whole, whole, behind);
      ADD_BY(add_some, behind, end);
      ADD_BY(add_carefully, end, last);
    }
    const long at = part * part_stride + f * FILTER_TAPS;
#pragma unroll
    for (int t = 0; t < SUMS; t += VW) store_totals(lane_sums(sums + t, 0), t, result, at);
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_weights_deinterleaved(PARAMETERS) {
  depthwise_weights_deinterleaved_item(get_group_id(0), ARGUMENTS);
}
