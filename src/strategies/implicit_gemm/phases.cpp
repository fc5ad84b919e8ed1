// phases: data gradients at a stride of 2 or 4 along the rows; all phases of a row of results in one register tile,
// with vectors along the input's columns, interleaved before they are stored. For few channels of dx per group. For
// CPUs.
#include "strategies/implicit_gemm/phase_taps.hpp"

namespace clconv::core::implicit_gemm {
namespace {

struct PhaseTile {
  int mr, nv, vw;

  static PhaseTile from(const Config& c) {
    return {c.get("mr", 1, 32), c.get("nv", 1, 8), c.get_power_of_two("vw", 4, 16)};
  }
  Config config() const { return {"phases", {{"mr", mr}, {"nv", nv}, {"vw", vw}}}; }
  std::int64_t span() const { return std::int64_t{vw} * nv; }
};

// Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11, over the data gradients of docs/calibration.md.
constexpr double kEfficiency = 0.9;     // fraction of the cycles' rate
constexpr double kFewEfficiency = 0.8;  // with 16 registers; Zen 3
constexpr double kRow = 4;              // cycles of the loop around a row of taps
constexpr double kVector = 4;           // cycles to interleave and to store a vector of results

class Phases : public Layout {
 public:
  Phases(const Case& c, const PhaseTile& tile)
      : case_(c),
        tile_(tile),
        filters_{all_taps(c.problem, c.correlations.front())},
        view_(c, 0, /*floats=*/true, InputView::Padding::kOutside),
        packed_(filters_, tile.mr, c.profile) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    candidate.workspace_bytes = view_.workspace_bytes(case_.profile);
    candidate.prepared_weights_bytes = packed_.bytes;
    candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
    candidate.predicted_us = predicted_us(case_.profile, {view_.pass(), multiply_pass()});
    candidate.predicted_setup_us = kPredictedBuildUs;
    candidate.coverage.filters = tile_.mr;
    candidate.coverage.columns = tile_.span() * p.sw;
  }

  void add_to(Executable& executable, Device& device) const override {
    packed_.add_to(executable, device, filters_);
    view_.add_to(executable, device, case_.problem,
                 [&](const Region& x, std::int64_t first_image, std::int64_t images) {
                   executable.run.add(multiply(device, x, first_image, images));
                 });
  }

 private:
  std::int64_t tiles() const {
    return ceil_div(ceil_div(case_.problem.w, case_.problem.sw), tile_.span());
  }
  // Rows of results that a work-group computes, one after the other. One each took 1.25 times as long for
  // resnext_g32_s2, 1.7 times for digits_1 (PoCL 3.1, 2-core Zen 5, 2026-11).
  std::int64_t rows_per_work_group(std::int64_t images) const {
    constexpr std::int64_t kWorkGroupsPerUnit = 16;
    const std::int64_t h = case_.problem.h;
    const std::int64_t of_row = images * packed_.blocks.front().blocks() * tiles();
    const std::int64_t wanted = case_.profile.compute_units * kWorkGroupsPerUnit;
    return ceil_div(h, std::clamp<std::int64_t>(ceil_div(wanted, of_row), 1, h));
  }
  std::int64_t work_groups(std::int64_t images) const {
    return images * packed_.blocks.front().blocks() * tiles() *
           ceil_div(case_.problem.h, rows_per_work_group(images));
  }

  // Per row of taps: each of its taps multiplies MR filters by NV vectors, which are loaded once for all.
  Pass multiply_pass() const {
    const Problem& p = case_.problem;
    const double rows =
        real(packed_.blocks.front().reduction_padded) / real(p.kw * std::min(p.sh, p.h));
    const double vectors = tile_.mr * tile_.nv, taps = real(p.kw);
    const double loads = taps * (tile_.nv + tile_.mr);
    const double row = independent_cycles(case_.machine, taps * vectors, loads);
    const double cycles = rows * (row + kRow) + kVector * real(p.sw) * vectors;
    const double count = real(p.n * packed_.blocks.front().blocks() * p.h * tiles());
    const double bytes = real(p.x_bytes() + p.y_bytes() + packed_.bytes);
    const double efficiency = case_.machine.measured(kFewEfficiency, kEfficiency);
    return vector_pass(case_.profile, {count, cycles, tile_.vw, efficiency},
                       {bytes, real(work_groups(p.n)), real(view_.chunks())});
  }

  std::unique_ptr<Step> multiply(Device& device, const Region& x, std::int64_t first_image,
                                 std::int64_t images) const {
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/phases", "implicit_gemm_phases",
                      tile_.config().defines() + phase_defines(case_)),
        phase_arguments(case_, view_, packed_, x, first_image, images,
                        {{"rows_per_work_group", narrow(rows_per_work_group(images))},
                         {"tiles", narrow(tiles())}}),
        one_item_groups(work_groups(images)));
  }

  const Case& case_;
  PhaseTile tile_;
  std::vector<Correlation> filters_;
  InputView view_;
  PackedWeights packed_;
};

// Sums and, as long as they are few, what a row of taps meets in registers: one more and it takes 1.8 times as long
// (n1c3h416w416k32kh3kw3s2p1 with nv=4).
std::vector<Config> variants(const Case& all) {
  constexpr std::int64_t kMostKept = 4;
  const Problem& p = all.problem;
  const int sw = static_cast<int>(std::clamp<std::int64_t>(p.sw, 2, 4));
  const Reach reach(p.wants_dx() ? column_residues(p, all.correlations) : std::vector<Residue>());
  const std::int64_t kept = std::min(kMostKept, reach.columns());
  std::vector<Config> configs;
  for (const int mr : {1, 2, 3, 4, 6, 8}) {
    if (mr > 1 && mr >= 2 * all.correlations.front().filters) continue;
    for (const int nv : {1, 2, 4}) {
      if (sw * mr * nv + kept * nv + 1 > all.machine.registers) continue;
      configs.push_back(PhaseTile{mr, nv, all.machine.lanes}.config());
    }
  }
  return configs;
}

Fit fit(const Case& all, const Config& config) {
  const PhaseTile tile = PhaseTile::from(config);
  if (auto refused = refuse_phases(all, tile.mr * tile.nv, tile.vw)) return *refused;
  return std::make_unique<const Phases>(all, tile);
}

}  // namespace

extern const Body body_phases = {
    "phases", Suits::kCpusAndLastResort, 2, "implicit_gemm/phases ops/pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
