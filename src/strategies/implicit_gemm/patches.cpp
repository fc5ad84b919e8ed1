// patches: explicit vectors along pixels, which are gathered for some rows or images in local memory first; for small
// images, short reductions, and CPUs with 16 vector registers.
#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm/patch_tile.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// Calibrated on PoCL 3.1, 2-core Zen 5 and Zen 3, 2026-11, over core.txt (there the digits' and first layers).
constexpr double kEfficiency = 0.94;  // fraction of the cycles' rate
constexpr double kBeyondL1 =
    1.15;  // factor of products whose patches are not in L1 for the next block
constexpr TileCycles kStore{1.5, 20};            // per vector of results,
constexpr TileCycles kScatteredStore{1.5, 100};  // per result
constexpr double kSumsOfVector = 2;              // cycles to store and load them between slabs

// Cycles to multiply the patches of a register tile, and to store it.
double tile_cycles(const Machine& machine, const PatchTile& tile, const Correlation& c,
                   bool scatter) {
  const double loop = machine.measured(0.5, 0);  // cycles per step
  const double steps = real(c.reduction()), accumulators = tile.mr * tile.nv;
  const std::int64_t patches = tile.slab(machine, c) * c.taps_h * c.taps_w * tile.span() * kElement;
  const double waiting = patches > machine.l1_blocking_bytes ? kBeyondL1 : 1.0;
  const double turns = real(ceil_div(c.channels, tile.slab(machine, c)) - 1);
  return product_cycles(machine, steps, accumulators, tile.nv + tile.mr, kDenseLoads) * waiting +
         loop * steps +
         (scatter ? kScatteredStore.of(tile.mr * real(tile.span())) : kStore.of(accumulators)) +
         turns * kSumsOfVector * accumulators;
}

// Cycles to stage all patches once: so many a vector, however few pixels of a row it brings. At a stride of 2 a vector
// is two, shuffled (resnet_conv1 took 840 us instead of 570 of `in_place`; 2-core Zen 5, 2026-11), at 4 it is four.
double stage_cycles(const Machine& machine, const PatchTile& tile, const Correlation& c,
                    const PatchGrid& grid) {
  const double strided = 12;
  const double vector = c.sw == 4 ? strided : machine.measured(5, c.sw == 1 ? 4 : strided);
  const std::int64_t vectors =
      c.images * c.oh * grid.tiles_x(c) * ceil_div(grid.w, tile.stage_width(grid.w));
  return real(c.reduction()) * real(vectors) * vector;
}

Pass pass_of(const Case& all, const PatchTile& tile, const Correlation& c, bool scatter,
             const PatchGrid& grid, const FilterBlocks& blocks) {
  const double runs = real(ceil_div(blocks.blocks_per_group, tile.run(all, c, grid, blocks)));
  const double tiles = real(blocks.blocks_per_group) * grid.multiplied / real(tile.span());
  const double cycles = tiles * tile_cycles(all.machine, tile, c, scatter) +
                        runs * stage_cycles(all.machine, tile, c, grid);
  return vector_pass(all.profile, {real(c.groups), cycles, tile.vw, kEfficiency},
                     traffic_of(all, c, blocks, runs * real(grid.all(c)), 1));
}

class Patches : public Layout {
 public:
  Patches(const Case& c, const PatchTile& tile)
      : case_(c), tile_(tile), packed_(c.correlations, tile.mr, c.profile) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    const bool scatter = PatchTile::scatters(case_.correlations);
    for (std::size_t i = 0; i < case_.correlations.size(); ++i) {
      const Correlation& c = case_.correlations[i];
      if (nothing_to_do(p, c)) continue;
      candidate.predicted_us += predicted_us(
          case_.profile,
          {pass_of(case_, tile_, c, scatter, tile_.grid(case_, c), packed_.blocks[i])});
    }
    candidate.prepared_weights_bytes = packed_.bytes;
    // Its vectors run over the ends of rows.
    candidate.coverage = coverage_of(case_, tile_.mr, 0);
    for (const Correlation& c : case_.correlations) {
      if (tile_.sums == 0 || c.reduction() == 0) continue;
      const std::int64_t most = case_.machine.slab_products / (c.taps_h * c.taps_w);
      candidate.coverage.slab_channels =
          std::max(candidate.coverage.slab_channels,
                   slab_channels_within(c, std::max<std::int64_t>(1, most)));
    }
    candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
    candidate.predicted_setup_us = kPredictedBuildUs;
    // With 32 registers `filters` reads a tap alone as it lies, and is not behind where there are many channels;
    // scattered results were measured with 16 only.
    constexpr std::int64_t kFewChannels = 24, kManyVectors = 16;
    const Correlation& c = case_.correlations.front();
    const bool one_tap =
        c.taps_h * c.taps_w == 1 &&
        (c.channels > kFewChannels || c.oh * c.ow < kManyVectors * case_.machine.lanes);
    if (!case_.machine.few_registers() && (case_.correlations.size() > 1 || scatter || one_tap)) {
      candidate.not_considered =
          "with 32 vector registers patches pays for several taps or few channels of large images, "
          "and dense results only";
    } else if (tile_.mr / 2 >= c.filters) {
      candidate.not_considered = "more than half of the tile's filters would be padding";
    }
  }

  void add_to(Executable& executable, Device& device) const override {
    packed_.add_to(executable, device, case_.correlations);
    for (std::size_t i = 0; i < case_.correlations.size(); ++i) {
      const Correlation& c = case_.correlations[i];
      if (!nothing_to_do(case_.problem, c))
        executable.run.add(multiply(device, c, packed_.blocks[i], packed_.regions[i]));
    }
  }

 private:
  std::unique_ptr<Step> multiply(Device& device, const Correlation& c, const FilterBlocks& blocks,
                                 const Region& packed) const {
    const Problem& p = case_.problem;
    const PatchGrid grid = tile_.grid(case_, c);
    const std::int64_t run = tile_.run(case_, c, grid, blocks);
    const Operands operands(p);
    std::vector<Argument> arguments = {{"x", operands.input},
                                       {"y_mask", p.mask ? operands.mask : operands.input},
                                       {"packed", packed},
                                       {"b", Region{kBiasSlot}},
                                       {"r", Region{kResidualSlot}},
                                       {"result", operands.result},
                                       {"channels", narrow(c.channels)},
                                       {"slab", narrow(tile_.slab(case_.machine, c))},
                                       {"taps_h", narrow(c.taps_h)},
                                       {"taps_w", narrow(c.taps_w)},
                                       {"in_h", narrow(c.in_h)},
                                       {"in_w", narrow(c.in_w)},
                                       {"in_size", cl_long{c.input_span()}},
                                       {"in_image", cl_long{c.in_image}},
                                       {"top", narrow(c.top)},
                                       {"left", narrow(c.left)},
                                       {"images", narrow(c.images)},
                                       {"oh", narrow(c.oh)},
                                       {"ow", narrow(c.ow)},
                                       {"tile_images", narrow(grid.images)},
                                       {"tile_h", narrow(grid.h)},
                                       {"tile_w", narrow(grid.w)},
                                       {"tiles_x", narrow(grid.tiles_x(c))},
                                       {"tiles", narrow(grid.tiles(c))},
                                       {"pitch", narrow(grid.pitch)},
                                       {"filters", narrow(c.filters)},
                                       {"blocks_per_group", narrow(blocks.blocks_per_group)},
                                       {"run", narrow(run)},
                                       {"groups", narrow(c.groups)}};
    for (const Argument& argument : result_arguments(c, 0))
      arguments.push_back(argument);
    const bool scatter = PatchTile::scatters(case_.correlations);
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/patches", "implicit_gemm_patches",
                      class_defines(p, c, tile_.config().defines()) +
                          (scatter ? " -DSCATTER=1" : " -DSCATTER=0")),
        with_slopes(p, arguments),
        one_item_groups(grid.all(c) * ceil_div(blocks.blocks_per_group, run)));
  }

  const Case& case_;
  PatchTile tile_;
  PackedWeights packed_;
};

