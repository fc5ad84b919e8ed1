// parts: lane_sums epilogue depthwise_sections
// Depthwise weight gradient on CPUs, of planes in general: sections of x are copied to local memory first.
//
//   dy, as it lies            staged x                     registers, floatv each
//     RB rows of VW columns     the rows that they see       acc[t % SETS][TAPS rows][COLUMNS] of the filter
//
// One work-item per work-group: per filter and part of all images. Each section goes through the filter in pieces of
// TAPS rows x COLUMNS columns, the last of which overlap their neighbours. The sums of a piece stay in registers over
// the whole section. Each vector of x is loaded once per column of taps, for up to TAPS rows of dy. Lanes are added at
// the end of each piece.
//
// Macros: VW RB TAPS COLUMNS STAGE_FLOATS, PARTS (1: the result is floats, which sum_parts adds up); KH KW SH SW DH DW,
// DATA=0, MASK, ACCUMULATE. All other sizes are arguments.

#if PARTS
typedef float result_element;
#else
typedef element result_element;
#endif

#define PIECE (TAPS * COLUMNS)
// A sum takes its next product only after the latency of one.
#define SETS (PIECE < 8 ? 2 : 1)
#define ALL_SUMS ((PIECE + VW - 1) / VW * VW)

// acc += `count` rows (a constant) of dy times what they see of x, VW columns, of which `left` exist.
ALWAYS_INLINE void add_vectors(floatv* acc, global const element* dy, global const element* y, const long gradient,
                               const int ow, const int left, const long dy_size, local const float* staged,
                               const int pitch, const int v0, const int count) {
  floatv g[RB];
#pragma unroll
  for (int t = 0; t < RB; ++t) {
    if (t < count) g[t] = load_first(dy, y, MASK, gradient + (long)t * ow, left, dy_size);
  }
#pragma unroll
  for (int v = 0; v < COLUMNS; ++v) {
    local const float* at = staged + (v0 + v) * DW % IW * pitch + (v0 + v) * DW / IW;
#pragma unroll
    for (int p = 0; p < (RB - 1) * IH + (TAPS - 1) * DH + 1; ++p) {
      if (p >= (count - 1) * IH + (TAPS - 1) * DH + 1) continue;
      // x is set to 0, too: what no result sees may be infinite, and 0 * infinity is NaN.
      const floatv all = LOAD_V(at + p * IW * pitch);
      const floatv in = LANES < (intv)(left) ? all : (floatv)(0.0f);
#pragma unroll
      for (int t = 0; t < RB; ++t) {
        const int u = p - t * IH;
        if (t < count && IS_TAP(u, DH, TAPS)) {
          floatv* sum = acc + (t % SETS * TAPS + u / DH) * COLUMNS + v;
          *sum = fma(g[t], in, *sum);
        }
      }
    }
  }
}

// totals += a piece of the filter, from row u0 and column v0 on, over a section of `rows` x `columns` results. Rows and
// columns before skip_h, skip_w are counted already.
ALWAYS_INLINE void add_piece(float* totals, global const element* dy, global const element* y, const long gradient,
                             const int ow, const int rows, const int columns, const long dy_size,
                             local const float* staged, const int pitch, const int u0, const int v0,
                             const int skip_h, const int skip_w) {
  floatv acc[SETS * ALL_SUMS];
#pragma unroll
  for (int t = 0; t < SETS * ALL_SUMS; ++t) acc[t] = (floatv)(0.0f);
  int i = 0;
  for (; i + RB <= rows; i += RB) {
    for (int j = 0; j < columns; j += VW) {
      add_vectors(acc, dy, y, gradient + (long)i * ow + j, ow, columns - j, dy_size,
                  staged + (i * IH + u0 * DH) * IW * pitch + j, pitch, v0, RB);
    }
  }
  for (; i < rows; ++i) {
    for (int j = 0; j < columns; j += VW) {
      add_vectors(acc, dy, y, gradient + (long)i * ow + j, ow, columns - j, dy_size,
                  staged + (i * IH + u0 * DH) * IW * pitch + j, pitch, v0, 1);
    }
  }
  floatv sums[ALL_SUMS];
#pragma unroll
  for (int t = 0; t < ALL_SUMS; ++t) {
    sums[t] = t >= PIECE ? (floatv)(0.0f) : SETS == 2 ? acc[t] + acc[PIECE + t] : acc[t];
  }
  float piece[ALL_SUMS];
#pragma unroll
  for (int t = 0; t < ALL_SUMS; t += VW) STORE_V(lane_sums(sums + t, 0), piece + t);
  for (int u = skip_h; u < TAPS; ++u) {
    for (int v = skip_w; v < COLUMNS; ++v) totals[(u0 + u) * KW + v0 + v] += piece[u * COLUMNS + v];
  }
}

NOT_INLINED void depthwise_weights_columns_item(const long id, local float* restrict memory, GRADIENT_PARAMETERS) {
  const long planes = (long)groups * filters;
  const long filter = id % planes;
  const long part = id / planes;
  const long first_index = part * sections_per_part;
  const long last_index = min(first_index + sections_per_part, all_sections);
  float totals[KH * KW];
  for (int t = 0; t < KH * KW; ++t) totals[t] = 0.0f;
  for (long index = first_index; index < last_index; ++index) {
    const int section = (int)(index % sections);
    const long image = index / sections;
    const int a0 = section / sections_x * section_h;
    const int b0 = section % sections_x * section_w;
    const int rows = min(section_h, oh - a0);
    const int columns = min(section_w, ow - b0);
    stage_section(x, x, 0, (image * groups + filter / filters) * in_h * in_w, in_size, in_h, in_w,
               top + a0 * IH, left + b0 * IW, (rows - 1) * IH + REACH_H + 1,
               (columns - 1) * IW + REACH_W + 1, memory, pitch, shift,
               sections > 1 || index == first_index);
    const long gradient = (image * planes + filter) * oh * ow + (long)a0 * ow + b0;
    for (int u = 0; u < KH; u += TAPS) {
      const int u0 = min(u, KH - TAPS);
      for (int v = 0; v < KW; v += COLUMNS) {
        const int v0 = min(v, KW - COLUMNS);
        add_piece(totals, dy, y_mask, gradient, ow, rows, columns, dy_size, memory + shift, pitch, u0, v0, u - u0,
                  v - v0);
      }
    }
  }
  const long at = part * part_stride + filter * (KH * KW);
  for (int t = 0; t < KH * KW; ++t) {
#if PARTS
    result[at + t] = totals[t];
#else
    PUT(RESULT(GET(result, at + t), totals[t]), result, at + t);
#endif
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_weights_columns(GRADIENT_PARAMETERS) {
  local float memory[STAGE_FLOATS] __attribute__((aligned(64)));
  depthwise_weights_columns_item(get_group_id(0), memory, GRADIENT_ARGUMENTS);
}
