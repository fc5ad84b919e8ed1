// parts: register_tile lanes epilogue put_together prefetch
// Implicit GEMM on CPUs, vectors along the pixels of a row: for few filters per group and short reductions.
//
//   packed weights, per block:      input (padding written out)         registers, floatv each
//     r [ MR filters ]                [ NV vectors of a row's pixels ]   acc[MR][NV]
//     |
//     v
//
// One work-item per work-group, which computes several tiles, one after the other. Per product: NV vector loads (SW ==
// 2: two each, of which the even elements are kept), MR broadcasts, MR*NV fused multiply-adds. The last tile of a row
// overlaps its neighbour instead of being partial: both write the same bits. A row shorter than a tile is padded to it.
//
// Result (i,j) of a filter is at image*out_image + filter*out_plane + out_offset + i*out_pitch + j*out_step, filters
// counted over all groups; the residual has the same layout.
//
// Macros: MR NV VW; DIRECT (1, with 16-bit storage: x is the input itself instead of a float copy, since converting
// whole vectors costs nothing); STAGE (KiB; with one tap: the pixels of all channels are first copied to local memory,
// dense and as floats); SH SW DH DW, and those of the epilogue. All other sizes are arguments.

#define SPAN (VW * NV)
#define LINE 16  // floats of a cache line

#if DIRECT
typedef element input;
#define LOAD_X(pointer) GET_V(pointer)
#else
typedef float input;
#define LOAD_X(pointer) IN_ONE_PIECE(global const, pointer)
#endif

// Vector v of a tile's pixels. PAIRED: of bfloat16 two vectors have every second one of 2*VW pixels.
#define PAIRED (DIRECT && PUTS_TOGETHER && SW == 1 && NV % 2 == 0)
#define PAIR_OF(pointer, v) PAIRS_AT((pointer) + (v) / 2 * (2 * VW))
#if PAIRED
#define PIXELS_OF(pointer, v) ((v) % 2 == 0 ? EVEN_OF(PAIR_OF(pointer, v)) : ODD_OF(PAIR_OF(pointer, v)))
#elif SW == 1
#define PIXELS_OF(pointer, v) LOAD_X((pointer) + (v) * VW)
#else
#define PIXELS_OF(pointer, v) even_lanes(LOAD_X((pointer) + 2 * (v) * VW), LOAD_X((pointer) + (2 * (v) + 1) * VW))
#endif

// acc += MR filters times NV vectors of pixels.
#define MULTIPLY(vector) MULTIPLY_TILE_SCALAR_FIRST(acc, MR, NV, wp[i], vector)

#define PARAMETERS_WITH(restrict) \
  global const input* restrict x, global const float* restrict packed, \
  global const element* restrict b, global const element* restrict r, \
  global element* restrict result, int channels, int taps_h, int taps_w, long x_image, \
  long plane, int pitch, long x_offset, int oh, int ow, int tiles_x, int filters, \
  int blocks_per_group, int run, int tiles_per_work_group, int groups, long out_image, long out_plane, \
  long out_offset, long out_pitch, int out_step SLOPES_PARAMETER_WITH(restrict)
#define PARAMETERS PARAMETERS_WITH(restrict)
#define ARGUMENTS \
  x, packed, b, r, result, channels, taps_h, taps_w, x_image, plane, pitch, x_offset, oh, ow, \
  tiles_x, filters, blocks_per_group, run, tiles_per_work_group, groups, out_image, out_plane, \
  out_offset, out_pitch, out_step SLOPES_ARGUMENT

// A tile of a work-item, in a row of results, and the run of blocks that it is multiplied by.
typedef struct {
  int i, j0, group_index, first_block, last_block;
  int skipped;  // pixels that the tile before adds
  long image;
} Tile;

// The tile number `index` of an image, by what is left of the work-item's number.
ALWAYS_INLINE Tile tile_of(const int index, const long outer, PLAIN_PARAMETERS) {
  Tile tile;
  const int first_j = index % tiles_x * SPAN;
  const int runs = (blocks_per_group + run - 1) / run;
  tile.j0 = max(min(first_j, ow - SPAN), 0);
  tile.i = index / tiles_x;
  tile.first_block = (int)(outer % runs) * run;
  tile.group_index = (int)(outer / runs % groups);
  tile.image = outer / runs / groups;
  tile.last_block = min(tile.first_block + run, blocks_per_group);
  tile.skipped = ACCUMULATE ? first_j - tile.j0 : 0;
  return tile;
}

#if STAGE
// Copies the tile's pixels of all channels to local memory.
ALWAYS_INLINE void stage_pixels(global const input* pixels_at, local float* staged, const int channels,
                                const long plane) {
  for (int channel = 0; channel < channels; ++channel) {
#pragma unroll
    for (int v = 0; v < NV; ++v) {
      IN_ONE_PIECE(local, staged + channel * SPAN + v * VW) = PIXELS_OF(pixels_at + channel * plane, v);
    }
  }
}

