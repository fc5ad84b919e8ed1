// staged_phases: data gradients at a stride of 2 or 4 along the rows, as `phases`, from a copy of the input in local
// memory; for narrow rows and several channels of dx per group. For CPUs.
#include "strategies/implicit_gemm/phase_taps.hpp"

namespace clconv::core::implicit_gemm {
namespace {

struct StagedTile {
  int mr, nv, vw, stage;

  static StagedTile from(const Config& c) {
    return {c.get("mr", 1, 32), c.get("nv", 1, 8), c.get_power_of_two("vw", 4, 16),
            c.get("stage", 1, 256)};
  }
  Config config() const {
    return {"staged_phases", {{"mr", mr}, {"nv", nv}, {"vw", vw}, {"stage", stage}}};
  }
  std::int64_t floats() const { return std::int64_t{stage} * 1024 / Problem::kFloatBytes; }
};

// What is staged, and how the rows of the results are divided.
struct Sections {
  std::int64_t row_vectors;  // of the results of a phase
  std::int64_t pitch;        // floats of a staged row
  std::int64_t slack;        // floats that the last vector of the last row reads behind it
  std::int64_t halo;         // rows that are staged besides those of a section
  std::int64_t rows = 0;     // of a section and of each row phase; 0: not even one fits
  std::int64_t count = 0;

  std::int64_t plane() const { return (rows + halo) * pitch; }

  Sections(const Case& all, const StagedTile& tile) {
    constexpr std::int64_t kWorkGroupsPerUnit = 4;
    const Problem& p = all.problem;
    const Correlation& c = all.correlations.front();
    const Reach columns(column_residues(p, all.correlations));
    const std::int64_t columns_of_phase = ceil_div(p.w, p.sw);
    row_vectors = ceil_div(columns_of_phase, tile.vw);
    pitch = round_up(columns_of_phase + columns.columns() - 1, tile.vw);
    slack = round_up(columns.columns() + tile.vw, tile.vw);
    halo = Reach(row_residues(p, all.correlations)).columns() - 1;
    const std::int64_t rows_of_phase = ceil_div(p.h, p.sh);
    const std::int64_t fitting =
        (tile.floats() - slack) / saturating_product(std::max<std::int64_t>(1, c.channels), pitch) -
        halo;
    if (fitting < 1) return;
    const std::int64_t wanted =
        ceil_div(all.profile.compute_units * kWorkGroupsPerUnit, p.n * c.groups);
    count = std::max(ceil_div(rows_of_phase, fitting), std::min(wanted, rows_of_phase));
    rows = ceil_div(rows_of_phase, count);
    count = ceil_div(rows_of_phase, rows);
  }
};

// Calibrated on PoCL 3.1, 2-core Zen 3, 2026-11, over the data gradients of docs/calibration.md.
constexpr double kEfficiency = 0.9;  // fraction of the cycles' rate
constexpr double kStep = 1;          // cycles of the loop around a row of taps of a channel
constexpr double kVector = 4;        // cycles to interleave and to store a vector of results
constexpr double kTile = 40;         // cycles around a register tile
constexpr double kStaged = 6;        // cycles to stage a vector

class StagedPhases : public Layout {
 public:
  StagedPhases(const Case& c, const StagedTile& tile, const Sections& sections)
      : case_(c),
        tile_(tile),
        sections_(sections),
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
    candidate.coverage.columns = std::int64_t{tile_.vw} * p.sw;
    if (!case_.machine.few_registers())
      candidate.not_considered = "staged_phases was measured with 16 vector registers only";
  }

  void add_to(Executable& executable, Device& device) const override {
    packed_.add_to(executable, device, filters_);
    view_.add_to(executable, device, case_.problem,
                 [&](const Region& x, std::int64_t first_image, std::int64_t images) {
                   executable.run.add(multiply(device, x, first_image, images));
                 });
  }

 private:
  std::int64_t work_groups(std::int64_t images) const {
    return images * case_.correlations.front().groups * sections_.count;
  }

