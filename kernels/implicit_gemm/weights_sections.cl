// parts: register_tile stage_transposed prefetch
// Implicit GEMM for the weight gradient, on CPUs, vectors along the filters; both operands are staged, one launch:
// dw (filters x channels*kh*kw) = dy (filters x pixels) times the patches of x (pixels x channels*kh*kw), gathered
// while multiplying. The reduction runs over the pixels of all images. It can be split into parts, whose sums another
// kernel adds in a fixed order: the results are floats, dw itself or a part.
//
//   dy of a section, transposed:       x of a section, with padding       registers, floatv each
//     pixel [ KV vectors of filters ]    TC planes, TP x TQ taps            acc[TC*TP*TQ][KV]
//       |   [                       ]
//       v
//
// For few channels per group: first layers, grouped convolutions. One work-item per work-group, which takes a run of
// blocks of filters, section by section: some rows of dy and the rows of x that these meet. Per pixel and tile: KV
// vector loads, TC*TP*TQ broadcasts, TC*TP*TQ*KV fused multiply-adds, as in weights_filters. Between two sections the
// sums are in local memory, one vector per element of a patch. Tiles at the end of channels and taps overlap the ones
// before, whose sums they do not store (channels >= TC, kh >= TP, kw >= TQ).
//
// Macros: KV TC TP TQ VW LOCAL (KiB); PITCH, PLANE: floats from a row and a plane of x to the next, staged or in place;
// SH SW DH DW, MASK, STORAGE_... All other sizes are arguments. PITCH and PLANE are constants so that a tile has one
// pointer: as arguments LLVM 15 makes one per tap, and keeps them on the stack, which takes twice the time.

#define TAPS (TC * TP * TQ)
#define BLOCK (VW * KV)
#define LINE 16  // floats of a cache line

// Tiles of a single tap read x in place, and leave out the pixels whose tap meets padding.
#if TP * TQ == 1 && !defined(STORED_AS)
#define IN_PLACE 1
typedef global const float* Pixels;
#else
#define IN_PLACE 0
typedef local const float* Pixels;
#endif

