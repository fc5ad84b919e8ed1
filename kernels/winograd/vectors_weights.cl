// parts: vectors winograd_transforms
// Winograd on CPUs, first program: transforms the weights, vectors along the filters (vectors_multiply.cl shows the
// whole).
//
//   g, 3x3 per filter and channel          packed[block][xi][channel][f] = (G g G')[xi], 0 beyond the filters
//     [ g g g ]   G g G'                     [xi][channel][ KV vectors of filters ]
//     [ g g g ]  ------->
//     [ g g g ]
//
// Element (p,q) of a filter is at w_base + group*w_group + filter*w_filter + channel*w_channel + p*w_row + q*w_column.
//
// Macros: M KV VW, STORAGE_...

#define BLOCK (VW * KV)

#define PARAMETERS \
  global const element* restrict weights, global float* restrict packed, int filters, \
  int channels, int blocks_per_group, long w_base, long w_group, long w_filter, long w_channel, \
  long w_row, long w_column
#define ARGUMENTS \
  weights, packed, filters, channels, blocks_per_group, w_base, w_group, w_filter, w_channel, \
  w_row, w_column

// One work-group per block and channel.
NOT_INLINED void winograd_weights_item(const long id, PARAMETERS) {
  const int channel = (int)(id % channels);
  const long block = id / channels;
  const int first_filter = (int)(block % blocks_per_group) * BLOCK;
  global const element* first = weights + w_base + block / blocks_per_group * w_group +
                                first_filter * w_filter + channel * w_channel;
  global float* out = packed + (block * XI * channels + channel) * BLOCK;
  for (int v = 0; v < KV; ++v) {
    floatv g[3][3], t[EDGE][3];
    for (int p = 0; p < 3; ++p) {
      for (int q = 0; q < 3; ++q) {
        float values[VW];
        for (int f = 0; f < VW; ++f) {
          values[f] = first_filter + v * VW + f < filters
                          ? GET(first, (v * VW + f) * w_filter + p * w_row + q * w_column)
                          : 0.0f;
        }
        g[p][q] = LOAD_V(values);
      }
    }
#define TO(i) t[i][q]
#pragma unroll
    for (int q = 0; q < 3; ++q) G_TRANSFORM(g[0][q], g[1][q], g[2][q], TO)
#undef TO
#pragma unroll
    for (int i = 0; i < EDGE; ++i) {
      floatv u[EDGE];
#define TO(j) u[j]
      G_TRANSFORM(t[i][0], t[i][1], t[i][2], TO)
#undef TO
#pragma unroll
      for (int j = 0; j < EDGE; ++j) {
        STORE_V(u[j], out + (long)(i * EDGE + j) * channels * BLOCK + v * VW);
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void winograd_weights(PARAMETERS) {
  winograd_weights_item(get_group_id(0), ARGUMENTS);
}
