// parts: depthwise_planes depthwise_masked depthwise_staged lane_sums depthwise_totals epilogue
// Depthwise weight gradient on CPUs with few vector registers, of planes that are read in place, one column of the
// filter after the other.
//
//   dy, as it lies              x, as it lies                       registers, floatv each
//     ROWS rows, VW columns       rows p that a tile sees, VW         g[ROWS] of dy, acc[KH] of a column of the filter,
//                                 columns of tap column v             a mask of lanes, a vector of x
//
// One work-item per work-group, `filters_per_work_group` filters with a part of all images each. The rows of dy of a
// tile stay in registers while it goes through the columns of the filter, whose sums are read from and written to the
// stack. Each vector of x is loaded once per column and tile. Lanes are added at the end of a filter. Each result
// counts once: where tiles overlap, by SHIFT_H at the beginning and by TWICE_H in all, the first and the last are cut;
// of the last vector those lanes count that no other has.
//
// At stride 2 the rows of x that `band` rows of tiles see are copied to local memory first (parts/depthwise_staged.cl):
// even and odd columns are taken apart once per element, not once per column of the filter and tile.
//
// Macros: ROWS TAPS TWICE_H PARTS, and those of parts/depthwise_planes.cl; KH KW SH SW DH DW, DATA=0, ACCUMULATE. All
// other sizes are arguments: oh >= ROWS, ow >= VW; those of parts/depthwise_staged.cl where x is staged.

#define TILE_ROWS ROWS
#ifdef STAGE_PITCH
#define SEEN_PLANES local const float
#else
#define SEEN_PLANES global const element
#define TO_NEXT_TAP DW
#define TO_NEXT_TAP_AFTER(next) (next)
#endif

// sums[KH*KW] += a tile of dy at `gradient`, without its first `skip` columns, times what it sees of the x at `from`,
// whose first element is in column `column` of the image.
#define TILE_PARAMETERS                                                                                             \
  floatv *sums, SEEN_PLANES *x, const long from, global const element *dy, global const element *y,                 \
      const long gradient, const int in_w, const int ow, const long in_size, const int column, const int skip
ALWAYS_INLINE void add_tile(TILE_PARAMETERS, const int careful, const int top, const int bottom) {
  const int first = bottom && !top ? TWICE_H - SHIFT_H : 0;
  const int last = top && !bottom ? ROWS - SHIFT_H : ROWS;
  const intv counted = SHUFFLED(LANES) >= (intv)(skip);
  floatv g[ROWS];
#pragma unroll
  for (int t = first; t < last; ++t) {
    const long at = gradient + (long)t * ow;
#if MASK
    const floatv all = BACKWARD(GET_V(dy + at), GET_V(y + at));
#else
    const floatv all = GET_V(dy + at);
#endif
    g[t] = counted ? SHUFFLED(all) : (floatv)(0.0f);
  }
  long at = from;
  int next = TO_NEXT_TAP;
  __attribute__((opencl_unroll_hint(1)))
  for (int v = 0; v < KW; ++v) {
    // x is set to 0, too, where dy is: it may be infinite, and 0 * infinity is NaN.
#ifndef STAGE_PITCH
    const intv inside = inside_image(column + v * DW, in_w) & counted;
#endif
    floatv acc[KH];
#pragma unroll
    for (int u = 0; u < KH; ++u) acc[u] = sums[u * KW + v];
#pragma unroll
    for (int p = 0; p < IN_H; ++p) {
      if (!IS_ROW(p, top, bottom)) continue;
#ifdef STAGE_PITCH
      const floatv in = counted ? STAGED_V(x + at + p * STAGE_PITCH) : (floatv)(0.0f);
#else
      const floatv in = see_masked(x, x, 0, at + (long)p * in_w, inside, column + v * DW, in_w, in_size, careful);
#endif
#pragma unroll
      for (int s = 0; s < STEPS_OF_ROW(REACH_H); ++s) {
        const int t = STEP_OF(p, REACH_H, s);
        const int u = p - t * IH;
        if (t >= first && t < last && IS_TAP(u, DH, KH)) acc[u / DH] = fma(g[t], in, acc[u / DH]);
      }
    }
#pragma unroll
    for (int u = 0; u < KH; ++u) sums[u * KW + v] = acc[u];
    at += next;
    next = TO_NEXT_TAP_AFTER(next);
  }
}

// A row of tiles from row i of dy on, of the plane of x at `from` and of dy at `gradient`. Functions of their own, so
// that loops have all registers.
#define ROW_PARAMETERS                                                                                            \
  floatv *sums, SEEN_PLANES *x, const long from, global const element *dy, global const element *y,               \
      const long gradient, const int i, const int in_w, const int oh, const int ow, const long in_size
