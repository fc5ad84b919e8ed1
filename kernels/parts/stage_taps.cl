// parts: lanes mask
// Gathering patches in local memory: for each channel and tap the pixels of a tile that the tap sees.
//
//   input plane                         patches, a row per channel and tap, `pitch` floats apart
//     . . . . . .                         [ pixels of row 0 | of row 1 | ... ]   tap (0,0)
//     . # # # # .   tile, moved by tap    [                                  ]   tap (0,1)
//     . # # # # .   outside: zeroes         :
//
// Macros: VW (vectors of 4 to VW pixels), SH SW DW (SW 1 or 2), MASK.

#define STORE_STAGED(N, value, pointer) (((local CLCONV_PASTE(staged, N)*)(pointer))->v = (value))

// Copies all rows of a tap, N pixels at a time; at stride 2 those of BOTH this tap and the next one, whose pixels lie
// between. Borders are masked before even and odd pixels are separated: otherwise LLVM 15 splits the loads.
#define STAGE_ROWS(N, BOTH)                                                                  \
  for (int i = 0; i < rows; ++i, to += columns, from += row_step) {                          \
    int##N column = first_column + LANES_##N;                                                \
    for (int t = 0; t < columns; t += N, column += N * SW) {                                 \
      LOAD_COLUMNS(N, from + t * SW)                                                         \
      STORE_STAGED(N, EVEN_OR_ALL(N), to + t);                                               \
      if (BOTH) STORE_STAGED(N, ODD_OR_ALL(N), to + pitch + t);                              \
    }                                                                                        \
  }
#define INSIDE(N, column, at) (as_uint##N(column) < (uint)in_w ? KEPT_N(N, at) : zero)
#if SW == 1
#define LOAD_COLUMNS(N, at) const float##N a = INSIDE(N, column, at);
#define EVEN_OR_ALL(N) a
#define ODD_OR_ALL(N) a
#define PAIRED 0
#else
#define LOAD_COLUMNS(N, at)                                 \
  const float##N a = INSIDE(N, column, at);                 \
  const float##N b = INSIDE(N, column + N, (at) + N);
#define EVEN_OR_ALL(N) ((float##N)(a.even, b.even))
#define ODD_OR_ALL(N) ((float##N)(a.odd, b.odd))
#define PAIRED (DW == 1)
#endif

#define STAGE_ZEROES(N, count)                                   \
  for (int i = 0; i < (count); ++i, to += columns) {             \
    for (int t = 0; t < columns; t += N) {                       \
      STORE_STAGED(N, zero, to + t);                             \
      if (both) STORE_STAGED(N, zero, to + pitch + t);           \
    }                                                            \
  }

// Copies a tile's pixels under one tap, or with `both` under this tap and the next one, for all channels, channel_step
// apart. Of the tile's rows the first `above` lie above the input, `below` below it, and `rows` inside, the first of
// these at input[at] and column `first_column`. The last vector of a row overruns it; the next row or image overwrites
// what it stored, and the host leaves room behind the last one. All channels take one call, since the rows of small
// images are as short as a call.
#define STAGE_TAP(N)                                                                              \
  typedef struct __attribute__((packed)) { float##N v; } staged##N;                               \
  inline void stage_tap##N(global const element* input, global const element* y, \
                           long at, const long size, const int channels, const long in_plane,     \
                           const int images, const long in_image, const int in_w,                 \
                           const int first_column, const int above, const int rows,               \
                           const int below, const int columns, local float* out, const int both,  \
                           const int pitch, const int image_step, const int channel_step) {       \
    const float##N zero = 0.0f;                                                                   \
    const long row_step = SH * (long)in_w;                                                        \
    const long reach = (rows - 1) * row_step + (columns + N - 1) / N * N * SW;                    \
    for (int channel = 0; channel < channels; ++channel, at += in_plane, out += channel_step) {   \
      for (int image = 0; image < images; ++image) {                                              \
        local float* to = out + image * image_step;                                               \
        long from = at + image * in_image;                                                        \
        STAGE_ZEROES(N, above)                                                                    \
        if (from < 0 || from + reach > size) {                                                    \
          for (int i = 0; i < rows; ++i, to += columns, from += row_step) {                       \
            for (int t = 0; t < columns; ++t) {                                                   \
              for (int odd = 0; odd <= both; ++odd) {                                             \
                const int c = first_column + t * SW + odd;                                        \
                to[odd * pitch + t] =                                                             \
                    c >= 0 && c < in_w ? MASKED(input, y, from + t * SW + odd) : 0.0f;            \
              }                                                                                   \
            }                                                                                     \
          }                                                                                       \
        } else if (both) {                                                                        \
          STAGE_ROWS(N, 1)                                                                        \
        } else {                                                                                  \
          STAGE_ROWS(N, 0)                                                                        \
        }                                                                                         \
        STAGE_ZEROES(N, below)                                                                    \
      }                                                                                           \
    }                                                                                             \
  }

STAGE_TAP(4)
#if VW >= 8
STAGE_TAP(8)
#endif
#if VW == 16
STAGE_TAP(16)
#endif
