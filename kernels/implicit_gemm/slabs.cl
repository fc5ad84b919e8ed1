// parts: filter_tile prefetch
// Implicit GEMM on CPUs, `filters` in slabs of channels: for reductions whose weights do not stay in L1 from one tile
// to the next. The weights of `slab` channels do, for all tiles of a supertile of pixels:
//
//   for each slab of channels                          supertile: `supertile` tiles of an image
//     for each block of filters of the run               # # # #   sums of a tile, from slab to slab: local memory
//       for each tile of the supertile                       # # # #
//         sums[block][tile] += weights of the slab * pixels
//
// The register tile and its store are those of parts/filter_tile.cl; the sums wait for the next slab in SUMS KiB of
// local memory. A work-item takes `run` blocks of filters. Arguments are those of `filters`, then slab and run.
//
// Macros: KV TH TW VW, SUMS; SH SW DH DW, CHANNELS_LAST=0, and those of the epilogue.

#define LINE 16  // floats of a cache line

#define PARAMETERS \
  global const float* restrict x, global const float* restrict packed, \
  global const element* restrict b, global const element* restrict r, \
  global element* restrict result, int images, int channels, int taps_h, int taps_w, \
  long x_image, long plane, int pitch, int step, long x_offset, int oh, int ow, int tiles_x, \
  int tiles, int filters, int blocks_per_group, int groups, int supertile, long out_image, \
  long out_plane, long out_offset, long out_pitch, int out_step, int slab, int run SLOPES_PARAMETER
#define ARGUMENTS \
  x, packed, b, r, result, images, channels, taps_h, taps_w, x_image, plane, pitch, step, \
  x_offset, oh, ow, tiles_x, tiles, filters, blocks_per_group, groups, supertile, out_image, \
  out_plane, out_offset, out_pitch, out_step, slab, run SLOPES_ARGUMENT

// acc += the slab's weights times the pixels of its `channels`.
ALWAYS_INLINE void multiply_slab(floatv acc[PIXELS][KV], global const float* xp, global const float* wp,
                                 const int channels, const int taps_h, const int taps_w, const long plane,
                                 const int pitch) {
  if (taps_h * taps_w == 1) {
    int channel = 0;
    for (; channel + 4 <= channels; channel += 4) {
#pragma unroll
      for (int u = 0; u < 4; ++u, xp += plane, wp += BLOCK) {
        MULTIPLY(wp, xp[i / TW * SH * pitch + i % TW * SW])
      }
    }
    for (; channel < channels; ++channel, xp += plane, wp += BLOCK) {
      MULTIPLY(wp, xp[i / TW * SH * pitch + i % TW * SW])
    }
  } else {
    for (int channel = 0; channel < channels; ++channel, xp += plane) {
      for (int p = 0; p < taps_h; ++p) {
        for (int q = 0; q < taps_w; ++q, wp += BLOCK) {
          global const float* tap = xp + p * DH * pitch + q * DW;
          MULTIPLY(wp, tap[i / TW * SH * pitch + i % TW * SW])
        }
      }
    }
  }
}

NOT_INLINED void implicit_gemm_slabs_item(const long id, local float* restrict sums, PARAMETERS) {
  const int supertiles = (tiles + supertile - 1) / supertile;
  const int runs = (blocks_per_group + run - 1) / run;
  // The order of work-groups: groups, runs, images, supertiles, so that the weights of a run stay in the cache.
  const int first_tile = (int)(id % supertiles) * supertile;
  const int last_tile = min(first_tile + supertile, tiles);
  const long image = id / supertiles % images;
  const int first_block = (int)(id / supertiles / images % runs) * run;
  const int last_block = min(first_block + run, blocks_per_group);
  const int group_index = (int)(id / supertiles / images / runs);
  const int taps = taps_h * taps_w;
  // A chunk's results begin with those of its first image.
  global const element* slopes_of_image = SLOPES_OF(image + out_offset / out_image, (long)groups * filters);
  for (int channel = 0; channel < channels; channel += slab) {
    const int last_channel = min(channel + slab, channels);
    global const float* slab_xp =
        x + image * x_image + ((long)group_index * channels + channel) * plane + x_offset;
    local float* tile_sums = sums;
    const int share =
        ((last_channel - channel) * taps * BLOCK + last_tile - first_tile - 1) / (last_tile - first_tile);
    for (int block = first_block; block < last_block; ++block) {
      global const float* slab_wp =
          packed + (((long)group_index * blocks_per_group + block) * channels + channel) * taps * BLOCK;
      global const float* next_wp = slab_wp + (long)channels * taps * BLOCK;
      const int first_filter = block * BLOCK;
      const long first_b = (long)group_index * filters + first_filter;
      for (int tile = first_tile; tile < last_tile; ++tile, tile_sums += PIXELS * BLOCK) {
        const int first_i = tile / tiles_x * TH;
        const int first_j = tile % tiles_x * TW;
        const int i0 = min(first_i, oh - TH);
        const int j0 = min(first_j, ow - TW);
        floatv acc[PIXELS][KV];
        if (channel > 0) {
          LOAD_TILE(acc, PIXELS, KV, tile_sums + (i * KV + v) * VW)
        } else {
          CLEAR_TILE(acc, PIXELS, KV)
        }
        // Prefetches a share of the next block's slab. For the last block of the run this is of no use.
        for (int line = 0; line < share; line += LINE, next_wp += LINE) PREFETCH_FAR(next_wp);
        global const float* xp = slab_xp + (long)(i0 * SH) * pitch + (long)(j0 * SW) * step;
        multiply_slab(acc, xp, slab_wp, last_channel - channel, taps_h, taps_w, plane, pitch);
        if (last_channel < channels) {
          STORE_TILE(acc, PIXELS, KV, tile_sums + (i * KV + v) * VW)
          continue;
        }
        store_tile(acc, b, r, slopes_of_image, result, first_b, filters - first_filter, i0, j0, first_i, first_j,
                   image * out_image + first_b * out_plane + out_offset + i0 * out_pitch +
                       (long)j0 * out_step,
                   out_plane, out_pitch, out_step BOUNDS_PASSED);
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_slabs(PARAMETERS) {
  local float sums[SUMS * 256] __attribute__((aligned(64)));
  implicit_gemm_slabs_item(get_group_id(0), sums, ARGUMENTS);
}
