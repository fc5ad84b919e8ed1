// parts: register_tile store_first put_together stage_taps
// Implicit GEMM on CPUs, vectors along the pixels of a tile whose patches are first gathered in local memory: for small
// images, short reductions, and CPUs with few vector registers.
//
//   packed weights, per block:      patches of the tile, in local memory           registers, floatv each
//     r [ MR filters ]                r [ pixels, row after row: SPAN, SPAN, ... ]   acc[MR][NV]
//     |                               |
//     v                               v
//
// As `pixels`, but the tile's columns of the im2col matrix are gathered once for all filters, from the input itself:
// no padded copy, no second launch, no shuffle in the loop. Rows of any width lie densely, so that results are stored
// by whole vectors. A tile is `tile_images` whole images, some whole rows of an image, or a part of a row; the pixels
// of every image begin with a vector.
//
// Where the patches of all channels would not stay in the cache, they are gathered in slabs of `slab` channels. A span
// of them, SPAN pixels wide, should fit L1, so that only weights come from L2. The sums of a tile wait for the next
// slab in local memory.
//
// Result (i,j) of a filter is at image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step, filters
// counted over all groups; the residual has the same layout.
//
// Macros: MR NV VW; PATCH (KiB of local memory for patches); SUMS (KiB for sums; 0: one slab); SCATTER (1: the results
// of a tile do not lie one behind the other and are stored one by one); SH SW DH DW, MASK, and those of the epilogue.
// All other sizes are arguments.

#define SPAN (VW * NV)

// Products per iteration: with 12 multiply-adds each, 4 take 2-15 % less time than 1 (2-core Zen 3, 2026-11); with 16,
// 2 are level with 1.
#if VW == 16
#define UNROLLED 1
#else
#define UNROLLED 4
#endif

// With slabs a span stays in L1 for all blocks. Without, results are stored row after row of a plane, which counts for
// more where reductions are short (vgg_conv1_1: 1.9 against 2.7 ms; 2-core Zen 3, 2026-11).
#define SPANS for (int first_v = 0; first_v < tile.all_vectors; first_v += NV)
#define BLOCKS for (int block = tile.first_block; block < tile.last_block; ++block)
#if SUMS
#define FOR_SPANS_AND_BLOCKS SPANS BLOCKS
#else
#define FOR_SPANS_AND_BLOCKS BLOCKS SPANS
#endif

#if SCATTER
#define PLACED(base, offset) (((global STORED()*)(base))[offset])
// Loads the first `count` elements, each from its place; the others are 0.
inline floatv load_scattered(global const element* base, const long* place, const int count) {
  STORED(VW) there = 0;
#pragma unroll
  for (int i = 0; i < VW; ++i) {
    if (i < count) ((STORED()*)&there)[i] = PLACED(base, place[i]);
  }
  return FROM_STORED(VW, there);
}
#endif

// acc += MR filters times NV vectors of pixels.
#define MULTIPLY(vector) MULTIPLY_TILE_SCALAR_FIRST(acc, MR, NV, wp[i], vector)

#define PARAMETERS_WITH(restrict) \
  global const element* restrict x, global const element* restrict y_mask, \
  global const float* restrict packed, global const element* restrict b, \
  global const element* restrict r, global element* restrict result, int channels, int slab, \
  int taps_h, int taps_w, int in_h, int in_w, long in_size, long in_image, int top, int left, \
  int images, int oh, int ow, int tile_images, int tile_h, int tile_w, int tiles_x, int tiles, \
  int pitch, int filters, int blocks_per_group, int run, int groups, long out_image, \
  long out_plane, long out_offset, long out_pitch, int out_step SLOPES_PARAMETER_WITH(restrict)
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS \
  x, y_mask, packed, b, r, result, channels, slab, taps_h, taps_w, in_h, in_w, in_size, \
  in_image, top, left, images, oh, ow, tile_images, tile_h, tile_w, tiles_x, tiles, pitch, \
  filters, blocks_per_group, run, groups, out_image, out_plane, out_offset, out_pitch, out_step SLOPES_ARGUMENT

// The tile of a work-item, and the run of blocks that it is multiplied by.
typedef struct {
  int first_block, last_block, group_index, first_image, image_count;
  int i0, j0, rows, columns;
  int pixels, vectors;  // of an image
  int all_vectors;
} Tile;

ALWAYS_INLINE Tile tile_of(const int id, PLAIN_PARAMETERS) {
  Tile tile;
  const int index = id % tiles;
  const int runs = (blocks_per_group + run - 1) / run;
  tile.first_block = id / tiles % runs * run;
  tile.last_block = min(tile.first_block + run, blocks_per_group);
  tile.group_index = id / tiles / runs % groups;
  tile.first_image = id / tiles / runs / groups * tile_images;
  tile.i0 = index / tiles_x * tile_h;
  tile.j0 = index % tiles_x * tile_w;
  tile.image_count = min(tile_images, images - tile.first_image);
  tile.rows = min(tile_h, oh - tile.i0);
  tile.columns = min(tile_w, ow - tile.j0);
  tile.pixels = tile.rows * tile.columns;
  tile.vectors = (tile.pixels + VW - 1) / VW;
  tile.all_vectors = tile.image_count * tile.vectors;
  return tile;
}

