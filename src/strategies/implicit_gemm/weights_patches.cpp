// weights_patches: explicit vectors along the elements of a patch, which are gathered in local memory; dy as it lies.
// For CPUs.
#include <algorithm>
#include <cmath>

#include "strategies/implicit_gemm/split_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

struct WeightsPatchesTile {
  int kv, tf, vw, runs, split;
  std::int64_t
      patches_bytes;  // of local memory that hold the patches while all filters read them: L1

  Config config() const {
    return {"weights_patches",
            {{"kv", kv}, {"tf", tf}, {"vw", vw}, {"runs", runs}, {"split", split}}};
  }
  static WeightsPatchesTile from(const Config& c, const Machine& machine) {
    return {
        c.get("kv", 1, 8),           c.get("tf", 1, 32),           c.get_power_of_two("vw", 4, 16),
        c.get("runs", 1, INT32_MAX), c.get("split", 1, INT32_MAX), machine.l1_blocking_bytes};
  }
  std::int64_t block() const { return std::int64_t{kv} * vw; }
  std::int64_t depth() const { return patches_bytes / (block() * kElement); }
  std::int64_t blocks(const Problem& p) const { return ceil_div(patch_elements(p), block()); }
  std::int64_t local_bytes() const {
    return ((depth() + 3) * kElement + 11 * std::int64_t{sizeof(cl_int)}) * block();
  }
  // Pixels that are multiplied at a time: about equal pieces of a part, of whole rows where those fit.
  std::int64_t step(const Problem& p, std::int64_t pixels_per_part) const {
    const std::int64_t unit = p.ow() <= depth() / 2 ? p.ow() : vw;
    const std::int64_t most = depth() / unit * unit;
    return round_up(ceil_div(pixels_per_part, ceil_div(pixels_per_part, most)), unit);
  }
  std::string defines(const Problem& p) const {
    const Config macros{{"kv", kv}, {"tf", tf}, {"vw", vw}, {"depth", static_cast<int>(depth())}};
    return macros.defines() + stride_defines(p);
  }
};

// PoCL 3.1, 2-core Zen 5 and Zen 3, 2026-11, over core.txt. Patches are transposed by four pixels of a row.
constexpr RowCopyCycles kCopy{50, 16, 30, 8};  // per row, per four pixels by stride, per float
// Per vector of sums, which are added to the result, and per tile; with 16 registers 150 per tile made 546 us 2.1 ms
// (n1c512h8w8k508kh3kw3s2p1; 2-core Zen 3, 2026-11).
double store_cycles(const Machine& machine, double sums) {
  constexpr double kVector = 4, kTile = 150, kTileWith16 = 40;
  return TileCycles{kVector, machine.measured(kTileWith16, kTile)}.of(sums);
}

Pass pass_of(const Case& all, const WeightsPatchesTile& tile) {
  const Problem& p = all.problem;
  const double pixels = real(ceil_div(p.n * p.oh() * p.ow(), tile.split)), sums = tile.kv * tile.tf;
  const double tiles = real(ceil_div(ceil_div(p.k_per_group(), tile.tf), tile.runs));
  const double copying = kCopy.of(pixels / real(p.ow()), real(ceil_div(p.ow(), 4)), p.sw, tile.vw);
  const double products = product_cycles(all.machine, pixels * tiles, sums, tile.kv + tile.tf);
  const double stores =
      tiles * std::ceil(pixels / real(tile.depth())) * store_cycles(all.machine, sums);
  const double cycles = tile.kv * copying + products + pixels * tiles + stores;
  const double efficiency = all.machine.measured(tile.kv == 1 ? 0.8 : 1.0, 1.0);
  const double groups = real(tile.blocks(p) * p.g * tile.runs * tile.split);
  return group_pass(all, {groups, cycles, tile.vw, efficiency});
}

class WeightsPatches : public PlainGradientLayout {
 public:
  WeightsPatches(const Case& c, const WeightsPatchesTile& tile)
      : PlainGradientLayout(c, c.problem.n * c.problem.oh() * c.problem.ow(), tile.split),
        tile_(tile) {}

 protected:
  double us() const override {
    return predicted_us(case_.profile, {gradient_.pass(case_), pass_of(case_, tile_),
                                        PartialSums::pass(case_.problem, tile_.split)});
  }
  std::int64_t tile_filters() const override { return tile_.tf; }
  std::int64_t tile_elements() const override { return tile_.block(); }
  std::unique_ptr<Step> multiply(Device& device, const Operands& operands,
                                 const PartialSums& result) const override {
    const Problem& p = case_.problem;
    std::vector<Argument> arguments = patch_arguments(p, operands.dy, result.region);
    arguments.insert(arguments.end(), {{"blocks", narrow(tile_.blocks(p))},
                                       {"runs", narrow(tile_.runs)},
                                       {"pixels", cl_long{p.n * p.oh() * p.ow()}},
                                       {"pixels_per_part", cl_long{split_.units_per_part}},
                                       {"step", narrow(tile_.step(p, split_.units_per_part))},
                                       {"part_stride", result.stride(p)}});
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/weights_patches", "weights_patches", tile_.defines(p)),
        arguments, one_item_groups(tile_.blocks(p) * tile_.runs * p.g * split_.parts));
  }

 private:
  WeightsPatchesTile tile_;
};

std::vector<Config> variants(const Case& c) {
  // Beyond 13 rows of dy too few of their addresses stay in registers (3 to 5 % slower with 14).
  constexpr int kMostRows = 13;
  const Problem& p = c.problem;
  const int vw = c.machine.lanes;
  const int registers = c.machine.registers;
  std::vector<Config> configs;
  for (const int kv : {1, 2, 4}) {
    if (kv > 1 && (kv - 1) * vw >= patch_elements(p)) continue;
    const int tf = std::min((registers - kv - 1) / kv, kMostRows);
    if (tf < 1) continue;
    WeightsPatchesTile tile{kv, tf, vw, 1, 1, c.machine.l1_blocking_bytes};
    const auto add = [&] {
      tile.split = static_cast<int>(parts_for(c.profile, tile.blocks(p) * p.g * tile.runs,
                                              p.n * p.oh() * p.ow(), tile.depth() / 2));
      configs.push_back(tile.config());
    };
    add();
    // Instead of parts of the pixels, which another launch adds up, runs of filters, which copy the same patches again.
    tile.runs =
        static_cast<int>(parts_for(c.profile, tile.blocks(p) * p.g, ceil_div(p.k_per_group(), tf)));
    if (tile.runs > 1) add();
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  WeightsPatchesTile tile = WeightsPatchesTile::from(config, c.machine);
  if (tile.tf > c.problem.k_per_group()) return above("tf", tile.tf, c.problem.k_per_group());
  if (auto refused = over_registers(c.machine, tile.kv * tile.tf, tile.vw)) return *refused;
  if (tile.local_bytes() > c.profile.local_memory_bytes)
    return over_local_memory(tile.local_bytes(), c.profile);
  // More runs than tiles of filters would be empty.
  tile.runs = static_cast<int>(
      std::min<std::int64_t>(tile.runs, ceil_div(c.problem.k_per_group(), tile.tf)));
  return std::make_unique<const WeightsPatches>(c, tile);
}

}  // namespace

extern const Body body_weights_patches = {"weights_patches",
                                          Suits::kCpusAndLastResort,
                                          2,
                                          "implicit_gemm/weights_patches ops/pack ops/sum_parts",
                                          variants,
                                          fit};

}  // namespace clconv::core::implicit_gemm
