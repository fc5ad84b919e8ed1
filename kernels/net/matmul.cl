// parts: vectors
// Products of matrices on CPUs: y = alpha * a b + beta * c, for each of a batch.
//
//   b  [ panel 0 | panel 1 | .. ]    pack_panels: NV * VW columns each, row by row, zeros behind the last column
//   a  [ MR rows ] * panel           multiply: a tile of MR x NV vectors in registers, along all of k
//
// Sums stay short: those of 512 products each are added to the total.
//
// Macros: VW, NV, MR; FLOAT_A (1: a is float32 rows one after another, whatever the storage), ADD_C (1: c is added).

#define SHORT 512
#define PANEL (NV * VW)

#if FLOAT_A
typedef float a_t;
#define GET_A(a, at) ((a)[at])
#else
typedef element a_t;
#define GET_A(a, at) GET(a, at)
#endif

// b [matrices, k, n], or with column > 1 transposed, to [matrices, panels, k, PANEL]. A task is a panel.
kernel void pack_panels(global const element* restrict b, global float* restrict packed, long tasks, long k, long n,
                        long row, long column, long span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, tasks);
  const long panels = (n + PANEL - 1) / PANEL;
  for (long task = first; task < last; ++task) {
    const long left = n - task % panels * PANEL;
    global const element* from = b + task / panels * k * n + task % panels * PANEL * column;
    global float* to = packed + task * k * PANEL;
    if (column == 1) {
      for (long i = 0; i < k; ++i) {
        for (int v = 0; v < NV; ++v) {
          const int some = (int)min(left - v * VW, (long)VW);
          STORE_V(some > 0 ? get_some(from + i * row + v * VW, some) : (floatv)(0.0f), to + i * PANEL + v * VW);
        }
      }
    } else {
      for (int j = 0; j < PANEL; ++j) {
        for (long i = 0; i < k; ++i) to[i * PANEL + j] = j < left ? GET(from, i * row + j * column) : 0.0f;
      }
    }
  }
}

// a [matrices, m, k], or transposed, to rows of float32. A task is a row.
kernel void pack_rows(global const element* restrict a, global float* restrict packed, long tasks, long m, long k,
                      long row, long column, long span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, tasks);
  for (long task = first; task < last; ++task) {
    global const element* from = a + task / m * m * k + task % m * row;
    global float* to = packed + task * k;
    if (column == 1) {
      for (long i = 0; i < k; i += VW) {
        const int left = (int)min(k - i, (long)VW);
        store_some(get_some(from + i, left), to + i, left);
      }
    } else {
      for (long i = 0; i < k; ++i) to[i] = GET(from, i * column);
    }
  }
}

// totals += the products [block, stop) of MR rows and a panel, whose sum is short.
ALWAYS_INLINE void add_block(floatv totals[MR][NV], global const a_t* const* rows, global const float* from_b,
                             const long block, const long stop) {
  floatv sums[MR][NV];
#pragma unroll
  for (int r = 0; r < MR; ++r) {
#pragma unroll
    for (int v = 0; v < NV; ++v) sums[r][v] = (floatv)(0.0f);
  }
  for (long i = block; i < stop; ++i) {
    floatv b[NV];
#pragma unroll
    for (int v = 0; v < NV; ++v) b[v] = LOAD_V(from_b + i * PANEL + v * VW);
#pragma unroll
    for (int r = 0; r < MR; ++r) {
      const floatv factor = (floatv)(GET_A(rows[r], i));
#pragma unroll
      for (int v = 0; v < NV; ++v) sums[r][v] = fma(factor, b[v], sums[r][v]);
    }
  }
#pragma unroll
  for (int r = 0; r < MR; ++r) {
#pragma unroll
    for (int v = 0; v < NV; ++v) totals[r][v] += sums[r][v];
  }
}

// Tasks: [batch, panels, chunks of rows].
kernel void multiply(global const a_t* restrict a, global const float* restrict packed,
#if ADD_C
                     global const element* restrict c, long c_row, long c_column,
#endif
                     global element* restrict y, global const int* restrict a_of, global const int* restrict b_of,
                     long tasks, long m, long n, long k, long chunk, float alpha, float beta, long span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, tasks);
  const long panels = (n + PANEL - 1) / PANEL;
  const long chunks = (m + chunk - 1) / chunk;
  for (long task = first; task < last; ++task) {
    const long panel = task / chunks % panels;
    const long matrix = task / chunks / panels;
    const long column = panel * PANEL;
    global const float* from_b = packed + (b_of[matrix] * panels + panel) * k * PANEL;
    const long end = min((task % chunks + 1) * chunk, m);
    for (long top = task % chunks * chunk; top < end; top += MR) {
      global const a_t* rows[MR];
      floatv totals[MR][NV];
#pragma unroll
      for (int r = 0; r < MR; ++r) {
        rows[r] = a + (a_of[matrix] * m + min(top + r, m - 1)) * k;
#pragma unroll
        for (int v = 0; v < NV; ++v) totals[r][v] = (floatv)(0.0f);
      }
      for (long block = 0; block < k; block += SHORT) {
        add_block(totals, rows, from_b, block, min(block + SHORT, k));
      }
#pragma unroll
      for (int r = 0; r < MR; ++r) {
        if (top + r >= end) break;
        global element* to = y + (matrix * m + top + r) * n + column;
#pragma unroll
        for (int v = 0; v < NV; ++v) {
          const int left = (int)min(n - column - v * VW, (long)VW);
          if (left <= 0) break;
          floatv value = alpha * totals[r][v];
#if ADD_C
          global const element* from_c = c + (top + r) * c_row;
          value += beta * (c_column == 0 ? (floatv)(GET(from_c, 0)) : get_some(from_c + column + v * VW, left));
#endif
          put_some(value, to + v * VW, left);
        }
      }
    }
  }
}