// Gathers the tile's patches, of `staged_channels` channels from `channel` on.
ALWAYS_INLINE void stage_patches(local float* patches, const Tile tile, const int channel, const int staged_channels,
                                 PLAIN_PARAMETERS) {
  const long in_plane = (long)in_h * in_w;
  const int taps = taps_h * taps_w;
  const long plane = tile.first_image * in_image + (tile.group_index * channels + channel) * in_plane;
  local float* patch_row = patches;
  for (int p = 0; p < taps_h; ++p) {
    const int first_row = top + tile.i0 * SH + p * DH;
    const int above = min((max(-first_row, 0) + SH - 1) / SH, tile.rows);
    const int below = tile.rows - clamp((max(in_h - first_row, 0) + SH - 1) / SH, above, tile.rows);
    for (int q = 0; q < taps_w;) {
      const int together = min(TOGETHER, taps_w - q);
      const int first_column = left + tile.j0 * SW + q * DW;
      const long at = plane + (long)(first_row + above * SH) * in_w + first_column;
#define STAGE(N)                                                                                    \
  stage_tap##N(x, y_mask, at, in_size, staged_channels, in_plane, tile.image_count, in_image, in_w, \
               first_column, above, tile.rows - above - below, below, tile.columns, patch_row, together, pitch, \
               tile.vectors * VW, taps * pitch);
#if VW == 16
      if (tile.columns > 8) {
        STAGE(16)
      } else
#endif
#if VW >= 8
      if (tile.columns > 4) {
        STAGE(8)
      } else
#endif
      {
        STAGE(4)
      }
      q += together;
      patch_row += together * pitch;
    }
  }
}

// acc += the block's weights times the span's patches, `products` rows of each.
ALWAYS_INLINE void multiply_span(floatv acc[MR][NV], global const float* wp, local const float* pixels_at,
                                 const int products, const int pitch) {
  int product = 0;
  for (; product + UNROLLED <= products; product += UNROLLED) {
#pragma unroll
    for (int u = 0; u < UNROLLED; ++u, wp += MR, pixels_at += pitch) {
      MULTIPLY(LOAD_V(pixels_at + v * VW))
    }
  }
  for (; product < products; ++product, wp += MR, pixels_at += pitch) {
    MULTIPLY(LOAD_V(pixels_at + v * VW))
  }
}

// Where the results of a span's vectors go: the first of each, of the block's first filter, and how many there are.
typedef struct {
  long at[NV];
  int count[NV];
#if SLOPES
  global const element* slopes[NV];  // of the image
#endif
#if SCATTER
  long place[NV][VW];  // of each result, from `at` on
#endif
} Places;

// Of the span from vector `v0` on, of which those before `first_v` are stored already.
ALWAYS_INLINE void find_places(Places* places, const Tile tile, const long first_b, const int first_v, const int v0,
                               PLAIN_PARAMETERS) {
#pragma unroll
  for (int v = 0; v < NV; ++v) {
    const int image = tile.image_count == 1 ? 0 : (v0 + v) / tile.vectors;
    const int from = (v0 + v - image * tile.vectors) * VW;
#if SLOPES
    places->slopes[v] = SLOPES_OF(tile.first_image + image, (long)groups * filters);
#endif
    places->at[v] = (tile.first_image + image) * out_image + first_b * out_plane + out_offset +
                    tile.i0 * out_pitch + (long)tile.j0 * out_step;
    places->count[v] = v0 + v < first_v || v0 + v >= tile.all_vectors ? 0 : min(tile.pixels - from, VW);
#if SCATTER
    int row = from / tile.columns;
    int column = from % tile.columns;
#pragma unroll
    for (int i = 0; i < VW; ++i) {
      places->place[v][i] = row * out_pitch + (long)column * out_step;
      if (++column == tile.columns) {
        column = 0;
        ++row;
      }
    }
#else
    places->at[v] += from;
#endif
  }
}

#if SCATTER
// Stores `count` results of a filter, each at its place from result[to] on.
ALWAYS_INLINE void store_vector(const floatv sum, const float slope, global const element* r, global element* result,
                                const long to, const long* place, const int count BOUNDS_PARAMETER) {
  // Converted as a vector, since PoCL converts single halves in software.
  floatv value = sum;
#if RESIDUAL
  value += load_scattered(r + to, place, count);
#endif
  value = ACTIVATE(value, slope);
#if ACCUMULATE
  value += load_scattered(result + to, place, count);
#endif
  const STORED(VW) all = TO_STORED(VW, value);
#pragma unroll
  for (int i = 0; i < VW; ++i) {
    if (i < count) PLACED(result + to, place[i]) = ((const STORED()*)&all)[i];
  }
}
#endif

