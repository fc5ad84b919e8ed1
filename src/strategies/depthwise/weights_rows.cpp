// weights_rows: weight gradient of sections of x that are staged in local memory with their padding. For CPUs.
#include <algorithm>
#include <cmath>

#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/sections.hpp"
#include "strategies/depthwise/weights_layout.hpp"

namespace clconv::core::depthwise {
namespace {

// Cycles, calibrated on PoCL 3.1, 2-core Zen 5, 2026-11: per row of dy in whole vectors, or with a rest, per vector of
// one, per multiply-add.
constexpr double kRow = 12, kRowWithRest = 22, kVector = 4, kProduct = 0.8;

class WeightsRowsLayout : public WeightsLayout {
 public:
  WeightsRowsLayout(const Case& c, const Config& config, const WeightsTile& tile,
                    const Sections& sections)
      : WeightsLayout(c, config, tile, c.problem.n * sections.in_plane()), sections_(sections) {}

  void describe(Candidate& candidate) const override {
    WeightsLayout::describe(candidate);
    candidate.coverage = sections_.coverage();
    candidate.not_considered = sections_.not_considered(case_.profile);
  }

 protected:
  double unit_cycles() const override {  // of a section
    const Sections& t = sections_;
    const double width = real(std::min(t.section_w, t.columns.steps));
    const double row_cycles = std::fmod(width, tile_.vw) == 0 ? kRow : kRowWithRest;
    const double vectors = std::ceil(width / tile_.vw);
    return t.stage_cycles(tile_.vw) +
           real(t.section_h) * (row_cycles + vectors * (kVector + kProduct * tile_.taps));
  }
  std::unique_ptr<Step> multiply(Device& device, const std::string& defines,
                                 const Region& result) const override {
    const Problem& p = case_.problem;
    return std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/weights_rows", "depthwise_weights_rows",
                      defines + define("ALL_TAPS", tile_.all_taps(p)) +
                          define("STAGE_FLOATS", sections_.stage_define())),
        staged_arguments(p, sections_, result, units_, units_per_part_),
        one_item_groups(p.k * tile_.pieces(p) * parts_));
  }

 private:
  Sections sections_;
};

std::vector<Config> variants(const Case& c) {
  return {WeightsTile::widest(c, c.machine.lanes).config("weights_rows")};
}

Fit fit(const Case& c, const Config& config) {
  const Problem& p = c.problem;
  const WeightsTile tile = WeightsTile::from(config);
  if (auto refused = tile.rejection(p)) return *refused;
  const std::int64_t work_groups = p.k * tile.pieces(p) * p.n;
  const Sections sections(c, tile.vw, 1, ceil_div(2 * c.profile.compute_units, work_groups));
  if (auto refused = sections.rejection(c.profile)) return *refused;
  return std::make_unique<const WeightsRowsLayout>(c, config, tile, sections);
}

}  // namespace

extern const Body body_weights_rows = {
    "weights_rows", Suits::kCpus, 1, "depthwise/weights_rows ops/sum_parts", variants, fit};

}  // namespace clconv::core::depthwise
