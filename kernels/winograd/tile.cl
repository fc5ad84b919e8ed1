// parts: mask quotient winograd_store
// Winograd on GPUs: one work-item per tile transforms it, around a batch of (M+2)^2 matrix products.
//
//   x --input--> V [group][xi][channel][tile] --multiply--> products [group][xi][filter][tile] --output--> y
//
//   multiply, per (group, xi):     tiles ->
//                              +----- BN -----+       Work-group: BM filters x BN tiles, (BM/TM)*(BN/TN) work-items.
//                         BK   |  V           |       There are two pairs of local tiles: while one is multiplied,
//                              +--------------+       each work-item fetches its share of the other, so that a step
//                  +-- BK --+  +--------------+       has one barrier. Its TM filters are blocks of 4 neighbours,
//              BM  |   U    |  |  TM x TN per |       4*BM/TM apart, its TN tiles likewise: neighbouring work-items
//                  |        |  |  work-item   |       read neighbouring float4s.
//                  +--------+  +--------------+
//
// U is [group][xi][channel][filters, zero up to a multiple of BM] (winograd/tile_weights.cl). V and the products have a
// multiple of BN tiles (`pitch`); what those beyond the last hold is multiplied, but never read.
//
// Macros: M; BM BN BK TM TN (multiples of 4), MASK, and those of the epilogue. All other sizes are arguments.

typedef float floatv;
typedef float floatt;

#define LX (BN / TN)
#define LY (BM / TM)
#define ITEMS (LX * LY)
#define U_FETCHES (BK * BM / 4 / ITEMS)
#define V_FETCHES (BK * BN / 4 / ITEMS)

// Defines the row and column of results where tile `t` of a chunk begins, and its image. The chunk begins at tile
// first_x of row first_y of first_image.
#define PLACE_TILE()                                             \
  const int across = first_x + t;                                \
  const int lines = QUOTIENT(across, tiles_x);                   \
  const int down = first_y + lines;                              \
  const int images = QUOTIENT(down, tiles_y);                    \
  const int j0 = (across - lines * tiles_x) * M;                 \
  const int i0 = (down - images * tiles_y) * M;                  \
  const long image = first_image + images;