ALWAYS_INLINE void add_row(const int careful, ROW_PARAMETERS) {
  __attribute__((opencl_unroll_hint(1)))
  for (int j0 = 0; j0 < ow; j0 += VW) {
    const int j = min(j0, ow - VW);
    const int column = j * IW - LEFT;
#ifdef STAGE_PITCH
#define SEEN_FROM (from + (long)(i * IH - (TOP)) * STAGE_PITCH + j + TAP_AT(0))
#else
#define SEEN_FROM (from + (long)(i * IH - (TOP)) * in_w + column)
#endif
#define ADD_TILE(top, bottom)                                                                                     \
  add_tile(sums, x, SEEN_FROM, dy, y, gradient + (long)i * ow + j, in_w, ow, in_size, column, j0 - j, careful, top, \
           bottom)
    if (i == 0) {
      ADD_TILE(1, ONE_TILE);
    } else if (i + ROWS < oh) {
      ADD_TILE(0, 0);
    } else {
      ADD_TILE(0, 1);
    }
  }
}
NOT_INLINED void add_rows(ROW_PARAMETERS) {
  add_row(0, sums, x, from, dy, y, gradient, i, in_w, oh, ow, in_size);
}
#ifndef STAGE_PITCH
NOT_INLINED void add_rows_carefully(ROW_PARAMETERS) {
  add_row(1, sums, x, from, dy, y, gradient, i, in_w, oh, ow, in_size);
}
#endif

// The first row of dy of a row of tiles.
#define FIRST_ROW(row) ((row) == 0 ? 0 : (row) + 1 < rows_of_tiles ? (row) * ROWS - SHIFT_H : oh - ROWS)

// sums += the plane of dy at `gradient` times that of x at `from`.
ALWAYS_INLINE void add_plane(floatv* sums, local float* staged, global const element* x, const long from,
                             global const element* dy, global const element* y, const long gradient, const int in_h,
                             const int in_w, const int oh, const int ow, const long in_size, const int band) {
  const int rows_of_tiles = (oh + ROWS - 1) / ROWS;
#ifdef STAGE_PITCH
  for (int first = 0; first < rows_of_tiles; first += band) {
    const int last = min(first + band, rows_of_tiles);
    const int seen = max(FIRST_ROW(first) * IH - (TOP), 0);
    const int behind = min(FIRST_ROW(last - 1) * IH - (TOP) + IN_H, in_h);
    for (int row = seen; row < behind; ++row) {
      stage_row(x, x, from + (long)row * IN_W, staged + (row - seen) * STAGE_PITCH);
    }
    for (int row = first; row < last; ++row) {
      add_rows(sums, staged, -(long)seen * STAGE_PITCH, dy, y, gradient, FIRST_ROW(row), in_w, oh, ow, in_size);
    }
  }
#else
  for (int row = 0; row < rows_of_tiles; ++row) {
    const int i = FIRST_ROW(row);
    if (SEES_BEYOND(from, i, in_h, in_w, in_size)) {
      add_rows_carefully(sums, x, from, dy, y, gradient, i, in_w, oh, ow, in_size);
    } else {
      add_rows(sums, x, from, dy, y, gradient, i, in_w, oh, ow, in_size);
    }
  }
#endif
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict dy, \
  global const element* restrict y_mask, global result_element* restrict result, int groups, \
  int filters, int in_h, int in_w, long in_size, int oh, int ow, long images, long images_per_part, \
  long part_stride, long all_filters, long filters_per_work_group, int band, int most_rows
#define ARGUMENTS \
  x, dy, y_mask, result, groups, filters, in_h, in_w, in_size, oh, ow, images, images_per_part, \
  part_stride, all_filters, filters_per_work_group, band, most_rows

NOT_INLINED void depthwise_weights_masked_item(const long id, local float* restrict memory, PARAMETERS) {
#ifdef STAGE_PITCH
  local float* const staged = memory + STAGE_BORDER;
  clear_beside(staged, most_rows);
#else
  local float* const staged = memory;
#endif
  const long planes = (long)groups * filters;
  const long last_index = min((id + 1) * filters_per_work_group, all_filters);
  for (long index = id * filters_per_work_group; index < last_index; ++index) {
    const long part = all_filters == planes ? 0 : index / planes;  // a division takes as long as some rows
    const long f = index - part * planes;
    floatv sums[SUMS];
#pragma unroll
    for (int t = 0; t < SUMS; ++t) sums[t] = (floatv)(0.0f);
    for (long image = part * images_per_part; image < min((part + 1) * images_per_part, images); ++image) {
      const long from = (image * groups + (filters == 1 ? f : f / filters)) * in_h * in_w;
      const long gradient = (image * planes + f) * oh * ow;
      add_plane(sums, staged, x, from, dy, y_mask, gradient, in_h, in_w, oh, ow, in_size, band);
    }
    const long at = part * part_stride + f * FILTER_TAPS;
#pragma unroll
    for (int t = 0; t < SUMS; t += VW) store_totals(lane_sums(sums + t, 0), t, result, at);
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_weights_masked(PARAMETERS) {
#ifdef STAGE_PITCH
  local float memory[STAGE_FLOATS] __attribute__((aligned(64)));
#else
  local float* const memory = 0;
#endif
  depthwise_weights_masked_item(get_group_id(0), memory, ARGUMENTS);
}
