// parts: transpose interleave raw
// Strided copies. Elements are moved as they are, but those of float16 in vectors that are transposed or interleaved
// pass through float, which holds each of them.
//
// `outer` has a row of 3 numbers for each dimension but those that the kernel walks along itself: size, x stride and
// y stride, outermost first.
//
// Macros: INDEX (int or long, holds every offset); VW; the storage's (parts/storage.cl). copy_rows: ONE_PIECE (a row
// has no gaps in x and y), REPEATED (a row is one element of x), STEPS (any). copy_interleaved: INTERLEAVED (2 or 4) and
// one of JOINS (that many rows of x become one of y) and PARTS (one row of x becomes that many of y).

typedef INDEX index;

// Adds the offsets of the position that has number `at` in the first `rank` dimensions.
inline void find(global const long* outer, const int rank, index at, index* at_x, index* at_y) {
  for (int d = rank - 1; d >= 0; --d) {
    const index size = outer[3 * d];
    const index i = d == 0 ? at : at % size;
    at /= size;
    *at_x += i * (index)outer[3 * d + 1];
    *at_y += i * (index)outer[3 * d + 2];
  }
}

// One row of `count` elements.
inline void copy_row_raw(global const raw* restrict x, global raw* restrict y, const index count,
                         const index x_step, const index y_step) {
#ifdef ONE_PIECE
  move_raw(x, y, count);
#elif defined(REPEATED)
  const raw value = x[0];
  for (index i = 0; i < count; ++i)
    y[i] = value;
#else
  for (index i = 0; i < count; ++i)
    y[i * y_step] = x[i * x_step];
#endif
}

//            columns_each
//            +-----------+-----------+--      A work-item copies rows_each rows, or columns_each columns of one row.
//  rows_each | item 0    | item 1    |        A CPU finds the offsets of a row once per run of the innermost outer
//            +-----------+-----------+--      dimension.
//            | item n    |
kernel void copy_rows(global const element* restrict x, global element* restrict y,
                      global const long* restrict outer, int rank, long x_first, long y_first,
                      long rows, long columns, long x_step, long y_step, long rows_each,
                      long columns_each) {
  const index id = get_global_id(0);
  const index pieces = ((index)columns + (index)columns_each - 1) / (index)columns_each;
  const index first_column = id % pieces * (index)columns_each;
  const index count = min((index)columns_each, (index)columns - first_column);
  index row = id / pieces * (index)rows_each;
  const index last = min(row + (index)rows_each, (index)rows);
  if (row >= last) return;
  const index run = outer[3 * rank - 3], x_pitch = outer[3 * rank - 2], y_pitch = outer[3 * rank - 1];
  index i = row % run;
  while (row < last) {
    index at_x = (index)x_first + first_column * (index)x_step + i * x_pitch;
    index at_y = (index)y_first + first_column * (index)y_step + i * y_pitch;
    find(outer, rank - 1, row / run, &at_x, &at_y);
    const index some = min(run - i, last - row);
    for (index r = 0; r < some; ++r)
      copy_row_raw((global const raw*)x + at_x + r * x_pitch, (global raw*)y + at_y + r * y_pitch,
                   count, x_step, y_step);
    row += some;
    i = 0;
  }
}

// Of tile number `tile`: the offsets of its corner, and how much of it is there.
//
//       y_size                          x_size
//     +---+---+-                      +---+---+-
//     | 0 | 1 |   x_size     from     | 0 |   |   y_size
//     +---+---+-                      +---+---+-
//     |                               | 1 |
inline void find_tile(global const long* outer, const int rank, const index tile, const int side,
                      const index x_size, const index y_size, const index x_pitch,
                      const index y_pitch, index* at_x, index* at_y, int* x_count, int* y_count) {
  const index x_tiles = (x_size + side - 1) / side, y_tiles = (y_size + side - 1) / side;
  const index at = tile / y_tiles;
  const index y_corner = tile % y_tiles * side, x_corner = at % x_tiles * side;
  *x_count = (int)min((index)side, x_size - x_corner);
  *y_count = (int)min((index)side, y_size - y_corner);
  *at_x += x_corner + y_corner * x_pitch;
  *at_y += y_corner + x_corner * y_pitch;
  find(outer, rank, at / x_tiles, at_x, at_y);
}

