// staged_pixels: explicit vectors along the pixels of a row, from rows that are copied to local memory with the columns
// of a stride apart; for few channels, as first layers have. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm/packed_weights.hpp"

namespace clconv::core::implicit_gemm {
namespace {

struct StagedTile {
  int mr, nv, vw, stage;

  static StagedTile from(const Config& c) {
    return {c.get("mr", 1, 32), c.get("nv", 1, 32), c.get_power_of_two("vw", 4, 16),
            c.get("stage", 1, 256)};
  }
  Config config() const {
    return {"staged_pixels", {{"mr", mr}, {"nv", nv}, {"vw", vw}, {"stage", stage}}};
  }
  std::int64_t sums() const { return std::int64_t{mr} * nv; }
  std::int64_t floats() const { return std::int64_t{stage} * 1024 / Problem::kFloatBytes; }
};

// How a result is divided, and what is staged of the input.
struct Sections {
  std::int64_t h = 0, w = 0;  // results of a section; 0: not even a vector's input fits
  std::int64_t pitch = 0;     // floats of a staged row's columns of one phase
  std::int64_t plane = 0;     // of a channel
  std::int64_t count_x = 0, count_y = 0;
  std::int64_t most_rows = 0;  // of results, whose input fits

  Sections(const Case& all, const Correlation& c, const StagedTile& tile) {
    const std::int64_t beside = columns_beside(c, tile);
    const std::int64_t most_vectors = (tile.floats() / floats_of_column(c) - beside) / tile.vw;
    if (most_vectors < 1) return;
    const std::int64_t vectors = ceil_div(c.ow, tile.vw);
    const std::int64_t row = ceil_div(vectors, ceil_div(vectors, most_vectors)) * tile.vw;
    w = std::min(c.ow, row);
    count_x = ceil_div(c.ow, w);
    pitch = row + beside;
    constexpr std::int64_t kWorkGroupsPerUnit = 8;
    const std::int64_t wanted =
        ceil_div(all.profile.compute_units * kWorkGroupsPerUnit, c.images * c.groups * count_x);
    most_rows = (tile.floats() / (c.channels * c.sw * pitch) - staged_rows(c, 1)) / c.sh + 1;
    const std::int64_t bands = std::max(std::min(wanted, c.oh), ceil_div(c.oh, most_rows));
    h = ceil_div(c.oh, bands);
    count_y = ceil_div(c.oh, h);
    plane = staged_rows(c, h) * c.sw * pitch;
  }
  std::int64_t count() const { return count_x * count_y; }
  // The input's rows under `rows` rows of results.
  static std::int64_t staged_rows(const Correlation& c, std::int64_t rows) {
    return (rows - 1) * c.sh + (c.taps_h - 1) * c.dh + 1;
  }
  // What a row of results takes at least, where it is one vector.
  static std::int64_t least_floats(const Correlation& c, const StagedTile& tile) {
    return saturating_product(floats_of_column(c), tile.vw + columns_beside(c, tile));
  }

