// parts: vectors row_end transpose epilogue mask prefetch
// Winograd's minimal filtering F(M x M, 3x3) for M = 2 and 4 (A. Lavin, S. Gray, "Fast Algorithms for
// Convolutional Neural Networks", 2016): y = A'[(G g G') * (B' d B)]A per tile of M x M results and
// channel, summed over channels before A. (M+2)^2 multiplications instead of 9*M^2. Two bodies, chosen by
// which macros the config has:
//
//   KV TT BT VT VW   CPUs: one work-item per work-group, explicit vectors; products stay in local memory. Each
//                    kernel is a program of its own, with the macros that matter to it: weights KV, input VT,
//                    products KV TT BT, all VW. Their variants have most of them in common.
//   BM BN BK TM TN   GPUs: a work-item per tile, around a batch of (M+2)^2 matrix products.
//
// Tiles are numbered through all images, row by row; those at the lower and right edge read zeroes and
// store what there is.
//
// Macros besides: M; BIAS, RESIDUAL, ACTIVATION, MASK, ACCUMULATE; STORAGE_.. (of x, w, b, r, y and the gradients: U, V
// and the products are floats).

#define EDGE (M + 2)
#define XI (EDGE * EDGE)

// ---- transforms ---------------------------------------------------------------------------------

// G on three values.
#if M == 2
#define G_TRANSFORM(g0, g1, g2, to)           \
  {                                           \
    const floatv ends = 0.5f * ((g0) + (g2)); \
    const floatv middle = 0.5f * (g1);        \
    to(0) = g0;                               \
    to(1) = ends + middle;                    \
    to(2) = ends - middle;                    \
    to(3) = g2;                               \
  }
#else
#define G_TRANSFORM(g0, g1, g2, to)                 \
  {                                                 \
    const floatv ends = -((g0) + (g2)) / 6.0f;      \
    const floatv middle = (g1) / 6.0f;              \
    const floatv wide = (g0) / 24.0f + (g2) / 6.0f; \
    const floatv half_ = (g1) / 12.0f;              \
    to(0) = 0.25f * (g0);                           \
    to(1) = ends - middle;                          \
    to(2) = ends + middle;                          \
    to(3) = wide + half_;                           \
    to(4) = wide - half_;                           \
    to(5) = g2;                                     \
  }
#endif

// B' on EDGE values.
#if M == 2
#define B_TRANSFORM(d, to) \
  to(0) = d(0) - d(2);     \
  to(1) = d(1) + d(2);     \
  to(2) = d(2) - d(1);     \
  to(3) = d(1) - d(3);
#else
#define B_TRANSFORM(d, to)                                                                 \
  {                                                                                        \
    const floatt a = MULTIPLY_ADD((floatt)(-4.0f), d(2), d(4));                            \
    const floatt b = MULTIPLY_ADD((floatt)(-4.0f), d(1), d(3));                            \
    const floatt c = d(4) - d(2);                                                          \
    const floatt e = 2.0f * (d(3) - d(1));                                                 \
    to(0) = MULTIPLY_ADD((floatt)(4.0f), d(0), MULTIPLY_ADD((floatt)(-5.0f), d(2), d(4))); \
    to(1) = a + b;                                                                         \
    to(2) = a - b;                                                                         \
    to(3) = c + e;                                                                         \
    to(4) = c - e;                                                                         \
    to(5) = MULTIPLY_ADD((floatt)(4.0f), d(1), MULTIPLY_ADD((floatt)(-5.0f), d(3), d(5))); \
  }
#endif

// A' on EDGE values.
#if M == 2
#define A_TRANSFORM(d, to)        \
  {                               \
    to(0) = d(0) + (d(1) + d(2)); \
    to(1) = (d(1) - d(2)) - d(3); \
  }
#else
#define A_TRANSFORM(d, to)                             \
  {                                                    \
    const floatv a = d(1) + d(2);                      \
    const floatv b = d(1) - d(2);                      \
    const floatv c = d(3) + d(4);                      \
    const floatv e = d(3) - d(4);                      \
    to(0) = d(0) + a + c;                              \
    to(1) = MULTIPLY_ADD((floatv)(2.0f), e, b);        \
    to(2) = MULTIPLY_ADD((floatv)(4.0f), c, a);        \
    to(3) = MULTIPLY_ADD((floatv)(8.0f), e, b) + d(5); \
  }
