// parts: depthwise_taps epilogue mask quotient
// Depthwise convolution on GPUs: forward and data gradient, in either layout.
//
//     | | | |   Neighbouring work-items compute neighbouring columns of a row of results, so that their reads and
//     | | | |   writes coalesce. Each goes down TY rows of a forward convolution and keeps in registers what it reads
//     v v v v   of the input, for all of them. Channels last: neighbouring channels of a pixel.
//
// in_image, out_image: elements from one image to the next, of the input, of the result and r.
//
// Macros: TY, UNROLL; WIDE (64-bit indices and divisions); NHWC (1: x, r and y have the channels last); KH KW SH
// SW DH DW, DATA, MASK, and those of the epilogue. All other sizes are arguments.

#if UNROLL
#define UNROLL_TAPS _Pragma("unroll")
#else
#define UNROLL_TAPS
#endif

// acc += the planes of gradients that the result's plane has, from x[from_plane] on, times their filters.
#define ADD_GRADIENT()                                                                                              \
  for (int u = 0; u < KH; ++u) {                                                                                    \
    for (int v = 0; v < KW; ++v) {                                                                                  \
      const int q = column + pl - v * DW;                                                                           \
      const int j = q / SW;                                                                                         \
      if (q >= 0 && j * SW == q && j < in_w) {                                                                      \
        _Pragma("unroll") for (int t = 0; t < TY; ++t) {                                                            \
          const int p = row0 + t + pt - u * DH;                                                                     \
          const int i = p / SH;                                                                                     \
          if (p >= 0 && i * SH == p && i < in_h) {                                                                  \
            acc[t] = MULTIPLY_ADD(MASKED(x, y_mask, from_plane + (long)i * in_w + j), GET(w, u * KW + v), acc[t]);  \
          }                                                                                                         \
        }                                                                                                           \
      }                                                                                                             \
    }                                                                                                               \
  }

// acc += the taps times the plane at `from`, whose elements are from_step apart. Row p of the input is connected with
// row t of the results by tap (p - t*SH)/DH; a single row with every DH-th. Outside the image nothing is added: 0 times
// an infinite weight is NaN.
#define ADD_TAPS()                                                                    \
  UNROLL_TAPS for (int p = 0; p <= (TY - 1) * SH + REACH_H; p += TY == 1 ? DH : 1) {  \
    const int i = row0 * SH - pt + p;                                                 \
    UNROLL_TAPS for (int v = 0; v < KW; ++v) {                                        \
      const int j = column * SW - pl + v * DW;                                        \
      const int inside = i >= 0 && i < in_h && j >= 0 && j < in_w;                    \
      const float in = inside ? GET(from, ((long)i * in_w + j) * from_step) : 0.0f;   \
      _Pragma("unroll") for (int t = 0; t < TY; ++t) {                                \
        const int u = TAP_ROW(p, t, 0);                                               \
        if (IS_TAP(u, DH, KH) && inside) {                                            \
          acc[t] = MULTIPLY_ADD(in, GET(w, u / DH * KW + v), acc[t]);                 \
        }                                                                             \
      }                                                                               \
    }                                                                                 \
  }

kernel void depthwise_direct(global const element* restrict x, global const element* restrict y_mask,
                             global const element* restrict weights, global const element* restrict b,
                             global const element* restrict r, global element* restrict result, int groups,
                             int planes, int planes_reciprocal, int planes_shift, int channels, int filters,
                             int filters_reciprocal, int filters_shift, int in_h, int in_w, int pt, int pl, int res_h,
                             int res_w, int res_w_reciprocal, int res_w_shift, int row_tiles,
                             int row_tiles_reciprocal, int row_tiles_shift, long items, long in_image,
                             long out_image SLOPES_PARAMETER) {
  const number id = get_global_id(0);
  if (id >= items) return;
#if NHWC
  const number pixel = QUOTIENT(id, planes);
  const int f = (int)(id - pixel * planes);
  const number line = QUOTIENT(pixel, res_w);
  const int column = (int)(pixel - line * res_w);
  const long image = QUOTIENT(line, row_tiles);
  const int row0 = (int)(line - image * row_tiles) * TY;
  const long step = planes;  // from one pixel of the result to the next
  const long to = image * out_image + ((long)row0 * res_w + column) * step + f;
#else
  const number line = QUOTIENT(id, res_w);
  const int column = (int)(id - line * res_w);
  const number plane = QUOTIENT(line, row_tiles);  // of the result
  const int row0 = (int)(line - plane * row_tiles) * TY;
  const long image = QUOTIENT(plane, planes);
  const int f = (int)(plane - image * planes);
  const long step = 1;
  const long to = image * out_image + ((long)f * res_h + row0) * res_w + column;
#endif
  float acc[TY];
#pragma unroll
  for (int t = 0; t < TY; ++t) acc[t] = 0.0f;
#if DATA
  for (int channel = 0; channel < channels; ++channel) {
    const long from_plane = image * in_image + ((long)f * channels + channel) * in_h * in_w;
    global const element* w = weights + ((long)f * channels + channel) * (KH * KW);
    ADD_GRADIENT()
  }
#else
#if NHWC
  global const element* from = x + image * in_image + QUOTIENT(f, filters);
  const long from_step = groups;
#else
  global const element* from = x + image * in_image + (long)QUOTIENT(f, filters) * in_h * in_w;
  const long from_step = 1;
#endif
  global const element* w = weights + (long)f * (KH * KW);
  ADD_TAPS()
#endif
#pragma unroll
  for (int t = 0; t < TY; ++t) {
    if (row0 + t < res_h) {
      const long at = to + (long)t * res_w * step;
      const float value = acc[t] + BIAS_OF(b, f) + RESIDUAL_OF(r, at);
      PUT(RESULT(GET(result, at), ACTIVATE(value, SLOPE_OF(SLOPES_OF(image, planes), f))), result, at);
    }
  }
}
