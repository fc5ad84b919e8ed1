// parts: winograd_planes winograd_channels
// Winograd on CPUs in one launch: a work-group transforms a strip of tiles, multiplies it by the transformed weights
// and transforms the products to results. What it writes and reads in between stays in its local memory.
//
//   input  -->  V, per group: [xi][channel][STRIP tiles], channels last [xi][STRIP tiles][channels]
//                 x U, as in vectors_multiply.cl
//               products[xi][STRIP tiles][KV vectors of filters], block after block  -->  A'[ ]A  -->  results
//
// One work-item per work-group.
//
// Macros: M KV TT BT VW, INPUT (KiB of V and of what is staged), CHANNELS_LAST (of input and result), MASK, and those
// of the epilogue. All other sizes are arguments.

#if CHANNELS_LAST
// Where V has a channel of a tile, and from there the same of the next channel and of the next tile.
#define PLACE_IN_V(channel, tile) ((tile) * pitch + (channel))
#define NEXT_CHANNEL 1
#define NEXT_TILE pitch

// Prefetches where the results of a block's filters go, from element `at` of each pixel on, of tile `tile`, counted
// over all images. Done while the multiply-adds leave memory idle, some tiles with each xi.
ALWAYS_INLINE void prefetch_results(global const element* r, global element* result, const long tile, const int at,
                                    const int tiles_y, const int tiles_x, const int oh, const int ow,
                                    const int out_step, const long out_image) {
  const int i0 = (int)(tile / tiles_x % tiles_y) * M, j0 = (int)(tile % tiles_x) * M;
  const long first = tile / tiles_x / tiles_y * out_image + at;
  for (int i = i0; i < min(i0 + M, oh); ++i) {
    for (int j = j0; j < min(j0 + M, ow); ++j) {
      for (int f = 0; f < BLOCK; f += (int)(LINE * sizeof(float) / sizeof(element))) {
        PREFETCH_TO_WRITE(result + first + ((long)i * ow + j) * out_step + f);
#if RESIDUAL
        PREFETCH(r + first + ((long)i * ow + j) * out_step + f);
#endif
      }
    }
  }
}
#define PREFETCH_RESULTS(xi)                                                                                     \
  for (int t = xi * count / XI; t < (xi + 1) * count / XI; ++t) {                                                \
    prefetch_results(r, result, begin + t, group_index * filters + block * BLOCK, tiles_y, tiles_x, oh, ow,      \
                     groups * filters, out_image);                                                               \
  }
#define STORE_RESULTS                                                                                            \
  store_channels(products, b, r, result, begin, count, tiles_y, tiles_x, oh, ow, filters, groups, group_index,   \
                 block * BLOCK, out_image, SLOPES_PASSED);
#else
#define PLACE_IN_V(channel, tile) ((channel) * STRIP + (tile))
#define NEXT_CHANNEL STRIP
#define NEXT_TILE 1

// Prefetches where the results of a filter go, and what is added to them, for a strip that begins at tile_x, tile_y.
// Done while the multiply-adds leave memory idle, a filter or so with each xi.
inline void prefetch_results(global const element* r, global element* result, const long plane, int tile_x,
                             int tile_y, long image, const int count, const int tiles_y,
                             const int tiles_x, const int oh, const int ow, const long out_image) {
  for (int t = 0; t < count;) {
    const int done = min(count - t, tiles_x - tile_x);
    const long first = image * out_image + (plane * oh + tile_y * M) * ow + tile_x * M;
    for (int i = 0; i < M; ++i) {
      for (int j = 0; j < done * M; j += (int)(LINE * sizeof(float) / sizeof(element))) {
        PREFETCH_TO_WRITE(result + first + (long)i * ow + j);
#if RESIDUAL
        PREFETCH(r + first + (long)i * ow + j);
#endif
      }
    }
    t += done;
    tile_x = 0;
    if (++tile_y == tiles_y) {
      tile_y = 0;
      ++image;
    }
  }
}
#define PREFETCH_RESULTS(xi)                                                                                     \
  for (int f = xi * BLOCK / XI; f < (xi + 1) * BLOCK / XI; ++f) {                                                \
    prefetch_results(r, result, (long)group_index * filters + block * BLOCK + f, first_x, first_y, first_image,  \
                     count, tiles_y, tiles_x, oh, ow, out_image);                                                \
  }
