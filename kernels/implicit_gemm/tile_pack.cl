// parts: storage
// The weights as implicit_gemm/tile.cl reads them.
//
//   weights:  filter [ channel [ tap row [ tap column ] ] ]   ->   packed, per tile:  product [ BM filters ]
//
// Macros: BM, STORAGE_...

// packed[group][tile][product][filter of the tile], zero beyond the filters and channels. `together` channels lie
// behind one another before the next tap: BK, or with GATHER 3 all. A work-item has an element of every
// get_global_size(1)-th tile.
kernel void implicit_gemm_pack(global const element* restrict weights, global float* restrict packed, int filters,
                               int channels, int taps_h, int taps_w, int together, int products, int filter_tiles,
                               int all_tiles, long w_base, long w_group, long w_filter, long w_channel, long w_row,
                               long w_column) {
  const long at = get_global_id(0);
  const int product = (int)(at / BM);
  if (product >= products) return;
  const int tap = product / together;
  const int channel = tap / (taps_h * taps_w) * together + product % together;
  const long place = w_base + channel * w_channel + tap / taps_w % taps_h * w_row + tap % taps_w * w_column;
  for (int tile = get_global_id(1); tile < all_tiles; tile += get_global_size(1)) {
    const int filter = tile % filter_tiles * BM + (int)(at % BM);
    const int real = filter < filters && channel < channels;
    packed[(long)tile * products * BM + at] =
        real ? GET(weights, place + tile / filter_tiles * w_group + filter * w_filter) : 0.0f;
  }
}