// acc += a block's weights times the staged pixels. Meanwhile prefetches the pixels of the next tile: per block, one
// vector of each channel.
ALWAYS_INLINE void multiply_staged(floatv acc[MR][NV], global const float* wp, local const float* staged,
                                   global const input* next_line, const int channels, const long plane) {
  for (int channel = 0; channel < channels; ++channel, wp += MR, next_line += plane) {
    PREFETCH_FAR(next_line);
    MULTIPLY(LOAD_V(staged + channel * SPAN + v * VW))
  }
}
#else
// acc += a block's weights times the pixels that its taps see.
ALWAYS_INLINE void multiply_pixels(floatv acc[MR][NV], global const float* wp, global const input* xp,
                                   const int channels, const int taps_h, const int taps_w, const long plane,
                                   const int pitch) {
  if (taps_h * taps_w == 1) {  // the loops over taps would take as long as the products of a small tile
    for (int channel = 0; channel < channels; ++channel, xp += plane, wp += MR) {
#if VW <= 8  // with vectors of 16 floats not measured
#pragma unroll
      for (int line = 0; line < SPAN * SW; line += LINE) PREFETCH(xp + SPAN * SW + line);
#endif
      MULTIPLY(PIXELS_OF(xp, v))
    }
    return;
  }
  for (int channel = 0; channel < channels; ++channel, xp += plane) {
    for (int p = 0; p < taps_h; ++p) {
      for (int q = 0; q < taps_w; ++q, wp += MR) {
        global const input* tap = xp + p * DH * pitch + q * DW;
        MULTIPLY(PIXELS_OF(tap, v))
      }
    }
  }
}
#endif

#define IS_WHOLE(v) (tile.skipped <= (v) * VW && ow - tile.j0 >= ((v) + 1) * VW && out_step == 1)

// Stores the sums of vectors that are not whole. They are in memory, so that this code is there once, not per vector.
ALWAYS_INLINE void store_rest(const float* sums, const Tile tile, const int rows, const long first_b,
                              const long first_out, global const element* slopes_of_image, PLAIN_PARAMETERS) {
  __attribute__((opencl_unroll_hint(1)))
  for (int v = 0; v < NV; ++v) {
    if (IS_WHOLE(v)) continue;
    __attribute__((opencl_unroll_hint(1)))
    for (int m = 0; m < rows; ++m) {
      const float slope = SLOPE_OF(slopes_of_image, first_b + m);
      for (int t = max(tile.skipped - v * VW, 0); t < min(ow - tile.j0 - v * VW, VW); ++t) {
        const long at = first_out + m * out_plane + (long)(v * VW + t) * out_step;
        const float value = sums[m * SPAN + v * VW + t] + BIAS_OF(b, first_b + m) + RESIDUAL_OF(r, at);
        PUT(RESULT(GET(result, at), ACTIVATE(value, slope)), result, at);
      }
    }
  }
}

#if PUTS_TOGETHER
// store_block() of a whole block and tile.
ALWAYS_INLINE void store_whole(const floatv acc[MR][NV], const long first_b, const long first_out,
                               global const element* slopes_of_image, PLAIN_PARAMETERS) {
#define ROW_OF(t) (first_out + (t) / NV * out_plane)
#define RESULT_OF(t) (result + ROW_OF(t) + (t) % NV * VW)
  floatv kept[MR * NV];
#pragma unroll
  for (int t = 0; t < MR * NV; ++t) {
    const float slope = SLOPE_OF(slopes_of_image, first_b + t / NV);
#if PAIRED
#define VECTOR_OF(tensor, t) PIXELS_OF((tensor) + ROW_OF(t), (t) % NV)
#else
#define VECTOR_OF(tensor, t) GET_V((tensor) + ROW_OF(t) + (t) % NV * VW)
#endif
    floatv value = acc[t / NV][t % NV] + BIAS_OF(b, first_b + t / NV);
#if RESIDUAL
    if (HAS_RESIDUAL(r)) value += VECTOR_OF(r, t);
#endif
    kept[t] = RESULT(VECTOR_OF(result, t), ACTIVATE(value, slope));
  }
#if PAIRED
  MAKE_ROUNDABLE(kept, MR * NV)
#pragma unroll
  for (int pair = 0; pair < MR * NV / 2; ++pair) {
    PUT_PAIRS(joined(kept[2 * pair], kept[2 * pair + 1]), RESULT_OF(2 * pair));
  }
#else
  PUT_KEPT(kept, MR * NV, RESULT_OF)
#endif
}
#endif

