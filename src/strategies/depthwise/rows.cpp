// rows: forward convolution and data gradient of tiles that are staged in local memory with their padding, so that any
// stride, dilation and padding reads whole vectors. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/staged_layout.hpp"

namespace clconv::core::depthwise {
namespace {

struct RowsTile {
  int rb, vw;  // rows of a block of results, floats of a vector
};

class RowsLayout : public StagedLayout {
 public:
  RowsLayout(const Case& c, const Config& config, const RowsTile& tile, const Tiling& tiling)
      : StagedLayout(c, config, tile.vw, tiling), unrolled_(unrolls(c.problem, tile.rb)) {}

  void add_to(Executable& executable, Device& device) const override {
    std::vector<Argument> all = arguments();
    all.push_back({"channels", narrow(channels())});
    all.push_back({"stage_floats", narrow(tiling_.stage_floats)});
    all.push_back({"sums_pitch", narrow(tiling_.sums_pitch)});
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise", device.kernel("depthwise/rows", "depthwise_rows", defines()),
        with_slopes(case_.problem, all), range()));
  }

 protected:
  // Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11.
  double tile_cycles() const override {
    constexpr double kTile = 50, kFilter = 20;
    constexpr double kProduct = 1.6, kProductUnrolled = 0.65;
    constexpr double kStore = 4;  // of a vector, or of each float where results are scattered
    const Problem& p = case_.problem;
    const Tiling& t = tiling_;
    const double rows = static_cast<double>(t.tile_h);
    const double taps = static_cast<double>(p.kh * p.kw);
    const double result_vectors =
        rows * vectors() * static_cast<double>(t.rows.residues * t.columns.residues);
    const double tap_cycles = rows * vectors() * taps * (unrolled_ ? kProductUnrolled : kProduct);
    const double store_cycles =
        result_vectors * (unrolled_ || t.columns.residues == 1 ? kStore : kStore * vw_);
    return kTile + static_cast<double>(channels()) *
                       (t.stage_cycles(vw_) +
                        static_cast<double>(filters()) * (kFilter + tap_cycles + store_cycles));
  }

 private:
  std::string defines() const {
    return class_defines(case_.problem, config_) + define("UNROLL", unrolled_) +
           define("MULTI", channels() > 1) + define("STAGE_FLOATS", tiling_.stage_define());
  }

  bool unrolled_;
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
  const Tiling tiling = plane_tiling(c, tile.vw, tile.rb);
  if (auto refused = tiling.rejection(c.profile)) return *refused;
  return std::make_unique<const RowsLayout>(c, config, tile, tiling);
}

}  // namespace

extern const Body body_rows = {"rows", Suits::kCpus, 2, "depthwise/rows", variants, fit};

}  // namespace clconv::core::depthwise
