// parts: vectors transpose copy_row prefetch
// Copies of tensors in the order in which the fast kernels read them: weights in blocks of filters, planes with their
// zero padding written out, gradients with the filters innermost. Each kernel has its picture above it.
//
// Macros: VW (vectors on a CPU; 1 on a GPU), MASK, BACKWARD, STORAGE_.. (of what is read; what is
// written is float).

#define PRODUCTS_PER_ITEM 16  // products that a work-item of pack_filters copies
// Products: one line of each filter, which no hardware prefetcher foresees. Weights from memory are packed in 440 us
// instead of 560 (resnet_1x1_7; PoCL 3.1, 2-core Zen 5, 2026-11); from the last-level cache it is level.
#define PRODUCTS_AHEAD 48

#if VW > 1
// out[t*B + f] = input[f*stride + t] for up to VW rows f and columns t; 0 from row `rows_left` on.
inline void pack_tile(global const element* input, global const element* y,
                      const long stride, const int rows_left, const int columns_left,
                      global float* out, const int B, const int B_left) {
  floatv rows[VW], other[VW];
#pragma unroll
  for (int f = 0; f < VW; ++f) {
    // Not get_some() with a count of 0: it builds a vector from scalars, whose load waits for all stores before it.
    rows[f] = (floatv)(0.0f);
    if (f < rows_left) {
      rows[f] = get_some(input + f * stride, columns_left);
#if defined(MASK) && MASK
      rows[f] = BACKWARD(rows[f], get_some(y + f * stride, columns_left));
#endif
    }
  }
  TRANSPOSE(rows, other)
#pragma unroll
  for (int t = 0; t < VW; ++t) {
    if (t < columns_left) store_some(TRANSPOSED(rows, other)[t], out + (long)t * B, B_left);
  }
}
#endif

