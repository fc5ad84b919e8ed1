// parts: vectors row_end transpose epilogue mask
// Depthwise convolution: every input channel has filters of its own (g = c), so that there is nothing to
// share between channels and a matrix product has nothing to multiply. Seven bodies:
//
//   VW RB STAGE=0         planes          CPUs, forward and data gradient, of planes that can be read as they lie
//   VW RB STAGE=1         rows            CPUs, forward and data gradient, of all others
//   VW TH TW              channels        CPUs, forward with channels last, as many filters as channels
//   VW TAPS ROWS STAGE=0  weights_planes  CPUs, weight gradient, likewise
//   VW TAPS ROWS STAGE=1  weights_rows    CPUs, weight gradient, of all others
//   TY                    direct          GPUs, forward and data gradient, in either layout
//   ITEMS                 weights_direct  GPUs, weight gradient
//
// Class macros: KH KW SH SW DH DW; NHWC (1: x, r and y have the channels last); DATA (1: data gradient or transposed), PT_MOD PL_MOD (pt % SH, pl % SW;
// of a data gradient), BIAS, RESIDUAL, ACTIVATION, MASK, ACCUMULATE, STORAGE_... All other sizes are arguments. The weights are used as
// they are, but by `channels`.

// Geometry of `rows` and `weights_rows`. Results come in steps of RH rows and RW columns (a data gradient
// at stride s: s residue classes, each with taps of its own), and a step goes IH rows and IW columns
// further in the input (a forward convolution at stride s: s). TAP_ROW(r, j, ry): the tap u, times DH,
// that brings row r of the input, counted from the first that step 0 sees, to row ry of step j; no tap
// where that is no multiple of DH or beyond the filter.
#if DATA
#define IH 1
#define IW 1
#define RH SH
#define RW SW
#define BASE_H ((KH - 1) * DH / SH)
#define BASE_W ((KW - 1) * DW / SW)
#define REACH_H (BASE_H + (SH - 1 + PT_MOD) / SH)
#define REACH_W (BASE_W + (SW - 1 + PL_MOD) / SW)
#define TAP_ROW(r, j, ry) ((ry) + PT_MOD - ((r) - BASE_H - (j)) * SH)
#define TAP_COLUMN(q, rx) ((rx) + PL_MOD - ((q) - BASE_W) * SW)
#else
#define IH SH
#define IW SW
#define RH 1
#define RW 1
#define REACH_H ((KH - 1) * DH)
#define REACH_W ((KW - 1) * DW)
#define TAP_ROW(r, j, ry) ((r) - (j) * SH)
#define TAP_COLUMN(q, rx) (q)
#endif
#define IS_TAP(position, step, taps) \
  ((position) >= 0 && (position) % (step) == 0 && (position) / (step) < (taps))

#ifdef VW
#define INTV CLCONV_PASTE(int, VW)
#if VW == 4
#define LANES ((INTV)(0, 1, 2, 3))
#elif VW == 8
#define LANES ((INTV)(0, 1, 2, 3, 4, 5, 6, 7))
#else
#define LANES ((INTV)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#endif

#if (defined(RB) || defined(TAPS)) && !STAGE
// ---- what the bodies that read planes as they lie share ------------------------------------------
//
//        LEFT        RIGHT       The plane of results is cut to blocks of BLOCK rows x VW columns (steps). The last ones
//       . . . . . . . .          move back over what is there already, so that all are whole, and only the outer ones
//   TOP . +---------+ .          see something outside the image: TOP, BOTTOM rows, LEFT, RIGHT columns at most, of the
//       . |         | .          first and the last position of the filter. Each case is code of its own, without a
//       . |         | .          condition in it: rows outside are left out, columns outside are lanes that become 0, of
//       . +---------+ . BOTTOM   a vector read inside the image. Nothing is read outside it.
//       . . . . . . . .
//
// Macros: TOP BOTTOM LEFT RIGHT; ONE_BLOCK, ONE_VECTOR (1: as many rows, columns as a block has); SHIFT_H, SHIFT_W (blocks
// and vectors between the first and the last begin so much earlier, for only the last to see the end).

#ifdef TAPS
#define BLOCK ROWS
#else
#define BLOCK RB
#endif
#define IN_H ((BLOCK - 1) * IH + REACH_H + 1)

// Is row p of those that a block sees in the image?
#define IS_ROW(p, top, bottom) (!((top) && (p) < TOP) && !((bottom) && (p) >= IN_H - (BOTTOM)))

// The vector at `at` (of a gradient: where y > 0), the first `before` or the last `behind` (constants) elements of which lie outside.
ALWAYS_INLINE floatv see(global const element* input, global const element* y, const long at, const int before,
                         const int behind) {
  const int out = before > 0 ? before : behind > 0 ? -behind : 0;
  floatv v = GET_V(input + at + out);
#if MASK && defined(RB)
  v = GET_V(y + at + out) > 0.0f ? v : (floatv)(0.0f);
#endif
  return out == 0 ? v
                  : shuffle2(v, (floatv)(0.0f), CLCONV_PASTE(as_uint, VW)((LANES - out) & (2 * VW - 1)));
}

// At stride 2 columns are dealt out of two vectors within lanes of 4, one instruction instead of two, so that they, and the
// results, come in the order of DEAL, until UNDEAL before the store (mobilenet_dw_s2: 70 against 76 us; 2-core Zen 3, 2026-11).
#if IW == 2 && VW == 16
#define DEAL_EVEN(a, b) \
  ((floatv)((a).s02, (b).s02, (a).s46, (b).s46, (a).s8a, (b).s8a, (a).sce, (b).sce))
#define DEAL_ODD(a, b) \
  ((floatv)((a).s13, (b).s13, (a).s57, (b).s57, (a).s9b, (b).s9b, (a).sdf, (b).sdf))
