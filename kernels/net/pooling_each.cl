// parts: storage
// Max and average pooling of planes, one result per work-item. NaN is larger than every number. An average divides by
// the elements of the window that lie in the image, or with INCLUDE_PAD in the image and its padding.
//
// Macros: KH KW SH SW DH DW (window, stride, dilation); AVERAGE, INCLUDE_PAD (0 or 1).

kernel void pool_each(global const element* restrict x, global element* restrict y, long results, int h, int w,
                      int oh, int ow, int pt, int pl, int h_end, int w_end) {
  const long id = get_global_id(0);
  if (id >= results) return;
  const int top = (int)(id / ow % oh) * SH - pt;
  const int left = (int)(id % ow) * SW - pl;
  global const element* plane = x + id / ow / oh * h * w;
  float best = AVERAGE ? 0.0f : -INFINITY;
  int count = 0;
  for (int p = 0; p < KH; ++p) {
    const int row = top + p * DH;
    for (int q = 0; q < KW; ++q) {
      const int column = left + q * DW;
      const int in_image = row >= 0 && row < h && column >= 0 && column < w;
      count += INCLUDE_PAD ? row < h_end && column < w_end : in_image;
      if (!in_image) continue;
      const float value = GET(plane, (long)row * w + column);
      if (AVERAGE)
        best += value;
      else
        best = value > best || value != value ? value : best;
    }
  }
  PUT(AVERAGE ? best / (float)max(count, 1) : best, y, id);
}
