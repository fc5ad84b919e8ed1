// direct: no local memory, a register tile per work-item. For GPUs: groups of few filters, and local memory that is
// ordinary memory.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "ops/quotient.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm/packed_weights.hpp"

namespace clconv::core::implicit_gemm {
namespace {

// Instructions of a step besides its multiply-adds, counted in the kernel: per pixel its load and its distance, loads
// of four weights, the loop. Of the rest, a guess of what waiting for the loads leaves.
constexpr double kOfPixel = 3, kWeightsOfLoad = 4, kOfStep = 3;
constexpr double kFed = 0.5;

class Direct : public Layout {
 public:
  Direct(const Case& c, const Config& config)
      : case_(c),
        config_(config),
        mr_(config.get("mr", 4, 16)),
        np_(config.get("np", 1, 8)),
        packed_(c.correlations, mr_, c.profile) {
    if (mr_ % 4 != 0)
      throw Error(Code::kInvalidArgument, "config '" + config.text() + "': mr is " +
                                              std::to_string(mr_) + ", expected a multiple of 4");
  }

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    for (const Correlation& c : case_.correlations)
      candidate.predicted_us += us_of(c);
    candidate.prepared_weights_bytes = packed_.bytes;
    candidate.predicted_setup_us = kPredictedBuildUs;
    candidate.coverage = coverage_of(case_, mr_, 0);
    candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  }

  void add_to(Executable& executable, Device& device) const override {
    packed_.add_to(executable, device, case_.correlations);
    for (std::size_t i = 0; i < case_.correlations.size(); ++i) {
      const Correlation& c = case_.correlations[i];
      if (!nothing_to_do(case_.problem, c))
        executable.run.add(multiply(device, c, packed_.regions[i]));
    }
  }

 private:
  // On a CPU the items of a small plane that have no pixel would not be idle lanes but vectors of their own.
  std::int64_t local(const Correlation& c) const {
    const std::int64_t items = vectors_are_items(case_.profile) ? round_up(lanes(c), 8) : 64;
    return std::min({std::int64_t{64}, items, case_.profile.max_work_group_size});
  }
  // Work-items of a plane, and planes.
  std::int64_t lanes(const Correlation& c) const { return ceil_div(c.oh * c.ow, np_); }
  std::int64_t planes(const Correlation& c) const {
    return c.images * c.groups * ceil_div(c.filters, mr_);
  }

  double us_of(const Correlation& c) const {
    const double items = real(planes(c) * round_up(lanes(c), local(c))), products = mr_ * np_;
    const double efficiency =
        kFed * products / (products + kOfPixel * np_ + mr_ / kWeightsOfLoad + kOfStep);
    // One work-group keeps a unit of a CPU busy.
    const bool cpu = vectors_are_items(case_.profile);
    const double busy = real(cpu ? local(c) : case_.machine.items_per_unit);
    const Traffic traffic{bytes_touched(case_.problem, c, packed_.bytes), items / busy};
    const double flops = kFlopsPerFma * items * products * real(c.reduction());
    return predicted_us(case_.profile, {arithmetic_pass(flops, efficiency, traffic)});
  }

  std::unique_ptr<Step> multiply(Device& device, const Correlation& c, const Region& packed) const {
    const Problem& p = case_.problem;
    const Operands operands(p);
    const Reciprocal of_ow(c.ow);
    std::vector<Argument> arguments = {{"x", operands.input},
                                       {"y_mask", p.mask ? operands.mask : operands.input},
                                       {"packed", packed},
                                       {"b", Region{kBiasSlot}},
                                       {"r", Region{kResidualSlot}},
                                       {"result", operands.result},
                                       {"channels", narrow(c.channels)},
                                       {"taps_h", narrow(c.taps_h)},
                                       {"taps_w", narrow(c.taps_w)},
                                       {"in_h", narrow(c.in_h)},
                                       {"in_w", narrow(c.in_w)},
                                       {"top", narrow(c.top)},
                                       {"left", narrow(c.left)},
                                       {"ow", narrow(c.ow)},
                                       {"ow_reciprocal", of_ow.bits()},
                                       {"ow_shift", cl_int{of_ow.shift}},
                                       {"image_pixels", narrow(c.oh * c.ow)},
                                       {"lanes", narrow(lanes(c))},
                                       {"filters", narrow(c.filters)},
                                       {"groups", narrow(c.groups)},
                                       {"blocks", narrow(ceil_div(c.filters, mr_))},
                                       {"images", narrow(c.images)},
                                       {"in_image", cl_long{c.in_image}},
                                       {"in_plane", cl_long{c.in_plane}},
                                       {"in_pitch", cl_long{c.in_pitch}},
                                       {"in_step", narrow(c.in_step)}};
    for (const Argument& argument : result_arguments(c, 0))
      arguments.push_back(argument);
    Range range = items(lanes(c), local(c));
    // Drivers limit the work-groups of the second dimension.
    range.global[1] = static_cast<std::size_t>(std::min<std::int64_t>(planes(c), 32768));
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/direct", "implicit_gemm_direct",
                      class_defines(p, c, config_.defines())),
        with_slopes(p, arguments), range);
  }

  const Case& case_;
  Config config_;
  int mr_, np_;  // filters and pixels of a register tile
  PackedWeights packed_;
};

std::vector<Config> variants(const Case& c) {
  const int mr = c.correlations.front().filters > 4 ? 8 : 4;
  return {{"direct", {{"mr", mr}, {"np", 4}}}};
}

Fit fit(const Case& c, const Config& config) {
  for (const Correlation& one : c.correlations) {
    // The last work-item's pixels are counted in 31 bits.
    const std::int64_t pixels = one.oh * one.ow + std::int64_t{8} * 64;
    if (pixels > INT32_MAX) return above("oh*ow", one.oh * one.ow, INT32_MAX - 8 * 64);
  }
  return std::make_unique<const Direct>(c, config);
}

}  // namespace

extern const Body body_direct = {
    "direct", Suits::kItems, 1, "implicit_gemm/direct ops/pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
