// pixels: explicit vectors along the pixels of a row, a register tile of filters and vectors; for few filters per group
// and short reductions. For CPUs.
#include "ops/epilogue.hpp"
#include "strategies/implicit_gemm/register_tile_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

struct PixelTile {
  int mr, nv, vw, stage;

  std::int64_t span() const { return std::int64_t{vw} * nv; }
  Config config() const {
    return {"pixels", {{"mr", mr}, {"nv", nv}, {"vw", vw}, {"stage", stage}}};
  }
  static PixelTile from(const Config& c) {
    return {c.get("mr", 1, 32), c.get("nv", 1, 32), c.get_power_of_two("vw", 4, 16),
            c.get("stage", 0, 128)};
  }
  // One program serves all stages: it has the largest, of which a launch uses what it needs.
  Config of_program(const DeviceProfile& profile) const {
    constexpr std::int64_t kMost = 128;
    PixelTile tile = *this;
    if (stage > 0)
      tile.stage = static_cast<int>(std::min(kMost, profile.local_memory_bytes / 1024));
    return tile.config();
  }
  std::int64_t stage_bytes(const Correlation& c) const {
    return saturating_product(c.channels, span(), kElement);
  }
  // KiB of local memory for a tile's pixels as floats, rounded up to a power of two so that few programs suffice; 0
  // where staging does not pay.
  // On PoCL 3.1, 2-core Zen 5, 2026-11: n32c64h56w56k256kh1kw1 7.4 instead of 7.8 ms (f16: 8.0), but with 256
  // channels, 96 KiB, only f16 gains. With 16 registers `patches` does the same better (resnet_1x1_56_exp: 0.88 against
  // 1.22 ms; 2-core Zen 3).
  int stage_wanted(const Case& all) const {
    const Problem& p = all.problem;
    const DeviceProfile& profile = all.profile;
    const std::vector<Correlation>& correlations = all.correlations;
    const std::int64_t most = p.data_type != DataType::kFloat32 ? 4 * all.machine.l1_blocking_bytes
                                                                : all.machine.l1_blocking_bytes;
    const Correlation& c = correlations.front();
    const bool once = c.filters <= mr || correlations.size() > 1 || c.taps_h * c.taps_w != 1;
    if (once || all.machine.few_registers() ||
        stage_bytes(c) > std::min(most, profile.local_memory_bytes))
      return 0;
    int kib = 1;
    while (kib * 1024 < stage_bytes(c))
      kib *= 2;
    return kib * 1024 <= profile.local_memory_bytes ? kib : 0;
  }
  // Columns of the window that the last vectors read, with the odd ones that stride 2 discards.
  std::int64_t padded_columns(const std::vector<Correlation>& correlations) const {
    const Window window = window_of(correlations);
    std::int64_t columns = 0;
    for (const Correlation& c : correlations) {
      if (c.reduction() == 0) continue;
      const std::int64_t last = (std::max(c.ow, span()) - 1) * c.sw + c.dw * (c.taps_w - 1) + c.sw;
      columns = std::max(columns, c.left - window.left + last);
    }
    return columns;
  }
};

// The run: the blocks of filters that one work-item multiplies its pixels by. From the second block on the pixels are
// in L1; the run's weights must fit a quarter of L2. Both limits: no record of other values tried.
std::int64_t run_of(const Case& all, const Correlation& c, const FilterBlocks& blocks,
                    std::int64_t row_tiles) {
  constexpr std::int64_t kWorkGroupsPerUnit = 16;
  const std::int64_t block_bytes =
      std::max<std::int64_t>(1, c.reduction()) * blocks.block * kElement;
  const std::int64_t tiles = row_tiles * c.oh * c.groups;
  const std::int64_t most =
      std::min(all.machine.l2_blocking_bytes / 4 / block_bytes,
               tiles * blocks.blocks_per_group / (all.profile.compute_units * kWorkGroupsPerUnit));
  const std::int64_t run = std::clamp<std::int64_t>(most, 1, blocks.blocks_per_group);
  return ceil_div(blocks.blocks_per_group, ceil_div(blocks.blocks_per_group, run));
}

// Tiles that a work-group computes, one after the other: what finds one costs as much as a short reduction.
std::int64_t tiles_per_work_group(const Case& all, const Correlation& c, const FilterBlocks& blocks,
                                  std::int64_t row_tiles, std::int64_t run) {
  constexpr std::int64_t kWorkGroupsPerUnit = 16;
  if (!all.machine.few_registers()) return 1;  // not measured
  const std::int64_t tiles = row_tiles * c.oh;
  const std::int64_t per_tile = ceil_div(blocks.blocks_per_group, run) * c.groups * c.images;
  const std::int64_t wanted =
      ceil_div(all.profile.compute_units * kWorkGroupsPerUnit, per_tile);  // of an image
  return ceil_div(tiles, std::min(wanted, tiles));
}

