// parts: filter_tile
// Implicit GEMM on CPUs, vectors along the filters, the input read in place: a correlation (a forward convolution, or a
// phase of a data gradient: src/ops/correlation.hpp) with the register tile of parts/filter_tile.cl, as in
// implicit_gemm/filters, but without a padded copy of the input. For few channels per group, where a copy costs as much
// as the products.
//
//   input row, in place          tap (p, q) of a tile of TW pixels
//     . . . . . . . . .            # # # # # # #     whole: TW broadcasts per channel
//     ^ j0                       - # # # # # # #     one pixel in padding, in front or behind: TW - 1
//                              - - - # # # # # #     more of them: gathered in private memory, with zeroes
//
// Taps are the outer loops and SLAB channels the inner one, so that the case of a tap is decided once for all of them.
// Tap rows that meet only padding are left out. One work-item per work-group, which computes some neighbouring tiles,
// one after the other. Per product: KV vector loads, TW broadcasts, TW*KV fused multiply-adds.
//
// Result (i,j) of a filter is at image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step, filters
// counted over all groups; the residual has the same layout.
//
// Macros: KV TW VW; SH SW DH DW, and those of the epilogue. All other sizes are arguments.

#define SLAB 16  // channels, so that the weights of a slab stay in L1: 9 taps for 32 filters are 18 KiB

// For each of the `some` channels of a slab: adds the filters at `w` times `count` pixels to the sums of these pixels,
// the first of which is pixel `from` of the tile.
#define MULTIPLY_CHANNELS(from, count, scalar)                                                          \
  for (int k = 0; k < some; ++k, tap += plane, w += taps * BLOCK) {                                     \
    MULTIPLY_TILE((acc + (from)), count, KV, LOAD_V(w + v * VW), scalar)                                \
  }

// Of positions `at`, `at + step`, ...: how many of `count` are below 0, or at `size` and beyond.
inline int in_front(const int at, const int step, const int count) {
  return at < 0 ? min((step - 1 - at) / step, count) : 0;
}
inline int beyond(const int at, const int step, const int count, const int size) {
  return count - (at >= size ? 0 : min(count, (size - 1 - at) / step + 1));
}

#define PARAMETERS \
  global const float* restrict x, global const float* restrict packed, \
  global const element* restrict b, global const element* restrict r, \
  global element* restrict result, int images, int channels, int taps_h, int taps_w, \
  long x_image, long plane, int pitch, int top, int left, int in_h, int in_w, int oh, int ow, int tiles_x, \
  int tiles, int tiles_per_work_group, int filters, int blocks_per_group, int groups, long out_image, \
  long out_plane, long out_offset, long out_pitch, int out_step SLOPES_PARAMETER
#define ARGUMENTS \
  x, packed, b, r, result, images, channels, taps_h, taps_w, x_image, plane, pitch, top, left, in_h, in_w, oh, ow, \
  tiles_x, tiles, tiles_per_work_group, filters, blocks_per_group, groups, out_image, out_plane, out_offset, \
  out_pitch, out_step SLOPES_ARGUMENT

// Tap (0,0) of result (0,0) is at row `top`, column `left` of an image of in_h x in_w. x_image, plane, pitch: floats
// from one image, channel, row to the next.
NOT_INLINED void implicit_gemm_in_place_item(const long id, PARAMETERS) {
  const int per_block = (tiles + tiles_per_work_group - 1) / tiles_per_work_group;  // work-groups
  const int blocks = blocks_per_group * groups;
  const int first_tile = (int)(id % per_block) * tiles_per_work_group;
  const int block = (int)(id / per_block % blocks);
  const long image = id / per_block / blocks;
  const int group_index = block / blocks_per_group;
  const int first_filter = block % blocks_per_group * BLOCK;
  const long first_b = (long)group_index * filters + first_filter;
  const int taps = taps_h * taps_w;
  global const float* x_group = x + image * x_image + (long)group_index * channels * plane;
  global const float* w_block = packed + (long)block * channels * taps * BLOCK;
  // A chunk's results begin with those of its first image.
  global const element* slopes_of_image = SLOPES_OF(image + out_offset / out_image, (long)groups * filters);

  for (int tile = first_tile; tile < min(first_tile + tiles_per_work_group, tiles); ++tile) {
    const int i0 = tile / tiles_x;
    const int first_j = tile % tiles_x * TW;
    const int j0 = min(first_j, ow - TW);
    const int row = top + i0 * SH, column = left + j0 * SW;
    const int first_p = in_front(row, DH, taps_h), last_p = taps_h - beyond(row, DH, taps_h, in_h);
    floatv acc[PIXELS][KV];
    CLEAR_TILE(acc, PIXELS, KV)
    for (int channel = 0; channel < channels; channel += SLAB) {
      const int some = min(SLAB, channels - channel);
      for (int p = first_p; p < last_p; ++p) {
        for (int q = 0; q < taps_w; ++q) {
          const int at = column + q * DW;
          const int front = in_front(at, SW, TW), behind = beyond(at, SW, TW, in_w);
          global const float* tap = x_group + channel * plane + (long)(row + p * DH) * pitch + at;
          global const float* w = w_block + ((long)channel * taps + p * taps_w + q) * BLOCK;
          if (front + behind == 0) {
            MULTIPLY_CHANNELS(0, TW, tap[i * SW])
#if TW > 1
          } else if (front == 1 && behind == 0) {
            MULTIPLY_CHANNELS(1, TW - 1, tap[(i + 1) * SW])
          } else if (front == 0 && behind == 1) {
            MULTIPLY_CHANNELS(0, TW - 1, tap[i * SW])
#endif
          } else if (front + behind < TW) {
            float pixels[TW];
#pragma unroll
            for (int i = 0; i < TW; ++i) pixels[i] = 0.0f;
            for (int k = 0; k < some; ++k, tap += plane, w += taps * BLOCK) {
              for (int i = front; i < TW - behind; ++i) pixels[i] = tap[i * SW];
              MULTIPLY(w, pixels[i])
            }
          }
        }
      }
    }
    const long first_out = image * out_image + first_b * out_plane + out_offset + i0 * out_pitch + (long)j0 * out_step;
    store_tile(acc, b, r, slopes_of_image, result, first_b, filters - first_filter, i0, j0, i0, first_j, first_out,
               out_plane, out_pitch, out_step BOUNDS_PASSED);
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_in_place(PARAMETERS) {
  implicit_gemm_in_place_item(get_group_id(0), ARGUMENTS);
}
