// direct: no local memory, a register tile per work-item. For GPUs: groups of few filters, and local memory that is
// ordinary memory.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "ops/quotient.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm/correlation_bodies.hpp"
#include "strategies/implicit_gemm/gpu_tile.hpp"
#include "strategies/implicit_gemm/tile_pack.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr int kQuad = 4;  // pixels of a work-item

// Instructions of a tap's block beside its multiply-adds, docs/gpu.md: loads, of planes with their distances, and the
// tap's; and a guess of what waiting for the loads leaves.
constexpr double kOfVector = 1, kOfPlane = 3, kWeightsOfLoad = 4, kOfTap = 50;
constexpr double kFed = 0.5;
// On a CPU with 16 registers 32 sums spill: 5.2 ms, with 16 sums 3.8, n1c128h14w14k128kh1kw1; 23.5 and 13.8,
// n32c32h14w14k64kh2kw2s2p1 (Mesa 22.3, llvmpipe, 2-core Zen 5 with other work, 2026-11). GPUs whose local memory is
// ordinary memory have 64 registers for a work-item: with so many, ptxas 13.0 spills 0 to 160 bytes of 16 sums and 100
// to 540 of 32 (docs/gpu.md).
constexpr int kMostSums = 16;
constexpr double kSpilling = 0.5;

// `mr` filters of a work-item; weights in tiles of `bm` filters, `bk` channels of a tap at a time.
struct DirectTile {
  int mr, bk, bm;

  Config config() const { return {"direct", {{"mr", mr}, {"bk", bk}, {"bm", bm}}}; }
  static DirectTile from(const Config& c) {
    const DirectTile tile{c.get("mr", 4, 16), c.get("bk", 4, 64), c.get("bm", 4, 64)};
    if (tile.mr % 4 != 0 || tile.bk % 4 != 0 || tile.bm % tile.mr != 0) {
      throw Error(Code::kInvalidArgument,
                  "config '" + c.text() + "': mr and bk must be multiples of 4, bm one of mr");
    }
    return tile;
  }
  TilePack pack(const Correlation& c) const {
    const std::int64_t channels = c.reduction() == 0 ? 0 : c.channels;
    // And zeroes for a block, which stand for pixels outside the image.
    return {bm, channels, bk, ceil_div(channels, bk) * bk * c.taps_h * c.taps_w + bk};
  }
};

// A correlation as `direct` divides it: dimension 0 of the launch and what is left for the other.
struct DirectGrid {
  std::int64_t blocks, all_blocks;  // of mr filters, per group and of all groups
  std::int64_t quads, lanes, planes;

  DirectGrid(const DirectTile& tile, const Correlation& c)
      : blocks(ceil_div(c.filters, tile.mr)),
        all_blocks(c.groups * blocks),
        quads(ceil_div(c.oh * c.ow, kQuad)),
        lanes(c.channels_last ? saturating_product(quads, all_blocks) : quads),
        planes(c.channels_last ? c.images : saturating_product(c.images, all_blocks)) {}
};

// Are vectors of the input at multiples of their size?
bool aligned_vectors(const Correlation& c) {
  return c.channels_last ? c.channels % 4 == 0 : input_fours(c) && c.in_plane % 4 == 0;
}

