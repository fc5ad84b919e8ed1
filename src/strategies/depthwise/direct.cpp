// direct: forward convolution and data gradient, a column of a few results per work-item, in either layout. For GPUs;
// runs everywhere.
#include <algorithm>
#include <cmath>

#include "ops/epilogue.hpp"
#include "ops/quotient.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {
namespace {

class DirectLayout : public Layout {
 public:
  DirectLayout(const Case& c, const Config& config, int ty)
      : case_(c),
        config_(config),
        ty_(ty),
        local_(std::min<std::int64_t>(64, c.profile.max_work_group_size)) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    // A data gradient looks at every tap and finds one in stride^2 to multiply.
    const double flops = p.wants_dx() ? p.flops() * (real(p.sh) * real(p.sw)) : p.flops();
    const Pass pass = direct_pass(case_, flops, std::ceil(real(work_items()) / real(local_)));
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    const bool data = p.wants_dx();
    const std::int64_t multiplier = p.k / p.c;
    const std::int64_t planes = data ? p.c : p.k, filters = data ? 1 : multiplier;
    const std::int64_t row_tiles = ceil_div(result_h(), ty_);
    const Reciprocal of_planes(planes), of_filters(filters);
    const Reciprocal of_columns(result_w()), of_row_tiles(row_tiles);
    // With reciprocals PoCL 3.1's code was no faster, and in some runs slower (64 planes of 56x56, 2-core Zen 3).
    const bool wide = case_.profile.family == Family::kCpu || work_items() > INT32_MAX - local_;
    const Operands operands(p);
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/direct", "depthwise_direct",
                      class_defines(p, config_) + define("UNROLL", ty_ > 1) + define("WIDE", wide)),
        with_slopes(p, {{"x", operands.input},
                        {"y_mask", operands.mask},
                        {"weights", Region{kWeightsSlot}},
                        {"b", Region{kBiasSlot}},
                        {"r", Region{kResidualSlot}},
                        {"result", operands.result},
                        {"groups", narrow(p.c)},
                        {"planes", narrow(planes)},
                        {"planes_reciprocal", of_planes.bits()},
                        {"planes_shift", cl_int{of_planes.shift}},
                        {"channels", narrow(data ? multiplier : 1)},
                        {"filters", narrow(filters)},
                        {"filters_reciprocal", of_filters.bits()},
                        {"filters_shift", cl_int{of_filters.shift}},
                        {"in_h", narrow(data ? p.oh() : p.h)},
                        {"in_w", narrow(data ? p.ow() : p.w)},
                        {"pt", narrow(p.pt)},
                        {"pl", narrow(p.pl)},
                        {"res_h", narrow(result_h())},
                        {"res_w", narrow(result_w())},
                        {"res_w_reciprocal", of_columns.bits()},
                        {"res_w_shift", cl_int{of_columns.shift}},
                        {"row_tiles", narrow(row_tiles)},
                        {"row_tiles_reciprocal", of_row_tiles.bits()},
                        {"row_tiles_shift", cl_int{of_row_tiles.shift}},
                        {"items", cl_long{work_items()}},
                        {"in_image", cl_long{p.input_image()}},
                        {"out_image", cl_long{p.result_image()}}}),
        items(work_items(), local_)));
  }

 private:
  std::int64_t result_h() const {
    return case_.problem.wants_dx() ? case_.problem.h : case_.problem.oh();
  }
  std::int64_t result_w() const {
    return case_.problem.wants_dx() ? case_.problem.w : case_.problem.ow();
  }
  std::int64_t work_items() const {
    const Problem& p = case_.problem;
    const std::int64_t planes = p.n * (p.wants_dx() ? p.c : p.k);
    return planes * ceil_div(result_h(), ty_) * result_w();
  }

  const Case& case_;
  Config config_;
  int ty_;              // rows of results of a work-item
  std::int64_t local_;  // work-items of a work-group
};

// As many rows as the unrolled loop over a small filter can share.
std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const bool small = p.kh * p.kw <= 25 && p.dh == 1 && p.sh <= 2;
  return {{"direct", {{"ty", p.wants_dx() || !small ? 1 : 4}}}};
}

Fit fit(const Case& c, const Config& config) {
  return std::make_unique<const DirectLayout>(c, config, config.get("ty", 1, 8));
}

}  // namespace

extern const Body body_direct = {"direct", Suits::kAll, 1, "depthwise/direct", variants, fit};

}  // namespace clconv::core::depthwise
