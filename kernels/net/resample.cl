// parts: interleave
// Weighted sums of neighbours along three axes a, b and c:
//
//   y[o][a][b][c][k] = sum over the taps ta, tb, tc of
//       weight[a][ta] * weight[b][tb] * weight[c][tc] * x[o][index[a][ta]][index[b][tb]][index[c][tc]][k]
//
// `indices` and `weights` hold the taps of each a, then of each b, then the first taps of all c, the second ones, ... A
// first index below 0 says that the result is `fill`.
//
// Macros: TAPS_A, TAPS_B, TAPS_C (1, 2 or 4); INDEX (int or long, holds every offset); VW; the storage's
// (parts/storage.cl). resample_rows: KEPT (at least x_c rounded up to VW); PHASES (2 or 4, or none).

typedef INDEX index;

// Where the taps of each axis begin.
#define TAPS_OF_A(a) ((a) * TAPS_A)
#define TAPS_OF_B(b) ((index)a_size * TAPS_A + (b) * TAPS_B)
#define TAPS_OF_C(c) ((index)a_size * TAPS_A + (index)b_size * TAPS_B + (c))

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
          of_row += weights[of_c + tc * c_size] * GET(x, (row + indices[of_c + tc * c_size]) * (index)inner + k);
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

// A row of the result from a row of x in private memory, whose ends are repeated EDGE times on both sides.
#define EDGE VW
#ifdef PHASES
// The c of one phase, PHASES apart, take neighbours that lie 1 apart, with the same weights: those of the first c that
// have all their neighbours inside. Their vectors are interleaved:
//
//   kept      0   1   2   3         phase 0 of 2:  w00 * kept[i - 1] + w01 * kept[i]
//   y       0   1   2   3   4 ...   phase 1 of 2:  w10 * kept[i]     + w11 * kept[i + 1]
inline void take_row(const float* kept, global element* restrict y,
                     global const int* restrict indices, global const float* restrict weights,
                     const int c_size, const float fill) {
  const int inside = 2 * PHASES;
  for (int i = 0; i < c_size / PHASES; i += VW) {
    floatv of_phase[PHASES];
    _Pragma("unroll") for (int p = 0; p < PHASES; ++p) {
      floatv sum = (floatv)(0.0f);
      _Pragma("unroll") for (int t = 0; t < TAPS_C; ++t) {
        const int at = t * c_size + inside + p;
        sum = fma((floatv)(weights[at]),
                  IN_ONE_PIECE(const, kept + EDGE + i + indices[at] - inside / PHASES), sum);
      }
      of_phase[p] = sum;
    }
    floatv all[PHASES];
    INTERLEAVE(PHASES, of_phase, all)
    for (int p = 0; p < PHASES; ++p) {
      const int c = i * PHASES + p * VW;
      if (c < c_size) put_some(all[p], y + c, min(c_size - c, VW));
    }
  }
}
#else
#define BLOCK 256
inline void take_row(const float* kept, global element* restrict y,
                     global const int* restrict indices, global const float* restrict weights,
                     const int c_size, const float fill) {
  float values[BLOCK];
  for (int first = 0; first < c_size; first += BLOCK) {
    const int some = min(BLOCK, c_size - first);
    for (int j = 0; j < some; ++j) {
      const int c = first + j;
      float sum = 0.0f;
      _Pragma("unroll") for (int t = 0; t < TAPS_C; ++t) {
        sum += weights[t * c_size + c] * kept[EDGE + max(indices[t * c_size + c], 0)];
      }
      values[j] = indices[c] < 0 ? fill : sum;
    }
    for (int j = 0; j < some; j += VW)
      put_some(LOAD_V(values + j), y + first + j, min(some - j, VW));
  }
}
#endif

// A work-item computes `each` rows of c_size elements, with inner = 1: it blends the rows of x that the taps of a and b
// name, then takes its neighbours from the blend.
kernel void resample_rows(global const element* restrict x, global element* restrict y,
                          global const int* restrict indices, global const float* restrict weights,
                          int a_size, int b_size, int c_size, long x_a, long x_b, long x_c,
                          long inner, float fill, long count, long each) {
  float kept[KEPT + 2 * EDGE];
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
      STORE_V(sum, kept + EDGE + i);
    }
#ifdef PHASES
    for (int e = 0; e < EDGE; ++e) {
      kept[e] = kept[EDGE];
      kept[EDGE + x_c + e] = kept[EDGE + x_c - 1];
    }
#endif
    take_row(kept, to, indices + TAPS_OF_C(0), weights + TAPS_OF_C(0), c_size, fill);
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
              sum = fma((floatv)(weight * weights[of_c + tc * c_size]),
                        get_some(x + (from + indices[of_c + tc * c_size]) * inner + k, some), sum);
          }
        }
        put_some(sum, to + k, some);
      }
    }
  }
}
#endif
