// parts: winograd_results lanes mask
// Winograd on CPUs: what a strip of tiles sees of planes, transformed into V[xi][channel][STRIP tiles].
//
//   rows of tiles, a segment of each          staged, per channel               V, per group
//   +--+--+--+--+--+--+--+                      [segment][EDGE][columns]          [xi][channel][STRIP tiles]
//   |  |  |  | 0| 1| 2| 3|    B' along the        [ 0 1 2 3 ]    B along the
//   +--+--+--+--+--+--+--+      columns -->       [ 4 5 6 ]        rows -->         [ 0 1 2 3 4 5 6 ]
//   | 4| 5| 6|  |  |  |  |
//   +--+--+--+--+--+--+--+
//
// The first half of the transform takes vectors of pixels of a row; the second has a tile per lane, of up to VW
// segments: no lanes are idle at the end of a row of tiles. What a vector stores beyond the STRIP tiles of a channel
// the next channel overwrites. Lanes and tiles beyond the strip's hold nothing of use.
//
// Macros: M TT BT VW, MASK.

typedef floatv floatt;

#define VECTORS ((STRIP + VW - 1) / VW)
#define CHANNELS_AHEAD 2
#define PIECES (VW / M)  // tiles whose first M columns fill a vector

// v one lane down, with `last` in the last lane.
inline floatv shifted(const floatv v, const float last) {
#if VW == 16
  floatv r = v.s123456789abcdef0;
  r.sf = last;
#elif VW == 8
  floatv r = v.s12345670;
  r.s7 = last;
#else
  floatv r = v.s1230;
  r.s3 = last;
#endif
  return r;
}

#define FROM(k) d[k]
#define TO(k) s[k]
// Columns [column, column + VW) of a segment, where `load` gives those of row i.
#define STAGE_VECTOR(column, load)                                                                            \
  {                                                                                                           \
    floatv d[EDGE], s[EDGE];                                                                                  \
    _Pragma("unroll") for (int i = 0; i < EDGE; ++i) {                                                        \
      d[i] = (floatv)(0.0f);                                                                                  \
      if (whole || (row + i >= 0 && row + i < in_h)) d[i] = load;                                             \
      PREFETCH(ahead + (long)i * in_w + (column));                                                            \
    }                                                                                                         \
    B_TRANSFORM(FROM, TO)                                                                                     \
    _Pragma("unroll") for (int i = 0; i < EDGE; ++i) IN_ONE_PIECE(local, staged + i * pitch + (column)) = s[i]; \
  }

// The first `count` of VW columns, then zeroes; nothing beyond element `end` is read.
inline floatv first_columns(global const element* input, global const element* y,
                            const long at, const int count, const long end) {
  if (at + VW <= end) return select(KEPT_N(VW, at), (floatv)(0.0f), (intv)(count) <= LANES);
  float values[VW];
  for (int j = 0; j < VW; ++j) values[j] = j < count ? MASKED(input, y, at + j) : 0.0f;
  return LOAD_V(values);
}

// B' along the columns of a segment whose row 0, column 0 is element `at`. Columns [lo, hi) are inside the image; the
// others stay as they are. `whole`: all rows are inside. The same of a channel that comes later is prefetched from
// `ahead`: planes lie too far apart for the processor to see where the next one begins.
inline void stage_segment(global const element* input, global const element* y,
                          global const element* ahead, local float* staged, const int pitch,
                          const long at, const int row, const int lo, const int hi, const int in_h,
                          const int in_w, const long end, const int whole) {
  if (hi - lo >= VW) {
    for (int j = lo; j < hi; j += VW) {
      const int column = min(j, hi - VW);
      STAGE_VECTOR(column, KEPT_N(VW, at + (long)i * in_w + column))
    }
  } else if (hi > lo) {
    STAGE_VECTOR(lo, first_columns(input, y, at + (long)i * in_w + lo, hi - lo, end))
  }
}

// A vector of the first M columns of PIECES tiles.
inline floatv pieces(local const float* row, const int* from) {
  float values[VW];
#pragma unroll
  for (int k = 0; k < PIECES; ++k) {
    CLCONV_PASTE(vstore, M)(CLCONV_PASTE(vload, M)(0, row + from[k]), 0, values + k * M);
  }
  return LOAD_V(values);
}

// d[0 .. M) = columns 0 .. M of VW tiles, of which LOAD_PIECE(k) has PIECES tiles.
#if M == 2
#define PART_COLUMNS(d, LOAD_PIECE)                             \
  {                                                             \
    const floatv a = LOAD_PIECE(0), b = LOAD_PIECE(1);          \
    (d)[0] = even_lanes(a, b);                                  \
    (d)[1] = odd_lanes(a, b);                                   \
  }
