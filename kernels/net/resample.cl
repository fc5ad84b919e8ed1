// parts: vectors
// Weighted sums of neighbours along three axes a, b and c:
//
//   y[o][a][b][c][k] = sum over the taps ta, tb, tc of
//       weight[a][ta] * weight[b][tb] * weight[c][tc] * x[o][index[a][ta]][index[b][tb]][index[c][tc]][k]
//
// `indices` and `weights` hold the taps of all a, then of all b, then of all c. A first index below 0 says that the
// result is `fill`.
//
// Macros: TAPS_A, TAPS_B, TAPS_C (1, 2 or 4); INDEX (int or long, holds every offset); VW; KEPT (resample_rows: at least
// x_c rounded up to VW); the storage's (parts/storage.cl).

typedef INDEX index;

// Where the taps of each axis begin.
#define TAPS_OF_A(a) ((a) * TAPS_A)
#define TAPS_OF_B(b) ((index)a_size * TAPS_A + (b) * TAPS_B)
#define TAPS_OF_C(c) ((index)a_size * TAPS_A + (index)b_size * TAPS_B + (c) * TAPS_C)

// A work-item computes `each` elements.
kernel void resample_elements(global const element* restrict x, global element* restrict y,
                              global const int* restrict indices,
                              global const float* restrict weights, int a_size, int b_size,
                              int c_size, long x_a, long x_b, long x_c, long inner, float fill,
                              long count, long each) {
  const index first = get_global_id(0) * each, last = min(first + (index)each, (index)count);
  for (index i = first; i < last; ++i) {
    index at = i;
    const index k = at % (index)inner;
    at /= (index)inner;
    const index of_c = TAPS_OF_C(at % c_size);
    at /= c_size;
    const index of_b = TAPS_OF_B(at % b_size);
    at /= b_size;
    const index of_a = TAPS_OF_A(at % a_size), o = at / a_size;
    if (indices[of_a] < 0 || indices[of_b] < 0 || indices[of_c] < 0) {
      PUT(fill, y, i);
      continue;
    }
    float sum = 0.0f;
    for (int ta = 0; ta < TAPS_A; ++ta) {
      for (int tb = 0; tb < TAPS_B; ++tb) {
        const index row = ((o * (index)x_a + indices[of_a + ta]) * (index)x_b + indices[of_b + tb]) * (index)x_c;
        float of_row = 0.0f;
        for (int tc = 0; tc < TAPS_C; ++tc)
          of_row += weights[of_c + tc] * GET(x, (row + indices[of_c + tc]) * (index)inner + k);
        sum += weights[of_a + ta] * weights[of_b + tb] * of_row;
      }
    }
    PUT(sum, y, i);
  }
}

#if VW > 1
inline void fill_row(global element* restrict y, const float fill, const index count) {
  for (index i = 0; i < count; i += VW)
    put_some((floatv)(fill), y + i, (int)min(count - i, (index)VW));
}

// A work-item computes `each` rows of c_size elements, with inner = 1: it blends the rows of x that the taps of a and b
// name, then takes its neighbours from the blend.
kernel void resample_rows(global const element* restrict x, global element* restrict y,
                          global const int* restrict indices, global const float* restrict weights,
                          int a_size, int b_size, int c_size, long x_a, long x_b, long x_c,
                          long inner, float fill, long count, long each) {
  float kept[KEPT];
  const index first = get_global_id(0) * each, last = min(first + (index)each, (index)count);
  for (index row = first; row < last; ++row) {
    const index of_b = TAPS_OF_B(row % b_size), of_a = TAPS_OF_A(row / b_size % a_size);
    const index o = row / b_size / a_size;
    global element* const to = y + row * c_size;
    if (indices[of_a] < 0 || indices[of_b] < 0) {
      fill_row(to, fill, c_size);
      continue;
    }
    for (index i = 0; i < x_c; i += VW) {
      floatv sum = (floatv)(0.0f);
      for (int ta = 0; ta < TAPS_A; ++ta) {
        for (int tb = 0; tb < TAPS_B; ++tb) {
          const index from = ((o * x_a + indices[of_a + ta]) * x_b + indices[of_b + tb]) * x_c;
          sum = fma((floatv)(weights[of_a + ta] * weights[of_b + tb]),
                    get_some(x + from + i, (int)min(x_c - i, (index)VW)), sum);
        }
      }
      STORE_V(sum, kept + i);
    }
    for (int c = 0; c < c_size; c += VW) {
      float values[VW];
      const int some = min(VW, c_size - c);
      for (int j = 0; j < some; ++j) {
        const index of_c = TAPS_OF_C(c + j);
        float sum = 0.0f;
        for (int tc = 0; tc < TAPS_C; ++tc)
          sum += weights[of_c + tc] * kept[max(indices[of_c + tc], 0)];
        values[j] = indices[of_c] < 0 ? fill : sum;
      }
      put_some(LOAD_V(values), to + c, some);
    }
  }
}

// The same with vectors along the inner elements.
kernel void resample_pixels(global const element* restrict x, global element* restrict y,
                            global const int* restrict indices,
                            global const float* restrict weights, int a_size, int b_size,
                            int c_size, long x_a, long x_b, long x_c, long inner, float fill,
                            long count, long each) {
  const index first = get_global_id(0) * each, last = min(first + (index)each, (index)count);
  for (index row = first; row < last; ++row) {
    const index of_b = TAPS_OF_B(row % b_size), of_a = TAPS_OF_A(row / b_size % a_size);
    const index o = row / b_size / a_size;
    for (int c = 0; c < c_size; ++c) {
      const index of_c = TAPS_OF_C(c);
      global element* const to = y + (row * c_size + c) * inner;
      if (indices[of_a] < 0 || indices[of_b] < 0 || indices[of_c] < 0) {
        fill_row(to, fill, inner);
        continue;
      }
      for (index k = 0; k < inner; k += VW) {
        const int some = (int)min(inner - k, (index)VW);
        floatv sum = (floatv)(0.0f);
        for (int ta = 0; ta < TAPS_A; ++ta) {
          for (int tb = 0; tb < TAPS_B; ++tb) {
            const index from = ((o * x_a + indices[of_a + ta]) * x_b + indices[of_b + tb]) * x_c;
            const float weight = weights[of_a + ta] * weights[of_b + tb];
            for (int tc = 0; tc < TAPS_C; ++tc)
              sum = fma((floatv)(weight * weights[of_c + tc]),
                        get_some(x + (from + indices[of_c + tc]) * inner + k, some), sum);
          }
        }
        put_some(sum, to + k, some);
      }
    }
  }
}
#endif
