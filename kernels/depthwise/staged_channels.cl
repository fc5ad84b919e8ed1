// parts: depthwise_taps vectors prefetch epilogue
// Depthwise convolution on CPUs, vectors along the channels: forward, channels last, as many filters as channels. What
// a section of the results sees is copied to local memory first.
//
//   x, channels last               local memory, CV times                registers, floatv each
//     VW channels of pixels          [row][column][VW floats]              acc[TH][TW], a weight
//       . . . . .   padding            0 0 0 0 0
//     . +-------+ .                    0 a b c 0                   a tile, for each tap: its weight is loaded once, a
//     . | a b c | .        -->         0 d e f 0                   pixel is an operand in memory of a multiply-add
//     . +-------+ .                    0 0 0 0 0
//
// One work-item per work-group, `sections_per_work_group` sections each. A section is `rows` x `columns` results of an
// image and the CV vectors of channels that share a cache line of x. These are staged together, row by row, shortly
// before the first tile that sees the row. What the next tiles see is prefetched. The zeroes of the padding, and what
// lies outside x, are stored once for all channels of a place.
//
// The loops over the taps are not unrolled: LLVM 14 would load a pixel once for all taps that see it, and spill
// (n1c96h56w56k96kh7kw7p3g96 with the inner one unrolled: 249 us, 222 without; 2-core Zen 3, 2026-11).
//
// Tiles and sections at the end overlap their neighbours, and so do vectors: oh >= TH, ow >= TW and c >= VW.
//
// Macros: VW TH TW CV, STAGE (KiB of local memory); KH KW SH SW DH DW, DATA=0, and those of the epilogue. All other
// sizes are arguments; in_rows x pitch floats are staged of a vector. The weights are prepared: floats, channels last.

#define TAPS (KH * KW)
#define IN_H ((TH - 1) * SH + REACH_H + 1)

#define PARAMETERS_WITH(restrict)                                                                            \
  global const element *restrict x, global const float *restrict w, global const element *restrict b,        \
      global const element *restrict r, global element *restrict y, int c, int in_h, int in_w, int pt,       \
      int pl, int oh, int ow, int rows, int columns, int sections_y, int sections_x, int lines, int in_rows, \
      int pitch, long all_sections, long sections_per_work_group SLOPES_PARAMETER_WITH(restrict)
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS                                                                                               \
  x, w, b, r, y, c, in_h, in_w, pt, pl, oh, ow, rows, columns, sections_y, sections_x, lines, in_rows, pitch, \
      all_sections, sections_per_work_group SLOPES_ARGUMENT

// Results from (i, j) on. Of the pixels that they see, from (row, column) of x on, rows [top, bottom) and columns
// [left, right) lie in the image.
typedef struct {
  long image;
  int i, j, row, column;
  int top, bottom, left, right;
} Section;

ALWAYS_INLINE Section section_of(const long place, PLAIN_PARAMETERS) {
  Section s;
  s.j = min((int)(place % sections_x) * columns, ow - columns);
  s.i = min((int)(place / sections_x % sections_y) * rows, oh - rows);
  s.image = place / sections_x / sections_y;
  s.row = s.i * SH - pt;
  s.column = s.j * SW - pl;
  s.top = clamp(-s.row, 0, in_rows);
  s.bottom = clamp(in_h - s.row, s.top, in_rows);
  s.left = clamp(-s.column, 0, pitch / VW);
  s.right = clamp(in_w - s.column, s.left, pitch / VW);
  return s;
}

ALWAYS_INLINE void clear_border(local float* staged, const Section s, const int in_rows, const int pitch) {
  for (int p = 0; p < in_rows; ++p, staged += pitch) {
    const int inside = p >= s.top && p < s.bottom;
    const int left = inside ? s.left * VW : pitch;
    for (int t = 0; t < left; t += VW) STORE_V((floatv)(0.0f), staged + t);
    for (int t = inside ? s.right * VW : pitch; t < pitch; t += VW) STORE_V((floatv)(0.0f), staged + t);
  }
}

// Stages rows [from, to) of VW channels, which pixel (0, 0) of the section has at x.
ALWAYS_INLINE void stage_rows(global const element* x, local float* staged, const Section s, const int from,
                              const int to, const int c, const int in_w, const int pitch) {
  for (int p = max(from, s.top); p < min(to, s.bottom); ++p) {
    global const element* pixel = x + ((long)p * in_w + s.left) * c;
    local float* at = staged + p * pitch + s.left * VW;
    for (int q = s.left; q < s.right; ++q, pixel += c, at += VW) IN_ONE_PIECE(local, at) = GET_V(pixel);
  }
}

