// deinterleaved: forward convolution at stride 2 of planes that are read in place. Each row is taken apart once for all
// columns of the filter, and sums are moved instead of the input. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/rolling_planes.hpp"

namespace clconv::core::depthwise {
namespace {

// Cycles, PoCL 3.1, 2-core Zen 3, 2026-12: per band; per vector of results; per row of the input that it sees; per
// multiply-add, of which more than 12 take longer.
constexpr double kBand = 70, kVector = 3.9, kRow = 1, kProduct = 0.5, kProductOfMany = 0.77;
constexpr std::int64_t kFewTaps = 12;

class DeinterleavedLayout : public Layout {
 public:
  DeinterleavedLayout(const Case& c, const Config& config, const RollingPlanes& planes,
                      std::int64_t tile_rows)
      : case_(c), config_(config), planes_(planes), tile_rows_(tile_rows) {
    const Problem& p = c.problem;
    const std::int64_t count = p.n * p.k;
    // As many work-groups as body `planes` has, of whole tiles.
    const std::int64_t wanted = 2 * kWorkGroupsPerUnit * c.profile.compute_units;
    band_ = ceil_div(p.oh(), planes.shared_bands(ceil_div(wanted, count)));
    band_ = ceil_div(band_, tile_rows) * tile_rows;
    bands_ = ceil_div(p.oh(), band_);
    all_ = count * bands_;
    per_work_group_ = ceil_div(all_, wanted);
  }

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    const double rows = real(planes_.rows.input(tile_rows_)) / real(tile_rows_);
    const std::int64_t taps = p.kh * p.kw;
    const double product = taps > kFewTaps ? kProductOfMany : kProduct;
    const double vector = kVector + kRow * rows + product * real(taps);
    const double cycles = kBand + real(band_ * planes_.vectors()) * vector;
    Pass pass = plane_pass(case_, {real(all_), cycles, static_cast<int>(planes_.vw)}, real(all_));
    if (results_leave_caches(case_) && p.ow() % planes_.vw == 0)
      pass.bytes -= streamed_bytes(case_);
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
    if (!case_.machine.few_registers())
      candidate.not_considered = "its speed is not known with 32 vector registers";
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    const Operands operands(p);
    const std::string sizes = define("LEFT", p.pl) + define("IN_W", p.w) + define("OW", p.ow()) +
                              define("VECTORS", planes_.vectors()) +
                              define("PAIRS", p.data_type == DataType::kBfloat16) +
                              define("STREAM", results_leave_caches(case_));
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/deinterleaved", "depthwise_deinterleaved",
                      class_defines(p, config_) + sizes),
        with_slopes(p, {{"x", operands.input},
                        {"weights", Region{kWeightsSlot}},
                        {"b", Region{kBiasSlot}},
                        {"r", Region{kResidualSlot}},
                        {"result", operands.result},
                        {"groups", narrow(p.c)},
                        {"filters", narrow(p.k / p.c)},
                        {"in_h", narrow(p.h)},
                        {"in_size", cl_long{(p.n - 1) * p.input_image() + p.c * p.h * p.w}},
                        {"top", narrow(planes_.rows.start)},
                        {"res_h", narrow(p.oh())},
                        {"band", narrow(band_)},
                        {"bands", narrow(bands_)},
                        {"all_bands", cl_long{all_}},
                        {"bands_per_work_group", cl_long{per_work_group_}},
                        {"in_image", cl_long{p.input_image()}},
                        {"out_image", cl_long{p.result_image()}}}),
        one_item_groups(ceil_div(all_, per_work_group_))));
  }

 private:
  const Case& case_;
  Config config_;
  RollingPlanes planes_;
  std::int64_t tile_rows_;
  std::int64_t band_, bands_;  // rows of a band, bands of a plane
  std::int64_t all_;           // of all planes
  std::int64_t per_work_group_;
};

constexpr int kMostRows = 8;

std::vector<Config> variants(const Case& c) {
  constexpr std::int64_t kRows = 2;
  const auto rows = static_cast<int>(std::min(kRows, c.problem.oh()));
  return {{"deinterleaved", {{"rb", rows}, {"vw", c.machine.lanes}}}};
}

Fit fit(const Case& c, const Config& config) {
  constexpr std::int64_t kMostTaps = 25;
  const Problem& p = c.problem;
  const int rows = config.get("rb", 1, kMostRows);
  const RollingPlanes planes(p, config.get_power_of_two("vw", 4, 16));
  if (p.direction != Direction::kForward) return not_served(p);
  if (auto refused = planes.rejection(p)) return *refused;
  if (p.sw != 2) return other_than("sw", p.sw, 2);
  if (rows > p.oh()) return above("rb", rows, p.oh());
  if (p.kh * p.kw > kMostTaps) return above("kh*kw", p.kh * p.kw, kMostTaps);
  if (planes.columns.reach >= 2 * planes.vw)
    return above("columns between taps", planes.columns.reach, 2 * planes.vw - 1);
  if (p.ow() < planes.vw) return above("columns of a vector", planes.vw, p.ow());
  return std::make_unique<const DeinterleavedLayout>(c, config, planes, rows);
}

}  // namespace

extern const Body body_deinterleaved = {"deinterleaved",           Suits::kCpus, 1,
                                        "depthwise/deinterleaved", variants,     fit};

}  // namespace clconv::core::depthwise
