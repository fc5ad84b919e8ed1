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

#define PARAMETERS_WITH(restrict) \
  global const element* restrict x, global const float* restrict dy, \
  global float* restrict result, long x_elements, int channels, int h, int w, int filters, \
  int kh, int kw, int pt, int pl, int sh, int sw, int dh, int dw, int oh, int ow, int groups, \
  int blocks, int runs, long pixels, long pixels_per_part, int step, long part_stride
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS \
  x, dy, result, x_elements, channels, h, w, filters, kh, kw, pt, pl, sh, sw, dh, dw, oh, ow, \
  groups, blocks, runs, pixels, pixels_per_part, step, part_stride

// A work-group's share: a block of patch elements, a run of filter tiles, and the pixels [first, last) of its part.
typedef struct {
  int e0, patch, group_index, first_tile, last_tile;
  long part, first, last;
} Share;

ALWAYS_INLINE Share share_of(const long id, PLAIN_PARAMETERS) {
  Share share;
  const int run_index = (int)(id / blocks % runs);
  const int tiles = (filters + TF - 1) / TF;
  share.e0 = (int)(id % blocks) * BLOCK;
  share.patch = channels * kh * kw;
  share.group_index = (int)(id / blocks / runs % groups);
  share.part = id / blocks / runs / groups;
  share.first_tile = (int)((long)tiles * run_index / runs);
  share.last_tile = (int)((long)tiles * (run_index + 1) / runs);
  share.first = share.part * pixels_per_part;
  share.last = min(share.first + pixels_per_part, pixels);
  return share;
}

// Where the elements of the block are: the row and the column of x that pixel (0,0) sees, and the distance between this
// and the image's first element. The same for the lanes of quads.
typedef struct {
  local int *offsets, *tap_rows, *columns, *quad_rows, *quad_columns;
  int least, most;  // offsets
} Elements;

ALWAYS_INLINE void find_elements(Elements* at, const int e0, const int patch, const int h, const int w, const int kh,
                                 const int kw, const int pt, const int pl, const int sw, const int dh, const int dw) {
  // Elements beyond the last one see no row of x.
  for (int e = 0; e < BLOCK; ++e) {
    const int index = min(e0 + e, patch - 1);
    const int in_row = index / kw % kh * dh - pt;
    at->columns[e] = index % kw * dw - pl;
    at->offsets[e] = (index / (kh * kw) * h + in_row) * w + at->columns[e];
    at->tap_rows[e] = e0 + e < patch ? in_row : -INT_MAX / 2;
  }
  for (int q = 0; q < 4 * BLOCK; ++q) {
    const int lane = q % VW;
    const int e = q / (4 * VW) * VW + lane / 4 * 4 + q / VW % 4;
    at->quad_rows[q] = at->tap_rows[e];
    at->quad_columns[q] = at->columns[e] + lane % 4 * sw;
  }
  at->least = at->most = at->offsets[0];
  for (int e = 1; e < BLOCK; ++e) {
    at->least = min(at->least, at->offsets[e]);
    at->most = max(at->most, at->offsets[e]);
  }
}

#if SW > 0
// Stores four quads as the vectors of four pixels, BLOCK floats apart.
ALWAYS_INLINE void transpose_quads(const floatv quads[4], local float* out) {
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
    local float* to = out + 2 * half_quad * BLOCK;
    IN_ONE_PIECE(local, to) = even;
    IN_ONE_PIECE(local, to + BLOCK) = odd;
  }
}

// Copies the patches of `run` neighbouring pixels from (i, j) on, a multiple of four of them; the image's elements that
// pixel sees are from x[from] on.
ALWAYS_INLINE void stage_quads(global const element* x, const long from, const Elements at, const int i, const int j,
                               const int run, const int h, const int w, const int sh, local float* out) {
#pragma unroll
  for (int v = 0; v < KV; ++v) {
    intv starts[4];  // columns of the first quads; far out where the row is
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const intv in_row = i * sh + LOAD_I(at.quad_rows + (v * 4 + k) * VW);
      const intv column = j * SW + LOAD_I(at.quad_columns + (v * 4 + k) * VW);
      starts[k] = in_row >= 0 && in_row < h ? column : (intv)(INT_MIN / 2);
    }
    for (int r = 0; r < run; r += 4) {
      floatv quads[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const floatv q = get_quads(x + from + r * SW, at.offsets + v * VW + k);
        quads[k] = AS_UINTV(starts[k] + r * SW) < (uintv)(w) ? q : (floatv)(0.0f);
      }
      transpose_quads(quads, out + r * BLOCK + v * VW);
    }
  }
}
#endif

