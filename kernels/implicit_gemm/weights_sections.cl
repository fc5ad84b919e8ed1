// parts: register_tile stage_transposed inside prefetch
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

#define PARAMETERS_WITH(restrict) \
  global const element* restrict x, global const element* restrict dy, global const element* restrict y_mask, \
  global float* restrict result, long images, int channels, int h, int w, int filters, int kh, int kw, int pt, int pl, \
  int oh, int ow, int groups, int runs, int section, int columns, int gradient_at, int stage_at, \
  long rows_per_part, long part_stride
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS \
  x, dy, y_mask, result, images, channels, h, w, filters, kh, kw, pt, pl, oh, ow, groups, runs, section, columns, \
  gradient_at, stage_at, rows_per_part, part_stride

// A work-group's share: a run of blocks of filters, and the rows [first, last) of its part.
typedef struct {
  int group_index, first_block, last_block, patch;
  long part, first, last;
} Share;

ALWAYS_INLINE Share share_of(const long id, PLAIN_PARAMETERS) {
  Share share;
  const int run_index = (int)(id % runs);
  const int blocks = (filters + BLOCK - 1) / BLOCK;
  share.group_index = (int)(id / runs % groups);
  share.part = id / runs / groups;
  share.patch = channels * kh * kw;
  share.first_block = (int)((long)blocks * run_index / runs);
  share.last_block = (int)((long)blocks * (run_index + 1) / runs);
  share.first = share.part * rows_per_part;
  share.last = min(share.first + rows_per_part, images * oh);
  return share;
}

// Copies a block of dy to local memory, transposed: `count` pixels of each filter, from element `at` on; of the filters
// `rest` exist.
ALWAYS_INLINE void stage_gradient(global const element* dy, global const element* y_mask, const long at,
                                  const long dy_size, const long image_pixels, const int rest, const int count,
                                  local float* gradient) {
#pragma nounroll
  for (int v = 0; v < KV; ++v) {
    if (rest - v * VW > 0) {
      stage_transposed(dy, y_mask, 1, at + v * VW * image_pixels, dy_size, image_pixels, rest - v * VW, count,
                       gradient + v * VW, BLOCK);
    }
  }
}

// Adds the products of the section's rows to the sums of the tile (c0, p0, q0) of a block; those of the tiles before
// stay as they are. Not a function: of that LLVM 15 makes code that takes a tenth longer (effnet_stem; 2-core Zen 3,
// 2026-11).
#define SUM_OF(i) (to + (((i) / (TP * TQ) * kh + (i) / TQ % TP) * kw + (i) % TQ) * BLOCK + v * VW)
#define MULTIPLY_SECTION()                                                                              \
  const int c0 = min(first_c, channels - TC);                                                           \
  const int p0 = min(first_p, kh - TP);                                                                 \
  const int q0 = min(first_q, kw - TQ);                                                                 \
  local float* to = sums + ((block - share.first_block) * share.patch + (c0 * kh + p0) * kw + q0) * BLOCK;          \
  floatv acc[TAPS][KV];                                                                                 \
  LOAD_TILE(acc, TAPS, KV, SUM_OF(i))                                                                   \
  PLACE_TILE()                                                                                          \
  for (int r = first_r; r < last_r; ++r) {                                                              \
    Pixels x_row = x_at + r * SH * PITCH + first_j * SW;                                                \
    PREFETCH_ROWS()                                                                                     \
    local const float* gradient_row = gradient + (r * ow + first_j) * BLOCK;                            \
    for (int j = first_j; j < last_j; ++j, x_row += SW, gradient_row += BLOCK) {                        \
      MULTIPLY_TILE(acc, TAPS, KV, LOAD_V(gradient_row + v * VW),                                       \
                    x_row[i / (TP * TQ) * PLANE + i / TQ % TP * DH * PITCH + i % TQ * DW])              \
    }                                                                                                   \
  }                                                                                                     \
  _Pragma("unroll") for (int i = 0; i < TAPS; ++i) {                                                    \
    if (c0 + i / (TP * TQ) < first_c || p0 + i / TQ % TP < first_p || q0 + i % TQ < first_q) continue;  \
    _Pragma("unroll") for (int v = 0; v < KV; ++v) STORE_V(acc[i][v], SUM_OF(i));                       \
  }

