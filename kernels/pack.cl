// Rearrangements of tensors that the fast kernels read: weights in blocks of filters, planes with
// their zero padding written out, gradients with the filters innermost.
//
// Macros: MASK (1: a gradient counts only where the forward result y is above 0).

// packed[group][block][r][f] = weight(group, block*B + f, channel, u, v), r = (channel*taps_h + u)*taps_w
// + v; zero where f or r is beyond the end; r < reduction_padded, f < B. One work-item per block and
// run of 16 r: where the taps lie together, a run of one filter is a cache line on the reading side.
//
//   weights:  f [ r r r r ... ]      packed, per block:  r [ f f f f ... ]   B filters wide
//             | [             ]  ->                      | [             ]
kernel void pack_filters(global const float* restrict weights, global float* restrict packed,
                         int filters, int reduction, int taps_h, int taps_w, int reduction_padded,
                         int B, int blocks_per_group, long items, long w_base, long w_group,
                         long w_filter, long w_channel, long w_row, long w_column) {
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
    global const float* filter = weights + w_base + group * w_group + (f0 + f) * w_filter;
    int channel = r0 / (taps_h * taps_w);
    int u = r0 / taps_w % taps_h;
    int v = r0 % taps_w;
    for (int r = r0; r < r1; ++r) {
      const bool real = f0 + f < filters && r < reduction;
      out[(long)r * B + f] = real ? filter[channel * w_channel + u * w_row + v * w_column] : 0.0f;
      if (++v == taps_w) {
        v = 0;
        if (++u == taps_h) {
          u = 0;
          ++channel;
        }
      }
    }
  }
}

// padded[plane][i][j] = input[plane][top + i][left + j], zero outside the input; the padded plane is hp
// rows of wp. Each work-item writes `span` rows.
kernel void pad_planes(global const float* restrict input, global const float* restrict y,
                       global float* restrict padded, int in_h, int in_w, int top, int left, int hp,
                       int wp, long rows, int span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, rows);
  for (long row = first; row < last; ++row) {
    const long plane = row / hp;
    const int i = (int)(row % hp) + top;
    global float* out = padded + row * wp;
    const bool inside = i >= 0 && i < in_h;
    const int lo = inside ? clamp(-left, 0, wp) : wp;
    const int hi = inside ? clamp(in_w - left, lo, wp) : wp;
    const long line = (plane * in_h + i) * in_w + left;
    for (int j = 0; j < lo; ++j) out[j] = 0.0f;
    for (int j = lo; j < hi; ++j) out[j] = MASKED(input, y, line + j);
    for (int j = hi; j < wp; ++j) out[j] = 0.0f;
  }
}

// packed[group][block][image*pixels + t][f] = dy[first_image + image][group*filters + block*B + f][first + t],
// zero where f is beyond the filters: what pack_filters does, for `pixels` pixels of `images` gradients of
// y. Blocks start block_stride apart. One work-item per block, image and run of 16 pixels.
kernel void pack_gradient(global const float* restrict dy, global const float* restrict y,
                          global float* restrict packed, int first_image, int images, int first,
                          int pixels, int image_pixels, int filters, int B, int blocks_per_group,
                          int groups, long block_stride, long items) {
  const long id = get_global_id(0);
  if (id >= items) return;
  const int runs = (pixels + 15) / 16;
  const int t0 = (int)(id % runs) * 16;
  const int t1 = min(t0 + 16, pixels);
  const int image = (int)(id / runs % images);
  const int block = (int)(id / runs / images);
  const int f0 = block % blocks_per_group * B;
  const int group_index = block / blocks_per_group;
  const long first_plane = ((long)(first_image + image) * groups + group_index) * filters;
  global float* out = packed + block * block_stride + (long)image * pixels * B;
  for (int f = 0; f < B; ++f) {
    const bool real = f0 + f < filters;
    const long line = (first_plane + f0 + f) * image_pixels + first;
    for (int t = t0; t < t1; ++t) {
      out[(long)t * B + f] = real ? MASKED(dy, y, line + t) : 0.0f;
    }
  }
}
