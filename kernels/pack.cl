// Rearrangements of tensors that the fast kernels read: weights in blocks of filters, x with its
// zero padding written out.

// packed[group][block][r][f] = weights[(group*k_per_group + block*B + f)][r], zero where f or r is
// beyond the end; r < reduction_padded, f < B. One work-item per block and run of 16 r: a run of
// one filter is a cache line on the reading side.
//
//   weights:  f [ r r r r ... ]      packed, per block:  r [ f f f f ... ]   B filters wide
//             | [             ]  ->                      | [             ]
kernel void pack_filters(global const float* restrict weights, global float* restrict packed,
                         int k_per_group, int reduction, int reduction_padded, int B,
                         int blocks_per_group, long items) {
  const long id = get_global_id(0);
  if (id >= items) return;
  const int runs = (reduction_padded + 15) / 16;
  const int r0 = (int)(id % runs) * 16;
  const long block = id / runs;
  const int r1 = min(r0 + 16, reduction_padded);
  const int f0 = (int)(block % blocks_per_group) * B;
  const long group = block / blocks_per_group;
  global float* out = packed + block * reduction_padded * B;
  for (int f = 0; f < B; ++f) {
    const bool real = f0 + f < k_per_group;
    global const float* filter = weights + (group * k_per_group + f0 + f) * reduction;
    for (int r = r0; r < r1; ++r) {
      out[(long)r * B + f] = real && r < reduction ? filter[r] : 0.0f;
    }
  }
}

// padded[plane][y][column] = x[plane][y - pt][column - pl], zero outside the image; the padded plane
// is hp rows of wp. Each work-item writes `span` rows.
kernel void pad_planes(global const float* restrict x, global float* restrict padded, int h, int w,
                       int pt, int pl, int hp, int wp, long rows, int span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, rows);
  for (long row = first; row < last; ++row) {
    const long plane = row / hp;
    const int y = (int)(row % hp) - pt;
    global float* out = padded + row * wp;
    const int lo = y >= 0 && y < h ? min(pl, wp) : wp;
    const int hi = y >= 0 && y < h ? min(pl + w, wp) : wp;
    global const float* line = x + (plane * h + y) * w - pl;
    for (int i = 0; i < lo; ++i) out[i] = 0.0f;
    for (int i = lo; i < hi; ++i) out[i] = line[i];
    for (int i = hi; i < wp; ++i) out[i] = 0.0f;
  }
}
