// parts: register_tile transpose row_end epilogue prefetch winograd_transforms
// Winograd on CPUs: a strip of tiles and a block of filters, multiplied, transformed to results and stored.
//
//   V x U  -->  local products[xi][tile of the strip][KV vectors of filters]  --A'[ ]A-->  M rows of VW pixels a filter
//
// Macros: M KV VW, TT and BT (a strip has BT*TT tiles), and those of the epilogue.

#define BLOCK (VW * KV)
#define STRIP (TT * BT)
#define PRODUCTS (STRIP * BLOCK + VW)  // one vector more than needed spreads them over the sets of a cache
#define TILES_PER_VECTOR (VW / M)      // tiles whose results fill a vector of a row
#define SHARE ((BLOCK + BT - 1) / BT)  // of a block's weights, prefetched with every TT tiles
#define LINE 16                        // floats of a cache line

// acc[TT][KV] = what `sums` has of the channels before k0, plus the products of channels [k0, k1): weights of a block
// at `filters`, TT tiles of V at `tiles`, in address space `space`, `next_channel` floats from one channel to the next
// and `next_tile` from one tile. Moves next_u, from where it prefetches, along.
#define MULTIPLY_CHANNELS(acc, k0, k1, filters, space, tiles, next_channel, next_tile, sums)                    \
  {                                                                                                             \
    global const float* filter_at = filters;                                                                    \
    space const float* tile_at = tiles;                                                                         \
    _Pragma("unroll") for (int i = 0; i < TT; ++i) {                                                            \
      _Pragma("unroll") for (int v = 0; v < KV; ++v) {                                                          \
        acc[i][v] = k0 > 0 ? LOAD_V(sums + i * BLOCK + v * VW) : (floatv)(0.0f);                                \
      }                                                                                                         \
    }                                                                                                           \
    for (int channel = k0; channel < k1; ++channel, next_u += SHARE) {                                          \
      _Pragma("unroll") for (int i = 0; i < SHARE; i += LINE) PREFETCH_FAR(next_u + i);                         \
      MULTIPLY_TILE(acc, TT, KV, LOAD_V(filter_at + v * VW), tile_at[i * next_tile])                            \
      filter_at += BLOCK;                                                                                       \
      tile_at += next_channel;                                                                                  \
    }                                                                                                           \
  }

// y[i][tile * M + j]: result (i, j) of each of `tiles` tiles, of a vector of filters whose products begin at `from`.
// Not a function: of that LLVM 15 makes code that takes 2 % longer (resnet_3x3_14, f4x4_strips; 2-core Zen 3, 2026-11).
#define FROM_PRODUCTS(i) LOAD_V(tile_products + (i * EDGE + j) * PRODUCTS)
#define TO_COLUMN(i) s[i][j]
#define FROM_COLUMN(j) s[i][j]
#define TO_RESULTS(j) y[i][tile * M + j]
#define TRANSFORM_PRODUCTS(y, from, tiles)                                                  \
  for (int tile = 0; tile < (tiles); ++tile) {                                              \
    local const float* tile_products = (from) + tile * BLOCK;                               \
    floatv s[M][EDGE];                                                                      \
    _Pragma("unroll") for (int j = 0; j < EDGE; ++j) A_TRANSFORM(FROM_PRODUCTS, TO_COLUMN)  \
    _Pragma("unroll") for (int i = 0; i < M; ++i) A_TRANSFORM(FROM_COLUMN, TO_RESULTS)      \
  }

// Stores `pixels` neighbours of a row of results, of VW filters: one at result[at], each next one a plane of `plane`
// elements further. Of the filters, from `first_b` on, `rest` exist.
ALWAYS_INLINE void store_pixels(const floatv* y, global const element* b, global const element* r,
                                global element* result, global const element* slopes, long at, const long plane,
                                const int pixels, const long first_b, const int rest) {
  floatv rows[VW], other[VW];
#pragma unroll
  for (int j = 0; j < VW; ++j) rows[j] = y[j];
  TRANSPOSE(rows, other)
#pragma unroll
  for (int f = 0; f < VW; ++f, at += plane) {
    if (f < rest) {
      const floatv value = TRANSPOSED(rows, other)[f] + BIAS_OF(b, first_b + f) + residual_some(r + at, pixels);
      const floatv activated = ACTIVATE(value, SLOPE_OF(slopes, first_b + f));
#if ACCUMULATE
      put_first(get_some(result + at, pixels) + activated, pixels, result + at);
#else
      put_first(activated, pixels, result + at);
#endif
    }
  }
}

// Of `count` tiles from `first_tile` on, counted over all images, and the filters from `first_filter` on of a group.
// `prefetch`: what is stored to was not prefetched before.
inline void store_results(local const float* products, const int prefetch, global const element* b,
                          global const element* r, global element* result,
                          const long first_tile, const int count, const int tiles_y, const int tiles_x,
                          const int oh, const int ow, const int filters, const int groups,
                          const int group_index, const int first_filter, const long out_image,
                          global const element* slopes) {
  int tile_x = (int)(first_tile % tiles_x);
  int tile_y = (int)(first_tile / tiles_x % tiles_y);
  long image = first_tile / tiles_x / tiles_y;
  int t = 0;
  while (t < count) {
    const int tiles_stored = min(min(TILES_PER_VECTOR, tiles_x - tile_x), count - t);
    const int i0 = tile_y * M;
    const int j0 = tile_x * M;
    const int pixels = min(tiles_stored * M, ow - j0);
    const long first_plane_of_block = (long)group_index * filters + first_filter;
    global const element* slopes_of_image = SLOPES_OF(image, (long)groups * filters);
    for (int f = 0; prefetch && f < BLOCK; ++f) {
      for (int i = 0; i < M; ++i) {
        const long row = (first_plane_of_block + f) * oh + i0 + i;
        PREFETCH_TO_WRITE(result + image * out_image + row * ow + j0 + pixels - 1);
      }
    }
    for (int v = 0; v < KV; ++v) {
      floatv y[M][VW];
      TRANSFORM_PRODUCTS(y, products + t * BLOCK + v * VW, tiles_stored)
      const long first_plane = first_plane_of_block + v * VW;
      for (int i = 0; i < min(M, oh - i0); ++i) {
        store_pixels(y[i], b, r, result, slopes_of_image,
                     image * out_image + (first_plane * oh + i0 + i) * ow + j0, (long)oh * ow, pixels,
                     first_plane, filters - first_filter - v * VW);
      }
    }
    t += tiles_stored;
    tile_x += tiles_stored;
    if (tile_x == tiles_x) {
      tile_x = 0;
      if (++tile_y == tiles_y) {
        tile_y = 0;
        ++image;
      }
    }
  }
}
