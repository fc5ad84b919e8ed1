// slabs: the register tile of `filters`, the channels in slabs; between them the sums of some tiles wait in local
// memory, so that what a slab reads stays in L1. For CPUs with 16 vector registers and filters of one tap.
#include "ops/epilogue.hpp"
#include "strategies/implicit_gemm/filter_tile.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// Cache blocking: tiles, blocks of filters and channels that are processed together so that they stay in L1 and L2.
struct Slabs {
  std::int64_t supertile;  // tiles that all blocks of a run pass before the next ones
  std::int64_t run;        // blocks of filters of a work-item
  std::int64_t channels;   // of a slab

  Slabs(const FilterTile& tile, int kib, const Case& all, const Correlation& c,
        const FilterBlocks& blocks) {
    // A supertile's pixels and sums in half of L2; in three quarters of L1 the weights of a slab,
    // and of its pixels all or what a tile touches, up to 4 lines a row. Work-groups enough to even out what one
    // core starts later. 2-core Zen 3, 2026-11: slabs of 48 to 192 channels of n1c1024h14w14k512kh1kw1 within 5 %,
    // n1c2048h7w7k512kh1kw1 slower from 128 on.
    constexpr std::int64_t kMostPixels = 256;
    const std::int64_t near_bytes = all.machine.l1_blocking_bytes / 4 * 3;
    const std::int64_t most_of_row = 4 * all.machine.line_bytes;
    constexpr std::int64_t kWorkGroupsPerUnit = 4;
    const std::int64_t tiles = ceil_div(c.ow, tile.tw) * ceil_div(c.oh, tile.th);
    const std::int64_t pixels = tile.th * tile.tw;
    const std::int64_t fitting = kib * 256 / tile.sums();
    supertile = std::min({tiles, std::max<std::int64_t>(1, kMostPixels / pixels), fitting});
    supertile = ceil_div(tiles, ceil_div(tiles, supertile));
    const std::int64_t supertiles = ceil_div(tiles, supertile) * c.groups * c.images;
    const std::int64_t blocks_per_group = blocks.blocks_per_group;
    const std::int64_t runs =
        std::max(ceil_div(kWorkGroupsPerUnit * all.profile.compute_units, supertiles),
                 ceil_div(blocks_per_group, fitting / supertile));
    run = ceil_div(blocks_per_group, std::min(blocks_per_group, runs));
    const std::int64_t taps = std::max<std::int64_t>(1, c.taps_h * c.taps_w);
    const std::int64_t row = std::min(supertile * pixels * c.sw * kElement, most_of_row);
    const std::int64_t channel_bytes = taps * tile.block() * kElement + tile.th * row;
    const std::int64_t most =
        std::clamp<std::int64_t>(near_bytes / channel_bytes, 1, all.machine.slab_channels);
    channels = ceil_div(c.channels, ceil_div(c.channels, most));
  }
  std::int64_t supertiles(std::int64_t tiles) const { return ceil_div(tiles, supertile); }
  std::int64_t runs(const FilterBlocks& blocks) const {
    return ceil_div(blocks.blocks_per_group, run);
  }
};

// PoCL 3.1, 2-core Zen 3, 2026-11, over resnet50.txt's 1x1: the fraction of the cycles' rate that is reached; cycles
// per step, at least and of the loop around it; cycles to store a tile's sums and to load them between slabs.
constexpr double kEfficiency = 0.92;
constexpr double kLeastStep = 4.6, kLoop = 0.5;
constexpr TileCycles kSums{2, 30};

// Nothing is far from the core.
Pass pass_of(const Case& all, const FilterTile& tile, const Slabs& slabs, const Correlation& c,
             const FilterBlocks& blocks, std::int64_t chunks) {
  const double accumulators = real(tile.kv * tile.pixels()), loads = real(tile.kv + tile.pixels());
  const double step = std::max(kLeastStep, independent_cycles(all.machine, accumulators, loads));
  const double turns = real(ceil_div(c.channels, slabs.channels));
  const double cycles = real(c.reduction()) * (step + kLoop) + turns * kSums.of(accumulators) +
                        transposing_store_cycles(tile.transposes(), accumulators, true);
  const double tiles = real(tile.tiles(c) * blocks.blocks() * c.images);
  const double work_groups =
      real(slabs.supertiles(tile.tiles(c)) * slabs.runs(blocks) * c.groups * c.images);
  return vector_pass(all.profile, {tiles, cycles, tile.vw, kEfficiency},
                     traffic_of(all, c, blocks, work_groups, chunks));
}

