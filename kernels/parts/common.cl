// Put in front of every kernel file: vector types of the chosen width and the epilogue.
//
// Macros a file may expect from the host: VW (floats per vector: 1, 4, 8, 16); BIAS, RESIDUAL, MASK,
// ACCUMULATE (0 or 1); ACTIVATION (the name of an activate_ macro below, some with SLOPE and OFFSET); one of
// STORAGE_FLOAT32 (or none), STORAGE_FLOAT16, STORAGE_BFLOAT16 (how the operands lie in memory; what kernels keep for
// themselves is float). Letters are those of README, "The letters".

// NO_FMA: the device has no fused multiply-add. fma() would be a routine of integer arithmetic there.
#ifdef NO_FMA
#define fma(a, b, c) ((a) * (b) + (c))
#endif

#define CLCONV_PASTE_(a, b) a##b
#define CLCONV_PASTE(a, b) CLCONV_PASTE_(a, b)

// An operand's element: read by GET, written by PUT. vload_half and vstore_half are core OpenCL C, with or
// without cl_khr_fp16.
#if defined(STORAGE_FLOAT16) || defined(STORAGE_BFLOAT16)
#define STORED_BITS 16
#else
#define STORED_BITS 32
#endif
#if STORED_BITS == 16
#define GET_N(N, pointer) CLCONV_PASTE(of_stored, N)(PACKED_OF(N, pointer))
#define STORED(N) CLCONV_PASTE(ushort, N)
#define TO_STORED(N, value) CLCONV_PASTE(to_stored, N)(value)
#define FROM_STORED(N, stored) CLCONV_PASTE(of_stored, N)(stored)
#endif
#ifdef STORAGE_FLOAT16
typedef half element;
// Vectors are moved as packed ones: PoCL 3.1 takes the address of a half vector for aligned to 16 bytes, which
// OpenCL C does not ask for, and crashes, and LLVM cuts its vstore of floats to pieces. Float16 is converted in
// private memory, which the compiler makes registers of.
#define HALF_VECTOR(N)                                                \
  typedef struct __attribute__((packed)) { ushort##N v; } packed##N;  \
  inline float##N of_stored##N(const ushort##N bits) {                  \
    return vload_half##N(0, (const half*)&bits);                      \
  }                                                                   \
  inline ushort##N to_stored##N(const float##N value) {                 \
    ushort##N bits;                                                   \
    vstore_half##N(value, 0, (half*)&bits);                           \
    return bits;                                                      \
  }
HALF_VECTOR(2)
HALF_VECTOR(4)
HALF_VECTOR(8)
HALF_VECTOR(16)
// A single one: of fewer than 4, PoCL takes some 20 instructions each.
#if defined(VW) && VW > 1
#define GET(tensor, at) of_stored4((ushort4)(((global const ushort*)(tensor))[at], 0, 0, 0)).x
#define PUT(value, tensor, at) \
  (((global ushort*)(tensor))[at] = to_stored4((float4)(value, 0.0f, 0.0f, 0.0f)).x)
#else
#define GET(tensor, at) vload_half(at, tensor)
#define PUT(value, tensor, at) vstore_half(value, at, tensor)
#endif
#elif defined(STORAGE_BFLOAT16)
// The upper half of a float's bits, rounded to nearest, ties to even; a NaN stays one.
typedef ushort element;
#define BFLOAT_CONVERSIONS(N)                                               \
  inline float##N of_stored##N(const ushort##N stored) {                    \
    return as_float##N(convert_uint##N(stored) << (uint##N)(16));           \
  }                                                                         \
  inline ushort##N to_stored##N(const float##N value) {                     \
    const uint##N bits = as_uint##N(value);                                 \
    const uint##N up = bits >> (uint##N)(16);                               \
    const uint##N rounded = (bits + (uint##N)(0x7fff) + (up & (uint##N)(1))) >> (uint##N)(16); \
    return convert_ushort##N(value != value ? up | (uint##N)(0x40) : rounded); \
  }
