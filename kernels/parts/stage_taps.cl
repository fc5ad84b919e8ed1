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

// The pixels of neighbouring taps lie between those of one, where columns have a stride: taps that are staged at once.
#define TOGETHER (DW == 1 ? SW : 1)

// Copies all rows of TAPS neighbouring taps, N pixels at a time. TAP_0 to TAP_3 are the taps' vectors; those from SW on
// are never stored. Borders are masked before the pixels of the taps are separated: otherwise LLVM 15 splits the loads.
#define STAGE_ROWS(N, TAPS)                                         \
  for (int i = 0; i < rows; ++i, to += columns, from += row_step) { \
    int##N column = first_column + LANES_##N;                       \
    for (int t = 0; t < columns; t += N, column += N * SW) {        \
      LOAD_COLUMNS(N, from + t * SW)                                \
      STORE_STAGED(N, TAP_0(N), to + t);                            \
      if (TAPS > 1) STORE_STAGED(N, TAP_1(N), to + pitch + t);      \
      if (TAPS > 2) STORE_STAGED(N, TAP_2(N), to + 2 * pitch + t);  \
      if (TAPS > 3) STORE_STAGED(N, TAP_3(N), to + 3 * pitch + t);  \
    }                                                               \
  }
#define INSIDE(N, column, at) (as_uint##N(column) < (uint)in_w ? KEPT_N(N, at) : zero)
#define EVEN(N, a, b) ((float##N)((a).even, (b).even))
#define ODD(N, a, b) ((float##N)((a).odd, (b).odd))
#define LOAD_PAIR(N, a, b, column, at)      \
  const float##N a = INSIDE(N, column, at); \
  const float##N b = INSIDE(N, (column) + N, (at) + N);
#if SW == 1
#define LOAD_COLUMNS(N, at) const float##N a = INSIDE(N, column, at);
#define TAP_0(N) a
#define TAP_1(N) a
#define TAP_2(N) a
#define TAP_3(N) a
#define STAGE_TAPS(N) STAGE_ROWS(N, 1)
#elif SW == 2
#define LOAD_COLUMNS(N, at) LOAD_PAIR(N, a, b, column, at)
#define TAP_0(N) EVEN(N, a, b)
#define TAP_1(N) ODD(N, a, b)
#define TAP_2(N) a
#define TAP_3(N) a
#define STAGE_TAPS(N)  \
  if (together == 2) { \
    STAGE_ROWS(N, 2)   \
  } else {             \
    STAGE_ROWS(N, 1)   \
  }
#else
#define LOAD_COLUMNS(N, at)                                      \
  LOAD_PAIR(N, a, b, column, at)                                 \
  LOAD_PAIR(N, c, d, column + 2 * N, (at) + 2 * N)               \
  const float##N even_ab = EVEN(N, a, b), odd_ab = ODD(N, a, b); \
  const float##N even_cd = EVEN(N, c, d), odd_cd = ODD(N, c, d);
#define TAP_0(N) EVEN(N, even_ab, even_cd)
#define TAP_1(N) EVEN(N, odd_ab, odd_cd)
#define TAP_2(N) ODD(N, even_ab, even_cd)
#define TAP_3(N) ODD(N, odd_ab, odd_cd)
#define STAGE_TAPS(N)        \
  if (together == 4) {       \
    STAGE_ROWS(N, 4)         \
  } else if (together > 1) { \
    STAGE_ROWS(N, together)  \
  } else {                   \
    STAGE_ROWS(N, 1)         \
  }
#endif

#define STAGE_ZEROES(N, count)                       \
  for (int i = 0; i < (count); ++i, to += columns) { \
    for (int t = 0; t < columns; t += N) {           \
      STORE_STAGED(N, zero, to + t);                 \
      for (int tap = 1; tap < together; ++tap) {     \
        STORE_STAGED(N, zero, to + tap * pitch + t); \
      }                                              \
    }                                                \
  }

// Copies a tile's pixels under `together` neighbouring taps, at most TOGETHER, for all channels, channel_step apart.
// Of the tile's rows the first `above` lie above the input, `below` below it, and `rows` inside, the first of these at
// input[at] and column `first_column`. The last vector of a row overruns it; the next row or image overwrites what it
// stored, and the host leaves room behind the last one. All channels take one call, since the rows of small images are
// as short as a call.
#define STAGE_TAP(N)                                                                                 \
  typedef struct __attribute__((packed)) { float##N v; } staged##N;                                  \
  inline void stage_tap##N(global const element* input, global const element* y,                     \
                           long at, const long size, const int channels, const long in_plane,        \
                           const int images, const long in_image, const int in_w,                    \
                           const int first_column, const int above, const int rows,                  \
                           const int below, const int columns, local float* out, const int together, \
                           const int pitch, const int image_step, const int channel_step) {          \
    const float##N zero = 0.0f;                                                                      \
    const long row_step = SH * (long)in_w;                                                           \
    const long reach = (rows - 1) * row_step + (columns + N - 1) / N * N * SW;                       \
    for (int channel = 0; channel < channels; ++channel, at += in_plane, out += channel_step) {      \
      for (int image = 0; image < images; ++image) {                                                 \
        local float* to = out + image * image_step;                                                  \
        long from = at + image * in_image;                                                           \
        STAGE_ZEROES(N, above)                                                                       \
        if (from < 0 || from + reach > size) {                                                       \
          for (int i = 0; i < rows; ++i, to += columns, from += row_step) {                          \
            for (int t = 0; t < columns; ++t) {                                                      \
              for (int tap = 0; tap < together; ++tap) {                                             \
                const int c = first_column + t * SW + tap;                                           \
                to[tap * pitch + t] =                                                                \
                    c >= 0 && c < in_w ? MASKED(input, y, from + t * SW + tap) : 0.0f;               \
              }                                                                                      \
            }                                                                                        \
          }                                                                                          \
        } else {                                                                                     \
          STAGE_TAPS(N)                                                                              \
        }                                                                                            \
        STAGE_ZEROES(N, below)                                                                       \
      }                                                                                              \
    }                                                                                                \
  }

STAGE_TAP(4)
#if VW >= 8
STAGE_TAP(8)
#endif
#if VW == 16
STAGE_TAP(16)
#endif
