// Implicit GEMM: convolution as a matrix product whose im2col matrix is gathered while multiplying
// and never stored. Three bodies for the same product, chosen by which macros the config has:
//
//   BM BN BK TM TN   tile     GPUs: tiles of both matrices in local memory, a register micro-tile
//                             per work-item.
//   KV TH TW VW      filters  CPUs: one work-item per work-group, explicit vectors along the
//                             filters, a register tile of pixels.
//   MR NV VW         pixels   CPUs: the same with vectors along the pixels of a row; for few filters
//                             per group and short reductions.
//
// Class macros: SH SW DH DW (stride, dilation: as arguments they cost 1.9x on PoCL 3.1), BIAS, RELU.
// All sizes are arguments, so one binary serves every size of a class. No early returns: PoCL 3.1
// aborts on one before a barrier.

#ifdef BM
// ---- tile ----------------------------------------------------------------------------------------
//
//                     pixels (n*oh*ow) ->
//                    +----- BN -----+            Work-group: BM filters x BN pixels, (BM/TM)*(BN/TN)
//               BK   |  B: gathered |            work-items. Per step of BK products each work-item
//                    +--------------+            brings its share of A and B to local memory, then
//        +-- BK --+  +--------------+            multiplies TM filters (neighbours) by TN pixels
//    BM  |   A    |  |  TM x TN per |            (BN/TN apart, so that neighbouring work-items read
//        | weights|  |  work-item   |            and write neighbouring pixels).
//        +--------+  +--------------+

#define LX (BN / TN)
#define LY (BM / TM)
#define ITEMS (LX * LY)
#define B_ROWS (ITEMS / BN)  // rows of B that all work-items together fetch at once
#define A_ROWS (ITEMS / BK)  // filters of A likewise