#define BFLOAT_VECTOR(N)                                              \
  typedef struct __attribute__((packed)) { ushort##N v; } packed##N;  \
  BFLOAT_CONVERSIONS(N)
BFLOAT_CONVERSIONS()
BFLOAT_VECTOR(2)
BFLOAT_VECTOR(4)
BFLOAT_VECTOR(8)
BFLOAT_VECTOR(16)
#define GET(tensor, at) of_stored((tensor)[at])
#define PUT(value, tensor, at) ((tensor)[at] = to_stored(value))
#else
typedef float element;
#define GET(tensor, at) ((tensor)[at])
#define PUT(value, tensor, at) ((tensor)[at] = (value))
#define FLOAT_VECTOR(N) typedef struct __attribute__((packed)) { float##N v; } packed##N;
FLOAT_VECTOR(2)
FLOAT_VECTOR(4)
FLOAT_VECTOR(8)
FLOAT_VECTOR(16)
#define GET_N(N, pointer) PACKED_OF(N, pointer)
#define STORED(N) CLCONV_PASTE(float, N)
#define TO_STORED(N, value) (value)
#define FROM_STORED(N, stored) (stored)
#endif
#define PACKED_OF(N, pointer) (((global CLCONV_PASTE(packed, N)*)(pointer))->v)
#define PUT_N(N, value, pointer) (PACKED_OF(N, pointer) = TO_STORED(N, value))

#define ALWAYS_INLINE inline __attribute__((always_inline))

// Ask for a cache line before it is read (from the second cache on: FAR) or written. What runs ahead of a loop may
// end anywhere: no address is wrong. OpenCL's prefetch() does nothing on PoCL 3.1.
#if defined(__x86_64__) || defined(__aarch64__)
#define PREFETCH(pointer) __builtin_prefetch((const void*)(ulong)(pointer), 0, 3)
#define PREFETCH_FAR(pointer) __builtin_prefetch((const void*)(ulong)(pointer), 0, 2)
#define PREFETCH_TO_WRITE(pointer) __builtin_prefetch((const void*)(ulong)(pointer), 1, 3)
#else
#define PREFETCH(pointer)
#define PREFETCH_FAR(pointer)
#define PREFETCH_TO_WRITE(pointer)
#endif

// Vectors: LOAD_V and STORE_V for floats, GET_V and PUT_V for operands.
#ifdef VW
#if VW == 1
typedef float floatv;
#define LOAD_V(pointer) (*(pointer))
#define STORE_V(value, pointer) (*(pointer) = (value))
#define GET_V(pointer) GET(pointer, 0)
#define PUT_V(value, pointer) PUT(value, pointer, 0)
#else
typedef CLCONV_PASTE(float, VW) floatv;
#define LOAD_V(pointer) CLCONV_PASTE(vload, VW)(0, pointer)
#define STORE_V(value, pointer) CLCONV_PASTE(vstore, VW)(value, 0, pointer)
#define GET_V(pointer) GET_N(VW, pointer)
#define PUT_V(value, pointer) PUT_N(VW, value, pointer)
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
#if STORED_BITS == 16 && VW == 1
#define get_some(pointer, count) ((count) > 0 ? GET(pointer, 0) : 0.0f)
inline void put_some(const float value, global element* pointer, const int count) {
  if (count > 0) PUT(value, pointer, 0);
}
#elif STORED_BITS == 16
inline floatv get_some(global const element* pointer, const int count) {
  if (count >= VW) return GET_V(pointer);
  CLCONV_PASTE(ushort, VW) bits = 0;
  for (int i = 0; i < count; ++i) ((ushort*)&bits)[i] = ((global const ushort*)pointer)[i];
  return FROM_STORED(VW, bits);
}
inline void put_some(const floatv value, global element* pointer, const int count) {
  if (count >= VW) {
    PUT_V(value, pointer);
    return;
  }
  const CLCONV_PASTE(ushort, VW) bits = TO_STORED(VW, value);
  for (int i = 0; i < count; ++i) ((global ushort*)pointer)[i] = ((const ushort*)&bits)[i];
}
#else
#define get_some load_some
#define put_some store_some
#endif
#endif

#if defined(VW) && VW >= 4
// The first `count` elements of v in the fewest stores: no branch is left where `count` is a constant.
// Converted as a whole, since PoCL converts fewer than 4 in software.
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

// As put_first for a `count` known when compiling, in at most two stores, which may overlap.
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

// The first `count` elements, 0 behind them, likewise.
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

// Transposes `floatv rows[VW]` with `floatv other[VW]` to work in; the result is TRANSPOSED(rows, other). First 4 x 4
// within the lanes of 4, which no index vector is needed for, then the lanes.
#if VW == 4
#define SHUFFLE_ROWS(from, to)                          \
  _Pragma("unroll") for (int s = 0; s < 2; ++s) {       \
    to[2 * s] = interleave_lo(from[s], from[s + 2]);     \
    to[2 * s + 1] = interleave_hi(from[s], from[s + 2]); \
  }
#define TRANSPOSE(rows, other) SHUFFLE_ROWS(rows, other) SHUFFLE_ROWS(other, rows)
#define TRANSPOSED(rows, other) rows
#else
#if VW == 8
#define FIRST_PAIRS s0145
#define SECOND_PAIRS s2367
#define EVEN_LANES s0123
#define ODD_LANES s4567
#else
#define FIRST_PAIRS s014589cd
#define SECOND_PAIRS s2367abef
#define EVEN_LANES s012389ab
#define ODD_LANES s4567cdef
#endif
#define SHUFFLE_2(to, to_a, to_b, a, b, from) \
  {                                           \
    floatv r;                                 \
    r.to_a = (a).from;                        \
    r.to_b = (b).from;                        \
    to = r;                                   \
  }
#define TRANSPOSE_LANES(rows, other)                                                            \
  _Pragma("unroll") for (int s = 0; s < VW; s += 2) {                                           \
    SHUFFLE_2(other[s], even, odd, rows[s], rows[s + 1], FIRST_PAIRS)                           \
    SHUFFLE_2(other[s + 1], even, odd, rows[s], rows[s + 1], SECOND_PAIRS)                      \
  }                                                                                             \
  _Pragma("unroll") for (int s = 0; s < VW; s += 4) {                                           \
    SHUFFLE_2(rows[s], FIRST_PAIRS, SECOND_PAIRS, other[s], other[s + 2], FIRST_PAIRS)          \
    SHUFFLE_2(rows[s + 1], FIRST_PAIRS, SECOND_PAIRS, other[s], other[s + 2], SECOND_PAIRS)     \
    SHUFFLE_2(rows[s + 2], FIRST_PAIRS, SECOND_PAIRS, other[s + 1], other[s + 3], FIRST_PAIRS)  \
    SHUFFLE_2(rows[s + 3], FIRST_PAIRS, SECOND_PAIRS, other[s + 1], other[s + 3], SECOND_PAIRS) \
  }
#if VW == 8
#define TRANSPOSE(rows, other)                                        \
  TRANSPOSE_LANES(rows, other)                                        \
  _Pragma("unroll") for (int s = 0; s < 4; ++s) {                     \
    SHUFFLE_2(other[s], lo, hi, rows[s], rows[s + 4], EVEN_LANES)     \
    SHUFFLE_2(other[s + 4], lo, hi, rows[s], rows[s + 4], ODD_LANES)  \
  }
#define TRANSPOSED(rows, other) other
#else
#define TRANSPOSE(rows, other)                                                        \
  TRANSPOSE_LANES(rows, other)                                                        \
  _Pragma("unroll") for (int s = 0; s < 4; ++s) {                                     \
    SHUFFLE_2(other[4 * s], lo, hi, rows[s], rows[s + 4], EVEN_LANES)                 \
    SHUFFLE_2(other[4 * s + 1], lo, hi, rows[s + 8], rows[s + 12], EVEN_LANES)        \
    SHUFFLE_2(other[4 * s + 2], lo, hi, rows[s], rows[s + 4], ODD_LANES)              \
    SHUFFLE_2(other[4 * s + 3], lo, hi, rows[s + 8], rows[s + 12], ODD_LANES)         \
  }                                                                                   \
  _Pragma("unroll") for (int s = 0; s < 4; ++s) {                                     \
    SHUFFLE_2(rows[s], lo, hi, other[4 * s], other[4 * s + 1], EVEN_LANES)            \
    SHUFFLE_2(rows[s + 4], lo, hi, other[4 * s + 2], other[4 * s + 3], EVEN_LANES)    \
    SHUFFLE_2(rows[s + 8], lo, hi, other[4 * s], other[4 * s + 1], ODD_LANES)         \
    SHUFFLE_2(rows[s + 12], lo, hi, other[4 * s + 2], other[4 * s + 3], ODD_LANES)    \
  }
#define TRANSPOSED(rows, other) rows
#endif
#endif
#endif

// One rounding where the device does it in hardware, whatever the compiler contracts elsewhere.
#if defined(FP_FAST_FMAF) || defined(VW)
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

// Of floats and vectors of them. NaN stays NaN, which fmax and clamp would not give.
#define activate_none(v) (v)
#define activate_relu(v) ((v) < 0.0f ? 0.0f : (v))
#define activate_relu6(v) CLCONV_BETWEEN(v, 0.0f, 6.0f)
#define activate_leaky_relu(v) ((v) < 0.0f ? SLOPE * (v) : (v))
#define activate_silu(v) ((v) / (1.0f + exp(-(v))))
#define activate_hard_swish(v) ((v) * CLCONV_BETWEEN((v) + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f))
#define activate_hard_sigmoid(v) CLCONV_BETWEEN(SLOPE * (v) + OFFSET, 0.0f, 1.0f)
#define activate_sigmoid(v) (1.0f / (1.0f + exp(-(v))))
#define activate_tanh(v) tanh(v)
#define activate_gelu(v) (0.5f * (v) * (1.0f + erf(0.70710678f * (v))))
#define CLCONV_BETWEEN(v, low, high) ((v) < (low) ? (low) : (v) > (high) ? (high) : (v))
#ifndef ACTIVATION
#define ACTIVATION activate_none
#endif
#define ACTIVATE(v) ACTIVATION(v)

// What a result becomes, given what is there.
#if defined(ACCUMULATE) && ACCUMULATE
#define RESULT(old, value) ((old) + (value))
#else
#define RESULT(old, value) (value)
#endif

// A gradient counts only where the forward result y is above 0 (the backward of ReLU).
#if defined(MASK) && MASK
#define MASKED(gradient, y, at) (GET(y, at) > 0.0f ? GET(gradient, at) : 0.0f)
#else
#define MASKED(gradient, y, at) GET(gradient, at)
#endif

#ifdef VW
// The vector of width N at `at` of an input, where it counts.
#if defined(MASK) && MASK
#define KEPT_N(N, at)                                   \
  (GET_N(N, y + (at)) > 0.0f ? GET_N(N, input + (at)) \
                             : (CLCONV_PASTE(float, N))(0.0f))
#else
#define KEPT_N(N, at) GET_N(N, input + (at))
#endif

// What fits of a row's end, in halves of the vector.
#define COPY_PIECE(N)                                         \
  if (count - j >= N) {                                       \
    CLCONV_PASTE(vstore, N)(KEPT_N(N, j), 0, out + j);          \
    j += N;                                                   \
  }
// A row of a tensor (a masked gradient) as floats.
inline void copy_row(global const element* restrict input, global const element* restrict y,
                     global float* restrict out, const int count) {
  int j = 0;
#if VW == 16
  for (; j + 16 <= count; j += 16) vstore16(KEPT_N(16, j), 0, out + j);
  COPY_PIECE(8)
  COPY_PIECE(4)
#elif VW == 8
  for (; j + 8 <= count; j += 8) vstore8(KEPT_N(8, j), 0, out + j);
  COPY_PIECE(4)
#elif VW == 4
  for (; j + 4 <= count; j += 4) vstore4(KEPT_N(4, j), 0, out + j);
#endif
#if VW > 1
  COPY_PIECE(2)
#endif
  for (; j < count; ++j) out[j] = MASKED(input, y, j);
}
#endif

#if defined(BIAS) && BIAS
#define BIAS_OF(b, k) GET(b, k)
#else
#define BIAS_OF(b, k) 0.0f
#endif

// The residual: `r` lies as the result does. RESIDUAL_V: a vector of it, all of it readable; residual_some and
// residual_first: its first `count`, 0 behind them.
#if defined(RESIDUAL) && RESIDUAL
#define RESIDUAL_OF(r, at) GET(r, at)
#define RESIDUAL_V(pointer) GET_V(pointer)
#define residual_some(pointer, count) get_some(pointer, count)
#define residual_first(pointer, count) get_first(pointer, count)
#else
#define RESIDUAL_OF(r, at) 0.0f
#define RESIDUAL_V(pointer) 0.0f
#define residual_some(pointer, count) 0.0f
#define residual_first(pointer, count) 0.0f
#endif

// ---- a product of tiles in local memory, for GPUs -------------------------------------------------
//
//                  +---- BN ----+      A work-group of ITEMS work-items computes BM x BN results. Per step, BK products of
//             BK   |     B      |      each come to local memory; each work-item multiplies TM rows by TN columns
//                  +------------+      in registers: blocks of 4 x 4, so that neighbours read neighbouring
//       +-- BK -+  +------------+      float4s: row 4*(LY*a + ly) + 0..3, a < TM/4, columns likewise.
//   BM  |   A   |  | TM x TN    |      With two BUFFERS the next step's products come while this one's are multiplied,
//       +-------+  +------------+      at one barrier per step; with one, two.
//
// Macros: BM BN BK TM TN BUFFERS, VW=4.
#ifdef BM
#define LX (BN / TN)
#define LY (BM / TM)
#define ITEMS (LX * LY)
#define TILE_ROW(a) (4 * ((a) / 4 * LY + ly) + (a) % 4)
#define TILE_COLUMN(a) (4 * ((a) / 4 * LX + lx) + (a) % 4)

// acc[TM][TN / 4] += the BK products in `local float4 A[BK][pitch_a], B[BK][pitch_b]`.
#define MULTIPLY_TILES(acc, A, B)                                                             \
  for (int kk = 0; kk < BK; ++kk) {                                                           \
    float rows_of[TM];                                                                        \
    float4 columns_of[TN / 4];                                                                \
    _Pragma("unroll") for (int a = 0; a < TM / 4; ++a) {                                      \
      vstore4((A)[kk][a * LY + ly], a, rows_of);                                              \
    }                                                                                         \
    _Pragma("unroll") for (int a = 0; a < TN / 4; ++a) columns_of[a] = (B)[kk][a * LX + lx];  \
    _Pragma("unroll") for (int a = 0; a < TM; ++a) {                                          \
      _Pragma("unroll") for (int c = 0; c < TN / 4; ++c) {                                    \
        acc[a][c] = MULTIPLY_ADD((float4)(rows_of[a]), columns_of[c], acc[a][c]);             \
      }                                                                                       \
    }                                                                                         \
  }

// Steps [first, last): FETCH() brings the next step's share of the work-item to registers, KEEP(buffer) from there to
// local memory, MULTIPLY(buffer) uses it. FETCH is called once per step, in order.
#if BUFFERS == 2
#define FOR_EACH_STEP(first, last, FETCH, KEEP, MULTIPLY)          \
  {                                                                \
    int buffer = 0;                                                \
    if ((first) < (last)) {                                        \
      FETCH()                                                      \
      KEEP(0)                                                      \
    }                                                              \
    barrier(CLK_LOCAL_MEM_FENCE);                                  \
    for (int step = first; step < (last); ++step) {                \
      const int more = step + 1 < (last);                          \
      if (more) { FETCH() }                                        \
      MULTIPLY(buffer)                                             \
      buffer = 1 - buffer;                                         \
      if (more) { KEEP(buffer) }                                   \
      barrier(CLK_LOCAL_MEM_FENCE);                                \
    }                                                              \
  }
#else
#define FOR_EACH_STEP(first, last, FETCH, KEEP, MULTIPLY)          \
  for (int step = first; step < (last); ++step) {                  \
    FETCH()                                                        \
    barrier(CLK_LOCAL_MEM_FENCE);                                  \
    KEEP(0)                                                        \
    barrier(CLK_LOCAL_MEM_FENCE);                                  \
    MULTIPLY(0)                                                    \
  }
#endif

// A counter (a, b, c), c running fastest to c_end, then b to b_end, moved on by a step that the host has taken apart
// likewise.
#define ADVANCE(a, b, c, b_end, c_end, step_a, step_b, step_c) \
  c += step_c;                                                 \
  b += step_b;                                                 \
  a += step_a;                                                 \
  if (c >= c_end) {                                            \
    c -= c_end;                                                \
    ++b;                                                       \
  }                                                            \
  if (b >= b_end) {                                            \
    b -= b_end;                                                \
    ++a;                                                       \
  }
#endif  // BM
