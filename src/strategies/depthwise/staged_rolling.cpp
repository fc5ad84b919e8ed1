// staged_rolling: forward convolution and data gradient of planes whose rows are copied to local memory, at stride 2
// even and odd columns apart. Going down them, it keeps several vectors of sums of all rows of results that see the
// present rows in registers. For CPUs with few vector registers.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/staged_planes.hpp"

namespace clconv::core::depthwise {
namespace {

// Cycles, PoCL 3.1, 2-core Zen 3, 2026-11: per band; per step of a pass over the columns; per vector of the input that
// is copied, or separated, which takes longer in wide rows; per column of the filter in a step; per vector that is
// loaded for it; per multiply-add; per vector of results. docs/calibration.md has the evidence.
constexpr double kBand = 20, kStep = 1, kCopied = 0.5, kSeparated = 1.6, kSeparatedFar = 2.5;
constexpr double kColumn = 0.2, kLoad = 0.1, kProduct = 0.47, kStore = 0.7;
constexpr double kConverted = 1.5;  // elements of 16 bits, per vector that is copied
constexpr std::int64_t kNearColumns = 64;
// Sums that hide the latency of a multiply-add, in steps of more multiply-adds than a core looks ahead.
constexpr double kSums = 8, kAhead = 40;
// Traffic, where operands come from memory, as a multiple of what `planes` counts.
constexpr double kFromMemory = 1.1;

class StagedRollingLayout : public Layout {
 public:
  StagedRollingLayout(const Case& c, const Config& config, const StagedPlanes& staged, int vectors)
      : case_(c), config_(config), staged_(staged), vectors_(vectors) {
    const Problem& p = c.problem;
    const RollingPlanes& planes = staged.planes;
    const std::int64_t count = p.n * (p.wants_dx() ? p.c : p.k);
    // As many work-groups as body `planes` has.
    const std::int64_t wanted = 2 * kWorkGroupsPerUnit * c.profile.compute_units;
    band_ = ceil_div(planes.rows.steps, planes.bands(c, ceil_div(wanted, count)));
    bands_ = ceil_div(planes.rows.steps, band_);
    all_ = count * bands_;
    per_work_group_ = ceil_div(all_, wanted);
  }

