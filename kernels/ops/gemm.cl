// parts: register_tile
// Matrix products for CPUs: C (m x n) = A (m x k) * B (k x n), or added to C; per batch entry
//
//   A [k][m]: m innermost      B [n/NR][k][NR]: panels of NR columns      C [n][m]: m innermost
//
//            NR columns                 One work-item per work-group computes MP panels of MB = MV*VW rows of C by a
//          k [ . . . ]                  run of column panels, KB of the k at a time. It copies this part of its rows
//            [ . . . ]                  of A to one place, since rows of A are a page or more apart, and reads it
//    k       [ . . . ]                  from L2 once per column panel, while KB x NR of B stay in L1 for all MP
//  [ # # # ]                            panels. Per k: MV vector loads, NR broadcasts, NR*MV fused multiply-adds in
//  [ # # # ] MB rows: acc[NR][MV]       the register tile of parts/register_tile.cl.
//
// The structure of K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008. m is a
// multiple of MB, n of NR; the values of the padding only reach the padding of C.
//
// Macros: VW, MV, NR, KB, MP.

#define MB (MV * VW)

#define PARAMETERS \
  global const float* restrict a, global const float* restrict b, global float* restrict c, \
  long m, int k, int n_panels, int m_blocks, int n_runs, int add
#define ARGUMENTS \
  a, b, c, m, k, n_panels, m_blocks, n_runs, add

NOT_INLINED void gemm_panels_item(const long id, local float* restrict block, PARAMETERS) {
  const int n_run = (int)(id % n_runs);
  const int m_block = (int)(id / n_runs % m_blocks);
  const long entry = id / n_runs / m_blocks;
  const int first = (int)((long)n_panels * n_run / n_runs);
  const int last = (int)((long)n_panels * (n_run + 1) / n_runs);
  const long row = (long)m_block * (MP * MB);
  const int panels = (int)min((long)MP, (m - row) / MB);
  global const float* a_rows = a + entry * k * m + row;
  global const float* b_panels = b + entry * k * n_panels * NR;
  global float* c_rows = c + entry * n_panels * NR * m + row;

  for (int k0 = 0; k0 < k; k0 += KB) {
    const int count = min(KB, k - k0);
    for (int kk = 0; kk < count; ++kk) {
      global const float* from = a_rows + (k0 + kk) * m;
      for (int panel = 0; panel < panels; ++panel) {
#pragma unroll
        for (int v = 0; v < MV; ++v) {
          STORE_V(LOAD_V(from + panel * MB + v * VW), block + (panel * KB + kk) * MB + v * VW);
        }
      }
    }
    const int overwrite = k0 == 0 && !add;
    for (int n_panel = first; n_panel < last; ++n_panel) {
      for (int panel = 0; panel < panels; ++panel) {
        global const float* bp = b_panels + ((long)n_panel * k + k0) * NR;
        global float* out = c_rows + (long)n_panel * NR * m + panel * MB;
        local const float* ap = block + panel * KB * MB;
        floatv acc[NR][MV];
        CLEAR_TILE(acc, NR, MV)
        for (int kk = 0; kk < count; ++kk, ap += MB, bp += NR) {
          MULTIPLY_TILE(acc, NR, MV, LOAD_V(ap + v * VW), bp[i])
        }
#pragma unroll
        for (int j = 0; j < NR; ++j) {
#pragma unroll
          for (int v = 0; v < MV; ++v) {
            global float* at = out + j * m + v * VW;
            STORE_V(overwrite ? acc[j][v] : LOAD_V(at) + acc[j][v], at);
          }
        }
      }
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void gemm_panels(PARAMETERS) {
  local float block[MP * KB * MB];
  gemm_panels_item(get_group_id(0), block, ARGUMENTS);
}
