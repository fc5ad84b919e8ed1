// parts: register_tile stage_transposed winograd_transforms
// Winograd for the weight gradient, on CPUs, in one launch: dw = A'[sum over tiles of (G dy G') * (B' x B)]A, where
// tiles of M x M pixels of dy meet EDGE x EDGE of x. A 3x3 filter takes EDGE^2 multiplications per tile instead of
// 9 M^2. The sum runs over the tiles of all images, chunk after chunk; it can be split into parts, whose results
// another kernel adds in a fixed order: the results are floats, dw itself or a part.
//
//   rows of x, transposed                          V[xi][tile][channels]
//     pixel [ VW channels ]  --B' along columns-->   |      xi by xi, TC channels x KV vectors of filters:
//           [             ]     B along rows         +-->     acc[TC][KV] over the tiles of a chunk
//   rows of dy, transposed                           |            |
//     pixel [ VW filters ]   --G along columns-->  U[xi][tile][KV vectors of filters]
//           [            ]     G' along rows                      v
//                                                  sums[xi][channels][KV vectors]  --A'[ ]A-->  dw
//
// One work-item per work-group, which takes a run of blocks of filters, a run of channels and a part of the units: a
// unit is a row of tiles, or a segment of it. With dilation tiles are made of every dh-th row and dw-th column: there
// is a row of tiles from each of the first dh rows on, which has tiles from each of the first dw columns on. All that
// is transformed lies in local memory with filters or channels innermost, so that vectors need no shuffles once they
// are staged. Sums are in global memory, since they may be many.
//
// Macros: KV TC VW LOCAL (KiB), M (4), MASK, STORAGE_... All other sizes are arguments.

typedef floatv floatt;

#define TAPS 3
#define BLOCK (VW * KV)

// to(0..) = G applied to M values d(0..), at the points of B_TRANSFORM.
#define GRADIENT_TRANSFORM(d, to)                                                                 \
  {                                                                                               \
    const floatv ends = (d(0) + d(2)) * (-1.0f / 6.0f);                                            \
    const floatv middle = (d(1) + d(3)) * (1.0f / 6.0f);                                            \
    const floatv wide = MULTIPLY_ADD((floatv)(1.0f / 6.0f), d(2), d(0) * (1.0f / 24.0f));         \
    const floatv half_ = MULTIPLY_ADD((floatv)(1.0f / 3.0f), d(3), d(1) * (1.0f / 12.0f));        \
    to(0) = 0.25f * d(0);                                                                         \
    to(1) = ends - middle;                                                                        \
    to(2) = ends + middle;                                                                        \
    to(3) = wide + half_;                                                                         \
    to(4) = wide - half_;                                                                         \
    to(5) = d(3);                                                                                 \
  }

// to(0..2) = A' applied to the EDGE values d(0..).
#define TAPS_TRANSFORM(d, to)                                              \
  {                                                                        \
    const floatv a = d(1) + d(2);                                          \
    const floatv c = d(3) + d(4);                                          \
    to(0) = d(0) + a + c;                                                  \
    to(1) = MULTIPLY_ADD((floatv)(2.0f), d(3) - d(4), d(1) - d(2));        \
    to(2) = MULTIPLY_ADD((floatv)(4.0f), c, a) + d(5);                     \
  }

// Stages columns [left, left + columns) of a row of VW planes, zeroes outside the image.
inline void stage_row(global const element* input, global const element* y, const int masked, const long planes,
                      const long plane, const long size, const int rest, const int row, const int left,
                      const int columns, const int in_h, const int in_w, local float* to) {
  const int lo = clamp(-left, 0, columns);
  const int hi = row >= 0 && row < in_h ? clamp(in_w - left, lo, columns) : lo;
  for (int j = 0; j < lo; ++j) IN_ONE_PIECE(local, to + j * VW) = (floatv)(0.0f);
  for (int j = hi; j < columns; ++j) IN_ONE_PIECE(local, to + j * VW) = (floatv)(0.0f);
  if (hi > lo) {
    stage_transposed(input, y, masked, planes + (long)row * in_w + left + lo, size, plane, rest, hi - lo, to + lo * VW,
                     VW);
  }
}

