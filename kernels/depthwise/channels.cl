// parts: depthwise_taps vectors prefetch stream epilogue
// Depthwise convolution on CPUs, vectors along the channels: forward, channels last, as many filters as channels.
//
//   x, channels last                            registers, floatv each
//     TH*SH.. rows x TW*SW.. pixels, VW           acc[TH][TW], KH*KW weights from [tap][channel]
//     channels of each
//
// One work-item per work-group, `stacks_per_work_group` stacks each. A stack is the tiles of TH x TW results of
// `stack_channels` channels, a vector of channels each. A vector of x is loaded once for all results that it reaches
// (UNROLL), once per row of the filter, whose weights are in registers (BY_ROWS), or with large filters once per tap.
// Nothing is copied: pixels outside the image are read at the nearest one inside and count as 0, in stacks at the
// border only; BY_ROWS leaves out rows outside.
// Stacks and tiles at the end overlap their neighbours: oh >= TH, ow >= TW and c >= VW.
//
// With AHEAD what the tiles below see is prefetched, and the results to the right unless they are streamed.
//
// Macros: VW TH TW, UNROLL, BY_ROWS, AHEAD (0 or 1), LEFT, RIGHT (the most columns of padding that results see), STREAM
// (then c is a multiple of LINE); KH KW SH SW DH DW, DATA=0, and those of the epilogue. All other sizes are arguments.
// The weights are prepared: floats, channels last.

#define IN_H ((TH - 1) * SH + REACH_H + 1)
#define IN_W ((TW - 1) * SW + REACH_W + 1)
#define LINE (64 / (int)sizeof(element))  // elements
// Vectors whose results are stored together: those of a cache line where they are streamed.
#define TOGETHER (STREAM ? LINE / VW : 1)

// The pixels that a stack sees: offsets of rows and columns, and 0 for those that do not count, else -1.
typedef struct {
  long row_at[IN_H], column_at[IN_W];
  int row_kept[IN_H], column_kept[IN_W];
  long first;  // offset of the first column, which may not count
} Seen;

ALWAYS_INLINE void find_seen(Seen* seen, const int c, const int in_h, const int in_w, const int row, const int column,
                             const int border) {
#pragma unroll
  for (int p = 0; p < IN_H; ++p) {
    const int inside = border || BY_ROWS ? clamp(row + p, 0, in_h - 1) : row + p;
    seen->row_at[p] = (long)inside * in_w * c;
    seen->row_kept[p] = inside == row + p ? -1 : 0;
  }
  seen->first = (long)column * c;
#pragma unroll
  for (int q = 0; q < IN_W; ++q) {
    const int inside = border ? clamp(column + q, 0, in_w - 1) : column + q;
    seen->column_at[q] = (long)inside * c;
    seen->column_kept[q] = inside == column + q ? -1 : 0;
  }
}

#if BY_ROWS
// acc += a row of the filter, whose weights are at w, times the row of pixels at x. Of its pixels, only the first LEFT
// and the last RIGHT can lie outside the image.
ALWAYS_INLINE void multiply_row(floatv acc[TW], global const element* x, global const float* w, const Seen* seen,
                                const int c, const int border) {
  floatv weight[KW];
#pragma unroll
  for (int v = 0; v < KW; ++v) weight[v] = LOAD_V(w + (long)v * c);
  global const element* pixel = x + seen->first;
#pragma unroll
  for (int q = 0; q < IN_W; ++q, pixel += c) {
    const int outside = border && (q < LEFT || q >= IN_W - RIGHT);
    floatv in = GET_V(outside ? x + seen->column_at[q] : pixel);
    if (outside) in = CLCONV_PASTE(as_float, VW)(CLCONV_PASTE(as_int, VW)(in) & seen->column_kept[q]);
#pragma unroll
    for (int t = 0; t < TW; ++t) {
      const int v = q - t * SW;
      if (IS_TAP(v, DW, KW)) acc[t] = fma(weight[v / DW], in, acc[t]);
    }
  }
}
#endif

// acc += the taps of VW channels, c apart from `w` on, times their pixels, whose first channel is at x.
#define X_VECTOR(p, q)                                          \
  floatv in = GET_V(x + seen->row_at[p] + seen->column_at[q]); \
  if (border) {                                                 \
    in = CLCONV_PASTE(as_float, VW)(CLCONV_PASTE(as_int, VW)(in) & (seen->row_kept[p] & seen->column_kept[q])); \
  }
ALWAYS_INLINE void multiply_taps(floatv acc[TH][TW], global const element* x, global const float* w, const Seen* seen,
                                 const int c, const int border) {
#if BY_ROWS
#pragma unroll
  for (int i = 0; i < TH; ++i) {
    __attribute__((opencl_unroll_hint(1)))
    for (int u = 0; u < KH; ++u) {
      const int p = i * SH + u * DH;
      if (seen->row_kept[p]) multiply_row(acc[i], x + seen->row_at[p], w + (long)(u * KW) * c, seen, c, border);
    }
  }
#elif UNROLL
  floatv weight[KH * KW];
#pragma unroll
  for (int t = 0; t < KH * KW; ++t) weight[t] = LOAD_V(w + (long)t * c);
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
      const floatv weight = LOAD_V(w + (long)(u * KW + v) * c);
#pragma unroll
      for (int t = 0; t < TH * TW; ++t) {
        X_VECTOR(t / TW * SH + u * DH, t % TW * SW + v * DW)
        acc[t / TW][t % TW] = fma(weight, in, acc[t / TW][t % TW]);
      }
    }
  }
