// parts: register_tile inside row_end transpose epilogue
// Memory-lean im2row on CPUs: y from unfolded columns of the padded input, with the channels innermost
// (unfold_columns in ops/pack.cl). For one tap column q, the patches of all output rows i in an output column are a
// matrix whose rows overlap in memory. Its leading dimension sh*c is smaller than its width kh*c where sh < kh:
//
//   unfolded column:    row0[c] row1[c] row2[c] row3[c] row4[c] ...
//                        |---- i = 0 ----|
//                                |---- i = 1 ----|              kh = 3, sh = 1
//                                        |---- i = 2 ----|
//
//
// The next output column starts sw columns further on, the next tap column dw. The product is that matrix times the
// weights, packed in the order q, p, channel with BLOCK filters innermost. A dilated filter takes its kh taps one by
// one, tap_row apart; otherwise the products of all are adjacent. Rows and columns of taps that meet only padding in
// all pixels of a tile are left out.
//
// One work-item per work-group computes TH rows x TW columns of pixels by KV vectors of filters in the register tile of
// parts/register_tile.cl. Tiles at the lower and right edge overlap their neighbours instead of being partial.
//
// out_image: elements from one image of y and r to the next.
//
// Macros: VW KV TH TW, and those of the epilogue. Nothing but the tile is compiled in: one binary serves all strides
// and dilations.

#define PIXELS (TH * TW)
#define BLOCK (VW * KV)

#define PARAMETERS \
  global const float* restrict unfolded, global const float* restrict packed, \
  global const element* restrict b, global const element* restrict r, \
  global element* restrict y, long group_stride, long row_step, long column_step, int taps_w, \
  int taps_h, int channels, long tap_row, long tap_column, int oh, int ow, int first_column, \
  int columns, int tiles_x, int tiles, int filters, int blocks_per_group, int blocks, \
  int blocks_inner, int sh, int sw, int dh, int dw, int in_h, int in_w, int top, int left, \
  int image, long out_image SLOPES_PARAMETER
#define ARGUMENTS \
  unfolded, packed, b, r, y, group_stride, row_step, column_step, taps_w, taps_h, channels, \
  tap_row, tap_column, oh, ow, first_column, columns, tiles_x, tiles, filters, blocks_per_group, \
  blocks, blocks_inner, sh, sw, dh, dw, in_h, in_w, top, left, image, out_image SLOPES_ARGUMENT

// Tap (0,0) of result (0, first_column) is at row `top`, column `left` of the input, in_h x in_w.
NOT_INLINED void im2row_lean_filters_item(const long id, PARAMETERS) {
  const int tile = (int)(blocks_inner ? id / blocks : id % tiles);
  const int block = (int)(blocks_inner ? id % blocks : id / tiles);
  const int group_index = block / blocks_per_group;
  const int i0 = min(tile / tiles_x * TH, oh - TH);
  const int j0 = min(tile % tiles_x * TW, columns - TW);
  const int row = top + i0 * sh, column = left + j0 * sw;
  const int first_p = first_inside(row + (TH - 1) * sh, dh), last_p = last_inside(row, dh, taps_h, in_h);
  const int first_q = first_inside(column + (TW - 1) * sw, dw), last_q = last_inside(column, dw, taps_w, in_w);
  const int steps = dh == 1 ? 1 : last_p - first_p;
  const int adjacent = (dh == 1 ? last_p - first_p : 1) * channels;

  global const float* first = unfolded + group_index * group_stride + i0 * row_step + j0 * column_step;
  global const float* w_block = packed + (long)block * taps_w * taps_h * channels * BLOCK;
  floatv acc[PIXELS][KV];
  CLEAR_TILE(acc, PIXELS, KV)
  for (int q = first_q; q < last_q; ++q) {
    global const float* wp = w_block + (long)(q * taps_h + first_p) * channels * BLOCK;
    for (int p = 0; p < steps; ++p) {
      global const float* tap = first + q * tap_column + (first_p + p) * tap_row;
      for (int at = 0; at < adjacent; ++at, ++tap, wp += BLOCK) {
        MULTIPLY_TILE(acc, PIXELS, KV, LOAD_V(wp + v * VW), tap[i / TW * row_step + i % TW * column_step])
      }
    }
  }

  // Transposes vectors along filters to vectors along the pixels of a row.
  const int first_filter = block % blocks_per_group * BLOCK;
  const long channel = (long)group_index * filters + first_filter;
  global const element* slopes_of_image = SLOPES_OF(image, (long)filters * (blocks / blocks_per_group));
  const long out = image * out_image + (channel * oh + i0) * ow + first_column + j0;
#pragma unroll
  for (int v = 0; v < KV; ++v) {
#pragma unroll
    for (int row = 0; row < TH; ++row) {
#pragma unroll
      for (int from = 0; from < TW; from += VW) {
        floatv rows[VW], other[VW];
#pragma unroll
        for (int i = 0; i < VW; ++i) {
          rows[i] = from + i < TW ? acc[from + i < TW ? row * TW + from + i : 0][v] : (floatv)(0.0f);
        }
        TRANSPOSE(rows, other)
#pragma unroll
        for (int f = 0; f < VW; ++f) {
          if (first_filter + v * VW + f < filters) {
            const long at = out + ((long)(v * VW + f) * oh + row) * ow + from;
            const floatv value = TRANSPOSED(rows, other)[f] + BIAS_OF(b, channel + v * VW + f) +
                                 residual_some(r + at, TW - from);
            const floatv activated = ACTIVATE(value, SLOPE_OF(slopes_of_image, channel + v * VW + f));
            put_first(activated, TW - from, y + at);
          }
        }
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void im2row_lean_filters(PARAMETERS) {
  im2row_lean_filters_item(get_group_id(0), ARGUMENTS);
}
