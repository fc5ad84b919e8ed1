// phases: data gradients at a stride of 2 or 4 along the rows; all phases of a row of results in one register tile,
// with vectors along the input's columns, interleaved before they are stored. For few channels of dx per group. For
// CPUs.
#include "ops/epilogue.hpp"
#include "strategies/implicit_gemm/input_view.hpp"
#include "strategies/implicit_gemm/packed_weights.hpp"

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

// The taps that the results of one residue of rows or of columns meet, as the kernel counts them.
struct Residue {
  std::int64_t taps = 0, first_tap = 0, step = -1, start = 0, distance = 1;
};

std::vector<Residue> column_residues(const Problem& p, const std::vector<Correlation>& phases) {
  std::vector<Residue> residues(static_cast<std::size_t>(p.sw));
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const Correlation& c = phases[i];
    if (c.reduction() > 0)
      residues[i % residues.size()] = {c.taps_w, c.w_base % p.kw, c.w_column, c.left, c.dw};
  }
  return residues;
}

std::vector<Residue> row_residues(const Problem& p, const std::vector<Correlation>& phases) {
  std::vector<Residue> residues(static_cast<std::size_t>(p.sh));
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const Correlation& c = phases[i];
    if (c.reduction() > 0)
      residues[i / static_cast<std::size_t>(p.sw)] = {c.taps_h, c.w_base / p.kw, c.w_row / p.kw,
                                                      c.top, c.dh};
  }
  return residues;
}

// "-DROW_TAPS=2,1 ...". Step and distance are the same for all residues that have taps.
std::string defines_of(const std::string& axis, const char* start, const char* distance,
                       const std::vector<Residue>& residues) {
  std::string taps, first, starts, step = "-1", apart = "1";
  for (const Residue& residue : residues) {
    const char* comma = taps.empty() ? "" : ",";
    taps += comma + std::to_string(residue.taps);
    first += comma + std::to_string(residue.first_tap);
    starts += comma + std::to_string(residue.start);
    if (residue.taps == 0) continue;
    step = std::to_string(residue.step);
    apart = std::to_string(residue.distance);
  }
  return " -D" + axis + "_TAPS=" + taps + " -D" + axis + "_TAP=" + first + " -D" + axis + "_" +
         start + "=" + starts + " -D" + axis + "_STEP=" + step + " -D" + distance + "=" + apart;
}

// The least and the largest input column at which a vector for results from 0 on begins.
struct Reach {
  std::int64_t first = 0, last = 0;
  std::int64_t columns() const { return last - first + 1; }
  explicit Reach(const std::vector<Residue>& columns) {
    bool any = false;
    for (const Residue& c : columns) {
      if (c.taps == 0) continue;
      const std::int64_t last_of = c.start + (c.taps - 1) * c.distance;
      first = any ? std::min(first, c.start) : c.start;
      last = any ? std::max(last, last_of) : last_of;
      any = true;
    }
  }
};

// All taps of the filters, as the problem has them: how the weights are packed.
Correlation filters_of(const Problem& p, const Correlation& phase) {
  Correlation c;
  c.groups = phase.groups;
  c.channels = phase.channels;
  c.filters = phase.filters;
  c.taps_h = p.kh;
  c.taps_w = p.kw;
  c.data_type = phase.data_type;
  c.w_group = phase.w_group;
  c.w_filter = phase.w_filter;
  c.w_channel = phase.w_channel;
  c.w_row = p.kw;
  c.w_column = 1;
  return c;
}

// Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11, over the data gradients of docs/calibration.md.
constexpr double kEfficiency = 0.9;  // fraction of the cycles' rate
constexpr double kRow = 4;           // cycles of the loop around a row of taps
constexpr double kVector = 4;        // cycles to interleave and to store a vector of results

