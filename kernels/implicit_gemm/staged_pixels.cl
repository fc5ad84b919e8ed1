// parts: register_tile stage_section store_first
// Implicit GEMM on CPUs, vectors along the pixels of a row, from a copy of the input in local memory: for few channels,
// as first layers have, at any stride.
//
//   a section of a channel's plane        local memory, per row its columns by phase       registers, floatv each
//     . . . . . . .   padding               0 b d f | a c e 0      (SW == 2)                  acc[MR][NV]
//     . a b c d e . .              -->      0 h j l | g i k 0
//     . f g h i j . .                       ..
//
// Columns that are equal modulo SW are a phase. Those that a tap sees lie side by side, so that a vector of pixels is
// one load, and each is copied once, not once for each tap. One work-item per work-group. It copies what a section of
// the results sees, of all channels of a group, and multiplies that by a run of blocks of filters. The vectors of a
// section are numbered row by row; a register tile takes NV of them, of one row or of several. Only the last vector of
// a row can be partial.
//
// packed[group][block][channel][tap row][tap column][MR]. Result (i,j) of a filter is at image*out_image +
// filter*out_plane + out_offset + i*out_pitch + j, filters counted over all groups; the residual has the same layout.
//
// Macros: MR NV VW; STAGE (KiB of local memory); KW (columns of the filters), IW (= SW), SH SW DH DW, MASK, and those
// of the epilogue. All other sizes are arguments.

// acc += MR filters times NV vectors of pixels.
#define MULTIPLY(weights, vector) MULTIPLY_TILE_SCALAR_FIRST(acc, MR, NV, (weights)[i], vector)
// From a result's column to what it sees at tap column q.
#define TAP_AT(q) ((q) * DW / SW + (q) * DW % SW * pitch)
// Wider filters are not unrolled: 11 columns of 12 multiply-adds are code enough.
#define MOST_UNROLLED 11

#define PARAMETERS_WITH(restrict)                                                                                \
  global const element *restrict x, global const element *restrict y_mask, global const float *restrict packed,  \
      global const element *restrict b, global const element *restrict r, global element *restrict result,       \
      int channels, int taps_h, int in_h, int in_w, long in_size, long in_image, int top, int left, int oh,      \
      int ow, int section_h, int section_w, int sections_x, int sections, int pitch, int plane, int filters,     \
      int blocks_per_group, int run, int groups, long out_image, long out_plane, long out_offset, long out_pitch \
      SLOPES_PARAMETER_WITH(restrict)
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS                                                                                                  \
  x, y_mask, packed, b, r, result, channels, taps_h, in_h, in_w, in_size, in_image, top, left, oh, ow, section_h, \
      section_w, sections_x, sections, pitch, plane, filters, blocks_per_group, run, groups, out_image, out_plane, \
      out_offset, out_pitch SLOPES_ARGUMENT

// The results of a work-item: `rows` x `columns` from (i, j) on, of blocks [first_block, last_block).
typedef struct {
  int i, j, rows, columns, group_index, first_block, last_block;
  long image;
} Section;

ALWAYS_INLINE Section section_of(const int id, PLAIN_PARAMETERS) {
  Section s;
  const int index = id % sections;
  const int runs = (blocks_per_group + run - 1) / run;
  s.i = index / sections_x * section_h;
  s.j = index % sections_x * section_w;
  s.rows = min(section_h, oh - s.i);
  s.columns = min(section_w, ow - s.j);
  s.first_block = id / sections % runs * run;
  s.last_block = min(s.first_block + run, blocks_per_group);
  s.group_index = id / sections / runs % groups;
  s.image = id / sections / runs / groups;
  return s;
}