// Calibrated on PoCL 3.1, 2-core Zen 5 and Zen 3, 2026-11, over core.txt. Staged pixels lie dense and near, and are
// brought once for a run of blocks (n1c128h28w28k512kh1kw1: 222 against 262 us with body `filters`). With few registers
// loads and the loop cost more (vgg_conv1_1's data gradient, mr=1,nv=6: 6.1 ms, which would else be 3.0; 2-core Zen 3,
// 2026-11).
struct Terms {
  double efficiency = 0.97;  // fraction of the cycles' rate
  double loads;              // per step, of vectors and numbers
  double loop;               // cycles per step
  double stage;              // cycles per step of the first block of a run
  double waiting;            // factor of the products
  TileCycles store;          // per vector of results

  Terms(const Machine& machine, const PixelTile& tile, const Correlation& c) {
    const bool staged = tile.stage > 0;
    const double vectors = tile.nv * (c.sw == 1 || staged ? 1.0 : 3.0);  // stride 2: two, shuffled
    loads = machine.measured(1.5, 1.0) * vectors + tile.mr;
    const bool one_tap = c.taps_h * c.taps_w == 1;
    loop = staged ? 0.1 : machine.measured(one_tap ? 3 : 1.8, one_tap ? 1.2 : 0.4);
    stage = staged ? tile.nv * (c.sw == 1 ? 2 : 6) : 0;
    // A narrower tile waits more often for the next row; beyond 16 KiB the stage leaves L1.
    waiting = staged ? (tile.stage > 16 ? 1.05 : 1.0) : 1 + 0.1 / tile.nv;
    // Scattered results go one by one.
    store.each = c.out_step != 1 ? machine.measured(3.5, 2.0) * tile.vw : staged ? 3.0 : 4.0;
    store.tile = c.out_step != 1 ? 30 : staged ? 20 : 50;
    if (machine.few_registers() && one_tap && c.sw == 1 && c.out_step == 1) {
      // The loops over taps are left out, and the next tile's pixels are prefetched: what the pixels of all channels
      // leave of L1 decides how many of their lines come from there.
      constexpr double kNear = 0.5, kFar = 2.5;
      loop = kNear + kFar * std::min(1.0, real(tile.stage_bytes(c)) / real(machine.l1_bytes));
      store.tile = 30;
    }
  }
  // Of a register tile of so many vectors; `far_lines` per step come from L2.
  double cycles(const Machine& machine, double steps, double vectors, std::int64_t run,
                double far_lines) const {
    const double products =
        independent_cycles(machine, steps * vectors, steps * loads, kDenseLoads) * waiting;
    return std::max(products, l2_cycles(machine, steps, far_lines)) + loop * steps +
           store.of(vectors) + steps * stage / real(run);
  }
};

// Lines per step that come from L2 for each block of a run: what is read in place, where it is more than L1 holds. They
// come in order, which hides a part: with all of it counted n1c144h56w56k24kh1kw1 took a staged tile of 76 us instead
// of mr=4,nv=6 with 69. Images that come from memory leave nothing to hide: n16c144h56w56k24kh1kw1 takes 1.09 ms with
// that tile, 0.90 staged. With 512 KiB of L2 each block waits for them, and longer where filters have several rows,
// although L1 might hold a tile's: vgg_conv1_1's data gradient takes 5.2 ms with mr=2,nv=4, 3.3 predicted without
// (2-core Zen 3, 2026-11).
double far_lines(const Case& all, const PixelTile& tile, const Correlation& c, std::int64_t run) {
  constexpr double kInOrder = 0.7, kSmallL2 = 2.5, kSmallL2Rows = 4.5;
  if (tile.stage > 0) return 0;
  const bool from_memory =
      bytes_of(all.problem, all.problem.wants_dx() ? Tensor::kDy : Tensor::kX) >
      all.machine.last_level_share_bytes;
  const bool waits = from_memory && all.machine.few_registers();
  const double lines = tile.nv / real(c.taps_h);
  const std::int64_t near_bytes = all.machine.l1_blocking_bytes, read = tile.stage_bytes(c);
  if (waits && c.taps_h > 1 && c.taps_h * read > near_bytes / 2) return lines * kSmallL2Rows;
  if (read <= near_bytes) return 0;
  if (waits) return lines * kSmallL2;
  if (run == 1) return 0;
  return lines * (from_memory ? 1 : kInOrder);
}

Pass pass_of(const Case& all, const PixelTile& tile, const Correlation& c,
             const FilterBlocks& blocks, std::int64_t chunks) {
  const std::int64_t row_tiles = ceil_div(c.ow, tile.span());
  const std::int64_t run = run_of(all, c, blocks, row_tiles * c.images);
  const double tiles = real(row_tiles * c.oh) * real(blocks.blocks()) * real(c.images);
  const double runs = real(ceil_div(blocks.blocks_per_group, run));
  const Terms terms(all.machine, tile, c);
  const double cycles = terms.cycles(all.machine, real(c.reduction()), tile.mr * tile.nv, run,
                                     far_lines(all, tile, c, run));
  return vector_pass(
      all.profile, {tiles, cycles, tile.vw, terms.efficiency},
      traffic_of(all, c, blocks, tiles / real(blocks.blocks_per_group) * runs, chunks));
}

