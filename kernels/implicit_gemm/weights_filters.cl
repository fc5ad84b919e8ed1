// parts: register_tile
// Implicit GEMM for the weight gradient, on CPUs, vectors along the filters:
// dw (filters x channels*kh*kw) = dy (filters x pixels) times the patches of x (pixels x channels*kh*kw), gathered
// while multiplying. The reduction runs over the pixels of all images. It can be split into parts, whose sums another
// kernel adds in a fixed order: the results are floats, dw itself or a part.
//
//   packed dy, per block:                x (padding written out)       registers, floatv each
//     pixel [ KV vectors of filters ]      TC planes, TQ neighbours     acc[TC*TQ][KV]
//       |   [                       ]      of a tap row
//       v
//
// One work-item per work-group. Per pixel: KV vector loads, TC*TQ broadcasts, TC*TQ*KV fused multiply-adds: the loop of
// implicit_gemm/filters with taps and channels in the place of pixels. Tiles at the end of channels and taps overlap
// (channels >= TC, kw >= TQ): both write the same bits.
//
// Macros: KV TC TQ VW; SH SW DH DW. x and dy are floats, masked already. All other sizes are arguments.

#define TAPS (TC * TQ)
#define BLOCK (VW * KV)

#define PARAMETERS \
  global const float* restrict x, global const float* restrict packed, \
  global float* restrict result, int images, int channels, int kh, int kw, int pitch, \
  long plane, int oh, int ow, int filters, int blocks_per_group, int groups, int channel_tiles, \
  int tap_tiles, long rows_per_part, long part_stride
#define ARGUMENTS \
  x, packed, result, images, channels, kh, kw, pitch, plane, oh, ow, filters, blocks_per_group, \
  groups, channel_tiles, tap_tiles, rows_per_part, part_stride

NOT_INLINED void weights_filters_item(const long id, PARAMETERS) {
  const int q0 = min((int)(id % tap_tiles) * TQ, kw - TQ);
  const int p = (int)(id / tap_tiles % kh);
  const int c0 = min((int)(id / tap_tiles / kh % channel_tiles) * TC, channels - TC);
  const long outer = id / tap_tiles / kh / channel_tiles;
  const int block = (int)(outer % (blocks_per_group * groups));
  const long part = outer / (blocks_per_group * groups);
  const int group_index = block / blocks_per_group;
  const long rows = (long)images * oh;
  const long first = part * rows_per_part;
  const long last = min(first + rows_per_part, rows);

  floatv acc[TAPS][KV];
  CLEAR_TILE(acc, TAPS, KV)
  for (long row = first; row < last; ++row) {
    const long image = row / oh;
    const int y = (int)(row % oh);
    global const float* x_row = x + ((image * groups + group_index) * channels + c0) * plane +
                               (long)(y * SH + p * DH) * pitch + q0 * DW;
    global const float* gradient = packed + ((long)block * rows + row) * ow * BLOCK;
    for (int j = 0; j < ow; ++j, x_row += SW, gradient += BLOCK) {
      MULTIPLY_TILE(acc, TAPS, KV, LOAD_V(gradient + v * VW), x_row[i / TQ * plane + i % TQ * DW])
    }
  }

  // Stored filter by filter, so that the taps of a filter are stored together.
  const int first_filter = block % blocks_per_group * BLOCK;
  const int filter_size = channels * kh * kw;
  global float* out = result + part * part_stride +
                      ((long)group_index * filters + first_filter) * filter_size +
                      (c0 * kh + p) * kw + q0;
#pragma unroll
  for (int v = 0; v < KV; ++v) {
    float values[TAPS * VW];
#pragma unroll
    for (int t = 0; t < TAPS; ++t) STORE_V(acc[t][v], values + t * VW);
    for (int f = 0; f < VW && first_filter + v * VW + f < filters; ++f) {
      global float* filter = out + (long)(v * VW + f) * filter_size;
#pragma unroll
      for (int t = 0; t < TAPS; ++t) filter[t / TQ * kh * kw + t % TQ] = values[t * VW + f];
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void weights_filters(PARAMETERS) {
  weights_filters_item(get_group_id(0), ARGUMENTS);
}