// Finishes and stores the sums of the block whose first filter is `first_b`, `rows` filters of it.
ALWAYS_INLINE void store_block(floatv acc[MR][NV], const Tile tile, const int rows, const long first_b,
                               const long first_out, global const element* slopes_of_image, PLAIN_PARAMETERS) {
#if PUTS_TOGETHER
  if (rows == MR && IS_WHOLE(0) && IS_WHOLE(NV - 1)) {
    store_whole(acc, first_b, first_out, slopes_of_image, ARGUMENTS);
    return;
  }
#endif
#if PAIRED
#pragma unroll
  for (int t = 0; t < MR * NV / 2; ++t) {
    floatv* pair = acc[t / (NV / 2)] + t % (NV / 2) * 2;
    const floatv even = pair[0], odd = pair[1];
    pair[0].even = even.lo;
    pair[0].odd = odd.lo;
    pair[1].even = even.hi;
    pair[1].odd = odd.hi;
  }
#endif
  float sums[MR * SPAN];
#pragma unroll
  for (int v = 0; v < NV; ++v) {
    if (IS_WHOLE(v)) {
#pragma unroll
      for (int m = 0; m < MR; ++m) {
        if (m < rows) {
          const long at = first_out + m * out_plane + v * VW;
          const floatv value = acc[m][v] + BIAS_OF(b, first_b + m) + RESIDUAL_V(r + at);
          const floatv activated = ACTIVATE(value, SLOPE_OF(slopes_of_image, first_b + m));
          PUT_V(RESULT(GET_V(result + at), activated), result + at);
        }
      }
    } else {
#pragma unroll
      for (int m = 0; m < MR; ++m) STORE_V(acc[m][v], sums + m * SPAN + v * VW);
    }
  }
  if (IS_WHOLE(0) && IS_WHOLE(NV - 1)) return;
  store_rest(sums, tile, rows, first_b, first_out, slopes_of_image, ARGUMENTS);
}

// Multiplies a tile's pixels by `run` blocks of filters, one after the other.
ALWAYS_INLINE void compute_tile(const int index, const long outer, local float* staged, PLAIN_PARAMETERS) {
  const Tile tile = tile_of(index, outer, ARGUMENTS);
  // A chunk's results begin with those of its first image.
  global const element* slopes_of_image = SLOPES_OF(tile.image + out_offset / out_image, (long)groups * filters);
  global const input* pixels_at = x + tile.image * x_image + (long)tile.group_index * channels * plane +
                                  x_offset + (long)(tile.i * SH) * pitch + tile.j0 * SW;
  const int products = channels * taps_h * taps_w;
  global const float* wp = packed + ((long)tile.group_index * blocks_per_group + tile.first_block) * products * MR;
#if STAGE
  const int next_i = (index + 1) / tiles_x % oh;
  const int next_j = max(min((index + 1) % tiles_x * SPAN, ow - SPAN), 0);
  global const input* next_pixels =
      pixels_at + (long)((next_i - tile.i) * SH) * pitch + (next_j - tile.j0) * SW;
  stage_pixels(pixels_at, staged, channels, plane);
#endif
  for (int block = tile.first_block; block < tile.last_block; ++block, wp += products * MR) {
    const int first_filter = block * MR;
    const long first_b = (long)tile.group_index * filters + first_filter;
    const long first_out = tile.image * out_image + first_b * out_plane + out_offset + tile.i * out_pitch +
                           (long)tile.j0 * out_step;
    floatv acc[MR][NV];
#pragma unroll
    for (int m = 0; m < MR; ++m) {
#pragma unroll
      for (int v = 0; v < NV; ++v) {
        acc[m][v] = (floatv)(0.0f);
        PREFETCH_TO_WRITE(result + first_out + m * out_plane + (long)(v * VW) * out_step);
      }
    }
#if STAGE
    multiply_staged(acc, wp, staged, next_pixels + (block - tile.first_block) % NV * (VW * SW), channels, plane);
#else
    multiply_pixels(acc, wp, pixels_at, channels, taps_h, taps_w, plane, pitch);
#endif
    store_block(acc, tile, min(MR, filters - first_filter), first_b, first_out, slopes_of_image, ARGUMENTS);
  }
}

NOT_INLINED void implicit_gemm_pixels_item(const long id, local float* restrict staged, PARAMETERS) {
  const int tiles = tiles_x * oh;
  const int parts = (tiles + tiles_per_work_group - 1) / tiles_per_work_group;
  const int first = (int)(id % parts) * tiles_per_work_group;
  for (int index = first; index < min(first + tiles_per_work_group, tiles); ++index)
    compute_tile(index, id / parts, staged, ARGUMENTS);
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void implicit_gemm_pixels(PARAMETERS) {
  local float staged[STAGE > 0 ? STAGE * 256 : 1] __attribute__((aligned(64)));
  implicit_gemm_pixels_item(get_group_id(0), staged, ARGUMENTS);
}
