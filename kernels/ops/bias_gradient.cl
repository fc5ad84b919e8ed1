// parts: vectors epilogue mask
// The bias gradient: sums over the planes of a tensor, in a fixed order.
//
//   dy [image][channel][ pixels ]  --plane_sums-->  sums [channel][image]  --channel_sums-->  result [channel]
//
// Macros: VW (vectors on a CPU; 1 on a GPU), LOCAL (work-items per work-group of plane_sums: 1 on a CPU), MASK,
// ACCUMULATE, STORAGE_...

// First kernel: sums[channel*images + image] = sum of dy[image][channel][...], one work-group per plane. Long sums are
// divided among lanes and work-items, which also keeps the rounding error small.
kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1)))
void plane_sums(global const element* restrict dy, global const element* restrict y,
                global float* restrict sums, int images, int channels, int pixels) {
  local float partial[LOCAL];
  const long plane = get_group_id(0);
  const int item = get_local_id(0);
  const long base = plane * pixels;
  float sum = 0.0f;
#if VW > 1
  floatv lanes = (floatv)(0.0f);
  int i = 0;
  for (; i + VW <= pixels; i += VW) {
    floatv value = GET_V(dy + base + i);
#if MASK
    value = BACKWARD(value, GET_V(y + base + i));
#endif
    lanes += value;
  }
  for (; i < pixels; ++i) sum += MASKED(dy, y, base + i);
  float values[VW];
  STORE_V(lanes, values);
  for (int lane = 0; lane < VW; ++lane) sum += values[lane];
#else
  for (int i = item; i < pixels; i += LOCAL) sum += MASKED(dy, y, base + i);
#endif
  partial[item] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int half_size = LOCAL / 2; half_size > 0; half_size /= 2) {
    if (item < half_size) partial[item] += partial[item + half_size];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (item == 0) sums[plane % channels * images + plane / channels] = partial[0];
}

// Second kernel: result[channel] = sum over the images.
kernel void channel_sums(global const float* restrict sums, global element* restrict result, int images,
                         int channels) {
  const int channel = get_global_id(0);
  if (channel < channels) {
    float sum = 0.0f;
    for (int image = 0; image < images; ++image) sum += sums[(long)channel * images + image];
    PUT(RESULT(GET(result, channel), sum), result, channel);
  }
}