#define FROM_ROW(i) LOAD_V(rows + (first + (i)) % EDGE * pitch + j * step * VW)
#define TO_HALF(i) IN_ONE_PIECE(local, half_way + (i) * pitch + j * VW)
#define FROM_HALF(j) LOAD_V(half_way + i * pitch + ((j) + M * tile) * VW)
#define TO_TILE(j) IN_ONE_PIECE(local, out + (i * EDGE + (j)) * xi_step)

// B' d B of `tiles` tiles, whose rows lie in `rows` from slot `first` on and whose columns are `step` apart.
NOT_INLINED void transform_x(local const float* rows, local float* half_way, const int pitch, const int first,
                             const int step, const int tiles, local float* to, const int xi_step, const int tile_step) {
  for (int j = 0; j < M * tiles + 2; ++j) B_TRANSFORM(FROM_ROW, TO_HALF)
  for (int tile = 0; tile < tiles; ++tile) {
    local float* out = to + tile * tile_step;
#pragma unroll
    for (int i = 0; i < EDGE; ++i) B_TRANSFORM(FROM_HALF, TO_TILE)
  }
}

// G d G'.
NOT_INLINED void transform_dy(local const float* rows, local float* half_way, const int pitch, const int step,
                              const int tiles, local float* to, const int xi_step) {
  const int first = 0;
  for (int j = 0; j < M * tiles; ++j) GRADIENT_TRANSFORM(FROM_ROW, TO_HALF)
  for (int tile = 0; tile < tiles; ++tile) {
    local float* out = to + tile * BLOCK;
#pragma unroll
    for (int i = 0; i < EDGE; ++i) GRADIENT_TRANSFORM(FROM_HALF, TO_TILE)
  }
}

// sums[channel][KV vectors] of one xi, of those before where `more`, plus the products of `tiles` tiles.
NOT_INLINED void multiply_tiles(local const float* v_xi, local const float* u_xi, const int v_step, const int tiles,
                                const int channels, const int more, global float* sums) {
  for (int first_c = 0; first_c < channels; first_c += TC) {
    const int c0 = min(first_c, channels - TC);
    local const float* from = v_xi + c0;
    local const float* u = u_xi;
    // Each tile of channels has sums of its own, also where the last one overlaps the one before.
    global float* to = sums + first_c * BLOCK;
    floatv acc[TC][KV];
    if (more) {
      LOAD_TILE(acc, TC, KV, to + i * BLOCK + v * VW)
    } else {
      CLEAR_TILE(acc, TC, KV)
    }
    for (int t = 0; t < tiles; ++t, from += v_step, u += BLOCK) {
      MULTIPLY_TILE(acc, TC, KV, LOAD_V(u + v * VW), from[i])
    }
#pragma unroll
    for (int i = 0; i < TC; ++i) {
#pragma unroll
      for (int v = 0; v < KV; ++v) IN_ONE_PIECE(global, to + i * BLOCK + v * VW) = acc[i][v];
    }
  }
}

#define SUM_OF(i) LOAD_V(sums + ((i) * EDGE + j) * xi_step)
#define TO_COLUMN(i) s[i][j]
#define FROM_COLUMN(j) s[i][j]
#define TO_TAP(j) IN_ONE_PIECE(local, to + (i * TAPS + (j)) * BLOCK)

// The 9 taps of VW filters and one channel.
inline void transform_sums(global const float* sums, const int xi_step, local float* to) {
  floatv s[TAPS][EDGE];
#pragma unroll
  for (int j = 0; j < EDGE; ++j) TAPS_TRANSFORM(SUM_OF, TO_COLUMN)
#pragma unroll
  for (int i = 0; i < TAPS; ++i) TAPS_TRANSFORM(FROM_COLUMN, TO_TAP)
}

