// parts: filter_tile prefetch
// Implicit GEMM on CPUs, vectors along the filters: a correlation (a forward convolution, or a phase of a data
// gradient: src/ops/correlation.hpp) as a matrix product whose im2col matrix is gathered while multiplying and never
// stored. One work-item per work-group computes the register tile of parts/filter_tile.cl. Per product: KV vector
// loads, TH*TW broadcasts, TH*TW*KV fused multiply-adds. One register more than the CPU has costs 1.3x. x is float
// whatever the storage: broadcasting a float16 takes three instructions.
//
// A tile reads one or two lines of every plane, which no hardware prefetcher foresees: the kernel prefetches the lines
// of later channels, the lines of the results, and the weights of the next block, of which every tile takes a share.
// Channels last are served by implicit_gemm/filters_last.
//
// Result (i,j) of a filter is at image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step, filters
// counted over all groups; the residual has the same layout.
//
// Taps that meet only padding in all pixels of a tile are left out: tap (0,0) of result (0,0) is at row `top`, column
// `left` of an image of in_h x in_w (n1c256h33w33k256kh3kw3p12d12: 4 in 10 of all products).
//
// Macros: KV TH TW VW; SH SW DH DW (as arguments they cost 1.9x on PoCL 3.1), and those of the epilogue. All other
// sizes are arguments, so that one binary serves every size of a class.

#define AHEAD 96  // channels; resnet50.txt's 1x1 from memory: 24 too late, 48 nearly (2-core Zen 5, 2026-11)
#define LINE 16   // floats of a cache line

// The first tap that is not in front of an image, and the one behind the last tap that is not behind it, of a filter
// whose tap 0 is at `at`.
inline int first_inside(const int at, const int distance) {
  return at < 0 ? (distance - 1 - at) / distance : 0;
}
inline int last_inside(const int at, const int distance, const int taps, const int size) {
  return at >= size ? 0 : min(taps, (size - 1 - at) / distance + 1);
}

#define PARAMETERS_WITH(restrict) \
  global const float* restrict x, global const float* restrict packed, \
  global const element* restrict b, global const element* restrict r, \
  global element* restrict result, int images, int channels, int taps_h, int taps_w, \
  long x_image, long plane, int pitch, int step, long x_offset, int oh, int ow, int tiles_x, \
  int tiles, int filters, int blocks_per_group, int groups, int supertile, long out_image, \
  long out_plane, long out_offset, long out_pitch, int out_step, int top, int left, int in_h, \
  int in_w SLOPES_PARAMETER_WITH(restrict)
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS \
  x, packed, b, r, result, images, channels, taps_h, taps_w, x_image, plane, pitch, step, \
  x_offset, oh, ow, tiles_x, tiles, filters, blocks_per_group, groups, supertile, out_image, \
  out_plane, out_offset, out_pitch, out_step, top, left, in_h, in_w SLOPES_ARGUMENT

// The tile of a work-item, in its supertile, and its block of filters.
typedef struct {
  int index, first_of_supertile, supertile_tiles, block;
  int first_i, first_j, i0, j0;
  long image;
} Tile;

// The order of work-groups: blocks, images, tiles; with supertile > 0 images, supertiles of that many tiles, blocks,
// tiles.
ALWAYS_INLINE Tile tile_of(const long id, PLAIN_PARAMETERS) {
  Tile tile;
  const int blocks = blocks_per_group * groups;
  tile.image = supertile == 0 ? id / tiles % images : id / tiles / blocks;
  const int in_image = (int)(supertile == 0 ? id % tiles : id - tile.image * tiles * blocks);
  tile.first_of_supertile = supertile == 0 ? 0 : in_image / (supertile * blocks) * supertile;
  tile.supertile_tiles = supertile == 0 ? tiles : min(supertile, tiles - tile.first_of_supertile);
  const int in_supertile = in_image - tile.first_of_supertile * blocks;
  tile.index = tile.first_of_supertile + in_supertile % tile.supertile_tiles;
  tile.block = supertile == 0 ? (int)(id / tiles / images) : in_supertile / tile.supertile_tiles;
  tile.first_i = tile.index / tiles_x * TH;
  tile.first_j = tile.index % tiles_x * TW;
  tile.i0 = min(tile.first_i, oh - TH);
  tile.j0 = min(tile.first_j, ow - TW);
  return tile;
}

// What is prefetched while a tile is multiplied: per channel the pixels of a later one, per tap a share of the weights
// of the next block. After the last channel, the pixels are those of the next tile.
typedef struct {
  global const float *pixels, *weights;
  int turn, share;
  long at_turn;
} Ahead;

