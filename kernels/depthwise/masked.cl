// parts: depthwise_planes depthwise_masked epilogue prefetch
// Depthwise convolution on CPUs with few vector registers, forward and data gradient, of planes that are read in place,
// one column of the filter after the other.
//
//   input, as it lies                              registers, floatv each
//     rows p that a tile sees, VW columns of          acc[RB rows], the KH weights of a column of the filter, a mask
//     tap column v                                    of the lanes inside the image, a vector of the input
//
// One work-item per work-group, `bands_per_work_group` bands of `band` rows of tiles each. A tile is RB rows of a
// vector. Each vector of the input is loaded once per column of the filter and used by up to KH rows of results. The
// loop over columns is not unrolled: LLVM 14 would bring its sums into an order that spills. Rows outside the image are
// left out; columns outside are masked, in all tiles.
//
// With STAGE_FLOATS: elements of 16 bits would be converted once per column of the filter. So the rows that a band sees
// are copied to local memory as floats first, with zeroes beside them, so that nothing is masked; and the filter.
//
// Tiles and vectors at the end overlap their neighbours: res_h >= RB, res_w >= VW. in_image, out_image: elements from
// one image to the next, of the input, of the result and r.
//
// Macros: RB, and those of parts/depthwise_planes.cl but SHIFT_H, SHIFT_W; KH KW SH SW DH DW, DATA, and those of the
// epilogue; STAGE_FLOATS (of local memory; not defined: not staged). All other sizes are arguments. A data gradient has
// stride 1.

#define TILE_ROWS RB

// A data gradient turns the filter round.
#define WEIGHT_AT(u, v) (DATA ? (KH - 1 - (u)) * KW + KW - 1 - (v) : (u) * KW + (v))

#if STAGE_FLOATS
#define WEIGHTS local const float
#define WEIGHT(at) weights[at]
// In local memory: the filter, a vector of zeroes, and the rows.
#define STAGED_ROWS ((KH * KW + VW - 1) / VW * VW + VW)
inline void stage_weights(global const element* weights, local float* memory) {
#if KH * KW < VW
  IN_ONE_PIECE(local, memory) = get_some(weights, KH * KW);
#else
  // The last vector overlaps the one before.
#pragma unroll
  for (int t = 0; t < KH * KW; t += VW) {
    const int at = min(t, KH * KW - VW);
    IN_ONE_PIECE(local, memory + at) = GET_V(weights + at);
  }
#endif
}
#else
#define WEIGHTS global const element
#define WEIGHT(at) GET(weights, at)
#endif

// acc += the taps of column v times the rows at `from`, whose first element is in column `column` of the image.
ALWAYS_INLINE void add_column(floatv* acc, PLANES* input, global const element* y_mask, const long from,
                              WEIGHTS* weights, const int v, const int in_w, const long in_size, const int column,
                              const int careful, const int top, const int bottom) {
  const intv inside = inside_image(column, in_w);
  floatv weight[KH];
#pragma unroll
  for (int u = 0; u < KH; ++u) weight[u] = (floatv)(WEIGHT(WEIGHT_AT(u, v)));
#pragma unroll
  for (int p = 0; p < IN_H; ++p) {
    if (!IS_ROW(p, top, bottom)) continue;
    const floatv in = see_masked(input, y_mask, MASK && DATA, from + (long)p * in_w, inside, column, in_w, in_size,
                                 careful);
#pragma unroll
    for (int s = 0; s < STEPS_OF_ROW(REACH_H); ++s) {
      const int t = STEP_OF(p, REACH_H, s);
      const int u = p - t * IH;
      if (IS_STEP(t, RB) && IS_TAP(u, DH, KH)) acc[t] = fma(weight[u / DH], in, acc[t]);
    }
  }
}

ALWAYS_INLINE void masked_tile(PLANES* input, global const element* y_mask, const long from, WEIGHTS* weights,
                               const float bias, const float slope, global const element* r, global element* result,
                               const long to, const int in_w, const int res_w, const long in_size, const int column,
                               const int careful, const int top, const int bottom) {
  floatv acc[RB];
#pragma unroll
  for (int t = 0; t < RB; ++t) acc[t] = (floatv)(bias);
  __attribute__((opencl_unroll_hint(1)))
  for (int v = 0; v < KW; ++v) {
    add_column(acc, input, y_mask, from + v * DW, weights, v, in_w, in_size, column + v * DW, careful, top, bottom);
  }
#pragma unroll
  for (int t = 0; t < RB; ++t) {
    const long at = to + (long)t * res_w;
#if RESIDUAL
    const floatv value = UNSHUFFLED(acc[t]) + GET_V(r + at);
#else
    const floatv value = UNSHUFFLED(acc[t]);
#endif
    PUT_V(ACTIVATE(value, slope), result + at);
  }
}

