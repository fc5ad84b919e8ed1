// parts: depthwise_planes
// Planes that are read in place, vectors that reach beyond a row included: what they hold there is masked.
//
// Macros: those of parts/depthwise_planes.cl; STAGE_FLOATS (not 0: what is read are copies as floats in local memory,
// where gradients are masked already, and zeroes lie beside the rows).

#if STAGE_FLOATS
#define PLANES local const float
#else
#define PLANES global const element
#endif

// The columns of a vector of the input, in shuffled order at stride 2, whose first is `column`.
#define COLUMNS_FROM(column) (SHUFFLED(LANES) * (intv)(IW) + (intv)(column))

// -1 in the lanes that lie in the image.
ALWAYS_INLINE intv inside_image(const int column, const int in_w) {
  const intv at = COLUMNS_FROM(column);
  return (at >= (intv)(0)) & (at < (intv)(in_w));
}

#if STAGE_FLOATS
// Zeroes between two rows, as many as a vector of results sees beside its row.
#define STAGED_BORDER max(max(LEFT, RIGHT), 0)
#define STAGED_PITCH(in_w) (((in_w) + STAGED_BORDER + VW - 1) / VW * VW)

// memory[count] = 0, and some behind it: what lies beside rows, which are all copied to the same columns.
ALWAYS_INLINE void clear_stage(local float* memory, const int count) {
  for (int t = 0; t < count; t += VW) IN_ONE_PIECE(local, memory + t) = (floatv)(0.0f);
}

// Copies `rows` rows of `in_w` elements from input[from] on, of a gradient masked.
ALWAYS_INLINE void stage_plane(global const element* input, global const element* y, const int masked, const long from,
                               const int rows, const int in_w, local float* staged) {
  global const element* row = input + from;
#define STAGE_AT(at)                                                                                               \
  IN_ONE_PIECE(local, staged + (at)) =                                                                             \
      masked ? BACKWARD(GET_V(row + (at)), GET_V(y + (row - input) + (at))) : GET_V(row + (at));
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j + VW <= in_w; j += VW) {
      STAGE_AT(j)
    }
    if (in_w % VW > 0) {
      STAGE_AT(in_w - VW)
    }
    row += in_w;
    staged += STAGED_PITCH(in_w);
  }
}

#define SEEN_AT(place) IN_ONE_PIECE(local const, input + (place))
#else
#define SEEN_AT(place) (masked ? BACKWARD(GET_V(input + (place)), GET_V(y + (place))) : GET_V(input + (place)))

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
#endif

// The VW columns, IW apart, at input[at], of which `column` is the first; 0 where they are not `inside`. `careful`:
// nothing beyond the `size` elements of the input is read.
ALWAYS_INLINE floatv see_masked(PLANES* input, global const element* y, const int masked, const long at,
                                const intv inside, const int column, const int in_w, const long size,
                                const int careful) {
#if !STAGE_FLOATS
  if (careful && (at < 0 || at + IW * VW > size)) return see_one_by_one(input, y, masked, at - column, column, in_w);
#endif
#if IW == 1
  const floatv v = SEEN_AT(at);
#else
  const floatv a = SEEN_AT(at), b = SEEN_AT(at + VW);
  const floatv v = EVEN_COLUMNS(a, b);
#endif
#if STAGE_FLOATS
  return v;
#else
  return inside ? v : (floatv)(0.0f);
#endif
}

// Whether tiles of results' row i, of the plane at `from`, may see elements beyond the `size` of the input: only those
// at both ends do. (All rows of such a plane would be too many where there are few planes: n1c1h158w158k32kh5kw5p2 then
// took 1.6 times as long.)
#define SEES_BEYOND(from, i, in_h, in_w, size)                             \
  ((from) + (long)max((i) * IH - (TOP), 0) * (in_w) < LEFT ||              \
   (from) + (long)min((i) * IH - (TOP) + IN_H, in_h) * (in_w) + REACH_W + IW * VW > (size))
