// narrow: forward convolution and data gradient of planes whose rows of results fit one vector, or half of one: rows
// stay in registers, and taps see them moved by lanes. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/axis.hpp"
#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {
namespace {

struct NarrowTile {
  int rb, vw;  // steps of a block of results, floats of a vector
  int planes;  // of a vector

  static NarrowTile from(const Config& c) {
    return {c.get("rb", 1, 16), c.get_power_of_two("vw", 8, 16), c.get("planes", 1, 2)};
  }
  Config config() const { return {"narrow", {{"planes", planes}, {"rb", rb}, {"vw", vw}}}; }
  std::int64_t group() const { return vw / planes; }  // lanes of a plane
};

// Planes of one case in such tiles.
struct NarrowPlanes {
  Axis rows, columns;
  std::int64_t in_h, in_w, res_h, res_w;
  std::int64_t planes;  // of results
  std::int64_t sets;    // of planes that a vector holds
  std::int64_t per_work_group;

  NarrowPlanes(const Case& c, const NarrowTile& tile)
      : rows(Axis::rows(c.problem)), columns(Axis::columns(c.problem)) {
    const Problem& p = c.problem;
    const bool data = p.wants_dx();
    in_h = data ? p.oh() : p.h;
    in_w = data ? p.ow() : p.w;
    res_h = data ? p.h : p.oh();
    res_w = data ? p.w : p.ow();
    planes = p.n * (data ? p.c : p.k);
    sets = ceil_div(planes, tile.planes);
    // As `planes`.
    per_work_group = ceil_div(sets, 2 * kWorkGroupsPerUnit * c.profile.compute_units);
  }
  bool one_block(const NarrowTile& tile) const { return rows.steps == tile.rb; }
  // Rows of padding; negative where the results do not see some inside.
  std::int64_t top() const { return -rows.start; }
  std::int64_t bottom() const {
    return (rows.steps - 1) * rows.advance + rows.start + rows.reach - (in_h - 1);
  }
};

class NarrowLayout : public Layout {
 public:
  NarrowLayout(const Case& c, const Config& config, const NarrowTile& tile)
      : case_(c), config_(config), tile_(tile), planes_(c, tile) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    Pass pass = vector_pass(case_.profile, static_cast<double>(planes_.sets), set_cycles(),
                            tile_.vw, kFullRate);
    pass.bytes = cached(case_.machine, operand_bytes(p));
    pass.work_groups = static_cast<double>(planes_.sets);
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    const NarrowPlanes& n = planes_;
    const Operands operands(p);
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise", device.kernel("depthwise/narrow", "depthwise_narrow", defines()),
        with_slopes(p, {{"x", operands.input},
                        {"y_mask", operands.mask},
                        {"weights", Region{kWeightsSlot}},
                        {"b", Region{kBiasSlot}},
                        {"r", Region{kResidualSlot}},
                        {"result", operands.result},
                        {"groups", narrow(p.c)},
                        {"filters", narrow(p.k / p.c)},
                        {"in_h", narrow(n.in_h)},
                        {"in_w", narrow(n.in_w)},
                        {"in_size", cl_long{p.wants_dx() ? p.y_elements() : p.x_elements()}},
                        {"steps_h", narrow(n.rows.steps)},
                        {"res_h", narrow(n.res_h)},
                        {"res_w", narrow(n.res_w)},
                        {"planes", cl_long{n.planes}},
                        {"sets", cl_long{n.sets}},
                        {"sets_per_work_group", cl_long{n.per_work_group}}}),
        one_item_groups(ceil_div(n.sets, n.per_work_group))));
  }

 private:
  double set_cycles() const {
    constexpr double kSet = 20, kRow = 3, kMove = 0.6, kProduct = 0.55, kStore = 2;
    const Problem& p = case_.problem;
    const double blocks = static_cast<double>(ceil_div(planes_.rows.steps, tile_.rb));
    const double rows = static_cast<double>(planes_.rows.input(tile_.rb));
    const double products = static_cast<double>(tile_.rb * p.kh * p.kw);
    const double results = static_cast<double>(tile_.rb * planes_.rows.residues);
    const double columns = static_cast<double>(planes_.columns.reach + 1);
    return kSet + static_cast<double>(tile_.planes) * static_cast<double>(p.kh * p.kw) +
           blocks * (rows * (kRow * static_cast<double>(planes_.columns.advance) + kMove * columns) +
                     kProduct * products + kStore * results * tile_.planes);
  }

  std::string defines() const {
    // What only a single block needs to know.
    const bool one = planes_.one_block(tile_);
    return class_defines(case_.problem, config_) + define("TOP", planes_.top()) +
           define("BOTTOM", one ? planes_.bottom() : 0) + define("LEFT", -planes_.columns.start) +
           define("ONE_BLOCK", one);
  }

  const Case& case_;
  Config config_;
  NarrowTile tile_;
  NarrowPlanes planes_;
};

