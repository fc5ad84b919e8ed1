// parts: register_tile interleave row_end epilogue load_within store_phases prefetch
// Implicit GEMM on CPUs, data gradients at a stride: as implicit_gemm/phases, but the rows of the input that a section
// of the results meets are first copied to local memory, for narrow rows and several filters per group. Zeroes for what
// is outside of the input are written there, so that no product checks for it.
//
//   local memory, per channel          vectors of results of a row phase, numbered row by row
//     0 0 0 0 0 0 0 0
//     0 a0 a1 a2 .. 0    \             v0 v1      a register tile takes NV of them, of one row or of several,
//     0 b0 b1 b2 .. 0    / `pitch`     v2 v3      for MR filters and all SW phases of columns: acc[phase][MR][NV]
//     ..                               ..
//
// packed[group][block][channel][tap row][tap column][MR], taps as the problem has them. One work-item per work-group,
// which computes all filters of a group for a section of the rows.
//
// Macros: STAGE (KiB of local memory), FIRST_TOP (the least input row that a result of row 0 meets), and those of
// implicit_gemm/phases. All sizes are arguments.

#define LINE 16  // elements of a cache line, of floats

constant int column_taps[] = {COLUMN_TAPS}, column_tap[] = {COLUMN_TAP}, column_left[] = {COLUMN_LEFT};
constant int row_taps[] = {ROW_TAPS}, row_tap[] = {ROW_TAP}, row_top[] = {ROW_TOP};

#define PARAMETERS_WITH(restrict) \
  global const float* restrict x, global const float* restrict packed, \
  global const element* restrict b, global const element* restrict r, \
  global element* restrict result, int channels, long x_image, long x_plane, int x_pitch, int in_h, \
  int in_w, int top0, int left, long x_size, int h, int w, int section_rows, int sections, int pitch, \
  int plane, int filters, int blocks_per_group, int groups, long out_image, long out_plane, \
  long out_offset SLOPES_PARAMETER_WITH(restrict)
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS \
  x, packed, b, r, result, channels, x_image, x_plane, x_pitch, in_h, in_w, top0, left, x_size, h, w, \
  section_rows, sections, pitch, plane, filters, blocks_per_group, groups, out_image, out_plane, \
  out_offset SLOPES_ARGUMENT

// Copies what the section meets, from input row `first_row` on. `plane` is a multiple of `pitch`, which is one of VW.
ALWAYS_INLINE void stage_section(local float* stage, global const float* x_group, const int first_row,
                                 PLAIN_PARAMETERS) {
  const int first_column = FIRST_LEFT - left, rows = plane / pitch;
  for (int channel = 0; channel < channels; ++channel) {
    for (int s = 0; s < rows; ++s) {
      local float* to = stage + channel * plane + s * pitch;
      const int y = first_row + s;
      global const float* row = x_group + channel * x_plane + (long)y * x_pitch;
      const bool inside = y >= 0 && y < in_h;
      const bool readable = row - x + first_column >= 0 && row - x + first_column + pitch <= x_size;
      for (int c = 0; c < pitch; c += VW) {
        const int column = first_column + c;
        if (inside && column >= 0 && column + VW <= in_w) {
          IN_ONE_PIECE(local, to + c) = LOAD_V(row + column);
        } else {
          IN_ONE_PIECE(local, to + c) = inside ? load_within(row, column, in_w, readable) : (floatv)(0.0f);
        }
      }
    }
  }
  for (int c = 0; c < SLACK; c += VW) IN_ONE_PIECE(local, stage + channels * plane + c) = (floatv)(0.0f);
}

// acc[phase] += the weights times NV vectors, which are at `at` of the rows `row`.
ALWAYS_INLINE void multiply_phases(floatv acc[SW][MR][NV], local const float* rows, const int at[NV],
                                   global const float* weights, const int taps, const int channels,
                                   const int pitch, const int plane) {
  for (int u = 0; u < taps; ++u) {
    local const float* row = rows + u * DH * pitch;
    global const float* row_w = weights + u * ROW_STEP * (KW * MR);
    for (int channel = 0; channel < channels; ++channel, row += plane, row_w += KH * KW * MR) {
      // Column by column, so that only NV vectors of the input are in registers at once.
#pragma unroll
      for (int d = 0; d < REACH; ++d) {
#pragma unroll
        for (int phase = 0; phase < SW; ++phase) {
#pragma unroll
          for (int t = 0; t < KW; ++t) {
            if (t < column_taps[phase] && column_left[phase] - FIRST_LEFT + t * DW == d) {
              global const float* tap_w = row_w + (column_tap[phase] + t * COLUMN_STEP) * MR;
              MULTIPLY_TILE_SCALAR_FIRST(acc[phase], MR, NV, tap_w[i], LOAD_V(row + at[v] + d))
            }
          }
        }
      }
    }
  }
}

