#include "strategies/depthwise/staged_layout.hpp"

#include <algorithm>

#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {

Sections plane_sections(const Case& c, int vw, std::int64_t tile) {
  const std::int64_t planes = c.problem.n * c.problem.c;
  return {c, vw, tile, ceil_div(2 * c.profile.compute_units, planes)};
}

StagedLayout::StagedLayout(const Case& c, const Config& config, int vw, const Sections& sections)
    : case_(c),
      config_(config),
      vw_(vw),
      sections_(sections),
      all_sections_(c.problem.n * c.problem.c * sections.in_plane()),
      per_work_group_(ceil_div(all_sections_, c.profile.compute_units * kWorkGroupsPerUnit)) {}

void StagedLayout::describe(Candidate& candidate) const {
  const Problem& p = case_.problem;
  const double sections = real(all_sections_);
  const Pass pass = plane_pass(case_, {sections, section_cycles(), vw_}, sections);
  describe_as(candidate, p, predicted_us(case_.profile, {pass}));
  candidate.coverage = sections_.coverage();
  candidate.not_considered = sections_.not_considered(case_.profile);
}

std::int64_t StagedLayout::channels() const {
  const Problem& p = case_.problem;
  return p.wants_dx() ? p.k / p.c : 1;
}

std::int64_t StagedLayout::filters() const {
  const Problem& p = case_.problem;
  return p.wants_dx() ? 1 : p.k / p.c;
}

double StagedLayout::vectors() const {
  return static_cast<double>(ceil_div(std::min(sections_.section_w, sections_.columns.steps), vw_));
}

std::vector<Argument> StagedLayout::arguments() const {
  const Problem& p = case_.problem;
  const bool data = p.wants_dx();
  const Sections& t = sections_;
  const Operands operands(p);
  return {{"x", operands.input},
          {"y_mask", operands.mask},
          {"weights", Region{kWeightsSlot}},
          {"b", Region{kBiasSlot}},
          {"r", Region{kResidualSlot}},
          {"result", operands.result},
          {"groups", narrow(p.c)},
          {"filters", narrow(filters())},
          {"in_h", narrow(data ? p.oh() : p.h)},
          {"in_w", narrow(data ? p.ow() : p.w)},
          {"in_size",
           cl_long{(p.n - 1) * p.input_image() + (data ? p.y_elements() : p.x_elements()) / p.n}},
          {"top", narrow(t.rows.start)},
          {"left", narrow(t.columns.start)},
          {"res_h", narrow(data ? p.h : p.oh())},
          {"res_w", narrow(data ? p.w : p.ow())},
          {"steps_h", narrow(t.rows.steps)},
          {"steps_w", narrow(t.columns.steps)},
          {"section_h", narrow(t.section_h)},
          {"section_w", narrow(t.section_w)},
          {"sections_x", narrow(t.sections_x)},
          {"sections", narrow(t.in_plane())},
          {"all_sections", cl_long{all_sections_}},
          {"sections_per_work_group", narrow(per_work_group_)},
          {"pitch", narrow(t.pitch)},
          {"shift", narrow(t.shift)},
          {"in_image", cl_long{p.input_image()}},
          {"out_image", cl_long{p.result_image()}}};
}

Range StagedLayout::range() const {
  return one_item_groups(ceil_div(all_sections_, per_work_group_));
}

}  // namespace clconv::core::depthwise
