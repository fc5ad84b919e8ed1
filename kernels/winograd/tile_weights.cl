// parts: storage quotient winograd_transforms
// The transformed weights of Winograd on GPUs: [group][xi][channel][filters, zero up to padded_filters].
//
// Macros: M, STORAGE_... All other sizes are arguments.

typedef float floatv;

// One work-item per group, channel and filter, filters fastest. Element (p,q) of a filter is at w_base +
// group*w_group + filter*w_filter + channel*w_channel + p*w_row + q*w_column.
kernel void winograd_gpu_weights(global const element* restrict weights, global float* restrict packed,
                                 int filters, int channels, int channels_reciprocal, int channels_shift,
                                 int groups, int padded_filters, int padded_filters_reciprocal,
                                 int padded_filters_shift, long w_base, long w_group, long w_filter,
                                 long w_channel, long w_row, long w_column) {
  const int id = get_global_id(0);
  const int line = QUOTIENT(id, padded_filters);
  const int filter = id - line * padded_filters;
  const int group = QUOTIENT(line, channels);
  const int channel = line - group * channels;
  if (group >= groups) return;
  const long first = w_base + group * w_group + filter * w_filter + channel * w_channel;
  const long xi_step = (long)channels * padded_filters;
  global float* out = packed + group * XI * xi_step + (long)channel * padded_filters + filter;
  float t[EDGE][3];
#define TO(i) t[i][q]
#pragma unroll
  for (int q = 0; q < 3; ++q) {
    float g[3];
#pragma unroll
    for (int p = 0; p < 3; ++p) {
      g[p] = filter < filters ? GET(weights, first + p * w_row + q * w_column) : 0.0f;
    }
    G_TRANSFORM(g[0], g[1], g[2], TO)
  }
#undef TO
#define TO(j) u[j]
#pragma unroll
  for (int i = 0; i < EDGE; ++i) {
    float u[EDGE];
    G_TRANSFORM(t[i][0], t[i][1], t[i][2], TO)
#pragma unroll
    for (int j = 0; j < EDGE; ++j) out[(i * EDGE + j) * xi_step] = u[j];
  }
#undef TO
}
