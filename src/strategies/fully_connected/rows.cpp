// rows: forward, few images. A work-group sums a row of w, for some images at once. For GPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/fully_connected/bodies.hpp"

namespace clconv::core::fully_connected {
namespace {

// Guesses: w comes from L2 for more images than one work-group has, at twice the speed of memory, and what there is to
// multiply waits for loads.
constexpr double kFromL2 = 0.5, kEfficiency = 0.2;

class Rows : public Layout {
 public:
  Rows(const Case& c, const Config& config)
      : case_(c),
        images_(config.get("images", 1, 8)),
        items_(config.get_power_of_two("items", 1, 256)) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    describe_product(candidate, p);
    const double bytes = operand_bytes(p) + kFromL2 * real(p.w_bytes() * (groups_of_row() - 1));
    const double units = real(work_groups() * items_) / real(case_.machine.items_per_unit);
    const Pass pass = arithmetic_pass(p.flops(), kEfficiency, {bytes, units});
    candidate.predicted_us = predicted_us(case_.profile, {pass});
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    const Config macros{{"images", images_}, {"local", items_}, {"fours", columns_of(p) % 4 == 0}};
    executable.run.add(std::make_unique<KernelStep>(
        "fully_connected",
        device.kernel("fully_connected/rows", "fully_connected_rows", defines_of(p, macros)),
        with_slopes(p, {{"x", Region{kXSlot}},
                        {"w", Region{kWeightsSlot}},
                        {"b", Region{kBiasSlot}},
                        {"r", Region{kResidualSlot}},
                        {"y", result_region(p)},
                        {"images", narrow(p.n)},
                        {"c", narrow(columns_of(p))},
                        {"k", narrow(p.k)},
                        {"groups_of_row", narrow(groups_of_row())}}),
        items(work_groups() * items_, items_)));
  }

 private:
  std::int64_t groups_of_row() const { return ceil_div(case_.problem.n, images_); }
  std::int64_t work_groups() const { return case_.problem.k * groups_of_row(); }

  const Case& case_;
  const int images_, items_;  // of a work-group
};

std::vector<Config> variants(const Case& c) {
  const int items = c.profile.max_work_group_size >= 64 ? 64 : 1;
  const std::int64_t images = c.problem.n >= 4 ? 4 : c.problem.n >= 2 ? 2 : 1;
  return {{"rows", {{"images", static_cast<int>(images)}, {"items", items}}}};
}

Fit fit(const Case& c, const Config& config) {
  const int items = config.get_power_of_two("items", 1, 256);
  if (items > c.profile.max_work_group_size) {
    return Rejection{Reason::kWorkGroupSize, "work-group size", items,
                     c.profile.max_work_group_size, ""};
  }
  if (c.problem != with_dense_images(c.problem)) return unserved("images", "images apart");
  return std::make_unique<const Rows>(c, config);
}

}  // namespace

extern const Body body_rows = {"rows", Suits::kGpus, 1, "fully_connected/rows", variants, fit};

}  // namespace clconv::core::fully_connected
