// parts: storage
// The weights as implicit_gemm/tile.cl reads them.
//
//   weights:  filter [ channel [ tap row [ tap column ] ] ]   ->   packed, per tile:  product [ BM filters ]
//
// Macros: BM, STORAGE_...; HALF (packed as float16), then also TOGETHER: of a filter so many products lie behind one
// another, for matrix units.

#if HALF
typedef half packed_factor;
#define STORE_FACTOR(value, at) vstore_half(value, at, packed)
#else
#define TOGETHER 1
typedef float packed_factor;
#define STORE_FACTOR(value, at) packed[at] = value
#endif

// packed[group][tile][product][filter of the tile], zero beyond the filters and channels. `together` channels lie
// behind one another before the next tap: BK, or with GATHER 3 all. A work-item has an element of every
// get_global_size(1)-th tile.
kernel void implicit_gemm_pack(global const element* restrict weights, global packed_factor* restrict packed,
                               int filters, int channels, int taps_h, int taps_w, int together, int products,
                               int filter_tiles, int all_tiles, long w_base, long w_group, long w_filter,
                               long w_channel, long w_row, long w_column) {
  const long at = get_global_id(0);
  const int product = (int)(at / (BM * TOGETHER)) * TOGETHER + (int)(at % TOGETHER);
  if (product >= products) return;
  const int tap = product / together;
  const int channel = tap / (taps_h * taps_w) * together + product % together;
  const long place = w_base + channel * w_channel + tap / taps_w % taps_h * w_row + tap % taps_w * w_column;
  for (int tile = get_global_id(1); tile < all_tiles; tile += get_global_size(1)) {
    const int filter = tile % filter_tiles * BM + (int)(at / TOGETHER % BM);
    const int real = filter < filters && channel < channels;
    const float value = real ? GET(weights, place + tile / filter_tiles * w_group + filter * w_filter) : 0.0f;
    STORE_FACTOR(value, (long)tile * products * BM + at);
  }
}