// The tap of result 0 is at `at`, that of each next result `step` further. The first result whose tap is not in front
// of an image, and the one behind the last whose tap is not behind it.
inline int first_inside(const int at, const int step) {
  return at < 0 ? (step - 1 - at) / step : 0;
}
inline int last_inside(const int at, const int step, const int count, const int size) {
  return at >= size ? 0 : min(count, (size - 1 - at) / step + 1);
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict dy, global const element* restrict y_mask, \
  global float* restrict result, long images, int channels, int h, int w, int filters, int kh, int kw, int pt, int pl, \
  int oh, int ow, int groups, int runs, int section, int columns, int gradient_at, int stage_at, \
  long rows_per_part, long part_stride
#define ARGUMENTS \
  x, dy, y_mask, result, images, channels, h, w, filters, kh, kw, pt, pl, oh, ow, groups, runs, section, columns, \
  gradient_at, stage_at, rows_per_part, part_stride

// runs: how many runs the blocks of filters are divided into. section: rows of dy that are staged at once. columns: of
// x, staged. gradient_at, stage_at: where dy and x are in local memory, behind the sums.
NOT_INLINED void weights_sections_item(const long id, local float* restrict sums, PARAMETERS) {
  local float* gradient = sums + gradient_at;
  local float* stage = sums + stage_at;
  const int run_index = (int)(id % runs);
  const int group_index = (int)(id / runs % groups);
  const long part = id / runs / groups;
  const int patch = channels * kh * kw;
  const int blocks = (filters + BLOCK - 1) / BLOCK;
  const int first_block = (int)((long)blocks * run_index / runs);
  const int last_block = (int)((long)blocks * (run_index + 1) / runs);
  const long image_pixels = (long)oh * ow;
  const long x_size = images * groups * channels * h * w, dy_size = images * groups * filters * image_pixels;
  const long first = part * rows_per_part;
  const long last = min(first + rows_per_part, images * oh);

  for (int e = 0; e < (last_block - first_block) * patch * BLOCK; e += VW) IN_ONE_PIECE(local, sums + e) = (floatv)(0.0f);
  for (long row = first; row < last;) {
    const long image = row / oh;
    const int y = (int)(row % oh);
    const int rows = min(section, (int)min((long)(oh - y), last - row));
    const long x_planes = (image * groups + group_index) * channels;
    // No hardware prefetcher foresees the next rows of each plane.
    const bool ahead = y + rows < oh;
#if !IN_PLACE
    for (int channel = 0; channel < channels; ++channel) {
      stage_rows(x, x, 0, (x_planes + channel) * h * w, x_size, h, w, y * SH - pt, -pl, (rows - 1) * SH + (kh - 1) * DH + 1,
                 columns, stage + channel * PLANE, PITCH);
    }
#endif
    for (int block = first_block; block < last_block; ++block) {
      const long filter = (image * groups + group_index) * filters + block * BLOCK;
#pragma nounroll
      for (int v = 0; v < KV; ++v) {
        const int rest = filters - block * BLOCK - v * VW;
        if (rest > 0) {
          stage_transposed(dy, y_mask, 1, (filter + v * VW) * image_pixels + (long)y * ow, dy_size, image_pixels, rest,
                           rows * ow, gradient + v * VW, BLOCK);
        }
      }
      for (int first_c = 0; first_c < channels; first_c += TC) {
        for (int first_p = 0; first_p < kh; first_p += TP) {
          for (int first_q = 0; first_q < kw; first_q += TQ) {
            const int c0 = min(first_c, channels - TC);
            const int p0 = min(first_p, kh - TP);
            const int q0 = min(first_q, kw - TQ);
            local float* to = sums + ((block - first_block) * patch + (c0 * kh + p0) * kw + q0) * BLOCK;
#define SUM_OF(i) (to + (((i) / (TP * TQ) * kh + (i) / TQ % TP) * kw + (i) % TQ) * BLOCK + v * VW)
            floatv acc[TAPS][KV];
            LOAD_TILE(acc, TAPS, KV, SUM_OF(i))
#if IN_PLACE
            const int top = y * SH + p0 * DH - pt;
            const int left = q0 * DW - pl;
            const int first_r = first_inside(top, SH), last_r = last_inside(top, SH, rows, h);
            const int first_j = first_inside(left, SW), last_j = last_inside(left, SW, ow, w);
            Pixels x_at = x + (x_planes + c0) * PLANE + (long)top * PITCH + left;
#else
            const int first_r = 0, last_r = rows, first_j = 0, last_j = ow;
            Pixels x_at = stage + c0 * PLANE + p0 * DH * PITCH + q0 * DW;
#endif
            for (int r = first_r; r < last_r; ++r) {
              Pixels x_row = x_at + r * SH * PITCH + first_j * SW;
#if IN_PLACE
              if (ahead && first_q == 0 && first_p == kh - 1) {
                for (int i = 0; i < TC; ++i) {
                  for (int line = 0; line < ow * SW; line += LINE) {
                    PREFETCH_FAR(x_row + i * PLANE + rows * SH * PITCH + line);
                  }
                }
              }
#endif
              local const float* gradient_row = gradient + (r * ow + first_j) * BLOCK;
              for (int j = first_j; j < last_j; ++j, x_row += SW, gradient_row += BLOCK) {
                MULTIPLY_TILE(acc, TAPS, KV, LOAD_V(gradient_row + v * VW),
                              x_row[i / (TP * TQ) * PLANE + i / TQ % TP * DH * PITCH + i % TQ * DW])
              }
            }
#pragma unroll
            for (int i = 0; i < TAPS; ++i) {
              if (c0 + i / (TP * TQ) < first_c || p0 + i / TQ % TP < first_p || q0 + i % TQ < first_q) continue;
#pragma unroll
              for (int v = 0; v < KV; ++v) STORE_V(acc[i][v], SUM_OF(i));
            }
          }
        }
      }
    }
    row += rows;
  }

  global float* out = result + part * part_stride + (long)group_index * filters * patch;
  for (int block = first_block; block < last_block; ++block) {
#pragma nounroll
    for (int v = 0; v < KV; ++v) {
      const int filter = block * BLOCK + v * VW;
      if (filter < filters) {
        store_transposed(sums + (block - first_block) * patch * BLOCK + v * VW, patch, filters - filter, BLOCK,
                         out + (long)filter * patch, patch);
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void weights_sections(PARAMETERS) {
  local float memory[LOCAL * 256] __attribute__((aligned(64)));
  weights_sections_item(get_group_id(0), memory, ARGUMENTS);
}