#if VW > 1
kernel void copy_tiles(global const element* restrict x, global element* restrict y,
                       global const long* restrict outer, int rank, long x_first, long y_first,
                       long x_size, long y_size, long x_pitch, long y_pitch, long tiles,
                       long tiles_each) {
  const index first = get_global_id(0) * tiles_each;
  const index last = min(first + (index)tiles_each, (index)tiles);
  for (index tile = first; tile < last; ++tile) {
    index at_x = x_first, at_y = y_first;
    int x_count, y_count;
    find_tile(outer, rank, tile, VW, x_size, y_size, x_pitch, y_pitch, &at_x, &at_y, &x_count,
              &y_count);
    floatv rows[VW], other[VW];
    if (x_count == VW && y_count == VW) {
      _Pragma("unroll") for (int i = 0; i < VW; ++i) rows[i] = GET_V(x + at_x + i * x_pitch);
      TRANSPOSE(rows, other)
      _Pragma("unroll") for (int i = 0; i < VW; ++i) {
        PUT_V(TRANSPOSED(rows, other)[i], y + at_y + i * y_pitch);
      }
      continue;
    }
    for (int i = 0; i < x_count; ++i) {
      for (int j = 0; j < y_count; ++j)
        ((global raw*)y)[at_y + i * y_pitch + j] = ((global const raw*)x)[at_x + j * x_pitch + i];
    }
  }
}

#ifdef INTERLEAVED
// A row is `columns` positions of INTERLEAVED elements, which lie side by side in one tensor and `pitch` apart in the
// other. Work is divided as in copy_rows.
kernel void copy_interleaved(global const element* restrict x, global element* restrict y,
                             global const long* restrict outer, int rank, long x_first,
                             long y_first, long rows, long columns, long pitch, long rows_each,
                             long columns_each) {
  const index id = get_global_id(0);
  const index pieces = (columns + columns_each - 1) / columns_each;
  const index first_column = id % pieces * columns_each;
  const index last_column = min(first_column + columns_each, columns);
  const index first = id / pieces * rows_each, last = min(first + rows_each, rows);
  for (index row = first; row < last; ++row) {
    index at_x = x_first, at_y = y_first;
    find(outer, rank, row, &at_x, &at_y);
    for (index c = first_column; c < last_column; c += VW) {
      const int some = (int)min(last_column - c, (index)VW);
      floatv from[INTERLEAVED], to[INTERLEAVED];
#ifdef JOINS
      for (int p = 0; p < INTERLEAVED; ++p) from[p] = get_some(x + at_x + p * pitch + c, some);
      INTERLEAVE(INTERLEAVED, from, to)
      for (int p = 0; p < INTERLEAVED; ++p)
        put_some(to[p], y + at_y + c * INTERLEAVED + p * VW, some * INTERLEAVED - p * VW);
#else
      for (int p = 0; p < INTERLEAVED; ++p)
        from[p] = get_some(x + at_x + c * INTERLEAVED + p * VW, some * INTERLEAVED - p * VW);
      PART(INTERLEAVED, from, to)
      for (int p = 0; p < INTERLEAVED; ++p) put_some(to[p], y + at_y + p * pitch + c, some);
#endif
    }
  }
}
#endif
#else
// A tile in local memory, with a column more so that neither side meets one bank only.
#define SIDE 32
#define ITEMS 256
kernel void copy_tiles_local(global const element* restrict x, global element* restrict y,
                             global const long* restrict outer, int rank, long x_first,
                             long y_first, long x_size, long y_size, long x_pitch, long y_pitch,
                             long tiles, long tiles_each) {
  local raw kept[SIDE][SIDE + 1];
  const int lane = get_local_id(0) % SIDE, first = get_local_id(0) / SIDE;
  index at_x = x_first, at_y = y_first;
  int x_count, y_count;
  find_tile(outer, rank, get_group_id(0), SIDE, x_size, y_size, x_pitch, y_pitch, &at_x, &at_y,
            &x_count, &y_count);
  if (lane < x_count) {
    for (int i = first; i < y_count; i += ITEMS / SIDE)
      kept[i][lane] = ((global const raw*)x)[at_x + i * (index)x_pitch + lane];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  if (lane < y_count) {
    for (int i = first; i < x_count; i += ITEMS / SIDE)
      ((global raw*)y)[at_y + i * (index)y_pitch + lane] = kept[lane][i];
  }
}
#endif
