// rows: forward convolution and data gradient of tiles that are staged in local memory with their padding, so that any
// stride, dilation and padding reads whole vectors. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/tiling.hpp"

namespace clconv::core::depthwise {
namespace {

struct RowsTile {
  int rb, vw;  // rows of a block of results, floats of a vector

  Tiling tiling(const Case& c) const {
    const std::int64_t planes = c.problem.n * c.problem.c;
    return {c, vw, rb, ceil_div(2 * c.profile.compute_units, planes)};
  }
};

class RowsLayout : public Layout {
 public:
  RowsLayout(const Case& c, const Config& config, const RowsTile& tile, const Tiling& tiling)
      : case_(c),
        config_(config),
        tile_(tile),
        tiling_(tiling),
        unrolled_(unrolls(c.problem, tile.rb)),
        all_tiles_(c.problem.n * c.problem.c * tiling.tiles()),
        per_work_group_(ceil_div(all_tiles_, c.profile.compute_units * kWorkGroupsPerUnit)) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    const double tiles = static_cast<double>(all_tiles_);
    Pass pass = vector_pass(case_.profile, tiles, tile_cycles(), tile_.vw, kFullRate);
    pass.bytes = cached(case_.machine, operand_bytes(p));
    pass.work_groups = tiles;
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
    candidate.coverage = tiling_.coverage();
    candidate.not_considered = tiling_.not_considered(case_.profile);
  }

  void add_to(Executable& executable, Device& device) const override {
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise", device.kernel("depthwise/rows", "depthwise_rows", defines()),
        with_slopes(case_.problem, arguments()),
        one_item_groups(ceil_div(all_tiles_, per_work_group_))));
  }

 private:
  // Planes of the input that a result sums, and of results that a plane of the input has.
  std::int64_t channels() const {
    const Problem& p = case_.problem;
    return p.wants_dx() ? p.k / p.c : 1;
  }
  std::int64_t filters() const {
    const Problem& p = case_.problem;
    return p.wants_dx() ? 1 : p.k / p.c;
  }

  // Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11.
  double tile_cycles() const {
    constexpr double kTile = 50, kFilter = 20;
    constexpr double kProduct = 1.6, kProductUnrolled = 0.65;
    constexpr double kStore = 4;  // of a vector, or of each float where results are scattered
    const Problem& p = case_.problem;
    const Tiling& t = tiling_;
    const double vectors =
        static_cast<double>(ceil_div(std::min(t.tile_w, t.columns.steps), tile_.vw));
    const double rows = static_cast<double>(t.tile_h);
    const double taps = static_cast<double>(p.kh * p.kw);
    const double result_vectors =
        rows * vectors * static_cast<double>(t.rows.residues * t.columns.residues);
    const double tap_cycles = rows * vectors * taps * (unrolled_ ? kProductUnrolled : kProduct);
    const double store_cycles =
        result_vectors * (unrolled_ || t.columns.residues == 1 ? kStore : kStore * tile_.vw);
    return kTile + static_cast<double>(channels()) *
                       (t.stage_cycles(tile_.vw) +
                        static_cast<double>(filters()) * (kFilter + tap_cycles + store_cycles));
  }

  std::string defines() const {
    return class_defines(case_.problem, config_) + define("UNROLL", unrolled_) +
           define("MULTI", channels() > 1) + define("STAGE_FLOATS", tiling_.stage_define());
  }

  std::vector<Argument> arguments() const {
    const Problem& p = case_.problem;
    const bool data = p.wants_dx();
    const Tiling& t = tiling_;
    const Operands operands(p);
    return {{"x", operands.input},
            {"y_mask", operands.mask},
            {"weights", Region{kWeightsSlot}},
            {"b", Region{kBiasSlot}},
            {"r", Region{kResidualSlot}},
            {"result", operands.result},
            {"groups", narrow(p.c)},
            {"channels", narrow(channels())},
            {"filters", narrow(filters())},
            {"in_h", narrow(data ? p.oh() : p.h)},
            {"in_w", narrow(data ? p.ow() : p.w)},
            {"in_size",
             cl_long{(p.n - 1) * p.input_image() + (data ? p.y_elements() : p.x_elements()) / p.n}},
            {"top", narrow(t.rows.start)},
            {"left", narrow(t.columns.start)},
            {"res_h", narrow(data ? p.h : p.oh())},
            {"res_w", narrow(data ? p.w : p.ow())},
            {"steps_h", narrow(t.rows.steps)},
            {"steps_w", narrow(t.columns.steps)},
            {"tile_h", narrow(t.tile_h)},
            {"tile_w", narrow(t.tile_w)},
            {"tiles_x", narrow(t.tiles_x)},
            {"tiles", narrow(t.tiles())},
            {"all_tiles", cl_long{all_tiles_}},
            {"tiles_per_work_group", narrow(per_work_group_)},
            {"pitch", narrow(t.pitch)},
            {"shift", narrow(t.shift)},
            {"stage_floats", narrow(t.stage_floats)},
            {"sums_pitch", narrow(t.sums_pitch)},
            {"in_image", cl_long{p.input_image()}},
            {"out_image", cl_long{p.result_image()}}};
  }

  const Case& case_;
  Config config_;
  RowsTile tile_;
  Tiling tiling_;
  bool unrolled_;
  std::int64_t all_tiles_;  // of all planes
  std::int64_t per_work_group_;
};

std::vector<Config> variants(const Case& c) {
  const int widest = c.machine.lanes;
  const int rb = static_cast<int>(std::min<std::int64_t>(4, Axis::rows(c.problem).steps));
  const auto config_of = [&](int vw) { return Config{"rows", {{"rb", rb}, {"vw", vw}}}; };
  std::vector<Config> configs{config_of(widest)};
  // Half a vector wastes less on narrow planes.
  if (widest > 4 && Axis::columns(c.problem).steps <= widest / 2)
    configs.push_back(config_of(widest / 2));
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const RowsTile tile{config.get("rb", 1, 16), config.get_power_of_two("vw", 4, 16)};
  if (c.problem.layout != TensorLayout::kNchw) return unserved("layout", "channels last (nhwc)");
  const std::int64_t steps = Axis::rows(c.problem).steps;
  if (tile.rb > steps) return above("rb", tile.rb, steps);
  const Tiling tiling = tile.tiling(c);
  if (auto refused = tiling.rejection(c.profile)) return *refused;
  return std::make_unique<const RowsLayout>(c, config, tile, tiling);
}

}  // namespace

extern const Body body_rows = {"rows", Suits::kCpus, 2, "depthwise/rows", variants, fit};

}  // namespace clconv::core::depthwise