// A row of tiles from results' row i on, of the plane of the input at `from`, whose rows are `in_w` apart, and of the
// results at `to`. Functions of their own, so that loops have all registers.
#define ROW_PARAMETERS                                                                                               \
  PLANES *input, global const element *y_mask, const long from, WEIGHTS *weights, const float bias,                  \
      const float slope, global const element *r, global element *result, const long to, const int i,                \
      const int in_w, const int res_h, const int res_w, const long in_size
ALWAYS_INLINE void masked_row(const int careful, ROW_PARAMETERS) {
  __attribute__((opencl_unroll_hint(1)))
  for (int j0 = 0; j0 < res_w; j0 += VW) {
    const int j = min(j0, res_w - VW);
    const int column = j * IW - LEFT;
#define MASKED_TILE(top, bottom)                                                                                     \
  masked_tile(input, y_mask, from + (long)(i * IH - (TOP)) * in_w + column, weights, bias, slope, r, result,         \
              to + (long)i * res_w + j, in_w, res_w, in_size, column, careful, top, bottom)
    if (i == 0) {
      MASKED_TILE(1, ONE_TILE);
    } else if (i + RB < res_h) {
      MASKED_TILE(0, 0);
    } else {
      MASKED_TILE(0, 1);
    }
  }
}
NOT_INLINED void masked_rows(ROW_PARAMETERS) {
  masked_row(0, input, y_mask, from, weights, bias, slope, r, result, to, i, in_w, res_h, res_w, in_size);
}
#if !STAGE_FLOATS
NOT_INLINED void masked_rows_carefully(ROW_PARAMETERS) {
  masked_row(1, input, y_mask, from, weights, bias, slope, r, result, to, i, in_w, res_h, res_w, in_size);
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

NOT_INLINED void depthwise_masked_item(const long id, local float* restrict memory, PARAMETERS) {
  const int rows_of_tiles = (res_h + RB - 1) / RB;
  const long first_index = id * bands_per_work_group;
  const long last_index = min(first_index + bands_per_work_group, all_bands);
#if STAGE_FLOATS
  const int most_rows = min((band * RB + shift_h - 1) * IH + REACH_H + 1, in_h);
  clear_stage(memory + STAGED_ROWS - VW, VW + most_rows * STAGED_PITCH(in_w) + IW * VW);
#endif
  for (long index = first_index; index < last_index; ++index) {
    const long plane = bands == 1 ? index : index / bands;  // of the result
    const int first = bands == 1 ? 0 : (int)(index % bands) * band;
    const int last = min(first + band, rows_of_tiles);
    const long image = plane / ((long)groups * filters);
    const long f = plane - image * ((long)groups * filters);
    const long from = image * in_image + (filters == 1 ? f : f / filters) * in_h * in_w;
    const long to = image * out_image + f * res_h * res_w;
    const float bias = BIAS_OF(b, f);
    const float slope = SLOPE_OF(SLOPES_OF(image, (long)groups * filters), f);
    // The first row of results of a row of tiles.
#define FIRST_ROW(row) ((row) == 0 ? 0 : (row) + 1 < rows_of_tiles ? max((row) * RB - shift_h, 0) : res_h - RB)
#if STAGE_FLOATS
    const int seen = max(FIRST_ROW(first) * IH - (TOP), 0);
    const int behind = min(FIRST_ROW(last - 1) * IH - (TOP) + IN_H, in_h);
    stage_weights(weights + f * (KH * KW), memory);
    stage_plane(x, y_mask, MASK && DATA, from + (long)seen * in_w, behind - seen, in_w, memory + STAGED_ROWS);
#endif
    for (int row = first; row < last; ++row) {
      const int i = FIRST_ROW(row);
#if STAGE_FLOATS
      // What is staged next, a part per row of tiles.
      const int part = ((behind - seen) * in_w + last - first - 1) / (last - first);
      const long ahead = from + (long)behind * in_w + (long)(row - first) * part;
      for (int t = 0; t < part; t += 64 / (int)sizeof(element)) PREFETCH(x + ahead + t);
      masked_rows(memory + STAGED_ROWS, y_mask, -(long)seen * STAGED_PITCH(in_w), memory, bias, slope, r, result, to, i,
                  STAGED_PITCH(in_w), res_h, res_w, in_size);
#else
#define ROWS_BY(how) \
  how(x, y_mask, from, weights + f * (KH * KW), bias, slope, r, result, to, i, in_w, res_h, res_w, in_size)
      if (SEES_BEYOND(from, i, in_h, in_w, in_size)) {
        ROWS_BY(masked_rows_carefully);
      } else {
        ROWS_BY(masked_rows);
      }
#endif
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_masked(PARAMETERS) {
#if STAGE_FLOATS
  local float memory[STAGE_FLOATS] __attribute__((aligned(64)));
#else
  local float* const memory = 0;
#endif
  depthwise_masked_item(get_group_id(0), memory, ARGUMENTS);
}
