// narrow: forward convolution and data gradient of planes whose rows of results fit one vector, or half of one: rows
// stay in registers, and taps see them moved by lanes. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/narrow_planes.hpp"

namespace clconv::core::depthwise {
namespace {

// Cycles, PoCL 3.1, 2-core Zen 5, 2026-11: per set of planes, per weight of a plane, per row that is stored.
constexpr double kSet = 20, kWeight = 1, kStore = 2;

class NarrowLayout : public Layout {
 public:
  NarrowLayout(const Case& c, const Config& config, const NarrowPlanes& planes)
      : case_(c),
        config_(config),
        planes_(planes),
        all_planes_(c.problem.n * planes.planes),
        sets_(ceil_div(all_planes_, planes.tile.planes)),
        // As `planes`.
        per_work_group_(ceil_div(sets_, 2 * kWorkGroupsPerUnit * c.profile.compute_units)) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    const double planes = real(planes_.tile.planes), sets = real(sets_);
    const double stores = kStore * real(planes_.tile.rb * planes_.rows.residues) * planes;
    const double cycles = kSet + kWeight * planes * real(p.kh * p.kw) +
                          real(planes_.rows_of_tiles()) * (planes_.cycles(p) + stores);
    const Pass pass = vector_pass(case_.profile, {sets, cycles, planes_.tile.vw},
                                  {cached(case_.machine, operand_bytes(p)), sets});
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    const bool data = p.wants_dx();
    const Operands operands(p);
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/narrow", "depthwise_narrow",
                      class_defines(p, config_) + planes_.defines()),
        with_slopes(p, {{"x", operands.input},
                        {"y_mask", operands.mask},
                        {"weights", Region{kWeightsSlot}},
                        {"b", Region{kBiasSlot}},
                        {"r", Region{kResidualSlot}},
                        {"result", operands.result},
                        {"groups", narrow(p.c)},
                        {"filters", narrow(p.k / p.c)},
                        {"in_h", narrow(planes_.in_h)},
                        {"in_w", narrow(planes_.in_w)},
                        {"in_size", cl_long{data ? p.y_elements() : p.x_elements()}},
                        {"steps_h", narrow(planes_.rows.steps)},
                        {"res_h", narrow(data ? p.h : p.oh())},
                        {"res_w", narrow(planes_.res_w)},
                        {"planes", cl_long{all_planes_}},
                        {"sets", cl_long{sets_}},
                        {"sets_per_work_group", cl_long{per_work_group_}}}),
        one_item_groups(ceil_div(sets_, per_work_group_))));
  }

 private:
  const Case& case_;
  Config config_;
  NarrowPlanes planes_;
  std::int64_t all_planes_, sets_;  // of all images
  std::int64_t per_work_group_;
};

// Two planes a vector where they fit, and all rows in one tile where registers hold their sums.
std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const std::int64_t steps = Axis::rows(p).steps;
  const std::int64_t residues = std::min<std::int64_t>(2, Axis::columns(p).residues);
  const std::int64_t most = c.machine.registers / 2 / residues;
  NarrowTile tile{static_cast<int>(ceil_div(steps, ceil_div(steps, most))),
                  std::max(8, c.machine.lanes), 2};
  if (NarrowPlanes(p, tile).rejection(p)) tile.planes = 1;
  return {tile.config("narrow")};
}

Fit fit(const Case& c, const Config& config) {
  const Problem& p = c.problem;
  const NarrowPlanes planes(p, NarrowTile::from(config));
  if (auto refused = planes.rejection(p)) return *refused;
  // Planes are counted over all images.
  if (p != with_dense_images(p)) return unserved("images", "images apart");
  if (p.scale) return unserved("scale", "a scale per image and channel");
  // Rows run over into the next.
  if (p.accumulate) return unserved("accumulate", "adding to the result");
  if (p.wants_dx() && p.k != p.c) return other_than("k", p.k, p.c);
  return std::make_unique<const NarrowLayout>(c, config, planes);
}

}  // namespace

extern const Body body_narrow = {"narrow", Suits::kCpus, 1, "depthwise/narrow", variants, fit};

}  // namespace clconv::core::depthwise
