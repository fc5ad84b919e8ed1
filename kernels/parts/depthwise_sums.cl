// parts: lanes epilogue
// The result of a depthwise weight gradient: sums over the lanes of acc[TAPS], one vector per tap.
//
// Macros: VW TAPS, ACCUMULATE; PARTS (1: the result is floats, which sum_parts adds up).

#if PARTS
typedef float result_element;
#else
typedef element result_element;
#endif

inline void store_sums(const floatv* acc, global result_element* result, const long at) {
#pragma unroll
  for (int t = 0; t < TAPS; ++t) {
    const float sum = sum_of_lanes(acc[t]);
#if PARTS
    result[at + t] = sum;
#else
    PUT(RESULT(GET(result, at + t), sum), result, at + t);
#endif
  }
}
