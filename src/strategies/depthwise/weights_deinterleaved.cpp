// weights_deinterleaved: weight gradient at stride 2 of planes that are read in place. Even and odd columns of a row
// are taken apart once for all columns of the filter, and dy is moved instead of x. For CPUs.
#include <algorithm>

#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/rolling_weights.hpp"

namespace clconv::core::depthwise {
namespace {

constexpr int kMostTaps = 64;  // of configs; registers hold fewer

// Cycles, PoCL 3.1, 2-core Zen 3, 2026-12: per band; per vector of dy, row of the filter and multiply-add; per tap to
// add up its lanes.
constexpr double kBand = 90, kVector = 2, kRow = 1, kProduct = 0.5, kLanesOfTap = 4;

// Vectors of even columns of x that results see.
std::int64_t vectors(const Problem& p, std::int64_t vw) {
  const std::int64_t seen = std::max<std::int64_t>((p.kw - 1) * p.dw - p.pl, 0) / 2;
  return ceil_div(std::min(ceil_div(p.w, 2), p.ow() + seen), vw);
}

std::string defines(const Problem& p, std::int64_t vw) {
  return define("PAIRS", p.data_type == DataType::kBfloat16) + define("IN_W", p.w) +
         define("OW", p.ow()) + define("VECTORS", vectors(p, vw));
}

// Of a plane: more than one where there are too few filters and images for all cores.
std::int64_t bands(const Case& c, const RollingPlanes& planes) {
  return planes.shared_bands(ceil_div(2 * c.profile.compute_units, c.problem.k * c.problem.n));
}

class WeightsDeinterleavedLayout : public RollingWeightsLayout {
 public:
  WeightsDeinterleavedLayout(const Case& c, const Config& config, const RollingPlanes& planes)
      : RollingWeightsLayout(c, config, planes, bands(c, planes), "depthwise/weights_deinterleaved",
                             "depthwise_weights_deinterleaved", defines(c.problem, planes.vw)) {}

  void describe(Candidate& candidate) const override {
    WeightsLayout::describe(candidate);
    if (!case_.machine.few_registers())
      candidate.not_considered = "its speed is not known with 32 vector registers";
  }

 protected:
  double unit_cycles() const override {
    const Problem& p = case_.problem;
    const double vector = kVector + real(p.kh) * (kRow + kProduct * real(p.kw));
    return kBand + real(rows_of_band() * vectors(p, planes_.vw)) * vector;
  }
  double lane_cycles() const override { return kLanesOfTap * tile_.taps; }
};

std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const auto taps = static_cast<int>(std::min<std::int64_t>(kMostTaps, p.kh * p.kw));
  return {{"weights_deinterleaved", {{"taps", taps}, {"vw", c.machine.lanes}}}};
}

Fit fit(const Case& c, const Config& config) {
  const Problem& p = c.problem;
  const int taps = config.get("taps", 1, kMostTaps);
  const RollingPlanes planes(p, config.get_power_of_two("vw", 4, 16));
  if (p.sw != 2) return other_than("sw", p.sw, 2);
  if (taps != p.kh * p.kw) return other_than("taps", taps, p.kh * p.kw);
  // Sums, beside the vectors of dy and of a row of x.
  if (taps > c.machine.registers - 4) return above("taps", taps, c.machine.registers - 4);
  if (auto refused = planes.rejection(p)) return *refused;
  if (2 * planes.vw - 1 > p.w) return above("columns of two vectors", 2 * planes.vw - 1, p.w);
  return std::make_unique<const WeightsDeinterleavedLayout>(c, config, planes);
}

}  // namespace

extern const Body body_weights_deinterleaved = {"weights_deinterleaved",
                                                Suits::kCpus,
                                                1,
                                                "depthwise/weights_deinterleaved ops/sum_parts",
                                                variants,
                                                fit};

}  // namespace clconv::core::depthwise