#endif
}

// A cache line of channels from x and y on: of the rows that the next row of tiles sees beyond this one, and of the
// results right of this tile. No hardware prefetcher foresees either.
ALWAYS_INLINE void prefetch_next(global const element* x, global const element* y, const int c, const int in_w,
                                 const int ow, const int row, const int column, const int streamed) {
#pragma unroll
  for (int p = 0; p < TH * SH; ++p) {
#pragma unroll
    for (int q = 0; q < TW * SW; ++q) PREFETCH(x + ((long)(row + IN_H + p) * in_w + column + q) * c);
  }
  if (streamed) return;
#pragma unroll
  for (int t = 0; t < TH * TW; ++t) PREFETCH_TO_WRITE(y + ((long)(t / TW) * ow + TW + t % TW) * c);
}

// The results of a vector of channels; x, w, b, r and slopes point to the first channel.
ALWAYS_INLINE void channels_vector(floatv results[TH * TW], global const element* x, global const float* w,
                                   global const element* b, global const element* r, global const element* slopes,
                                   const Seen* seen, const int c, const int ow, const int border) {
  floatv acc[TH][TW];
#if BIAS
  const floatv start = GET_V(b);
#else
  const floatv start = (floatv)(0.0f);
#endif
  const floatv slope = slopes_some(slopes, VW);
#pragma unroll
  for (int t = 0; t < TH * TW; ++t) acc[t / TW][t % TW] = start;
  multiply_taps(acc, x, w, seen, c, border);
#pragma unroll
  for (int t = 0; t < TH * TW; ++t) {
#if RESIDUAL
    const floatv value = acc[t / TW][t % TW] + GET_V(r + ((long)(t / TW) * ow + t % TW) * c);
#else
    const floatv value = acc[t / TW][t % TW];
#endif
    results[t] = ACTIVATE(value, slope);
  }
}

// Computes `channels` channels of a stack; x, w, b, r, slopes and y point to the first of them. (row, column) is what
// tap (0,0) of the first result sees. Inlined, so that `border` is a constant; without `restrict`, which Oclgrind
// cannot inline.
ALWAYS_INLINE void channels_stack(global const element* x, global const float* w, global const element* b,
                    global const element* r, global const element* slopes, global element* y,
                    const int channels, const int c, const int in_h, const int in_w, const int ow,
                    const int row, const int column, const int border, const int streamed) {
  Seen seen;
  find_seen(&seen, c, in_h, in_w, row, column, border);
  for (int first = 0; first < channels; first += TOGETHER * VW) {
    const int channel = min(first, channels - TOGETHER * VW);
    if (AHEAD && first % LINE == 0) {
      prefetch_next(x + channel, y + channel, c, in_w, ow, row, column, streamed);
    }
    floatv results[TOGETHER][TH * TW];
#pragma unroll
    for (int v = 0; v < TOGETHER; ++v) {
      const int at = channel + v * VW;
      channels_vector(results[v], x + at, w + at, b + at, r + at, slopes + at, &seen, c, ow, border);
    }
#pragma unroll
    for (int t = 0; t < TH * TW; ++t) {
#pragma unroll
      for (int v = 0; v < TOGETHER; ++v) {
        PUT_STREAMED(streamed, results[v][t], y + ((long)(t / TW) * ow + t % TW) * c + channel + v * VW)
      }
    }
  }
}

#define PARAMETERS \
  global const element* restrict x, global const float* restrict w, \
  global const element* restrict b, global const element* restrict r, \
  global element* restrict y, int c, int stack_channels, int channel_stacks, int in_h, \
  int in_w, int pt, int pl, int oh, int ow, int tiles_h, int tiles_w, long all_stacks, \
  long stacks_per_work_group SLOPES_PARAMETER
#define ARGUMENTS \
  x, w, b, r, y, c, stack_channels, channel_stacks, in_h, in_w, pt, pl, oh, ow, tiles_h, \
  tiles_w, all_stacks, stacks_per_work_group SLOPES_ARGUMENT

NOT_INLINED void depthwise_channels_item(const long id, PARAMETERS) {
  const long first_index = id * stacks_per_work_group;
  const long last_index = min(first_index + stacks_per_work_group, all_stacks);
  const int streamed = IS_ALIGNED(y, 64);
  for (long index = first_index; index < last_index; ++index) {
    const int first = min((int)(index % channel_stacks) * stack_channels, c - stack_channels);
    const long place = index / channel_stacks;
    const int j = min((int)(place % tiles_w) * TW, ow - TW);
    const int i = min((int)(place / tiles_w % tiles_h) * TH, oh - TH);
    const long image = place / tiles_w / tiles_h;
    const int row = i * SH - pt;
    const int column = j * SW - pl;
    const long from = image * in_h * in_w * c + first;
    const long to = ((image * oh + i) * ow + j) * c + first;
    const int rows_inside = BY_ROWS || (row >= 0 && row + IN_H <= in_h);
    if (rows_inside && column >= 0 && column + IN_W <= in_w) {
      channels_stack(x + from, w + first, b + first, r + to, SLOPES_PASSED + first, y + to, stack_channels, c, in_h,
                     in_w, ow, row, column, 0, streamed);
    } else {
      channels_stack(x + from, w + first, b + first, r + to, SLOPES_PASSED + first, y + to, stack_channels, c, in_h,
                     in_w, ow, row, column, 1, streamed);
    }
  }
  END_STREAM
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_channels(PARAMETERS) {
  depthwise_channels_item(get_group_id(0), ARGUMENTS);
}
