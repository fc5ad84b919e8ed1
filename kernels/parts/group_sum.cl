// What the work-items of a work-group have, put together for all of them.
//
// Macros: LOCAL (work-items per work-group, a power of 2).

inline float sum_of_group(const float value, local float* values) {
  const int item = get_local_id(0);
  values[item] = value;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int half_size = LOCAL / 2; half_size > 0; half_size /= 2) {
    if (item < half_size) values[item] += values[item + half_size];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const float result = values[0];
  barrier(CLK_LOCAL_MEM_FENCE);
  return result;
}

// Ignores NaN.
inline float max_of_group(const float value, local float* values) {
  const int item = get_local_id(0);
  values[item] = value;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int half_size = LOCAL / 2; half_size > 0; half_size /= 2) {
    if (item < half_size) values[item] = fmax(values[item], values[item + half_size]);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const float result = values[0];
  barrier(CLK_LOCAL_MEM_FENCE);
  return result;
}
