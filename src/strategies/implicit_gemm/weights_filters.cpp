// weights_filters: explicit vectors along the filters of a packed dy, a register tile of channels and taps. For CPUs.
#include <algorithm>

#include "strategies/implicit_gemm/split_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

struct WeightsFiltersTile {
  int kv, tc, tq, vw, split;

  Config config() const {
    return {"weights_filters", {{"kv", kv}, {"tc", tc}, {"tq", tq}, {"vw", vw}, {"split", split}}};
  }
  static WeightsFiltersTile from(const Config& c) {
    return {c.get("kv", 1, 8), c.get("tc", 1, 32), c.get("tq", 1, 32),
            c.get_power_of_two("vw", 4, 16), c.get("split", 1, INT32_MAX)};
  }
  // Of one part.
  std::int64_t work_groups(const Problem& p, const GradientBlocks& blocks) const {
    return ceil_div(p.kw, tq) * p.kh * ceil_div(p.c_per_group(), tc) * p.g *
           blocks.blocks_per_group;
  }
};

// PoCL 3.1, 2-core Zen 5 and Zen 3, 2026-11, over core.txt and 22 random problems. The terms that the machine decides:
struct Terms {
  // The fraction of the cycles' rate that is reached. Half of what it reads was packed by another core, in about every
  // second process (medians of the core suite: `patches`, which packs nothing, is 3-16 % faster where both were
  // predicted equal).
  double efficiency;
  double loop;  // cycles per pixel
  explicit Terms(const Machine& machine)
      : efficiency(machine.measured(0.765, 0.95)), loop(machine.measured(1, 0.5)) {}
};
constexpr TileCycles kStore{2, 100};         // per result of a tile
constexpr std::int64_t kPixelsOfGroup = 16;  // that a work-group of the packing kernel takes

// What work-groups of so many pixels read that a core's cache does not keep from one to the next.
double bytes_read_again(const Case& all, const WeightsFiltersTile& tile, double work_groups,
                        double pixels) {
  constexpr double kStreamed =
      0.5;  // in order, the last-level cache is faster than for scattered lines
  const double elements = tile.kv * tile.vw + real(tile.tc * all.problem.sh * all.problem.sw);
  const double bytes = pixels * elements * kElement;
  return bytes > real(all.machine.l2_blocking_bytes)
             ? work_groups * kStreamed * cached(all.machine, bytes)
             : 0;
}

Pass pass_of(const Case& all, const WeightsFiltersTile& tile, const GradientBlocks& blocks) {
  const Problem& p = all.problem;
  const Terms terms(all.machine);
  const double work_groups = real(tile.work_groups(p, blocks) * tile.split);
  const double pixels = real(ceil_div(p.n * p.oh(), tile.split) * p.ow());
  const double taps = tile.tc * tile.tq;
  const double cycles = product_cycles(all.machine, pixels, tile.kv * taps, tile.kv + taps) +
                        terms.loop * pixels + kStore.of(taps * tile.kv * tile.vw);
  const double bytes = std::max(operand_bytes(p), bytes_read_again(all, tile, work_groups, pixels));
  return vector_pass(all.profile, {work_groups, cycles, tile.vw, terms.efficiency},
                     {bytes, work_groups});
}

// Of dy.
Pass packing_pass(const Case& all, const GradientBlocks& blocks) {
  const Problem& p = all.problem;
  return copy_pass(
      cached(all.machine, real(p.y_bytes() + blocks.bytes(p))),
      real(p.n * p.g * blocks.blocks_per_group * ceil_div(p.oh() * p.ow(), kPixelsOfGroup)));
}

class WeightsFilters : public PaddedInputLayout {
 public:
  WeightsFilters(const Case& c, const WeightsFiltersTile& tile)
      : PaddedInputLayout(c, tile.split, 1),
        tile_(tile),
        blocks_(c.problem, std::int64_t{tile.vw} * tile.kv) {}

 protected:
  std::int64_t gradient_bytes() const override { return blocks_.bytes(case_.problem); }
  std::unique_ptr<Step> copy_gradient(Device& device, const Region& copy) const override {
    const Problem& p = case_.problem;
    return pack_gradient(device, p, blocks_, Region{kDySlot}, mask_of(p), copy);
  }
  double us() const override {
    return predicted_us(case_.profile, {view_.pass(case_), packing_pass(case_, blocks_),
                                        pass_of(case_, tile_, blocks_),
                                        PartialSums::pass(case_.problem, tile_.split)});
  }
  std::int64_t tile_filters() const override { return std::int64_t{tile_.kv} * tile_.vw; }
  std::int64_t tile_elements() const override {
    return tile_.tc * case_.problem.kh * case_.problem.kw;
  }
  std::unique_ptr<Step> multiply(Device& device, const Operands& operands,
                                 const PartialSums& result) const override {
    const Problem& p = case_.problem;
    std::vector<Argument> arguments = first_arguments(operands, "packed", result);
    arguments.insert(arguments.end(),
                     {{"filters", narrow(p.k_per_group())},
                      {"blocks_per_group", narrow(blocks_.blocks_per_group)},
                      {"groups", narrow(p.g)},
                      {"channel_tiles", narrow(ceil_div(p.c_per_group(), tile_.tc))},
                      {"tap_tiles", narrow(ceil_div(p.kw, tile_.tq))},
                      {"rows_per_part", cl_long{split_.units_per_part}},
                      {"part_stride", result.stride(p)}});
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/weights_filters", "weights_filters",
                      weights_defines(p, tile_.config().defines())),
        arguments, one_item_groups(tile_.work_groups(p, blocks_) * split_.parts));
  }

 private:
  WeightsFiltersTile tile_;
  GradientBlocks blocks_;
};

std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const int vw = c.machine.lanes;
  const int registers = c.machine.registers;
  std::vector<Config> configs;
  for (int kv = 1; kv <= 3; ++kv) {
    if (kv > 1 && (kv - 1) * vw >= p.k_per_group()) continue;
    const std::int64_t most = (registers - kv - 1) / kv;
    for (const std::int64_t tq : {std::min(p.kw, most), ceil_div(p.kw, 2), std::int64_t{1}}) {
      if (tq > most) continue;
      const std::int64_t tc = std::min(p.c_per_group(), most / tq);
      WeightsFiltersTile tile{kv, static_cast<int>(tc), static_cast<int>(tq), vw, 1};
      const GradientBlocks blocks(p, std::int64_t{vw} * kv);
      tile.split =
          static_cast<int>(parts_for(c.profile, tile.work_groups(p, blocks), p.n * p.oh()));
      const Config config = tile.config();
      // Small filters reach the same tile by two ways.
      if (std::find(configs.begin(), configs.end(), config) == configs.end())
        configs.push_back(config);
    }
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const WeightsFiltersTile tile = WeightsFiltersTile::from(config);
  const Problem& p = c.problem;
  if (tile.tc > p.c_per_group()) return above("tc", tile.tc, p.c_per_group());
  if (tile.tq > p.kw) return above("tq", tile.tq, p.kw);
  if (auto refused = over_registers(c.machine, tile.kv * tile.tc * tile.tq, tile.vw))
    return *refused;
  return std::make_unique<const WeightsFilters>(c, tile);
}

}  // namespace

extern const Body body_weights_filters = {"weights_filters",
                                          Suits::kCpusAndLastResort,
                                          3,
                                          "implicit_gemm/weights_filters ops/pack ops/sum_parts",
                                          variants,
                                          fit};

}  // namespace clconv::core::implicit_gemm
