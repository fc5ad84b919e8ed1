// parts: depthwise_sections depthwise_store
// Depthwise convolution on CPUs, forward and data gradient, of planes in general: sections of the input are copied
// to local memory first.
//
//   staged input                    registers, floatv each
//     row r   [ VW columns ]  q       acc[RB rows][RW], KH*KW weights
//
// One work-item per work-group, `sections_per_work_group` sections each. A tile is RB rows of a vector of
// results. It goes over the staged rows that its taps see. Each vector of them is loaded once per column shift q and
// used by up to KH rows (UNROLL). With large or much dilated filters each tap loads RB vectors instead.
//
// Tiles, sections and vectors at the end overlap their neighbours and compute results again, which saves the inner
// loops all conditions. Where results add up, in place or in `sums`, they are cut instead. More than one input plane
// per result plane (MULTI: data gradient with a channel multiplier) adds up in `sums`, behind the stage.
//
// in_image, out_image: elements from one image to the next, of the input, of the result and r.
//
// Macros: VW RB STAGE_FLOATS, UNROLL, MULTI; KH KW SH SW DH DW, DATA PT_MOD PL_MOD, MASK, and those of the epilogue.
// All other sizes are arguments.

#define WHOLE_TILES (!ACCUMULATE && !MULTI)

#define PARAMETERS SECTION_PARAMETERS, int channels, int stage_floats, int sums_pitch SLOPES_PARAMETER
#define ARGUMENTS SECTION_ARGUMENTS, channels, stage_floats, sums_pitch SLOPES_ARGUMENT

NOT_INLINED void depthwise_rows_item(const long id, local float* restrict memory, PARAMETERS) {
#if MULTI
  local float* sums = memory + stage_floats;
#endif
  const long first_index = id * sections_per_work_group;
  const long last_index = min(first_index + sections_per_work_group, all_sections);
  for (long index = first_index; index < last_index; ++index) {
    const int section = (int)(index % sections);
    const long plane = index / sections;
    const int group_index = (int)(plane % groups);
    const long image = plane / groups;
    const int first_a = section / sections_x * section_h;
    const int a0 = WHOLE_TILES ? min(first_a, max(0, steps_h - section_h)) : first_a;
    const int b0 = section % sections_x * section_w;
    const int rows = min(section_h, steps_h - a0);
    const int columns = min(section_w, steps_w - b0);
    // A single vector that does not fit its row may overrun it into rows that are written later.
    const int last_overlaps = WHOLE_TILES && columns > VW;
    const int spare_rows =
        RH * RW > 1 ? 0 : WHOLE_TILES && columns == steps_w && columns <= VW;
    for (int channel = 0; channel < channels; ++channel) {
      stage_section(x, y_mask, MASK,
                 image * in_image + ((long)group_index * channels + channel) * in_h * in_w, in_size, in_h, in_w,
                 top + a0 * IH, left + b0 * IW, (rows - 1) * IH + REACH_H + 1,
                 (columns - 1) * IW + REACH_W + 1, memory, pitch, shift,
                 sections > 1 || index == first_index);
      for (int filter = 0; filter < filters; ++filter) {
        const long f = (long)group_index * filters * channels + filter + channel;
        global const element* w = weights + f * (KH * KW);
        const long to = image * out_image + ((long)group_index * filters + filter) * res_h * res_w;
        const float start = BIAS_OF(b, group_index * filters + filter);
        const float slope = SLOPE_OF(SLOPES_OF(image, (long)groups * filters), group_index * filters + filter);
#if UNROLL
        float weight[KH * KW];
#pragma unroll
        for (int t = 0; t < KH * KW; ++t) weight[t] = GET(w, t);
#endif
        for (int i0 = 0; i0 < rows; i0 += RB) {
          const int i = WHOLE_TILES ? min(i0, rows - RB) : i0;
          local const float* staged_rows = memory + shift + i * IH * IW * pitch;
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
                  const floatv in = LOAD_V(staged_rows + (p * IW + q % IW) * pitch + q / IW + j);
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
                if ((WHOLE_TILES || i + t < rows) && (ry == 0 || row < res_h)) {
                  const long at = to + (long)row * res_w;
                  store_steps(acc[t], slope, r + at, result + at, (b0 + j) * RW, res_w,
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
                  local const float* staged_row = staged_rows + (from_row / SH + BASE_H) * pitch + j;
#else
                  local const float* staged_row = staged_rows + u * DH * IW * pitch + j;
#endif
                  __attribute__((opencl_unroll_hint(1)))
                  for (int v = 0; v < KW; ++v) {
#if DATA
                    const int from_column = rx + PL_MOD - v * DW;
                    if (from_column % SW != 0) continue;
                    local const float* at = staged_row + from_column / SW + BASE_W;
#else
                    local const float* at = staged_row + v * DW % IW * pitch + v * DW / IW;
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
                  if ((WHOLE_TILES || i + t < rows) && (ry == 0 || row < res_h)) {
#if RW == 1
                    const long at = to + (long)row * res_w;
                    store_steps(acc + t, slope, r + at, result + at, b0 + j, res_w, 0);
#else
                    float values[VW];
                    STORE_V(acc[t], values);
                    const int column = (b0 + j) * RW + rx;
                    for (int lane = 0; lane < VW && column + lane * RW < res_w; ++lane) {
                      const long at = to + (long)row * res_w + column + lane * RW;
                      const float value = values[lane] + RESIDUAL_OF(r, at);
                      PUT(RESULT(GET(result, at), ACTIVATE(value, slope)), result, at);
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

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void depthwise_rows(PARAMETERS) {
  local float memory[STAGE_FLOATS] __attribute__((aligned(64)));
  depthwise_rows_item(get_group_id(0), memory, ARGUMENTS);
}
