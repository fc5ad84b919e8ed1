// parts: lanes fold
// Reductions of x [outer, reduced, inner] to y [outer, parts, inner] on CPUs. A task is one part:
//
//   reduce_rows (inner = 1)   [ v v v v | v v v v | .. ]   4 vectors of totals along the row, then their lanes
//   reduce_columns            [ v v v v ] columns, one row after another: 4 vectors of totals, one per column
//                             [ v v v v ]
//
// Sums stay short: totals of 64 vectors (rows) each are added to the total. The logarithm of a sum of exponentials
// takes the maximum first. A vector may be read beyond the end of a row where the tensor goes on.
//
// Macros: VW; those of parts/fold.cl.

#define SHORT 64

#ifdef FROM_FLOAT
#define FROM_V(pointer) LOAD_V(pointer)
#define FROM_SOME(pointer, count) load_some(pointer, count)
#else
#define FROM_V(pointer) GET_V(pointer)
#define FROM_SOME(pointer, count) get_some(pointer, count)
#endif

#ifdef TO_FLOAT
#define TO_SOME(value, pointer, count) store_some(value, pointer, count)
#else
#define TO_SOME(value, pointer, count) put_some(value, pointer, count)
#endif

ALWAYS_INLINE floatv fold_v(const floatv total, const floatv value) {
#if defined(FOLD_PRODUCT)
  return total * value;
#elif defined(FOLD_MAX) || defined(FOLD_LOG_SUM_EXP)
  return select(total, value, (value > total) | (value != value));
#elif defined(FOLD_MIN)
  return select(total, value, (value < total) | (value != value));
#else
  return total + value;
#endif
}

// The first `left` lanes, the others as if there were nothing.
ALWAYS_INLINE floatv keep(const floatv value, const int left, const float otherwise) {
  return select((floatv)(otherwise), value, LANES < (intv)(left));
}

inline float fold_lanes(const floatv v) {
#if !defined(FOLD_PRODUCT) && !defined(FOLD_MAX) && !defined(FOLD_MIN) && !defined(FOLD_LOG_SUM_EXP)
  return sum_of_lanes(v);
#else
  float values[VW];
  STORE_V(v, values);
  float total = values[0];
  for (int lane = 1; lane < VW; ++lane) total = FOLD_1(total, values[lane]);
  return total;
#endif
}

// `left` elements at `from`, of which `readable` can be read; the lanes behind them hold START.
ALWAYS_INLINE floatv last_of(global const from_t* from, const int left, const long readable, const float otherwise) {
  const floatv value = readable >= VW ? FROM_V(from) : FROM_SOME(from, left);
  return keep(MAP_1(value), left, otherwise);
}

inline float fold_row(global const from_t* from, const long n, const long readable) {
  float total = START;
  for (long first = 0; first < n; first += SHORT * 4 * VW) {
    const long last = min(first + SHORT * 4 * VW, n);
    floatv a = (floatv)(START), b = a, c = a, d = a;
    long i = first;
    for (; i + 4 * VW <= last; i += 4 * VW) {
      a = fold_v(a, MAP_1(FROM_V(from + i)));
      b = fold_v(b, MAP_1(FROM_V(from + i + VW)));
      c = fold_v(c, MAP_1(FROM_V(from + i + 2 * VW)));
      d = fold_v(d, MAP_1(FROM_V(from + i + 3 * VW)));
    }
    for (; i + VW <= last; i += VW) a = fold_v(a, MAP_1(FROM_V(from + i)));
    if (i < last) b = fold_v(b, last_of(from + i, (int)(last - i), readable - i, START));
    const float some = fold_lanes(fold_v(fold_v(a, b), fold_v(c, d)));
    total = FOLD_1(total, some);
  }
  return total;
}

#ifdef FOLD_LOG_SUM_EXP
inline float log_sum_exp(global const from_t* from, const long n, const long readable) {
  const float top = fold_row(from, n, readable);
  if (isinf(top)) return top;
  float total = 0.0f;
  for (long first = 0; first < n; first += SHORT * VW) {
    const long last = min(first + SHORT * VW, n);
    floatv sum = (floatv)(0.0f);
    for (long i = first; i < last; i += VW)
      sum += exp(last_of(from + i, (int)min(last - i, (long)VW), readable - i, -INFINITY) - top);
    total += sum_of_lanes(sum);
  }
  return top + log(total);
}
#define REDUCE_ROW log_sum_exp
#else
#define REDUCE_ROW fold_row
#endif