#define DEAL(v) ((v).s018923ab45cd67ef)
#define UNDEAL(v) ((v).s014589cd2367abef)
#elif IW == 2 && VW == 8
#define DEAL_EVEN(a, b) ((floatv)((a).s02, (b).s02, (a).s46, (b).s46))
#define DEAL_ODD(a, b) ((floatv)((a).s13, (b).s13, (a).s57, (b).s57))
#define DEAL(v) ((v).s01452367)
#define UNDEAL(v) ((v).s01452367)
#else
#define DEAL_EVEN(a, b) ((floatv)((a).even, (b).even))
#define DEAL_ODD(a, b) ((floatv)((a).odd, (b).odd))
#define DEAL(v) (v)
#define UNDEAL(v) (v)
#endif

// Columns left of the image, at stride 2, are those of two further right, moved by a lane, a 0 coming in: so columns are read
// from the image's first on, where what is read then does not end further right.
#if IW == 2
#define FROM_LEFT (LEFT > 0 && LEFT <= REACH_W && LEFT + ((REACH_W - LEFT) & ~1) <= (REACH_W & ~1))
#define MOVES(q, left) ((left) && FROM_LEFT && (q) < LEFT ? (LEFT - (q) + 1) / 2 : 0)
#define MOST_MOVES (FROM_LEFT ? (LEFT + 1) / 2 : 0)
// In the order of DEAL: lane i of what results is lane i - n of v, or 0.
#define MOVE(v, n)                                                                          \
  shuffle2(v, (floatv)(0.0f),                                                               \
           CLCONV_PASTE(as_uint, VW)(                                                       \
               DEAL(LANES) < (INTV)(n) || DEAL(LANES) >= (INTV)(VW + (n))                   \
                   ? (INTV)(VW)                                                             \
                   : shuffle(UNDEAL(LANES),                                                 \
                             CLCONV_PASTE(as_uint, VW)((DEAL(LANES) - (INTV)(n)) & (VW - 1)))))
#else
#define MOVES(q, left) 0
#define MOST_MOVES 0
#define MOVE(v, n) (v)
#endif

// VW columns, IW apart, from `at` + q on, in the order of DEAL; q a constant up to REACH_W. They are still to be moved by
// MOVES(q, left) lanes.
ALWAYS_INLINE floatv see_columns(global const element* input, global const element* y, const long at, const int q,
                                 const int left, const int right) {
#if IW == 1
  return see(input, y, at + q, left ? LEFT - q : 0, right ? RIGHT - (REACH_W - q) : 0);
#else
  const int seen = q + 2 * MOVES(q, left);
  const int odd = (seen - (left && FROM_LEFT ? LEFT : 0)) & 1;
  const int even = seen - odd;
  const floatv a = see(input, y, at + even, left ? LEFT - even : 0, 0);
  const floatv b = see(input, y, at + even + VW, 0, right ? RIGHT - (REACH_W - even) + 1 : 0);
  return odd ? DEAL_ODD(a, b) : DEAL_EVEN(a, b);
#endif
}

// DO(row, column, top, bottom, left, right) for all vectors of block `block` of `blocks` in a plane of
// `height` x `width` results; the last four are constants.
#define FOR_VECTORS(row, top, bottom, width, DO)                                             \
  DO(row, 0, top, bottom, 1, ONE_VECTOR)                                                     \
  if (!ONE_VECTOR) {                                                                         \
    __attribute__((opencl_unroll_hint(1)))                                                   \
    for (int j = VW - SHIFT_W; j < (width) - VW; j += VW) { DO(row, j, top, bottom, 0, 0) }  \
    DO(row, (width) - VW, top, bottom, 0, 1)                                                 \
  }
#define FOR_BLOCK(block, blocks, height, width, DO)       \
  if ((block) == 0) {                                     \
    FOR_VECTORS(0, 1, ONE_BLOCK, width, DO)               \
  } else if ((block) + 1 < (blocks)) {                    \
    FOR_VECTORS((block) * BLOCK - SHIFT_H, 0, 0, width, DO) \
  } else if (!ONE_BLOCK) {                                \
    FOR_VECTORS((height) - BLOCK, 0, 1, width, DO)        \
  }
#endif

#if defined(RB) && !STAGE
// ---- planes --------------------------------------------------------------------------------------
//
// One work-item per work-group, `span` bands of `band` blocks each. Each vector of the input is used by up to KH rows of
// results.

ALWAYS_INLINE void planes_block(global const element* input, global const element* y_mask, const long from,
                                const float* weight, const float bias, global const element* r,
                                global element* result, const long to, const int in_w, const int res_w,
                                const int top, const int bottom, const int left, const int right) {
  // Sums are moved, not what they are of: once a row of results.
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
      for (int t = 0; t < RB; ++t) {
        const int u = TAP_ROW(p, t, 0);
        if (IS_TAP(u, DH, KH)) acc[t] = fma((floatv)(weight[u / DH * KW + v / DW]), in, acc[t]);
      }
    }
  }
