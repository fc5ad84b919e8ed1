// parts: language
// Keeps a thread of a CPU busy for about 4 * rounds cycles: each multiply-add waits for the one before.
kernel void stay_awake(global float* out, int rounds) {
  float value = out[0];
  for (int round = 0; round < rounds; ++round) value = fma(value, 0.5f, 1.0f);
  out[0] = value;
}
