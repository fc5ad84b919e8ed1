// parts: register_tile lanes
// Implicit GEMM for the weight gradient, on CPUs, vectors along the pixels of an image:
// dw (filters x channels*kh*kw) = dy (filters x pixels) times the patches of x (pixels x channels*kh*kw), gathered
// while multiplying. The reduction runs over the pixels of all images. It can be split into parts, whose sums another
// kernel adds in a fixed order: the results are floats, dw itself or a part.
//
// Nothing is copied before; this body is for small patches.
//
//   dy, as it lies: MR filters      rows of patch elements, local: NE at a time      registers, floatv each
//     [ floatv ] ->                   element [ DEPTH pixels ]                         acc[MR][NE]
//                                       |     [              ]
//                                       v
//
// One work-item per work-group. Per vector of pixels: MR + NE vector loads, MR*NE fused multiply-adds; the lanes are
// added up once per DEPTH pixels. A work-group multiplies up to ELEMENT_TILES tiles of patch elements (channel, row,
// column of the filter) by a run of filters, some pieces of images at a time. The padding is zeroes in the rows. Where
// the pixels of an image are no whole number of vectors, the last vector starts earlier, with zeroes for the pixels of
// the one before. An image has at least VW pixels.
//
// Macros: MR NE DEPTH ELEMENT_TILES VW; SW (1, 2, or 0 for any), STORAGE_... dy is float, masked already. All other
// sizes are arguments.

#define ROW (DEPTH + VW)
#define SUMS ((MR * NE + VW - 1) / VW * VW)

#if SW == 2
#define GET_PIXELS(pointer) even_lanes(GET_V(pointer), GET_V((pointer) + VW))
#else
#define GET_PIXELS(pointer) GET_V(pointer)
#endif

// Folds two vectors of partial sums into one. The first fold adds halves. If it added neighbours, LLVM would use
// horizontal additions, which reach 16 registers only, and would keep the sums in these from the beginning.
inline floatv fold_halves(const floatv a, const floatv b) {
  floatv r;
  r.lo = a.lo + a.hi;
  r.hi = b.lo + b.hi;
  return r;
}
inline floatv fold_pairs(const floatv a, const floatv b) {
  floatv r;
  r.lo = a.even + a.odd;
  r.hi = b.even + b.odd;
  return r;
}
#define FOLD_LANES(fold, count) \
  _Pragma("unroll") for (int s = 0; s < (count) / 2; ++s) sums[s] = fold(sums[2 * s], sums[2 * s + 1]);

#define PARAMETERS_WITH(restrict) \
  global const element* restrict x, global const float* restrict dy, \
  global float* restrict result, long x_elements, int channels, int h, int w, int filters, \
  int kh, int kw, int pt, int pl, int sh, int sw, int dh, int dw, int oh, int ow, int groups, \
  int blocks, int runs, int vectors, int pieces, int piece, int at_once, long all_pieces, \
  long pieces_per_part, long part_stride
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS \
  x, dy, result, x_elements, channels, h, w, filters, kh, kw, pt, pl, sh, sw, dh, dw, oh, ow, \
  groups, blocks, runs, vectors, pieces, piece, at_once, all_pieces, pieces_per_part, \
  part_stride

// A work-group's share: patch elements, a run of filter tiles, and the pieces [first, last) of its part.
typedef struct {
  int e0, elements, patch, group_index, first_tile, last_tile;
  long part, first, last;
} Share;

ALWAYS_INLINE Share share_of(const long id, PLAIN_PARAMETERS) {
  Share share;
  const int block_index = (int)(id % blocks);
  const int run_index = (int)(id / blocks % runs);
  share.group_index = (int)(id / blocks / runs % groups);
  share.part = id / blocks / runs / groups;
  share.patch = channels * kh * kw;
  const int element_tiles = (share.patch + NE - 1) / NE;
  share.e0 = (int)((long)element_tiles * block_index / blocks) * NE;
  share.elements = (int)((long)element_tiles * (block_index + 1) / blocks) * NE - share.e0;
  const int tiles = (filters + MR - 1) / MR;
  share.first_tile = (int)((long)tiles * run_index / runs);
  share.last_tile = (int)((long)tiles * (run_index + 1) / runs);
  share.first = share.part * pieces_per_part;
  share.last = min(share.first + pieces_per_part, all_pieces);
  return share;
}

// Copies `run` pixels of a row of results that a tap sees, the first of them at x[from], row `in_row` and column
// `column` of a plane.
ALWAYS_INLINE void stage_run(global const element* x, const long from, const int in_row, const int column,
                             const int run, const int h, const int w, const int sw, const long x_elements,
                             local float* out) {
  if (in_row < 0 || in_row >= h) {
    for (int r = 0; r < run; r += VW) IN_ONE_PIECE(local, out + r) = (floatv)(0.0f);
#if SW > 0
  } else if (from >= 0 && from + (run + VW - 1) / VW * VW * SW <= x_elements) {
    const intv columns = LANES * SW + column;
    for (int r = 0; r < run; r += VW) {
      const floatv value = GET_PIXELS(x + from + r * SW);
      IN_ONE_PIECE(local, out + r) = AS_UINTV(columns + r * SW) < (uintv)(w) ? value : (floatv)(0.0f);
    }
#endif
  } else {
    for (int r = 0; r < run; ++r) {
      const int at = column + r * sw;
      out[r] = at >= 0 && at < w ? GET(x, from + r * sw) : 0.0f;
    }
  }
}