#else
#define PART_COLUMNS(d, LOAD_PIECE)                                        \
  {                                                                        \
    const floatv a = LOAD_PIECE(0), b = LOAD_PIECE(1);                     \
    const floatv e = LOAD_PIECE(2), f = LOAD_PIECE(3);                     \
    const floatv even0 = even_lanes(a, b), odd0 = odd_lanes(a, b);         \
    const floatv even1 = even_lanes(e, f), odd1 = odd_lanes(e, f);         \
    (d)[0] = even_lanes(even0, even1);                                     \
    (d)[1] = even_lanes(odd0, odd1);                                       \
    (d)[2] = odd_lanes(even0, even1);                                      \
    (d)[3] = odd_lanes(odd0, odd1);                                        \
  }
#endif
#define IN_ROW(k) LOAD_V(row + from[0] + (k) * VW)
#define APART(k) pieces(row, from + (k) * PIECES)
#define APART_NEXT(k) pieces(row + M, from + (k) * PIECES)

// B along the rows of VW tiles that lie at from[] in each staged row. `neighbours`: side by side.
inline void transform_tiles(local const float* staged, const int pitch, const int* from, local float* out,
                            const int xi_step, const int neighbours) {
  for (int i = 0; i < EDGE; ++i) {
    local const float* row = staged + i * pitch;
    floatv d[2 * M], s[EDGE];
    if (neighbours) {
      PART_COLUMNS(d, IN_ROW)
      d[M] = shifted(d[0], row[from[0] + M * VW]);
      d[M + 1] = shifted(d[1], row[from[0] + M * VW + 1]);
    } else {
      PART_COLUMNS(d, APART)
      PART_COLUMNS(d + M, APART_NEXT)
    }
    B_TRANSFORM(FROM, TO)
#pragma unroll
    for (int j = 0; j < EDGE; ++j) IN_ONE_PIECE(local, out + (i * EDGE + j) * xi_step) = s[j];
  }
}
#undef FROM
#undef TO

// Where each tile of a strip lies in a staged row, from the strip's first tile (tile_x of a row of tiles) on; which
// vectors have neighbours only.
inline void place_tiles(int* from, int* neighbours, const int tile_x, const int count, const int tiles_x,
                        const int pitch) {
  int at = 0, segment = 0, x = tile_x;
  for (int t = 0; t < VECTORS * VW; ++t) {
    from[t] = segment * EDGE * pitch + at;
    if (t + 1 < count) {
      at += M;
      if (++x == tiles_x) {
        x = at = 0;
        ++segment;
      }
    }
  }
  for (int q = 0; q < VECTORS; ++q) {
    const int last = min(VW, count - q * VW) - 1;
    neighbours[q] = last < 0 || from[q * VW + last] - from[q * VW] == last * M;
  }
}

// Copies what a strip of `count` tiles from (first_x, first_y) on sees to local memory, channel after channel, a
// segment per row of tiles, and transforms it: `own` has V, behind it what is staged.
ALWAYS_INLINE void transform_strip(local float* own, const int count, const int first_x, const int first_y,
                                   const long first_image, const int group_index, global const element* x,
                                   global const element* y, const int channels, const int in_h, const int in_w,
                                   const int top, const int left, const long in_end, const int tiles_y,
                                   const int tiles_x, const int xi_step, const int pitch, const long in_image) {
  local float* staged = own + XI * xi_step;
  int from[VECTORS * VW], neighbours[VECTORS];
  place_tiles(from, neighbours, first_x, count, tiles_x, pitch);
  // Borders are the same in all channels: zeroes, once.
  for (int j = 0; j < from[count - 1] + EDGE * pitch; j += VW) STORE_V((floatv)(0.0f), staged + j);
  for (int channel = 0; channel < channels; ++channel) {
    int tile_x = first_x, tile_y = first_y;
    long image = first_image;
    local float* segment = staged;
    for (int t = 0; t < count; segment += EDGE * pitch) {
      const int done = min(count - t, tiles_x - tile_x);
      const int row = tile_y * M + top;
      const int column = tile_x * M + left;
      const int lo = max(-column, 0);
      const int hi = min(in_w - column, done * M + 2);
      const long at = image * in_image + ((long)(group_index * channels + channel) * in_h + row) * in_w + column;
      global const element* ahead = x + at + (long)CHANNELS_AHEAD * in_h * in_w;
      if (row >= 0 && row + EDGE <= in_h) {
        stage_segment(x, y, ahead, segment, pitch, at, row, lo, hi, in_h, in_w, in_end, 1);
      } else {
        stage_segment(x, y, ahead, segment, pitch, at, row, lo, hi, in_h, in_w, in_end, 0);
      }
      t += done;
      tile_x = 0;
      if (++tile_y == tiles_y) {
        tile_y = 0;
        ++image;
      }
    }
    for (int q = 0; q * VW < count; ++q) {
      local float* out = own + channel * STRIP + q * VW;
      if (neighbours[q]) {
        transform_tiles(staged, pitch, from + q * VW, out, xi_step, 1);
      } else {
        transform_tiles(staged, pitch, from + q * VW, out, xi_step, 0);
      }
    }
  }
}
