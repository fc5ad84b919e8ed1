// parts: depthwise_planes depthwise_sums
// Depthwise weight gradient on CPUs, of planes that are read as they lie: see parts/depthwise_planes.cl for the cases
// at the border.
//
//   dy, as it lies              x, as it lies                     registers, floatv each
//     ROWS rows, VW columns       rows p that a tile sees, and     acc[TAPS]: all KH*KW taps
//                                 columns q of its taps
//
// One work-item per work-group: per filter and part of all images. acc[tap] += ROWS rows of dy times x at the tap's
// place, with each x loaded once for all of the rows. The lanes are added at the end. Each result counts once: where
// tiles and vectors overlap, by SHIFT_H, SHIFT_W at the beginning and by TWICE_H, TWICE_W in all, the first and the
// last are cut.
//
// Macros: TAPS ROWS TWICE_H TWICE_W PARTS, and those of parts/depthwise_planes.cl; KH KW SH SW DH DW, DATA=0,
// ACCUMULATE. All other sizes are arguments.

#define TILE_ROWS ROWS
#define EACH_CASE 1

ALWAYS_INLINE void add_tile(floatv* acc, global const element* x, const long from, global const element* dy,
                             global const element* y, const long gradient, const int in_w, const int ow,
                             const int top, const int bottom, const int left, const int right) {
  const int first = bottom && !top ? TWICE_H - SHIFT_H : 0;
  const int last = top && !bottom ? ROWS - SHIFT_H : ROWS;
  const int first_lane = right && !left ? TWICE_W - SHIFT_W : 0;
  const int last_lane = left && !right ? VW - SHIFT_W : VW;
  const intv lanes = SHUFFLED(LANES);
  // v, without the lanes that another tile counts; for columns that are still to be moved by n.
#define COUNTED(v, n)                                                                        \
  (first_lane > 0           ? (lanes >= first_lane ? (v) : (floatv)(0.0f))                   \
   : last_lane - (n) < VW   ? (lanes < last_lane - (n) ? (v) : (floatv)(0.0f))               \
                            : (v))
  // The gradient is moved back instead of the columns forth: once per row of it.
  floatv g[MOST_MOVES + 1][ROWS];
#pragma unroll
  for (int t = 0; t < ROWS; ++t) {
    if (t < first || t >= last) continue;
    const long at = gradient + (long)t * ow;
#if MASK
    const floatv all = GET_V(dy + at);
    const floatv v = SHUFFLED(BACKWARD(all, GET_V(y + at)));
#else
    const floatv v = SHUFFLED(GET_V(dy + at));
#endif
    g[0][t] = COUNTED(v, 0);
#pragma unroll
    for (int n = 1; n <= MOST_MOVES; ++n) g[n][t] = MOVE(g[0][t], -n);
  }
#pragma unroll
  for (int p = 0; p < IN_H; ++p) {
    if (!IS_ROW(p, top, bottom)) continue;
#pragma unroll
    for (int q = 0; q <= REACH_W; q += DW) {
      // x is set to 0, too: it may be infinite, and 0 * infinity is NaN.
      const int moves = MOVES(q, left);
      const floatv in = COUNTED(see_columns(x, x, from + (long)p * in_w, q, left, right), moves);
#pragma unroll
      for (int t = 0; t < ROWS; ++t) {
        const int u = TAP_ROW(p, t, 0);
        if (t >= first && t < last && IS_TAP(u, DH, KH)) {
          acc[u / DH * KW + q / DW] = fma(g[moves][t], in, acc[u / DH * KW + q / DW]);
        }
      }
    }
  }
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict dy, \
  global const element* restrict y_mask, global result_element* restrict result, int groups, \
  int filters, int in_h, int in_w, int oh, int ow, long images, long images_per_part, \
  long part_stride
#define ARGUMENTS \
  x, dy, y_mask, result, groups, filters, in_h, in_w, oh, ow, images, images_per_part, \
  part_stride

NOT_INLINED void depthwise_weights_planes_item(const long id, PARAMETERS) {
  const int rows_of_tiles = (oh + ROWS - 1) / ROWS;
  const long planes = (long)groups * filters;
  const long filter = id % planes;
  const long part = id / planes;
  floatv acc[TAPS];
#pragma unroll
  for (int t = 0; t < TAPS; ++t) acc[t] = (floatv)(0.0f);
  for (long image = part * images_per_part; image < min((part + 1) * images_per_part, images); ++image) {
    const long from = (image * groups + filter / filters) * in_h * in_w - (long)TOP * in_w - LEFT;
    const long gradient = (image * planes + filter) * oh * ow;
    for (int row_of_tiles = 0; row_of_tiles < rows_of_tiles; ++row_of_tiles) {
#define ADD_TILE(i, j, top, bottom, left, right)                                                \
  add_tile(acc, x, from + (long)(i) * IH * in_w + (long)(j) * IW, dy, y_mask,                   \
            gradient + (long)(i) * ow + (j), in_w, ow, top, bottom, left, right);
      FOR_TILES(row_of_tiles, rows_of_tiles, oh, ow, ADD_TILE)
    }
  }
  store_sums(acc, result, part * part_stride + filter * TAPS);
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_weights_planes(PARAMETERS) {
  depthwise_weights_planes_item(get_group_id(0), ARGUMENTS);
}
