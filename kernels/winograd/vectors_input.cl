// parts: mask winograd_transforms
// Winograd on CPUs, second program: transforms the input, vectors along the tiles of a row (vectors_multiply.cl shows
// the whole).
//
//   input plane                                    V[group][xi][channel][t] = (B' d B)[xi] of tile first_tile + t
//     +------+                                       xi_step and pitch floats apart
//     | d +--|---+   EDGE x EDGE, M apart   B' d B
//     |   |  | d |   VT tiles at a time    ------->  [xi][channel][ VT tiles ]
//     +---|--+   |
//         +------+
//
// Macros: M; VT (tiles per vector, a power of two), VW (says only that this is a CPU, which has fma), MASK, STORAGE_...

typedef CLCONV_PASTE(float, VT) floatt;
#define LOAD_T(pointer) CLCONV_PASTE(vload, VT)(0, pointer)
#define STORE_T(value, pointer) CLCONV_PASTE(vstore, VT)(value, 0, pointer)

// Columns of a row that VT tiles and their vectors reach: at most M*VT + M.
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
#define KEPT(at) BACKWARD(GET_N(VT, x + (at)), GET_N(VT, y + (at)))
#else
#define KEPT(at) GET_N(VT, x + (at))
#endif

// Copies `count` elements of x to `to`.
inline void stage(global const element* x, global const element* y, float* to,
                  const int count) {
  if (count >= VT) {
    for (int j = 0; j + VT <= count; j += VT) STORE_T(KEPT(j), to + j);
    STORE_T(KEPT(count - VT), to + count - VT);
  } else {
    for (int j = 0; j < count; ++j) to[j] = MASKED(x, y, j);
  }
}

#define PARAMETERS \
  global const element* restrict x, global const element* restrict y, global float* restrict V, \
  int channels, int groups, int in_h, int in_w, int top, int left, int tiles_y, int tiles_x, \
  long first_tile, int tiles, int pitch, long xi_step, int part_tiles, long in_image
#define ARGUMENTS \
  x, y, V, channels, groups, in_h, in_w, top, left, tiles_y, tiles_x, first_tile, tiles, pitch, \
  xi_step, part_tiles, in_image

// Copies what VT tiles see, from (row, column) of the plane at `origin` on, with zeroes outside it.
ALWAYS_INLINE void stage_tiles(float staged[EDGE][STAGED], global const element* x, global const element* y,
                               const long origin, const int row, const int column, const int in_h, const int in_w) {
  const int lo = clamp(-column, 0, STAGED);
  const int hi = clamp(in_w - column, lo, STAGED);
#pragma unroll
  for (int i = 0; i < EDGE; ++i) {
    if (lo > 0 || hi < STAGED || row + i < 0 || row + i >= in_h) {
#pragma unroll
      for (int j = 0; j < STAGED; j += VT) STORE_T((floatt)(0.0f), staged[i] + j);
    }
    if (row + i >= 0 && row + i < in_h) {
      const long at = origin + (long)(row + i) * in_w + column + lo;
      stage(x + at, y + at, staged[i] + lo, hi - lo);
    }
  }
}

// d[i][j]: element (i, j) of each of the VT tiles.
ALWAYS_INLINE void divide_into_tiles(float staged[EDGE][STAGED], floatt d[EDGE][EDGE]) {
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
}

// Transforms the tiles and stores the first `count` of them, xi_step floats from one element of a tile to the next.
ALWAYS_INLINE void transform_tiles(floatt d[EDGE][EDGE], global float* out, const long xi_step, const int count) {
  floatt s[EDGE][EDGE];
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
    if (count >= VT) {
#pragma unroll
      for (int j = 0; j < EDGE; ++j) STORE_T(r[j], out + (i * EDGE + j) * xi_step);
    } else {
      for (int j = 0; j < EDGE; ++j) {
        float values[VT];
        STORE_T(r[j], values);
        for (int lane = 0; lane < count; ++lane) out[(i * EDGE + j) * xi_step + lane] = values[lane];
      }
    }
  }
#undef FROM
#undef TO
}

// One work-group per plane and part of the tiles. Lanes beyond the end of a row of tiles hold nothing of use: the next
// row overwrites them, and those of the last row are not stored where another part begins (V has VT floats of room
// behind the tiles).
NOT_INLINED void winograd_input_item(const long id, PARAMETERS) {
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
    stage_tiles(staged, x, y, image * in_image + (long)plane * in_h * in_w, tile_y * M + top, tile_x * M + left, in_h,
                in_w);
    floatt d[EDGE][EDGE];
    divide_into_tiles(staged, d);
    transform_tiles(d, out + t, xi_step, room - t);
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

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void winograd_input(PARAMETERS) {
  winograd_input_item(get_group_id(0), ARGUMENTS);
}
