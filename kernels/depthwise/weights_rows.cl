// parts: depthwise_sections depthwise_sums
// Depthwise weight gradient on CPUs, of planes in general: sections of x are copied to local memory first.
//
//   staged x                        dy, as it lies              registers, floatv each
//     row r   [ VW columns ]  q       ROWS rows of VW columns     acc[TAPS]
//
// One work-item per work-group: per filter, per TAPS taps of a filter row where not all taps fit in registers, and per
// part of all images. acc[tap] += ROWS rows of dy times x at the tap's place, with each x loaded once for all of
// the rows. The lanes are added at the end.
//
// Macros: VW TAPS ROWS STAGE_FLOATS, ALL_TAPS (1: TAPS is KH*KW), PARTS; KH KW SH SW DH DW, DATA=0, MASK, ACCUMULATE.
// All other sizes are arguments.

// acc += `count` rows (a constant) of dy times what they see of x, VW columns, of which `left` exist.
inline void add_vectors(floatv* acc, global const element* dy,
                        global const element* y, const long gradient, const int ow,
                        const int left, const long dy_size, local const float* staged_rows,
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
      g[t] = BACKWARD(g[t], GET_V(y + at));
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
      floatv in = LOAD_V(staged_rows + (r * IW + v * DW % IW) * pitch + v * DW / IW);
      // x is set to 0, too: what no result sees may be infinite, and 0 * infinity is NaN.
      if (!whole) in = LANES < (intv)(left) ? in : (floatv)(0.0f);
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
    floatv in = LOAD_V(staged_rows + (u0 * DH * IW + column % IW) * pitch + column / IW);
    if (!whole) in = LANES < (intv)(left) ? in : (floatv)(0.0f);
    acc[v] = fma(g[0], in, acc[v]);
  }
#endif
}

inline void add_rows(floatv* acc, global const element* dy, global const element* y,
                     const long gradient, const int ow, const int columns, const long dy_size,
                     local const float* staged_rows, const int pitch, const int count, const int u0,
                     const int v0) {
  int j = 0;
  for (; j + VW <= columns; j += VW) {
    add_vectors(acc, dy, y, gradient + j, ow, VW, dy_size, staged_rows + j, pitch, count, 1, u0, v0);
  }
  if (j < columns) {
    add_vectors(acc, dy, y, gradient + j, ow, columns - j, dy_size, staged_rows + j, pitch, count, 0, u0,
                v0);
  }
}

NOT_INLINED void depthwise_weights_rows_item(const long id, local float* restrict memory, GRADIENT_PARAMETERS) {
  const int chunks_w = ALL_TAPS ? 1 : (KW + TAPS - 1) / TAPS;
  const int chunks = ALL_TAPS ? 1 : KH * chunks_w;
  const int chunk = (int)(id % chunks);
  const int filter = (int)(id / chunks % ((long)groups * filters));
  const long part = id / chunks / ((long)groups * filters);
  const int u0 = chunk / chunks_w;
  const int v0 = max(0, min(chunk % chunks_w * TAPS, KW - TAPS));
  const long first_index = part * sections_per_part;
  const long last_index = min(first_index + sections_per_part, all_sections);

  floatv acc[TAPS];
#pragma unroll
  for (int t = 0; t < TAPS; ++t) acc[t] = (floatv)(0.0f);
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

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_weights_rows(GRADIENT_PARAMETERS) {
  local float memory[STAGE_FLOATS] __attribute__((aligned(64)));
  depthwise_weights_rows_item(get_group_id(0), memory, GRADIENT_ARGUMENTS);
}