// Where the tile's pixels are, and which of them count. In place, the next rows of each plane are prefetched, which no
// hardware prefetcher foresees.
#if IN_PLACE
#define PLACE_TILE()                                                                  \
  const int top = y * SH + p0 * DH - pt;                                              \
  const int left = q0 * DW - pl;                                                      \
  const int first_r = first_inside(top, SH), last_r = last_inside(top, SH, rows, h);  \
  const int first_j = first_inside(left, SW), last_j = last_inside(left, SW, ow, w);  \
  Pixels x_at = x + (x_planes + c0) * PLANE + (long)top * PITCH + left;
#define PREFETCH_ROWS()                                                                                             \
  if (y + rows < oh && first_q == 0 && first_p == kh - 1) {                                                         \
    for (int i = 0; i < TC; ++i) {                                                                                  \
      for (int line = 0; line < ow * SW; line += LINE) PREFETCH_FAR(x_row + i * PLANE + rows * SH * PITCH + line);  \
    }                                                                                                               \
  }
#else
#define PLACE_TILE()                                               \
  const int first_r = 0, last_r = rows, first_j = 0, last_j = ow;  \
  Pixels x_at = stage + c0 * PLANE + p0 * DH * PITCH + q0 * DW;
#define PREFETCH_ROWS()
#endif

// The sums of a work-group's blocks become rows of dw.
ALWAYS_INLINE void store_blocks(local const float* sums, const Share share, const int filters,
                                global float* out) {
  for (int block = share.first_block; block < share.last_block; ++block) {
#pragma nounroll
    for (int v = 0; v < KV; ++v) {
      const int filter = block * BLOCK + v * VW;
      if (filter < filters) {
        store_transposed(sums + (block - share.first_block) * share.patch * BLOCK + v * VW, share.patch,
                         filters - filter, BLOCK, out + (long)filter * share.patch, share.patch);
      }
    }
  }
}

// runs: how many runs the blocks of filters are divided into. section: rows of dy that are staged at once. columns: of
// x, staged. gradient_at, stage_at: where dy and x are in local memory, behind the sums.
NOT_INLINED void weights_sections_item(const long id, local float* restrict sums, PARAMETERS) {
  local float* gradient = sums + gradient_at;
  local float* stage = sums + stage_at;
  const Share share = share_of(id, ARGUMENTS);
  const long image_pixels = (long)oh * ow;
  const long x_size = images * groups * channels * h * w, dy_size = images * groups * filters * image_pixels;
  const int all_sums = (share.last_block - share.first_block) * share.patch * BLOCK;
  for (int e = 0; e < all_sums; e += VW) IN_ONE_PIECE(local, sums + e) = (floatv)(0.0f);
  for (long row = share.first; row < share.last;) {
    const long image = row / oh;
    const int y = (int)(row % oh);
    const int rows = min(section, (int)min((long)(oh - y), share.last - row));
    const long x_planes = (image * groups + share.group_index) * channels;
#if !IN_PLACE
    for (int channel = 0; channel < channels; ++channel) {
      stage_rows(x, x, 0, (x_planes + channel) * h * w, x_size, h, w, y * SH - pt, -pl,
                 (rows - 1) * SH + (kh - 1) * DH + 1, columns, stage + channel * PLANE, PITCH);
    }
#endif
    for (int block = share.first_block; block < share.last_block; ++block) {
      const long filter = (image * groups + share.group_index) * filters + block * BLOCK;
      stage_gradient(dy, y_mask, filter * image_pixels + (long)y * ow, dy_size, image_pixels, filters - block * BLOCK,
                     rows * ow, gradient);
      for (int first_c = 0; first_c < channels; first_c += TC) {
        for (int first_p = 0; first_p < kh; first_p += TP) {
          for (int first_q = 0; first_q < kw; first_q += TQ) {
            MULTIPLY_SECTION()
          }
        }
      }
    }
    row += rows;
  }
  store_blocks(sums, share, filters,
               result + share.part * part_stride + (long)share.group_index * filters * share.patch);
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void weights_sections(PARAMETERS) {
  local float memory[LOCAL * 256] __attribute__((aligned(64)));
  weights_sections_item(get_group_id(0), memory, ARGUMENTS);
}
