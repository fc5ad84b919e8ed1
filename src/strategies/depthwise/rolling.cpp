// rolling: forward convolution and data gradient of planes that are read in place. Going down the rows of the input, it
// keeps the sums of all rows of results that see the present row in registers, so that each row is loaded only once per
// column of the filter. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/rolling_planes.hpp"

namespace clconv::core::depthwise {
namespace {

// What the work-groups of a launch share: bands of rows of results. A band is a whole plane, or a part of one where
// there are too few planes.
struct RowBands {
  std::int64_t band, bands;  // rows of a band, bands of a plane
  std::int64_t all;          // of all planes
  std::int64_t per_work_group;

  RowBands(const Case& c, const RollingPlanes& planes) {
    const Problem& p = c.problem;
    const std::int64_t count = p.n * (p.wants_dx() ? p.c : p.k);
    // As many work-groups as body `planes` has.
    const std::int64_t wanted = 2 * kWorkGroupsPerUnit * c.profile.compute_units;
    band = ceil_div(planes.rows.steps, planes.bands(c, ceil_div(wanted, count)));
    bands = ceil_div(planes.rows.steps, band);
    all = count * bands;
    per_work_group = ceil_div(all, wanted);
  }
};

// Cycles, PoCL 3.1, 2-core Zen 5, 2026-11.
constexpr double kBand = 40;        // per band
constexpr double kVector = 15;      // per vector of columns of a band
constexpr double kStep = 0.5;       // per step down such a vector
constexpr double kStore = 1;        // per vector that is stored
constexpr double kInterleaved = 3;  // the same, of two whose columns alternate
constexpr double kSeparated = 0.8;  // per vector whose even and odd columns are separated
constexpr double kProduct = 0.53;   // per multiply-add
// Traffic, where operands come from memory, as a multiple of what `planes` counts: n16c144h56w56k144kh3kw3p1g144 takes
// 1.30 ms, with `planes` 1.20.
constexpr double kFromMemory = 1.1;

class RollingLayout : public Layout {
 public:
  RollingLayout(const Case& c, const Config& config, const RollingPlanes& planes)
      : case_(c), config_(config), planes_(planes), bands_(c, planes) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    const bool interleaved = planes_.columns.residues == 2;
    const double stores = real(planes_.rows.residues * planes_.columns.residues);
    const double separated = planes_.columns.advance == 2 ? real(planes_.rows.advance * p.kw) : 0;
    const double step = kStep + (interleaved ? kInterleaved : kStore) * stores +
                        kSeparated * separated + kProduct * real(p.kh * p.kw);
    const double steps = real(bands_.band + (bands_.bands > 1 ? planes_.roll() - 1 : 0));
    const double cycles = kBand + real(planes_.vectors()) * (kVector + steps * step);
    Pass pass = plane_pass(case_, {real(bands_.all), cycles, static_cast<int>(planes_.vw)},
                           real(bands_.all));
    if (operand_bytes(p) > real(case_.machine.last_level_share_bytes)) pass.bytes *= kFromMemory;
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
    candidate.not_considered = planes_.not_considered(case_.machine);
    // 2-core Zen 5, 2026-11: 100 us, `planes` 40.
    if (p.k != p.c) candidate.not_considered = "n2c1h78w78k32kh3kw3p1 took twice as long as planes";
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    const Operands operands(p);
    const std::int64_t in_plane = planes_.in_h * planes_.in_w;
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/rolling", "depthwise_rolling",
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
                        {"in_size", cl_long{(p.n - 1) * p.input_image() + p.c * in_plane}},
                        {"top", narrow(planes_.top())},
                        {"steps_h", narrow(planes_.rows.steps)},
                        {"steps_w", narrow(planes_.columns.steps)},
                        {"res_h", narrow(p.wants_dx() ? p.h : p.oh())},
                        {"res_w", narrow(p.wants_dx() ? p.w : p.ow())},
                        {"band", narrow(bands_.band)},
                        {"bands", narrow(bands_.bands)},
                        {"all_bands", cl_long{bands_.all}},
                        {"bands_per_work_group", cl_long{bands_.per_work_group}},
                        {"in_image", cl_long{p.input_image()}},
                        {"out_image", cl_long{p.result_image()}}}),
        one_item_groups(ceil_div(bands_.all, bands_.per_work_group))));
  }

 private:
  const Case& case_;
  Config config_;
  RollingPlanes planes_;
  RowBands bands_;
};

std::vector<Config> variants(const Case& c) {
  return {{"rolling", {{"vw", c.machine.lanes}}}};
}

Fit fit(const Case& c, const Config& config) {
  constexpr std::int64_t kMostTaps = 49, kMostRows = 9;
  const Problem& p = c.problem;
  const RollingPlanes planes(p, config.get_power_of_two("vw", 4, 16));
  if (auto refused = planes.rejection(p)) return *refused;
  // The last vector of a row of results is stored beyond its end, into the next row, which is stored later.
  if (p.accumulate) return unserved("accumulate", "adding to the result");
  if (p.wants_dx() && p.k != p.c) return other_than("k", p.k, p.c);
  if (p.kh * p.kw > kMostTaps) return above("kh*kw", p.kh * p.kw, kMostTaps);
  if (planes.roll() > kMostRows)
    return above("rows of results that see a row of the input", planes.roll(), kMostRows);
  return std::make_unique<const RollingLayout>(c, config, planes);
}

}  // namespace

extern const Body body_rolling = {"rolling", Suits::kCpus, 1, "depthwise/rolling", variants, fit};

}  // namespace clconv::core::depthwise
