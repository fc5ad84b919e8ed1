// parts: register_tile lanes
// Implicit GEMM for the weight gradient, on CPUs, vectors along the pixels of a row:
// dw (filters x channels*kh*kw) = dy (filters x pixels) times the patches of x (pixels x channels*kh*kw), gathered
// while multiplying. The reduction runs over the pixels of all images. It can be split into parts, whose sums another
// kernel adds in a fixed order: the results are floats, dw itself or a part.
//
// For few filters per group.
//
//   dy rows (padded to whole vectors): MR filters      x (padding written out): one channel, TP x TQ taps
//     [ floatv ] ->                                      [ floatv ] at each tap
//
// One work-item per work-group, a register tile of MR filters x TP*TQ taps. Per vector of pixels: MR + TP*TQ vector
// loads (SW == 2: two each for x), MR*TP*TQ fused multiply-adds. The lanes are added up at the end.
//
// Macros: MR TP TQ VW; SH SW DH DW. x and dy are floats, masked already. All other sizes are arguments.

#define TAPS (TP * TQ)

#if SW == 1
#define LOAD_PIXELS(pointer) LOAD_V(pointer)
#else
#define LOAD_PIXELS(pointer) even_lanes(LOAD_V(pointer), LOAD_V((pointer) + VW))
#endif

#define PARAMETERS \
  global const float* restrict x, global const float* restrict dy, \
  global float* restrict result, int images, int channels, int kh, int kw, int pitch, \
  long plane, int oh, int ow, int dy_pitch, long dy_plane, int filters, int groups, \
  int filter_tiles, int row_tiles, int tap_tiles, long rows_per_part, long part_stride
#define ARGUMENTS \
  x, dy, result, images, channels, kh, kw, pitch, plane, oh, ow, dy_pitch, dy_plane, filters, \
  groups, filter_tiles, row_tiles, tap_tiles, rows_per_part, part_stride

NOT_INLINED void weights_pixels_item(const long id, PARAMETERS) {
  const int q0 = min((int)(id % tap_tiles) * TQ, kw - TQ);
  const int p0 = min((int)(id / tap_tiles % row_tiles) * TP, kh - TP);
  const int channel = (int)(id / tap_tiles / row_tiles % channels);
  const long outer = id / tap_tiles / row_tiles / channels;
  const int f0 = min((int)(outer % filter_tiles) * MR, filters - MR);
  const int group_index = (int)(outer / filter_tiles % groups);
  const long part = outer / filter_tiles / groups;
  const long rows = (long)images * oh;
  const long first = part * rows_per_part;
  const long last = min(first + rows_per_part, rows);

  floatv acc[MR][TAPS];
  CLEAR_TILE(acc, MR, TAPS)
  for (long row = first; row < last; ++row) {
    const long image = row / oh;
    const int y = (int)(row % oh);
    global const float* x_row = x + ((image * groups + group_index) * channels + channel) * plane +
                               (long)(y * SH + p0 * DH) * pitch + q0 * DW;
    global const float* gradient =
        dy + ((image * groups + group_index) * filters + f0) * dy_plane + (long)y * dy_pitch;
    for (int j = 0; j < ow; j += VW) {
      MULTIPLY_LANES(acc, MR, TAPS, LOAD_V(gradient + i * dy_plane + j),
                     LOAD_PIXELS(x_row + v / TQ * DH * pitch + v % TQ * DW + j * SW))
    }
  }
#pragma unroll
  for (int m = 0; m < MR; ++m) {
    global float* filter =
        result + part * part_stride +
        (((long)group_index * filters + f0 + m) * channels + channel) * kh * kw;
#pragma unroll
    for (int t = 0; t < TAPS; ++t) {
      float lanes[VW];
      STORE_V(acc[m][t], lanes);
      float sum = 0.0f;
#pragma unroll
      for (int lane = 0; lane < VW; ++lane) sum += lanes[lane];
      filter[(p0 + t / TQ) * kw + q0 + t % TQ] = sum;
    }
  }
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void weights_pixels(PARAMETERS) {
  weights_pixels_item(get_group_id(0), ARGUMENTS);
}