#define STORE_RESULTS                                                                                            \
  store_results(products, 0, b, r, result, begin, count, tiles_y, tiles_x, oh, ow, filters, groups, group_index, \
                block * BLOCK, out_image, SLOPES_PASSED);
#endif

// The products of the strip with xi of a block of filters, whose weights are at `u`, slab by slab of the channels. The
// weights of the next xi are prefetched (after the last one those of the next block), a share with every TT tiles.
#define MULTIPLY_XI()                                                                                               \
  global const float* next_u = u + (long)channels * BLOCK;                                                          \
  for (int k0 = 0; k0 < channels; k0 += slab) {                                                                     \
    const int k1 = min(k0 + slab, channels);                                                                        \
    for (int first = 0; first < count; first += TT) {                                                               \
      local float* sums = products + xi * PRODUCTS + first * BLOCK;                                                 \
      floatv acc[TT][KV];                                                                                           \
      MULTIPLY_CHANNELS(acc, k0, k1, u + (long)k0 * BLOCK, local, vs + PLACE_IN_V(k0, first), NEXT_CHANNEL,         \
                        NEXT_TILE, sums)                                                                            \
      _Pragma("unroll") for (int i = 0; i < TT; ++i) {                                                              \
        _Pragma("unroll") for (int v = 0; v < KV; ++v) IN_ONE_PIECE(local, sums + i * BLOCK + v * VW) = acc[i][v];  \
      }                                                                                                             \
    }                                                                                                               \
  }

// Work-groups: runs of run_blocks blocks of filters fastest, then groups, then strips.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void winograd_strips(global const element* restrict x, global const element* restrict y,
                     global const float* restrict packed, global const element* restrict b,
                     global const element* restrict r, global element* restrict result, int channels,
                     int slab, int in_h, int in_w, int top, int left, long in_end, int tiles_y, int tiles_x,
                     long tiles, int xi_step, int pitch, int oh, int ow, int filters, int blocks_per_group,
                     int groups, int runs, int run_blocks, long in_image, long out_image SLOPES_PARAMETER) {
  local float products[XI * PRODUCTS] __attribute__((aligned(64)));
  local float own[INPUT * 256] __attribute__((aligned(64)));
  const long id = get_group_id(0);
  const int run = (int)(id % runs);
  const int group_index = (int)(id / runs % groups);
  const long begin = id / runs / groups * STRIP;
  const int count = (int)min((long)STRIP, tiles - begin);
  const int first_x = (int)(begin % tiles_x);
  const int first_y = (int)(begin / tiles_x % tiles_y);
  const long first_image = begin / tiles_x / tiles_y;
#if CHANNELS_LAST
  transform_channels(own, count, first_x, first_y, first_image, group_index, x, channels, in_h, in_w, top, left,
                     tiles_y, tiles_x, xi_step, pitch, groups * channels, in_image);
#else
  transform_strip(own, count, first_x, first_y, first_image, group_index, x, y, channels, in_h, in_w, top, left, in_end,
                  tiles_y, tiles_x, xi_step, pitch, in_image);
#endif

  const int first_block = run * run_blocks;
  const int end_block = min(first_block + run_blocks, blocks_per_group);
  for (int block = first_block; block < end_block; ++block) {
    global const float* u =
        packed + ((long)group_index * blocks_per_group + block) * XI * channels * BLOCK;
    local const float* vs = own;
    for (int xi = 0; xi < XI; ++xi, u += (long)channels * BLOCK, vs += xi_step) {
      PREFETCH_RESULTS(xi)
      MULTIPLY_XI()
    }
    STORE_RESULTS
  }
}
