// parts: vectors
// The end of a row: the first elements of a vector that does not fit, without a loop.
//
// Macros: VW (4, 8 or 16).

// Stores the first `count` elements of v: pieces of 8, 4, 2 and 1, as the bits of `count` say. No branch is left where
// `count` is a constant. All of v is converted, since PoCL converts fewer than 4 in software.
inline void put_first(const floatv v, const int count, global element* out) {
  if (count >= VW) {
    PUT_V(v, out);
    return;
  }
  const STORED(VW) all = TO_STORED(VW, v);
#if VW == 16
  STORED(8) rest8 = all.lo;
  if (count & 8) {
    PACKED_OF(8, out) = rest8;
    out += 8;
    rest8 = all.hi;
  }
#elif VW == 8
  const STORED(8) rest8 = all;
#endif
#if VW >= 8
  STORED(4) rest4 = rest8.lo;
  if (count & 4) {
    PACKED_OF(4, out) = rest4;
    out += 4;
    rest4 = rest8.hi;
  }
#else
  const STORED(4) rest4 = all;
#endif
  STORED(2) rest2 = rest4.lo;
  if (count & 2) {
    PACKED_OF(2, out) = rest2;
    out += 2;
    rest2 = rest4.hi;
  }
  if (count & 1) *(global STORED()*)out = rest2.x;
}

// put_first for a constant `count`: at most two stores, which may overlap.
inline void put_known(const floatv v, const int count, global element* out) {
#if VW == 16
  if (count > 8 && count < 16) {
    const STORED(16) all = TO_STORED(16, v);
    PACKED_OF(8, out) = all.lo;
    PACKED_OF(8, out + count - 8) = count == 9    ? all.s12345678
                                    : count == 10 ? all.s23456789
                                    : count == 11 ? all.s3456789a
                                    : count == 12 ? all.s456789ab
                                    : count == 13 ? all.s56789abc
                                    : count == 14 ? all.s6789abcd
                                                  : all.s789abcde;
    return;
  }
#endif
  put_first(v, count, out);
}

// Loads the first `count` elements; the others are 0. As put_first(), in pieces of 8, 4, 2 and 1 elements as the bits
// of `count` say, but from the last piece to the first: each piece is put in front of what is loaded already.
inline floatv get_first(global const element* in, const int count) {
  if (count >= VW) return GET_V(in);
  STORED(2) last2 = 0;
  if (count & 1) last2.x = *(global const STORED()*)(in + (count & ~1));
  STORED(4) last4 = (STORED(4))(last2, (STORED(2))(0));
  if (count & 2) last4 = (STORED(4))(PACKED_OF(2, in + (count & ~3)), last2);
#if VW == 4
  return FROM_STORED(4, last4);
#else
  STORED(8) last8 = (STORED(8))(last4, (STORED(4))(0));
  if (count & 4) last8 = (STORED(8))(PACKED_OF(4, in + (count & ~7)), last4);
#if VW == 8
  return FROM_STORED(8, last8);
#else
  STORED(16) last16 = (STORED(16))(last8, (STORED(8))(0));
  if (count & 8) last16 = (STORED(16))(PACKED_OF(8, in), last8);
  return FROM_STORED(16, last16);
#endif
#endif
}
