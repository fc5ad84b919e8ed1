// parts: local_tile matrix_tile
// How implicit_gemm/tile.cl keeps the factors of a step in local memory and multiplies them:
//
//   (neither)  float32
//   HALF       float16: so are the products and the sums of a step's BK products, which are added to float32 sums
//   MATRIX     float16 or TF32 factors, multiplied by matrix units with float32 sums (part matrix_tile)
//
//   four                          four factors as packed weights have them
//   SUB_GROUP                     an attribute of the kernel
//   LOCAL_TILES()                 declares A and B, of two steps
//   PUT_A(buffer, at, value)      four packed weights, the `at`-th of the step
//   PUT_B(buffer, row, n, value)  a factor of pixel n; PUT_B_PIXELS of four pixels, PUT_B_CHANNELS of four channels
//   SUMS()                        declares and clears the work-item's sums
//   MULTIPLY_BUFFER(buffer)       adds the products of a step to them
//   SUM_OF(a, c, p)               the sum of its a-th filter, FILTER_OF(a), and of pixel PIXEL_OF(c) + p
//                                 for a < SUM_ROWS, c < SUM_BLOCKS, p < SUMS_TOGETHER
//
// Macros of HALF: HALF_PTX (NVIDIA's driver, which has no cl_khr_fp16) or HALF_ROUNDED (float32 arithmetic, rounded
// after every operation: for tests on devices without float16).

