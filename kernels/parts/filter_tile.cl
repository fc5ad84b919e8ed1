// parts: register_tile row_end transpose epilogue
// A register tile of TH x TW pixels by KV vectors of filters, and its transposing store.
//
//   packed weights, per block:        input (padding written out)    registers, floatv each
//     r [ KV vectors of filters ]       . . . . . . . .              acc[PIXELS][KV]
//     | [                       ]       . # # # # # # .  TH x TW
//     v [                       ]       . # # # # # # .  pixels
//
// Tiles at the lower and right edge overlap their neighbours instead of being partial (oh >= TH, ow >= TW): both write
// the same bits. With ACCUMULATE each pixel is added by one tile only, the first that covers it.
//
// Macros: KV TH TW VW, CHANNELS_LAST, and those of the epilogue.

#define PIXELS (TH * TW)
#define BLOCK (VW * KV)
#define CHUNKS ((PIXELS + VW - 1) / VW)  // vectors of pixels

// acc += the filters at `weights` times one element of each pixel i.
#define MULTIPLY(weights, element_of) MULTIPLY_TILE(acc, PIXELS, KV, LOAD_V((weights) + v * VW), element_of)

#if CHANNELS_LAST
// Stores the tile of results at (i0, j0). Those above first_i and left of first_j belong to the tile before.
ALWAYS_INLINE void store_tile(const floatv acc[PIXELS][KV], global const element* b,
                              global const element* r, global const element* slopes,
                              global element* result, const long first_b,
                              const int rest, const int i0, const int j0, const int first_i,
                              const int first_j, const long first_out, const long out_plane,
                              const long out_pitch, const int out_step BOUNDS_PARAMETER) {
#pragma unroll
  for (int v = 0; v < KV; ++v) {
    const int left = max(rest - v * VW, 0);
    const floatv bias = BIAS ? get_first(b + first_b + v * VW, left) : (floatv)(0.0f);
    const floatv slope = slopes_some(slopes + first_b + v * VW, left);
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
      const long at = first_out + i / TW * out_pitch + (long)(i % TW) * out_step + v * VW;
      const floatv value = acc[i][v] + bias + residual_first(r + at, left);
      put_first(ACTIVATE(value, slope), left, result + at);
    }
  }
}
#else
// Transposes VW filters x VW pixels at a time, so that vectors run along pixels. They are stored as rows, or one by
// one, but converted as vectors, since PoCL converts single halves in software.
#define ROW_OF(i) ((from + (i)) / TW)
#define COLUMN_OF(i) ((from + (i)) % TW)
#define PLACE(base, i) \
  (((global STORED()*)(base))[ROW_OF(i) * out_pitch + (long)COLUMN_OF(i) * out_step])
#define LOAD_SCATTERED(value, base, count)                                                     \
  {                                                                                            \
    STORED(VW) there = 0;                                                                      \
    _Pragma("unroll") for (int i = 0; i < VW; ++i) {                                           \
      if (i < (count) && NEW_AT(i)) ((STORED()*)&there)[i] = PLACE(base, i);                   \
    }                                                                                          \
    value += FROM_STORED(VW, there);                                                           \
  }
#if ACCUMULATE
#define NEW_AT(i) (i0 + ROW_OF(i) >= first_i && j0 + COLUMN_OF(i) >= first_j)
#else
#define NEW_AT(i) 1
#endif
// A filter's pixels of a tile lie one behind the other.
#if ACCUMULATE
#define WHOLE_ROWS 0
#elif TH == 1
#define WHOLE_ROWS (out_step == 1)
#else
#define WHOLE_ROWS (out_step == 1 && TW == out_pitch)
#endif

