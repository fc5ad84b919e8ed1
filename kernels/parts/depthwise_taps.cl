// Which tap of a depthwise convolution connects a row or column of the input with one of the result.
//
// Results come in steps of RH rows and RW columns, and a step goes IH rows and IW columns further in the input. A
// forward convolution at stride s has steps of 1 result, s apart in the input. A data gradient at stride s has steps of
// s results, one for each residue class, each with taps of its own, 1 apart in the input. A step sees REACH_H + 1 rows
// and REACH_W + 1 columns of the input.
//
// TAP_ROW(r, j, ry): DH times the tap that connects row r of the input, counted from the first that step 0 sees, with
// row ry of step j. There is no such tap where this is no multiple of DH or beyond the filter: IS_TAP.
//
// STEP_OF(r, reach, s), s < STEPS_OF_ROW(reach): the steps that can see row r, among those of the block (IS_STEP),
// where a step sees `reach` more rows than one. Unrolled loops go over these, since LLVM takes long to fold the
// conditions of all pairs of rows and steps (narrow, 5x5, 14 steps: built in 0.2 instead of 0.3 s).
//
// Macros: KH KW SH SW DH DW; DATA (1: data gradient or transposed), PT_MOD PL_MOD (DATA: pt % SH, pl % SW).

#if DATA
#define IH 1
#define IW 1
#define RH SH
#define RW SW
#define BASE_H ((KH - 1) * DH / SH)
#define BASE_W ((KW - 1) * DW / SW)
#define REACH_H (BASE_H + (SH - 1 + PT_MOD) / SH)
#define REACH_W (BASE_W + (SW - 1 + PL_MOD) / SW)
#define TAP_ROW(r, j, ry) ((ry) + PT_MOD - ((r) - BASE_H - (j)) * SH)
#define TAP_COLUMN(q, rx) ((rx) + PL_MOD - ((q) - BASE_W) * SW)
#else
#define IH SH
#define IW SW
#define RH 1
#define RW 1
#define REACH_H ((KH - 1) * DH)
#define REACH_W ((KW - 1) * DW)
#define TAP_ROW(r, j, ry) ((r) - (j) * SH)
#define TAP_COLUMN(q, rx) (q)
#endif
#define STEPS_OF_ROW(reach) ((reach) / IH + 1)
#define STEP_OF(r, reach, s) ((r) / IH - (reach) / IH + (s))
#define IS_STEP(t, steps) ((t) >= 0 && (t) < (steps))
#define IS_TAP(position, step, taps) \
  ((position) >= 0 && (position) % (step) == 0 && (position) / (step) < (taps))