// Gathers the row of element `e` of the patches: the pixels of `count` pieces from piece `piece0` on that it sees.
ALWAYS_INLINE void stage_element(local float* out, const int e, const int patch, const int group_index,
                                 const long piece0, const int count, PLAIN_PARAMETERS) {
  // Elements beyond the last one see no row of x.
  const int element_index = min(e, patch - 1);
  const int tap_y = e < patch ? element_index / kw % kh * dh - pt : -INT_MAX / 2;
  const int tap_x = element_index % kw * dw - pl;
  for (int s = 0; s < count; ++s) {
    const long image = (piece0 + s) / pieces;
    const int q0 = (int)((piece0 + s) % pieces) * piece;
    const int end = min((q0 + piece) * VW, oh * ow);
    const long plane = ((image * groups + group_index) * channels + element_index / (kh * kw)) * h * w;
    int i = q0 * VW / ow;
    int j = q0 * VW % ow;
    for (int t = q0 * VW; t < end;) {
      const int run = min(ow - j, end - t);
      const int in_row = i * sh + tap_y;
      const int column = j * sw + tap_x;
      stage_run(x, plane + (long)in_row * w + column, in_row, column, run, h, w, sw, x_elements, out);
      t += run;
      out += run;
      j = 0;
      ++i;
    }
    const int odd = end % VW;
    if (odd > 0) {
      out += VW - odd;
      const floatv value = LOAD_V(out - VW - (VW - odd));
      IN_ONE_PIECE(local, out - VW) = LANES >= VW - odd ? value : (floatv)(0.0f);
    }
  }
}

// acc += dy of MR filters from `f0` of the group on, times the rows of NE elements, lane by lane.
ALWAYS_INLINE void multiply_rows(floatv acc[MR][NE], local const float* rows, const int f0, const int group_index,
                                 const long piece0, const int count, PLAIN_PARAMETERS) {
  const int image_pixels = oh * ow;
  for (int s = 0; s < count; ++s) {
    const long image = (piece0 + s) / pieces;
    const int q0 = (int)((piece0 + s) % pieces) * piece;
    const int q1 = min(q0 + piece, vectors);
    global const float* gradient = dy + ((image * groups + group_index) * filters + f0) * image_pixels;
    for (int q = q0; q < q1; ++q, rows += VW) {
      const long at = min(q * VW, image_pixels - VW);
      MULTIPLY_LANES(acc, MR, NE, LOAD_V(gradient + (long)i * image_pixels + at), LOAD_V(rows + v * ROW))
    }
  }
}

// values[m * NE + n]: the sum of the lanes of acc[m][n].
ALWAYS_INLINE void add_lanes(const floatv acc[MR][NE], float values[SUMS]) {
  floatv sums[SUMS];
#pragma unroll
  for (int s = 0; s < SUMS; ++s) {
    sums[s] = s < MR * NE ? acc[s / NE % MR][s % NE] : (floatv)(0.0f);
  }
  FOLD_LANES(fold_halves, SUMS)
  FOLD_LANES(fold_pairs, SUMS / 2)
#if VW >= 8
  FOLD_LANES(fold_pairs, SUMS / 4)
#endif
#if VW >= 16
  FOLD_LANES(fold_pairs, SUMS / 8)
#endif
#pragma unroll
  for (int s = 0; s < SUMS / VW; ++s) STORE_V(sums[s], values + s * VW);
}

// The `vectors` of an image are cut into `pieces` of `piece` vectors; `at_once` pieces fit DEPTH pixels. runs: the
// number of runs of filter tiles. x_elements: the elements of all of x.
NOT_INLINED void weights_planes_item(const long id, local float* restrict block, PARAMETERS) {
  const Share share = share_of(id, ARGUMENTS);
  for (long piece0 = share.first; piece0 < share.last; piece0 += at_once) {
    const int count = (int)min((long)at_once, share.last - piece0);
    for (int e = 0; e < share.elements; ++e) {
      stage_element(block + e * ROW, share.e0 + e, share.patch, share.group_index, piece0, count, ARGUMENTS);
    }
    for (int e = 0; e < share.elements; e += NE) {
      for (int tile = share.first_tile; tile < share.last_tile; ++tile) {
        // The last tile overlaps the one before, whose filters it does not store.
        const int f0 = min(tile * MR, filters - MR);
        floatv acc[MR][NE];
        CLEAR_TILE(acc, MR, NE)
        multiply_rows(acc, block + e * ROW, f0, share.group_index, piece0, count, ARGUMENTS);
        float values[SUMS];
        add_lanes(acc, values);
        for (int m = tile * MR - f0; m < MR; ++m) {
          global float* to = result + share.part * part_stride +
                             ((long)share.group_index * filters + f0 + m) * share.patch + share.e0 + e;
          const int real = min(NE, share.patch - share.e0 - e);
          for (int n = 0; n < real; ++n) {
            to[n] = values[m * NE + n] + (piece0 == share.first ? 0.0f : to[n]);
          }
        }
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void weights_planes(PARAMETERS) {
  local float block[ELEMENT_TILES * NE * ROW + VW] __attribute__((aligned(64)));
  weights_planes_item(get_group_id(0), block, ARGUMENTS);
}