 private:
  // Of one phase, beyond as many as there are results, with room for the vector that runs over a row's end.
  static std::int64_t columns_beside(const Correlation& c, const StagedTile& tile) {
    return round_up((c.taps_w - 1) * c.dw / c.sw, tile.vw) + tile.vw;
  }
  // For one column of each phase that a row of results sees.
  static std::int64_t floats_of_column(const Correlation& c) {
    return saturating_product(c.channels, staged_rows(c, 1), c.sw);
  }
};

// Calibrated on PoCL 3.1, 2-core Zen 3, 2026-11, over the problems of docs/calibration.md. Fraction of the cycles'
// rate; loads from L1 for a vector of pixels, most of which cross a cache line; cycles of the loop around a row of
// taps; of the products, per vector of a tile whose pixels L1 does not hold.
constexpr double kEfficiency = 0.94, kLoads = 2, kRowOfTaps = 1, kBeyondL1 = 0.11;
// Per vector of results, and per register tile.
constexpr TileCycles kStore{3, 30};
// Cycles to stage a row, and the columns of each vector of results, by the stride: 1, 2, 4, and others per column.
constexpr double kStagedRow = 10;
constexpr double kStagedVector = 2, kStagedPair = 6, kStagedFour = 14, kStagedColumn = 4;

double staged_vector_cycles(const Correlation& c, int vw) {
  return c.sw == 1   ? kStagedVector
         : c.sw == 2 ? kStagedPair
         : c.sw == 4 ? kStagedFour
                     : kStagedColumn * real(c.sw * vw);
}

class StagedPixels : public Layout {
 public:
  StagedPixels(const Case& c, const StagedTile& tile, const Sections& sections)
      : case_(c), tile_(tile), sections_(sections), packed_(c.correlations, tile.mr, c.profile) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    candidate.predicted_us = predicted_us(case_.profile, {pass()});
    candidate.predicted_setup_us = kPredictedBuildUs;
    candidate.prepared_weights_bytes = packed_.bytes;
    candidate.coverage = coverage_of(case_, tile_.mr, sections_.w);
    candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
    if (!case_.machine.few_registers())
      candidate.not_considered = "staged_pixels was measured with 16 vector registers only";
    else if (correlation().taps_h * correlation().taps_w == 1)
      candidate.not_considered = "a single tap sees no pixel twice: pixels and patches are better";
  }

  void add_to(Executable& executable, Device& device) const override {
    packed_.add_to(executable, device, case_.correlations);
    if (!nothing_to_do(case_.problem, correlation())) executable.run.add(multiply(device));
  }

 private:
  const Correlation& correlation() const { return case_.correlations.front(); }
  const FilterBlocks& blocks() const { return packed_.blocks.front(); }
  std::int64_t all_sections() const {
    return correlation().images * correlation().groups * sections_.count();
  }
  // Blocks of filters that a work-item multiplies its section by: all, where there are sections enough.
  std::int64_t run() const {
    const std::int64_t wanted = ceil_div(case_.profile.compute_units * 2, all_sections());
    return ceil_div(blocks().blocks_per_group, std::min(wanted, blocks().blocks_per_group));
  }
  std::int64_t work_groups() const {
    return all_sections() * ceil_div(blocks().blocks_per_group, run());
  }

  // Cache lines of pixels that a register tile sees.
  std::int64_t seen_lines() const {
    const Correlation& c = correlation();
    const std::int64_t line = case_.machine.line_bytes / Problem::kFloatBytes;
    return c.channels * c.taps_h * std::min(c.taps_w, c.sw) *
           ceil_div(std::int64_t{tile_.nv} * tile_.vw, line);
  }
  double tile_cycles() const {
    const Correlation& c = correlation();
    const Machine& machine = case_.machine;
    const bool near = seen_lines() * machine.line_bytes <= machine.l1_blocking_bytes;
    return product_cycles(machine, real(c.reduction()), real(tile_.sums()),
                          kLoads * tile_.nv + tile_.mr, kDenseLoads) *
               (near ? 1 : 1 + kBeyondL1 * tile_.nv) +
           real(c.channels * c.taps_h) * kRowOfTaps + kStore.of(real(tile_.sums()));
  }
  Pass pass() const {
    const Correlation& c = correlation();
    const std::int64_t row_vectors = ceil_div(sections_.w, tile_.vw);
    const double tiles = real(ceil_div(sections_.h * row_vectors, tile_.nv) * run());
    const double staged = real(c.channels * Sections::staged_rows(c, sections_.h)) *
                          (kStagedRow + real(row_vectors) * staged_vector_cycles(c, tile_.vw));
    return vector_pass(case_.profile,
                       {real(work_groups()), tiles * tile_cycles() + staged, tile_.vw, kEfficiency},
                       traffic_of(case_, c, blocks(), real(work_groups()), 1));
  }