  // Cycles of a register tile: per row of taps and channel, each tap multiplies MR filters by NV vectors. A sum takes
  // its next product after the latency.
  double tile_cycles() const {
    const Problem& p = case_.problem;
    const double vectors = tile_.mr * tile_.nv, taps = real(p.kw);
    const double loads = real(p.kw) * tile_.mr + real(std::min(p.kw, reach())) * tile_.nv;
    const double chain = real(ceil_div(p.kw, p.sw)) * case_.machine.fma_latency;
    const double step =
        std::max(chain, independent_cycles(case_.machine, taps * vectors, loads, kCrossingLoads));
    const double steps =
        real(case_.correlations.front().channels * p.kh) / real(std::min(p.sh, p.h));
    return steps * (step + kStep) + kVector * real(p.sw) * vectors + kTile;
  }
  std::int64_t reach() const {
    return Reach(column_residues(case_.problem, case_.correlations)).columns();
  }
  Pass multiply_pass() const {
    const Problem& p = case_.problem;
    const double tiles = real(ceil_div(sections_.rows * sections_.row_vectors, tile_.nv) *
                              std::min(p.sh, p.h) * packed_.blocks.front().blocks_per_group);
    const double staged =
        real(case_.correlations.front().channels * sections_.plane()) / tile_.vw * kStaged;
    const double bytes = real(p.x_bytes() + p.y_bytes() + packed_.bytes);
    return vector_pass(
        case_.profile,
        {real(work_groups(p.n)), tiles * tile_cycles() + staged, tile_.vw, kEfficiency},
        {cached(case_.machine, bytes), real(work_groups(p.n)), real(view_.chunks())});
  }

  std::string defines() const {
    const Reach rows(row_residues(case_.problem, case_.correlations));
    return tile_.config().defines() + phase_defines(case_) +
           " -DFIRST_TOP=" + std::to_string(rows.first) +
           " -DSLACK=" + std::to_string(sections_.slack);
  }

  std::unique_ptr<Step> multiply(Device& device, const Region& x, std::int64_t first_image,
                                 std::int64_t images) const {
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/staged_phases", "implicit_gemm_staged_phases", defines()),
        phase_arguments(case_, view_, packed_, x, first_image, images,
                        {{"section_rows", narrow(sections_.rows)},
                         {"sections", narrow(sections_.count)},
                         {"pitch", narrow(sections_.pitch)},
                         {"plane", narrow(sections_.plane())}}),
        one_item_groups(work_groups(images)));
  }

  const Case& case_;
  StagedTile tile_;
  Sections sections_;
  std::vector<Correlation> filters_;
  InputView view_;
  PackedWeights packed_;
};

// KiB of local memory: what most cases need, or twice that where not even a row fits.
int stage_wanted(const Case& all) {
  constexpr int kStage = 64;
  int stage = kStage;
  while (stage > 1 && stage * 1024 > all.profile.local_memory_bytes)
    stage /= 2;
  const bool more = all.problem.wants_dx() && 2 * stage * 1024 <= all.profile.local_memory_bytes &&
                    Sections(all, {1, 1, all.machine.lanes, stage}).count == 0;
  return more ? 2 * stage : stage;
}

// Sums, a vector of the input for each column of them, and one factor in registers.
std::vector<Config> variants(const Case& all) {
  const Problem& p = all.problem;
  const int sw = static_cast<int>(std::clamp<std::int64_t>(p.sw, 2, 4));
  const int stage = stage_wanted(all);
  std::vector<Config> configs;
  for (const int mr : {1, 2, 3, 4, 6}) {
    if (mr > 1 && mr >= 2 * all.correlations.front().filters) continue;
    for (const int nv : {1, 2, 3, 4}) {
      const int sums = sw * mr * nv;
      // Half of the registers, so that the multiply-adds need not wait for the sums.
      if (sums + nv + 1 > all.machine.registers || 2 * sums < all.machine.registers) continue;
      configs.push_back(StagedTile{mr, nv, all.machine.lanes, stage}.config());
    }
  }
  if (configs.empty()) configs.push_back(StagedTile{1, 1, all.machine.lanes, stage}.config());
  return configs;
}

Fit fit(const Case& all, const Config& config) {
  const StagedTile tile = StagedTile::from(config);
  if (auto refused = refuse_phases(all, tile.mr * tile.nv, tile.vw)) return *refused;
  if (std::int64_t{tile.stage} * 1024 > all.profile.local_memory_bytes)
    return over_local_memory(std::int64_t{tile.stage} * 1024, all.profile);
  const Sections sections(all, tile);
  if (sections.count == 0) {
    const std::int64_t least =
        saturating_product(all.correlations.front().channels, sections.halo + 1, sections.pitch);
    return above("floats of the smallest stage", least + sections.slack, tile.floats());
  }
  return std::make_unique<const StagedPhases>(all, tile, sections);
}

}  // namespace

extern const Body body_staged_phases = {"staged_phases",
                                        Suits::kCpusAndLastResort,
                                        2,
                                        "implicit_gemm/staged_phases ops/pack",
                                        variants,
                                        fit};

}  // namespace clconv::core::implicit_gemm
