// parts: depthwise_sections depthwise_store
// Depthwise convolution on CPUs, forward and data gradient, of planes with large filters: sections of the input are
// copied to local memory first.
//
//   staged input                    registers, floatv each
//     rows p of a tile                acc[RB rows], and the weights of TAPS rows of a column of the filter
//     [ VW columns ] of column q
//
// One work-item per work-group, `sections_per_work_group` sections each. A tile, RB rows of a vector of results, goes
// through the filter column by column, TAPS rows of it at a time. Each vector of the staged rows is loaded once per
// column, and used for up to TAPS rows of results.
//
// Tiles, sections and vectors at the end overlap their neighbours and compute results again, which saves the inner
// loops all conditions.
//
// in_image, out_image: elements from one image to the next, of the input, of the result and r.
//
// Macros: VW RB TAPS STAGE_FLOATS; KH KW SH SW DH DW, DATA PT_MOD PL_MOD, MASK, and those of the epilogue. All other
// sizes are arguments. A data gradient has stride 1.

// Weights in the order in which the input is read: a data gradient turns the filter round.
#define WEIGHT_AT(u, v) (DATA ? (KH - 1 - (u)) * KW + KW - 1 - (v) : (u) * KW + (v))

// acc += `taps` rows (a constant) of the filter, from row u0 on. `staged`: what the first result sees.
ALWAYS_INLINE void add_rows_of_taps(floatv* acc, local const float* staged, const int pitch,
                                    global const element* w, const int u0, const int taps) {
  __attribute__((opencl_unroll_hint(1)))
  for (int v = 0; v < KW; ++v) {
    local const float* at = staged + (u0 * DH * IW + v * DW % IW) * pitch + v * DW / IW;
    floatv weight[TAPS];
#pragma unroll
    for (int u = 0; u < TAPS; ++u) {
      if (u < taps) weight[u] = (floatv)(GET(w, WEIGHT_AT(u0 + u, v)));
    }
#pragma unroll
    for (int p = 0; p < (RB - 1) * IH + (TAPS - 1) * DH + 1; ++p) {
      const floatv in = LOAD_V(at + p * IW * pitch);
#pragma unroll
      for (int s = 0; s < STEPS_OF_ROW((TAPS - 1) * DH); ++s) {
        const int t = STEP_OF(p, (TAPS - 1) * DH, s);
        const int u = p - t * IH;
        if (IS_STEP(t, RB) && IS_TAP(u, DH, taps)) acc[t] = fma(weight[u / DH], in, acc[t]);
      }
    }
  }
}

// acc[RB] += all taps.
ALWAYS_INLINE void add_taps(floatv* acc, local const float* staged, const int pitch,
                            global const element* w) {
  __attribute__((opencl_unroll_hint(1)))
  for (int u0 = 0; u0 + TAPS <= KH; u0 += TAPS) add_rows_of_taps(acc, staged, pitch, w, u0, TAPS);
  if (KH % TAPS > 0) add_rows_of_taps(acc, staged, pitch, w, KH - KH % TAPS, KH % TAPS);
}

#define PARAMETERS SECTION_PARAMETERS SLOPES_PARAMETER
#define ARGUMENTS SECTION_ARGUMENTS SLOPES_ARGUMENT

NOT_INLINED void depthwise_columns_item(const long id, local float* restrict memory, PARAMETERS) {
  const long first_index = id * sections_per_work_group;
  const long last_index = min(first_index + sections_per_work_group, all_sections);
  for (long index = first_index; index < last_index; ++index) {
    const int section = (int)(index % sections);
    const long plane = index / sections;  // of the input
    const long image = plane / groups;
    const int group_index = (int)(plane % groups);
    const int a0 = min(section / sections_x * section_h, max(0, steps_h - section_h));
    const int b0 = section % sections_x * section_w;
    const int rows = min(section_h, steps_h - a0);
    const int columns = min(section_w, steps_w - b0);
    // A single vector that does not fit its row may overrun it into rows that are written later.
    const int spare_rows = columns == steps_w && columns <= VW;
    stage_section(x, y_mask, MASK, image * in_image + (long)group_index * in_h * in_w, in_size, in_h, in_w,
               top + a0 * IH, left + b0 * IW,
               (rows - 1) * IH + REACH_H + 1, (columns - 1) * IW + REACH_W + 1, memory, pitch, shift,
               sections > 1 || index == first_index);
    for (int filter = 0; filter < filters; ++filter) {
      const long f = (long)group_index * filters + filter;
      const long to = image * out_image + f * res_h * res_w;
      const float start = BIAS_OF(b, f);
      const float slope = SLOPE_OF(SLOPES_OF(image, (long)groups * filters), f);
      for (int i0 = 0; i0 < rows; i0 += RB) {
        const int i = min(i0, rows - RB);
        local const float* staged_rows = memory + shift + i * IH * IW * pitch;
        for (int j0 = 0; j0 < columns; j0 += VW) {
          const int j = columns > VW ? min(j0, columns - VW) : j0;
          floatv acc[RB];
#pragma unroll
          for (int t = 0; t < RB; ++t) acc[t] = (floatv)(start);
          add_taps(acc, staged_rows + j, pitch, weights + f * (KH * KW));
#pragma unroll
          for (int t = 0; t < RB; ++t) {
            const long at = to + (long)(a0 + i + t) * res_w;
            store_steps(acc + t, slope, r + at, result + at, b0 + j, res_w, spare_rows * (rows - 1 - i - t) * res_w);
          }
        }
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_columns(PARAMETERS) {
  local float memory[STAGE_FLOATS] __attribute__((aligned(64)));
  depthwise_columns_item(get_group_id(0), memory, ARGUMENTS);
}
