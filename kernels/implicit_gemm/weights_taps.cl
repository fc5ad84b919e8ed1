// parts: register_tile stage_rows lane_sums prefetch
// Implicit GEMM for the weight gradient, on CPUs, vectors along the pixels of a row; both operands are staged, one
// launch: dw (filters x channels*kh*kw) = dy (filters x pixels) times the patches of x (pixels x channels*kh*kw),
// gathered while multiplying. The reduction runs over the pixels of all images. It can be split into parts, whose sums
// another kernel adds in a fixed order: the results are floats, dw itself or a part.
//
//   dy of a section: MR filters        x of a section, padded, every SW-th column together     registers, floatv each
//     row [ floatv ] ->                  row of a channel [ columns 0 2 4 | columns 1 3 5 ]      acc[MR][TP*KW]
//                                        [ floatv ] at each of TP rows of taps
//
// For first layers: few channels, large images. Nothing is transposed. One work-item per work-group, which takes a run
// of tiles of filters, section by section: some rows of dy and the rows of x that these meet. Per vector of pixels and
// tile: MR + TP*KW vector loads, MR*TP*KW fused multiply-adds. Sums wait for the next section in local memory, as
// vectors whose lanes are added at the end. Tiles at the end of filters and of rows of taps overlap the ones before,
// whose sums they do not store (filters >= MR, kh >= TP).
//
// Macros: MR TP KW VW LOCAL (KiB); DIRECT: dy is not staged; PITCH: floats from one of the SW parts of a staged row of
// x to the next, a constant so that a tile has one pointer; SH SW DH DW, MASK, STORAGE_... All other sizes are
// arguments.

#define TAPS (TP * KW)
#define X_ROW (SW * PITCH)
// Rows of dy that are whole vectors of floats are read as they lie.
#if DIRECT
typedef global const float* Gradient;
#else
typedef local const float* Gradient;
#endif

#define PARAMETERS_WITH(restrict) \
  global const element* restrict x, global const element* restrict dy, global const element* restrict y_mask, \
  global float* restrict result, long images, int channels, int h, int w, int filters, int kh, int pt, int pl, int oh, \
  int ow, int groups, int runs, int section, int gradient_at, int stage_at, long rows_per_part, long part_stride
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS \
  x, dy, y_mask, result, images, channels, h, w, filters, kh, pt, pl, oh, ow, groups, runs, section, gradient_at, \
  stage_at, rows_per_part, part_stride

// A row of x, from column `left` on, whose column 0 is element `at` of `size`; zeroes outside the image.
inline void stage_pixels(global const element* x, const long at, const long size, const int inside, const int w,
                         const int left, local float* to) {
  for (int k = 0; k < PITCH; k += VW) {
    const int column = left + k * SW;
    const long from = at + column;
#if SW <= 2
    if (!inside || (from >= 0 && from + SW * VW <= size)) {
      const intv columns = LANES * SW + column;
      const floatv zero = (floatv)(0.0f);
#if SW == 1
      const floatv first = inside ? GET_V(x + from) : zero;
      IN_ONE_PIECE(local, to + k) = AS_UINTV(columns) < (uintv)(w) ? first : zero;
#else
      const floatv a = inside ? GET_V(x + from) : zero;
      const floatv b = inside ? GET_V(x + from + VW) : zero;
      IN_ONE_PIECE(local, to + k) = AS_UINTV(columns) < (uintv)(w) ? even_lanes(a, b) : zero;
      IN_ONE_PIECE(local, to + PITCH + k) = AS_UINTV(columns + 1) < (uintv)(w) ? odd_lanes(a, b) : zero;
#endif
      continue;
    }
#endif
    for (int lane = 0; lane < VW; ++lane) {
      for (int part = 0; part < SW; ++part) {
        const int c = column + lane * SW + part;
        to[part * PITCH + k + lane] = inside && c >= 0 && c < w ? GET(x, at + c) : 0.0f;
      }
    }
  }
}

// `rows` rows of MR filters from element `at` of dy on, `width` floats each, which ends in zeroes.
#if !DIRECT
inline void stage_dy(global const element* dy, global const element* y, const long at, const long size,
                     const long plane, const int rows, const int ow, const int width, local float* to) {
  for (int m = 0; m < MR; ++m) {
    for (int r = 0; r < rows; ++r) {
      const long from = at + m * plane + (long)r * ow;
      for (int j = 0; j < width; j += VW, to += VW) {
        IN_ONE_PIECE(local, to) = load_begin(dy, y, 1, from + j, ow - j, size);
      }
    }
  }
}
#endif

// Adds a section's products of MR filters and TP rows of taps to `sums`; those of rows before `first_new` stay as they
// are. What the next tile of filters needs of dy is prefetched from `ahead`, `plane` from filter to filter.
// Rows of a filter are `width` floats long, filters gradient_step apart.
NOT_INLINED void multiply_section(Gradient gradient, const long gradient_step, local const float* pixels,
                                  local float* sums, const int rows, const int width, const int first_new,
                                  global const element* ahead, const long plane, const int ow) {
  floatv acc[MR][TAPS];
#define SUM_OF(m, t) (sums + ((t) * MR + (m)) * VW)
  LOAD_TILE(acc, MR, TAPS, SUM_OF(i, v))
  for (int r = 0; r < rows; ++r, pixels += SH * X_ROW, gradient += width, ahead += ow) {
    for (int j = 0; j < width; j += VW) {
#pragma unroll
      for (int m = 0; m < MR; ++m) PREFETCH_FAR(ahead + m * plane + j);
      MULTIPLY_LANES(acc, MR, TAPS, LOAD_V(gradient + i * gradient_step + j),
                     LOAD_V(pixels + v / KW * DH * X_ROW + v % KW * DW % SW * PITCH + v % KW * DW / SW + j))
    }
  }
#pragma unroll
  for (int t = 0; t < TAPS; ++t) {
    if (t / KW < first_new) continue;
#pragma unroll
    for (int m = 0; m < MR; ++m) IN_ONE_PIECE(local, SUM_OF(m, t)) = acc[m][t];
  }
}

