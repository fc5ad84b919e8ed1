// parts: storage
// Products of matrices on GPUs: y = alpha * a b + beta * c, for each of a batch. A work-group of SIDE x SIDE work-items
// computes a tile of 4 SIDE x 4 SIDE results, 4 x 4 per work-item, SIDE apart:
//
//   local memory:  rows of a [ 4 SIDE x SIDE ] * columns of b [ SIDE x 4 SIDE ], one slab of k after another
//
// Sums stay short: those of 512 products each are added to the total.
//
// Macros: SIDE; ADD_C (1: c is added).

#define SHORT 512
#define TILE (4 * SIDE)

kernel __attribute__((reqd_work_group_size(SIDE, SIDE, 1)))
void multiply(global const element* restrict a, global const element* restrict b,
#if ADD_C
              global const element* restrict c, long c_row, long c_column,
#endif
              global element* restrict y, global const int* restrict a_of, global const int* restrict b_of, long m,
              long n, long k, long a_row, long a_column, long b_row, long b_column, float alpha, float beta) {
  local float slab_a[SIDE][TILE + 1];
  local float slab_b[SIDE][TILE + 1];
  const int x = get_local_id(0), z = get_local_id(1);
  const long column = (long)get_group_id(0) * TILE;
  const long row = (long)get_group_id(1) * TILE;
  const long matrix = get_group_id(2);
  global const element* from_a = a + a_of[matrix] * m * k;
  global const element* from_b = b + b_of[matrix] * k * n;
  float totals[4][4], sums[4][4];
  for (int r = 0; r < 4; ++r) {
    for (int s = 0; s < 4; ++s) totals[r][s] = sums[r][s] = 0.0f;
  }
  for (long slab = 0; slab < k; slab += SIDE) {
    for (int r = 0; r < 4; ++r) {
      // Neighbours in memory are read by neighbouring work-items, whichever way a and b lie.
      const int along = a_column == 1 ? x : z, across = (a_column == 1 ? z : x) + r * SIDE;
      const long depth = slab + along, i = row + across;
      slab_a[along][across] = depth < k && i < m ? GET(from_a, i * a_row + depth * a_column) : 0.0f;
      const int down = b_column == 1 ? z : x, side = (b_column == 1 ? x : z) + r * SIDE;
      const long height = slab + down, j = column + side;
      slab_b[down][side] = height < k && j < n ? GET(from_b, height * b_row + j * b_column) : 0.0f;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < SIDE; ++i) {
      for (int r = 0; r < 4; ++r) {
        const float factor = slab_a[i][z + r * SIDE];
        for (int s = 0; s < 4; ++s) sums[r][s] = MULTIPLY_ADD(factor, slab_b[i][x + s * SIDE], sums[r][s]);
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if ((slab + SIDE) % SHORT == 0) {
      for (int r = 0; r < 4; ++r) {
        for (int s = 0; s < 4; ++s) {
          totals[r][s] += sums[r][s];
          sums[r][s] = 0.0f;
        }
      }
    }
  }
  for (int r = 0; r < 4; ++r) {
    for (int s = 0; s < 4; ++s) {
      const long i = row + z + r * SIDE, j = column + x + s * SIDE;
      if (i >= m || j >= n) continue;
      float value = alpha * (totals[r][s] + sums[r][s]);
#if ADD_C
      value += beta * GET(c, i * c_row + j * c_column);
#endif
      PUT(value, y, (matrix * m + i) * n + j);
    }
  }
}
