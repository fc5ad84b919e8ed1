// parts: depthwise_planes epilogue put_together
// Rows of planes of 16-bit elements as two vectors: what the body `pairs` sees of the input, and how it stores results.
//
//   see_row      columns[q][i]: what tap column q of the filter sees for vector i of the results
//   store_row    finishes and stores two vectors of results
//
// bfloat16: at stride 1 a vector has every second column of results; at stride 2 one vector is beside the other.
//
//   32 bits of the input        [ column 2i | column 2i + 1 ]       Two neighbours are the halves of 32 bits. The lower
//                                     |              |              one moved up, and the upper one masked, are floats:
//     moved up, masked           even[i]         odd[i]             2 instructions for 2*VW columns, where conversion
//                                     |              |              in order takes 4. Taps see columns q, q + 2, ..
//     in[q], q = 0, 1, ..        columns q, q + 2, q + 4, ..        for the even results, q + 1, q + 3, .. for the odd.
//
// float16, NARROW planes only: one vector is beside the other, or overlaps it.
//
// Macros: those of `pairs`.

// How a column of results lies in its plane: 2*VW columns; the same at the ends of the input, read element by element;
// or the last VW columns of the upper half of the rows in the lower halves of vectors, and of the lower half in the
// upper ones.
#define WHOLE 0
#define AT_ENDS 1
#define HALVES 2

#define RING (REACH_H / IH + 1)  // rows of results that see a row of the input

#if NARROW
#define INSIDE_FROM(columns) (((columns) >= (intv)(0)) & ((columns) < (intv)(IN_W)))
#else
#define RES_W 0  // not read
#endif

#if defined(STORAGE_BFLOAT16)
// The elements at `at` and behind, where all of them may not be in a tensor of `size` elements: one by one.
#if NARROW
NOT_INLINED uintv pairs_one_by_one(global const element* tensor, const long at, const long size) {
  uint pairs[VW];
  for (int i = 0; i < VW; ++i) {
    const long first = at + 2 * i;
    const uint lower = first >= 0 && first < size ? tensor[first] : 0;
    const uint upper = first + 1 >= 0 && first + 1 < size ? tensor[first + 1] : 0;
    pairs[i] = lower | upper << 16;
  }
  return CLCONV_PASTE(vload, VW)(0, pairs);
}
#else
#define pairs_one_by_one(tensor, at, size) (uintv)(0)
#endif

// 2*VW elements at `at`; of HALVES VW there and VW `apart` elements further.
ALWAYS_INLINE uintv load_pairs(const int how, global const element* tensor, const long at, const long apart,
                               const long size) {
  if (how == AT_ENDS) return pairs_one_by_one(tensor, at, size);
  if (how == HALVES) return (uintv)(HALF_AT(tensor + at), HALF_AT(tensor + at + apart));
  return PAIRS_AT(tensor + at);
}

// The lanes of v, or of each half of it, moved by n, or -n to the left, zeroes coming in.
#define LANES_OF(how) ((how) == HALVES ? VW / 2 : VW)
#define LANE_BEFORE(how, n) ((LANES & (intv)(LANES_OF(how) - 1)) - (intv)(n))
ALWAYS_INLINE floatv move_lanes(const int how, const floatv v, const int n) {
  if (n == 0) return v;
  const intv from = LANE_BEFORE(how, n);
  const intv is_lane = (from >= (intv)(0)) & (from < (intv)(LANES_OF(how)));
  return shuffle2(v, (floatv)(0.0f), AS_UINTV(is_lane ? LANES - (intv)(n) : (intv)(VW)));
}

// Of columns from column `first` of the image on, every second: 0 outside, where a result of a NARROW plane sees them.
#if NARROW
#define INSIDE(first, v) \
  (INSIDE_FROM(LANES * (intv)(2) + (intv)(first)) | (LANES * (intv)(2) >= (intv)(RES_W)) ? (v) : (floatv)(0.0f))
#endif

// in[0], in[1]: the even and the odd ones of the columns at `at`, of which the first `before` or the last
// `behind` lie outside and are 0; both are constants. 0 where bits of `seen` are. Read are columns inside, or, of
// NARROW planes, those of the rows beside, too.
ALWAYS_INLINE void see_pairs(const int how, global const element* input, global const element* y, const long at,
                             const int before, const int behind, const long apart, const uintv seen, const long size,
                             floatv* in) {
  const int out = NARROW ? 0 : before > 0 ? before : behind > 0 ? -behind : 0;
  uintv pairs = load_pairs(how, input, at + out, apart, size);
#if !(MASK && DATA)
  if (how == HALVES) pairs &= seen;
#endif
  floatv even = EVEN_OF(pairs), odd = ODD_OF(pairs);
#if MASK && DATA
  const uintv y_pairs = load_pairs(how, y, at + out, apart, size);
  even = BACKWARD(even, EVEN_OF(y_pairs));
  odd = BACKWARD(odd, ODD_OF(y_pairs));
  if (how == HALVES) {
    even = AS_FLOATV(AS_UINTV(even) & seen);
    odd = AS_FLOATV(AS_UINTV(odd) & seen);
  }
#endif
#if NARROW
  in[0] = INSIDE(-before, even);
  in[1] = INSIDE(1 - before, odd);
#else
  // Moved by an odd number of columns, even ones become odd.
  const int half_of = (out - (out & 1)) / 2;
  in[0] = move_lanes(how, out & 1 ? odd : even, half_of + (out & 1));
  in[1] = move_lanes(how, out & 1 ? even : odd, half_of);
#endif
}

