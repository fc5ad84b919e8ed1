// parts: storage group_sum
// Normalisation of rows on GPUs, a row per work-group, whose LOCAL work-items take its elements in turn. Rows, runs and
// macros are those of net/normalization.cl, but VW; LOCAL is a power of 2.

#define SHORT 64

typedef struct {
  global const element* x;
  long length, count, run_stride;
} Row;

#define PLACE(row, i) ((i) / (row).length * (row).run_stride + (i) % (row).length)

#define MAGNITUDE(value) fabs(value)
#define SQUARE(value) ((value) * (value))
#define PLAIN(value) (value)
// A function for this work-item's part of the sum of OF(x - mean) over a row.
#define ROW_SUM(name, OF)                                                                \
  inline float name(const Row row, const float mean) {                                  \
    float total = 0.0f;                                                                  \
    for (long first = get_local_id(0); first < row.count; first += SHORT * LOCAL) {      \
      float some = 0.0f;                                                                 \
      for (long i = first; i < min(first + SHORT * LOCAL, row.count); i += LOCAL) {      \
        const float value = GET(row.x, PLACE(row, i)) - mean;                            \
        some += OF(value);                                                               \
      }                                                                                  \
      total += some;                                                                     \
    }                                                                                    \
    return total;                                                                        \
  }
#if NORM == 1
ROW_SUM(sum_of_magnitudes, MAGNITUDE)
#else
ROW_SUM(sum_of_squares, SQUARE)
#endif
#if NORM == 0
ROW_SUM(sum_of, PLAIN)
#endif

kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1)))
void normalize_rows(global const element* restrict x, global element* restrict y,
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
                    long length, long parameter_rows, long parameter_step, long parameter_run, float epsilon) {
  local float values[LOCAL];
  const long at = get_group_id(0);
  const long offset = at / row_inner * outer_stride + at % row_inner * row_stride;
  const Row row = {x + offset, length, runs * length, run_stride};
#if NORM == 0
  const float mean = sum_of_group(sum_of(row, 0.0f), values) / (float)row.count;
  const float variance = sum_of_group(sum_of_squares(row, mean), values) / (float)row.count;
  const float factor = 1.0f / (EPSILON_OUTSIDE ? sqrt(variance) + epsilon : sqrt(variance + epsilon));
#else
  const float mean = 0.0f;
#if NORM == 1
  const float norm = sum_of_group(sum_of_magnitudes(row, 0.0f), values);
#else
  const float norm = sqrt(sum_of_group(sum_of_squares(row, 0.0f), values));
#endif
  const float factor = norm == 0.0f ? 0.0f : 1.0f / norm;
#endif
#if MEAN
  if (get_local_id(0) == 0) PUT(mean, means, at);
#endif
#if DEVIATION
  if (get_local_id(0) == 0) PUT(factor, inverse_deviations, at);
#endif
  for (long i = get_local_id(0); i < row.count; i += LOCAL) {
    const long place = PLACE(row, i);
    float value = (GET(row.x, place) - mean) * factor;
#if AFFINE
    const long parameter =
        AFFINE == 2 ? i : at % parameter_rows * parameter_step + i / length * parameter_run;
    value *= GET(scale, parameter);
#if BIAS
    value += GET(bias, parameter);
#endif
#endif
    PUT(value, y, offset + place);
  }
}