ALWAYS_INLINE Ahead ahead_of(const Tile tile, global const float* xp, global const float* wp, PLAIN_PARAMETERS) {
  Ahead ahead;
  const int next_tile =
      tile.index + 1 < tile.first_of_supertile + tile.supertile_tiles ? tile.index + 1 : tile.first_of_supertile;
  const int next_i = min(next_tile / tiles_x * TH, oh - TH);
  const int next_j = min(next_tile % tiles_x * TW, ow - TW);
  const long to_next_tile = (long)((next_i - tile.i0) * SH) * pitch + (next_j - tile.j0) * SW;
  ahead.turn = channels - min(AHEAD, channels) - 1;
  ahead.at_turn = to_next_tile - (channels - 1) * plane;
  ahead.pixels = xp + (ahead.turn < 0 ? to_next_tile : AHEAD * plane);
  ahead.share = (BLOCK + tile.supertile_tiles - 1) / tile.supertile_tiles;
  ahead.weights =
      wp + (long)channels * taps_h * taps_w * (BLOCK + (tile.index - tile.first_of_supertile) * ahead.share);
  return ahead;
}

#define PREFETCH_PIXELS()                                                \
  {                                                                      \
    _Pragma("unroll") for (int i = 0; i < TH; ++i) {                     \
      _Pragma("unroll") for (int j = TW * SW - 1; j >= 0; j -= LINE) {   \
        PREFETCH(ahead.pixels + i * SH * pitch + j);                     \
      }                                                                  \
    }                                                                    \
    ahead.pixels += channel == ahead.turn ? ahead.at_turn : plane;       \
  }

// acc += the block's weights times the tile's pixels, channel by channel.
ALWAYS_INLINE void multiply_channels(floatv acc[PIXELS][KV], const Tile tile, global const float* xp,
                                     global const float* wp, PLAIN_PARAMETERS) {
  Ahead ahead = ahead_of(tile, xp, wp, ARGUMENTS);
  if (taps_h * taps_w == 1) {  // the loops over taps would take as long as the products of a small tile
    for (int channel = 0; channel < channels; ++channel, xp += plane, wp += BLOCK, ahead.weights += ahead.share) {
      PREFETCH_PIXELS()
      PREFETCH_FAR(ahead.weights);
      MULTIPLY(wp, xp[i / TW * SH * pitch + i % TW * SW])
    }
  } else {
    const int first_p = first_inside(top + (tile.i0 + TH - 1) * SH, DH);
    const int last_p = last_inside(top + tile.i0 * SH, DH, taps_h, in_h);
    const int first_q = first_inside(left + (tile.j0 + TW - 1) * SW, DW);
    const int last_q = last_inside(left + tile.j0 * SW, DW, taps_w, in_w);
    const int left_out_of_row = (taps_w - max(last_q - first_q, 0)) * BLOCK;
    const int left_out = (taps_h - max(last_p - first_p, 0)) * taps_w * BLOCK;
    wp += (first_p * taps_w + first_q) * BLOCK;
    for (int channel = 0; channel < channels; ++channel, xp += plane, wp += left_out) {
      PREFETCH_PIXELS()
      for (int p = first_p; p < last_p; ++p, wp += left_out_of_row) {
        for (int q = first_q; q < last_q; ++q, wp += BLOCK, ahead.weights += ahead.share) {
          global const float* tap = xp + p * DH * pitch + q * DW;
          PREFETCH_FAR(ahead.weights);
          MULTIPLY(wp, tap[i / TW * SH * pitch + i % TW * SW])
        }
      }
    }
  }
}

// x_image, plane, pitch, step: floats from one image, channel, row, column to the next.
NOT_INLINED void implicit_gemm_filters_item(const long id, PARAMETERS) {
  const Tile tile = tile_of(id, ARGUMENTS);
  const int group_index = tile.block / blocks_per_group;
  const int first_filter = tile.block % blocks_per_group * BLOCK;
  const long first_b = (long)group_index * filters + first_filter;
  const long first_out = tile.image * out_image + first_b * out_plane + out_offset + tile.i0 * out_pitch +
                         (long)tile.j0 * out_step;
  global const float* xp = x + tile.image * x_image + (long)group_index * channels * plane + x_offset +
                           (long)(tile.i0 * SH) * pitch + (long)(tile.j0 * SW) * step;
  global const float* wp = packed + (long)tile.block * channels * taps_h * taps_w * BLOCK;
  floatv acc[PIXELS][KV];
  CLEAR_TILE(acc, PIXELS, KV)
#pragma unroll
  for (int f = 0; f < BLOCK; ++f) {
    PREFETCH_TO_WRITE(result + first_out + f * out_plane + (TH - 1) * out_pitch +
                      (TW - 1) * (long)out_step);
  }
  multiply_channels(acc, tile, xp, wp, ARGUMENTS);
  // A chunk's results begin with those of its first image.
  global const element* slopes_of_image = SLOPES_OF(tile.image + out_offset / out_image, (long)groups * filters);
  store_tile(acc, b, r, slopes_of_image, result, first_b, filters - first_filter, tile.i0, tile.j0, tile.first_i,
             tile.first_j, first_out, out_plane, out_pitch, out_step BOUNDS_PASSED);
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_filters(PARAMETERS) {
  implicit_gemm_filters_item(get_group_id(0), ARGUMENTS);
}
