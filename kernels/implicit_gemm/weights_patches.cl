// parts: register_tile lanes
// Implicit GEMM for the weight gradient, on CPUs, vectors along the elements of a patch:
// dw (filters x channels*kh*kw) = dy (filters x pixels) times the patches of x (pixels x channels*kh*kw), gathered
// while multiplying. The reduction runs over the pixels of all images. It can be split into parts, whose sums another
// kernel adds in a fixed order: the results are floats, dw itself or a part.
//
// Nothing is copied before; this body is for many filters or few pixels.
//
//   patches of DEPTH pixels, local:               dy, as it lies         registers, floatv each
//     pixel [ KV vectors of patch elements ]        TF filters, one        acc[TF][KV]
//       |   [                              ]        pixel of each
//       v
//
// One work-item per work-group. Per pixel: KV vector loads, TF broadcasts, TF*KV fused multiply-adds. A work-group
// multiplies a block of patch elements (channel, row, column of the filter) by a run of filters, DEPTH pixels at a
// time, and adds to the result, where its vectors lie as they are. The padding is zeroes in the patches. With many
// pixels and few filters `filters` does less work: here each pixel of x is copied once per tap.
//
// Macros: KV TF DEPTH VW; SW (1, 2, or 0 for any), STORAGE_... dy is float, masked already. All other sizes are
// arguments.

#define BLOCK (VW * KV)
#define LOAD_I(pointer) CLCONV_PASTE(vload, VW)(0, pointer)

// Patches are transposed four pixels at a time. A quad is four pixels of one element; a vector has the quads of every
// fourth element, so that what remains is to transpose 4 x 4 within the quarters of four vectors.
#if VW == 16
#define EVEN s02468ace
#define ODD s13579bdf
#define LOWER s014589cd
#define UPPER s2367abef
#elif VW == 8
#define EVEN s0246
#define ODD s1357
#define LOWER s0145
#define UPPER s2367
#else
#define EVEN s02
#define ODD s13
#define LOWER s01
#define UPPER s23
#endif
#define QUAD(e) (pointer + offsets[e])
#if SW == 1
inline floatv get_quads(global const element* pointer, local const int* offsets) {
#if VW == 16
  return (floatv)(GET_N(4, QUAD(0)), GET_N(4, QUAD(4)), GET_N(4, QUAD(8)), GET_N(4, QUAD(12)));
#elif VW == 8
  return (floatv)(GET_N(4, QUAD(0)), GET_N(4, QUAD(4)));
#else
  return GET_N(4, QUAD(0));
#endif
}
#elif SW == 2
inline floatv get_quads(global const element* pointer, local const int* offsets) {
#if VW == 16
  floatv r;
  r.lo = ((float16)(GET_N(8, QUAD(0)), GET_N(8, QUAD(4)))).even;
  r.hi = ((float16)(GET_N(8, QUAD(8)), GET_N(8, QUAD(12)))).even;
  return r;
#elif VW == 8
  return ((float16)(GET_N(8, QUAD(0)), GET_N(8, QUAD(4)))).even;
#else
  return GET_N(8, QUAD(0)).even;
#endif
}
#endif

#define PARAMETERS \
  global const element* restrict x, global const float* restrict dy, \
  global float* restrict result, long x_elements, int channels, int h, int w, int filters, \
  int kh, int kw, int pt, int pl, int sh, int sw, int dh, int dw, int oh, int ow, int groups, \
  int blocks, int runs, long pixels, long pixels_per_part, int step, long part_stride
#define ARGUMENTS \
  x, dy, result, x_elements, channels, h, w, filters, kh, kw, pt, pl, sh, sw, dh, dw, oh, ow, \
  groups, blocks, runs, pixels, pixels_per_part, step, part_stride