// Of a block of filters and `channels` channels: A'[ ]A, stored to dw of the first of both.
NOT_INLINED void store_block(global const float* sums, const int xi_step, const int channels, const int rest,
                             local float* taps, global float* result, const int filter_size) {
  for (int first_c = 0; first_c < channels; first_c += TC) {
    const int before = first_c - min(first_c, channels - TC);  // stored with the tile before
    global const float* from = sums + (first_c + before) * BLOCK;
    for (int i = 0; i < TC - before; ++i) {
      for (int v = 0; v < KV; ++v) {
        transform_sums(from + i * BLOCK + v * VW, xi_step, taps + i * TAPS * TAPS * BLOCK + v * VW);
      }
    }
    for (int v = 0; v < KV && v * VW < rest; ++v) {
      store_transposed(taps + v * VW, (TC - before) * TAPS * TAPS, rest - v * VW, BLOCK,
                       result + (long)v * VW * filter_size + first_c * TAPS * TAPS, filter_size);
    }
  }
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict dy, global const element* restrict y_mask, \
  global float* restrict result, global float* restrict all_sums, long images, int channels, int h, int w, \
  int filters, int pt, int pl, int dh, int dw, int oh, int ow, int groups, int runs, int slabs, int tiles_y, \
  int tiles_x, int segments, int segment, long units, long units_per_part, int units_of_chunk, \
  int v_step, int v_xi, int u_xi, int u_at, int stage_at, int pitch, int sums_xi, long sums_block, \
  long sums_of_group, long part_stride
#define ARGUMENTS \
  x, dy, y_mask, result, all_sums, images, channels, h, w, filters, pt, pl, dh, dw, oh, ow, groups, runs, slabs, \
  tiles_y, tiles_x, segments, segment, units, units_per_part, units_of_chunk, v_step, v_xi, u_xi, u_at, \
  stage_at, pitch, sums_xi, sums_block, sums_of_group, part_stride

// Where unit `id` lies: rows of tiles of a segment follow one another.
#define PLACE_UNIT(id)                                                       \
  const int tile_y = (int)((id) % tiles_y);                                  \
  const int tile_x = (int)((id) / tiles_y % segments) * segment;             \
  const int phase_y = (int)((id) / tiles_y / segments % dh);                 \
  const long image = (id) / tiles_y / segments / dh;                         \
  const int phase_tiles = min(segment, tiles_x - tile_x); // of each phase of the columns

// V of the units [first, last) for channels [first_channel, end_channel) of a group.
NOT_INLINED void fill_v(local float* own, const long first_unit, const long last_unit, const int group_index,
                        const int first_channel, const int end_channel, PARAMETERS) {
  local float* rows = own + stage_at;
  local float* half_way = rows + EDGE * pitch;
  const long plane = (long)h * w, size = images * groups * channels * plane;
  for (int c0 = first_channel; c0 < end_channel; c0 += VW) {
    local float* to = own + c0 - first_channel;
    int ring = 0;  // the slot of a unit's first row
    for (long unit = first_unit; unit < last_unit; ++unit) {
      PLACE_UNIT(unit)
      const int left = dw * M * tile_x - pl;
      const int columns = dw * (M * phase_tiles + 2);
      const long planes = ((image * groups + group_index) * channels + c0) * plane;
      // Two rows are those of the unit before.
      const int staged = unit > first_unit && tile_y > 0 ? EDGE - M : 0;
      ring = staged > 0 ? (ring + M) % EDGE : 0;
      for (int i = staged; i < EDGE; ++i) {
        stage_row(x, x, 0, planes, plane, size, end_channel - c0, phase_y + dh * (M * tile_y + i) - pt, left, columns,
                  h, w, rows + (ring + i) % EDGE * pitch);
      }
      for (int phase = 0; phase < dw; ++phase) {
        transform_x(rows + phase * VW, half_way, pitch, ring, dw, phase_tiles, to, v_xi, v_step);
        to += phase_tiles * v_step;
      }
    }
  }
}

// U of the units [first, last) for a block of filters from `filter` on, of which `rest` exist.
NOT_INLINED void fill_u(local float* own, const long first_unit, const long last_unit, const int group_index,
                        const int filter, const int rest, PARAMETERS) {
  local float* rows = own + stage_at;
  local float* half_way = rows + EDGE * pitch;
  const long plane = (long)oh * ow, size = images * groups * filters * plane;
  for (int v = 0; v < KV && v * VW < rest; ++v) {
    local float* to = own + u_at + v * VW;
    for (long unit = first_unit; unit < last_unit; ++unit) {
      PLACE_UNIT(unit)
      const long planes = ((image * groups + group_index) * filters + filter + v * VW) * plane;
      for (int i = 0; i < M; ++i) {
        stage_row(dy, y_mask, 1, planes, plane, size, rest - v * VW, phase_y + dh * (M * tile_y + i),
                  dw * M * tile_x, dw * M * phase_tiles, oh, ow, rows + i * pitch);
      }
      for (int phase = 0; phase < dw; ++phase) {
        transform_dy(rows + phase * VW, half_way, pitch, dw, phase_tiles, to, u_xi);
        to += phase_tiles * BLOCK;
      }
    }
  }
}

// runs, slabs: the number of runs of blocks of filters, and of channels. segment: tiles of a unit from each of the
// first dw columns on; tiles_x: those of a whole row, which has `segments`. A chunk has units_of_chunk units at most.
// In local memory: V, whose tiles are v_step and whose xi v_xi floats apart; U at u_at, whose xi are u_xi apart; staged
// rows at stage_at, `pitch` apart. sums_xi, sums_block, sums_of_group: floats of all_sums from one xi, block of filters
// and work-group to the next.
NOT_INLINED void winograd_weights_item(const long id, local float* restrict own, PARAMETERS) {
  const int run_index = (int)(id % runs);
  const int slab = (int)(id / runs % slabs);
  const int group_index = (int)(id / runs / slabs % groups);
  const long part = id / runs / slabs / groups;
  const int blocks = (filters + BLOCK - 1) / BLOCK;
  const int first_block = (int)((long)blocks * run_index / runs);
  const int last_block = (int)((long)blocks * (run_index + 1) / runs);
  const int first_channel = (int)((long)channels * slab / slabs);
  const int end_channel = (int)((long)channels * (slab + 1) / slabs);
  const long first = part * units_per_part;
  const long last = min(first + units_per_part, units);
  const int filter_size = channels * TAPS * TAPS;

  for (long unit = first; unit < last; unit += units_of_chunk) {
    const long end = min(unit + units_of_chunk, last);
    int tiles = 0;
    for (long one = unit; one < end; ++one) {
      PLACE_UNIT(one)
      tiles += phase_tiles * dw;
    }
    fill_v(own, unit, end, group_index, first_channel, end_channel, ARGUMENTS);
    for (int block = first_block; block < last_block; ++block) {
      const int filter = block * BLOCK, rest = filters - filter;
      global float* sums = all_sums + id * sums_of_group + (block - first_block) * sums_block;
      fill_u(own, unit, end, group_index, filter, rest, ARGUMENTS);
      for (int xi = 0; xi < XI; ++xi) {
        multiply_tiles(own + xi * v_xi, own + u_at + xi * u_xi, v_step, tiles, end_channel - first_channel,
                       unit > first, sums + (long)xi * sums_xi);
      }
      if (end == last) {
        store_block(sums, sums_xi, end_channel - first_channel, rest, own + stage_at,
                    result + part * part_stride + ((long)group_index * filters + filter) * filter_size +
                        first_channel * TAPS * TAPS,
                    filter_size);
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void winograd_weights(PARAMETERS) {
  local float memory[LOCAL * 256] __attribute__((aligned(64)));
  winograd_weights_item(get_group_id(0), memory, ARGUMENTS);
}
