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

#define PARAMETERS \
  global const element* restrict x, global const float* restrict dy, \
  global float* restrict result, long x_elements, int channels, int h, int w, int filters, \
  int kh, int kw, int pt, int pl, int sh, int sw, int dh, int dw, int oh, int ow, int groups, \
  int blocks, int runs, int vectors, int pieces, int piece, int at_once, long all_pieces, \
  long pieces_per_part, long part_stride
#define ARGUMENTS \
  x, dy, result, x_elements, channels, h, w, filters, kh, kw, pt, pl, sh, sw, dh, dw, oh, ow, \
  groups, blocks, runs, vectors, pieces, piece, at_once, all_pieces, pieces_per_part, \
  part_stride

// The `vectors` of an image are cut into `pieces` of `piece` vectors; `at_once` pieces fit DEPTH pixels. runs: the
// number of runs of filter tiles. x_elements: the elements of all of x.
NOT_INLINED void weights_planes_item(const long id, local float* restrict block, PARAMETERS) {
  const int block_index = (int)(id % blocks);
  const int run_index = (int)(id / blocks % runs);
  const int group_index = (int)(id / blocks / runs % groups);
  const long part = id / blocks / runs / groups;
  const int patch = channels * kh * kw;
  const int element_tiles = (patch + NE - 1) / NE;
  const int e0 = (int)((long)element_tiles * block_index / blocks) * NE;
  const int elements = (int)((long)element_tiles * (block_index + 1) / blocks) * NE - e0;
  const int tiles = (filters + MR - 1) / MR;
  const int first_tile = (int)((long)tiles * run_index / runs);
  const int last_tile = (int)((long)tiles * (run_index + 1) / runs);
  const int image_pixels = oh * ow;
  const long first = part * pieces_per_part;
  const long last = min(first + pieces_per_part, all_pieces);

  for (long piece0 = first; piece0 < last; piece0 += at_once) {
    const int count = (int)min((long)at_once, last - piece0);
    for (int e = 0; e < elements; ++e) {
      // Elements beyond the last one see no row of x.
      const int element_index = min(e0 + e, patch - 1);
      const int tap_y = e0 + e < patch ? element_index / kw % kh * dh - pt : -INT_MAX / 2;
      const int tap_x = element_index % kw * dw - pl;
      local float* out = block + e * ROW;
      for (int s = 0; s < count; ++s) {
        const long image = (piece0 + s) / pieces;
        const int q0 = (int)((piece0 + s) % pieces) * piece;
        const int end = min((q0 + piece) * VW, image_pixels);
        const long plane =
            ((image * groups + group_index) * channels + element_index / (kh * kw)) * h * w;
        int i = q0 * VW / ow;
        int j = q0 * VW % ow;
        for (int t = q0 * VW; t < end;) {
          const int run = min(ow - j, end - t);
          const int in_row = i * sh + tap_y;
          const int column = j * sw + tap_x;
          const long from = plane + (long)in_row * w + column;
          if (in_row < 0 || in_row >= h) {
            for (int r = 0; r < run; r += VW) IN_ONE_PIECE(local, out + r) = (floatv)(0.0f);
#if SW > 0
          } else if (from >= 0 && from + (run + VW - 1) / VW * VW * SW <= x_elements) {
            const intv columns = LANES * SW + column;
            for (int r = 0; r < run; r += VW) {
              const floatv value = GET_PIXELS(x + from + r * SW);
              IN_ONE_PIECE(local, out + r) =
                  AS_UINTV(columns + r * SW) < (uintv)(w) ? value : (floatv)(0.0f);
            }
#endif
          } else {
            for (int r = 0; r < run; ++r) {
              const int at = column + r * sw;
              out[r] = at >= 0 && at < w ? GET(x, from + r * sw) : 0.0f;
            }
          }
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

    for (int e = 0; e < elements; e += NE) {
      for (int tile = first_tile; tile < last_tile; ++tile) {
        // The last tile overlaps the one before, whose filters it does not store.
        const int f0 = min(tile * MR, filters - MR);
        floatv acc[MR][NE];
        CLEAR_TILE(acc, MR, NE)
        local const float* rows = block + e * ROW;
        for (int s = 0; s < count; ++s) {
          const long image = (piece0 + s) / pieces;
          const int q0 = (int)((piece0 + s) % pieces) * piece;
          const int q1 = min(q0 + piece, vectors);
          global const float* gradient =
              dy + ((image * groups + group_index) * filters + f0) * image_pixels;
          for (int q = q0; q < q1; ++q, rows += VW) {
            const long at = min(q * VW, image_pixels - VW);
            MULTIPLY_LANES(acc, MR, NE, LOAD_V(gradient + (long)i * image_pixels + at),
                           LOAD_V(rows + v * ROW))
          }
        }
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
        float values[SUMS];
#pragma unroll
        for (int s = 0; s < SUMS / VW; ++s) STORE_V(sums[s], values + s * VW);
        for (int m = tile * MR - f0; m < MR; ++m) {
          global float* to = result + part * part_stride +
                             ((long)group_index * filters + f0 + m) * patch + e0 + e;
          const int real = min(NE, patch - e0 - e);
          for (int n = 0; n < real; ++n) {
            to[n] = values[m * NE + n] + (piece0 == first ? 0.0f : to[n]);
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