#endif

#ifndef BM
// ---- CPUs ---------------------------------------------------------------------------------------
//
//   input planes          V, per group                    packed weights U, per block of filters
//   +--------------+        [xi][channel][ tiles ... ]       [xi][channel][ KV vectors of filters ]
//   |+----+ EDGE = |           \                                /
//   || d  | M + 2  |  B'dB      \   per xi and TT tiles:       /   G g G', once
//   ||+---|-+      |  ------>    acc[TT][KV] over the channels
//   |+|---+ |      |                     |
//   | +-----+      |                     v          A'[ ]A
//   +--------------+        local products[xi][BT*TT tiles][KV vectors]  ------>  M rows of VW pixels
//
// Vectors go along tiles (VT lanes, a power of two) going in, along filters (VW) in the products, along pixels
// of a row (VW) coming out. Work-groups of the second kernel take BT*TT tiles (a strip) and a block of
// filters.

#define BLOCK (VW * KV)
#define STRIP (TT * BT)
#define PRODUCTS (STRIP * BLOCK + VW)  // the vector more spreads them over the sets of a cache
#define SHARE ((BLOCK + BT - 1) / BT)
#define LINE 16  // floats of a cache line

#if defined(KV) && !defined(TT)
// packed[block][xi][channel][f] = (G g G')[xi], zero beyond the filters; one work-group per block and
// channel. Weights as in implicit_gemm.cl.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void winograd_weights(global const element* restrict weights, global float* restrict packed,
                      int filters, int channels, int blocks_per_group, long w_base, long w_group,
                      long w_filter, long w_channel, long w_row, long w_column) {
  const long id = get_group_id(0);
  const int channel = (int)(id % channels);
  const long block = id / channels;
  const int first_filter = (int)(block % blocks_per_group) * BLOCK;
  global const element* first = weights + w_base + block / blocks_per_group * w_group +
                                first_filter * w_filter + channel * w_channel;
  global float* out = packed + (block * XI * channels + channel) * BLOCK;
  for (int v = 0; v < KV; ++v) {
    floatv g[3][3], t[EDGE][3];
    for (int p = 0; p < 3; ++p) {
      for (int q = 0; q < 3; ++q) {
        float values[VW];
        for (int f = 0; f < VW; ++f) {
          values[f] = first_filter + v * VW + f < filters
                          ? GET(first, (v * VW + f) * w_filter + p * w_row + q * w_column)
                          : 0.0f;
        }
        g[p][q] = LOAD_V(values);
      }
    }
#define TO(i) t[i][q]
#pragma unroll
    for (int q = 0; q < 3; ++q) G_TRANSFORM(g[0][q], g[1][q], g[2][q], TO)
#undef TO
#pragma unroll
    for (int i = 0; i < EDGE; ++i) {
      floatv u[EDGE];
#define TO(j) u[j]
      G_TRANSFORM(t[i][0], t[i][1], t[i][2], TO)
#undef TO
#pragma unroll
      for (int j = 0; j < EDGE; ++j) {
        STORE_V(u[j], out + (long)(i * EDGE + j) * channels * BLOCK + v * VW);
      }
    }
  }
}
#endif

#ifdef VT
typedef CLCONV_PASTE(float, VT) floatt;
#define LOAD_T(pointer) CLCONV_PASTE(vload, VT)(0, pointer)
#define STORE_T(value, pointer) CLCONV_PASTE(vstore, VT)(value, 0, pointer)

// What VT tiles and their vectors reach of a row: M*VT + M columns.
#define STAGED ((M + 1) * VT)

inline floatt evens(const floatt a, const floatt b) {
  floatt r;
  r.lo = a.even;
  r.hi = b.even;
  return r;
}
inline floatt odds(const floatt a, const floatt b) {
  floatt r;
  r.lo = a.odd;
  r.hi = b.odd;
  return r;
}

#if defined(MASK) && MASK
#define KEPT(at) (GET_N(VT, y + (at)) > (floatt)(0.0f) ? GET_N(VT, x + (at)) : (floatt)(0.0f))
#else
#define KEPT(at) GET_N(VT, x + (at))
#endif

// `count` elements from x to `to`.
inline void stage(global const element* restrict x, global const element* restrict y, float* to,
                  const int count) {
  if (count >= VT) {
    for (int j = 0; j + VT <= count; j += VT) STORE_T(KEPT(j), to + j);
    STORE_T(KEPT(count - VT), to + count - VT);
  } else {
    for (int j = 0; j < count; ++j) to[j] = MASKED(x, y, j);
  }
}

