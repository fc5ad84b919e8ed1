// parts: vectors
// Measures the most that a device can do: multiply-adds without memory (probe_fma), copies without arithmetic
// (probe_copy), launches without either (probe_nothing).
//
// Macros: VW, CHAINS, ALIGNED (a vector is loaded and stored at once, as on GPUs).

#if ALIGNED
#define COPY_V(from, to) (*(global floatv*)(to) = *(global const floatv*)(from))
#else
#define COPY_V(from, to) STORE_V(LOAD_V(from), to)
#endif

// CHAINS independent chains of fused multiply-adds per work-item.
kernel void probe_fma(global float* restrict out, int rounds, float a, float b) {
  floatv acc[CHAINS];
#pragma unroll
  for (int i = 0; i < CHAINS; ++i) acc[i] = (floatv)((float)(get_global_id(0) + i));
  const floatv scale = (floatv)(a);
  const floatv offset = (floatv)(b);
  for (int round = 0; round < rounds; ++round) {
#pragma unroll
    for (int i = 0; i < CHAINS; ++i) acc[i] = fma(acc[i], scale, offset);
  }
  floatv sum = (floatv)(0.0f);
#pragma unroll
  for (int i = 0; i < CHAINS; ++i) sum += acc[i];
  STORE_V(sum, out + get_global_id(0) * VW);
}

// Each work-item copies `span` vectors.
kernel void probe_copy(global const float* restrict from, global float* restrict to, int span,
                       int stride) {
  const size_t first = get_group_id(0) * (size_t)span * get_local_size(0) + get_local_id(0);
  for (int i = 0; i < span; ++i) {
    const size_t at = (first + (size_t)i * stride) * VW;
    COPY_V(from + at, to + at);
  }
}

kernel void probe_nothing(global float* out) {
  if (get_global_size(0) == 0) out[0] = 0.0f;
}