// Copies what the section sees, of all channels. Vectors that are partial see columns behind it, too.
ALWAYS_INLINE void stage_channels(local float* stage, const Section s, PLAIN_PARAMETERS) {
  const int rows = (s.rows - 1) * SH + (taps_h - 1) * DH + 1;
  const int columns = ((s.columns + VW - 1) / VW * VW - 1) * SW + (KW - 1) * DW + 1;
  const long in_plane = (long)in_h * in_w;
  long at = s.image * in_image + (long)s.group_index * channels * in_plane;
  for (int channel = 0; channel < channels; ++channel, at += in_plane, stage += plane) {
    stage_section(x, y_mask, MASK, at, in_size, in_h, in_w, top + s.i * SH, left + s.j * SW, rows, columns, stage,
                  pitch, 0, 1);
  }
}

// acc += the weights times the NV vectors of pixels at `at`.
ALWAYS_INLINE void multiply_taps(floatv acc[MR][NV], global const float* weights, local const float* stage,
                                 const int at[NV], const int channels, const int taps_h, const int pitch,
                                 const int plane) {
  for (int channel = 0; channel < channels; ++channel, stage += plane) {
    local const float* row = stage;
    for (int p = 0; p < taps_h; ++p, row += DH * SW * pitch, weights += KW * MR) {
#if KW <= MOST_UNROLLED
#pragma unroll
#else
      __attribute__((opencl_unroll_hint(1)))
#endif
      for (int q = 0; q < KW; ++q) {
        MULTIPLY(weights + q * MR, IN_ONE_PIECE(local const, row + at[v] + TAP_AT(q)))
      }
    }
  }
}

// The results of a block of filters.
ALWAYS_INLINE void multiply_block(local const float* stage, const Section s, const int block, PLAIN_PARAMETERS) {
  const int row_vectors = (s.columns + VW - 1) / VW;
  const int vectors = s.rows * row_vectors;
  const long first_b = (long)s.group_index * filters + block * MR;
  const long first_out = s.image * out_image + first_b * out_plane + out_offset + s.i * out_pitch + s.j;
  global const float* weights =
      packed + ((long)s.group_index * blocks_per_group + block) * channels * taps_h * (KW * MR);
  global const element* slopes_of_image = SLOPES_OF(s.image, (long)groups * filters);
  int next_row = 0, next_column = 0;
  for (int first_v = 0; first_v < vectors; first_v += NV) {
    int at[NV], count[NV];
    long out[NV];
    floatv acc[MR][NV];
    CLEAR_TILE(acc, MR, NV)
#pragma unroll
    for (int v = 0; v < NV; ++v) {
      at[v] = next_row * (SH * SW) * pitch + next_column;
      out[v] = first_out + next_row * out_pitch + next_column;
      count[v] = first_v + v < vectors ? min(s.columns - next_column, VW) : 0;
      if (first_v + v + 1 >= vectors) continue;  // the last vector once more
      next_column += VW;
      if (next_column >= s.columns) {
        next_column = 0;
        ++next_row;
      }
    }
    multiply_taps(acc, weights, stage, at, channels, taps_h, pitch, plane);
#pragma unroll
    for (int m = 0; m < MR; ++m) {
      if (block * MR + m >= filters) continue;
      const float bias = BIAS_OF(b, first_b + m);
      const float slope = SLOPE_OF(slopes_of_image, first_b + m);
#pragma unroll
      for (int v = 0; v < NV; ++v) {
        const long to = out[v] + m * out_plane;
        store_first(acc[m][v] + bias, count[v], slope, r + to, result + to BOUNDS_PASSED);
      }
    }
  }
}

NOT_INLINED void implicit_gemm_staged_pixels_item(const int id, local float* restrict stage, PARAMETERS) {
  const Section s = section_of(id, ARGUMENTS);
  stage_channels(stage, s, ARGUMENTS);
  for (int block = s.first_block; block < s.last_block; ++block) multiply_block(stage, s, block, ARGUMENTS);
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_staged_pixels(PARAMETERS) {
  local float stage[STAGE * 256] __attribute__((aligned(64)));
  implicit_gemm_staged_pixels_item((int)get_group_id(0), stage, ARGUMENTS);
}
