// parts: vectors
// The register tile of a matrix product on a CPU: `floatv acc[rows][columns]`.
//
//                   `columns` vectors
//                   [ floatv ] [ floatv ] ..     Each product multiplies `rows` scalars by `columns` vectors: it takes
//    `rows`  [ s ]  acc[0][0]  acc[0][1]         `columns` vector loads, `rows` broadcasts and rows*columns fused
//    scalars [ s ]  acc[1][0]  acc[1][1]         multiply-adds. The host chooses sizes with
//              :                                 rows*columns + columns + 1 <= vector registers.
//
// `rows` and `columns` are constants, so that acc stays in registers. In the other arguments, i is the row and v the
// column.

#define CLEAR_TILE(acc, rows, columns)                                                                           \
  _Pragma("unroll") for (int i = 0; i < (rows); ++i) {                                                           \
    _Pragma("unroll") for (int v = 0; v < (columns); ++v) acc[i][v] = (floatv)(0.0f);                            \
  }

#define LOAD_TILE(acc, rows, columns, pointer)                                                                   \
  _Pragma("unroll") for (int i = 0; i < (rows); ++i) {                                                           \
    _Pragma("unroll") for (int v = 0; v < (columns); ++v) acc[i][v] = LOAD_V(pointer);                           \
  }

#define STORE_TILE(acc, rows, columns, pointer)                                                                  \
  _Pragma("unroll") for (int i = 0; i < (rows); ++i) {                                                           \
    _Pragma("unroll") for (int v = 0; v < (columns); ++v) STORE_V(acc[i][v], pointer);                           \
  }

// acc[i][v] += vector of column v * scalar of row i. Two macros, since the order of the factors is part of the result's
// bits: where both are NaN, the processor passes on one of them.
#define MULTIPLY_TILE(acc, rows, columns, vector, scalar)                                                        \
  ADD_PRODUCTS(acc, rows, columns, vector, scalar, tile_vectors[v], tile_scalar)
#define MULTIPLY_TILE_SCALAR_FIRST(acc, rows, columns, scalar, vector)                                           \
  ADD_PRODUCTS(acc, rows, columns, vector, scalar, tile_scalar, tile_vectors[v])

#define ADD_PRODUCTS(acc, rows, columns, vector, scalar, factor1, factor2)                                       \
  {                                                                                                              \
    floatv tile_vectors[columns];                                                                                \
    _Pragma("unroll") for (int v = 0; v < (columns); ++v) tile_vectors[v] = vector;                              \
    _Pragma("unroll") for (int i = 0; i < (rows); ++i) {                                                         \
      const floatv tile_scalar = (floatv)(scalar);                                                               \
      _Pragma("unroll") for (int v = 0; v < (columns); ++v) acc[i][v] = fma(factor1, factor2, acc[i][v]);        \
    }                                                                                                            \
  }

// acc[i][v] += vector of row i * vector of column v, lane by lane: the reduction runs along the lanes.
#define MULTIPLY_LANES(acc, rows, columns, row_vector, column_vector)                                            \
  {                                                                                                              \
    floatv tile_rows[rows];                                                                                      \
    _Pragma("unroll") for (int i = 0; i < (rows); ++i) tile_rows[i] = row_vector;                                \
    _Pragma("unroll") for (int v = 0; v < (columns); ++v) {                                                      \
      const floatv tile_column = column_vector;                                                                  \
      _Pragma("unroll") for (int i = 0; i < (rows); ++i) acc[i][v] = fma(tile_rows[i], tile_column, acc[i][v]);  \
    }                                                                                                            \
  }
