#include "strategies/depthwise/rolling_weights.hpp"

#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {

RollingWeightsLayout::RollingWeightsLayout(const Case& c, const Config& config,
                                           const RollingPlanes& planes, std::int64_t bands,
                                           const char* file, const char* kernel,
                                           const std::string& defines)
    : WeightsLayout(c, config,
                    {1, static_cast<int>(c.problem.kh * c.problem.kw), static_cast<int>(planes.vw)},
                    c.problem.n * bands, c.problem.k),
      planes_(planes),
      file_(file),
      kernel_(kernel),
      defines_(defines),
      band_(ceil_div(planes.rows.steps, bands)),
      bands_(ceil_div(planes.rows.steps, band_)) {}

std::unique_ptr<Step> RollingWeightsLayout::multiply(Device& device, const std::string& defines,
                                                     const Region& result) const {
  const Problem& p = case_.problem;
  const std::int64_t all_filters = p.k * parts_;
  const std::int64_t per_work_group =
      ceil_div(all_filters, 2 * kWorkGroupsPerUnit * case_.profile.compute_units);
  return std::make_unique<KernelStep>(
      "depthwise", device.kernel(file_, kernel_, defines + planes_.defines() + defines_),
      std::vector<Argument>{{"x", Region{kXSlot}},
                            {"dy", Region{kDySlot}},
                            {"y_mask", p.mask ? Region{kYSlot} : Region{kDySlot}},
                            {"result", result},
                            {"groups", narrow(p.c)},
                            {"filters", narrow(p.k / p.c)},
                            {"in_h", narrow(p.h)},
                            {"in_w", narrow(p.w)},
                            {"in_size", cl_long{p.x_elements()}},
                            {"top", narrow(planes_.top())},
                            {"oh", narrow(p.oh())},
                            {"ow", narrow(p.ow())},
                            {"dy_size", cl_long{p.y_elements()}},
                            {"band", narrow(band_)},
                            {"bands", narrow(bands_)},
                            {"units", cl_long{units_}},
                            {"units_per_part", cl_long{units_per_part_}},
                            {"part_stride", cl_long{p.w_elements()}},
                            {"all_filters", cl_long{all_filters}},
                            {"filters_per_work_group", cl_long{per_work_group}}},
      one_item_groups(ceil_div(all_filters, per_work_group)));
}

}  // namespace clconv::core::depthwise