// V[group][xi][channel][t] = (B' d B)[xi] of tile first_tile + t, t < tiles, xi_step and pitch apart; one work-group per plane and part
// of the tiles. Lanes beyond a row's end hold nothing: the next row's overwrite them, the last one's
// are left out where another part begins (V has VT floats of room behind the tiles).
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void winograd_input(global const element* restrict x, global const element* restrict y,
                    global float* restrict V, int channels, int groups, int in_h, int in_w, int top,
                    int left, int tiles_y, int tiles_x, long first_tile, int tiles, int pitch,
                    long xi_step, int part_tiles) {
  const long id = get_group_id(0);
  const int planes = channels * groups;
  const int plane = (int)(id % planes);
  const int begin = (int)(id / planes) * part_tiles;
  const int end = min(begin + part_tiles, tiles);
  const int room = end == tiles ? end + VT : end;
  global float* out = V + plane / channels * XI * xi_step + (long)(plane % channels) * pitch;
  int tile_x = (int)((first_tile + begin) % tiles_x);
  int tile_y = (int)((first_tile + begin) / tiles_x % tiles_y);
  long image = (first_tile + begin) / tiles_x / tiles_y;
  float staged[EDGE][STAGED];
  int t = begin;
  while (t < end) {
    const int row = tile_y * M + top;
    const int column = tile_x * M + left;
    const int lo = clamp(-column, 0, STAGED);
    const int hi = clamp(in_w - column, lo, STAGED);
    const long origin = (image * planes + plane) * in_h;
#pragma unroll
    for (int i = 0; i < EDGE; ++i) {
      if (lo > 0 || hi < STAGED || row + i < 0 || row + i >= in_h) {
#pragma unroll
        for (int j = 0; j < STAGED; j += VT) STORE_T((floatt)(0.0f), staged[i] + j);
      }
      if (row + i >= 0 && row + i < in_h) {
        const long at = (origin + row + i) * in_w + column + lo;
        stage(x + at, y + at, staged[i] + lo, hi - lo);
      }
    }
    floatt d[EDGE][EDGE], s[EDGE][EDGE];
#pragma unroll
    for (int i = 0; i < EDGE; ++i) {
      const float* from = staged[i];
#if M == 2
      const floatt a = LOAD_T(from), b = LOAD_T(from + VT);
      const floatt e = LOAD_T(from + 2), f = LOAD_T(from + 2 + VT);
      d[i][0] = evens(a, b);
      d[i][1] = odds(a, b);
      d[i][2] = evens(e, f);
      d[i][3] = odds(e, f);
#else
      const floatt a = LOAD_T(from), b = LOAD_T(from + VT);
      const floatt e = LOAD_T(from + 2 * VT), f = LOAD_T(from + 3 * VT);
      const floatt even0 = evens(a, b), odd0 = odds(a, b);
      const floatt even1 = evens(e, f), odd1 = odds(e, f);
      d[i][0] = evens(even0, even1);
      d[i][1] = evens(odd0, odd1);
      d[i][2] = odds(even0, even1);
      d[i][3] = odds(odd0, odd1);
      const floatt g = LOAD_T(from + 4), h = LOAD_T(from + 4 + VT);
      const floatt k = LOAD_T(from + 4 + 2 * VT), l = LOAD_T(from + 4 + 3 * VT);
      d[i][4] = evens(evens(g, h), evens(k, l));
      d[i][5] = evens(odds(g, h), odds(k, l));
#endif
    }
#define FROM(i) d[i][j]
#define TO(i) s[i][j]
#pragma unroll
    for (int j = 0; j < EDGE; ++j) {
      B_TRANSFORM(FROM, TO)
    }
#undef FROM
#undef TO
#define FROM(j) s[i][j]
#define TO(j) r[j]
#pragma unroll
    for (int i = 0; i < EDGE; ++i) {
      floatt r[EDGE];
      B_TRANSFORM(FROM, TO)
      if (t + VT <= room) {
#pragma unroll
        for (int j = 0; j < EDGE; ++j) STORE_T(r[j], out + (i * EDGE + j) * xi_step + t);
      } else {
        for (int j = 0; j < EDGE; ++j) {
          float values[VT];
          STORE_T(r[j], values);
          for (int lane = 0; t + lane < room; ++lane) {
            out[(i * EDGE + j) * xi_step + t + lane] = values[lane];
          }
        }
      }
    }
#undef FROM
#undef TO
    const int done = min(VT, tiles_x - tile_x);
    t += done;
    tile_x += done;
    if (tile_x == tiles_x) {
      tile_x = 0;
      if (++tile_y == tiles_y) {
        tile_y = 0;
        ++image;
      }
    }
  }
}

