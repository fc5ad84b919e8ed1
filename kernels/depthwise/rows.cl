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

#define PARAMETERS_WITH(restrict)    \
  SECTION_PARAMETERS_WITH(restrict), int channels, int stage_floats, int sums_pitch SLOPES_PARAMETER_WITH(restrict)
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS SECTION_ARGUMENTS, channels, stage_floats, sums_pitch SLOPES_ARGUMENT

// A section of the planes of a group, and how its last vectors and rows are stored.
typedef struct {
  long image;
  int group_index, a0, b0, rows, columns;
  int last_overlaps, spare_rows;
} Section;

ALWAYS_INLINE Section section_of(const long index, PLAIN_PARAMETERS) {
  Section s;
  const int section = (int)(index % sections);
  const long plane = index / sections;
  s.group_index = (int)(plane % groups);
  s.image = plane / groups;
  const int first_a = section / sections_x * section_h;
  s.a0 = WHOLE_TILES ? min(first_a, max(0, steps_h - section_h)) : first_a;
  s.b0 = section % sections_x * section_w;
  s.rows = min(section_h, steps_h - s.a0);
  s.columns = min(section_w, steps_w - s.b0);
  // A single vector that does not fit its row may overrun it into rows that are written later.
  s.last_overlaps = WHOLE_TILES && s.columns > VW;
  s.spare_rows = RH * RW > 1 ? 0 : WHOLE_TILES && s.columns == steps_w && s.columns <= VW;
  return s;
}

// A filter of a channel, and its plane of results.
typedef struct {
  global const element* weights;
  long to;
  float start, slope;
} Filter;

ALWAYS_INLINE Filter filter_of(const Section s, const int channel, const int filter, PLAIN_PARAMETERS) {
  Filter f;
  const int k = s.group_index * filters + filter;
  f.weights = weights + ((long)s.group_index * filters * channels + filter + channel) * (KH * KW);
  f.to = s.image * out_image + ((long)s.group_index * filters + filter) * res_h * res_w;
  f.start = BIAS_OF(b, k);
  f.slope = SLOPE_OF(SLOPES_OF(s.image, (long)groups * filters), k);
  return f;
}

// Where the sums of results wait for the next channel, with MULTI.
#define SUM_OF(row, rx) (sums + (((row) * RH + ry) * RW + (rx)) * sums_pitch + j)
#define IS_STORED(row) ((WHOLE_TILES || (row) < s.rows) && (ry == 0 || (s.a0 + (row)) * RH + ry < res_h))

#if UNROLL
// acc += the taps times the staged rows that row ry of the steps sees, vector by vector of these. Not a function: of
// that LLVM 15 makes code that takes a tenth longer (n1c672h14w14k672kh5kw5p2g672; 2-core Zen 3, 2026-11).
#define MULTIPLY_TAPS(staged)                                                                          \
  _Pragma("unroll") for (int p = 0; p <= (RB - 1) * IH + REACH_H; ++p) {                               \
    _Pragma("unroll") for (int q = 0; q <= REACH_W; ++q) {                                             \
      const floatv in = LOAD_V((staged) + (p * IW + q % IW) * pitch + q / IW + j);                     \
      _Pragma("unroll") for (int t = 0; t < RB * RW; ++t) {                                            \
        const int u = TAP_ROW(p, t / RW, ry);                                                          \
        const int v = TAP_COLUMN(q, t % RW);                                                           \
        if (IS_TAP(u, DH, KH) && IS_TAP(v, DW, KW)) {                                                  \
          acc[t / RW][t % RW] = fma((floatv)(weight[u / DH * KW + v / DW]), in, acc[t / RW][t % RW]);  \
        }                                                                                              \
      }                                                                                                \
    }                                                                                                  \
  }

// Stores row ry of the tile's steps from (i, j) on, or adds them up for the next channel.
ALWAYS_INLINE void store_rows(floatv acc[RB][RW], const Section s, const Filter f, const int channel, const int i,
                              const int j, const int ry, local float* sums, PLAIN_PARAMETERS) {
#pragma unroll
  for (int t = 0; t < RB; ++t) {
#if MULTI
    if (channel + 1 < channels) {
#pragma unroll
      for (int rx = 0; rx < RW; ++rx) STORE_V(acc[t][rx], SUM_OF(i + t, rx));
      continue;
    }
#endif
    if (IS_STORED(i + t)) {
      const long at = f.to + (long)((s.a0 + i + t) * RH + ry) * res_w;
      store_steps(acc[t], f.slope, r + at, result + at, (s.b0 + j) * RW, res_w,
                  s.spare_rows * (s.rows - 1 - i - t) * res_w);
    }
  }
}