// The same, one element after the other.
ALWAYS_INLINE void stage_elements(global const element* x, const long from, const Elements at, const int i, const int j,
                                  const int run, const int h, const int w, const int sh, const int sw,
                                  local float* out) {
  for (int e = 0; e < BLOCK; ++e) {
    const int in_row = i * sh + at.tap_rows[e];
    const int real = in_row >= 0 && in_row < h;
    for (int r = 0; r < run; ++r) {
      const int column = (j + r) * sw + at.columns[e];
      out[r * BLOCK + e] = real && column >= 0 && column < w ? GET(x, from + at.offsets[e] + r * sw) : 0.0f;
    }
  }
}

// Gathers the patches of `count` pixels, from pixel `pixel0` of image `image` on.
ALWAYS_INLINE void stage_patches(local float* block, const Elements at, const int group_index, long image,
                                 const int pixel0, const int count, PLAIN_PARAMETERS) {
  int i = pixel0 / ow;
  int j = pixel0 % ow;
  for (int t = 0; t < count;) {
    const int run = min(ow - j, count - t);
    const long from = (image * groups + group_index) * channels * h * w + (long)i * sh * w + j * sw;
    local float* out = block + t * BLOCK;
#if SW > 0
    // Not `from + least >= 0`: of that, Intel's runtime for CPUs (2026.22) makes code that reads in front of x.
    if (from >= -(long)at.least && from + at.most + (run + 3) / 4 * 4 * SW <= x_elements) {
      stage_quads(x, from, at, i, j, run, h, w, sh, out);
    } else
#endif
    {
      stage_elements(x, from, at, i, j, run, h, w, sh, sw, out);
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
}

// acc += dy of TF filters from `f0` of the group on, times the patches of `count` pixels.
ALWAYS_INLINE void multiply_patches(floatv acc[TF][KV], global const float* dy, local const float* patches, long image,
                                    int pixel, const int count, const int image_pixels, const int group_index,
                                    const int f0, const int groups, const int filters) {
  for (int t = 0; t < count;) {
    const int run = min(image_pixels - pixel, count - t);
    global const float* gradient = dy + ((image * groups + group_index) * filters + f0) * image_pixels + pixel;
    for (int k = 0; k < run; ++k, ++gradient, patches += BLOCK) {
      MULTIPLY_TILE(acc, TF, KV, LOAD_V(patches + v * VW), gradient[(long)i * image_pixels])
    }
    t += run;
    pixel = 0;
    ++image;
  }
}

// Adds the tile's sums to the result, or stores the `first` ones there. Filters before `stored` are left out.
ALWAYS_INLINE void store_tile(const floatv acc[TF][KV], global float* out, const int stored, const int elements,
                              const int patch, const int first) {
  if (elements >= BLOCK) {
#pragma unroll
    for (int m = 0; m < TF; ++m) {
      if (m < stored) continue;
#pragma unroll
      for (int v = 0; v < KV; ++v) {
        global float* at = out + (long)m * patch + v * VW;
        IN_ONE_PIECE(global, at) = first ? acc[m][v] : IN_ONE_PIECE(global, at) + acc[m][v];
      }
    }
  } else {
    float values[TF * BLOCK];
    STORE_TILE(acc, TF, KV, values + i * BLOCK + v * VW)
    for (int m = stored; m < TF; ++m) {
      global float* at = out + (long)m * patch;
      for (int e = 0; e < elements; ++e) at[e] = values[m * BLOCK + e] + (first ? 0.0f : at[e]);
    }
  }
}

// runs: the number of runs of filter tiles. step: pixels multiplied at a time, at most DEPTH. x_elements: the elements
// of all of x.
NOT_INLINED void weights_patches_item(const long id, local float* restrict block,
                                      local int* restrict offsets, local int* restrict tap_rows,
                                      local int* restrict columns, local int* restrict quad_rows,
                                      local int* restrict quad_columns, PARAMETERS) {
  const Share share = share_of(id, ARGUMENTS);
  const int image_pixels = oh * ow;
  Elements at = {offsets, tap_rows, columns, quad_rows, quad_columns, 0, 0};
  find_elements(&at, share.e0, share.patch, h, w, kh, kw, pt, pl, sw, dh, dw);
  for (long t0 = share.first; t0 < share.last; t0 += step) {
    const int count = (int)min((long)step, share.last - t0);
    const long image0 = t0 / image_pixels;
    const int pixel0 = (int)(t0 % image_pixels);
    stage_patches(block, at, share.group_index, image0, pixel0, count, ARGUMENTS);
    for (int tile = share.first_tile; tile < share.last_tile; ++tile) {
      // The last tile overlaps the one before, whose filters it does not store.
      const int f0 = min(tile * TF, filters - TF);
      floatv acc[TF][KV];
      CLEAR_TILE(acc, TF, KV)
      multiply_patches(acc, dy, block, image0, pixel0, count, image_pixels, share.group_index, f0, groups, filters);
      store_tile(acc,
                 result + share.part * part_stride + ((long)share.group_index * filters + f0) * share.patch + share.e0,
                 tile * TF - f0, share.patch - share.e0, share.patch, t0 == share.first);
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
