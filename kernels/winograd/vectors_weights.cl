// parts: transpose winograd_transforms prefetch
// Winograd on CPUs, first program: transforms the weights, vectors along the filters (vectors_multiply.cl shows the
// whole).
//
//   g, 3x3 per filter and channel          packed[block][xi][channel][f] = (G g G')[xi], 0 beyond the filters
//     [ g g g ]   G g G'                     [xi][channel][ KV vectors of filters ]
//     [ g g g ]  ------->
//     [ g g g ]
//
// Element (p,q) of a filter is at w_base + group*w_group + filter*w_filter + channel*w_channel + p*w_row + q*w_column.
// Where channels and taps lie together, VW channels of a filter are TAPS vectors, and those of VW filters are
// transposed in registers. Element by element, VW numbers are stored before their vector is loaded, which then waits
// for all of them (resnet_3x3_14, f2x2: 255 us instead of 110; PoCL 3.1, 2-core Zen 5, 2026-11). The next VW channels
// of each filter are prefetched.
//
// Macros: M KV VW, STORAGE_...

#define BLOCK (VW * KV)
#define TAPS 9

#define PARAMETERS \
  global const element* restrict weights, global float* restrict packed, int filters, \
  int channels, int blocks_per_group, long w_base, long w_group, long w_filter, long w_channel, \
  long w_row, long w_column
#define ARGUMENTS \
  weights, packed, filters, channels, blocks_per_group, w_base, w_group, w_filter, w_channel, \
  w_row, w_column

// taps[channel * TAPS + tap]: VW filters, of which `left` exist, of `some` channels. `dense`: taps and channels lie
// together, and there are VW channels.
ALWAYS_INLINE void load_filters(floatv* taps, global const element* first, const int left, const int some,
                                const bool dense, const long w_filter, const long w_channel, const long w_row,
                                const long w_column) {
  if (dense) {
    __attribute__((opencl_unroll_hint(1)))
    for (int n = 0; n < TAPS; ++n) {
      floatv rows[VW], other[VW];
#pragma unroll
      for (int f = 0; f < VW; ++f) {
        rows[f] = (floatv)(0.0f);
        if (f < left) rows[f] = GET_V(first + f * w_filter + n * VW);
        PREFETCH(first + f * w_filter + (n + TAPS) * VW);
      }
      TRANSPOSE(rows, other)
#pragma unroll
      for (int t = 0; t < VW; ++t) taps[n * VW + t] = TRANSPOSED(rows, other)[t];
    }
  } else {
    __attribute__((opencl_unroll_hint(1)))
    for (int tap = 0; tap < some * TAPS; ++tap) {
      const long at = tap / TAPS * w_channel + tap % TAPS / 3 * w_row + tap % 3 * w_column;
      float values[VW];
      for (int f = 0; f < VW; ++f) values[f] = f < left ? GET(first, f * w_filter + at) : 0.0f;
      taps[tap] = LOAD_V(values);
    }
  }
}

// Transforms and stores VW filters of `some` channels.
ALWAYS_INLINE void transform_filters(const floatv* taps, global float* out, const int some, const int channels) {
  floatv columns[VW][EDGE][3];
  __attribute__((opencl_unroll_hint(1)))
  for (int channel = 0; channel < some; ++channel) {
    const floatv* g = taps + channel * TAPS;
#define TO(i) columns[channel][i][q]
#pragma unroll
    for (int q = 0; q < 3; ++q) G_TRANSFORM(g[q], g[3 + q], g[6 + q], TO)
#undef TO
  }
  // One row of xi at a time: planes of a power of two bytes share the sets of L1, which EDGE * EDGE lines at once
  // overfill (resnet_3x3_28: 107 us instead of 57).
  __attribute__((opencl_unroll_hint(1)))
  for (int i = 0; i < EDGE; ++i) {
    __attribute__((opencl_unroll_hint(1)))
    for (int channel = 0; channel < some; ++channel) {
      const floatv* row = columns[channel][i];
      floatv u[EDGE];
#define TO(j) u[j]
      G_TRANSFORM(row[0], row[1], row[2], TO)
#undef TO
#pragma unroll
      for (int j = 0; j < EDGE; ++j) {
        STORE_V(u[j], out + ((long)(i * EDGE + j) * channels + channel) * BLOCK);
      }
    }
  }
}

// One work-group per block and VW channels.
NOT_INLINED void winograd_weights_item(const long id, PARAMETERS) {
  const int slabs = (channels + VW - 1) / VW;
  const int first_channel = (int)(id % slabs) * VW;
  const int some = min(VW, channels - first_channel);
  const long block = id / slabs;
  const int first_filter = (int)(block % blocks_per_group) * BLOCK;
  const bool dense = w_column == 1 && w_row == 3 && w_channel == TAPS && some == VW;
  global const element* first = weights + w_base + block / blocks_per_group * w_group +
                                first_filter * w_filter + first_channel * w_channel;
  global float* out = packed + (block * XI * channels + first_channel) * BLOCK;
  for (int v = 0; v < KV; ++v, first += VW * w_filter, out += VW) {
    floatv taps[VW * TAPS];
    load_filters(taps, first, filters - first_filter - v * VW, some, dense, w_filter, w_channel, w_row, w_column);
    transform_filters(taps, out, some, channels);
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void winograd_weights(PARAMETERS) {
  winograd_weights_item(get_group_id(0), ARGUMENTS);
}
