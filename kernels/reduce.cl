// parts: vectors epilogue mask
// Sums in a fixed order: parts of a split reduction, and the planes of a tensor (the bias gradient).
//
// Macros: ACCUMULATE (add to the result), MASK (a gradient counts only where y > 0), STORAGE_..; GRADIENT (1: the parts
// are operands, images of a gradient) for sum_parts; VW (a CPU takes vectors) and, for plane_sums, LOCAL (items per
// group: 1 on a CPU, a whole group on a GPU).

#if defined(GRADIENT) && GRADIENT
typedef element part_element;
#define PART(parts, y, at) MASKED(parts, y, at)
#if defined(MASK) && MASK
#define PART_V(parts, y, at) (GET_V((y) + (at)) > 0.0f ? GET_V((parts) + (at)) : (floatv)(0.0f))
#else
#define PART_V(parts, y, at) GET_V((parts) + (at))
#endif
#else
typedef float part_element;
#define PART(parts, y, at) ((parts)[at])
#define PART_V(parts, y, at) LOAD_V((parts) + (at))
#endif

// result[i] = sum over part of parts[part*count + i]; each work-item `span` elements.
kernel void sum_parts(global const part_element* restrict parts, global const element* restrict y,
                      global element* restrict result, long count, int parts_count, int span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, count);
  long i = first;
#if defined(VW) && VW > 1
  for (; i + VW <= last; i += VW) {
    floatv sum = (floatv)(0.0f);
    for (int part = 0; part < parts_count; ++part) sum += PART_V(parts, y, part * count + i);
    PUT_V(RESULT(GET_V(result + i), sum), result + i);
  }
#endif
  for (; i < last; ++i) {
    float sum = 0.0f;
    for (int part = 0; part < parts_count; ++part) sum += PART(parts, y, part * count + i);
    PUT(RESULT(GET(result, i), sum), result, i);
  }
}

#ifdef LOCAL
// Stage 1: sums[channel*images + image] = sum of dy[image][channel][...], one group per plane. Long sums
// are cut into vectors and items first, which also keeps the rounding error down.
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
    value = GET_V(y + base + i) > 0.0f ? value : (floatv)(0.0f);
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

// Stage 2: result[channel] = sum over the images.
kernel void channel_sums(global const float* restrict sums, global element* restrict result, int images,
                         int channels) {
  const int channel = get_global_id(0);
  if (channel < channels) {
    float sum = 0.0f;
    for (int image = 0; image < images; ++image) sum += sums[(long)channel * images + image];
    PUT(RESULT(GET(result, channel), sum), result, channel);
  }
}
#endif  // LOCAL