#endif  // VT

#ifdef TT
// Tiles whose results fill a vector of a row.
#define RUN (VW / M)

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void winograd_multiply(global const float* restrict V, global const float* restrict packed,
                       global const element* restrict b, global const element* restrict r,
                       global element* restrict result, int channels, int slab, int tiles_y, int tiles_x,
                       long first_tile, int tiles, int pitch, long xi_step, int oh, int ow, int filters, int blocks_per_group, int groups, int strips,
                       int blocks_inner) {
  local float products[XI * PRODUCTS] __attribute__((aligned(64)));
  const long id = get_group_id(0);
  const int blocks = blocks_per_group * groups;
  const int block = (int)(blocks_inner ? id % blocks : id / strips);
  const int strip = (int)(blocks_inner ? id / blocks : id % strips);
  const int group_index = block / blocks_per_group;
  const int begin = strip * STRIP;
  const int count = min(STRIP, tiles - begin);

  global const float* u = packed + (long)block * XI * channels * BLOCK;
  global const float* vs = V + group_index * XI * xi_step + begin;
  // Weights are asked for one xi ahead (behind the last, those of the next block), a share for every TT tiles.
  for (int xi = 0; xi < XI; ++xi, u += (long)channels * BLOCK, vs += xi_step) {
    global const float* next_u = u + (long)channels * BLOCK;
    for (int from = 0; from < channels; from += slab) {
      const int to = min(from + slab, channels);
      for (int first = 0; first < count; first += TT) {
        global const float* filter_at = u + (long)from * BLOCK;
        global const float* tile_at = vs + (long)from * pitch + first;
        local float* sums = products + xi * PRODUCTS + first * BLOCK;
        floatv acc[TT][KV];
#pragma unroll
        for (int i = 0; i < TT; ++i) {
#pragma unroll
          for (int v = 0; v < KV; ++v) {
            acc[i][v] = from > 0 ? LOAD_V(sums + i * BLOCK + v * VW) : (floatv)(0.0f);
          }
        }
        for (int channel = from; channel < to; ++channel, next_u += SHARE) {
#pragma unroll
          for (int i = 0; i < SHARE; i += LINE) PREFETCH_FAR(next_u + i);
          floatv filter[KV];
#pragma unroll
          for (int v = 0; v < KV; ++v) filter[v] = LOAD_V(filter_at + v * VW);
#pragma unroll
          for (int i = 0; i < TT; ++i) {
            const floatv tile = (floatv)(tile_at[i]);
#pragma unroll
            for (int v = 0; v < KV; ++v) acc[i][v] = fma(filter[v], tile, acc[i][v]);
          }
          filter_at += BLOCK;
          tile_at += pitch;
        }
#pragma unroll
        for (int i = 0; i < TT; ++i) {
#pragma unroll
          for (int v = 0; v < KV; ++v) STORE_V(acc[i][v], sums + i * BLOCK + v * VW);
        }
      }
    }
  }

  const int first_filter = block % blocks_per_group * BLOCK;
  int tile_x = (int)((first_tile + begin) % tiles_x);
  int tile_y = (int)((first_tile + begin) / tiles_x % tiles_y);
  long image = (first_tile + begin) / tiles_x / tiles_y;
  int t = 0;
  while (t < count) {
    const int run = min(min(RUN, tiles_x - tile_x), count - t);
    const int i0 = tile_y * M;
    const int j0 = tile_x * M;
    const int pixels = min(run * M, ow - j0);
    const long first_plane_of_block = (image * groups + group_index) * filters + first_filter;
    for (int f = 0; f < BLOCK; ++f) {
      for (int i = 0; i < M; ++i) {
        const long row = (first_plane_of_block + f) * oh + i0 + i;
        PREFETCH_TO_WRITE(result + row * ow + j0 + pixels - 1);
      }
    }
    for (int v = 0; v < KV; ++v) {
      floatv y[M][VW];
      for (int tile = 0; tile < run; ++tile) {
        local const float* from = products + (t + tile) * BLOCK + v * VW;
        floatv s[M][EDGE];
#define FROM(i) LOAD_V(from + (i * EDGE + j) * PRODUCTS)
#define TO(i) s[i][j]
#pragma unroll
        for (int j = 0; j < EDGE; ++j) A_TRANSFORM(FROM, TO)
#undef FROM
#undef TO
#define FROM(j) s[i][j]
#define TO(j) y[i][tile * M + j]
#pragma unroll
        for (int i = 0; i < M; ++i) A_TRANSFORM(FROM, TO)
#undef FROM
#undef TO
      }
      const int plane_filter = first_filter + v * VW;
      const long first_plane = first_plane_of_block + v * VW;
      const long first_b = (long)group_index * filters + plane_filter;
      for (int i = 0; i < min(M, oh - i0); ++i) {
        floatv rows[VW], other[VW];
#pragma unroll
        for (int j = 0; j < VW; ++j) rows[j] = y[i][j];
        TRANSPOSE(rows, other)
        const long out = (first_plane * oh + i0 + i) * ow + j0;
#pragma unroll
        for (int f = 0; f < VW; ++f) {
          if (plane_filter + f < filters) {
            const long at = out + (long)f * oh * ow;
            const floatv value = TRANSPOSED(rows, other)[f] + BIAS_OF(b, first_b + f) +
                                 residual_some(r + at, pixels);
            const floatv activated = ACTIVATE(value);
#if ACCUMULATE
            put_first(get_some(result + at, pixels) + activated, pixels, result + at);
#else
            put_first(activated, pixels, result + at);
#endif
          }
        }
      }
    }
    t += run;
    tile_x += run;
    if (tile_x == tiles_x) {
      tile_x = 0;
      if (++tile_y == tiles_y) {
        tile_y = 0;
        ++image;
      }
    }
  }
}
#endif  // TT
#else