// A work-group's share: a run of tiles of filters, and the rows [first, last) of its part.
typedef struct {
  int group_index, first_tile, last_tile, patch;
  long part, first, last;
} Share;

ALWAYS_INLINE Share share_of(const long id, PLAIN_PARAMETERS) {
  Share share;
  const int run_index = (int)(id % runs);
  const int tiles = (filters + MR - 1) / MR;
  share.group_index = (int)(id / runs % groups);
  share.part = id / runs / groups;
  share.patch = channels * kh * KW;
  share.first_tile = (int)((long)tiles * run_index / runs);
  share.last_tile = (int)((long)tiles * (run_index + 1) / runs);
  share.first = share.part * rows_per_part;
  share.last = min(share.first + rows_per_part, images * oh);
  return share;
}

// Copies `x_rows` rows of all channels, from row `top` on, whose channel 0 is plane `planes` of x.
ALWAYS_INLINE void stage_section(global const element* x, const long planes, const long x_size, const int channels,
                                 const int h, const int w, const int top, const int left, const int x_rows,
                                 local float* stage) {
  for (int channel = 0; channel < channels; ++channel) {
    for (int i = 0; i < x_rows; ++i) {
      const int in_row = top + i;
      const long at = ((planes + channel) * h + in_row) * w;
      stage_pixels(x, at, x_size, in_row >= 0 && in_row < h, w, left, stage + (channel * x_rows + i) * X_ROW);
    }
  }
}

// Adds up the lanes of a work-group's sums, which become rows of dw.
ALWAYS_INLINE void store_filters(local const float* sums, const Share share, const int filters,
                                 global float* part_result) {
  const int patch = share.patch;
  for (int tile = share.first_tile; tile < share.last_tile; ++tile) {
    const int f0 = min(tile * MR, filters - MR);
    for (int m = tile * MR - f0; m < MR; ++m) {
      global float* out = part_result + ((long)share.group_index * filters + f0 + m) * patch;
      for (int e = 0; e < patch; e += VW) {
        floatv vectors[VW];
#pragma unroll
        for (int i = 0; i < VW; ++i) {
          vectors[i] = LOAD_V(sums + (((tile - share.first_tile) * patch + min(e + i, patch - 1)) * MR + m) * VW);
        }
        store_some(lane_sums(vectors, 0), out + e, patch - e);
      }
    }
  }
}

// runs: the number of runs of tiles of filters. section: rows of dy that are staged at once. gradient_at, stage_at:
// where in local memory dy and x are, behind the sums.
NOT_INLINED void weights_taps_item(const long id, local float* restrict sums, PARAMETERS) {
  local float* gradient = sums + gradient_at;
  local float* stage = sums + stage_at;
  const Share share = share_of(id, ARGUMENTS);
  const int width = (ow + VW - 1) / VW * VW;
  const long plane = (long)oh * ow;
  const long x_size = images * groups * channels * h * w, dy_size = images * groups * filters * plane;
  const int all_sums = (share.last_tile - share.first_tile) * share.patch * MR * VW;
  for (int e = 0; e < all_sums; e += VW) IN_ONE_PIECE(local, sums + e) = (floatv)(0.0f);
  for (long row = share.first; row < share.last;) {
    const long image = row / oh;
    const int y = (int)(row % oh);
    const int rows = min(section, (int)min((long)(oh - y), share.last - row));
    const int x_rows = (rows - 1) * SH + (kh - 1) * DH + 1;
    const long planes = (image * groups + share.group_index) * filters;
    stage_section(x, (image * groups + share.group_index) * channels, x_size, channels, h, w, y * SH - pt, -pl, x_rows,
                  stage);
    for (int tile = share.first_tile; tile < share.last_tile; ++tile) {
      const long at = (planes + min(tile * MR, filters - MR)) * plane + (long)y * ow;
      const bool is_last = tile + 1 == share.last_tile;
      const int next = is_last ? share.first_tile : tile + 1;  // of the next section
      global const element* ahead =
          dy + (planes + min(next * MR, filters - MR)) * plane + (y + (is_last ? rows : 0)) * (long)ow;
#if DIRECT
      Gradient rows_of_tile = dy + at;
      const long step = plane;
#else
      Gradient rows_of_tile = gradient;
      const long step = (long)rows * width;
      stage_dy(dy, y_mask, at, dy_size, plane, rows, ow, width, gradient);
#endif
      for (int channel = 0; channel < channels; ++channel) {
        for (int first_p = 0; first_p < kh; first_p += TP) {
          const int p0 = min(first_p, kh - TP);
          multiply_section(rows_of_tile, step, stage + (channel * x_rows + p0 * DH) * X_ROW,
                           sums + ((tile - share.first_tile) * share.patch + (channel * kh + p0) * KW) * MR * VW, rows,
                           width, first_p - p0, ahead, plane, ow);
        }
      }
    }
    row += rows;
  }
  store_filters(sums, share, filters, result + share.part * part_stride);
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void weights_taps(PARAMETERS) {
  local float memory[LOCAL * 256] __attribute__((aligned(64)));
  weights_taps_item(get_group_id(0), memory, ARGUMENTS);
}
