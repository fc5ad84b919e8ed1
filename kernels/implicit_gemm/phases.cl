// parts: register_tile interleave row_end epilogue load_within store_phases prefetch
// Implicit GEMM on CPUs, data gradients at a stride: all phases of a row of results at once. Results whose columns are
// equal modulo the stride SW are a phase: they meet the same taps. A register tile has one sum for each of SW phases,
// MR filters and NV vectors of input columns; at the end the phases are interleaved, so that whole vectors are stored.
//
//   input row    a0 a1 a2 a3 ...          acc[phase][MR][NV]          result row, SW == 2
//                                         phase 0  p0 p1 p2 p3   ->   p0 q0 p1 q1 p2 q2 p3 q3
//                                         phase 1  q0 q1 q2 q3
//
// packed[group][block][channel][tap row][tap column][MR], taps as the problem has them. The input is read in place:
// what is outside of it counts as zero, in the tiles at its borders only. One work-item per work-group, which computes
// the tile at the same columns of `rows_per_work_group` rows, one after the other.
//
// Macros: MR NV VW; SW, SH (strides); of the filter KH KW; per phase of columns, comma-separated: COLUMN_TAPS (how
// many), COLUMN_TAP (the first), COLUMN_LEFT (the input column of that one for result 0); COLUMN_STEP (from a tap to
// the next), DW (input columns, likewise); the same of rows: ROW_TAPS ROW_TAP ROW_TOP ROW_STEP DH; FIRST_LEFT (the
// least column of COLUMN_LEFT) and REACH (columns from there to the last that a result 0 meets); and those of the
// epilogue. All sizes are arguments.

#define SPAN (VW * NV)
#define LINE 16  // floats of a cache line
// Channels: no hardware prefetcher foresees the next plane (docs/calibration.md).
#define AHEAD 8

constant int column_taps[] = {COLUMN_TAPS}, column_tap[] = {COLUMN_TAP}, column_left[] = {COLUMN_LEFT};
constant int row_taps[] = {ROW_TAPS}, row_tap[] = {ROW_TAP}, row_top[] = {ROW_TOP};

// All products of a tile. `load` gives the vector at column `column` of row `row`: what the taps of a row meet is
// loaded once for all phases.
#define MULTIPLY_PHASES(load)                                                                                    \
  for (int channel = 0; channel < channels; ++channel, xp += x_plane, wp += KH * KW * MR) {                      \
    global const float* row = xp;                                                                                \
    global const float* row_w = wp;                                                                              \
    for (int u = first_u; u < last_u; ++u, row += DH * (long)x_pitch, row_w += ROW_STEP * (KW * MR)) {            \
      floatv met[REACH][NV];                                                                                     \
      CHECK_ROW()                                                                                                \
      _Pragma("unroll") for (int line = 0; line < SPAN + REACH; line += LINE)                                    \
        PREFETCH(row + AHEAD * x_plane + first_column + line);                                                   \
      _Pragma("unroll") for (int d = 0; d < REACH; ++d) {                                                        \
        _Pragma("unroll") for (int v = 0; v < NV; ++v) {                                                         \
          const int column = first_column + d + v * VW;                                                          \
          met[d][v] = load;                                                                                      \
        }                                                                                                        \
      }                                                                                                          \
      _Pragma("unroll") for (int phase = 0; phase < SW; ++phase) {                                               \
        _Pragma("unroll") for (int t = 0; t < KW; ++t) {                                                         \
          if (t < column_taps[phase]) {                                                                          \
            global const float* tap_w = row_w + (column_tap[phase] + t * COLUMN_STEP) * MR;                      \
            const int d = column_left[phase] - FIRST_LEFT + t * DW;                                              \
            MULTIPLY_TILE_SCALAR_FIRST(acc[phase], MR, NV, tap_w[i], met[d][v])                                  \
          }                                                                                                      \
        }                                                                                                        \
      }                                                                                                          \
    }                                                                                                            \
  }

#define PARAMETERS_WITH(restrict) \
  global const float* restrict x, global const float* restrict packed, \
  global const element* restrict b, global const element* restrict r, \
  global element* restrict result, int channels, long x_image, long x_plane, int x_pitch, int in_h, \
  int in_w, int top0, int left, long x_size, int h, int w, int rows_per_work_group, int tiles, int filters, \
  int blocks_per_group, int groups, long out_image, long out_plane, long out_offset SLOPES_PARAMETER_WITH(restrict)
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS \
  x, packed, b, r, result, channels, x_image, x_plane, x_pitch, in_h, in_w, top0, left, x_size, h, \
  w, rows_per_work_group, tiles, filters, blocks_per_group, groups, out_image, out_plane, out_offset SLOPES_ARGUMENT