#pragma unroll
  for (int t = 0; t < RB; ++t) {
    const long at = to + (long)t * res_w;
    floatv sum = sums[0][t];
    if (left) {
#pragma unroll
      for (int n = 1; n <= MOST_MOVES; ++n) sum += MOVE(sums[n][t], n);
    }
#if RESIDUAL
    const floatv value = UNDEAL(sum) + GET_V(r + at);
#else
    const floatv value = UNDEAL(sum);
#endif
    PUT_V(ACTIVATE(value), result + at);
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_planes(global const element* restrict x, global const element* restrict y_mask,
                      global const element* restrict weights, global const element* restrict b,
                      global const element* restrict r, global element* restrict result, int groups,
                      int filters, int in_h, int in_w, int res_h, int res_w, int band, int bands,
                      long units, long span) {
  const int blocks = (res_h + RB - 1) / RB;
  const long first_unit = get_group_id(0) * span;
  const long last_unit = min(first_unit + span, units);
  for (long unit = first_unit; unit < last_unit; ++unit) {
    const long plane = unit / bands;  // of the result
    const int first = (int)(unit % bands) * band;
    const long f = plane % ((long)groups * filters);
    const long from = plane / filters * in_h * in_w - (long)TOP * in_w - LEFT;
    const long to = plane * res_h * res_w;
    const float bias = BIAS_OF(b, f);
    float weight[KH * KW];
#pragma unroll
    for (int t = 0; t < KH * KW; ++t) weight[t] = GET(weights, f * (KH * KW) + t);
    for (int block = first; block < min(first + band, blocks); ++block) {
#define PLANES_BLOCK(i, j, top, bottom, left, right)                                             \
  planes_block(x, y_mask, from + (long)(i) * IH * in_w + (long)(j) * IW, weight, bias, r,        \
               result, to + (long)(i) * res_w + (j), in_w, res_w, top, bottom, left, right);
      FOR_BLOCK(block, blocks, res_h, res_w, PLANES_BLOCK)
    }
  }
}
#endif

#if (defined(RB) || defined(TAPS)) && STAGE
// ---- what the bodies that stage share ------------------------------------------------------------
//
//   a tile of an input plane            local memory, `pitch` floats a row and column phase
//     . . . . . . . .                     0 0 0 0 0      IW == 2, even columns first:  0 b d 0 | a c e 0
//     . a b c d e . .   stage_tile ->     0 a b c d
//     . f g h i j . .                     0 f g h i      Vectors of result columns are then vectors of
//                                                        neighbours, borders need no care any more.

// The first `count` elements at input[at], then zeroes; with `masked` a gradient, which counts where y > 0.
// Reads on beyond them where the tensor, of `size` elements, goes on.
inline floatv load_first(global const element* restrict input, global const element* restrict y,
                         const int masked, const long at, const int count, const long size) {
  floatv v;
  if (at + VW <= size) {
    v = GET_V(input + at);
    if (masked) v = GET_V(y + at) > 0.0f ? v : (floatv)(0.0f);
    if (count < VW) v = LANES < (INTV)(count) ? v : (floatv)(0.0f);
  } else {
    v = get_some(input + at, count);
    if (masked) v = get_some(y + at, count) > 0.0f ? v : (floatv)(0.0f);
  }
  return v;
}

// Rows [top, top + rows) and columns [left, left + columns) of the plane at input[plane], zero outside
// it, to stage + shift, with room for a vector behind each row. `shift` aligns the first column of an image.
// Without `borders` the columns outside are zero already.
inline void stage_tile(global const element* restrict input, global const element* restrict y,
                       const int masked, const long plane, const long size, const int in_h,
                       const int in_w, const int top, const int left, const int rows,
                       const int columns, local float* stage, const int pitch, const int shift,
                       const int borders) {
  const int lo = clamp(-left, 0, columns);
  const int hi = clamp(in_w - left, lo, columns);
  for (int r = 0; r < rows; ++r, stage += IW * pitch) {
    const int row = top + r;
    if (row < 0 || row >= in_h) {
      for (int t = 0; t < IW * pitch; t += VW) STORE_V((floatv)(0.0f), stage + t);
    } else {
      const long line = plane + (long)row * in_w + left;
#if IW == 1
      if (borders) {
        for (int t = 0; t < lo; t += VW) STORE_V((floatv)(0.0f), stage + shift + t);
        for (int t = hi; t < columns; t += VW) STORE_V((floatv)(0.0f), stage + shift + t);
      }
      if (hi - lo >= VW) {
        // The last vector overlaps the one before.
        for (int t = lo; t < hi; t += VW) {
          const int at = min(t, hi - VW);
          floatv v = GET_V(input + line + at);
          if (masked) v = GET_V(y + line + at) > 0.0f ? v : (floatv)(0.0f);
          STORE_V(v, stage + shift + at);
        }
      } else if (lo < hi) {
        STORE_V(load_first(input, y, masked, line + lo, hi - lo, size), stage + shift + lo);
      }
#elif IW == 2
      for (int phase = 0; borders && phase < 2; ++phase) {
        local float* start = stage + shift + phase * pitch;
        for (int t = 0; 2 * t < lo; t += VW) STORE_V((floatv)(0.0f), start + t);
        for (int t = (hi - phase + 1) / 2; 2 * t < columns; t += VW) {
          STORE_V((floatv)(0.0f), start + t);
        }
      }
      // Two vectors at `t`, which is as far from lo as twice `half_way`.
#define STAGE_PAIR(a, b, half_way)        \
  {                                       \
    floatv even, odd;                     \
    even.lo = (a).even;                   \
    even.hi = (b).even;                   \
    odd.lo = (a).odd;                     \
    odd.hi = (b).odd;                     \
    STORE_V(even, first + (half_way));    \
    STORE_V(odd, second + (half_way));    \
  }
      local float* first = stage + shift + (lo & 1) * pitch + lo / 2;
      local float* second = stage + shift + (~lo & 1) * pitch + (lo + 1) / 2;
      int t = lo;
      for (; hi - t >= 2 * VW; t += 2 * VW) {
        floatv a = GET_V(input + line + t);
        floatv b = GET_V(input + line + t + VW);
        if (masked) {
          a = GET_V(y + line + t) > 0.0f ? a : (floatv)(0.0f);
          b = GET_V(y + line + t + VW) > 0.0f ? b : (floatv)(0.0f);
        }
        STAGE_PAIR(a, b, (t - lo) / 2)
      }
      if (t < hi) {
        const floatv a = load_first(input, y, masked, line + t, hi - t, size);
        const floatv b = hi - t > VW
                             ? load_first(input, y, masked, line + t + VW, hi - t - VW, size)
                             : (floatv)(0.0f);
        STAGE_PAIR(a, b, (t - lo) / 2)
      }
#else
      for (int t = 0; t < columns; ++t) {
        const int counts = t >= lo && t < hi && (!masked || GET(y, line + t) > 0.0f);
        stage[shift + t % IW * pitch + t / IW] = counts ? GET(input, line + t) : 0.0f;
      }
#endif
    }
  }
}
#endif
#endif  // VW

#if defined(RB) && STAGE
// ---- rows ----------------------------------------------------------------------------------------
//
//   staged input                    registers, floatv each
//     row r   [ VW columns ]  q       acc[RB rows][RW], KH*KW weights
//
// One work-item per work-group, `span` tiles each. A block of RB result rows goes over the staged rows
// that its taps meet; each vector of them is loaded once per column shift q and used by up to KH rows
// (UNROLL). Otherwise (large or much dilated filters) each tap loads RB vectors.
// Blocks, tiles and vectors that do not fit move back over what is there already and compute it again,
// which spares the inner loops all conditions; where results add up, in place or in sums, they are cut instead.
// More than one input plane per result plane (MULTI; data gradient with a channel multiplier) adds up in
// `sums`, behind the stage.

#define WHOLE_BLOCKS (!ACCUMULATE && !MULTI)

// The first `count` results.
inline void store_results(const floatv sum, global const element* r, global element* at, const int count) {
#if RESIDUAL
  const floatv value = sum + get_some(r, count);
#else
  const floatv value = sum;
#endif
#if ACCUMULATE
  put_first(ACTIVATE(value) + get_some(at, count), count, at);
#else
  put_first(ACTIVATE(value), count, at);
#endif
}

// Columns [column, ...) of a result row that ends at `width`: VW steps of RW. `spare`: elements behind
// the row that will be written later anyway.
inline void store_steps(const floatv* acc, global const element* r, global element* row, const int column,
                        const int width, const int spare) {
#if RW == 1
  store_results(acc[0], r + column, row + column, width - column + spare);
#else
  const floatv lo = interleave_lo(acc[0], acc[1]);
  const floatv hi = interleave_hi(acc[0], acc[1]);
  store_results(lo, r + column, row + column, width - column);
  if (width - column > VW) {
    store_results(hi, r + column + VW, row + column + VW, width - column - VW);
  }
#endif
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_rows(global const element* restrict x, global const element* restrict y_mask,
                    global const element* restrict weights, global const element* restrict b,
                    global const element* restrict r, global element* restrict result, int groups, int channels, int filters, int in_h,
                    int in_w, long in_size, int top, int left, int res_h, int res_w, int steps_h,
                    int steps_w, int tile_h, int tile_w, int tiles_x, int tiles, long units, int span,
                    int pitch, int shift, int stage_floats, int sums_pitch) {
  local float memory[STAGE_FLOATS] __attribute__((aligned(64)));
#if MULTI
  local float* sums = memory + stage_floats;
#endif
  const long first_unit = (long)get_group_id(0) * span;
  const long last_unit = min(first_unit + span, units);
  for (long unit = first_unit; unit < last_unit; ++unit) {
    const int tile = (int)(unit % tiles);
    const long plane = unit / tiles;
    const int group_index = (int)(plane % groups);
    const int first_a = tile / tiles_x * tile_h;
    const int a0 = WHOLE_BLOCKS ? min(first_a, max(0, steps_h - tile_h)) : first_a;
    const int b0 = tile % tiles_x * tile_w;
    const int rows = min(tile_h, steps_h - a0);
    const int columns = min(tile_w, steps_w - b0);
    // A single vector that does not fit its row writes on into the next rows, if they are still to come.
    const int last_overlaps = WHOLE_BLOCKS && columns > VW;
    const int spare_rows =
        RH * RW > 1 ? 0 : WHOLE_BLOCKS && columns == steps_w && columns <= VW;
    for (int channel = 0; channel < channels; ++channel) {
      stage_tile(x, y_mask, MASK, (plane * channels + channel) * in_h * in_w, in_size, in_h, in_w,
                 top + a0 * IH, left + b0 * IW, (rows - 1) * IH + REACH_H + 1,
                 (columns - 1) * IW + REACH_W + 1, memory, pitch, shift,
                 tiles > 1 || unit == first_unit);
      for (int filter = 0; filter < filters; ++filter) {
        const long f = (long)group_index * filters * channels + filter + channel;
        global const element* w = weights + f * (KH * KW);
        const long to = (plane * filters + filter) * res_h * res_w;
        const float start = BIAS_OF(b, group_index * filters + filter);
#if UNROLL
        float weight[KH * KW];
#pragma unroll
        for (int t = 0; t < KH * KW; ++t) weight[t] = GET(w, t);
#endif
        for (int i0 = 0; i0 < rows; i0 += RB) {
          const int i = WHOLE_BLOCKS ? min(i0, rows - RB) : i0;
          local const float* lines = memory + shift + i * IH * IW * pitch;
#if UNROLL
#pragma unroll
          for (int ry = 0; ry < RH; ++ry) {
            for (int j0 = 0; j0 < columns; j0 += VW) {
              const int j = last_overlaps ? min(j0, columns - VW) : j0;
              floatv acc[RB][RW];
#pragma unroll
              for (int t = 0; t < RB * RW; ++t) {
#if MULTI
                if (channel > 0) {
                  acc[t / RW][t % RW] =
                      LOAD_V(sums + (((i + t / RW) * RH + ry) * RW + t % RW) * sums_pitch + j);
                } else
#endif
                  acc[t / RW][t % RW] = (floatv)(start);
              }
#pragma unroll
              for (int p = 0; p <= (RB - 1) * IH + REACH_H; ++p) {
#pragma unroll
                for (int q = 0; q <= REACH_W; ++q) {
                  const floatv in = LOAD_V(lines + (p * IW + q % IW) * pitch + q / IW + j);
#pragma unroll
                  for (int t = 0; t < RB * RW; ++t) {
                    const int u = TAP_ROW(p, t / RW, ry);
                    const int v = TAP_COLUMN(q, t % RW);
                    if (IS_TAP(u, DH, KH) && IS_TAP(v, DW, KW)) {
                      acc[t / RW][t % RW] =
                          fma((floatv)(weight[u / DH * KW + v / DW]), in, acc[t / RW][t % RW]);
                    }
                  }
                }
              }
#pragma unroll
              for (int t = 0; t < RB; ++t) {
#if MULTI
                if (channel + 1 < channels) {
#pragma unroll
                  for (int rx = 0; rx < RW; ++rx) {
                    STORE_V(acc[t][rx],
                            sums + (((i + t) * RH + ry) * RW + rx) * sums_pitch + j);
                  }
                  continue;
                }
#endif
                const int row = (a0 + i + t) * RH + ry;
                if ((WHOLE_BLOCKS || i + t < rows) && (ry == 0 || row < res_h)) {
                  const long at = to + (long)row * res_w;
                  store_steps(acc[t], r + at, result + at, (b0 + j) * RW, res_w,
                              spare_rows * (rows - 1 - i - t) * res_w);
                }
              }
            }
          }
#else
          for (int ry = 0; ry < RH; ++ry) {
            for (int j = 0; j < columns; j += VW) {
              for (int rx = 0; rx < RW; ++rx) {
                floatv acc[RB];
#pragma unroll
                for (int t = 0; t < RB; ++t) {
                  acc[t] = (floatv)(start);
#if MULTI
                  if (channel > 0) {
                    acc[t] = LOAD_V(sums + (((i + t) * RH + ry) * RW + rx) * sums_pitch + j);
                  }
#endif
                }
                __attribute__((opencl_unroll_hint(1)))
                for (int u = 0; u < KH; ++u) {
#if DATA
                  const int from_row = ry + PT_MOD - u * DH;
                  if (from_row % SH != 0) continue;
                  local const float* line = lines + (from_row / SH + BASE_H) * pitch + j;
#else
                  local const float* line = lines + u * DH * IW * pitch + j;
#endif
                  __attribute__((opencl_unroll_hint(1)))
                  for (int v = 0; v < KW; ++v) {
#if DATA
                    const int from_column = rx + PL_MOD - v * DW;
                    if (from_column % SW != 0) continue;
                    local const float* at = line + from_column / SW + BASE_W;
#else
                    local const float* at = line + v * DW % IW * pitch + v * DW / IW;
#endif
                    const floatv weight = (floatv)(GET(w, u * KW + v));
#pragma unroll
                    for (int t = 0; t < RB; ++t) {
                      acc[t] = fma(weight, LOAD_V(at + t * IH * IW * pitch), acc[t]);
                    }
                  }
                }
#pragma unroll
                for (int t = 0; t < RB; ++t) {
#if MULTI
                  if (channel + 1 < channels) {
                    STORE_V(acc[t], sums + (((i + t) * RH + ry) * RW + rx) * sums_pitch + j);
                    continue;
                  }
#endif
                  const int row = (a0 + i + t) * RH + ry;
                  if ((WHOLE_BLOCKS || i + t < rows) && (ry == 0 || row < res_h)) {
#if RW == 1
                    const long at = to + (long)row * res_w;
                    store_steps(acc + t, r + at, result + at, b0 + j, res_w, 0);
#else
                    float values[VW];
                    STORE_V(acc[t], values);
                    const int column = (b0 + j) * RW + rx;
                    for (int lane = 0; lane < VW && column + lane * RW < res_w; ++lane) {
                      const long at = to + (long)row * res_w + column + lane * RW;
                      const float value = values[lane] + RESIDUAL_OF(r, at);
                      PUT(RESULT(GET(result, at), ACTIVATE(value)), result, at);
                    }
#endif
                  }
                }
              }
            }
          }
#endif
        }
      }
    }
  }
}
#endif

#ifdef TH
// ---- channels ------------------------------------------------------------------------------------
//
//   x, channels last                            registers, floatv each
//     TH*SH.. rows x TW*SW.. pixels, VW           acc[TH][TW], KH*KW weights from [tap][channel]
//     channels of each
//
// One work-item per work-group, `span` blocks of TH x TW results each, which it goes through along the channels:
// each vector of x is loaded once for all results that it reaches (UNROLL), or once per tap of large filters. There
// is no copy: pixels outside the image are read at the nearest one inside, and count 0, in blocks at
// the border only. Blocks and vectors that do not fit move back over what is there already: ow >= TW, oh >= TH and
// c >= VW.

#define IN_H ((TH - 1) * SH + REACH_H + 1)
#define IN_W ((TW - 1) * SW + REACH_W + 1)

// `channels` channels from x, w, b, r and y on, the first of the block; (row, column) is what tap (0,0) of its
// first result sees. Inlined, so that `border` is a constant; without `restrict`, which Oclgrind cannot inline.
inline __attribute__((always_inline))
void channels_block(global const element* x, global const float* w, global const element* b,
                    global const element* r, global element* y, const int channels, const int c,
                    const int in_h, const int in_w, const int ow, const int row, const int column,
                    const int border) {
  // Of pixels, from the first that the block sees.
  long row_at[IN_H], column_at[IN_W];
  int row_kept[IN_H], column_kept[IN_W];
#pragma unroll
  for (int p = 0; p < IN_H; ++p) {
    const int inside = border ? clamp(row + p, 0, in_h - 1) : row + p;
    row_at[p] = (long)inside * in_w * c;
    row_kept[p] = inside == row + p ? -1 : 0;
  }
#pragma unroll
  for (int q = 0; q < IN_W; ++q) {
    const int inside = border ? clamp(column + q, 0, in_w - 1) : column + q;
    column_at[q] = (long)inside * c;
    column_kept[q] = inside == column + q ? -1 : 0;
  }
#define X_VECTOR(p, q)                                       \
  floatv in = GET_V(x + row_at[p] + column_at[q] + channel); \
  if (border) in = CLCONV_PASTE(as_float, VW)(CLCONV_PASTE(as_int, VW)(in) & (row_kept[p] & column_kept[q]));
  for (int first = 0; first < channels; first += VW) {
    const int channel = min(first, channels - VW);
    floatv acc[TH][TW];
#if BIAS
    const floatv start = GET_V(b + channel);
#else
    const floatv start = (floatv)(0.0f);
#endif
#pragma unroll
    for (int t = 0; t < TH * TW; ++t) acc[t / TW][t % TW] = start;
#if UNROLL
    floatv weight[KH * KW];
#pragma unroll
    for (int t = 0; t < KH * KW; ++t) weight[t] = LOAD_V(w + (long)t * c + channel);
#pragma unroll
    for (int p = 0; p < IN_H; ++p) {
#pragma unroll
      for (int q = 0; q < IN_W; ++q) {
        X_VECTOR(p, q)
#pragma unroll
        for (int t = 0; t < TH * TW; ++t) {
          const int u = p - t / TW * SH;
          const int v = q - t % TW * SW;
          if (IS_TAP(u, DH, KH) && IS_TAP(v, DW, KW)) {
            acc[t / TW][t % TW] = fma(weight[u / DH * KW + v / DW], in, acc[t / TW][t % TW]);
          }
        }
      }
    }
#else
    __attribute__((opencl_unroll_hint(1)))
    for (int u = 0; u < KH; ++u) {
      __attribute__((opencl_unroll_hint(1)))
      for (int v = 0; v < KW; ++v) {
        const floatv weight = LOAD_V(w + (long)(u * KW + v) * c + channel);
#pragma unroll
        for (int t = 0; t < TH * TW; ++t) {
          X_VECTOR(t / TW * SH + u * DH, t % TW * SW + v * DW)
          acc[t / TW][t % TW] = fma(weight, in, acc[t / TW][t % TW]);
        }
      }
    }
#endif
#pragma unroll
    for (int t = 0; t < TH * TW; ++t) {
      const long at = ((long)(t / TW) * ow + t % TW) * c + channel;
#if RESIDUAL
      const floatv value = acc[t / TW][t % TW] + GET_V(r + at);
#else
      const floatv value = acc[t / TW][t % TW];
#endif
      PUT_V(ACTIVATE(value), y + at);
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_channels(global const element* restrict x, global const float* restrict w,
                        global const element* restrict b, global const element* restrict r,
                        global element* restrict y, int c, int chunk, int chunks, int in_h, int in_w,
                        int pt, int pl, int oh, int ow, int blocks_h, int blocks_w, long units, long span) {
  const long first_unit = get_group_id(0) * span;
  const long last_unit = min(first_unit + span, units);
  for (long unit = first_unit; unit < last_unit; ++unit) {
    const int first = min((int)(unit % chunks) * chunk, c - chunk);
    const long block = unit / chunks;
    const int j = min((int)(block % blocks_w) * TW, ow - TW);
    const int i = min((int)(block / blocks_w % blocks_h) * TH, oh - TH);
    const long image = block / blocks_w / blocks_h;
    const int row = i * SH - pt;
    const int column = j * SW - pl;
    const long from = image * in_h * in_w * c + first;
    const long to = ((image * oh + i) * ow + j) * c + first;
    if (row >= 0 && column >= 0 && row + IN_H <= in_h && column + IN_W <= in_w) {
      channels_block(x + from, w + first, b + first, r + to, y + to, chunk, c, in_h, in_w, ow, row,
                     column, 0);
    } else {
      channels_block(x + from, w + first, b + first, r + to, y + to, chunk, c, in_h, in_w, ow, row,
                     column, 1);
    }
  }
}
#endif  // TH

#ifdef TAPS
// ---- weight gradients on CPUs --------------------------------------------------------------------
//
// One work-item per filter (and chunk of TAPS taps of a row, where they are not all in registers) and
// part of all images. Vectors of ROWS rows of dy meet x at each tap's place: acc[tap] += dy * x, with each x loaded once
// for all of the rows; lanes are added at the end. PARTS: the result is floats that sum_parts will add up.

#if PARTS
typedef float result_element;
#else
typedef element result_element;
#endif

inline float sum_of_lanes(const floatv v) {
#if VW == 16
  const float8 v8 = v.lo + v.hi;
#elif VW == 8
  const float8 v8 = v;
#endif
#if VW >= 8
  const float4 v4 = v8.lo + v8.hi;
#else
  const float4 v4 = v;
#endif
  const float2 v2 = v4.lo + v4.hi;
  return v2.x + v2.y;
}

inline void store_sums(const floatv* acc, global result_element* restrict result, const long at) {
#pragma unroll
  for (int t = 0; t < TAPS; ++t) {
    const float sum = sum_of_lanes(acc[t]);
#if PARTS
    result[at + t] = sum;
#else
    PUT(RESULT(GET(result, at + t), sum), result, at + t);
#endif
  }
}

#if !STAGE
// ---- weights_planes: all taps in registers -------------------------------------------------------
//
// Each result counts once: where blocks and vectors overlap, by SHIFT at the beginning and by TWICE_H, TWICE_W in
// all, the first and the last are cut.

ALWAYS_INLINE void add_block(floatv* acc, global const element* x, const long from, global const element* dy,
                             global const element* y, const long gradient, const int in_w, const int ow,
                             const int top, const int bottom, const int left, const int right) {
  const int first = bottom && !top ? TWICE_H - SHIFT_H : 0;
  const int last = top && !bottom ? ROWS - SHIFT_H : ROWS;
  const int first_lane = right && !left ? TWICE_W - SHIFT_W : 0;
  const int last_lane = left && !right ? VW - SHIFT_W : VW;
  const INTV lanes = DEAL(LANES);
  // Of columns that are still to be moved by n.
#define COUNTED(v, n)                                                                        \
  (first_lane > 0           ? (lanes >= first_lane ? (v) : (floatv)(0.0f))                   \
   : last_lane - (n) < VW   ? (lanes < last_lane - (n) ? (v) : (floatv)(0.0f))               \
                            : (v))
  // The gradient is moved back, not the columns forth: once a row of it.
  floatv g[MOST_MOVES + 1][ROWS];
#pragma unroll
  for (int t = 0; t < ROWS; ++t) {
    if (t < first || t >= last) continue;
    const long at = gradient + (long)t * ow;
#if MASK
    const floatv all = GET_V(dy + at);
    const floatv v = DEAL(GET_V(y + at) > 0.0f ? all : (floatv)(0.0f));
#else
    const floatv v = DEAL(GET_V(dy + at));
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
      // Not 0 * x: what has been counted may be infinite.
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

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_weights_planes(global const element* restrict x, global const element* restrict dy,
                              global const element* restrict y_mask, global result_element* restrict result,
                              int groups, int filters, int in_h, int in_w, int oh, int ow,
                              long images, long span, long part_stride) {
  const int blocks = (oh + ROWS - 1) / ROWS;
  const long planes = (long)groups * filters;
  const long filter = get_group_id(0) % planes;
  const long part = get_group_id(0) / planes;
  floatv acc[TAPS];
#pragma unroll
  for (int t = 0; t < TAPS; ++t) acc[t] = (floatv)(0.0f);
  for (long image = part * span; image < min((part + 1) * span, images); ++image) {
    const long from = (image * groups + filter / filters) * in_h * in_w - (long)TOP * in_w - LEFT;
    const long gradient = (image * planes + filter) * oh * ow;
    for (int block = 0; block < blocks; ++block) {
#define ADD_BLOCK(i, j, top, bottom, left, right)                                                \
  add_block(acc, x, from + (long)(i) * IH * in_w + (long)(j) * IW, dy, y_mask,                   \
            gradient + (long)(i) * ow + (j), in_w, ow, top, bottom, left, right);
      FOR_BLOCK(block, blocks, oh, ow, ADD_BLOCK)
    }
  }
  store_sums(acc, result, part * part_stride + filter * TAPS);
}
#else
// ---- weights_rows --------------------------------------------------------------------------------

// `count` rows (a constant) of dy times what they see of x, VW columns from j on, of which `left` are there.
inline void add_vectors(floatv* acc, global const element* restrict dy,
                        global const element* restrict y, const long gradient, const int ow,
                        const int left, const long dy_size, local const float* lines,
                        const int pitch, const int count, const int whole, const int u0,
                        const int v0) {
  floatv g[ROWS];
#pragma unroll
  for (int t = 0; t < ROWS; ++t) {
    if (t >= count) continue;
    const long at = gradient + (long)t * ow;
    if (whole) {
      g[t] = GET_V(dy + at);
#if MASK
      g[t] = GET_V(y + at) > 0.0f ? g[t] : (floatv)(0.0f);
#endif
    } else {
      g[t] = load_first(dy, y, MASK, at, left, dy_size);
    }
  }
#if ALL_TAPS
#pragma unroll
  for (int r = 0; r <= (ROWS - 1) * IH + REACH_H; ++r) {
#pragma unroll
    for (int v = 0; v < KW; ++v) {
      floatv in = LOAD_V(lines + (r * IW + v * DW % IW) * pitch + v * DW / IW);
      // Not 0 * x: what no output sees may be infinite.
      if (!whole) in = LANES < (INTV)(left) ? in : (floatv)(0.0f);
#pragma unroll
      for (int t = 0; t < ROWS; ++t) {
        const int u = TAP_ROW(r, t, 0);
        if (t < count && IS_TAP(u, DH, KH)) {
          acc[u / DH * KW + v] = fma(g[t], in, acc[u / DH * KW + v]);
        }
      }
    }
  }
#else
#pragma unroll
  for (int v = 0; v < TAPS; ++v) {
    const int column = (v0 + v) * DW;
    floatv in = LOAD_V(lines + (u0 * DH * IW + column % IW) * pitch + column / IW);
    if (!whole) in = LANES < (INTV)(left) ? in : (floatv)(0.0f);
    acc[v] = fma(g[0], in, acc[v]);
  }
#endif
}

inline void add_rows(floatv* acc, global const element* restrict dy, global const element* restrict y,
                     const long gradient, const int ow, const int columns, const long dy_size,
                     local const float* lines, const int pitch, const int count, const int u0,
                     const int v0) {
  int j = 0;
  for (; j + VW <= columns; j += VW) {
    add_vectors(acc, dy, y, gradient + j, ow, VW, dy_size, lines + j, pitch, count, 1, u0, v0);
  }
  if (j < columns) {
    add_vectors(acc, dy, y, gradient + j, ow, columns - j, dy_size, lines + j, pitch, count, 0, u0,
                v0);
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_weights_rows(global const element* restrict x, global const element* restrict dy,
                            global const element* restrict y_mask, global result_element* restrict result,
                            int groups, int filters, int in_h, int in_w, long in_size, long dy_size,
                            int top, int left, int oh, int ow, int tile_h, int tile_w, int tiles_x,
                            int tiles, long units, long span, int pitch, int shift,
                            long part_stride) {
  local float memory[STAGE_FLOATS] __attribute__((aligned(64)));
  const int chunks_w = ALL_TAPS ? 1 : (KW + TAPS - 1) / TAPS;
  const int chunks = ALL_TAPS ? 1 : KH * chunks_w;
  const long id = get_group_id(0);
  const int chunk = (int)(id % chunks);
  const int filter = (int)(id / chunks % ((long)groups * filters));
  const long part = id / chunks / ((long)groups * filters);
  const int u0 = chunk / chunks_w;
  const int v0 = max(0, min(chunk % chunks_w * TAPS, KW - TAPS));
  const long first_unit = part * span;
  const long last_unit = min(first_unit + span, units);

  floatv acc[TAPS];
#pragma unroll
  for (int t = 0; t < TAPS; ++t) acc[t] = (floatv)(0.0f);
  for (long unit = first_unit; unit < last_unit; ++unit) {
    const int tile = (int)(unit % tiles);
    const long image = unit / tiles;
    const int a0 = tile / tiles_x * tile_h;
    const int b0 = tile % tiles_x * tile_w;
    const int rows = min(tile_h, oh - a0);
    const int columns = min(tile_w, ow - b0);
    stage_tile(x, x, 0, (image * groups + filter / filters) * in_h * in_w, in_size, in_h, in_w,
               top + a0 * IH, left + b0 * IW, (rows - 1) * IH + REACH_H + 1,
               (columns - 1) * IW + REACH_W + 1, memory, pitch, shift,
               tiles > 1 || unit == first_unit);
    const long gradient = (image * groups * filters + filter) * oh * ow + (long)a0 * ow + b0;
    int i = 0;
    for (; i + ROWS <= rows; i += ROWS) {
      add_rows(acc, dy, y_mask, gradient + (long)i * ow, ow, columns, dy_size,
               memory + shift + i * IH * IW * pitch, pitch, ROWS, u0, v0);
    }
    for (; i < rows; ++i) {
      add_rows(acc, dy, y_mask, gradient + (long)i * ow, ow, columns, dy_size,
               memory + shift + i * IH * IW * pitch, pitch, 1, u0, v0);
    }
  }
  store_sums(acc, result, part * part_stride + (long)filter * (KH * KW) + u0 * KW + v0);
}
#endif
#endif  // TAPS

#ifdef TY
// ---- direct --------------------------------------------------------------------------------------
//
//     neighbouring work-items: neighbouring columns of a row of results, so that their reads and writes
//     | | | |   coalesce; each goes down TY rows of a forward convolution and keeps what it reads of the
//     v v v v   input in registers for all of them. Channels last: neighbouring channels of a pixel.

kernel void depthwise_direct(global const element* restrict x, global const element* restrict y_mask,
                             global const element* restrict weights, global const element* restrict b,
                             global const element* restrict r, global element* restrict result, int groups, int channels, int filters,
                             int in_h, int in_w, int pt, int pl, int res_h, int res_w,
                             int row_blocks, long items) {
  const long id = get_global_id(0);
  if (id >= items) return;
#if NHWC
  const int f = (int)(id % ((long)groups * filters));
  const long pixel = id / ((long)groups * filters);
  const int column = (int)(pixel % res_w);
  const int row0 = (int)(pixel / res_w % row_blocks) * TY;
  const long image = pixel / res_w / row_blocks;
  const long step = (long)groups * filters;  // from one pixel of the result to the next
  const long to = ((image * res_h + row0) * res_w + column) * step + f;
#else
  const int column = (int)(id % res_w);
  const int row0 = (int)(id / res_w % row_blocks) * TY;
  const long plane = id / res_w / row_blocks;  // of the result
  const int f = (int)(plane % ((long)groups * filters));
  const long step = 1;
  const long to = plane * res_h * res_w + (long)row0 * res_w + column;
#endif
  float acc[TY];
#pragma unroll
  for (int t = 0; t < TY; ++t) acc[t] = 0.0f;
#if DATA
  for (int channel = 0; channel < channels; ++channel) {
    const long from_plane = (plane * channels + channel) * in_h * in_w;
    global const element* w = weights + ((long)f * channels + channel) * (KH * KW);
    for (int u = 0; u < KH; ++u) {
      for (int v = 0; v < KW; ++v) {
        const int q = column + pl - v * DW;
        const int j = q / SW;
        if (q >= 0 && j * SW == q && j < in_w) {
#pragma unroll
          for (int t = 0; t < TY; ++t) {
            const int p = row0 + t + pt - u * DH;
            const int i = p / SH;
            if (p >= 0 && i * SH == p && i < in_h) {
              acc[t] = MULTIPLY_ADD(MASKED(x, y_mask, from_plane + (long)i * in_w + j),
                                    GET(w, u * KW + v), acc[t]);
            }
          }
        }
      }
    }
  }
#else
#if NHWC
  global const element* from = x + image * in_h * in_w * groups + f / filters;
  const long from_step = groups;
#else
  global const element* from = x + plane / filters * in_h * in_w;
  const long from_step = 1;
#endif
  global const element* w = weights + (long)f * (KH * KW);
  // Row p of the input meets row t of the results by tap (p - t*SH)/DH; a single row meets every DH-th.
#if UNROLL
#pragma unroll
#endif
  for (int p = 0; p <= (TY - 1) * SH + REACH_H; p += TY == 1 ? DH : 1) {
    const int i = row0 * SH - pt + p;
#if UNROLL
#pragma unroll
#endif
    for (int v = 0; v < KW; ++v) {
      const int j = column * SW - pl + v * DW;
      const int inside = i >= 0 && i < in_h && j >= 0 && j < in_w;
      const float in = inside ? GET(from, ((long)i * in_w + j) * from_step) : 0.0f;
#pragma unroll
      for (int t = 0; t < TY; ++t) {
        const int u = TAP_ROW(p, t, 0);
        // Outside the image nothing is added, as infinite weights would show.
        if (IS_TAP(u, DH, KH) && inside) {
          acc[t] = MULTIPLY_ADD(in, GET(w, u / DH * KW + v), acc[t]);
        }
      }
    }
  }
#endif
#pragma unroll
  for (int t = 0; t < TY; ++t) {
    if (row0 + t < res_h) {
      const long at = to + (long)t * res_w * step;
      const float value = acc[t] + BIAS_OF(b, f) + RESIDUAL_OF(r, at);
      PUT(RESULT(GET(result, at), ACTIVATE(value)), result, at);
    }
  }
}
#endif  // TY

#ifdef ITEMS
// ---- weights_direct ------------------------------------------------------------------------------
//
// One work-group per filter and tap; neighbouring work-items take neighbouring pixels, every ITEMS-th
// of all images. Their sums meet in local memory, halving the work-items that add.

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void depthwise_weights_direct(global const element* restrict x, global const element* restrict dy,
                              global const element* restrict y_mask, global element* restrict result,
                              int images, int groups, int filters, int in_h, int in_w, int pt,
                              int pl, int oh, int ow) {
  local float sums[ITEMS];
  const long id = get_group_id(0);
  const int v = (int)(id % KW);
  const int u = (int)(id / KW % KH);
  const int filter = (int)(id / (KW * KH));
  const int item = get_local_id(0);
  float sum = 0.0f;
  for (int image = 0; image < images; ++image) {
    global const element* from = x + ((long)image * groups + filter / filters) * in_h * in_w;
    const long gradient = ((long)image * groups * filters + filter) * oh * ow;
    float image_sum = 0.0f;
    for (int pixel = item; pixel < oh * ow; pixel += ITEMS) {
      const int i = pixel / ow * SH - pt + u * DH;
      const int j = pixel % ow * SW - pl + v * DW;
      if (i >= 0 && i < in_h && j >= 0 && j < in_w) {
        image_sum = MULTIPLY_ADD(MASKED(dy, y_mask, gradient + pixel),
                                 GET(from, (long)i * in_w + j), image_sum);
      }
    }
    sum += image_sum;
  }
  sums[item] = sum;
  for (int half_of = ITEMS / 2; half_of > 0; half_of /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item < half_of) sums[item] += sums[item + half_of];
  }
  if (item == 0) PUT(RESULT(GET(result, id), sums[0]), result, id);
}
#endif  // ITEMS
