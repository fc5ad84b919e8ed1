// parts: vectors epilogue
// Softmax and categorical cross-entropy in one pass over the logits (n,m):
//
//   row  z0 z1 ... | label      p_i = exp(z_i - top) / sum     loss = log(sum) - (z_label - top)
//                               dz_i = (p_i - [i = label]) * gradient_scale / n
//
// top is the row's maximum, so that nothing overflows. A work-group computes `rows_per_group` rows, which its
// work-items take in turn; loss and hits are summed in a fixed order. A single work-group writes the totals itself;
// those of several are added by softmax_totals. loss_scale is 1/n.
//
// Macros: VW and LOCAL, the work-items per work-group (a CPU: vectors and 1; a GPU: 1 and a whole work-group); LOSS,
// PROBABILITIES, DLOGITS, CORRECT (1: the result is wanted; labels are read for all but PROBABILITIES), ACCUMULATE
// (adds to loss and correct).

// Of elements i.. of the row; those beyond its end have no meaning.
#define EXPONENTIALS(z, i, top) exp(load_some((z) + (i), m - (i)) - (top))

// The place of a row's maximum, the first of several.
inline int top_of(global const float* z, const int m) {
  float top = z[0];
  int best = 0;
  for (int i = 1; i < m; ++i) {
    if (z[i] > top) {
      top = z[i];
      best = i;
    }
  }
  return best;
}

inline float sum_of_exponentials(global const float* z, const int m, const float top) {
  float sum = 0.0f;
  for (int i = 0; i < m; i += VW) {
    float values[VW];
    STORE_V(EXPONENTIALS(z, i, top), values);
    for (int lane = 0; lane < min(VW, m - i); ++lane) sum += values[lane];
  }
  return sum;
}

// Writes a row's probabilities and its gradient, where they are wanted.
inline void store_row(global const float* z, const int m, const float top, const float sum, const int label,
                      const float scale, global float* probabilities, global float* dlogits) {
#if PROBABILITIES || DLOGITS
  for (int i = 0; i < m; i += VW) {
    const floatv p = EXPONENTIALS(z, i, top) / sum;
#if PROBABILITIES
    store_some(p, probabilities + i, m - i);
#endif
#if DLOGITS
    store_some(p * scale, dlogits + i, m - i);
#endif
  }
#endif
#if DLOGITS
  if (label >= 0 && label < m) {
    // Computed again from p: subtracting 1 before scaling is exact where p is near 1.
    dlogits[label] = (exp(z[label] - top) / sum - 1.0f) * scale;
  }
#endif
}

kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1)))
void softmax_rows(global const float* restrict logits, global const int* restrict labels,
                  global float* restrict probabilities, global float* restrict dlogits,
                  global float* restrict losses, global int* restrict hits, int n, int m,
                  int rows_per_group, int single, float loss_scale, float gradient_scale) {
  local float item_loss[LOCAL];
  local int item_hits[LOCAL];
  const int item = get_local_id(0);
  const long first = (long)get_group_id(0) * rows_per_group;
  const long last = min(first + rows_per_group, (long)n);
  const float scale = gradient_scale * loss_scale;
  float loss = 0.0f;
  int correct = 0;
  for (long row = first + item; row < last; row += LOCAL) {
    global const float* z = logits + row * m;
#if LOSS || CORRECT || DLOGITS
    const int label = labels[row];
#else
    const int label = -1;
#endif
    const int best = top_of(z, m);
    const float top = z[best];
    correct += best == label;
    const float sum = sum_of_exponentials(z, m, top);
#if LOSS
    const int known = label >= 0 && label < m;
    // Scaled before it is summed: the sum of finite losses might not be finite, their mean is.
    loss += (known ? log(sum) - (z[known ? label : 0] - top) : NAN) * loss_scale;
#endif
    store_row(z, m, top, sum, label, scale, probabilities + row * m, dlogits + row * m);
  }
  item_loss[item] = loss;
  item_hits[item] = correct;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int half_size = LOCAL / 2; half_size > 0; half_size /= 2) {
    if (item < half_size) {
      item_loss[item] += item_loss[item + half_size];
      item_hits[item] += item_hits[item + half_size];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (item == 0) {
    const long group = get_group_id(0);
#if LOSS
    losses[group] = single ? RESULT(losses[group], item_loss[0]) : item_loss[0];
#endif
#if CORRECT
    hits[group] = single ? RESULT(hits[group], item_hits[0]) : item_hits[0];
#endif
  }
}

kernel void softmax_totals(global const float* restrict losses, global const int* restrict hits,
                           global float* restrict loss, global int* restrict correct, int groups) {
  float sum = 0.0f;
  int count = 0;
  for (int group = 0; group < groups; ++group) {
#if LOSS
    sum += losses[group];
#endif
#if CORRECT
    count += hits[group];
#endif
  }
#if LOSS
  loss[0] = RESULT(loss[0], sum);
#endif
#if CORRECT
  correct[0] = RESULT(correct[0], count);
#endif
}
