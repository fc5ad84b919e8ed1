// parts: register_tile transpose row_end epilogue prefetch winograd_transforms
// Winograd on CPUs, third program: multiplies the transformed input by the transformed weights and transforms the
// products to results. The body, in three programs:
//
//   input planes          V, per group                    packed weights U, per block of filters
//   +--------------+        [xi][channel][ tiles ... ]       [xi][channel][ KV vectors of filters ]
//   |+----+ EDGE = |           \                                /
//   || d  | M + 2  |  B'dB      \   per xi and TT tiles:       /   G g G', once
//   ||+---|-+      |  ------>    acc[TT][KV] over the channels
//   |+|---+ |      |                     |
//   | +-----+      |                     v          A'[ ]A
//   +--------------+        local products[xi][BT*TT tiles][KV vectors]  ------>  M rows of VW pixels
//
// One work-item per work-group. Vectors go along tiles (VT lanes) in the input's transform, along filters (VW) in the
// products, along the pixels of a row (VW) in the results. A work-group takes a strip of BT*TT tiles and a block of
// filters; its products stay in local memory. The register tile is parts/register_tile.cl's, TT tiles x KV vectors.
// `slab`: channels multiplied at a time. With few registers their weights and tiles should stay in L1 for the next TT
// tiles.
//
// Macros: M KV TT BT VW, and those of the epilogue. All other sizes are arguments.

#define BLOCK (VW * KV)
#define STRIP (TT * BT)
#define PRODUCTS (STRIP * BLOCK + VW)  // one vector more than needed spreads them over the sets of a cache
#define SHARE ((BLOCK + BT - 1) / BT)
#define LINE 16  // floats of a cache line
#define TILES_PER_VECTOR (VW / M)  // tiles whose results fill a vector of a row

#define PARAMETERS \
  global const float* restrict V, global const float* restrict packed, \
  global const element* restrict b, global const element* restrict r, \
  global element* restrict result, int channels, int slab, int tiles_y, int tiles_x, \
  long first_tile, int tiles, int pitch, long xi_step, int oh, int ow, int filters, \
  int blocks_per_group, int groups, int strips, int blocks_inner, long out_image SLOPES_PARAMETER
#define ARGUMENTS \
  V, packed, b, r, result, channels, slab, tiles_y, tiles_x, first_tile, tiles, pitch, xi_step, \
  oh, ow, filters, blocks_per_group, groups, strips, blocks_inner, out_image SLOPES_ARGUMENT

NOT_INLINED void winograd_multiply_item(const long id, local float* restrict products, PARAMETERS) {
  const int blocks = blocks_per_group * groups;
  const int block = (int)(blocks_inner ? id % blocks : id / strips);
  const int strip = (int)(blocks_inner ? id / blocks : id % strips);
  const int group_index = block / blocks_per_group;
  const int begin = strip * STRIP;
  const int count = min(STRIP, tiles - begin);

  global const float* u = packed + (long)block * XI * channels * BLOCK;
  global const float* vs = V + group_index * XI * xi_step + begin;
  // Weights are prefetched one xi ahead (after the last one those of the next block), a share with every TT tiles.
  for (int xi = 0; xi < XI; ++xi, u += (long)channels * BLOCK, vs += xi_step) {
    global const float* next_u = u + (long)channels * BLOCK;
    for (int from = 0; from < channels; from += slab) {
      const int to = min(from + slab, channels);
      for (int first = 0; first < count; first += TT) {
        global const float* filter_at = u + (long)from * BLOCK;
        global const float* tile_at = vs + (long)from * pitch + first;
        local float* sums = products + xi * PRODUCTS + first * BLOCK;
        floatv acc[TT][KV];
#pragma unroll
        for (int i = 0; i < TT; ++i) {
#pragma unroll
          for (int v = 0; v < KV; ++v) {
            acc[i][v] = from > 0 ? LOAD_V(sums + i * BLOCK + v * VW) : (floatv)(0.0f);
          }
        }
        for (int channel = from; channel < to; ++channel, next_u += SHARE) {
#pragma unroll
          for (int i = 0; i < SHARE; i += LINE) PREFETCH_FAR(next_u + i);
          MULTIPLY_TILE(acc, TT, KV, LOAD_V(filter_at + v * VW), tile_at[i])
          filter_at += BLOCK;
          tile_at += pitch;
        }
        STORE_TILE(acc, TT, KV, sums + i * BLOCK + v * VW)
      }
    }
  }

  const int first_filter = block % blocks_per_group * BLOCK;
  int tile_x = (int)((first_tile + begin) % tiles_x);
  int tile_y = (int)((first_tile + begin) / tiles_x % tiles_y);
  long image = (first_tile + begin) / tiles_x / tiles_y;
  int t = 0;
  while (t < count) {
    const int tiles_stored = min(min(TILES_PER_VECTOR, tiles_x - tile_x), count - t);
    const int i0 = tile_y * M;
    const int j0 = tile_x * M;
    const int pixels = min(tiles_stored * M, ow - j0);
    const long first_plane_of_block = (long)group_index * filters + first_filter;
    global const element* slopes_of_image = SLOPES_OF(image, (long)groups * filters);
    global const element* r_image = r + image * out_image;
    global element* result_image = result + image * out_image;
    for (int f = 0; f < BLOCK; ++f) {
      for (int i = 0; i < M; ++i) {
        const long row = (first_plane_of_block + f) * oh + i0 + i;
        PREFETCH_TO_WRITE(result_image + row * ow + j0 + pixels - 1);
      }
    }
    for (int v = 0; v < KV; ++v) {
      floatv y[M][VW];
      for (int tile = 0; tile < tiles_stored; ++tile) {
        local const float* from = products + (t + tile) * BLOCK + v * VW;
        floatv s[M][EDGE];
#define FROM(i) LOAD_V(from + (i * EDGE + j) * PRODUCTS)
#define TO(i) s[i][j]
#pragma unroll
        for (int j = 0; j < EDGE; ++j) A_TRANSFORM(FROM, TO)
#undef FROM
#undef TO
#define FROM(j) s[i][j]
#define TO(j) y[i][tile * M + j]
#pragma unroll
        for (int i = 0; i < M; ++i) A_TRANSFORM(FROM, TO)
#undef FROM
#undef TO
      }
      const int plane_filter = first_filter + v * VW;
      const long first_plane = first_plane_of_block + v * VW;
      const long first_b = (long)group_index * filters + plane_filter;
      for (int i = 0; i < min(M, oh - i0); ++i) {
        floatv rows[VW], other[VW];
#pragma unroll
        for (int j = 0; j < VW; ++j) rows[j] = y[i][j];
        TRANSPOSE(rows, other)
        const long out = (first_plane * oh + i0 + i) * ow + j0;
#pragma unroll
        for (int f = 0; f < VW; ++f) {
          if (plane_filter + f < filters) {
            const long at = out + (long)f * oh * ow;
            const floatv value = TRANSPOSED(rows, other)[f] + BIAS_OF(b, first_b + f) +
                                 residual_some(r_image + at, pixels);
            const floatv activated = ACTIVATE(value, SLOPE_OF(slopes_of_image, first_b + f));
#if ACCUMULATE
            put_first(get_some(result_image + at, pixels) + activated, pixels, result_image + at);
#else
            put_first(activated, pixels, result_image + at);
#endif
          }
        }
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

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void winograd_multiply(PARAMETERS) {
  local float products[XI * PRODUCTS] __attribute__((aligned(64)));
  winograd_multiply_item(get_group_id(0), products, ARGUMENTS);
}