// Tiles of all heights; local memory by what a core's L2 holds.
std::vector<Config> variants(const Case& all) {
  // KiB. Beyond 128 there is nothing to gain (vgg_conv1_1, 10 rows of 224 instead of 5: 0.43
  // instead of 0.40 ms) but where that is too little for whole vectors (resnet_conv1, 2 rows of 112: 0.54 instead of
  // 0.60 ms); 32, one row, took 0.47 ms for vgg_conv1_1.
  constexpr int kPatch = 128, kSums = 64;
  // 3 or 4 with fewer filters, 1 with 12: no faster anywhere.
  constexpr int kVectors = 2;
  // Reductions from which on a span in L1 counts for more than results in a row.
  constexpr std::int64_t kDeep = 128;
  const DeviceProfile& profile = all.profile;
  const int vw = all.machine.lanes;
  const int registers = all.machine.registers;
  std::int64_t reduction = 0;  // the longest
  for (const Correlation& c : all.correlations)
    reduction = std::max(reduction, c.reduction());
  int patch = kPatch;
  while (patch > 1 && patch * 1024 > profile.local_memory_bytes)
    patch /= 2;
  std::vector<Config> configs;
  for (const int mr : {8, 6, 4}) {
    if (mr * kVectors + kVectors + 1 > registers ||
        (mr > 4 && mr / 2 >= all.correlations.front().filters)) {
      continue;
    }
    // Where both hold the same tile, the larger takes 5 % less time in the mean of 56 random problems (0.86 to 1.17
    // times as fast), cause not established: of equals the first counts.
    for (const int kib : {2 * patch, patch})
      configs.push_back(PatchTile{mr, kVectors, vw, kib, 0}.config());
    // Half of both where there is too little local memory, and so on.
    PatchTile deep{mr, kVectors, vw, kPatch, kSums};
    while (deep.sums > 1 && (deep.patch + deep.sums) * 1024 > profile.local_memory_bytes) {
      deep.patch /= 2;
      deep.sums /= 2;
    }
    if (all.machine.few_registers() && reduction >= kDeep) configs.push_back(deep.config());
  }
  return configs;
}

Fit fit(const Case& all, const Config& config) {
  const PatchTile tile = PatchTile::from(config);
  const Correlation& first = all.correlations.front();
  if (first.channels_last) return unserved("layout", "channels last (nhwc)");
  // Other strides would be staged one pixel at a time.
  if (first.sw == 3) return unserved("sw", "a stride of 3");
  if (first.sw > 4) return above("sw", first.sw, 4);
  if (auto refused = over_registers(all.machine, tile.mr * tile.nv, tile.vw)) return *refused;
  const std::int64_t local_bytes = std::int64_t{tile.patch + tile.sums} * 1024;
  if (local_bytes > all.profile.local_memory_bytes)
    return over_local_memory(local_bytes, all.profile);
  for (const Correlation& c : all.correlations) {
    if (nothing_to_do(all.problem, c) || tile.grid(all, c).images > 0) continue;
    return above("floats of the smallest patch",
                 tile.slab(all.machine, c) * c.taps_h * c.taps_w * tile.span(),
                 std::int64_t{tile.patch} * 256);
  }
  return std::make_unique<const Patches>(all, tile);
}

}  // namespace

extern const Body body_patches = {
    "patches", Suits::kCpusAndLastResort, 2, "implicit_gemm/patches ops/pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
