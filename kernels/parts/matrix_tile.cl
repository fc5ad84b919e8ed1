// parts: local_tile
// A product of float16 or TF32 tiles in local memory by matrix units, with float32 sums. What the macros mean stands in
// part tile_factors; to_half and to_tf32 are its.
//
//   MATRIX 1  NVIDIA, compute capability 8.0 and later: mma.sync m16n8k16 by 32 work-items
//          2  AMD CDNA (gfx908 and later): mfma 16x16x16 by 64 work-items
//          3  Intel Xe-HPG: cl_intel_subgroup_matrix_multiply_accumulate, 8x8x16 by 8 work-items
//          4  AMD RDNA 3 (gfx11): wmma 16x16x16 by 32 work-items
//          5  NVIDIA, TF32 factors: mma.sync m16n8k8 by 32 work-items
//
// A wave, of LANES work-items, multiplies WM rows by WN columns. The TOGETHER products that a work-item hands to
// the unit in one register lie together in local memory: A[step][product / TOGETHER][row][product % TOGETHER], and B
// likewise. Rows of PAD more put what a wave reads at once into different banks.
//
//   who has what (g = lane / 4, t = lane % 4; PTX ISA, "Matrix Fragments for mma.m16n8k16")
//     1  A: rows g and g + 8, products 2t, 2t+1 and 2t+8, 2t+9      B: column g, the same products
//        sums: rows g and g + 8, columns 2t, 2t+1
//   (q = lane / 16, i = lane % 16; LLVM AMDGPU usage, MFMA)
//     2  A: row i, products 4q to 4q+3                               B: column i, the same products
//        sums: rows 4q to 4q+3, column i
//   (the extension's specification, for sub-groups of 8)
//     3  A: 8 rows, products 2 lane, 2 lane + 1                      B: column lane, 16 products
//        sums: 8 rows, column lane
//   (i = lane % 16; AMD, "How to accelerate AI applications on RDNA 3 using WMMA": both halves have the same factors)
//     4  A: row i, 16 products                                       B: column i, the same products
//        sums: rows 2n + lane / 16 for n < 8, column i
//   (as 1, "Matrix Fragments for mma.m16n8k8")
//     5  A: rows g and g + 8, products t and t + 4                   B: column g, the same products; sums as 1
//
// MATRIX_ROUNDED: float32 arithmetic instead of the unit, each work-item for its own sums. For tests.

#if MATRIX
#define WM (TM * TN * LANES / WN)
#if MATRIX == 1 || MATRIX == 5
#define NVIDIA_UNIT 1
#define LANES 32
#define WN 32
#define TOGETHER (MATRIX == 1 ? 2 : 1)
#define SUM_ROWS (WM / 8)
#define SUM_BLOCKS (WN / 8)
#define SUMS_TOGETHER 2
#define FILTER_OF(a) (wave_row + 8 * (a) + lane / 4)
#define PIXEL_OF(c) (wave_column + 8 * (c) + lane % 4 * 2)
typedef uint fragment;
#elif MATRIX == 3
#define LANES 8
#define WN 32
#define TOGETHER 2
#define SUM_ROWS WM
#define SUM_BLOCKS (WN / 8)
#define SUMS_TOGETHER 1
#define FILTER_OF(a) (wave_row + (a))
#define PIXEL_OF(c) (wave_column + 8 * (c) + lane)
typedef uint fragment;
#define SUB_GROUP __attribute__((intel_reqd_sub_group_size(8)))
#elif MATRIX == 4
#define LANES 32
#define WN 32
#define TOGETHER 4
#define SUM_ROWS (WM / 2)
#define SUM_BLOCKS (WN / 16)
#define SUMS_TOGETHER 1
#define FILTER_OF(a) (wave_row + (a) / 8 * 16 + (a) % 8 * 2 + lane / 16)
#define PIXEL_OF(c) (wave_column + 16 * (c) + lane % 16)
typedef ushort4 fragment;
#else
#define LANES 64
#define WN 64
#define TOGETHER 4
#define SUM_ROWS (WM / 4)
#define SUM_BLOCKS (WN / 16)
#define SUMS_TOGETHER 1
#define FILTER_OF(a) (wave_row + (a) / 4 * 16 + lane / 16 * 4 + (a) % 4)
#define PIXEL_OF(c) (wave_column + 16 * (c) + lane % 16)
typedef ushort4 fragment;
#endif

#define PAD 8
#define LOCAL_TILES()                                  \
  local fragment A[2][BK / TOGETHER][BM + PAD] __attribute__((aligned(64))); \
  local fragment B[2][BK / TOGETHER][BN + PAD] __attribute__((aligned(64)));
#define FOURS_OF_ROW (BM * TOGETHER / 4)
#if MATRIX == 5
#define PUT_A(buffer, at, value) \
  *(local uint4*)&A[buffer][(at) / FOURS_OF_ROW][(at) % FOURS_OF_ROW * 4] = to_tf32s(value);
