// parts: winograd_results
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
        local float* sums = products + xi * PRODUCTS + first * BLOCK;
        floatv acc[TT][KV];
        MULTIPLY_CHANNELS(acc, from, to, u + (long)from * BLOCK, global, vs + (long)from * pitch + first, pitch, 1,
                          sums)
        STORE_TILE(acc, TT, KV, sums + i * BLOCK + v * VW)
      }
    }
  }

  store_results(products, 1, b, r, result, first_tile + begin, count, tiles_y, tiles_x, oh, ow, filters, groups,
                group_index, block % blocks_per_group * BLOCK, out_image, SLOPES_PASSED);
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void winograd_multiply(PARAMETERS) {
  local float products[XI * PRODUCTS] __attribute__((aligned(64)));
  winograd_multiply_item(get_group_id(0), products, ARGUMENTS);
}