// acc += the weights times the pixels that they meet; tap (0, 0) of the first result meets the one at `pixels`.
ALWAYS_INLINE void multiply_taps(floatv acc[TH][TW], local const float* weights, local const float* pixels,
                                 const int pitch) {
  __attribute__((opencl_unroll_hint(1)))
  for (int u = 0; u < KH; ++u, pixels += DH * pitch - KW * DW * VW) {
    __attribute__((opencl_unroll_hint(1)))
    for (int v = 0; v < KW; ++v, weights += VW, pixels += DW * VW) {
      const floatv weight = LOAD_V(weights);
#pragma unroll
      for (int t = 0; t < TH * TW; ++t) {
        const floatv pixel = LOAD_V(pixels + t / TW * SH * pitch + t % TW * SW * VW);
        acc[t / TW][t % TW] = fma(weight, pixel, acc[t / TW][t % TW]);
      }
    }
  }
}

ALWAYS_INLINE void store_tile(floatv acc[TH][TW], const floatv slope, global const element* r, global element* y,
                              const int c, const int ow) {
#pragma unroll
  for (int t = 0; t < TH * TW; ++t) {
    const long at = ((long)(t / TW) * ow + t % TW) * c;
#if RESIDUAL
    const floatv value = acc[t / TW][t % TW] + GET_V(r + at);
#else
    const floatv value = acc[t / TW][t % TW];
#endif
    PUT_V(ACTIVATE(value, slope), y + at);
  }
}

// The tiles of VW channels from row i of the section on. Of the TH*SH rows that the next tiles see beyond these, from
// `ahead` on, each vector prefetches its share.
ALWAYS_INLINE void row_of_tiles(local const float* weights, local const float* staged, global const element* ahead,
                                const Section s, const int channel, const int i, PLAIN_PARAMETERS) {
#if BIAS
  const floatv start = GET_V(b + channel);
#else
  const floatv start = (floatv)(0.0f);
#endif
  const floatv slope = slopes_some(SLOPES_OF(s.image, c) + channel, VW);
  const long row_at = ((s.image * oh + s.i + i) * ow + s.j) * c + channel;
  for (int j0 = 0; j0 < columns; j0 += TW) {
    const int j = min(j0, columns - TW);
#pragma unroll
    for (int t = 0; t < TH * SH * TW * SW; ++t) {
      if (t / (TW * SW) % CV == 0) PREFETCH(ahead + ((long)(t / (TW * SW)) * in_w + j * SW + t % (TW * SW)) * c);
    }
    floatv acc[TH][TW];
#pragma unroll
    for (int t = 0; t < TH * TW; ++t) acc[t / TW][t % TW] = start;
    multiply_taps(acc, weights, staged + i * SH * pitch + j * SW * VW, pitch);
    store_tile(acc, slope, r + row_at + (long)j * c, y + row_at + (long)j * c, c, ow);
  }
}

// The results of a section in up to CV vectors of channels, from channel `first` on.
ALWAYS_INLINE void section_results(local float* memory, const Section s, const int first, PLAIN_PARAMETERS) {
  const int plane = in_rows * pitch;
  local float* weights = memory + CV * plane;
  const int vectors = min(CV, (c - first + VW - 1) / VW);
  global const element* seen = x + ((s.image * in_h + s.row) * in_w + s.column) * c;
  for (int m = 0; m < vectors; ++m) {
    global const float* from = w + min(first + m * VW, c - VW);
    for (int t = 0; t < TAPS; ++t) STORE_V(LOAD_V(from + (long)t * c), weights + (m * TAPS + t) * VW);
  }
  int staged = 0;
  for (int i0 = 0; i0 < rows; i0 += TH) {
    const int i = min(i0, rows - TH);
    const int end = i * SH + IN_H;
    for (int m = 0; m < vectors; ++m) {
      stage_rows(seen + min(first + m * VW, c - VW), memory + m * plane, s, staged, end, c, in_w, pitch);
    }
    staged = end;
    // Behind the last rows, the first ones of the next channels.
    const int last = i0 + TH >= rows;
    global const element* ahead = seen + first + (last ? CV * VW : 0) + (long)(last ? s.top : end) * in_w * c;
    for (int m = 0; m < vectors; ++m) {
      row_of_tiles(weights + m * TAPS * VW, memory + m * plane, ahead + (long)m * in_w * c, s,
                   min(first + m * VW, c - VW), i, ARGUMENTS);
    }
  }
}

NOT_INLINED void depthwise_staged_channels_item(const long id, local float* restrict memory, PARAMETERS) {
  const long first_index = id * sections_per_work_group;
  const long last_index = min(first_index + sections_per_work_group, all_sections);
  for (long index = first_index; index < last_index; ++index) {
    const Section s = section_of(index / lines, ARGUMENTS);
    const int line = (int)(index % lines);
    for (int m = 0; m < CV && (line == 0 || index == first_index); ++m) {
      clear_border(memory + m * in_rows * pitch, s, in_rows, pitch);
    }
    section_results(memory, s, line * CV * VW, ARGUMENTS);
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_staged_channels(PARAMETERS) {
  local float memory[STAGE * 256] __attribute__((aligned(64)));
  depthwise_staged_channels_item(get_group_id(0), memory, ARGUMENTS);
}