class Direct : public Layout {
 public:
  Direct(const Case& c, const DirectTile& tile)
      : case_(c),
        tile_(tile),
        weights_(c, [&](const Correlation& one) { return tile.pack(one); }) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    for (const Correlation& c : case_.correlations)
      candidate.predicted_us += us_of(c);
    candidate.prepared_weights_bytes = weights_.bytes;
    candidate.predicted_setup_us = kPredictedBuildUs;
    candidate.coverage = coverage_of(case_, tile_.mr, 0);
    candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  }

  void add_to(Executable& executable, Device& device) const override {
    weights_.add_to(executable, device, case_);
    for (std::size_t i = 0; i < case_.correlations.size(); ++i) {
      const Correlation& c = case_.correlations[i];
      if (!nothing_to_do(case_.problem, c))
        executable.run.add(multiply(device, c, weights_.packs[i], weights_.regions[i]));
    }
  }

 private:
  // On a CPU the items of a small plane that have no pixel would not be idle lanes but vectors of their own.
  std::int64_t local(const DirectGrid& grid) const {
    const std::int64_t items = vectors_are_items(case_.profile) ? round_up(grid.lanes, 8) : 64;
    return std::min({std::int64_t{64}, items, case_.profile.max_work_group_size});
  }

  double fed() const {
    const DeviceProfile& profile = case_.profile;
    const bool few_registers = profile.family == Family::kGpu ? !profile.local_memory_dedicated
                                                              : vectors_are_items(profile);
    const bool spills = few_registers && kQuad * tile_.mr > kMostSums;
    return spills ? kFed * kSpilling : kFed;
  }

  double us_of(const Correlation& c) const {
    const DirectGrid grid(tile_, c);
    const double items = real(grid.planes * round_up(grid.lanes, local(grid)));
    const double products = kQuad * tile_.mr * tile_.bk;
    const double loads =
        tile_.bk * ((c.channels_last ? kOfVector : kOfPlane) + tile_.mr / kWeightsOfLoad);
    // One work-group keeps a unit of a CPU busy.
    const bool cpu = vectors_are_items(case_.profile);
    const double busy = real(cpu ? local(grid) : case_.machine.items_per_unit);
    const Traffic traffic{bytes_touched(case_.problem, c, weights_.bytes), items / busy};
    const double flops = kFlopsPerFma * items * kQuad * tile_.mr * real(c.reduction());
    const double efficiency = fed() * products / (products + loads + kOfTap);
    return predicted_us(case_.profile, {arithmetic_pass(flops, efficiency, traffic)});
  }

  std::string defines(const Correlation& c) const {
    const Config macros{{"aligned", aligned_vectors(c)},
                        {"flat", input_fours(c)},
                        {"whole", c.channels % tile_.bk == 0},
                        {"store_fours", store_fours(c)}};
    return class_defines(case_.problem, c, tile_.config().defines()) + " " + macros.defines();
  }

  std::unique_ptr<Step> multiply(Device& device, const Correlation& c, const TilePack& pack,
                                 const Region& packed) const {
    const Problem& p = case_.problem;
    const DirectGrid grid(tile_, c);
    std::vector<Argument> arguments = operand_arguments(p, packed);
    for (const std::vector<Argument>& more : {reduction_arguments(c, pack), view_arguments(c),
                                              sizes(c, pack, grid), result_arguments(c, 0)})
      arguments.insert(arguments.end(), more.begin(), more.end());
    return std::make_unique<KernelStep>(
        "multiply", device.kernel("implicit_gemm/direct", "implicit_gemm_direct", defines(c)),
        with_slopes(p, arguments), plane_items(grid.lanes, local(grid), grid.planes));
  }

  static std::vector<Argument> reduction_arguments(const Correlation& c, const TilePack& pack) {
    return {{"channels", narrow(c.channels)},
            {"taps_h", narrow(c.taps_h)},
            {"taps_w", narrow(c.taps_w)},
            {"products", narrow(pack.products)}};
  }
  static std::vector<Argument> sizes(const Correlation& c, const TilePack& pack,
                                     const DirectGrid& grid) {
    const Reciprocal of_blocks(grid.blocks), of_all_blocks(grid.all_blocks);
    return {{"quads", narrow(grid.quads)},
            {"planes", narrow(grid.planes)},
            {"filters", narrow(c.filters)},
            {"groups", narrow(c.groups)},
            {"blocks", narrow(grid.blocks)},
            {"blocks_reciprocal", of_blocks.bits()},
            {"blocks_shift", cl_int{of_blocks.shift}},
            {"all_blocks", narrow(grid.all_blocks)},
            {"all_blocks_reciprocal", of_all_blocks.bits()},
            {"all_blocks_shift", cl_int{of_all_blocks.shift}},
            {"filter_tiles", narrow(pack.tiles(c))},
            {"in_image", cl_long{c.in_image}},
            {"in_plane", cl_long{c.in_plane}},
            {"in_pitch", narrow(c.in_pitch)},
            {"in_step", narrow(c.in_step)}};
  }

  const Case& case_;
  DirectTile tile_;
  TileWeights weights_;
};

// Tiles of weights as wide as the filters of a group, up to two cache lines.
std::vector<Config> variants(const Case& all) {
  const Correlation& c = all.correlations.front();
  const int bk = static_cast<int>(std::min<std::int64_t>(16, round_up(c.channels, 4)));
  std::vector<Config> configs;
  for (const int mr : {4, 8}) {
    int bm = mr;
    while (bm < c.filters && bm < 32)
      bm *= 2;
    if (mr == 4 || c.filters > 4) configs.push_back(DirectTile{mr, bk, bm}.config());
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const DirectTile tile = DirectTile::from(config);
  // The kernel counts both dimensions in 31 bits.
  for (const Correlation& one : c.correlations) {
    const DirectGrid grid(tile, one);
    constexpr std::int64_t kMost = INT32_MAX - 64;
    if (grid.lanes > kMost)
      return above("fours of pixels (nhwc: times filters)", grid.lanes, kMost);
    if (grid.planes > kMost) return above("images (nchw: times filters)", grid.planes, kMost);
  }
  return std::make_unique<const Direct>(c, tile);
}

}  // namespace

extern const Body body_direct = {
    "direct", Suits::kItems, 1, "implicit_gemm/direct implicit_gemm/tile_pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
