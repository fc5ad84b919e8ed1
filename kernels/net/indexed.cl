// parts: raw
// Indexed copies: a row of the result takes a row of x that tables name, or is filled.
//
// `outer` has a row of 3 numbers for each axis but the innermost: size, x stride, and where the axis' table begins in
// `tables` (-1: it has none, index i is taken from i). The innermost axis' table is the first one. An index of -1 means
// the filling.
//
// Macros: INDEX (int or long, holds every offset); VW; the storage's (parts/storage.cl); of a row, one of ONE_PIECE
// (copied as it is), REPEATS (that many times each element), RUN (indices follow each other from run_first on, for
// run_count elements, and come from the table around it), TABLE (all come from the table).

typedef INDEX index;

inline raw raw_of(const float value) {
#ifdef STORAGE_FLOAT16
  ushort stored;
  vstore_half(value, 0, (half*)&stored);
  return stored;
#elif defined(STORED_AS)
  return to_stored(value);
#else
  return value;
#endif
}

inline void take(global const raw* x, global raw* y,
                 global const int* table, const raw fill, const index first,
                 const index last) {
  for (index i = first; i < last; ++i)
    y[i] = table[i] < 0 ? fill : x[table[i]];
}

// Elements [first, last) of a row; x and y are where the row begins.
inline void take_row(global const raw* x, global raw* y,
                     global const int* table, const raw fill, const index first,
                     const index last, const index run_first, const index run_count) {
#ifdef ONE_PIECE
  move_raw(x + first, y + first, last - first);
#elif defined(REPEATS)
  for (index i = 0; i < last / REPEATS; ++i) {
    const raw value = x[i];
    for (int r = 0; r < REPEATS; ++r) y[i * REPEATS + r] = value;
  }
#elif defined(RUN)
  take(x, y, table, fill, 0, run_first);
  if (run_count > 0) move_raw(x + table[run_first], y + run_first, run_count);
  take(x, y, table, fill, run_first + run_count, last);
#else
  take(x, y, table, fill, first, last);
#endif
}

// Work is divided as in copy.cl: rows_each rows, or columns_each columns of one row, per work-item.
kernel void copy_indexed(global const element* restrict x, global element* restrict y,
                         global const long* restrict outer, global const int* restrict tables,
                         int rank, long rows, long columns, long run_first, long run_count,
                         float fill, long rows_each, long columns_each) {
  const index id = get_global_id(0);
  const index pieces = ((index)columns + (index)columns_each - 1) / (index)columns_each;
  const index first_column = id % pieces * (index)columns_each;
  const index last_column = min(first_column + (index)columns_each, (index)columns);
  const index first = id / pieces * (index)rows_each;
  const index last = min(first + (index)rows_each, (index)rows);
  const raw filling = raw_of(fill);
  for (index row = first; row < last; ++row) {
    index at = row, at_x = 0;
    bool filled = false;
    for (int d = rank - 1; d >= 0; --d) {
      const index size = outer[3 * d], table = outer[3 * d + 2];
      index i = d == 0 ? at : at % size;
      at /= size;
      if (table >= 0) i = tables[table + i];
      filled = filled || i < 0;
      at_x += i * (index)outer[3 * d + 1];
    }
    global raw* const to = (global raw*)y + row * (index)columns;
    if (filled) {
      for (index i = first_column; i < last_column; ++i) to[i] = filling;
    } else {
      take_row((global const raw*)x + at_x, to, tables, filling, first_column, last_column,
               run_first, run_count);
    }
  }
}