// What the compiler unrolls.
constexpr std::int64_t kMostProducts = 1024;  // of a block
constexpr std::int64_t kMostRows = 64;        // vectors of the input that a block sees

std::optional<Rejection> rejection(const Case& c, const NarrowTile& tile) {
  const Problem& p = c.problem;
  if (p.layout != TensorLayout::kNchw) return unserved("layout", "channels last (nhwc)");
  // Rows run over into the next.
  if (p.accumulate) return unserved("accumulate", "adding to the result");
  if (p.wants_dx() && p.k != p.c) return other_than("k", p.k, p.c);
  const NarrowPlanes n(c, tile);
  if (n.columns.advance > 2) return above("sw", n.columns.advance, 2);
  if (n.columns.residues > 2) return above("sw", n.columns.residues, 2);
  if (n.rows.residues > 2) return above("sh", n.rows.residues, 2);
  if (tile.rb > n.rows.steps) return above("rb", tile.rb, n.rows.steps);
  const std::int64_t group = tile.group();
  if (n.columns.steps > group) return above("columns of results", n.columns.steps, group);
  if (n.in_w > group * n.columns.advance)
    return above("columns of the input", n.in_w, group * n.columns.advance);
  // Rows run over into the next one only.
  const std::int64_t lanes = group * n.columns.residues;
  if (2 * n.res_w < lanes) return above("lanes without a result", lanes - n.res_w, n.res_w);
  if (std::abs(n.columns.start) > 32) return above("columns of padding", -n.columns.start, 32);
  const std::int64_t products = saturating_product(tile.rb, p.kh, p.kw);
  if (products > kMostProducts) return above("multiply-adds of a block", products, kMostProducts);
  const std::int64_t rows = n.rows.input(tile.rb) * n.columns.advance;
  if (rows > kMostRows) return above("rows that a block sees", rows, kMostRows);
  return std::nullopt;
}

// Two planes a vector where they fit, and all rows in one block where registers hold their sums.
std::vector<Config> variants(const Case& c) {
  const Axis rows = Axis::rows(c.problem);
  const std::int64_t sums = c.machine.registers / 2 / Axis::columns(c.problem).residues;
  const int blocks = static_cast<int>(ceil_div(rows.steps, sums));
  NarrowTile tile{static_cast<int>(ceil_div(rows.steps, blocks)), c.machine.lanes, 2};
  if (rejection(c, tile)) tile.planes = 1;
  return {tile.config()};
}

Fit fit(const Case& c, const Config& config) {
  const NarrowTile tile = NarrowTile::from(config);
  if (auto refused = rejection(c, tile)) return *refused;
  return std::make_unique<const NarrowLayout>(c, config, tile);
}

}  // namespace

extern const Body body_narrow = {"narrow", Suits::kCpus, 1, "depthwise/narrow", variants, fit};

}  // namespace clconv::core::depthwise
