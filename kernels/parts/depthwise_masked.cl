// parts: depthwise_planes
// Planes that are read in place, vectors that reach beyond a row included: what they hold there is masked.
//
// Macros: those of parts/depthwise_planes.cl.

// The columns of a vector of the input, in shuffled order at stride 2, whose first is `column`.
#define COLUMNS_FROM(column) (SHUFFLED(LANES) * (intv)(IW) + (intv)(column))

// -1 in the lanes that lie in the image.
ALWAYS_INLINE intv inside_image(const int column, const int in_w) {
  const intv at = COLUMNS_FROM(column);
  return (at >= (intv)(0)) & (at < (intv)(in_w));
}

// VW columns of the row at `row_at` from `column` on, one by one.
NOT_INLINED floatv see_one_by_one(global const element* input, global const element* y, const int masked,
                                  const long row_at, const int column, const int in_w) {
  float values[VW];
  for (int lane = 0; lane < VW; ++lane) {
    const int c = column + lane * IW;
    values[lane] = 0.0f;
    if (c < 0 || c >= in_w) continue;
    values[lane] = masked ? BACKWARD(GET(input, row_at + c), GET(y, row_at + c)) : GET(input, row_at + c);
  }
  const floatv v = LOAD_V(values);
  return SHUFFLED(v);
}

// The VW columns, IW apart, at input[at], of which `column` is the first; 0 where they are not `inside`. `careful`:
// nothing beyond the `size` elements of the input is read.
ALWAYS_INLINE floatv see_masked(global const element* input, global const element* y, const int masked, const long at,
                                const intv inside, const int column, const int in_w, const long size,
                                const int careful) {
  if (careful && (at < 0 || at + IW * VW > size)) return see_one_by_one(input, y, masked, at - column, column, in_w);
#define SEEN_AT(place) (masked ? BACKWARD(GET_V(input + (place)), GET_V(y + (place))) : GET_V(input + (place)))
#if IW == 1
  const floatv v = SEEN_AT(at);
#else
  const floatv a = SEEN_AT(at), b = SEEN_AT(at + VW);
  const floatv v = EVEN_COLUMNS(a, b);
#endif
  return inside ? v : (floatv)(0.0f);
}

// Whether tiles of results' row i, of the plane at `from`, may see elements beyond the `size` of the input: only those
// at both ends do. (All rows of such a plane would be too many where there are few planes: n1c1h158w158k32kh5kw5p2 then
// took 1.6 times as long.)
#define SEES_BEYOND(from, i, in_h, in_w, size)                             \
  ((from) + (long)max((i) * IH - (TOP), 0) * (in_w) < LEFT ||              \
   (from) + (long)min((i) * IH - (TOP) + IN_H, in_h) * (in_w) + REACH_W + IW * VW > (size))