// A section's results of a block of filters whose row is equal to `row_phase` modulo SH. `image_out`: where the
// image's results begin.
ALWAYS_INLINE void compute_row_phase(local const float* stage, const int row_phase, const int first_i,
                                     const int row_count, const int block, const int group_index,
                                     const long image, PLAIN_PARAMETERS) {
  const int row_vectors = (w + SW * VW - 1) / (SW * VW);
  const int vectors = row_count * row_vectors;
  const long first_b = (long)group_index * filters + block * MR;
  global const float* weights =
      packed + (((long)group_index * blocks_per_group + block) * channels * KH + row_tap[row_phase]) * (KW * MR);
  local const float* rows = stage + (row_top[row_phase] - FIRST_TOP) * pitch;
  const long first_out = image * out_image + first_b * out_plane + out_offset + (long)(first_i * SH + row_phase) * w;
  int next_row = 0, next_column = 0;  // of the vector that follows the last one
  for (int first_v = 0; first_v < vectors; first_v += NV) {
    int at[NV], column[NV], out_at[NV];
    floatv acc[SW][MR][NV];
#pragma unroll
    for (int phase = 0; phase < SW; ++phase) CLEAR_TILE(acc[phase], MR, NV)
#pragma unroll
    for (int v = 0; v < NV; ++v) {
      at[v] = next_row * pitch + next_column * VW;
      column[v] = next_column * (SW * VW);
      out_at[v] = next_row * (SH * w) + column[v];
#pragma unroll
      for (int m = 0; m < MR; ++m) {
#pragma unroll
        for (int line = 0; line < SW * VW; line += LINE)
          PREFETCH_TO_WRITE(result + first_out + m * out_plane + out_at[v] + line);
      }
      if (first_v + v + 1 >= vectors) continue;  // the last vector once more
      ++next_column;
      if (next_column == row_vectors) {
        next_column = 0;
        ++next_row;
      }
    }
    multiply_phases(acc, rows, at, weights, row_taps[row_phase], channels, pitch, plane);
#pragma unroll
    for (int v = 0; v < NV; ++v) {
      if (first_v + v >= vectors) continue;
#pragma unroll
      for (int m = 0; m < MR; ++m) {
        if (block * MR + m >= filters) continue;
        const float slope = SLOPE_OF(SLOPES_OF(image + out_offset / out_image, (long)groups * filters), first_b + m);
        floatv phases[SW];
#pragma unroll
        for (int phase = 0; phase < SW; ++phase) phases[phase] = acc[phase][m][v];
        const long out = first_out + m * out_plane + out_at[v];
        store_phases(phases, w - column[v], BIAS_OF(b, first_b + m), slope, r + out, result + out);
      }
    }
  }
}

// Input (channel, row, column) of image i is at i*x_image + channel*x_plane + (row - top0)*x_pitch + column - left; it
// has in_h rows, in_w columns, and x_size floats in all. Result (row, column) of a filter is at image*out_image +
// filter*out_plane + out_offset + row*w + column, filters counted over all groups; the residual has the same layout.
NOT_INLINED void implicit_gemm_staged_phases_item(const long id, local float* restrict stage, PARAMETERS) {
  const int first_i = (int)(id % sections) * section_rows;
  const int group_index = (int)(id / sections % groups);
  const long image = id / sections / groups;
  stage_section(stage, x + image * x_image + (long)group_index * channels * x_plane, first_i + FIRST_TOP - top0,
                ARGUMENTS);
  for (int block = 0; block < blocks_per_group; ++block) {
    for (int row_phase = 0; row_phase < min(SH, h); ++row_phase) {
      const int rows_of_phase = (h - row_phase + SH - 1) / SH;
      compute_row_phase(stage, row_phase, first_i, min(section_rows, rows_of_phase - first_i), block, group_index,
                        image, ARGUMENTS);
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_staged_phases(PARAMETERS) {
  local float stage[STAGE * 256] __attribute__((aligned(64)));
  implicit_gemm_staged_phases_item(get_group_id(0), stage, ARGUMENTS);
}