#define PUT_B(buffer, row, n, value) B[buffer][row][n] = to_tf32(value);
#define PUT_B_PIXELS(buffer, row, n, value) *(local uint4*)&B[buffer][row][n] = to_tf32s(value);
#else
#define PUT_A(buffer, at, value) \
  *(local ushort4*)&A[buffer][(at) / FOURS_OF_ROW][(at) % FOURS_OF_ROW * 4 / TOGETHER] = value;
#define PUT_B(buffer, row, n, value) \
  ((local ushort*)&B[buffer][(row) / TOGETHER][n])[(row) % TOGETHER] = to_half(value);
#define PUT_B_PIXELS(buffer, row, n, value)      \
  {                                              \
    PUT_B(buffer, row, n, (value).x)             \
    PUT_B(buffer, row, (n) + 1, (value).y)       \
    PUT_B(buffer, row, (n) + 2, (value).z)       \
    PUT_B(buffer, row, (n) + 3, (value).w)       \
  }
#endif
#if MATRIX == 5
#define PUT_B_CHANNELS(buffer, row, n, value) \
  {                                           \
    PUT_B(buffer, row, n, (value).x)          \
    PUT_B(buffer, (row) + 1, n, (value).y)    \
    PUT_B(buffer, (row) + 2, n, (value).z)    \
    PUT_B(buffer, (row) + 3, n, (value).w)    \
  }
#elif TOGETHER == 2
#define PUT_B_CHANNELS(buffer, row, n, value)                                          \
  {                                                                                    \
    const ushort4 bits = to_halves(value);                                             \
    B[buffer][(row) / 2][n] = as_uint(bits.xy);                                        \
    B[buffer][(row) / 2 + 1][n] = as_uint(bits.zw);                                    \
  }
#else
#define PUT_B_CHANNELS(buffer, row, n, value) B[buffer][(row) / 4][n] = to_halves(value);
#endif

#define PLACE_SUMS()                                               \
  const int lane = item % LANES;                                   \
  const int wave_row = item / LANES / (BN / WN) * WM;              \
  const int wave_column = item / LANES % (BN / WN) * WN;

// Sums as the unit returns them.
#define CLEAR_UNITS(rows, zero)                                     \
  _Pragma("unroll") for (int a = 0; a < WM / (rows); ++a) {         \
    _Pragma("unroll") for (int c = 0; c < SUM_BLOCKS; ++c) acc[a][c] = zero; \
  }
#if defined(MATRIX_ROUNDED) || NVIDIA_UNIT
#if defined(MATRIX_ROUNDED)
#define ROWS_TOGETHER 1  // a work-item's, in acc[][][]
#else
#define ROWS_TOGETHER 2
#endif
#define SUM_OF(a, c, p) acc[(a) / ROWS_TOGETHER][c][(a) % ROWS_TOGETHER * SUMS_TOGETHER + (p)]
#define SUMS()                                                                        \
  float acc[SUM_ROWS / ROWS_TOGETHER][SUM_BLOCKS][ROWS_TOGETHER * SUMS_TOGETHER];     \
  _Pragma("unroll") for (int a = 0; a < SUM_ROWS; ++a) {                              \
    _Pragma("unroll") for (int c = 0; c < SUM_BLOCKS; ++c) {                          \
      _Pragma("unroll") for (int p = 0; p < SUMS_TOGETHER; ++p) SUM_OF(a, c, p) = 0.0f; \
    }                                                                                 \
  }
#elif MATRIX == 2
#define SUM_OF(a, c, p) COMPONENT(acc[(a) / 4][c], (a) % 4)
#define SUMS()                          \
  float4 acc[WM / 16][SUM_BLOCKS];      \
  CLEAR_UNITS(16, (float4)(0.0f))
#else
#define SUM_OF(a, c, p) ((a) % 8 < 4 ? COMPONENT(acc[(a) / 8][c].lo, (a) % 4) : COMPONENT(acc[(a) / 8][c].hi, (a) % 4))
#define UNIT_ROWS (MATRIX == 4 ? 16 : 8)
#define SUMS()                              \
  float8 acc[WM / UNIT_ROWS][SUM_BLOCKS];   \
  CLEAR_UNITS(UNIT_ROWS, (float8)(0.0f))
#endif

#if defined(MATRIX_ROUNDED)
#if MATRIX == 5
#define FACTOR_AT(tile, product, n) as_float((tile)[product][n])
#else
#define FACTOR_AT(tile, product, n) \
  vload_half((product) % TOGETHER, (local const half*)&(tile)[(product) / TOGETHER][n])
#endif
#define MULTIPLY_BUFFER(buffer)                                                                                   \
  _Pragma("unroll 1") for (int kk = 0; kk < BK; ++kk) {                                                           \
    for (int a = 0; a < SUM_ROWS; ++a) {                                                                          \
      const float row = FACTOR_AT(A[buffer], kk, FILTER_OF(a));                                                   \
      for (int c = 0; c < SUM_BLOCKS; ++c) {                                                                      \
        for (int p = 0; p < SUMS_TOGETHER; ++p) SUM_OF(a, c, p) += row * FACTOR_AT(B[buffer], kk, PIXEL_OF(c) + p); \
      }                                                                                                           \
    }                                                                                                             \
  }