// ---- GPUs ---------------------------------------------------------------------------------------
//
//   x --input--> V [group][xi][channel][tile] --multiply--> products [group][xi][filter][tile] --output--> y
//
//   multiply, per (group, xi):     tiles ->
//                              +----- BN -----+       Work-group: BM filters x BN tiles, (BM/TM)*(BN/TN)
//                         BK   |  V           |       work-items. While one pair of local tiles is multiplied,
//                              +--------------+       each work-item brings its share of the next: the other
//                  +-- BK --+  +--------------+       pair, so that a step has one barrier. Its TM filters are
//              BM  |   U'   |  |  TM x TN per |       groups of 4 neighbours 4*BM/TM apart, its TN tiles
//                  |        |  |  work-item   |       likewise: neighbouring work-items read neighbouring
//                  +--------+  +--------------+       float4.
//
// U is [group][xi][channel][filters, zero up to a multiple of BM]; V and the products have a multiple of BN tiles
// (`pitch`), of which those beyond the last hold nothing and are multiplied to nothing that is read.
// BM, BN, TM, TN: multiples of 4.

typedef float floatv;
typedef float floatt;

#define LX (BN / TN)
#define LY (BM / TM)
#define ITEMS (LX * LY)
#define U_FETCHES (BK * BM / 4 / ITEMS)
#define V_FETCHES (BK * BN / 4 / ITEMS)

// One work-item per group, channel and filter, filters fastest. Weights as in implicit_gemm.cl.
kernel void winograd_gpu_weights(global const element* restrict weights, global float* restrict packed,
                                 int filters, int channels, int groups, int padded_filters, long w_base,
                                 long w_group, long w_filter, long w_channel, long w_row,
                                 long w_column) {
  const long id = get_global_id(0);
  const int filter = (int)(id % padded_filters);
  const int channel = (int)(id / padded_filters % channels);
  const long group = id / padded_filters / channels;
  if (group >= groups) return;
  const long first = w_base + group * w_group + filter * w_filter + channel * w_channel;
  const long xi_step = (long)channels * padded_filters;
  global float* out = packed + group * XI * xi_step + (long)channel * padded_filters + filter;
  float t[EDGE][3];
#define TO(i) t[i][q]
#pragma unroll
  for (int q = 0; q < 3; ++q) {
    float g[3];
#pragma unroll
    for (int p = 0; p < 3; ++p) {
      g[p] = filter < filters ? GET(weights, first + p * w_row + q * w_column) : 0.0f;
    }
    G_TRANSFORM(g[0], g[1], g[2], TO)
  }
#undef TO
#define TO(j) u[j]
#pragma unroll
  for (int i = 0; i < EDGE; ++i) {
    float u[EDGE];
    G_TRANSFORM(t[i][0], t[i][1], t[i][2], TO)
#pragma unroll
    for (int j = 0; j < EDGE; ++j) out[(i * EDGE + j) * xi_step] = u[j];
  }
#undef TO
}