  std::int64_t bytes() const {
    const Problem& p = case_.problem;
    return staged_.floats(rows(), p.kh * p.kw) * kElement;
  }

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    const double copied = copied_cycles() * real(staged_.copied());
    const double passes = real(ceil_div(staged_.planes.vectors(), vectors_));
    const double cycles = kBand + real(staged_.steps_of(band_)) * (passes * pass_cycles() + copied);
    Pass pass =
        plane_pass(case_, {real(all_), cycles, static_cast<int>(staged_.planes.vw)}, real(all_));
    if (operand_bytes(p) > real(case_.machine.last_level_share_bytes)) pass.bytes *= kFromMemory;
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
    candidate.not_considered = not_considered();
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    const Operands operands(p);
    const RollingPlanes& planes = staged_.planes;
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel(
            "depthwise/staged_rolling", "depthwise_staged_rolling",
            class_defines(p, config_) + planes.defines() + staged_.defines(rows(), p.kh * p.kw)),
        with_slopes(p, {{"x", operands.input},
                        {"y_mask", operands.mask},
                        {"weights", Region{kWeightsSlot}},
                        {"b", Region{kBiasSlot}},
                        {"r", Region{kResidualSlot}},
                        {"result", operands.result},
                        {"groups", narrow(p.c)},
                        {"filters", narrow(p.k / p.c)},
                        {"in_h", narrow(planes.in_h)},
                        {"top", narrow(planes.top())},
                        {"most_steps", narrow(staged_.steps_of(band_))},
                        {"res_h", narrow(planes.rows.steps)},
                        {"res_w", narrow(planes.columns.steps)},
                        {"band", narrow(band_)},
                        {"bands", narrow(bands_)},
                        {"all_bands", cl_long{all_}},
                        {"bands_per_work_group", cl_long{per_work_group_}},
                        {"in_image", cl_long{p.input_image()}},
                        {"out_image", cl_long{p.result_image()}}}),
        one_item_groups(ceil_div(all_, per_work_group_))));
  }

 private:
  // Of a vector of the input.
  double copied_cycles() const {
    const double converted = case_.problem.data_type != DataType::kFloat32 ? kConverted : 0;
    if (staged_.planes.columns.advance == 1) return converted + kCopied;
    return converted + (staged_.planes.in_w > kNearColumns ? kSeparatedFar : kSeparated);
  }
  // Of a step of a pass.
  double pass_cycles() const {
    const Problem& p = case_.problem;
    const double vectors = real(vectors_);
    const double products = vectors * real(p.kh * p.kw),
                 sums = vectors * real(staged_.planes.roll());
    const double waits = products > kAhead ? std::max(1.0, kSums / sums) : 1;
    const double column = kColumn + vectors * (kLoad * real(staged_.planes.rows.advance) +
                                               waits * kProduct * real(p.kh));
    return kStep + real(p.kw) * column + kStore * vectors;
  }
  const char* not_considered() const {
    constexpr std::int64_t kFewTaps = 9;
    const Problem& p = case_.problem;
    if (!case_.machine.few_registers()) return "its speed is not known with 32 vector registers";
    if (staged_.planes.columns.advance == 1 && p.kh * p.kw <= kFewTaps)
      return "3x3 at stride 1 takes as long as with planes that are read in place";
    return nullptr;
  }
  // That are staged.
  std::int64_t rows() const { return staged_.steps_of(band_) * staged_.planes.rows.advance; }

  const Case& case_;
  Config config_;
  StagedPlanes staged_;
  std::int64_t vectors_;
  std::int64_t band_, bands_;  // rows of a band, bands of a plane
  std::int64_t all_;           // of all planes
  std::int64_t per_work_group_;
};

// As many vectors of sums as leave registers for the weights of a column that meet a row, and a vector of the input.
std::vector<Config> variants(const Case& c) {
  constexpr std::int64_t kMost = 4;
  const RollingPlanes planes(c.problem, c.machine.lanes);
  const std::int64_t others = ceil_div(c.problem.kh, planes.rows.advance) + 1;
  const std::int64_t most =
      std::clamp<std::int64_t>((c.machine.registers - others) / planes.roll(), 1, kMost);
  return {{"staged_rolling",
           {{"nv", static_cast<int>(StagedPlanes(planes).vectors_of_pass(most))},
            {"vw", c.machine.lanes}}}};
}

Fit fit(const Case& c, const Config& config) {
  constexpr std::int64_t kMostTaps = 81, kMostSums = 32;
  const Problem& p = c.problem;
  const int vectors = config.get("nv", 1, 8);
  const StagedPlanes staged(RollingPlanes(p, config.get_power_of_two("vw", 4, 16)));
  if (auto refused = staged.rejection(p)) return *refused;
  // Vectors overlap: what is computed twice must not add up.
  if (p.accumulate) return unserved("accumulate", "adding to the result");
  if (p.wants_dx() && p.k != p.c) return other_than("k", p.k, p.c);
  if (p.kh * p.kw > kMostTaps) return above("kh*kw", p.kh * p.kw, kMostTaps);
  if (vectors > staged.planes.vectors()) return above("nv", vectors, staged.planes.vectors());
  if (staged.planes.roll() * vectors > kMostSums)
    return above("vectors of sums", staged.planes.roll() * vectors, kMostSums);
  auto layout = std::make_unique<StagedRollingLayout>(c, config, staged, vectors);
  if (layout->bytes() > c.profile.local_memory_bytes)
    return over_local_memory(layout->bytes(), c.profile);
  return layout;
}

}  // namespace

extern const Body body_staged_rolling = {"staged_rolling",           Suits::kCpus, 1,
                                         "depthwise/staged_rolling", variants,     fit};

}  // namespace clconv::core::depthwise