// packed[group][block][r][f] = weight(group, block*B + f, channel, u, v), r = (channel*taps_h + u)*taps_w + v; 0 where
// f or r is beyond the end; r < reduction_padded, f < B. One work-item per block and PRODUCTS_PER_ITEM r: where the
// taps lie together, those of one filter are one cache line that is read. `dense`: all products of a filter lie
// together, in their order.
//
//   weights:  f [ r r r r ... ]      packed, per block:  r [ f f f f ... ]   B filters wide
//             | [             ]  ->                      | [             ]
kernel void pack_filters(global const element* restrict weights, global float* restrict packed,
                         int filters, int reduction, int taps_h, int taps_w, int reduction_padded,
                         int B, int blocks_per_group, long items, long w_base, long w_group,
                         long w_filter, long w_channel, long w_row, long w_column, int dense) {
  const long id = get_global_id(0);
  if (id >= items) return;
  const int ranges = (reduction_padded + PRODUCTS_PER_ITEM - 1) / PRODUCTS_PER_ITEM;
  const int r0 = (int)(id % ranges) * PRODUCTS_PER_ITEM;
  const long block = id / ranges;
  const int r1 = min(r0 + PRODUCTS_PER_ITEM, reduction_padded);
  const int f0 = (int)(block % blocks_per_group) * B;
  const long group = block / blocks_per_group;
  global float* out = packed + block * reduction_padded * B;
  global const element* first = weights + w_base + group * w_group + f0 * w_filter;
#if VW > 1
  if (dense && r1 <= reduction) {
    for (int r = r0; r < r1; r += VW) {
      for (int f = 0; f < B; f += VW) {
#pragma unroll
        for (int i = 0; i < VW; ++i) PREFETCH(first + (f + i) * w_filter + r + PRODUCTS_AHEAD);
        pack_tile(first + f * w_filter + r, first, w_filter, filters - f0 - f, r1 - r,
                  out + (long)r * B + f, B, B - f);
      }
    }
    return;
  }
#endif
  for (int f = 0; f < B; ++f) {
    global const element* filter = first + f * w_filter;
    int channel = r0 / (taps_h * taps_w);
    int u = r0 / taps_w % taps_h;
    int v = r0 % taps_w;
    for (int r = r0; r < r1; ++r) {
      const bool real = f0 + f < filters && r < reduction;
      out[(long)r * B + f] = real ? GET(filter, channel * w_channel + u * w_row + v * w_column) : 0.0f;
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

// padded[plane][i][j] = input[first_plane + plane][top + i][left + j], 0 outside the input. The padded plane has hp
// rows of wp floats. Each work-item writes `span` rows. Behind every image_planes planes of the input, `gap` elements
// are left out.
//
//   . . . .        0 0 0 0
//   . a b .   ->   0 a b 0
//   . . . .        0 0 0 0
kernel void pad_planes(global const element* restrict input, global const element* restrict y,
                       global float* restrict padded, int in_h, int in_w, int top, int left, int hp,
                       int wp, long first_plane, long rows, int span, long image_planes, long gap) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, rows);
  const int lo = clamp(-left, 0, wp);
  const int hi = clamp(in_w - left, lo, wp);
  long plane = first_plane + first / hp;
  int i = (int)(first % hp);
  for (long row = first; row < last; ++row) {
    global float* out = padded + row * wp;
    const int at = i + top;
    if (at >= 0 && at < in_h) {
      const long left_out = gap == 0 ? 0 : plane / image_planes * gap;
      const long row_at = (plane * in_h + at) * in_w + left + left_out;
      for (int j = 0; j < lo; ++j) out[j] = 0.0f;
      copy_row(input + row_at + lo, y + row_at + lo, out + lo, hi - lo);
      for (int j = hi; j < wp; ++j) out[j] = 0.0f;
    } else {
      for (int j = 0; j < wp; ++j) out[j] = 0.0f;
    }
    if (++i == hp) {
      i = 0;
      ++plane;
    }
  }
}

// packed[group][block][image*pixels + t][f] = dy[first_image + image][group*filters + block*B + f][first + t], 0 where
// f is beyond the filters: as pack_filters, for `pixels` pixels of `images` gradients of y. Blocks are block_stride
// apart. One work-item per block, image and `span` pixels.
kernel void pack_gradient(global const element* restrict dy, global const element* restrict y,
                          global float* restrict packed, int first_image, int images, int first,
                          int pixels, int image_pixels, int filters, int B, int blocks_per_group,
                          int groups, long block_stride, long items, int span) {
  const long id = get_global_id(0);
  if (id >= items) return;
  const int spans = (pixels + span - 1) / span;
  const int t0 = (int)(id % spans) * span;
  const int t1 = min(t0 + span, pixels);
  const int image = (int)(id / spans % images);
  const int block = (int)(id / spans / images);
  const int f0 = block % blocks_per_group * B;
  const int group_index = block / blocks_per_group;
  const long first_plane = ((long)(first_image + image) * groups + group_index) * filters;
  global float* out = packed + block * block_stride + (long)image * pixels * B;
#if VW > 1
  for (int t = t0; t < t1; t += VW) {
    for (int f = 0; f < B; f += VW) {
      const long at = (first_plane + f0 + f) * image_pixels + first + t;
      pack_tile(dy + at, y + at, image_pixels, filters - f0 - f, t1 - t, out + (long)t * B + f, B,
                B - f);
    }
  }
#else
  for (int f = 0; f < B; ++f) {
    const bool real = f0 + f < filters;
    const long filter_at = (first_plane + f0 + f) * image_pixels + first;
    for (int t = t0; t < t1; ++t) {
      out[(long)t * B + f] = real ? MASKED(dy, y, filter_at + t) : 0.0f;
    }
  }
#endif
}

// The padded columns of an image, one after the other, channels innermost:
// unfolded[group][s][row][channel] = x[group*channels + channel][row - top][s - left], 0 outside the image, for
// `columns` columns s of hp rows. On a GPU a work-item writes one element. On a CPU it writes `span` rows of VW
// columns: with few channels, rows written by different cores would share cache lines.
//
//   x:  channel, row [ s s s s ]        unfolded, per group:  s, row [ channels ]     neighbouring rows of a column
//                    [         ]   ->                      s, row + 1 [ channels ] lie together
kernel void unfold_columns(global const element* restrict x, global float* restrict unfolded, int channels,
                           int h, int w, int top, int left, int hp, int columns, long x_offset, long items,
                           int span) {
  const long id = get_global_id(0);
  if (id >= items) return;
#if VW > 1
  const int column_blocks = (columns + VW - 1) / VW;
  const int row_blocks = (hp + span - 1) / span;
  const int s0 = (int)(id % column_blocks) * VW;
  const int row0 = (int)(id / column_blocks % row_blocks) * span;
  const long group_index = id / column_blocks / row_blocks;
  const int s1 = min(s0 + VW, columns);
  const int row1 = min(row0 + span, hp);
  const int column_step = hp * channels;
  global float* columns_of_group = unfolded + group_index * columns * column_step;
  global const element* planes = x + x_offset + group_index * channels * h * w - left;
  for (int row = row0; row < row1; ++row) {
    const int in_row = row - top;
    const bool inside = in_row >= 0 && in_row < h;
    const int lo = inside ? clamp(left, s0, s1) : s1;
    const int hi = inside ? clamp(w + left, lo, s1) : s1;
    global float* out = columns_of_group + (long)row * channels;
    for (int s = s0; s < s1; ++s) {
      if (s >= lo && s < hi) continue;
      for (int channel = 0; channel < channels; ++channel) out[(long)s * column_step + channel] = 0.0f;
    }
    if (lo == hi) continue;
    for (int channel = 0; channel < channels; channel += VW) {
      global const element* from = planes + ((long)channel * h + in_row) * w + lo;
      pack_tile(from, from, (long)h * w, channels - channel, hi - lo,
                out + (long)lo * column_step + channel, column_step, channels - channel);
    }
  }
#else
  const int channel = (int)(id % channels);
  const int row = (int)(id / channels % hp);
  const int s = (int)(id / channels / hp % columns);
  const long plane = id / channels / hp / columns * channels + channel;
  const int in_row = row - top;
  const int column = s - left;
  const bool inside = in_row >= 0 && in_row < h && column >= 0 && column < w;
  unfolded[id] = inside ? GET(x, x_offset + (plane * h + in_row) * w + column) : 0.0f;
#endif
}