// One work-item per tile, for every get_global_size(1)-th plane.
kernel void winograd_gpu_input(global const element* restrict x, global const element* restrict y,
                               global float* restrict V, int channels, int groups, int in_h, int in_w,
                               int top, int left, int tiles_y, int tiles_x, long first_tile, int tiles,
                               int pitch) {
  const int t = get_global_id(0);
  if (t >= tiles) return;
  const int column = (int)((first_tile + t) % tiles_x) * M + left;
  const int row = (int)((first_tile + t) / tiles_x % tiles_y) * M + top;
  const long image = (first_tile + t) / tiles_x / tiles_y;
  const int planes = channels * groups;
  const long xi_step = (long)channels * pitch;
  for (int plane = get_global_id(1); plane < planes; plane += get_global_size(1)) {
    const long origin = (image * planes + plane) * in_h;
    float s[EDGE][EDGE];
#define FROM(i) d[i]
#define TO(i) s[i][j]
#pragma unroll
    for (int j = 0; j < EDGE; ++j) {
      const int inside = column + j >= 0 && column + j < in_w;
      float d[EDGE];
#pragma unroll
      for (int i = 0; i < EDGE; ++i) {
        const long at = (origin + row + i) * in_w + column + j;
        d[i] = inside && row + i >= 0 && row + i < in_h ? MASKED(x, y, at) : 0.0f;
      }
      B_TRANSFORM(FROM, TO)
    }
#undef FROM
#undef TO
    global float* out = V + plane / channels * XI * xi_step + (long)(plane % channels) * pitch + t;
#define FROM(j) s[i][j]
#define TO(j) v[j]
#pragma unroll
    for (int i = 0; i < EDGE; ++i) {
      float v[EDGE];
      B_TRANSFORM(FROM, TO)
#pragma unroll
      for (int j = 0; j < EDGE; ++j) out[(i * EDGE + j) * xi_step] = v[j];
    }
#undef FROM
#undef TO
  }
}

// This work-item's share of channels k0 .. k0+BK of both operands: zeroes beyond the last one.
#define FETCH(k0)                                                                            \
  _Pragma("unroll") for (int f = 0; f < U_FETCHES; ++f) {                                    \
    const int row = (k0) + (item + f * ITEMS) / (BM / 4);                                    \
    const int at = (item + f * ITEMS) % (BM / 4);                                            \
    next_u[f] = row < channels ? us[(long)row * (padded_filters / 4) + at] : (float4)(0.0f); \
  }                                                                                          \
  _Pragma("unroll") for (int f = 0; f < V_FETCHES; ++f) {                                    \
    const int row = (k0) + (item + f * ITEMS) / (BN / 4);                                    \
    const int at = (item + f * ITEMS) % (BN / 4);                                            \
    next_v[f] = row < channels ? vs[(long)row * (pitch / 4) + at] : (float4)(0.0f);          \
  }