class Pixels : public RegisterTileLayout {
 public:
  Pixels(const Case& c, const PixelTile& tile)
      : RegisterTileLayout(c, tile.config(), tile.mr, tile.padded_columns(c.correlations),
                           /*floats=*/false),
        tile_(tile) {}

 protected:
  std::int64_t tile_columns() const override { return tile_.span(); }
  Pass multiply_pass(const Correlation& c, const FilterBlocks& blocks) const override {
    return pass_of(case_, tile_, c, blocks, view_.chunks());
  }
  std::unique_ptr<Step> multiply(Device& device, const Operand& operand) const override {
    const Problem& p = case_.problem;
    const Correlation& c = operand.correlation;
    const FilterBlocks& blocks = operand.blocks;
    const std::int64_t tiles_x = ceil_div(c.ow, tile_.span());
    const std::int64_t run = run_of(case_, c, blocks, tiles_x * operand.images);
    const std::int64_t per_work_group = tiles_per_work_group(case_, c, blocks, tiles_x, run);
    std::vector<Argument> arguments = {{"x", operand.x},
                                       {"packed", operand.packed},
                                       {"b", Region{kBiasSlot}},
                                       {"r", Region{kResidualSlot}},
                                       {"result", Operands(p).result},
                                       {"channels", narrow(c.channels)},
                                       {"taps_h", narrow(c.taps_h)},
                                       {"taps_w", narrow(c.taps_w)},
                                       {"x_image", cl_long{view_.image}},
                                       {"plane", cl_long{view_.plane}},
                                       {"pitch", narrow(view_.pitch)},
                                       {"x_offset", cl_long{view_.offset(c)}},
                                       {"oh", narrow(c.oh)},
                                       {"ow", narrow(c.ow)},
                                       {"tiles_x", narrow(tiles_x)},
                                       {"filters", narrow(c.filters)},
                                       {"blocks_per_group", narrow(blocks.blocks_per_group)},
                                       {"run", narrow(run)},
                                       {"tiles_per_work_group", narrow(per_work_group)},
                                       {"groups", narrow(c.groups)}};
    for (const Argument& argument : result_arguments(c, operand.first_image))
      arguments.push_back(argument);
    const bool direct = p.data_type != DataType::kFloat32 && !view_.copied;
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/pixels", "implicit_gemm_pixels",
                      shared_defines(p, c, tile_.of_program(case_.profile).defines()) +
                          (direct ? " -DDIRECT=1" : " -DDIRECT=0")),
        with_bounds(p, arguments),
        one_item_groups(ceil_div(tiles_x * c.oh, per_work_group) *
                        ceil_div(blocks.blocks_per_group, run) * c.groups * operand.images));
  }

 private:
  PixelTile tile_;
};

std::vector<Config> variants(const Case& all) {
  const Correlation& c = all.correlations.front();
  const int vw = all.machine.lanes;
  const int registers = all.machine.registers;
  std::vector<Config> configs;
  const auto add = [&](int mr, int nv) {
    if (mr > 1 && mr / 2 >= c.filters) return;
    if (mr * nv + nv + 1 > registers) return;
    if (nv > 1 && (nv - 1) * vw >= c.ow) return;
    PixelTile tile{mr, nv, vw, 0};
    tile.stage = tile.stage_wanted(all);
    configs.push_back(tile.config());
  };
  for (const int mr : {1, 2, 4, 6, 8, 16}) {
    if (mr == 6 && !all.machine.few_registers()) continue;  // not measured
    // Three vectors are slow, the cause not established: vgg_conv1_1 4.3 against 1.5 ms of mr=4,nv=4 (data gradient),
    // 0.62 against 0.49 ms of mr=8,nv=2 (forward).
    for (const int nv : {1, 2, 4, 6})
      add(mr, nv);
  }
  // For 3 filters, or a multiple that 2 and 4 leave a rest of.
  add(3, 7);
  return configs;
}

Fit fit(const Case& all, const Config& config) {
  const PixelTile tile = PixelTile::from(config);
  const Correlation& c = all.correlations.front();
  // The pixels of a channel are not adjacent in memory.
  if (c.channels_last) return unserved("layout", "channels last (nhwc)");
  if (c.sw > 2) return above("sw", c.sw, 2);  // would need a gather per vector
  if (auto refused = over_registers(all.machine, tile.mr * tile.nv, tile.vw)) return *refused;
  if (tile.stage > 0) {
    if (all.correlations.size() > 1)
      return other_than("phases with a stage", static_cast<std::int64_t>(all.correlations.size()),
                        1);
    if (c.taps_h * c.taps_w != 1) return other_than("taps with a stage", c.taps_h * c.taps_w, 1);
    if (tile.stage_bytes(c) > tile.stage * 1024)
      return above("bytes to stage", tile.stage_bytes(c), tile.stage * 1024);
    if (std::int64_t{tile.stage} * 1024 > all.profile.local_memory_bytes)
      return over_local_memory(std::int64_t{tile.stage} * 1024, all.profile);
  }
  return std::make_unique<const Pixels>(all, tile);
}

}  // namespace

extern const Body body_pixels = {
    "pixels", Suits::kCpusAndLastResort, 2, "implicit_gemm/pixels ops/pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