// One work-item per tile, for every get_global_size(1)-th plane.
kernel void winograd_gpu_input(global const element* restrict x, global const element* restrict y,
                               global float* restrict V, int channels, int groups, int in_h, int in_w,
                               int top, int left, int channels_reciprocal, int channels_shift, int tiles_y,
                               int tiles_y_reciprocal, int tiles_y_shift, int tiles_x, int tiles_x_reciprocal,
                               int tiles_x_shift, int first_x, int first_y, long first_image, int tiles,
                               int pitch, long in_image) {
  const int t = get_global_id(0);
  if (t >= tiles) return;
  PLACE_TILE()
  const int column = j0 + left;
  const int row = i0 + top;
  const int planes = channels * groups;
  const long xi_step = (long)channels * pitch;
  for (int plane = get_global_id(1); plane < planes; plane += get_global_size(1)) {
    const long origin = image * in_image + (long)plane * in_h * in_w;
    float s[EDGE][EDGE];
#define FROM(i) d[i]
#define TO(i) s[i][j]
#pragma unroll
    for (int j = 0; j < EDGE; ++j) {
      const int inside = column + j >= 0 && column + j < in_w;
      float d[EDGE];
#pragma unroll
      for (int i = 0; i < EDGE; ++i) {
        const long at = origin + (long)(row + i) * in_w + column + j;
        d[i] = inside && row + i >= 0 && row + i < in_h ? MASKED(x, y, at) : 0.0f;
      }
      B_TRANSFORM(FROM, TO)
    }
#undef FROM
#undef TO
    const int group = QUOTIENT(plane, channels);
    global float* out = V + group * XI * xi_step + (long)(plane - group * channels) * pitch + t;
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

// Fetches the work-item's share of BK channels from `us` and `vs` on, of which `left` are there: zeroes beyond the
// last.
#define FETCH(left)                                                                          \
  _Pragma("unroll") for (int f = 0; f < U_FETCHES; ++f) {                                    \
    const int row = (item + f * ITEMS) / (BM / 4);                                           \
    const int at = row * (padded_filters / 4) + (item + f * ITEMS) % (BM / 4);               \
    next_u[f] = row < (left) ? us[at] : (float4)(0.0f);                                      \
  }                                                                                          \
  _Pragma("unroll") for (int f = 0; f < V_FETCHES; ++f) {                                    \
    const int row = (item + f * ITEMS) / (BN / 4);                                           \
    const int at = row * (pitch / 4) + (item + f * ITEMS) % (BN / 4);                        \
    next_v[f] = row < (left) ? vs[at] : (float4)(0.0f);                                      \
  }
#define TO_LOCAL(pair)                                                                                 \
  _Pragma("unroll") for (int f = 0; f < U_FETCHES; ++f) local_u[pair][item + f * ITEMS] = next_u[f];   \
  _Pragma("unroll") for (int f = 0; f < V_FETCHES; ++f) local_v[pair][item + f * ITEMS] = next_v[f];

// acc += the BK products of a step.
#define MULTIPLY_STEP(pair)                                                                       \
  local const float4* rows_of = local_u[pair] + ly;                                               \
  local const float4* columns_of = local_v[pair] + lx;                                            \
  _Pragma("unroll") for (int k = 0; k < BK; ++k) {                                                \
    float4 u[TM / 4], v[TN / 4];                                                                  \
    _Pragma("unroll") for (int i = 0; i < TM / 4; ++i) u[i] = rows_of[k * (BM / 4) + i * LY];     \
    _Pragma("unroll") for (int j = 0; j < TN / 4; ++j) v[j] = columns_of[k * (BN / 4) + j * LX];  \
    _Pragma("unroll") for (int i = 0; i < TM / 4; ++i) {                                          \
      _Pragma("unroll") for (int j = 0; j < TN / 4; ++j) {                                        \
        acc[4 * i][j] = MULTIPLY_ADD((float4)(u[i].x), v[j], acc[4 * i][j]);                      \
        acc[4 * i + 1][j] = MULTIPLY_ADD((float4)(u[i].y), v[j], acc[4 * i + 1][j]);              \
        acc[4 * i + 2][j] = MULTIPLY_ADD((float4)(u[i].z), v[j], acc[4 * i + 2][j]);              \
        acc[4 * i + 3][j] = MULTIPLY_ADD((float4)(u[i].w), v[j], acc[4 * i + 3][j]);              \
      }                                                                                           \
    }                                                                                             \
  }

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
  const int id = get_group_id(0);
  const int line = id / blocks;
  const int block = id - line * blocks;
  const int batch = line / strips;  // group and xi
  const int strip = line - batch * strips;
  global const float4* us = packed + (long)batch * channels * (padded_filters / 4) + block * (BM / 4);
  global const float4* vs = V + (long)batch * channels * (pitch / 4) + strip * (BN / 4);

  float4 acc[TM][TN / 4];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
#pragma unroll
    for (int j = 0; j < TN / 4; ++j) acc[i][j] = (float4)(0.0f);
  }
  float4 next_u[U_FETCHES], next_v[V_FETCHES];
  FETCH(channels)
  TO_LOCAL(0)
  barrier(CLK_LOCAL_MEM_FENCE);
  int pair = 0;
  for (int left = channels; left > 0; left -= BK) {
    us += BK * (padded_filters / 4);
    vs += BK * (pitch / 4);
    FETCH(left - BK)
    MULTIPLY_STEP(pair)
    pair = 1 - pair;
    TO_LOCAL(pair)
    barrier(CLK_LOCAL_MEM_FENCE);
  }

#pragma unroll
  for (int i = 0; i < TM; ++i) {
    const int filter = block * BM + (i / 4 * LY + ly) * 4 + i % 4;
    if (filter < filters) {
      global float4* out = products + ((long)batch * filters + filter) * (pitch / 4) + strip * (BN / 4) + lx;
#pragma unroll
      for (int j = 0; j < TN / 4; ++j) out[j * LX] = acc[i][j];
    }
  }
}

// One work-item per tile, for every get_global_size(1)-th plane of the result.
kernel void winograd_gpu_output(global const float* restrict products, global const element* restrict b,
                                global const element* restrict r, global element* restrict result,
                                int filters, int groups, int oh, int ow, int filters_reciprocal,
                                int filters_shift, int tiles_y, int tiles_y_reciprocal, int tiles_y_shift,
                                int tiles_x, int tiles_x_reciprocal, int tiles_x_shift, int first_x, int first_y,
                                long first_image, int tiles, int pitch, long out_image SLOPES_PARAMETER) {
  const int t = get_global_id(0);
  if (t >= tiles) return;
  PLACE_TILE()
  const int planes = filters * groups;
  const long xi_step = (long)filters * pitch;
  for (int plane = get_global_id(1); plane < planes; plane += get_global_size(1)) {
    const int group = QUOTIENT(plane, filters);
    global const float* from = products + group * XI * xi_step + (long)(plane - group * filters) * pitch + t;
    float s[M][EDGE];
#define FROM(i) from[(i * EDGE + j) * xi_step]
#define TO(i) s[i][j]
#pragma unroll
    for (int j = 0; j < EDGE; ++j) A_TRANSFORM(FROM, TO)
#undef FROM
#undef TO
    const float bias = BIAS_OF(b, plane);
    const float slope = SLOPE_OF(SLOPES_OF(image, planes), plane);
    const long first = image * out_image + ((long)plane * oh + i0) * ow + j0;
    STORE_RESULTS(first)
  }
}