// Stores VW filters from `first_f` of the block on, pixels from `from` on: rows[f] are those of filter f.
ALWAYS_INLINE void store_rows(const floatv* rows, const int from, global const element* b, global const element* r,
                              global const element* slopes, global element* result, const long first_b,
                              long plane_at, const long out_plane BOUNDS_PARAMETER) {
#pragma unroll
  for (int f = 0; f < VW; ++f, plane_at += out_plane) {
    const floatv value = rows[f] + BIAS_OF(b, first_b + f) + residual_first(r + plane_at, PIXELS - from);
    const float slope = SLOPE_OF(slopes, first_b + f);
    put_known(ACTIVATE(value, slope), PIXELS - from, result + plane_at);
  }
}

// Stores the pixels of a filter from `from` on, each at its place.
ALWAYS_INLINE void store_scattered(floatv value, const float slope, const int from, global const element* r,
                                   global element* result, const long plane_at, const int i0, const int j0,
                                   const int first_i, const int first_j, const long out_pitch,
                                   const int out_step BOUNDS_PARAMETER) {
  const int count = min(PIXELS - from, VW);
#if RESIDUAL
  if (HAS_RESIDUAL(r)) LOAD_SCATTERED(value, r + plane_at, count)
#endif
  value = ACTIVATE(value, slope);
#if ACCUMULATE
  LOAD_SCATTERED(value, result + plane_at, count)
#endif
  const STORED(VW) all = TO_STORED(VW, value);
#pragma unroll
  for (int i = 0; i < VW; ++i) {
    if (i < count && NEW_AT(i)) PLACE(result + plane_at, i) = ((const STORED()*)&all)[i];
  }
}

// Stores the tile of results at (i0, j0). Those above first_i and left of first_j belong to the tile before.
ALWAYS_INLINE void store_tile(const floatv acc[PIXELS][KV], global const element* b,
                              global const element* r, global const element* slopes,
                              global element* result, const long first_b,
                              const int rest, const int i0, const int j0, const int first_i,
                              const int first_j, const long first_out, const long out_plane,
                              const long out_pitch, const int out_step BOUNDS_PARAMETER) {
  // Handling the filters one by one, each with its checks, would take twice the time. What is not whole waits in
  // `sums`, so that its code is there once and not per vector of filters.
  const int whole = WHOLE_ROWS && rest >= BLOCK;
  float sums[CHUNKS][BLOCK * VW];
#pragma unroll
  for (int v = 0; v < KV; ++v) {
#pragma unroll
    for (int from = 0; from < PIXELS; from += VW) {
      floatv rows[VW], other[VW];
#pragma unroll
      for (int i = 0; i < VW; ++i) {
        rows[i] = from + i < PIXELS ? acc[from + i < PIXELS ? from + i : 0][v] : (floatv)(0.0f);
      }
      TRANSPOSE(rows, other)
      const int first_f = v * VW;
      if (whole) {
        store_rows(TRANSPOSED(rows, other), from, b, r, slopes, result, first_b + first_f,
                   first_out + first_f * out_plane + from, out_plane BOUNDS_PASSED);
      } else {
#pragma unroll
        for (int f = 0; f < VW; ++f) STORE_V(TRANSPOSED(rows, other)[f], sums[from / VW] + (first_f + f) * VW);
      }
    }
  }
  if (whole) return;
#pragma unroll
  for (int from = 0; from < PIXELS; from += VW) {
#pragma nounroll
    for (int f = 0; f < min(rest, BLOCK); ++f) {
      const floatv sum = LOAD_V(sums[from / VW] + f * VW) + BIAS_OF(b, first_b + f);
      const float slope = SLOPE_OF(slopes, first_b + f);
      const long plane_at = first_out + f * out_plane;
      if (WHOLE_ROWS) {
        const floatv value = sum + residual_first(r + plane_at + from, PIXELS - from);
        put_first(ACTIVATE(value, slope), PIXELS - from, result + plane_at + from);
      } else {
        store_scattered(sum, slope, from, r, result, plane_at, i0, j0, first_i, first_j, out_pitch,
                        out_step BOUNDS_PASSED);
      }
    }
  }
}
#endif  // CHANNELS_LAST
