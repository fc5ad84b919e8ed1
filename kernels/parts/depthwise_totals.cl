// parts: row_end
// The result of a depthwise weight gradient whose sums are added up for many taps at once (parts/lane_sums.cl).
//
// Macros: VW KH KW, ACCUMULATE; PARTS (1: the result is floats, which sum_parts adds up).

#if PARTS
typedef float result_element;
#else
typedef element result_element;
#endif

#define FILTER_TAPS (KH * KW)
// As many vectors as lane_sums adds at once, or a multiple of that.
#define SUMS ((FILTER_TAPS + VW - 1) / VW * VW)

// Lane i of `totals` is the sum of tap t + i of the filter at result[at].
ALWAYS_INLINE void store_totals(const floatv totals, const int t, global result_element* result, const long at) {
  const int count = min(FILTER_TAPS - t, VW);
#if PARTS
  for (int i = 0; i < count; ++i) result[at + t + i] = ((const float*)&totals)[i];
#elif ACCUMULATE
  put_first(get_first(result + at + t, count) + totals, count, result + at + t);
#else
  put_first(totals, count, result + at + t);
#endif
}