// runs: the number of runs of filter tiles. step: pixels multiplied at a time, at most DEPTH. x_elements: the elements
// of all of x.
NOT_INLINED void weights_patches_item(const long id, local float* restrict block,
                                      local int* restrict offsets, local int* restrict tap_rows,
                                      local int* restrict columns, local int* restrict quad_rows,
                                      local int* restrict quad_columns, PARAMETERS) {
  const int e0 = (int)(id % blocks) * BLOCK;
  const int run_index = (int)(id / blocks % runs);
  const int group_index = (int)(id / blocks / runs % groups);
  const long part = id / blocks / runs / groups;
  const int tiles = (filters + TF - 1) / TF;
  const int first_tile = (int)((long)tiles * run_index / runs);
  const int last_tile = (int)((long)tiles * (run_index + 1) / runs);
  const int patch = channels * kh * kw;
  const int image_pixels = oh * ow;
  const long first = part * pixels_per_part;
  const long last = min(first + pixels_per_part, pixels);

  // Elements beyond the last one see no row of x.
  for (int e = 0; e < BLOCK; ++e) {
    const int at = min(e0 + e, patch - 1);
    const int in_row = at / kw % kh * dh - pt;
    columns[e] = at % kw * dw - pl;
    offsets[e] = (at / (kh * kw) * h + in_row) * w + columns[e];
    tap_rows[e] = e0 + e < patch ? in_row : -INT_MAX / 2;
  }
  for (int at = 0; at < 4 * BLOCK; ++at) {
    const int lane = at % VW;
    const int e = at / (4 * VW) * VW + lane / 4 * 4 + at / VW % 4;
    quad_rows[at] = tap_rows[e];
    quad_columns[at] = columns[e] + lane % 4 * sw;
  }
  int least = offsets[0];
  int most = offsets[0];
  for (int e = 1; e < BLOCK; ++e) {
    least = min(least, offsets[e]);
    most = max(most, offsets[e]);
  }

  for (long t0 = first; t0 < last; t0 += step) {
    const int count = (int)min((long)step, last - t0);
    const long image0 = t0 / image_pixels;
    const int pixel0 = (int)(t0 % image_pixels);

    long image = image0;
    int i = pixel0 / ow;
    int j = pixel0 % ow;
    for (int t = 0; t < count;) {
      const int run = min(ow - j, count - t);
      const long from = (image * groups + group_index) * channels * h * w + (long)i * sh * w + j * sw;
      local float* out = block + t * BLOCK;
#if SW > 0
      // Not `from + least >= 0`: of that, Intel's runtime for CPUs (2026.22) makes code that reads in front of x.
      if (from >= -(long)least && from + most + (run + 3) / 4 * 4 * SW <= x_elements) {
#pragma unroll
        for (int v = 0; v < KV; ++v) {
          intv starts[4];  // columns of the first quads; far out where the row is
#pragma unroll
          for (int k = 0; k < 4; ++k) {
            const intv in_row = i * sh + LOAD_I(quad_rows + (v * 4 + k) * VW);
            const intv column = j * SW + LOAD_I(quad_columns + (v * 4 + k) * VW);
            starts[k] = in_row >= 0 && in_row < h ? column : (intv)(INT_MIN / 2);
          }
          for (int r = 0; r < run; r += 4) {
            floatv quads[4];
#pragma unroll
            for (int k = 0; k < 4; ++k) {
              const floatv q = get_quads(x + from + r * SW, offsets + v * VW + k);
              quads[k] = AS_UINTV(starts[k] + r * SW) < (uintv)(w) ? q : (floatv)(0.0f);
            }
#pragma unroll
            for (int half_quad = 0; half_quad < 2; ++half_quad) {
              floatv ab, cd, even, odd;
              ab.EVEN = half_quad == 0 ? quads[0].LOWER : quads[0].UPPER;
              ab.ODD = half_quad == 0 ? quads[1].LOWER : quads[1].UPPER;
              cd.EVEN = half_quad == 0 ? quads[2].LOWER : quads[2].UPPER;
              cd.ODD = half_quad == 0 ? quads[3].LOWER : quads[3].UPPER;
              even.LOWER = ab.LOWER;
              even.UPPER = cd.LOWER;
              odd.LOWER = ab.UPPER;
              odd.UPPER = cd.UPPER;
              local float* to = out + (r + 2 * half_quad) * BLOCK + v * VW;
              IN_ONE_PIECE(local, to) = even;
              IN_ONE_PIECE(local, to + BLOCK) = odd;
            }
          }
        }
      } else
#endif
      {
        for (int e = 0; e < BLOCK; ++e) {
          const int in_row = i * sh + tap_rows[e];
          const int real = in_row >= 0 && in_row < h;
          for (int r = 0; r < run; ++r) {
            const int column = (j + r) * sw + columns[e];
            out[r * BLOCK + e] =
                real && column >= 0 && column < w ? GET(x, from + offsets[e] + r * sw) : 0.0f;
          }
        }
      }
      t += run;
      j += run;
      if (j == ow) {
        j = 0;
        if (++i == oh) {
          i = 0;
          ++image;
        }
      }
    }

    for (int tile = first_tile; tile < last_tile; ++tile) {
      // The last tile overlaps the one before, whose filters it does not store.
      const int f0 = min(tile * TF, filters - TF);
      const int stored = tile * TF - f0;
      floatv acc[TF][KV];
      CLEAR_TILE(acc, TF, KV)
      long segment_image = image0;
      int segment_pixel = pixel0;
      local const float* patches = block;
      for (int t = 0; t < count;) {
        const int run = min(image_pixels - segment_pixel, count - t);
        global const float* gradient =
            dy + ((segment_image * groups + group_index) * filters + f0) * image_pixels + segment_pixel;
        for (int k = 0; k < run; ++k, ++gradient, patches += BLOCK) {
          MULTIPLY_TILE(acc, TF, KV, LOAD_V(patches + v * VW), gradient[(long)i * image_pixels])
        }
        t += run;
        segment_pixel = 0;
        ++segment_image;
      }
      global float* out = result + part * part_stride +
                          ((long)group_index * filters + f0) * patch + e0;
      if (e0 + BLOCK <= patch) {
#pragma unroll
        for (int m = 0; m < TF; ++m) {
          if (m < stored) continue;
#pragma unroll
          for (int v = 0; v < KV; ++v) {
            global float* at = out + (long)m * patch + v * VW;
            IN_ONE_PIECE(global, at) =
                t0 == first ? acc[m][v] : IN_ONE_PIECE(global, at) + acc[m][v];
          }
        }
      } else {
        float values[TF * BLOCK];
        STORE_TILE(acc, TF, KV, values + i * BLOCK + v * VW)
        for (int m = stored; m < TF; ++m) {
          global float* at = out + (long)m * patch;
          for (int e = 0; e < patch - e0; ++e) {
            at[e] = values[m * BLOCK + e] + (t0 == first ? 0.0f : at[e]);
          }
        }
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void weights_patches(PARAMETERS) {
  // Pixels are transposed in quads, the last of which may reach beyond them.
  local float block[(DEPTH + 3) * BLOCK] __attribute__((aligned(64)));
  local int offsets[BLOCK];
  local int tap_rows[BLOCK];
  local int columns[BLOCK];
  // The same for the lanes of quads.
  local int quad_rows[4 * BLOCK];
  local int quad_columns[4 * BLOCK];
  weights_patches_item(get_group_id(0), block, offsets, tap_rows, columns, quad_rows, quad_columns, ARGUMENTS);
}