ALWAYS_INLINE void see_row(const int how, global const element* input, global const element* y, const long from,
                           const int left, const int right, const long apart, const uintv seen, const long size,
                           floatv columns[REACH_W + 1][2]) {
#if IW == 1
  floatv in[REACH_W + 2];
#pragma unroll
  for (int q = 0; q <= REACH_W / 2; ++q) {
    see_pairs(how, input, y, from + 2 * q, left ? LEFT - 2 * q : 0, right ? RIGHT - (REACH_W - 2 * q) : 0, apart, seen,
              size, in + 2 * q);
  }
#pragma unroll
  for (int q = 0; q <= REACH_W; ++q) {
    columns[q][0] = in[q];
    columns[q][1] = in[q + 1];
  }
#else
#pragma unroll
  for (int q = 0; q <= REACH_W / 2; ++q) {
    floatv in[2][2];
    see_pairs(how, input, y, from + 2 * q, left ? LEFT - 2 * q : 0, 0, apart, seen, size, in[0]);
    see_pairs(how, input, y, from + 2 * q + 2 * VW, 0, right ? RIGHT - (REACH_W - 2 * q) + 1 : 0, apart, seen, size,
              in[1]);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (2 * q + i / 2 <= REACH_W) columns[2 * q + i / 2][i % 2] = in[i % 2][i / 2];
    }
  }
#endif
}

#if NARROW
// The first RES_W of 2*VW elements: two vectors that overlap.
ALWAYS_INLINE void put_row(const uintv pairs, global element* to) {
  const ushort16 all = as_ushort16(pairs);
  PACKED_OF(8, to) = all.lo;
  PACKED_OF(8, to + RES_W - 8) = RES_W == 9    ? all.s12345678
                                 : RES_W == 10 ? all.s23456789
                                 : RES_W == 11 ? all.s3456789a
                                 : RES_W == 12 ? all.s456789ab
                                 : RES_W == 13 ? all.s56789abc
                                 : RES_W == 14 ? all.s6789abcd
                                               : all.s789abcde;
}
#else
#define put_row PUT_PAIRS
#endif

// Finishes and stores a row of results; behind the last one of a plane, nothing is read.
#if IW == 2
ALWAYS_INLINE void store_row(const int how, const floatv sums[2], const float slope, global const element* r,
                             const long at, const long apart, const int is_last, global element* result) {
  floatv kept[2] = {ACTIVATE(sums[0] + RESIDUAL_V(r + at), slope), ACTIVATE(sums[1] + RESIDUAL_V(r + at + VW), slope)};
#define RESULT_OF(t) (result + at + (t) * VW)
  PUT_KEPT(kept, 2, RESULT_OF)
}
#else
ALWAYS_INLINE void store_row(const int how, const floatv sums[2], const float slope, global const element* r,
                               const long at, const long apart, const int is_last, global element* result) {
  floatv even = sums[0], odd = sums[1];
#if RESIDUAL
  const uintv added = load_pairs(NARROW && is_last ? AT_ENDS : how == HALVES ? HALVES : WHOLE, r, at, apart,
                                 at + RES_W);
  even += EVEN_OF(added);
  odd += ODD_OF(added);
#endif
  floatv both[2] = {ACTIVATE(even, slope), ACTIVATE(odd, slope)};
  MAKE_ROUNDABLE(both, 2)
  const uintv pairs = joined(both[0], both[1]);
  if (how == HALVES) {
    PUT_HALF(pairs.lo, result + at);
    PUT_HALF(pairs.hi, result + at + apart);
  } else {
    put_row(pairs, result + at);
  }
}
#endif
#else
// The second vector ends with the row. Where columns of a vector may not be in the input, which has `size` elements,
// they are read one by one.
#define SECOND (RES_W - VW)
NOT_INLINED floatv one_by_one(global const element* tensor, const long at, const long size) {
  float values[VW];
  for (int i = 0; i < VW; ++i) values[i] = at + i >= 0 && at + i < size ? GET(tensor, at + i) : 0.0f;
  return LOAD_V(values);
}
#define SEEN(tensor) (how == AT_ENDS ? one_by_one(tensor, at, size) : GET_V((tensor) + at))
// The columns at `at`, from `first` of the image on.
ALWAYS_INLINE floatv see_columns_from(const int how, global const element* input, global const element* y,
                                      const long at, const int first, const long size) {
  floatv v = SEEN(input);
#if MASK && DATA
  v = BACKWARD(v, SEEN(y));
#endif
  return INSIDE_FROM(LANES + (intv)(first)) ? v : (floatv)(0.0f);
}

ALWAYS_INLINE void see_row(const int how, global const element* input, global const element* y, const long from,
                           const int left, const int right, const long apart, const uintv seen, const long size,
                           floatv columns[REACH_W + 1][2]) {
#pragma unroll
  for (int q = 0; q <= REACH_W; ++q) {
    columns[q][0] = see_columns_from(how, input, y, from + q, q - LEFT, size);
    columns[q][1] = see_columns_from(how, input, y, from + q + SECOND, q - LEFT + SECOND, size);
  }
}

ALWAYS_INLINE void store_row(const int how, const floatv sums[2], const float slope, global const element* r,
                             const long at, const long apart, const int is_last, global element* result) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const floatv value = sums[i] + RESIDUAL_V(r + at + i * SECOND);
    PUT_V(ACTIVATE(value, slope), result + at + i * SECOND);
  }
}
#endif