class Phases : public Layout {
 public:
  Phases(const Case& c, const PhaseTile& tile)
      : case_(c),
        tile_(tile),
        filters_{filters_of(c.problem, c.correlations.front())},
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
    return vector_pass(case_.profile, {count, cycles, tile_.vw, kEfficiency},
                       {bytes, real(work_groups(p.n)), real(view_.chunks())});
  }

  std::string defines() const {
    const Problem& p = case_.problem;
    const std::vector<Residue> columns = column_residues(p, case_.correlations);
    const Reach reach(columns);
    return tile_.config().defines() + " -DSH=" + std::to_string(p.sh) +
           " -DSW=" + std::to_string(p.sw) + " -DKH=" + std::to_string(p.kh) +
           " -DKW=" + std::to_string(p.kw) + defines_of("COLUMN", "LEFT", "DW", columns) +
           defines_of("ROW", "TOP", "DH", row_residues(p, case_.correlations)) +
           " -DFIRST_LEFT=" + std::to_string(reach.first) +
           " -DREACH=" + std::to_string(reach.columns()) + " " + epilogue_defines(p);
  }

  std::unique_ptr<Step> multiply(Device& device, const Region& x, std::int64_t first_image,
                                 std::int64_t images) const {
    const Problem& p = case_.problem;
    const Correlation& c = case_.correlations.front();
    const FilterBlocks& blocks = packed_.blocks.front();
    const bool one_row = c.in_h != p.oh();  // flattened; the rows lie dense in a copy, too
    const std::vector<Argument> arguments = {
        {"x", x},
        {"packed", packed_.regions.front()},
        {"b", Region{kBiasSlot}},
        {"r", Region{kResidualSlot}},
        {"result", Operands(p).result},
        {"channels", narrow(c.channels)},
        {"x_image", cl_long{view_.image}},
        {"plane", cl_long{view_.plane}},
        {"pitch", narrow(one_row ? p.ow() : view_.pitch)},
        {"in_h", narrow(one_row || !view_.copied ? p.oh() : view_.planes.hp)},
        {"in_w", narrow(one_row || !view_.copied ? p.ow() : view_.planes.wp)},
        {"top0", narrow(view_.top)},
        {"left", narrow(view_.left)},
        {"x_size", cl_long{(images - 1) * view_.image + c.groups * c.channels * view_.plane}},
        {"h", narrow(p.h)},
        {"w", narrow(p.w)},
        {"rows_per_work_group", narrow(rows_per_work_group(images))},
        {"tiles", narrow(tiles())},
        {"filters", narrow(c.filters)},
        {"blocks_per_group", narrow(blocks.blocks_per_group)},
        {"groups", narrow(c.groups)},
        {"out_image", cl_long{c.out_image}},
        {"out_plane", cl_long{c.out_plane}},
        {"out_offset", cl_long{first_image * c.out_image}}};
    return std::make_unique<KernelStep>(
        "multiply", device.kernel("implicit_gemm/phases", "implicit_gemm_phases", defines()),
        with_slopes(p, arguments), one_item_groups(work_groups(images)));
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
  // All taps of a row, and the columns that they meet, are one loop body.
  constexpr std::int64_t kMostTaps = 32, kMostReach = 64;
  const PhaseTile tile = PhaseTile::from(config);
  const Problem& p = all.problem;
  if (!p.wants_dx()) return not_served(p);
  if (p.sw != 2 && p.sw != 4) return other_than("sw", p.sw, p.sw < 4 ? 2 : 4);
  if (p.w < p.sw) return other_than("w", p.w, p.sw);
  if (p.kw > kMostTaps) return above("kw", p.kw, kMostTaps);
  const std::int64_t reach = Reach(column_residues(p, all.correlations)).columns();
  if (reach > kMostReach) return above("columns that a row of taps meets", reach, kMostReach);
  if (auto refused = over_registers(all.machine, p.sw * tile.mr * tile.nv, tile.vw))
    return *refused;
  return std::make_unique<const Phases>(all, tile);
}

}  // namespace

extern const Body body_phases = {
    "phases", Suits::kCpusAndLastResort, 2, "implicit_gemm/phases ops/pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