#define KEEP(pair)                                                                                     \
  _Pragma("unroll") for (int f = 0; f < U_FETCHES; ++f) local_u[pair][item + f * ITEMS] = next_u[f];   \
  _Pragma("unroll") for (int f = 0; f < V_FETCHES; ++f) local_v[pair][item + f * ITEMS] = next_v[f];

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void winograd_gpu_multiply(global const float4* restrict V, global const float4* restrict packed,
                           global float4* restrict products, int channels, int filters,
                           int padded_filters, int pitch, int strips) {
  local float4 local_u[2][BK * BM / 4];
  local float4 local_v[2][BK * BN / 4];
  const int item = get_local_id(0);
  const int lx = item % LX;
  const int ly = item / LX;
  const int blocks = padded_filters / BM;
  const long id = get_group_id(0);
  const int block = (int)(id % blocks);
  const int strip = (int)(id / blocks % strips);
  const long batch = id / blocks / strips;  // group and xi
  global const float4* us = packed + batch * channels * (padded_filters / 4) + block * (BM / 4);
  global const float4* vs = V + batch * channels * (pitch / 4) + strip * (BN / 4);

  float4 acc[TM][TN / 4];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
#pragma unroll
    for (int j = 0; j < TN / 4; ++j) acc[i][j] = (float4)(0.0f);
  }
  float4 next_u[U_FETCHES], next_v[V_FETCHES];
  FETCH(0)
  KEEP(0)
  barrier(CLK_LOCAL_MEM_FENCE);
  int pair = 0;
  for (int k0 = 0; k0 < channels; k0 += BK) {
    FETCH(k0 + BK)
#pragma unroll
    for (int k = 0; k < BK; ++k) {
      float4 u[TM / 4], v[TN / 4];
#pragma unroll
      for (int i = 0; i < TM / 4; ++i) u[i] = local_u[pair][k * (BM / 4) + ly + i * LY];
#pragma unroll
      for (int j = 0; j < TN / 4; ++j) v[j] = local_v[pair][k * (BN / 4) + lx + j * LX];
#pragma unroll
      for (int i = 0; i < TM / 4; ++i) {
#pragma unroll
        for (int j = 0; j < TN / 4; ++j) {
          acc[4 * i][j] = MULTIPLY_ADD((float4)(u[i].x), v[j], acc[4 * i][j]);
          acc[4 * i + 1][j] = MULTIPLY_ADD((float4)(u[i].y), v[j], acc[4 * i + 1][j]);
          acc[4 * i + 2][j] = MULTIPLY_ADD((float4)(u[i].z), v[j], acc[4 * i + 2][j]);
          acc[4 * i + 3][j] = MULTIPLY_ADD((float4)(u[i].w), v[j], acc[4 * i + 3][j]);
        }
      }
    }
    pair = 1 - pair;
    KEEP(pair)
    barrier(CLK_LOCAL_MEM_FENCE);
  }

#pragma unroll
  for (int i = 0; i < TM; ++i) {
    const int filter = block * BM + (i / 4 * LY + ly) * 4 + i % 4;
    if (filter < filters) {
      global float4* out = products + (batch * filters + filter) * (pitch / 4) + strip * (BN / 4) + lx;
#pragma unroll
      for (int j = 0; j < TN / 4; ++j) out[j * LX] = acc[i][j];
    }
  }
}

// One work-item per tile, for every get_global_size(1)-th plane of the result.
kernel void winograd_gpu_output(global const float* restrict products, global const element* restrict b,
                                global const element* restrict r, global element* restrict result,
                                int filters, int groups, int oh, int ow, int tiles_y, int tiles_x,
                                long first_tile, int tiles, int pitch) {
  const int t = get_global_id(0);
  if (t >= tiles) return;
  const int j0 = (int)((first_tile + t) % tiles_x) * M;
  const int i0 = (int)((first_tile + t) / tiles_x % tiles_y) * M;
  const long image = (first_tile + t) / tiles_x / tiles_y;
  const int planes = filters * groups;
  const long xi_step = (long)filters * pitch;
  for (int plane = get_global_id(1); plane < planes; plane += get_global_size(1)) {
    global const float* from =
        products + plane / filters * XI * xi_step + (long)(plane % filters) * pitch + t;
    float s[M][EDGE];
#define FROM(i) from[(i * EDGE + j) * xi_step]
#define TO(i) s[i][j]
#pragma unroll
    for (int j = 0; j < EDGE; ++j) A_TRANSFORM(FROM, TO)
#undef FROM
#undef TO
    const float bias = BIAS_OF(b, plane);
    const long first = ((image * planes + plane) * oh + i0) * ow + j0;
#define FROM(j) s[i][j]
#define TO(j) sums[j]
#pragma unroll
    for (int i = 0; i < M; ++i) {
      float sums[M];
      A_TRANSFORM(FROM, TO)
#pragma unroll
      for (int j = 0; j < M; ++j) {
        const long at = first + (long)i * ow + j;
        if (i0 + i < oh && j0 + j < ow) {
          const float value = sums[j] + bias + RESIDUAL_OF(r, at);
          PUT(RESULT(GET(result, at), ACTIVATE(value)), result, at);
        }
      }
    }
#undef FROM
#undef TO
  }
}
#endif  // BM