class SlabsLayout : public RegisterTileLayout {
 public:
  SlabsLayout(const Case& c, const Config& config, const FilterTile& tile, int kib)
      : RegisterTileLayout(c, config, tile.block(), 0, true), tile_(tile), kib_(kib) {}

  void describe(Candidate& candidate) const override {
    RegisterTileLayout::describe(candidate);
    for (const Correlation& c : case_.correlations) {
      candidate.coverage.slab_channels = std::max(
          candidate.coverage.slab_channels, slab_channels_within(c, case_.machine.slab_channels));
    }
    // With several taps, or strides, `patches` stages what is read several times or apart (resnet_1x1_s2 1.6 against
    // 2.0 ms, resnet_3x3_14 1.9 against 2.4; 2-core Zen 3, 2026-11).
    const Correlation& c = case_.correlations.front();
    if (!case_.machine.few_registers()) {
      candidate.not_considered = "slabs were measured with 16 vector registers only";
    } else if (case_.correlations.size() > 1 || c.taps_h * c.taps_w != 1 || c.sh * c.sw != 1) {
      candidate.not_considered = "patches is better with several taps or strides";
    }
  }

 protected:
  std::int64_t tile_columns() const override { return tile_.tw; }
  Pass multiply_pass(const Correlation& c, const FilterBlocks& blocks) const override {
    return pass_of(case_, tile_, slabs(c, blocks), c, blocks, view_.chunks());
  }
  std::unique_ptr<Step> multiply(Device& device, const Operand& operand) const override {
    const Correlation& c = operand.correlation;
    const Slabs slabs = this->slabs(c, operand.blocks);
    std::vector<Argument> arguments =
        filter_arguments(operand, case_, view_, tile_, slabs.supertile);
    arguments.insert(arguments.end(),
                     {{"slab", narrow(slabs.channels)}, {"run", narrow(slabs.run)}});
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/slabs", "implicit_gemm_slabs",
                      class_defines(case_.problem, c, config_.defines())),
        with_slopes(case_.problem, arguments),
        one_item_groups(slabs.supertiles(tile_.tiles(c)) * slabs.runs(operand.blocks) * c.groups *
                        operand.images));
  }

 private:
  Slabs slabs(const Correlation& c, const FilterBlocks& blocks) const {
    return {tile_, kib_, case_, c, blocks};
  }

  FilterTile tile_;
  int kib_;  // local memory for sums
};

std::vector<Config> variants(const Case& all) {
  constexpr int kSumsKib = 64;
  const int vw = all.machine.lanes;
  const LeastResult least(all.correlations);
  int sums = kSumsKib;
  while (sums > 1 && sums * 1024 > all.profile.local_memory_bytes)
    sums /= 2;
  std::vector<Config> configs;
  for (int kv = 1; kv <= 4; ++kv) {
    if (kv > 1 && (kv - 1) * vw >= all.correlations.front().filters) continue;
    const std::int64_t tw =
        std::min<std::int64_t>(FilterTile::most_pixels(kv, all.machine.registers), least.w);
    if (tw < 1) continue;
    configs.push_back(
        {"slabs",
         {{"kv", kv}, {"sums", sums}, {"th", 1}, {"tw", static_cast<int>(tw)}, {"vw", vw}}});
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const FilterTile tile = FilterTile::from(config);
  const int sums = config.get("sums", 1, 256);
  if (auto rejection = tile.rejection(c)) return *rejection;
  if (c.correlations.front().channels_last) return unserved("layout", "channels last (nhwc)");
  if (std::int64_t{sums} * 1024 > c.profile.local_memory_bytes)
    return over_local_memory(std::int64_t{sums} * 1024, c.profile);
  if (tile.sums() > sums * 256) return above("floats of a tile's sums", tile.sums(), sums * 256);
  return std::make_unique<const SlabsLayout>(c, config, tile, sums);
}

}  // namespace

extern const Body body_slabs = {
    "slabs", Suits::kCpusAndLastResort, 2, "implicit_gemm/slabs ops/pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