  std::unique_ptr<Step> multiply(Device& device) const {
    const Problem& p = case_.problem;
    const Correlation& c = correlation();
    std::vector<Argument> arguments = operand_arguments(p, packed_.regions.front());
    for (const Argument& argument : {Argument{"channels", narrow(c.channels)},
                                     {"taps_h", narrow(c.taps_h)},
                                     {"in_h", narrow(c.in_h)},
                                     {"in_w", narrow(c.in_w)},
                                     {"in_size", cl_long{c.input_span()}},
                                     {"in_image", cl_long{c.in_image}},
                                     {"top", narrow(c.top)},
                                     {"left", narrow(c.left)},
                                     {"oh", narrow(c.oh)},
                                     {"ow", narrow(c.ow)},
                                     {"section_h", narrow(sections_.h)},
                                     {"section_w", narrow(sections_.w)},
                                     {"sections_x", narrow(sections_.count_x)},
                                     {"sections", narrow(sections_.count())},
                                     {"pitch", narrow(sections_.pitch)},
                                     {"plane", narrow(sections_.plane)},
                                     {"filters", narrow(c.filters)},
                                     {"blocks_per_group", narrow(blocks().blocks_per_group)},
                                     {"run", narrow(run())},
                                     {"groups", narrow(c.groups)},
                                     {"out_image", cl_long{c.out_image}},
                                     {"out_plane", cl_long{c.out_plane}},
                                     {"out_offset", cl_long{c.out_offset}},
                                     {"out_pitch", cl_long{c.out_pitch}}})
      arguments.push_back(argument);
    const std::string macros = tile_.config().defines() + " -DKW=" + std::to_string(c.taps_w) +
                               " -DIW=" + std::to_string(c.sw);
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/staged_pixels", "implicit_gemm_staged_pixels",
                      class_defines(p, c, macros)),
        with_slopes(p, arguments), one_item_groups(work_groups()));
  }

  const Case& case_;
  StagedTile tile_;
  Sections sections_;
  PackedWeights packed_;
};

// Sums, a vector of pixels for each column of them, and one weight in registers. Beside 4 x 3 and 6 x 2, tiles of 2 x 4
// and 8 x 1 take 1.1 times as long, and 3 x 4, which spills, 1.6 times (2-core Zen 3, 2026-11).
std::vector<Config> variants(const Case& all) {
  // KiB. 64 is level with few channels; with 32 or more 1.2 times as slow, and 256 no faster (2-core Zen 3). Twice that
  // where most of what is staged is staged for the next section, too: the data gradient of n1c3h224w224k64kh3kw3p1
  // takes 0.84 times as long.
  constexpr int kStage = 128;
  constexpr std::int64_t kLeastRows = 3;
  const Correlation& c = all.correlations.front();
  int stage = kStage;
  while (stage > 1 && stage * 1024 > all.profile.local_memory_bytes)
    stage /= 2;
  if (2 * stage * 1024 <= all.profile.local_memory_bytes && !c.channels_last &&
      Sections(all, c, {1, 1, all.machine.lanes, stage}).most_rows < kLeastRows)
    stage *= 2;
  std::vector<Config> configs;
  for (const int mr : {1, 2, 3, 4, 6}) {
    if (mr > 1 && mr / 2 >= c.filters) continue;
    const int nv = std::max(1, (all.machine.registers - 1) / (mr + 1));
    configs.push_back(StagedTile{mr, nv, all.machine.lanes, stage}.config());
  }
  return configs;
}

Fit fit(const Case& all, const Config& config) {
  const StagedTile tile = StagedTile::from(config);
  const Correlation& c = all.correlations.front();
  if (c.channels_last) return unserved("layout", "channels last (nhwc)");
  if (all.correlations.size() > 1 || c.out_step != 1)
    return other_than("sh*sw", all.problem.sh * all.problem.sw, 1);
  if (auto refused = over_registers(all.machine, tile.sums(), tile.vw)) return *refused;
  if (std::int64_t{tile.stage} * 1024 > all.profile.local_memory_bytes)
    return over_local_memory(std::int64_t{tile.stage} * 1024, all.profile);
  const Sections sections(all, c, tile);
  if (sections.w == 0)
    return above("floats of the smallest stage", Sections::least_floats(c, tile), tile.floats());
  return std::make_unique<const StagedPixels>(all, tile, sections);
}

}  // namespace

extern const Body body_staged_pixels = {
    "staged_pixels", Suits::kCpus, 2, "implicit_gemm/staged_pixels ops/pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
