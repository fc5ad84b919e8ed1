// pairs: forward convolution and data gradient of 16-bit elements at strides up to 2, of planes that are read as they
// lie, two vectors of results at a time. In bfloat16 two neighbours are the halves of 32 bits, and become the floats
// of even and of odd columns by one instruction each. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"
#include "strategies/depthwise/plane_tiles.hpp"

namespace clconv::core::depthwise {
namespace {

constexpr int kPair = 2;  // vectors

// Planes that are narrower than a tile of two vectors, but not than a vector, are masked instead.
bool is_narrow(const PlaneTiles& tiles) {
  return tiles.columns.advance == 1 && tiles.columns.steps < tiles.vw;
}

// The last columns of results fill half a tile only: they are computed in two halves of the rows.
bool ends_in_halves(const PlaneTiles& tiles) {
  const std::int64_t rest = tiles.columns.steps % tiles.vw;
  return tiles.columns.advance == 1 && !is_narrow(tiles) && rest > 0 && rest >= tiles.border() &&
         rest <= tiles.vw / kPair;
}

// Narrow planes of few rows take no loop: rows beyond the results cost nothing then (effnet_dw5_s1 1.06 -> 0.85 ms, 3x3
// on 256 planes of 14x14 213 -> 190 us; float16 becomes slower, 1.02 -> 1.16 ms; 2-core Zen 3, 2026-11).
bool goes_through_at_once(const Problem& p, const PlaneTiles& tiles) {
  constexpr std::int64_t kMostRows = 16;
  return is_narrow(tiles) && p.data_type == DataType::kBfloat16 && tiles.rows.steps <= kMostRows;
}

class PairsLayout : public Layout {
 public:
  PairsLayout(const Case& c, const Config& config, const PlaneTiles& tiles)
      : case_(c), config_(config), tiles_(tiles), bands_(c, tiles) {}

  void describe(Candidate& candidate) const override {
    // Cycles, PoCL 3.1, 2-core Zen 3, 2026-11: per column of results; per two vectors of a row of the input, at
    // stride 2 of twice as many columns; per multiply-add; per row that is stored.
    constexpr double kColumn = 5, kLoad = 1, kLoadAtTwo = 5, kProduct = 0.45, kStore = 4;
    const Problem& p = case_.problem;
    const double planes = real(p.n * (p.wants_dx() ? p.c : p.k));
    const double rows = real(tiles_.rows.steps);
    const double loads = real(tiles_.in_h * ceil_div(tiles_.columns.reach + 1, kPair));
    const double load = tiles_.columns.advance == 2 ? kLoadAtTwo : kLoad;
    const double cycles =
        kColumn + load * loads + rows * (kProduct * kPair * real(p.kh * p.kw) + kStore);
    const double columns = real(tiles_.vectors()) - (ends_in_halves(tiles_) ? 0.5 : 0);
    const VectorWork work = {planes * columns, cycles, static_cast<int>(tiles_.vw / kPair)};
    const Pass pass = plane_pass(case_, work, real(bands_.all));
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
    candidate.coverage.columns = std::min(tiles_.vw, tiles_.columns.steps);
    if (!case_.machine.few_registers())
      candidate.not_considered = "its speed is not known with 32 vector registers";
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    std::vector<Argument> arguments = bands_.arguments(p, tiles_);
    const std::int64_t in_plane = tiles_.in_h * tiles_.in_w;
    arguments.push_back({"in_size", cl_long{(p.n - 1) * p.input_image() + p.c * in_plane}});
    const bool narrow = is_narrow(tiles_);
    std::string defines = class_defines(p, config_) + tiles_.defines() + define("NARROW", narrow) +
                          define("IN_HALVES", ends_in_halves(tiles_));
    if (narrow) defines += define("IN_W", tiles_.in_w) + define("RES_W", tiles_.columns.steps);
    const bool all_rows = goes_through_at_once(p, tiles_);
    defines += define("ALL_ROWS", all_rows);
    if (all_rows) defines += define("PLANE_ROWS", tiles_.in_h) + define("RES_H", tiles_.rows.steps);
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise", device.kernel("depthwise/pairs", "depthwise_pairs", defines),
        with_slopes(p, arguments), one_item_groups(ceil_div(bands_.all, bands_.per_work_group))));
  }

 private:
  const Case& case_;
  Config config_;
  PlaneTiles tiles_;
  PlaneBands bands_;
};

std::vector<Config> variants(const Case& c) {
  return {{"pairs", {{"vw", std::min(c.machine.lanes, 8)}}}};
}

std::optional<Rejection> rejection(const Problem& p, const PlaneTiles& tiles) {
  // More rows of sums do not stay in registers.
  constexpr std::int64_t kMostReach = 4;
  const bool bfloat16 = p.data_type == DataType::kBfloat16;
  if (p.data_type == DataType::kFloat32) return unserved("data_type", "float32");
  if (p.layout != TensorLayout::kNchw) return unserved("layout", "channels last (nhwc)");
  // Tiles overlap: what is computed twice must not add up.
  if (p.accumulate) return unserved("accumulate", "adding to the result");
  if (p.wants_dx() && p.k != p.c) return other_than("k", p.k, p.c);
  if (const std::int64_t residues = tiles.rows.residues * tiles.columns.residues; residues != 1)
    return other_than("sh*sw", residues, 1);
  const std::int64_t most = bfloat16 ? 2 : 1;
  if (tiles.rows.advance > most) return above("sh", tiles.rows.advance, most);
  if (tiles.columns.advance > most) return above("sw", tiles.columns.advance, most);
  if (bfloat16 && tiles.columns.reach % kPair != 0)
    return unserved("kw", "an odd number of columns between taps");
  if (tiles.rows.reach > kMostReach)
    return above("rows that a result sees", tiles.rows.reach + 1, kMostReach + 1);
  if (tiles.columns.reach > kMostReach)
    return above("columns that a result sees", tiles.columns.reach + 1, kMostReach + 1);
  if (!is_narrow(tiles))
    return bfloat16 ? tiles.rejection() : above("columns", tiles.columns.steps, tiles.vw - 1);
  if (bfloat16 && tiles.vw != 16) return other_than("vw", tiles.vw / kPair, 8);
  if (tiles.columns.steps <= tiles.vw / kPair)
    return above("vw", tiles.vw / kPair, tiles.columns.steps - 1);
  return std::nullopt;
}

Fit fit(const Case& c, const Config& config) {
  const PlaneTiles tiles(c.problem, Axis::rows(c.problem).steps,
                         kPair * config.get_power_of_two("vw", 4, 8));
  if (auto refused = rejection(c.problem, tiles)) return *refused;
  return std::make_unique<const PairsLayout>(c, config, tiles);
}

}  // namespace

extern const Body body_pairs = {"pairs", Suits::kCpus, 1, "depthwise/pairs", variants, fit};

}  // namespace clconv::core::depthwise
