// rows: forward convolution and data gradient of sections that are staged in local memory with their padding, so that
// any stride, dilation and padding reads whole vectors. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/staged_layout.hpp"

namespace clconv::core::depthwise {
namespace {

struct RowsTile {
  int rb, vw;  // rows of a tile of results, floats of a vector
};

// Cycles, calibrated on PoCL 3.1, 2-core Zen 5, 2026-11: per section; per filter and plane of the input; per
// multiply-add of a vector; to store a vector, or each float of one where results are scattered.
constexpr double kSection = 50, kFilter = 20;
constexpr double kProduct = 1.6, kProductUnrolled = 0.65;
// Unrolled at stride 2, with more taps than 3x3: cause not established (32 registers; n1c48h64w64k48kh7kw7s2p3g48: 82
// us, 60 with `columns`).
constexpr std::int64_t kFewTaps = 9;
constexpr double kProductOfTwo = 2.3;
// With 16 registers more taps than 3x3 spill at stride 1 (2-core Zen 3; n1c96h56w56k96kh7kw7p3g96: 547 us, 269 with
// `columns`; n1c672h14w14k672kh5kw5p2g672: 243 us, 151 predicted without).
constexpr double kProductSpilled = 1.3;
constexpr double kStore = 4;

class RowsLayout : public StagedLayout {
 public:
  RowsLayout(const Case& c, const Config& config, const RowsTile& tile, const Sections& sections)
      : StagedLayout(c, config, tile.vw, sections), unrolled_(unrolls(c.problem, tile.rb)) {}

  void add_to(Executable& executable, Device& device) const override {
    std::vector<Argument> all = arguments();
    all.push_back({"channels", narrow(channels())});
    all.push_back({"stage_floats", narrow(sections_.stage_floats)});
    all.push_back({"sums_pitch", narrow(sections_.sums_pitch)});
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise", device.kernel("depthwise/rows", "depthwise_rows", defines()),
        with_slopes(case_.problem, all), range()));
  }

 protected:
  double section_cycles() const override {
    const Sections& t = sections_;
    const double row_vectors = real(t.section_h) * vectors();
    const double products =
        row_vectors * real(case_.problem.kh * case_.problem.kw) * product_cycles();
    const double stores = row_vectors * real(t.rows.residues * t.columns.residues) *
                          (unrolled_ || t.columns.residues == 1 ? kStore : kStore * vw_);
    const double filter = kFilter + products + stores;
    return kSection + real(channels()) * (t.stage_cycles(vw_) + real(filters()) * filter);
  }

 private:
  double product_cycles() const {
    if (!unrolled_) return kProduct;
    const Problem& p = case_.problem;
    if (p.kh * p.kw <= kFewTaps) return kProductUnrolled;
    if (sections_.columns.advance == 2) {
      return sections_.many_registers ? kProductOfTwo : kProductUnrolled;
    }
    return sections_.many_registers ? kProductUnrolled : kProductSpilled;
  }
  std::string defines() const {
    return class_defines(case_.problem, config_) + define("UNROLL", unrolled_) +
           define("MULTI", channels() > 1) + define("STAGE_FLOATS", sections_.stage_define());
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
  const Sections sections = plane_sections(c, tile.vw, tile.rb);
  if (auto refused = sections.rejection(c.profile)) return *refused;
  return std::make_unique<const RowsLayout>(c, config, tile, sections);
}

}  // namespace

extern const Body body_rows = {"rows", Suits::kCpus, 2, "depthwise/rows", variants, fit};

}  // namespace clconv::core::depthwise