// acc[phase] += the weights times row `y` of the results, from input column `first_column` on.
ALWAYS_INLINE void multiply_row(floatv acc[SW][MR][NV], const int y, const int first_column,
                                global const float* x_group, global const float* w_block, PLAIN_PARAMETERS) {
  // Taps whose row is inside.
  const int row_phase = y % SH;
  const int top = row_top[row_phase] - top0 + y / SH;
  const int first_u = top < 0 ? (-top + DH - 1) / DH : 0;
  const int last_u = top >= in_h ? 0 : min(row_taps[row_phase], (in_h - 1 - top) / DH + 1);
  global const float* xp = x_group + (long)(top + first_u * DH) * x_pitch;
  global const float* wp = w_block + (row_tap[row_phase] + first_u * ROW_STEP) * (KW * MR);
  const int last_column = first_column + REACH - 1 + SPAN;
  if (first_column >= 0 && last_column <= in_w) {
#define CHECK_ROW()
    MULTIPLY_PHASES(LOAD_V(row + column))
#undef CHECK_ROW
  } else {
    // All rows of the tile are in the buffer, or at least this one.
    const long last_row = (channels - 1) * x_plane + max(last_u - first_u - 1, 0) * DH * (long)x_pitch;
    const bool all_readable = xp - x + first_column >= 0 && xp - x + last_row + last_column <= x_size;
#define CHECK_ROW() \
  const bool readable = all_readable || (row - x + first_column >= 0 && row - x + last_column <= x_size);
    MULTIPLY_PHASES(load_within(row, column, in_w, readable))
  }
}

// Finishes and stores the results of a row from column SW*j0 on, for the filters of a block from first_b on.
ALWAYS_INLINE void store_row(const floatv acc[SW][MR][NV], const int j0, const int rest, const long image,
                             const long first_b, const long first_out, PLAIN_PARAMETERS) {
#pragma unroll
  for (int m = 0; m < MR; ++m) {
    if (m >= rest) continue;
    const float slope = SLOPE_OF(SLOPES_OF(image + out_offset / out_image, (long)groups * filters), first_b + m);
#pragma unroll
    for (int v = 0; v < NV; ++v) {
      floatv phases[SW];
#pragma unroll
      for (int phase = 0; phase < SW; ++phase) phases[phase] = acc[phase][m][v];
      const int column = SW * (j0 + v * VW);
      const long at = first_out + m * out_plane + column;
      store_phases(phases, w - column, BIAS_OF(b, first_b + m), slope, r + at, result + at);
    }
  }
}

// Input (channel, row, column) of image i is at i*x_image + channel*x_plane + (row - top0)*x_pitch + column - left; it
// has in_h rows, in_w columns, and x_size floats in all. Result (row, column) of a filter is at image*out_image +
// filter*out_plane + out_offset + row*w + column, filters counted over all groups; the residual has the same layout.
NOT_INLINED void implicit_gemm_phases_item(const long id, PARAMETERS) {
  const int per_column = (h + rows_per_work_group - 1) / rows_per_work_group;  // work-groups
  const int j0 = (int)(id % tiles) * SPAN;
  const int y0 = (int)(id / tiles % per_column) * rows_per_work_group;
  const long outer = id / tiles / per_column;
  const int block = (int)(outer % blocks_per_group);
  const int group_index = (int)(outer / blocks_per_group % groups);
  const long image = outer / blocks_per_group / groups;

  global const float* x_group = x + image * x_image + (long)group_index * channels * x_plane;
  global const float* w_block =
      packed + ((long)group_index * blocks_per_group + block) * channels * (KH * KW * MR);
  for (int y = y0; y < min(y0 + rows_per_work_group, h); ++y) {
    floatv acc[SW][MR][NV];
#pragma unroll
    for (int phase = 0; phase < SW; ++phase) CLEAR_TILE(acc[phase], MR, NV)
    multiply_row(acc, y, j0 + FIRST_LEFT - left, x_group, w_block, ARGUMENTS);
    const long first_b = (long)group_index * filters + block * MR;
    store_row(acc, j0, filters - block * MR, image, first_b,
              image * out_image + first_b * out_plane + out_offset + (long)y * w, ARGUMENTS);
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_phases(PARAMETERS) {
  implicit_gemm_phases_item(get_group_id(0), ARGUMENTS);
}
