// parts: depthwise_planes stream epilogue put_together
// Depthwise convolution on CPUs, forward and data gradient, of planes that are read as they lie: see
// parts/depthwise_planes.cl for the cases at the border.
//
//   input, as it lies                          registers, floatv each
//     rows p that a tile sees, VW columns       acc[RB], KH*KW weights
//
// One work-item per work-group, `bands_per_work_group` bands of `band` rows of tiles each. A tile is RB rows of a
// vector. Each vector of the input is used by up to KH rows of results.
//
// in_image, out_image: elements from one image to the next, of the input, of the result and r.
//
// Macros: RB, STREAM, and those of parts/depthwise_planes.cl but SHIFT_H, SHIFT_W; KH KW SH SW DH DW, DATA, and those
// of the epilogue. All other sizes are arguments.

#define TILE_ROWS RB
#define EACH_CASE 0
#define SHIFT_H shift_h
#define SHIFT_W shift_w

ALWAYS_INLINE void planes_tile(global const element* input, global const element* y_mask,
                                const long from, const float* weight, const float bias,
                                const float slope, global const element* r, global element* result,
                                const long to, const int in_w, const int res_w, const int streamed,
                                const int top, const int bottom, const int left, const int right) {
  // Sums are moved instead of their terms: once per row of results.
  floatv sums[MOST_MOVES + 1][RB];
#pragma unroll
  for (int t = 0; t < RB; ++t) {
#pragma unroll
    for (int n = 0; n <= MOST_MOVES; ++n) sums[n][t] = (floatv)(n == 0 ? bias : 0.0f);
  }
#pragma unroll
  for (int p = 0; p < IN_H; ++p) {
    if (!IS_ROW(p, top, bottom)) continue;
#pragma unroll
    for (int q = 0; q <= REACH_W; ++q) {
      const int v = TAP_COLUMN(q, 0);
      if (!IS_TAP(v, DW, KW)) continue;
      const floatv in = see_columns(input, y_mask, from + (long)p * in_w, q, left, right);
      floatv* acc = sums[MOVES(q, left)];
#pragma unroll
      for (int s = 0; s < STEPS_OF_ROW(REACH_H); ++s) {
        const int t = STEP_OF(p, REACH_H, s);
        const int u = TAP_ROW(p, t, 0);
        if (IS_STEP(t, RB) && IS_TAP(u, DH, KH)) acc[t] = fma((floatv)(weight[u / DH * KW + v / DW]), in, acc[t]);
      }
    }
  }
  floatv kept[RB];
#pragma unroll
  for (int t = 0; t < RB; ++t) {
    const long at = to + (long)t * res_w;
    floatv sum = sums[0][t];
    if (left) {
#pragma unroll
      for (int n = 1; n <= MOST_MOVES; ++n) sum += MOVE(sums[n][t], n);
    }
#if RESIDUAL
    const floatv value = UNSHUFFLED(sum) + GET_V(r + at);
#else
    const floatv value = UNSHUFFLED(sum);
#endif
#if PUTS_TOGETHER
    KEEP(kept[t], ACTIVATE(value, slope), result + at);
#else
    PUT_STREAMED(streamed, ACTIVATE(value, slope), result + at)
#endif
  }
#define RESULT_OF(t) (result + to + (long)(t) * res_w)
  PUT_KEPT(kept, RB, RESULT_OF)
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict y_mask, \
  global const element* restrict weights, global const element* restrict b, \
  global const element* restrict r, global element* restrict result, int groups, int filters, \
  int in_h, int in_w, int res_h, int res_w, int shift_h, int shift_w, int band, int bands, \
  long all_bands, long bands_per_work_group, long in_image, long out_image SLOPES_PARAMETER
#define ARGUMENTS \
  x, y_mask, weights, b, r, result, groups, filters, in_h, in_w, res_h, res_w, shift_h, \
  shift_w, band, bands, all_bands, bands_per_work_group, in_image, out_image SLOPES_ARGUMENT

NOT_INLINED void depthwise_planes_item(const long id, PARAMETERS) {
  const int rows_of_tiles = (res_h + RB - 1) / RB;
  const long first_index = id * bands_per_work_group;
  const long last_index = min(first_index + bands_per_work_group, all_bands);
  for (long index = first_index; index < last_index; ++index) {
    const long plane = index / bands;  // of the result
    const int first = (int)(index % bands) * band;
    const long image = plane / ((long)groups * filters);
    const long f = plane % ((long)groups * filters);
    const long from = image * in_image + f / filters * in_h * in_w - (long)TOP * in_w - LEFT;
    const long to = image * out_image + f * res_h * res_w;
    const int streamed = IS_ALIGNED(result + to, sizeof(floatv)) && res_w % VW == 0;
    const float bias = BIAS_OF(b, f);
    const float slope = SLOPE_OF(SLOPES_OF(image, (long)groups * filters), f);
    float weight[KH * KW];
#pragma unroll
    for (int t = 0; t < KH * KW; ++t) weight[t] = GET(weights, f * (KH * KW) + t);
    for (int row = first; row < min(first + band, rows_of_tiles); ++row) {
#define PLANES_TILE(i, j, top, bottom, left, right)                                             \
  planes_tile(x, y_mask, from + (long)(i) * IH * in_w + (long)(j) * IW, weight, bias, slope, r, \
               result, to + (long)(i) * res_w + (j), in_w, res_w, streamed, top, bottom, left, right);
      FOR_TILES(row, rows_of_tiles, res_h, res_w, PLANES_TILE)
    }
  }
  END_STREAM
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_planes(PARAMETERS) {
  depthwise_planes_item(get_group_id(0), ARGUMENTS);
}
