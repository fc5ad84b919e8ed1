// parts: lanes
// Softmax of x [outer, n, inner] along n on CPUs: y = exp(x - top) / sum, or its logarithm x - top - log(sum). The
// maximum `top` is taken first, so that nothing overflows.
//
//   softmax_rows (inner = 1)   a row at a time, VW lanes along it
//   softmax_short_rows         rows shorter than a vector: VW of them at a time, an element of each after another
//   softmax_columns            VW columns at a time, one row after another
//
// Sums stay short: totals of 64 vectors (rows) each are added to the total. A row with NaN is NaN. A vector may be read
// beyond the end of a row where the tensor goes on.
//
// Macros: VW; LOG (0 or 1).

#define SHORT 64
#if LOG
#define RESULT_OF(value, top, sum) ((value) - (top) - (sum))
#define FINISH(sum) log(sum)
#else
#define RESULT_OF(value, top, sum) (exp((value) - (top)) * (sum))
#define FINISH(sum) (1.0f / (sum))
#endif

// `left` elements at `from`, of which `readable` can be read; -infinity behind them.
ALWAYS_INLINE floatv some_of(global const element* from, const long left, const long readable) {
  if (left >= VW) return GET_V(from);
  const floatv value = readable >= VW ? GET_V(from) : get_some(from, (int)left);
  return select((floatv)(-INFINITY), value, LANES < (intv)((int)left));
}

inline float max_of_lanes(const floatv v) {
  float values[VW];
  STORE_V(v, values);
  float top = values[0];
  for (int lane = 1; lane < VW; ++lane) top = max(top, values[lane]);
  return top;
}

kernel void softmax_rows(global const element* restrict x, global element* restrict y, long tasks, long n,
                         long inner, long total, long span) {
  const long begin = (long)get_global_id(0) * span;
  const long end = min(begin + span, tasks);
  for (long row = begin; row < end; ++row) {
    global const element* from = x + row * n;
    global element* to = y + row * n;
    const long readable = total - row * n;
    floatv tops = (floatv)(-INFINITY);
    for (long i = 0; i < n; i += VW) tops = fmax(tops, some_of(from + i, n - i, readable - i));
    const float top = max_of_lanes(tops);
    float sum = 0.0f;
    for (long first = 0; first < n; first += SHORT * VW) {
      floatv sums = (floatv)(0.0f);
      for (long i = first; i < min(first + SHORT * VW, n); i += VW)
        sums += exp(some_of(from + i, n - i, readable - i) - top);
      sum += sum_of_lanes(sums);
    }
    sum = FINISH(sum);
    for (long i = 0; i < n; i += VW) {
      const floatv value = RESULT_OF(some_of(from + i, n - i, readable - i), top, sum);
      put_some(value, to + i, (int)min(n - i, (long)VW));
    }
  }
}

// Element 0 of VW rows of n elements from `from` on, of which `left` are there; 0 for the others.
inline floatv element_of_rows(global const element* from, const long n, const int left) {
  float values[VW];
  for (int lane = 0; lane < VW; ++lane) values[lane] = lane < left ? GET(from, lane * n) : 0.0f;
  return LOAD_V(values);
}

// Tasks: vectors of rows. n < VW.
kernel void softmax_short_rows(global const element* restrict x, global element* restrict y, long tasks, long n,
                               long inner, long total, long span) {
  const long begin = (long)get_global_id(0) * span;
  const long end = min(begin + span, tasks);
  for (long task = begin; task < end; ++task) {
    global const element* from = x + task * VW * n;
    global element* to = y + task * VW * n;
    const int left = (int)min(total / n - task * VW, (long)VW);
    floatv top = (floatv)(-INFINITY), sum = (floatv)(0.0f);
    for (long i = 0; i < n; ++i) top = fmax(top, element_of_rows(from + i, n, left));
    for (long i = 0; i < n; ++i) sum += exp(element_of_rows(from + i, n, left) - top);
    sum = FINISH(sum);
    for (long i = 0; i < n; ++i) {
      float values[VW];
      STORE_V(RESULT_OF(element_of_rows(from + i, n, left), top, sum), values);
      for (int lane = 0; lane < left; ++lane) PUT(values[lane], to + i, lane * n);
    }
  }
}

// Tasks: [outer, vectors of columns].
kernel void softmax_columns(global const element* restrict x, global element* restrict y, long tasks, long n,
                            long inner, long total, long span) {
  const long begin = (long)get_global_id(0) * span;
  const long end = min(begin + span, tasks);
  const long vectors = (inner + VW - 1) / VW;
  for (long task = begin; task < end; ++task) {
    const long column = task % vectors * VW;
    const long at = task / vectors * n * inner + column;
    const int left = (int)min(inner - column, (long)VW);
    floatv top = (floatv)(-INFINITY);
    for (long i = 0; i < n; ++i) top = fmax(top, some_of(x + at + i * inner, left, total - at - i * inner));
    floatv sum = (floatv)(0.0f);
    for (long first = 0; first < n; first += SHORT) {
      floatv sums = (floatv)(0.0f);
      for (long i = first; i < min(first + SHORT, n); ++i)
        sums += exp(some_of(x + at + i * inner, left, total - at - i * inner) - top);
      sum += sums;
    }
    sum = FINISH(sum);
    for (long i = 0; i < n; ++i) {
      const floatv value = some_of(x + at + i * inner, left, total - at - i * inner);
      put_some(RESULT_OF(value, top, sum), y + at + i * inner, left);
    }
  }
}