// The results of a filter from row i of the section on, RB steps of rows.
ALWAYS_INLINE void multiply_rows(const float* weight, local const float* staged_rows, const Section s, const Filter f,
                                 const int channel, const int i, local float* sums, PLAIN_PARAMETERS) {
#pragma unroll
  for (int ry = 0; ry < RH; ++ry) {
    for (int j0 = 0; j0 < s.columns; j0 += VW) {
      const int j = s.last_overlaps ? min(j0, s.columns - VW) : j0;
      floatv acc[RB][RW];
#pragma unroll
      for (int t = 0; t < RB * RW; ++t) {
#if MULTI
        if (channel > 0) {
          acc[t / RW][t % RW] = LOAD_V(SUM_OF(i + t / RW, t % RW));
        } else
#endif
          acc[t / RW][t % RW] = (floatv)(f.start);
      }
      MULTIPLY_TAPS(staged_rows)
      store_rows(acc, s, f, channel, i, j, ry, sums, ARGUMENTS);
    }
  }
}
#else
// acc += the taps that meet result (ry, rx) of each step, times the staged rows.
ALWAYS_INLINE void multiply_taps(floatv acc[RB], global const element* w, local const float* staged, const int ry,
                                 const int rx, const int pitch) {
  __attribute__((opencl_unroll_hint(1)))
  for (int u = 0; u < KH; ++u) {
#if DATA
    const int from_row = ry + PT_MOD - u * DH;
    if (from_row % SH != 0) continue;
    local const float* staged_row = staged + (from_row / SH + BASE_H) * pitch;
#else
    local const float* staged_row = staged + u * DH * IW * pitch;
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
      for (int t = 0; t < RB; ++t) acc[t] = fma(weight, LOAD_V(at + t * IH * IW * pitch), acc[t]);
    }
  }
}

// Stores results (ry, rx) of the tile's steps from (i, j) on, or adds them up for the next channel.
ALWAYS_INLINE void store_rows(floatv acc[RB], const Section s, const Filter f, const int channel, const int i,
                              const int j, const int ry, const int rx, local float* sums, PLAIN_PARAMETERS) {
#pragma unroll
  for (int t = 0; t < RB; ++t) {
#if MULTI
    if (channel + 1 < channels) {
      STORE_V(acc[t], SUM_OF(i + t, rx));
      continue;
    }
#endif
    if (IS_STORED(i + t)) {
      const long row_at = f.to + (long)((s.a0 + i + t) * RH + ry) * res_w;
#if RW == 1
      store_steps(acc + t, f.slope, r + row_at, result + row_at, s.b0 + j, res_w, 0);
#else
      float values[VW];
      STORE_V(acc[t], values);
      const int column = (s.b0 + j) * RW + rx;
      for (int lane = 0; lane < VW && column + lane * RW < res_w; ++lane) {
        const long at = row_at + column + lane * RW;
        const float value = values[lane] + RESIDUAL_OF(r, at);
        PUT(RESULT(GET(result, at), ACTIVATE(value, f.slope)), result, at);
      }
#endif
    }
  }
}

// The results of a filter from row i of the section on, RB steps of rows.
ALWAYS_INLINE void multiply_rows(local const float* staged_rows, const Section s, const Filter f, const int channel,
                                 const int i, local float* sums, PLAIN_PARAMETERS) {
  for (int ry = 0; ry < RH; ++ry) {
    for (int j = 0; j < s.columns; j += VW) {
      for (int rx = 0; rx < RW; ++rx) {
        floatv acc[RB];
#pragma unroll
        for (int t = 0; t < RB; ++t) {
          acc[t] = (floatv)(f.start);
#if MULTI
          if (channel > 0) acc[t] = LOAD_V(SUM_OF(i + t, rx));
#endif
        }
        multiply_taps(acc, f.weights, staged_rows + j, ry, rx, pitch);
        store_rows(acc, s, f, channel, i, j, ry, rx, sums, ARGUMENTS);
      }
    }
  }
}
#endif

NOT_INLINED void depthwise_rows_item(const long id, local float* restrict memory, PARAMETERS) {
  local float* sums = memory + stage_floats;
  const long first_index = id * sections_per_work_group;
  const long last_index = min(first_index + sections_per_work_group, all_sections);
  for (long index = first_index; index < last_index; ++index) {
    const Section s = section_of(index, ARGUMENTS);
    for (int channel = 0; channel < channels; ++channel) {
      stage_section(x, y_mask, MASK,
                    s.image * in_image + ((long)s.group_index * channels + channel) * in_h * in_w, in_size, in_h, in_w,
                    top + s.a0 * IH, left + s.b0 * IW, (s.rows - 1) * IH + REACH_H + 1,
                    (s.columns - 1) * IW + REACH_W + 1, memory, pitch, shift,
                    sections > 1 || index == first_index);
      for (int filter = 0; filter < filters; ++filter) {
        const Filter f = filter_of(s, channel, filter, ARGUMENTS);
#if UNROLL
        float weight[KH * KW];
#pragma unroll
        for (int t = 0; t < KH * KW; ++t) weight[t] = GET(f.weights, t);
#endif
        for (int i0 = 0; i0 < s.rows; i0 += RB) {
          const int i = WHOLE_TILES ? min(i0, s.rows - RB) : i0;
          local const float* staged_rows = memory + shift + i * IH * IW * pitch;
#if UNROLL
          multiply_rows(weight, staged_rows, s, f, channel, i, sums, ARGUMENTS);
#else
          multiply_rows(staged_rows, s, f, channel, i, sums, ARGUMENTS);
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
