// weights_direct: weight gradient, a work-group per filter and tap whose work-items meet in local memory. For GPUs;
// runs everywhere.
#include <algorithm>

#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {
namespace {

class WeightsDirectLayout : public Layout {
 public:
  WeightsDirectLayout(const Case& c, const Config& config, int work_items)
      : case_(c), config_(config), work_items_(work_items) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    Pass pass = direct_pass(case_, p.flops(), real(p.w_elements()));
    // One multiply-add in 42 instructions (docs/gpu.md).
    constexpr double kOnGpu = 1.0 / 42;
    if (case_.profile.family == Family::kGpu) pass.efficiency = kOnGpu;
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/weights_direct", "depthwise_weights_direct",
                      class_defines(p, config_)),
        std::vector<Argument>{{"x", Region{kXSlot}},
                              {"dy", Region{kDySlot}},
                              {"y_mask", p.mask ? Region{kYSlot} : Region{kDySlot}},
                              {"result", Region{kDwSlot}},
                              {"images", narrow(p.n)},
                              {"groups", narrow(p.c)},
                              {"filters", narrow(p.k / p.c)},
                              {"in_h", narrow(p.h)},
                              {"in_w", narrow(p.w)},
                              {"pt", narrow(p.pt)},
                              {"pl", narrow(p.pl)},
                              {"oh", narrow(p.oh())},
                              {"ow", narrow(p.ow())}},
        items(p.w_elements() * work_items_, work_items_)));
  }

 private:
  const Case& case_;
  Config config_;
  int work_items_;  // of a work-group
};

std::vector<Config> variants(const Case& c) {
  int items = 1;
  while (items * 2 <= std::min<std::int64_t>(64, c.profile.max_work_group_size))
    items *= 2;
  return {{"weights_direct", {{"items", items}}}};
}

Fit fit(const Case& c, const Config& config) {
  const int items = config.get("items", 1, 1024);
  // For the tree in local memory.
  if ((items & (items - 1)) != 0) {
    throw Error(Code::kInvalidArgument,
                "config '" + config.text() + "': items is not a power of two");
  }
  if (items > c.profile.max_work_group_size) {
    return Rejection{Reason::kWorkGroupSize, "items", items, c.profile.max_work_group_size, ""};
  }
  return std::make_unique<const WeightsDirectLayout>(c, config, items);
}

}  // namespace

extern const Body body_weights_direct = {"weights_direct",           Suits::kAll, 1,
                                         "depthwise/weights_direct", variants,    fit};

}  // namespace clconv::core::depthwise
