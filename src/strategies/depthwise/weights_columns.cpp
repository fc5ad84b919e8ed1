// weights_columns: weight gradient of sections of x that are staged in local memory with their padding, piece by piece
// of the filter, each in registers for a whole section. For CPUs.
#include <algorithm>
#include <cmath>

#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/sections.hpp"
#include "strategies/depthwise/weights_layout.hpp"

namespace clconv::core::depthwise {
namespace {

struct PieceTile {
  int rb;             // rows of dy that meet a vector of x
  int taps, columns;  // rows and columns of the filter in registers
  int vw;             // floats of a vector

  static PieceTile from(const Config& c) {
    return {c.get("rb", 1, 16), c.get("taps", 1, 16), c.get("columns", 1, 16),
            c.get_power_of_two("vw", 4, 16)};
  }
  Config config() const {
    return {"weights_columns", {{"columns", columns}, {"rb", rb}, {"taps", taps}, {"vw", vw}}};
  }
};

// Cycles, calibrated on PoCL 3.1, 2-core Zen 5, 2026-11: per piece of the filter, per tap of one to add up its lanes,
// per vector that is loaded, per multiply-add.
constexpr double kPiece = 100, kLanesOfTap = 6, kLoad = 0.8, kProduct = 0.4;

class WeightsColumnsLayout : public WeightsLayout {
 public:
  WeightsColumnsLayout(const Case& c, const Config& config, const PieceTile& piece,
                       const Sections& sections)
      : WeightsLayout(c, config, {piece.rb, piece.taps * piece.columns, piece.vw},
                      c.problem.n * sections.in_plane(), c.problem.k),
        piece_(piece),
        sections_(sections) {}

  void describe(Candidate& candidate) const override {
    WeightsLayout::describe(candidate);
    candidate.coverage = sections_.coverage();
    candidate.not_considered = sections_.not_considered(case_.profile);
  }

 protected:
  double unit_cycles() const override {
    const Problem& p = case_.problem;
    const Sections& t = sections_;
    const auto [rb, taps, columns, vw] = piece_;
    const double pieces = real(ceil_div(p.kh, taps) * ceil_div(p.kw, columns));
    const double vectors = std::ceil(real(std::min(t.section_w, t.columns.steps)) / vw);
    const double tiles = real(t.section_h) / rb * vectors;
    const double loads = real(rb + columns * ((rb - 1) * p.sh + taps));
    const double tile = kLoad * loads + kProduct * (rb * tile_.taps);
    return t.stage_cycles(vw) + pieces * (kPiece + kLanesOfTap * tile_.taps + tiles * tile);
  }
  double lane_cycles() const override { return 0; }  // with each section
  std::unique_ptr<Step> multiply(Device& device, const std::string& defines,
                                 const Region& result) const override {
    return std::make_unique<KernelStep>(
        "depthwise",
        device.kernel("depthwise/weights_columns", "depthwise_weights_columns",
                      defines + define("STAGE_FLOATS", sections_.stage_define())),
        staged_arguments(case_.problem, sections_, result, units_, units_per_part_),
        one_item_groups(case_.problem.k * parts_));
  }

 private:
  PieceTile piece_;
  Sections sections_;
};

// As many sums as registers hold beside 4 rows of dy: those are loaded once per piece (7x7 on 56x56: 205 us with 4
// columns, 240 with 2, 275 with 1 and 14 rows of dy).
std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const std::int64_t sums = c.machine.registers - 4;
  const auto divided = [](std::int64_t size, std::int64_t most) {
    return static_cast<int>(ceil_div(size, ceil_div(size, most)));
  };
  const int taps = divided(p.kh, c.machine.registers / 4);
  const int columns = divided(p.kw, sums / taps);
  const std::int64_t rb = std::clamp<std::int64_t>(c.machine.registers - taps * columns, 4, 7);
  return {
      PieceTile{static_cast<int>(std::min(p.oh(), rb)), taps, columns, c.machine.lanes}.config()};
}

Fit fit(const Case& c, const Config& config) {
  // What the compiler unrolls, and the sums that a work-item keeps.
  constexpr std::int64_t kMostProducts = 512, kMostTaps = 4096;
  const Problem& p = c.problem;
  const PieceTile piece = PieceTile::from(config);
  if (piece.rb > p.oh()) return above("rb", piece.rb, p.oh());
  if (piece.taps > p.kh) return above("taps", piece.taps, p.kh);
  if (piece.columns > p.kw) return above("columns", piece.columns, p.kw);
  const std::int64_t products = saturating_product(piece.rb, piece.taps, piece.columns);
  if (products > kMostProducts) return above("multiply-adds of a tile", products, kMostProducts);
  if (p.kh * p.kw > kMostTaps) return above("kh*kw", p.kh * p.kw, kMostTaps);
  const Sections sections(c, piece.vw, piece.rb, ceil_div(2 * c.profile.compute_units, p.k * p.n));
  if (auto refused = sections.rejection(c.profile)) return *refused;
  return std::make_unique<const WeightsColumnsLayout>(c, config, piece, sections);
}

}  // namespace

extern const Body body_weights_columns = {
    "weights_columns", Suits::kCpus, 1, "depthwise/weights_columns ops/sum_parts", variants, fit};

}  // namespace clconv::core::depthwise
