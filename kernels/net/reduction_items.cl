// parts: fold
// Reductions of x [outer, reduced, inner] to y [outer, parts, inner] on GPUs:
//
//   reduce_rows (inner = 1)   a part per work-group, whose LOCAL work-items take elements in turn
//   reduce_columns            a result per work-item
//
// Sums stay short: totals of 64 elements each are added to the total. The logarithm of a sum of exponentials takes the
// maximum first.
//
// Macros: LOCAL (a power of 2); those of parts/fold.cl.

#define SHORT 64

// Every `step`-th of `n` elements at `from`, `stride` apart, from `begin` on.
inline float fold_some(global const from_t* from, const long begin, const long n, const long step,
                       const long stride) {
  float total = START;
  for (long first = begin; first < n; first += SHORT * step) {
    float some = START;
    for (long i = first; i < min(first + SHORT * step, n); i += step) {
      const float value = FROM_1(from, i * stride);
      const float mapped = MAP_1(value);
      some = FOLD_1(some, mapped);
    }
    total = FOLD_1(total, some);
  }
  return total;
}

inline float exponentials(global const from_t* from, const long begin, const long n, const long step,
                          const long stride, const float top) {
  float total = 0.0f;
  for (long first = begin; first < n; first += SHORT * step) {
    float some = 0.0f;
    for (long i = first; i < min(first + SHORT * step, n); i += step) some += exp(FROM_1(from, i * stride) - top);
    total += some;
  }
  return total;
}

// Of the work-group's values, for all its work-items.
inline float fold_group(const float value, local float* values) {
  const int item = get_local_id(0);
  values[item] = value;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int half_size = LOCAL / 2; half_size > 0; half_size /= 2) {
    if (item < half_size) values[item] = FOLD_1(values[item], values[item + half_size]);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const float result = values[0];
  barrier(CLK_LOCAL_MEM_FENCE);
  return result;
}

kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1)))
void reduce_rows(global const from_t* restrict x, global to_t* restrict y, long tasks, long reduced, long inner,
                 long parts, long part, float divisor) {
  local float values[LOCAL];
  const int item = get_local_id(0);
  const long task = get_group_id(0);
  const long begin = task % parts * part;
  const long n = min(part, reduced - begin);
  global const from_t* from = x + task / parts * reduced + begin;
  float result = fold_group(fold_some(from, item, n, LOCAL, 1), values);
#ifdef FOLD_LOG_SUM_EXP
  values[item] = isinf(result) ? 0.0f : exponentials(from, item, n, LOCAL, 1, result);
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int half_size = LOCAL / 2; half_size > 0; half_size /= 2) {
    if (item < half_size) values[item] += values[item + half_size];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (!isinf(result)) result += log(values[0]);
#endif
  if (item == 0) TO_1(FINISH(result, divisor), y, task);
}

kernel void reduce_columns(global const from_t* restrict x, global to_t* restrict y, long tasks, long reduced,
                           long inner, long parts, long part, float divisor) {
  const long task = get_global_id(0);
  if (task >= tasks) return;
  const long line = task / inner;
  const long begin = line % parts * part;
  const long n = min(part, reduced - begin);
  global const from_t* from = x + (line / parts * reduced + begin) * inner + task % inner;
  float result = fold_some(from, 0, n, 1, inner);
#ifdef FOLD_LOG_SUM_EXP
  if (!isinf(result)) result += log(exponentials(from, 0, n, 1, inner, result));
#endif
  TO_1(FINISH(result, divisor), y, task);
}