// step_c, step_p, step_q: B_ROWS products further, as channels, filter rows and filter columns.
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void implicit_gemm_tile(global const float* restrict x, global const float* restrict weights,
                        global const float* restrict b, global float* restrict y, int c, int h,
                        int w, int k, int kh, int kw, int pt, int pl, int oh, int ow, int groups,
                        long pixels, int filter_tiles, long pixel_tiles, int step_c, int step_p,
                        int step_q) {
  local float A[BK][BM + 1];  // + 1: work-items that store a column hit different banks
  local float B[BK][BN];
  const int item = get_local_id(0);
  const int lx = item % LX;
  const int ly = item / LX;
  const long id = get_group_id(0);
  const int filter_tile = (int)(id % filter_tiles);
  const long pixel_tile = id / filter_tiles % pixel_tiles;
  const int group_index = (int)(id / filter_tiles / pixel_tiles);
  const int channels = c / groups;
  const int filters = k / groups;
  const int reduction = channels * kh * kw;
  const int m0 = filter_tile * BM;
  const long n0 = pixel_tile * BN;

  // This work-item fetches column `fetch_n` of B, product `r` = (r_c, r_p, r_q) and every B_ROWS-th
  // after it. Beyond the last pixel it fetches zeroes.
  const int fetch_n = item % BN;
  const long fetch_pixel = n0 + fetch_n;
  const int fetch_inside = fetch_pixel < pixels;
  const int image_pixels = oh * ow;
  const long image = fetch_inside ? fetch_pixel / image_pixels : 0;
  const int position = fetch_inside ? (int)(fetch_pixel % image_pixels) : 0;
  const int y0 = position / ow * SH - pt;
  const int x0 = position % ow * SW - pl;
  int r = item / BN;
  int r_c = r / (kh * kw);
  int r_p = r % (kh * kw) / kw;
  int r_q = r % kw;
  global const float* planes = x + (image * c + (long)group_index * channels) * h * w;
  // ... and of A product `item % BK` of every A_ROWS-th filter.
  const int fetch_k = item % BK;
  global const float* rows = weights + ((long)group_index * filters + m0) * reduction;

  float acc[TM][TN];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
#pragma unroll
    for (int j = 0; j < TN; ++j) acc[i][j] = 0.0f;
  }

  for (int k0 = 0; k0 < reduction; k0 += BK) {
#pragma unroll
    for (int fetch = 0; fetch < BM / A_ROWS; ++fetch) {
      const int m = item / BK + fetch * A_ROWS;
      const int inside = m0 + m < filters && k0 + fetch_k < reduction;
      A[fetch_k][m] = inside ? rows[(long)m * reduction + k0 + fetch_k] : 0.0f;
    }
#pragma unroll
    for (int fetch = 0; fetch < BK / B_ROWS; ++fetch) {
      const int row = item / BN + fetch * B_ROWS;
      const int line = y0 + r_p * DH;
      const int column = x0 + r_q * DW;
      const int inside = fetch_inside && r_c < channels && line >= 0 && line < h && column >= 0 &&
                         column < w;
      B[row][fetch_n] = inside ? planes[((long)r_c * h + line) * w + column] : 0.0f;
      r_q += step_q;
      r_p += step_p;
      r_c += step_c;
      if (r_q >= kw) {
        r_q -= kw;
        ++r_p;
      }
      if (r_p >= kh) {
        r_p -= kh;
        ++r_c;
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int kk = 0; kk < BK; ++kk) {
      float a[TM], column[TN];
#pragma unroll
      for (int i = 0; i < TM; ++i) a[i] = A[kk][ly * TM + i];
#pragma unroll
      for (int j = 0; j < TN; ++j) column[j] = B[kk][lx + j * LX];
#pragma unroll
      for (int i = 0; i < TM; ++i) {
#pragma unroll
        for (int j = 0; j < TN; ++j) acc[i][j] = MULTIPLY_ADD(a[i], column[j], acc[i][j]);
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }

#pragma unroll
  for (int j = 0; j < TN; ++j) {
    const long pixel = n0 + lx + j * LX;
    if (pixel < pixels) {
      const long out_image = pixel / image_pixels;
      global float* out = y + (out_image * k + (long)group_index * filters) * image_pixels +
                          pixel % image_pixels;
#pragma unroll
      for (int i = 0; i < TM; ++i) {
        const int filter = m0 + ly * TM + i;
        if (filter < filters) {
          const float value = acc[i][j] + BIAS_OF(b, group_index * filters + filter);
          out[(long)filter * image_pixels] = ACTIVATE(value);
        }
      }
    }
  }
}
#endif  // BM

#ifdef KV
// ---- filters -------------------------------------------------------------------------------------
//
//   packed weights, per block:        x (padding written out)        registers, floatv each
//     r [ KV vectors of filters ]       . . . . . . . .              acc[TH*TW pixels][KV]
//     | [                       ]       . # # # # # # .  TH x TW
//     v [                       ]       . # # # # # # .  pixels
//
// Per product: KV vector loads, TH*TW scalar broadcasts, TH*TW*KV fused multiply-adds. The host picks
// TH*TW*KV + KV + 1 <= vector registers; one more costs 1.3x. Tiles at the lower and right edge
// overlap their neighbours instead of being partial (oh >= TH, ow >= TW): both write the same bits.

#define PIXELS (TH * TW)
#define BLOCK (VW * KV)

floatv interleave_lo(const floatv a, const floatv b) {
  floatv r;
  r.even = a.lo;
  r.odd = b.lo;
  return r;
}
floatv interleave_hi(const floatv a, const floatv b) {
  floatv r;
  r.even = a.hi;
  r.odd = b.hi;
  return r;
}

// One interleave of the upper with the lower half of the rows; log2(VW) of them transpose.
#define SHUFFLE_ROWS(from, to)                                                \
  _Pragma("unroll") for (int s = 0; s < VW / 2; ++s) {                        \
    to[2 * s] = interleave_lo(from[s], from[s + VW / 2]);                     \
    to[2 * s + 1] = interleave_hi(from[s], from[s + VW / 2]);                 \
  }

// The first `count` floats of v in the fewest stores; `count` is a constant once the loops around
// are unrolled.
inline void store_first(const floatv v, const int count, global float* out) {
  if (count >= VW) {
    STORE_V(v, out);
    return;
  }
#if VW == 16
  float8 rest8 = v.lo;
  if (count & 8) {
    vstore8(rest8, 0, out);
    out += 8;
    rest8 = v.hi;
  }
#elif VW == 8
  const float8 rest8 = v;
#endif
#if VW >= 8
  float4 rest4 = rest8.lo;
  if (count & 4) {
    vstore4(rest4, 0, out);
    out += 4;
    rest4 = rest8.hi;
  }
#else
  const float4 rest4 = v;
#endif
  float2 rest2 = rest4.lo;
  if (count & 2) {
    vstore2(rest2, 0, out);
    out += 2;
    rest2 = rest4.hi;
  }
  if (count & 1) *out = rest2.x;
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_filters(global const float* restrict x, global const float* restrict packed,
                           global const float* restrict b, global float* restrict y, int images,
                           int channels, int kh, int kw, int pitch, long plane, int oh, int ow,
                           int tiles_x, int tiles, int filters, int blocks_per_group, int groups,
                           int blocks_inner) {
  const long id = get_group_id(0);
  const int tile = (int)(id % tiles);
  const long outer = id / tiles;
  const int blocks = blocks_per_group * groups;
  const int block = (int)(blocks_inner ? outer % blocks : outer / images);
  const long image = blocks_inner ? outer / blocks : outer % images;
  const int group_index = block / blocks_per_group;
  const int i0 = min(tile / tiles_x * TH, oh - TH);
  const int j0 = min(tile % tiles_x * TW, ow - TW);

  global const float* xp = x + (image * groups + group_index) * channels * plane +
                           (long)(i0 * SH) * pitch + j0 * SW;
  global const float* wp = packed + (long)block * channels * kh * kw * BLOCK;
  floatv acc[PIXELS][KV];
#pragma unroll
  for (int i = 0; i < PIXELS; ++i) {
#pragma unroll
    for (int v = 0; v < KV; ++v) acc[i][v] = (floatv)(0.0f);
  }
  for (int channel = 0; channel < channels; ++channel, xp += plane) {
    for (int p = 0; p < kh; ++p) {
      for (int q = 0; q < kw; ++q, wp += BLOCK) {
        global const float* tap = xp + p * DH * pitch + q * DW;
        floatv filter[KV];
#pragma unroll
        for (int v = 0; v < KV; ++v) filter[v] = LOAD_V(wp + v * VW);
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
          const floatv pixel = (floatv)(tap[i / TW * SH * pitch + i % TW * SW]);
#pragma unroll
          for (int v = 0; v < KV; ++v) acc[i][v] = fma(filter[v], pixel, acc[i][v]);
        }
      }
    }
  }

  // Vectors along filters become vectors along pixels, VW x VW at a time, to be stored as rows.
  const long out_plane = (long)oh * ow;
  const int first_filter = block % blocks_per_group * BLOCK;
  const long first_k = (long)group_index * filters + first_filter;
  global float* out =
      y + (image * groups * filters + first_k) * out_plane + (long)i0 * ow + j0;
#pragma unroll
  for (int v = 0; v < KV; ++v) {
#pragma unroll
    for (int from = 0; from < PIXELS; from += VW) {
      floatv rows[VW], other[VW];
#pragma unroll
      for (int i = 0; i < VW; ++i) {
        rows[i] = from + i < PIXELS ? acc[from + i < PIXELS ? from + i : 0][v] : (floatv)(0.0f);
      }
      SHUFFLE_ROWS(rows, other)
      SHUFFLE_ROWS(other, rows)
#if VW == 8
      SHUFFLE_ROWS(rows, other)
#elif VW == 16
      SHUFFLE_ROWS(rows, other)
      SHUFFLE_ROWS(other, rows)
#endif
#pragma unroll
      for (int f = 0; f < VW; ++f) {
#if VW == 8
        const floatv sum = other[f];
#else
        const floatv sum = rows[f];
#endif
        if (first_filter + v * VW + f < filters) {
          const floatv value = sum + BIAS_OF(b, first_k + v * VW + f);
          const floatv result = ACTIVATE(value);
          global float* line = out + (v * VW + f) * out_plane;
          if (TH == 1 || TW == ow) {
            store_first(result, PIXELS - from, line + from);
          } else {
            float values[VW];
            STORE_V(result, values);
#pragma unroll
            for (int i = 0; i < VW; ++i) {
              if (from + i < PIXELS) line[(from + i) / TW * ow + (from + i) % TW] = values[i];
            }
          }
        }
      }
    }
  }
}
#endif  // KV

#ifdef MR
// ---- pixels --------------------------------------------------------------------------------------
//
//   packed weights, per block:      x (padding written out)             registers, floatv each
//     r [ MR filters ]                [ NV vectors of a row's pixels ]   acc[MR][NV]
//     |
//     v
//
// Per product: NV vector loads (SW == 2: two each, even elements kept), MR scalar broadcasts, MR*NV
// fused multiply-adds. The padded rows are wide enough for the last vector.

#define SPAN (VW * NV)

#if SW == 1
#define LOAD_PIXELS(pointer) LOAD_V(pointer)
#else
floatv load_even(global const float* pointer) {
  const floatv a = LOAD_V(pointer);
  const floatv b = LOAD_V(pointer + VW);
  floatv r;
  r.lo = a.even;
  r.hi = b.even;
  return r;
}
#define LOAD_PIXELS(pointer) load_even(pointer)
#endif

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_pixels(global const float* restrict x, global const float* restrict packed,
                          global const float* restrict b, global float* restrict y, int images,
                          int channels, int kh, int kw, int pitch, long plane, int oh, int ow,
                          int tiles_x, int filters, int blocks_per_group, int groups) {
  const long id = get_group_id(0);
  const int j0 = (int)(id % tiles_x) * SPAN;
  const int i = (int)(id / tiles_x % oh);
  const long outer = id / tiles_x / oh;
  const int blocks = blocks_per_group * groups;
  const int block = (int)(outer % blocks);
  const long image = outer / blocks;
  const int group_index = block / blocks_per_group;

  global const float* xp = x + (image * groups + group_index) * channels * plane +
                           (long)(i * SH) * pitch + j0 * SW;
  global const float* wp = packed + (long)block * channels * kh * kw * MR;
  floatv acc[MR][NV];
#pragma unroll
  for (int m = 0; m < MR; ++m) {
#pragma unroll
    for (int v = 0; v < NV; ++v) acc[m][v] = (floatv)(0.0f);
  }
  for (int channel = 0; channel < channels; ++channel, xp += plane) {
    for (int p = 0; p < kh; ++p) {
      for (int q = 0; q < kw; ++q, wp += MR) {
        global const float* tap = xp + p * DH * pitch + q * DW;
        floatv pixels[NV];
#pragma unroll
        for (int v = 0; v < NV; ++v) pixels[v] = LOAD_PIXELS(tap + v * VW * SW);
#pragma unroll
        for (int m = 0; m < MR; ++m) {
          const floatv filter = (floatv)(wp[m]);
#pragma unroll
          for (int v = 0; v < NV; ++v) acc[m][v] = fma(filter, pixels[v], acc[m][v]);
        }
      }
    }
  }

  const int first_filter = block % blocks_per_group * MR;
  const long first_k = (long)group_index * filters + first_filter;
  global float* out = y + ((image * groups * filters + first_k) * oh + i) * ow + j0;
#pragma unroll
  for (int m = 0; m < MR; ++m) {
    if (first_filter + m < filters) {
#pragma unroll
      for (int v = 0; v < NV; ++v) {
        const floatv value = acc[m][v] + BIAS_OF(b, first_k + m);
        const floatv result = ACTIVATE(value);
        global float* line = out + (long)m * oh * ow + v * VW;
        const int left = ow - j0 - v * VW;
        if (left >= VW) {
          STORE_V(result, line);
        } else {
          float values[VW];
          STORE_V(result, values);
          for (int t = 0; t < left; ++t) line[t] = values[t];
        }
      }
    }
  }
}
#endif  // MR