kernel void reduce_rows(global const from_t* restrict x, global to_t* restrict y, long tasks, long reduced,
                        long inner, long parts, long part, long total, long span, float divisor) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, tasks);
  for (long task = first; task < last; ++task) {
    const long begin = task % parts * part;
    const long at = task / parts * reduced + begin;
    const float result = REDUCE_ROW(x + at, min(part, reduced - begin), total - at);
    TO_1(FINISH(result, divisor), y, task);
  }
}

// Of VW columns, `n` rows from `from` on.
ALWAYS_INLINE floatv fold_columns(global const from_t* from, const long n, const long inner, const int left,
                                  const long readable) {
  floatv total = (floatv)(START);
  for (long first = 0; first < n; first += SHORT) {
    const long last = min(first + SHORT, n);
    floatv some = (floatv)(START);
    for (long i = first; i < last; ++i) {
      global const from_t* row = from + i * inner;
      const floatv value = readable - i * inner >= VW ? FROM_V(row) : FROM_SOME(row, left);
      some = fold_v(some, MAP_1(value));
    }
    total = fold_v(total, some);
  }
  return total;
}

ALWAYS_INLINE floatv reduce_column(global const from_t* from, const long n, const long inner, const int left,
                                   const long readable) {
  const floatv top = fold_columns(from, n, inner, left, readable);
#ifdef FOLD_LOG_SUM_EXP
  floatv total = (floatv)(0.0f);
  for (long first = 0; first < n; first += SHORT) {
    floatv some = (floatv)(0.0f);
    for (long i = first; i < min(first + SHORT, n); ++i) {
      global const from_t* row = from + i * inner;
      some += exp((readable - i * inner >= VW ? FROM_V(row) : FROM_SOME(row, left)) - top);
    }
    total += some;
  }
  return select(top + log(total), top, isinf(top));
#else
  return top;
#endif
}

// 4 vectors of columns, all of them there: neighbours in memory are read together.
ALWAYS_INLINE void fold_wide(global const from_t* from, const long n, const long inner, floatv* totals) {
  floatv a = (floatv)(START), b = a, c = a, d = a;
  for (long first = 0; first < n; first += SHORT) {
    const long last = min(first + SHORT, n);
    floatv e = (floatv)(START), f = e, g = e, h = e;
    for (long i = first; i < last; ++i) {
      global const from_t* row = from + i * inner;
      e = fold_v(e, MAP_1(FROM_V(row)));
      f = fold_v(f, MAP_1(FROM_V(row + VW)));
      g = fold_v(g, MAP_1(FROM_V(row + 2 * VW)));
      h = fold_v(h, MAP_1(FROM_V(row + 3 * VW)));
    }
    a = fold_v(a, e);
    b = fold_v(b, f);
    c = fold_v(c, g);
    d = fold_v(d, h);
  }
  totals[0] = a;
  totals[1] = b;
  totals[2] = c;
  totals[3] = d;
}

// Tasks: [outer, parts, sets of 4 vectors of columns].
kernel void reduce_columns(global const from_t* restrict x, global to_t* restrict y, long tasks, long reduced,
                           long inner, long parts, long part, long total, long span, float divisor) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, tasks);
  const long sets = (inner + 4 * VW - 1) / (4 * VW);
  for (long task = first; task < last; ++task) {
    const long column = task % sets * (4 * VW);
    const long line = task / sets;  // of y
    const long begin = line % parts * part;
    const long n = min(part, reduced - begin);
    const long at = (line / parts * reduced + begin) * inner + column;
    const int left = (int)min(inner - column, (long)(4 * VW));
    floatv totals[4];
#ifndef FOLD_LOG_SUM_EXP
    if (left == 4 * VW)
      fold_wide(x + at, n, inner, totals);
    else
#endif
      for (int v = 0; v < 4; ++v) {
        if (v * VW < left) totals[v] = reduce_column(x + at + v * VW, n, inner, left - v * VW, total - at - v * VW);
      }
    for (int v = 0; v < 4; ++v) {
      if (v * VW < left) TO_SOME(FINISH(totals[v], divisor), y + line * inner + column + v * VW, left - v * VW);
    }
  }
}
