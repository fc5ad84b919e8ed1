// parts: depthwise_taps stage_section
// The parameters of depthwise kernels that go through planes by sections: of a correlation, and of a weight gradient,
// whose program defines result_element.

#define SECTION_PARAMETERS_WITH(restrict) \
  global const element* restrict x, global const element* restrict y_mask, \
  global const element* restrict weights, global const element* restrict b, \
  global const element* restrict r, global element* restrict result, int groups, int filters, \
  int in_h, int in_w, long in_size, int top, int left, int res_h, int res_w, int steps_h, \
  int steps_w, int section_h, int section_w, int sections_x, int sections, long all_sections, \
  int sections_per_work_group, int pitch, int shift, long in_image, long out_image
#define SECTION_PARAMETERS SECTION_PARAMETERS_WITH(restrict)
#define SECTION_ARGUMENTS \
  x, y_mask, weights, b, r, result, groups, filters, in_h, in_w, in_size, top, left, res_h, \
  res_w, steps_h, steps_w, section_h, section_w, sections_x, sections, all_sections, sections_per_work_group, \
  pitch, shift, in_image, out_image

#define GRADIENT_PARAMETERS \
  global const element* restrict x, global const element* restrict dy, \
  global const element* restrict y_mask, global result_element* restrict result, int groups, \
  int filters, int in_h, int in_w, long in_size, long dy_size, int top, int left, int oh, \
  int ow, int section_h, int section_w, int sections_x, int sections, long all_sections, long sections_per_part, \
  int pitch, int shift, long part_stride
#define GRADIENT_ARGUMENTS \
  x, dy, y_mask, result, groups, filters, in_h, in_w, in_size, dy_size, top, left, oh, ow, \
  section_h, section_w, sections_x, sections, all_sections, sections_per_part, pitch, shift, part_stride