#if MATRIX == 5
typedef float4 four;
// Ten bits behind the point are left, the nearest.
inline uint to_tf32(const float value) {
#if defined(MATRIX_ROUNDED)
  const uint bits = as_uint(value);
  return (bits & 0x7f800000u) != 0x7f800000u ? (bits + 0x1000u) & 0xffffe000u : bits;  // all but NaN and infinity
#else
  uint bits;
  __asm__("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
#endif
}
inline uint4 to_tf32s(const float4 value) {
  return (uint4)(to_tf32(value.x), to_tf32(value.y), to_tf32(value.z), to_tf32(value.w));
}
#elif HALF || MATRIX
typedef ushort4 four;  // bits of float16
#if defined(HALF_PTX)
inline ushort to_half(const float value) {
  ushort bits;
  __asm__("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
#elif defined(HALF_ROUNDED)  // of four, for which PoCL has an instruction
inline ushort4 to_halves(const float4 value) {
  ushort4 bits;
  vstore_half4(value, 0, (half*)&bits);
  return bits;
}
#define to_half(value) to_halves((float4)(value, 0.0f, 0.0f, 0.0f)).x
#else
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define to_half(value) as_ushort((half)(value))
#endif
#if !defined(HALF_ROUNDED)
inline ushort4 to_halves(const float4 value) {
  return (ushort4)(to_half(value.x), to_half(value.y), to_half(value.z), to_half(value.w));
}
#endif
#else
typedef float4 four;
#endif

#ifndef SUB_GROUP
#define SUB_GROUP
#endif

#if !MATRIX
// Weights have one distance in a step: with two, each store takes an instruction more. For 128x128 3x3, ptxas takes 134
// to 142 registers instead of 128 for it, and NVIDIA's GPUs run one work-group per unit instead of two.
#if BM < 128
#define LOCAL_A() local four A[2][BK * (BM / 4)];
#define PUT_A(buffer, at, value) A[buffer][at] = value;
#define A_OF(buffer) ((local four(*)[BM / 4])A[buffer])
#else
#define LOCAL_A() local four A[2][BK][BM / 4];
#define PUT_A(buffer, at, value) A[buffer][(at) / (BM / 4)][(at) % (BM / 4)] = value;
#define A_OF(buffer) A[buffer]
#endif
#define LOCAL_TILES()              \
  LOCAL_A()                        \
  local four B[2][BK][BN / 4];
#if HALF
#define PUT_B(buffer, row, n, value) ((local ushort*)B[buffer][row])[n] = to_half(value);
#define PUT_B_PIXELS(buffer, row, n, value) B[buffer][row][(n) / 4] = to_halves(value);
#else
#define PUT_B(buffer, row, n, value) ((local float*)B[buffer][row])[n] = value;
#define PUT_B_PIXELS(buffer, row, n, value) B[buffer][row][(n) / 4] = value;
#endif
#define PUT_B_CHANNELS(buffer, row, n, value) \
  {                                           \
    PUT_B(buffer, row, n, (value).x)          \
    PUT_B(buffer, (row) + 1, n, (value).y)    \
    PUT_B(buffer, (row) + 2, n, (value).z)    \
    PUT_B(buffer, (row) + 3, n, (value).w)    \
  }
#define PLACE_SUMS() PLACE_IN_TILE()
#define SUMS()              \
  float4 acc[TM][TN / 4];   \
  CLEAR_SUMS(acc)
#define SUM_ROWS TM
#define SUM_BLOCKS (TN / 4)
#define SUMS_TOGETHER 4
#define FILTER_OF(a) TILE_ROW((a) / 4) + (a) % 4
#define PIXEL_OF(c) TILE_COLUMN(c)
#define SUM_OF(a, c, p) COMPONENT(acc[a][c], p)
#if HALF
#define MULTIPLY_BUFFER(buffer) MULTIPLY_HALVES(acc, A_OF(buffer), B[buffer])
#else
#define MULTIPLY_BUFFER(buffer) MULTIPLY_TILES(acc, A_OF(buffer), B[buffer])
#endif
#endif

#if HALF
// halves: four numbers to calculate with. SPREAD(v, p) is component p of `v`, for a product with each of four.
#if defined(HALF_PTX)
typedef uint2 halves;
typedef uint spread;
#define HALVES_OF(bits) as_uint2(bits)
#define NO_HALVES (uint2)(0)
inline uint spread_low(const uint pair) {
  uint both;
  __asm__("{.reg .b16 low, high; mov.b32 {low, high}, %1; mov.b32 %0, {low, low};}" : "=r"(both) : "r"(pair));
  return both;
}
inline uint spread_high(const uint pair) {
  uint both;
  __asm__("{.reg .b16 low, high; mov.b32 {low, high}, %1; mov.b32 %0, {high, high};}" : "=r"(both) : "r"(pair));
  return both;
}
#define SPREAD(v, p) \
  ((p) == 0 ? spread_low((v).x) : (p) == 1 ? spread_high((v).x) : (p) == 2 ? spread_low((v).y) : spread_high((v).y))
inline uint multiply_pair(const uint a, const uint b, const uint c) {
  uint sum;
  __asm__("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(c));
  return sum;
}
#define MULTIPLY_HALF(a, b, sum) (uint2)(multiply_pair(a, (b).x, (sum).x), multiply_pair(a, (b).y, (sum).y))
inline float2 floats_of_pair(const uint pair) {
  float2 both;
  __asm__("{.reg .b16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high;}"
          : "=f"(both.x), "=f"(both.y) : "r"(pair));
  return both;
}
#define FLOATS_OF(v) (float4)(floats_of_pair((v).x), floats_of_pair((v).y))
#elif defined(HALF_ROUNDED)
typedef float4 halves;
typedef float spread;
inline float4 rounded_halves(const ushort4 bits) {
  return vload_half4(0, (const half*)&bits);
}
#define HALVES_OF(bits) rounded_halves(bits)
#define NO_HALVES (float4)(0.0f)
#define SPREAD(v, p) COMPONENT(v, p)
#define MULTIPLY_HALF(a, b, sum) rounded_halves(to_halves(fma((float4)(a), b, sum)))
#define FLOATS_OF(v) (v)
#else
typedef half4 halves;
typedef half spread;
#define HALVES_OF(bits) as_half4(bits)
#define NO_HALVES (half4)(0)
#define SPREAD(v, p) COMPONENT(v, p)
#define MULTIPLY_HALF(a, b, sum) fma((half4)(a), b, sum)
#define FLOATS_OF(v) (float4)((float)(v).x, (float)(v).y, (float)(v).z, (float)(v).w)
#endif

#define LOAD_HALVES(slot, A, B, kk)                                       \
  _Pragma("unroll") for (int a = 0; a < TM / 4; ++a) {                    \
    rows_of[slot][a] = HALVES_OF((A)[kk][row_block + a * PATCH_Y]);       \
  }                                                                       \
  _Pragma("unroll") for (int c = 0; c < TN / 4; ++c) {                    \
    columns_of[slot][c] = HALVES_OF((B)[kk][column_block + c * PATCH_X]); \
  }
#define MULTIPLY_HALF_ROW(chunk, a, factor, slot)                         \
  {                                                                       \
    const spread same = factor;                                           \
    _Pragma("unroll") for (int c = 0; c < TN / 4; ++c) {                  \
      chunk[a][c] = MULTIPLY_HALF(same, columns_of[slot][c], chunk[a][c]); \
    }                                                                     \
  }
#define MULTIPLY_HALF_FACTORS(chunk, slot)                                \
  _Pragma("unroll") for (int a = 0; a < TM / 4; ++a) {                    \
    MULTIPLY_HALF_ROW(chunk, 4 * a, SPREAD(rows_of[slot][a], 0), slot)     \
    MULTIPLY_HALF_ROW(chunk, 4 * a + 1, SPREAD(rows_of[slot][a], 1), slot) \
    MULTIPLY_HALF_ROW(chunk, 4 * a + 2, SPREAD(rows_of[slot][a], 2), slot) \
    MULTIPLY_HALF_ROW(chunk, 4 * a + 3, SPREAD(rows_of[slot][a], 3), slot) \
  }
#if AHEAD && !defined(HALF_ROUNDED)
#define MULTIPLY_STEP(chunk, A, B)                                        \
  halves rows_of[2][TM / 4], columns_of[2][TN / 4];                       \
  LOAD_HALVES(0, A, B, 0)                                                 \
  _Pragma("unroll") for (int kk = 0; kk < BK; ++kk) {                     \
    if (kk + 1 < BK) { LOAD_HALVES((kk + 1) % 2, A, B, kk + 1) }          \
    MULTIPLY_HALF_FACTORS(chunk, kk % 2)                                  \
  }
#else
#if defined(HALF_ROUNDED)
#define UNROLL_STEP "unroll 1"
#else
#define UNROLL_STEP "unroll 2"
#endif
#define MULTIPLY_STEP(chunk, A, B)                                        \
  _Pragma(UNROLL_STEP) for (int kk = 0; kk < BK; ++kk) {                  \
    halves rows_of[1][TM / 4], columns_of[1][TN / 4];                     \
    LOAD_HALVES(0, A, B, kk)                                              \
    MULTIPLY_HALF_FACTORS(chunk, 0)                                       \
  }
#endif
#define MULTIPLY_HALVES(acc, A, B)                                        \
  {                                                                       \
    halves chunk[TM][TN / 4];                                             \
    _Pragma("unroll") for (int a = 0; a < TM; ++a) {                      \
      _Pragma("unroll") for (int c = 0; c < TN / 4; ++c) chunk[a][c] = NO_HALVES; \
    }                                                                     \
    MULTIPLY_STEP(chunk, A, B)                                            \
    _Pragma("unroll") for (int a = 0; a < TM; ++a) {                      \
      _Pragma("unroll") for (int c = 0; c < TN / 4; ++c) acc[a][c] += FLOATS_OF(chunk[a][c]); \
    }                                                                     \
  }
#endif
