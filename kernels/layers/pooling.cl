// parts:
// Max and average pooling over windows of KH x KW, clipped at the edge of the image, and their gradients.
//
//   x  . . . . .      y or dy      pool            y from x: `span` neighbouring results per work-item, row by row
//      . +---+ .        . .        unpool_planes   dx from dy: whole planes per work-item, windows in order
//      . |   | .   <->  . #        unpool_gather   dx from dy: one pixel per work-item, the windows over it in the
//      . +---+ .                                   same order
//
// Both kernels for dx give the same bits, and neither needs atomics. The maximum of a window is its first largest
// element, or its first NaN; the gradient finds it again in x.
//
// Macros: KH KW SH SW, AVERAGE (else max).

typedef struct {
  int p0, p1, q0, q1;  // rows and columns of the image, end excluded
} Window;

inline Window window_at(const int i, const int j, const int h, const int w, const int pt, const int pl) {
  Window window;
  window.p0 = max(i * SH - pt, 0);
  window.p1 = min(i * SH - pt + KH, h);
  window.q0 = max(j * SW - pl, 0);
  window.q1 = min(j * SW - pl + KW, w);
  return window;
}

// NaN is larger than every number; the first of equals stays.
#define BEATS(value, best) ((value) > (best) || ((value) != (value) && (best) == (best)))

// The index of the window's maximum in the plane.
inline int argmax_of(global const float* plane, const Window window, const int w) {
  int at = window.p0 * w + window.q0;
  float best = plane[at];
  for (int p = window.p0; p < window.p1; ++p) {
    for (int q = window.q0; q < window.q1; ++q) {
      const float value = plane[p * w + q];
      if (BEATS(value, best)) {
        best = value;
        at = p * w + q;
      }
    }
  }
  return at;
}

inline float share_of(const float gradient, const Window window) {
  return gradient / (float)((window.p1 - window.p0) * (window.q1 - window.q0));
}

inline float pooled(global const float* plane, const Window window, const int w) {
#if AVERAGE
  float sum = 0.0f;
  for (int p = window.p0; p < window.p1; ++p) {
    for (int q = window.q0; q < window.q1; ++q) sum += plane[p * w + q];
  }
  return share_of(sum, window);
#else
  return plane[argmax_of(plane, window, w)];
#endif
}

// For a window that lies in the image: its size is constant, so that the compiler can vectorise over windows.
inline float pooled_inside(global const float* from, const int w) {
#if AVERAGE
  float sum = 0.0f;
  for (int p = 0; p < KH; ++p) {
#pragma unroll
    for (int q = 0; q < KW; ++q) sum += from[p * w + q];
  }
  return sum / (float)(KH * KW);
#else
  float best = from[0];
  for (int p = 0; p < KH; ++p) {
#pragma unroll
    for (int q = 0; q < KW; ++q) {
      const float value = from[p * w + q];
      best = BEATS(value, best) ? value : best;
    }
  }
  return best;
#endif
}

kernel void pool(global const float* restrict x, global float* restrict y, long results, int h, int w,
                 int oh, int ow, int pt, int pl, long span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, results);
  for (long at = first; at < last;) {
    const int j0 = (int)(at % ow);
    const int j1 = (int)min((long)ow, j0 + last - at);
    const long result_row = at / ow;
    const int i = (int)(result_row % oh);
    global const float* plane = x + result_row / oh * h * w;
    global float* to = y + result_row * ow;
    const int rows_inside = i * SH - pt >= 0 && i * SH - pt + KH <= h;
    // The windows of columns [left, right) lie inside.
    const int left = rows_inside ? clamp((pl + SW - 1) / SW, j0, j1) : j1;
    const int fit = w + pl - KW;
    const int right = rows_inside && fit >= 0 ? clamp(fit / SW + 1, left, j1) : left;
    for (int j = j0; j < left; ++j) to[j] = pooled(plane, window_at(i, j, h, w, pt, pl), w);
    if (left < right) {
      global const float* from = plane + (long)(i * SH - pt) * w - pl;
      for (int j = left; j < right; ++j) to[j] = pooled_inside(from + j * SW, w);
    }
    for (int j = right; j < j1; ++j) to[j] = pooled(plane, window_at(i, j, h, w, pt, pl), w);
    at += j1 - j0;
  }
}

kernel void unpool_planes(global const float* restrict x, global const float* restrict dy,
                          global float* restrict dx, long planes, int h, int w, int oh, int ow, int pt,
                          int pl, long span) {
  const long first = (long)get_global_id(0) * span;
  const long last = min(first + span, planes);
  for (long plane = first; plane < last; ++plane) {
    global float* to = dx + plane * h * w;
    global const float* from = dy + plane * oh * ow;
    for (int i = 0; i < h * w; ++i) to[i] = 0.0f;
    for (int i = 0; i < oh; ++i) {
      for (int j = 0; j < ow; ++j) {
        const Window window = window_at(i, j, h, w, pt, pl);
        const float gradient = from[i * ow + j];
#if AVERAGE
        const float share = share_of(gradient, window);
        for (int p = window.p0; p < window.p1; ++p) {
          for (int q = window.q0; q < window.q1; ++q) to[p * w + q] += share;
        }
#else
        to[argmax_of(x + plane * h * w, window, w)] += gradient;
#endif
      }
    }
  }
}

kernel void unpool_gather(global const float* restrict x, global const float* restrict dy,
                          global float* restrict dx, long pixels, int h, int w, int oh, int ow, int pt,
                          int pl) {
  const long id = get_global_id(0);
  if (id < pixels) {
    const int column = (int)(id % w);
    const int row = (int)(id / w % h);
    const long plane = id / w / h;
    // The windows over this pixel, of those that exist.
    const int i0 = row + pt < KH ? 0 : (row + pt - KH) / SH + 1;
    const int j0 = column + pl < KW ? 0 : (column + pl - KW) / SW + 1;
    const int i1 = min((row + pt) / SH, oh - 1);
    const int j1 = min((column + pl) / SW, ow - 1);
    float sum = 0.0f;
    for (int i = i0; i <= i1; ++i) {
      for (int j = j0; j <= j1; ++j) {
        const Window window = window_at(i, j, h, w, pt, pl);
        const float gradient = dy[plane * oh * ow + i * ow + j];
#if AVERAGE
        sum += share_of(gradient, window);
#else
        if (argmax_of(x + plane * h * w, window, w) == row * w + column) sum += gradient;
#endif
      }
    }
    dx[id] = sum;
  }
}
