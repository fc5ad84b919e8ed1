// Put in front of every kernel file: vector types of the chosen width and the epilogue.
//
// Macros a file may expect from the host: VW (floats per vector: 1, 4, 8, 16); BIAS, RELU, MASK,
// ACCUMULATE (0 or 1). Letters are those of README, "The letters".

#define CLCONV_PASTE_(a, b) a##b
#define CLCONV_PASTE(a, b) CLCONV_PASTE_(a, b)

#ifdef VW
#if VW == 1
typedef float floatv;
#define LOAD_V(pointer) (*(pointer))
#define STORE_V(value, pointer) (*(pointer) = (value))
#else
typedef CLCONV_PASTE(float, VW) floatv;
#define LOAD_V(pointer) CLCONV_PASTE(vload, VW)(0, pointer)
#define STORE_V(value, pointer) CLCONV_PASTE(vstore, VW)(value, 0, pointer)
#endif

// The first `count` floats (all from VW on, none up to 0) of a vector; the rest is 0, or stays.
inline floatv load_some(global const float* pointer, const int count) {
  if (count >= VW) return LOAD_V(pointer);
  float values[VW];
  for (int i = 0; i < VW; ++i) values[i] = i < count ? pointer[i] : 0.0f;
  return LOAD_V(values);
}
inline void store_some(const floatv value, global float* pointer, const int count) {
  if (count >= VW) {
    STORE_V(value, pointer);
    return;
  }
  float values[VW];
  STORE_V(value, values);
  for (int i = 0; i < count; ++i) pointer[i] = values[i];
}
#endif

#if defined(VW) && VW >= 4
// The first `count` floats of v in the fewest stores: no branch is left where `count` is a constant.
inline void store_first(const floatv v, const int count, global float* out) {
  if (count >= VW) {
    STORE_V(v, out);
    return;
  }
#if VW == 16
  float8 rest8 = v.lo;
  if (count & 8) {
    vstore8(rest8, 0, out);
    out += 8;
    rest8 = v.hi;
  }
#elif VW == 8
  const float8 rest8 = v;
#endif
#if VW >= 8
  float4 rest4 = rest8.lo;
  if (count & 4) {
    vstore4(rest4, 0, out);
    out += 4;
    rest4 = rest8.hi;
  }
#else
  const float4 rest4 = v;
#endif
  float2 rest2 = rest4.lo;
  if (count & 2) {
    vstore2(rest2, 0, out);
    out += 2;
    rest2 = rest4.hi;
  }
  if (count & 1) *out = rest2.x;
}

inline floatv interleave_lo(const floatv a, const floatv b) {
  floatv r;
  r.even = a.lo;
  r.odd = b.lo;
  return r;
}
inline floatv interleave_hi(const floatv a, const floatv b) {
  floatv r;
  r.even = a.hi;
  r.odd = b.hi;
  return r;
}

// One interleave of the upper with the lower half of VW vectors; log2(VW) of them transpose.
#define SHUFFLE_ROWS(from, to)                                                \
  _Pragma("unroll") for (int s = 0; s < VW / 2; ++s) {                        \
    to[2 * s] = interleave_lo(from[s], from[s + VW / 2]);                     \
    to[2 * s + 1] = interleave_hi(from[s], from[s + VW / 2]);                 \
  }

// Transposes `floatv rows[VW]` with `floatv other[VW]` to work in; the result is TRANSPOSED(rows, other).
#if VW == 4
#define TRANSPOSE(rows, other) SHUFFLE_ROWS(rows, other) SHUFFLE_ROWS(other, rows)
#define TRANSPOSED(rows, other) rows
#elif VW == 8
#define TRANSPOSE(rows, other) \
  SHUFFLE_ROWS(rows, other) SHUFFLE_ROWS(other, rows) SHUFFLE_ROWS(rows, other)
#define TRANSPOSED(rows, other) other
#else
#define TRANSPOSE(rows, other)                        \
  SHUFFLE_ROWS(rows, other) SHUFFLE_ROWS(other, rows) \
  SHUFFLE_ROWS(rows, other) SHUFFLE_ROWS(other, rows)
#define TRANSPOSED(rows, other) rows
#endif
#endif

// One rounding where the device does it in hardware, whatever the compiler contracts elsewhere.
#if defined(FP_FAST_FMAF) || defined(VW)
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

// NaN stays NaN, which fmax would not give.
#if defined(RELU) && RELU
#define ACTIVATE(v) ((v) < 0.0f ? 0.0f : (v))
#else
#define ACTIVATE(v) (v)
#endif

// What a result becomes, given what is there.
#if defined(ACCUMULATE) && ACCUMULATE
#define RESULT(old, value) ((old) + (value))
#else
#define RESULT(old, value) (value)
#endif

// A gradient counts only where the forward result y is above 0 (the backward of ReLU).
#if defined(MASK) && MASK
#define MASKED(gradient, y, at) ((y)[at] > 0.0f ? (gradient)[at] : 0.0f)
#else
#define MASKED(gradient, y, at) ((gradient)[at])
#endif

#if defined(BIAS) && BIAS
#define BIAS_OF(b, k) ((b)[k])
#else
#define BIAS_OF(b, k) 0.0f
#endif
