// parts: storage group_sum
// Softmax of x [outer, n, inner] along n on GPUs: y = exp(x - top) / sum, or its logarithm x - top - log(sum). The
// maximum `top` is taken first, so that nothing overflows.
//
//   softmax_rows (inner = 1)   a row per work-group, whose LOCAL work-items take elements in turn
//   softmax_columns            a column per work-item
//
// Sums stay short: totals of 64 elements each are added to the total. A row with NaN is NaN.
//
// Macros: LOCAL (a power of 2); LOG (0 or 1).

#define SHORT 64
#if LOG
#define RESULT_OF(value, top, sum) ((value) - (top) - (sum))
#define FINISH(sum) log(sum)
#else
#define RESULT_OF(value, top, sum) (exp((value) - (top)) * (sum))
#define FINISH(sum) (1.0f / (sum))
#endif

// Every `step`-th of `n` elements at `from`, `stride` apart, from `begin` on.
inline float top_of(global const element* from, const long begin, const long n, const long step, const long stride) {
  float top = -INFINITY;
  for (long i = begin; i < n; i += step) top = fmax(top, GET(from, i * stride));
  return top;
}
inline float exponentials(global const element* from, const long begin, const long n, const long step,
                          const long stride, const float top) {
  float sum = 0.0f;
  for (long first = begin; first < n; first += SHORT * step) {
    float some = 0.0f;
    for (long i = first; i < min(first + SHORT * step, n); i += step) some += exp(GET(from, i * stride) - top);
    sum += some;
  }
  return sum;
}

kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1)))
void softmax_rows(global const element* restrict x, global element* restrict y, long tasks, long n, long inner) {
  local float values[LOCAL];
  const int item = get_local_id(0);
  const long at = (long)get_group_id(0) * n;
  const float top = max_of_group(top_of(x + at, item, n, LOCAL, 1), values);
  const float sum = FINISH(sum_of_group(exponentials(x + at, item, n, LOCAL, 1, top), values));
  for (long i = item; i < n; i += LOCAL) PUT(RESULT_OF(GET(x, at + i), top, sum), y, at + i);
}

kernel void softmax_columns(global const element* restrict x, global element* restrict y, long tasks, long n,
                            long inner) {
  const long task = get_global_id(0);
  if (task >= tasks) return;
  const long at = task / inner * n * inner + task % inner;
  const float top = top_of(x + at, 0, n, 1, inner);
  const float sum = FINISH(exponentials(x + at, 0, n, 1, inner, top));
  for (long i = 0; i < n; ++i) PUT(RESULT_OF(GET(x, at + i * inner), top, sum), y, at + i * inner);
}