#elif NVIDIA_UNIT
#if MATRIX == 1
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
#else
#define MMA "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
#endif
inline void multiply_fragments(float* sums, const uint* a, const uint* b) {
  __asm__(MMA
          "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#define MULTIPLY_BUFFER(buffer)                                                                   \
  _Pragma("unroll") for (int kk = 0; kk < BK / TOGETHER; kk += 8) {                               \
    uint rows_of[WM / 16][4], columns_of[WN / 8][2];                                              \
    _Pragma("unroll") for (int a = 0; a < WM / 16; ++a) {                                         \
      _Pragma("unroll") for (int e = 0; e < 4; ++e)                                               \
        rows_of[a][e] = A[buffer][kk + e / 2 * 4 + lane % 4][wave_row + 16 * a + e % 2 * 8 + lane / 4]; \
    }                                                                                             \
    _Pragma("unroll") for (int c = 0; c < WN / 8; ++c) {                                          \
      _Pragma("unroll") for (int e = 0; e < 2; ++e)                                               \
        columns_of[c][e] = B[buffer][kk + e * 4 + lane % 4][wave_column + 8 * c + lane / 4];      \
    }                                                                                             \
    _Pragma("unroll") for (int a = 0; a < WM / 16; ++a) {                                         \
      _Pragma("unroll") for (int c = 0; c < WN / 8; ++c)                                          \
        multiply_fragments(acc[a][c], rows_of[a], columns_of[c]);                                 \
    }                                                                                             \
  }
#elif MATRIX == 3
#ifndef cl_intel_subgroup_matrix_multiply_accumulate  // ocloc knows the function, but does not declare it
float8 __attribute__((overloadable)) intel_sub_group_f16_f16_matrix_mad_k16(int8, int8, float8);
#endif
#define MULTIPLY_BUFFER(buffer)                                                                   \
  _Pragma("unroll") for (int kk = 0; kk < BK / 2; kk += 8) {                                      \
    int8 rows_of[WM / 8];                                                                         \
    _Pragma("unroll") for (int a = 0; a < WM / 8; ++a)                                            \
      rows_of[a] = *(local const int8*)&A[buffer][kk + lane][wave_row + 8 * a];                   \
    _Pragma("unroll") for (int c = 0; c < WN / 8; ++c) {                                          \
      local const uint* column = &B[buffer][kk][PIXEL_OF(c)];                                     \
      const int8 products = (int8)(column[0], column[BN + PAD], column[2 * (BN + PAD)], column[3 * (BN + PAD)], \
                                   column[4 * (BN + PAD)], column[5 * (BN + PAD)], column[6 * (BN + PAD)],     \
                                   column[7 * (BN + PAD)]);                                       \
      _Pragma("unroll") for (int a = 0; a < WM / 8; ++a)                                          \
        acc[a][c] = intel_sub_group_f16_f16_matrix_mad_k16(rows_of[a], products, acc[a][c]);      \
    }                                                                                             \
  }
#elif MATRIX == 4
#define SIXTEEN(tile, n)                                                                          \
  (half16)(as_half4((tile)[kk][n]), as_half4((tile)[kk + 1][n]), as_half4((tile)[kk + 2][n]),     \
           as_half4((tile)[kk + 3][n]))
#define MULTIPLY_BUFFER(buffer)                                                                   \
  _Pragma("unroll") for (int kk = 0; kk < BK / 4; kk += 4) {                                      \
    half16 columns_of[WN / 16];                                                                   \
    _Pragma("unroll") for (int c = 0; c < WN / 16; ++c)                                           \
      columns_of[c] = SIXTEEN(B[buffer], wave_column + 16 * c + lane % 16);                       \
    _Pragma("unroll") for (int a = 0; a < WM / 16; ++a) {                                         \
      const half16 rows = SIXTEEN(A[buffer], wave_row + 16 * a + lane % 16);                      \
      _Pragma("unroll") for (int c = 0; c < WN / 16; ++c)                                         \
        acc[a][c] = __builtin_amdgcn_wmma_f32_16x16x16_f16_w32(rows, columns_of[c], acc[a][c]);   \
    }                                                                                             \
  }
#else
#define MULTIPLY_BUFFER(buffer)                                                                   \
  _Pragma("unroll") for (int kk = 0; kk < BK / 4; kk += 4) {                                      \
    half4 columns_of[WN / 16];                                                                    \
    _Pragma("unroll") for (int c = 0; c < WN / 16; ++c)                                           \
      columns_of[c] = as_half4(B[buffer][kk + lane / 16][wave_column + 16 * c + lane % 16]);      \
    _Pragma("unroll") for (int a = 0; a < WM / 16; ++a) {                                         \
      const half4 rows = as_half4(A[buffer][kk + lane / 16][wave_row + 16 * a + lane % 16]);      \
      _Pragma("unroll") for (int c = 0; c < WN / 16; ++c)                                         \
        acc[a][c] = __builtin_amdgcn_mfma_f32_16x16x16f16(rows, columns_of[c], acc[a][c], 0, 0, 0); \
    }                                                                                             \
  }
#endif
#endif