// With 16-bit storage most of a span's time besides its products goes to conditions: where all of a block and a span is
// stored, there are none.
#if defined(STORED_AS) && !SCATTER
#define ALL_STORED(places, block) (((block) + 1) * MR <= filters && is_whole(places))
ALWAYS_INLINE bool is_whole(const Places* places) {
  bool whole = true;
#pragma unroll
  for (int v = 0; v < NV; ++v) whole = whole && places->count[v] == VW;
  return whole;
}
#else
#define ALL_STORED(places, block) false
#endif

// Finishes the sums of a block and a span, and stores them.
ALWAYS_INLINE void store_span(const floatv acc[MR][NV], const Tile tile, const int block, const int first_v,
                              const int v0, PLAIN_PARAMETERS) {
  const long first_b = (long)tile.group_index * filters + block * MR;
  Places places;
  find_places(&places, tile, first_b, first_v, v0, ARGUMENTS);
#ifdef STORED_AS
  if (ALL_STORED(&places, block)) {
    floatv kept[MR * NV];
#pragma unroll
    for (int m = 0; m < MR; ++m) {
      const float bias = BIAS_OF(b, first_b + m);
#pragma unroll
      for (int v = 0; v < NV; ++v) {
        const long to = places.at[v] + m * out_plane;
        const floatv value = acc[m][v] + bias + RESIDUAL_V(r + to);
        const floatv activated = ACTIVATE(value, SLOPE_OF(places.slopes[v], first_b + m));
        KEEP(kept[m * NV + v], RESULT(GET_V(result + to), activated), result + to);
      }
    }
#define RESULT_OF(t) (result + places.at[(t) % NV] + (t) / NV * out_plane)
    PUT_KEPT(kept, MR * NV, RESULT_OF)
    return;
  }
#endif
#pragma unroll
  for (int m = 0; m < MR; ++m) {
    if (block * MR + m < filters) {
      const float bias = BIAS_OF(b, first_b + m);
#pragma unroll
      for (int v = 0; v < NV; ++v) {
        const float slope = SLOPE_OF(places.slopes[v], first_b + m);
        const long to = places.at[v] + m * out_plane;
#if SCATTER
        store_vector(acc[m][v] + bias, slope, r, result, to, places.place[v], places.count[v] BOUNDS_PASSED);
#else
        store_first(acc[m][v] + bias, places.count[v], slope, r + to, result + to BOUNDS_PASSED);
#endif
      }
    }
  }
}

// A work-item multiplies its tile by `run` blocks of filters. pitch: floats from one row of patches to the next;
// in_image: elements from one image of x to the next.
NOT_INLINED void implicit_gemm_patches_item(const int id, local float* restrict patches,
                                            local float* restrict sums, PARAMETERS) {
  const Tile tile = tile_of(id, ARGUMENTS);
#if SUMS
  const int spans = (tile.all_vectors + NV - 1) / NV;
#endif
  const int taps = taps_h * taps_w;
  for (int channel = 0; channel < channels; channel += slab) {
    const int staged_channels = min(slab, channels - channel);
    stage_patches(patches, tile, channel, staged_channels, ARGUMENTS);
    FOR_SPANS_AND_BLOCKS {
      const int v0 = max(min(first_v, tile.all_vectors - NV), 0);
      global const float* wp =
          packed + (((long)tile.group_index * blocks_per_group + block) * channels + channel) * taps * MR;
      floatv acc[MR][NV];
#if SUMS
      local float* tile_sums = sums + ((block - tile.first_block) * spans + first_v / NV) * (MR * SPAN);
      if (channel > 0) {
        LOAD_TILE(acc, MR, NV, tile_sums + i * SPAN + v * VW)
      } else
#endif
      {
        CLEAR_TILE(acc, MR, NV)
      }
      multiply_span(acc, wp, patches + v0 * VW, staged_channels * taps, pitch);
#if SUMS
      if (channel + slab < channels) {
        STORE_TILE(acc, MR, NV, tile_sums + i * SPAN + v * VW)
        continue;
      }
#endif
      store_span(acc, tile, block, first_v, v0, ARGUMENTS);
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_patches(PARAMETERS) {
  local float patches[PATCH * 256] __attribute__((aligned(64)));
#if SUMS
  local float sums[SUMS * 256] __attribute__((aligned(64)));
#else
  local float* const sums = 0;
#endif
  implicit_gemm_patches_item((int)get_group_id(0), patches, sums, ARGUMENTS);
}
