// columns: forward convolution and data gradient with large filters, column of taps by column, on sections that are
// staged in local memory with their padding. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/staged_layout.hpp"

namespace clconv::core::depthwise {
namespace {

struct ColumnsTile {
  int rb, taps, vw;  // rows of a tile of results, of the filter in registers, floats of a vector

  static ColumnsTile from(const Config& c) {
    return {c.get("rb", 1, 16), c.get("taps", 1, 16), c.get_power_of_two("vw", 4, 16)};
  }
  Config config() const { return {"columns", {{"rb", rb}, {"taps", taps}, {"vw", vw}}}; }
};

// Cycles, calibrated on PoCL 3.1, 2-core Zen 5, 2026-11: per section, and per tile of one for itself, a vector that is
// loaded, a multiply-add and a row that is stored.
constexpr double kSection = 50;
constexpr double kVector = 10, kLoad = 0.3, kProduct = 0.45, kStore = 2;

class ColumnsLayout : public StagedLayout {
 public:
  ColumnsLayout(const Case& c, const Config& config, const ColumnsTile& tile,
                const Sections& sections)
      : StagedLayout(c, config, tile.vw, sections), tile_(tile) {}

  void add_to(Executable& executable, Device& device) const override {
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/columns", "depthwise_columns",
                      class_defines(case_.problem, config_) +
                          define("STAGE_FLOATS", sections_.stage_define())),
        with_slopes(case_.problem, arguments()), range()));
  }

 protected:
  double section_cycles() const override {
    const Problem& p = case_.problem;
    const Sections& t = sections_;
    const double tiles = real(ceil_div(t.section_h, tile_.rb)) * vectors();
    const double pieces = real(ceil_div(p.kh, tile_.taps));
    const double loads = pieces * real(p.kw * (t.rows.advance * (tile_.rb - 1) + 2 * tile_.taps));
    const double products = real(tile_.rb * p.kh * p.kw);
    const double tile = kVector + kLoad * loads + kProduct * products + kStore * tile_.rb;
    return kSection + t.stage_cycles(vw_) + real(filters()) * tiles * tile;
  }

 private:
  ColumnsTile tile_;
};

std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const Axis rows = Axis::rows(p);
  // Half of the registers hold sums, a fourth weights.
  const std::int64_t most = std::max(1, c.machine.registers / 2 - 2);
  const std::int64_t tiles = ceil_div(rows.steps, most);
  const std::int64_t pieces = ceil_div(p.kh, c.machine.registers / 4);
  return {ColumnsTile{static_cast<int>(ceil_div(rows.steps, tiles)),
                      static_cast<int>(ceil_div(p.kh, pieces)), c.machine.lanes}
              .config()};
}

Fit fit(const Case& c, const Config& config) {
  const Problem& p = c.problem;
  const ColumnsTile tile = ColumnsTile::from(config);
  if (p.layout != TensorLayout::kNchw) return unserved("layout", "channels last (nhwc)");
  // Tiles overlap: what is computed twice must not add up.
  if (p.accumulate) return unserved("accumulate", "adding to the result");
  if (p.wants_dx() && p.k != p.c) return other_than("k", p.k, p.c);
  const Axis rows = Axis::rows(p), columns = Axis::columns(p);
  if (tile.rb > rows.steps) return above("rb", tile.rb, rows.steps);
  if (tile.taps > p.kh) return above("taps", tile.taps, p.kh);
  // A data gradient has taps of its own for each residue class of rows and columns, which `rows` unrolls.
  const std::int64_t classes = saturating_product(rows.residues, columns.residues);
  if (classes != 1) return other_than("sh*sw", classes, 1);
  const Sections sections = plane_sections(c, tile.vw, tile.rb);
  if (auto refused = sections.rejection(c.profile)) return *refused;
  return std::make_unique<const ColumnsLayout>(c, config, tile, sections);
}

}  // namespace

extern const Body body_columns = {"columns", Suits::kCpus, 1, "depthwise/columns", variants, fit};

}  // namespace clconv::core::depthwise
