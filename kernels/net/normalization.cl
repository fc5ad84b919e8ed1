// parts: lanes
// Normalisation of rows on CPUs: y = (x - mean) / deviation, or with NORM x / norm, then times scale plus bias. A row
// consists of runs of neighbours:
//
//   row 0  [ length ] . . . . . . [ length ] . . . .     runs of a row: run_stride apart
//   row 1  . . . . . [ length ] . . . . . . [ length ]   rows: row_stride apart, each row_inner of them outer_stride
//
// Three passes over the row: its sum, the sum of the squares around the mean, the results. Sums stay short: totals of
// 64 vectors each are added to the total. A vector may be read beyond the end of a run where the tensor goes on.
//
// Macros: VW; NORM (0: none, 1: sum of magnitudes, 2: root of the sum of squares); EPSILON_OUTSIDE (1: added to the
// root); AFFINE (0: none, 1: a scale per row or run, 2: one per element of the row), BIAS (0 or 1); MEAN, DEVIATION
// (1: each row's mean and 1 / deviation are written, too).

#define SHORT 64

typedef struct {
  global const element* x;
  long readable, length, runs, run_stride;
} Row;

ALWAYS_INLINE floatv some_of(global const element* from, const long left, const long readable, const float otherwise) {
  if (left >= VW) return GET_V(from);
  const floatv value = readable >= VW ? GET_V(from) : get_some(from, (int)left);
  return select((floatv)(otherwise), value, LANES < (intv)((int)left));
}

#define MAGNITUDE(value) fabs(value)
#define SQUARE(value) ((value) * (value))
#define PLAIN(value) (value)
// A function for the sum of OF(x - mean) over a row.
#define ROW_SUM(name, OF)                                                                                  \
  inline float name(const Row row, const float mean) {                                                    \
    float total = 0.0f;                                                                                    \
    for (long run = 0; run < row.runs; ++run) {                                                            \
      global const element* from = row.x + run * row.run_stride;                                           \
      const long readable = row.readable - run * row.run_stride;                                           \
      for (long first = 0; first < row.length; first += SHORT * VW) {                                      \
        floatv a = (floatv)(0.0f), b = a;                                                                  \
        const long last = min(first + SHORT * VW, row.length);                                             \
        for (long i = first; i < last; i += 2 * VW) {                                                      \
          const floatv value = some_of(from + i, row.length - i, readable - i, mean) - mean;               \
          a += OF(value);                                                                                  \
          if (i + VW < last) {                                                                             \
            const floatv next = some_of(from + i + VW, row.length - i - VW, readable - i - VW, mean) - mean; \
            b += OF(next);                                                                                 \
          }                                                                                                \
        }                                                                                                  \
        total += sum_of_lanes(a + b);                                                                      \
      }                                                                                                    \
    }                                                                                                      \
    return total;                                                                                          \
  }
#if NORM == 1
ROW_SUM(sum_of_magnitudes, MAGNITUDE)
#else
ROW_SUM(sum_of_squares, SQUARE)
#endif
#if NORM == 0
ROW_SUM(sum_of, PLAIN)
#endif

// What is subtracted from a row, and what it is multiplied by then. `count`: its elements.
typedef struct {
  float mean, factor;
} Statistics;

inline Statistics statistics_of(const Row row, const float count, const float epsilon) {
  Statistics result;
#if NORM == 0
  result.mean = sum_of(row, 0.0f) / count;
  const float variance = sum_of_squares(row, result.mean) / count;
  result.factor = 1.0f / (EPSILON_OUTSIDE ? sqrt(variance) + epsilon : sqrt(variance + epsilon));
#else
  result.mean = 0.0f;
#if NORM == 1
  const float norm = sum_of_magnitudes(row, 0.0f);
#else
  const float norm = sqrt(sum_of_squares(row, 0.0f));
#endif
  result.factor = norm == 0.0f ? 0.0f : 1.0f / norm;
#endif
  return result;
}

kernel void normalize_rows(global const element* restrict x, global element* restrict y,
#if AFFINE
                           global const element* restrict scale,
#endif
#if BIAS
                           global const element* restrict bias,
#endif
#if MEAN
                           global element* restrict means,
#endif
#if DEVIATION
                           global element* restrict inverse_deviations,
#endif
                           long rows, long row_inner, long outer_stride, long row_stride, long runs, long run_stride,
                           long length, long parameter_rows, long parameter_step, long parameter_run, float epsilon,
                           long total, long span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, rows);
  const float count = (float)(runs * length);
  for (long at = first; at < last; ++at) {
    const long offset = at / row_inner * outer_stride + at % row_inner * row_stride;
    const Row row = {x + offset, total - offset, length, runs, run_stride};
    const Statistics of_row = statistics_of(row, count, epsilon);
    const float mean = of_row.mean, factor = of_row.factor;
#if MEAN
    PUT(mean, means, at);
#endif
#if DEVIATION
    PUT(factor, inverse_deviations, at);
#endif
    for (long run = 0; run < runs; ++run) {
      global const element* from = row.x + run * run_stride;
      global element* to = y + offset + run * run_stride;
      const long readable = row.readable - run * run_stride;
      float times = factor, plus = 0.0f;
#if AFFINE == 1
      const long parameter = at % parameter_rows * parameter_step + run * parameter_run;
      times *= GET(scale, parameter);
#if BIAS
      plus = GET(bias, parameter);
#endif
#endif
      for (long i = 0; i < length; i += VW) {
        const int left = (int)min(length - i, (long)VW);
        floatv value = (some_of(from + i, left, readable - i, mean) - mean) * times;
#if AFFINE == 2
        value *= get_some(scale + run * length + i, left);
#if BIAS
        value += get_some(bias + run * length + i, left);
#endif
#else
        value += plus;
#endif
        put_some(value, to + i, left);
      }
    }
  }
}
