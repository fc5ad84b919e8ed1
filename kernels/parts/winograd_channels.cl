// parts: winograd_planes
// Winograd on CPUs, channels last: what a strip of tiles sees, transformed into V[xi][STRIP tiles][channels], and its
// results. Vectors go along the channels on the way in and along the filters on the way out: nothing is transposed.
//
//   a tile's EDGE x EDGE pixels, VW channels of each          V, `pitch` floats per tile
//     [ c0 c1 .. ] [ c0 c1 .. ] ..     B'[ ]B -->                [xi][tile][channels ... ]
//
// Macros: M KV TT BT VW, CHANNELS_LAST (0: nothing is here), and those of the epilogue. The type floatt is of part
// winograd_planes.

#if CHANNELS_LAST
#define FROM(k) d[k]
#define TO_COLUMN_OF_TILE(k) s[k][j]
#define FROM_ROW_OF_TILE(k) s[i][k]
#define TO_ROW(k) u[k]
// Transforms `some` channels, at most VW, of the pixels whose first one is at `x`. Of the rows and columns those in
// [0, in_h) and [0, in_w) are inside the image; with `inside` all are.
ALWAYS_INLINE void transform_pixels(global const element* x, local float* out, const int some, const int row,
                                    const int column, const int in_h, const int in_w, const int in_step,
                                    const int xi_step, const int inside) {
  floatv s[EDGE][EDGE];
  __attribute__((opencl_unroll_hint(1)))
  for (int j = 0; j < EDGE; ++j) {
    const int seen = inside || (column + j >= 0 && column + j < in_w);
    floatv d[EDGE];
#pragma unroll
    for (int i = 0; i < EDGE; ++i) {
      d[i] = (floatv)(0.0f);
      if (inside || (seen && row + i >= 0 && row + i < in_h)) {
        d[i] = get_some(x + ((long)i * in_w + j) * in_step, some);
      }
    }
    B_TRANSFORM(FROM, TO_COLUMN_OF_TILE)
  }
  __attribute__((opencl_unroll_hint(1)))
  for (int i = 0; i < EDGE; ++i) {
    floatv u[EDGE];
    B_TRANSFORM(FROM_ROW_OF_TILE, TO_ROW)
#pragma unroll
    for (int j = 0; j < EDGE; ++j) IN_ONE_PIECE(local, out + (i * EDGE + j) * xi_step) = u[j];
  }
}
#undef FROM

// A strip of `count` tiles from (tile_x, tile_y) on. `in_step`: elements from one pixel to the next.
ALWAYS_INLINE void transform_channels(local float* v, const int count, int tile_x, int tile_y, long image,
                                      const int group_index, global const element* x, const int channels,
                                      const int in_h, const int in_w, const int top, const int left,
                                      const int tiles_y, const int tiles_x, const int xi_step, const int pitch,
                                      const int in_step, const long in_image) {
  for (int t = 0; t < count; ++t, v += pitch) {
    const int row = tile_y * M + top, column = tile_x * M + left;
    global const element* pixels =
        x + image * in_image + ((long)row * in_w + column) * in_step + (long)group_index * channels;
    const int inside = row >= 0 && column >= 0 && row + EDGE <= in_h && column + EDGE <= in_w;
    for (int first = 0; first < channels; first += VW) {
      const int channel = max(min(first, channels - VW), 0);  // the last vector overlaps the one before
      if (inside && channels >= VW) {
        transform_pixels(pixels + channel, v + channel, VW, row, column, in_h, in_w, in_step, xi_step, 1);
      } else {
        transform_pixels(pixels + channel, v + channel, channels, row, column, in_h, in_w, in_step, xi_step, 0);
      }
    }
    if (++tile_x == tiles_x) {
      tile_x = 0;
      if (++tile_y == tiles_y) {
        tile_y = 0;
        ++image;
      }
    }
  }
}

// The results of a tile and of VW filters, of which `some` exist: `out_row` elements from one row to the next,
// `out_step` from one column.
ALWAYS_INLINE void store_tile_of_channels(local const float* products, global const element* b,
                                          global const element* r, global element* result,
                                          global const element* slopes, const long at, const long first_b,
                                          const int some, const int rows, const int columns, const long out_row,
                                          const int out_step) {
  floatv y[M][M];
  TRANSFORM_PRODUCTS(y, products, 1)
  const floatv bias = BIAS ? get_some(b + first_b, some) : (floatv)(0.0f);
  const floatv slope = slopes_some(slopes + first_b, some);
#pragma unroll
  for (int i = 0; i < M; ++i) {
#pragma unroll
    for (int j = 0; j < M; ++j) {
      const long to = at + i * out_row + (long)j * out_step;
      if (i < rows && j < columns) {
        put_some(ACTIVATE(y[i][j] + bias + residual_some(r + to, some), slope), result + to, some);
      }
    }
  }
}

// Of `count` tiles from `first_tile` on, counted over all images, and the filters from `first_filter` on of a group.
inline void store_channels(local const float* products, global const element* b, global const element* r,
                           global element* result, const long first_tile, const int count, const int tiles_y,
                           const int tiles_x, const int oh, const int ow, const int filters, const int groups,
                           const int group_index, const int first_filter, const long out_image,
                           global const element* slopes) {
  const int out_step = groups * filters;
  const long first_b = (long)group_index * filters + first_filter;
  for (int t = 0; t < count; ++t) {
    const long tile = first_tile + t;
    const long image = tile / tiles_x / tiles_y;
    const int i0 = (int)(tile / tiles_x % tiles_y) * M, j0 = (int)(tile % tiles_x) * M;
    const long at = image * out_image + ((long)i0 * ow + j0) * out_step + first_b;
    global const element* slopes_of_image = SLOPES_OF(image, (long)out_step);
    for (int v = 0; v * VW < min(BLOCK, filters - first_filter); ++v) {
      store_tile_of_channels(products + t * BLOCK + v * VW, b, r, result, slopes_of_image, at + v * VW,
                             first_b + v * VW, filters - first_filter - v * VW, oh - i0, ow - j0, (long)ow * out_step,
                             out_step);
    }
  }
}
#endif  // CHANNELS_LAST
