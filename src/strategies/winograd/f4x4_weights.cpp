// f4x4_weights: the weight gradient of 3x3 filters from tiles of 4x4 pixels of dy, in one launch; both operands are
// transformed in local memory. For CPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "ops/mask.hpp"
#include "ops/reduce.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/winograd/bodies.hpp"

namespace clconv::core::winograd {
namespace {

constexpr int kM = 4;
constexpr std::int64_t kEdge = kM + 2;
constexpr std::int64_t kTaps = 9;
constexpr std::int64_t kElement = Problem::kFloatBytes;
constexpr std::int64_t kLine = 16;  // floats of a cache line

// Blocks of `kv` vectors of `vw` filters in `runs`, channels in `slabs`, tiles in `split` parts; a register tile has
// `tc` channels.
struct WeightsTile {
  int kv, tc, vw, runs, slabs, split;

  Config config() const {
    return {
        "f4x4_weights",
        {{"kv", kv}, {"tc", tc}, {"vw", vw}, {"runs", runs}, {"slabs", slabs}, {"split", split}}};
  }
  static WeightsTile from(const Config& c) {
    return {
        c.get("kv", 1, 8),           c.get("tc", 1, 32),           c.get_power_of_two("vw", 4, 16),
        c.get("runs", 1, INT32_MAX), c.get("slabs", 1, INT32_MAX), c.get("split", 1, INT32_MAX)};
  }
  std::int64_t block() const { return std::int64_t{vw} * kv; }
};

// What a tile makes of a problem. Units are rows of tiles, or segments of them; a chunk of units is transformed before
// it is multiplied.
struct WeightsGeometry {
  WeightsTile tile;
  std::int64_t tiles_y, tiles_x, segments, segment, unit_tiles, units, units_per_part, parts;
  std::int64_t blocks, blocks_of_run, runs, slabs, slab_channels;
  std::int64_t v_step, pitch, stage_floats, units_of_chunk, chunk_tiles;
  std::int64_t sums_xi, sums_block, sums_of_group;

  WeightsGeometry(const Problem& p, const WeightsTile& t, std::int64_t local_bytes) : tile(t) {
    // Columns of a staged row, about, so that twelve rows stay in L1.
    constexpr std::int64_t kColumns = 80;
    tiles_y = ceil_div(ceil_div(p.oh(), p.dh), kM);
    tiles_x = ceil_div(ceil_div(p.ow(), p.dw), kM);
    const std::int64_t most = std::max<std::int64_t>(1, (kColumns / p.dw - 2) / kM);
    segments = ceil_div(tiles_x, most);
    segment = ceil_div(tiles_x, segments);
    units = p.n * p.dh * segments * tiles_y;
    units_per_part = ceil_div(units, tile.split);
    parts = ceil_div(units, units_per_part);
    blocks = ceil_div(p.k_per_group(), tile.block());
    runs = std::min<std::int64_t>(tile.runs, blocks);
    blocks_of_run = ceil_div(blocks, runs);
    slabs = std::min<std::int64_t>(tile.slabs, p.c_per_group());
    slab_channels = ceil_div(p.c_per_group(), slabs);
    v_step = round_up(slab_channels, tile.vw);
    pitch = p.dw * (kM * segment + 2) * tile.vw;
    unit_tiles = p.dw * segment;
    stage_floats = std::max(2 * kEdge * pitch, tile.tc * kTaps * tile.block());
    chunk(local_bytes);
    sums_xi = round_up(slab_channels, tile.tc) * tile.block();
    sums_block = units_of_chunk < units_per_part ? products_of(kM) * sums_xi : 0;
    sums_of_group = std::max(blocks_of_run * sums_block, products_of(kM) * sums_xi);
  }
  // An odd number of lines from one xi to the next, as Winograd's other bodies have it.
  std::int64_t xi_of(std::int64_t step) const {
    return (ceil_div(chunk_tiles * step, kLine) | 1) * kLine;
  }
  std::int64_t floats() const {
    return products_of(kM) * (xi_of(v_step) + xi_of(tile.block())) + stage_floats;
  }
  // KiB of local memory. Few sizes, so that a program serves many problems.
  std::int64_t local_kib() const {
    const std::int64_t kib = ceil_div(floats() * kElement, 1024);
    for (const std::int64_t size : {64, 128, 256, 384, 512, 768, 1024}) {
      if (kib <= size) return size;
    }
    return kib;
  }
  std::int64_t work_groups(const Problem& p) const { return p.g * runs * slabs * parts; }
  std::int64_t sums_bytes(const Problem& p) const {
    return saturating_product(work_groups(p), sums_of_group, kElement);
  }

 private:
  // As few chunks as local memory allows, in about equal parts.
  void chunk(std::int64_t local_bytes) {
    for (std::int64_t chunks = 1; chunks <= units_per_part; ++chunks) {
      units_of_chunk = ceil_div(units_per_part, chunks);
      chunk_tiles = units_of_chunk * unit_tiles;
      if (floats() * kElement <= local_bytes) break;
    }
  }
};

// What chunks are planned with, where there is as much local memory.
std::int64_t budget_of(const Case& c) {
  constexpr std::int64_t kMost = 960 * 1024;
  return std::min(kMost, c.profile.local_memory_bytes);
}

// PoCL 3.1, 2-core Zen 5, 2026-11: samples of a profile of one thread (docs/calibration.md).
constexpr double kEfficiency = 0.95;  // fraction of the cycles' rate
// With 16 registers, so that resnet_3x3_7 is left to `weights_patches` (1.7 instead of 2.1 ms), whose predictions are
// further above its times there (2-core Zen 3, 2026-11).
constexpr double kEfficiencyOf16 = 0.8;
// To stage and transform a vector of planes of a tile: each of the 36 lines that are stored comes from L2 and goes
// there.
constexpr double kTile = 350;
constexpr double kResult = 200;     // per vector of filters and channel
constexpr TileCycles kSums{1, 10};  // per vector of sums, and per register tile

Pass pass_of(const Case& all, const WeightsGeometry& g) {
  const double tiles = real(g.units_per_part * g.unit_tiles);
  const double chunks = real(ceil_div(g.units_per_part, g.units_of_chunk));
  const double vectors = real(g.blocks_of_run * g.tile.kv), sums = g.tile.kv * g.tile.tc;
  const double register_tiles =
      real(products_of(kM) * g.blocks_of_run * ceil_div(g.slab_channels, g.tile.tc));
  const double product = product_cycles(all.machine, tiles, sums, g.tile.kv + g.tile.tc);
  const double cycles = register_tiles * (product + chunks * kSums.of(sums)) +
                        tiles * kTile * (real(g.v_step / g.tile.vw) + vectors) +
                        kResult * vectors * real(g.slab_channels);
  const double groups = real(g.work_groups(all.problem));
  return vector_pass(
      all.profile, {groups, cycles, g.tile.vw, all.machine.measured(kEfficiencyOf16, kEfficiency)},
      {operand_bytes(all.problem), groups});
}

class Weights : public Layout {
 public:
  Weights(const Case& c, const WeightsTile& tile)
      : case_(c), geometry_(c.problem, tile, budget_of(c)) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    describe_transforms(candidate, p, kM);
    candidate.coverage.filters = geometry_.tile.block();
    candidate.coverage.elements = geometry_.tile.tc * geometry_.slabs * kTaps;
    candidate.workspace_bytes = workspace().bytes();
    candidate.predicted_us = predicted_us(case_.profile, {pass_of(case_, geometry_), sum_pass()});
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    WorkspaceLayout layout(case_.profile);
    const Region sums = layout.add(geometry_.sums_bytes(p));
    const Region result = direct() ? Region{kDwSlot} : layout.add(part_bytes());
    executable.workspace_bytes = layout.bytes();
    executable.share_launch = true;
    executable.run.add(std::make_unique<KernelStep>(
        "multiply", device.kernel("winograd/f4x4_weights", "winograd_weights", defines()),
        arguments(sums, result), one_item_groups(geometry_.work_groups(p))));
    if (!direct()) {
      executable.run.add(sum_parts(device, p.w_elements(), geometry_.parts, p.accumulate, result,
                                   Mask(), Region{kDwSlot}, p.data_type));
    }
  }

 private:
  // Are there no parts to add up, and is dw neither added to nor of fewer bits?
  bool direct() const {
    const Problem& p = case_.problem;
    return geometry_.parts == 1 && !p.accumulate && p.data_type == DataType::kFloat32;
  }
  std::int64_t part_bytes() const {
    return direct() ? 0 : saturating_product(geometry_.parts, case_.problem.w_elements(), kElement);
  }
  WorkspaceLayout workspace() const {
    WorkspaceLayout layout(case_.profile);
    layout.add(geometry_.sums_bytes(case_.problem));
    if (!direct()) layout.add(part_bytes());
    return layout;
  }
  Pass sum_pass() const {
    const double bytes = real(part_bytes()) + (direct() ? 0 : real(case_.problem.w_bytes()));
    return copy_pass(bytes, real(case_.problem.w_elements()) / 1024);
  }
  std::string defines() const {
    const WeightsTile& tile = geometry_.tile;
    const Config macros{{"m", kM},
                        {"kv", tile.kv},
                        {"tc", tile.tc},
                        {"vw", tile.vw},
                        {"local", static_cast<int>(geometry_.local_kib())}};
    const Problem& p = case_.problem;
    return macros.defines() + " " + storage_define(p.data_type) + mask_of(p).defines;
  }
  std::vector<Argument> arguments(const Region& sums, const Region& result) const;

  const Case& case_;
  const WeightsGeometry geometry_;
};

std::vector<Argument> Weights::arguments(const Region& sums, const Region& result) const {
  const Problem& p = case_.problem;
  const WeightsGeometry& g = geometry_;
  const std::int64_t v_xi = g.xi_of(g.v_step), u_xi = g.xi_of(g.tile.block());
  return {{"x", Region{kXSlot}},
          {"dy", Region{kDySlot}},
          {"y_mask", mask_of(p).y_or(Region{kDySlot})},
          {"result", result},
          {"all_sums", sums},
          {"images", cl_long{p.n}},
          {"channels", narrow(p.c_per_group())},
          {"h", narrow(p.h)},
          {"w", narrow(p.w)},
          {"filters", narrow(p.k_per_group())},
          {"pt", narrow(p.pt)},
          {"pl", narrow(p.pl)},
          {"dh", narrow(p.dh)},
          {"dw", narrow(p.dw)},
          {"oh", narrow(p.oh())},
          {"ow", narrow(p.ow())},
          {"groups", narrow(p.g)},
          {"runs", narrow(g.runs)},
          {"slabs", narrow(g.slabs)},
          {"tiles_y", narrow(g.tiles_y)},
          {"tiles_x", narrow(g.tiles_x)},
          {"segments", narrow(g.segments)},
          {"segment", narrow(g.segment)},
          {"units", cl_long{g.units}},
          {"units_per_part", cl_long{g.units_per_part}},
          {"units_of_chunk", narrow(g.units_of_chunk)},
          {"v_step", narrow(g.v_step)},
          {"v_xi", narrow(v_xi)},
          {"u_xi", narrow(u_xi)},
          {"u_at", narrow(products_of(kM) * v_xi)},
          {"stage_at", narrow(products_of(kM) * (v_xi + u_xi))},
          {"pitch", narrow(g.pitch)},
          {"sums_xi", narrow(g.sums_xi)},
          {"sums_block", cl_long{g.sums_block}},
          {"sums_of_group", cl_long{g.sums_of_group}},
          {"part_stride", cl_long{p.w_elements()}}};
}

// Work-groups for each core, once or twice, as runs of filters or parts of the tiles.
std::vector<Config> variants(const Case& c) {
  constexpr std::int64_t kSlab = 64;  // channels, about
  const Problem& p = c.problem;
  const int kv = p.k_per_group() > c.machine.lanes ? 2 : 1;
  const std::int64_t slabs = ceil_div(p.c_per_group(), kSlab),
                     slab = ceil_div(p.c_per_group(), slabs);
  const std::int64_t tc = ceil_div(slab, ceil_div(slab, (c.machine.registers - kv - 1) / kv));
  WeightsTile tile{kv,
                   static_cast<int>(std::min(tc, p.c_per_group() / slabs)),
                   c.machine.lanes,
                   1,
                   static_cast<int>(slabs),
                   1};
  const std::int64_t blocks = ceil_div(p.k_per_group(), tile.block());
  std::vector<Config> configs;
  for (const std::int64_t each : {1, 2}) {
    const std::int64_t wanted = ceil_div(each * c.profile.compute_units, p.g * slabs);
    tile.runs = static_cast<int>(std::min(blocks, wanted));
    tile.split = static_cast<int>(ceil_div(wanted, tile.runs));
    configs.push_back(tile.config());
    tile.runs = 1;
    tile.split = static_cast<int>(wanted);
    if (wanted > 1 && blocks > 1) configs.push_back(tile.config());
  }
  std::vector<Config> different;
  for (const Config& config : configs) {
    if (std::find(different.begin(), different.end(), config) == different.end())
      different.push_back(config);
  }
  return different;
}

Fit fit(const Case& c, const Config& config) {
  const WeightsTile tile = WeightsTile::from(config);
  const Problem& p = c.problem;
  if (auto refused = over_registers(c.machine, tile.kv * tile.tc, tile.vw)) return *refused;
  const WeightsGeometry geometry(p, tile, budget_of(c));
  if (tile.tc > p.c_per_group() / geometry.slabs)
    return above("tc", tile.tc, p.c_per_group() / geometry.slabs);
  if (geometry.local_kib() * 1024 > c.profile.local_memory_bytes)
    return over_local_memory(geometry.local_kib() * 1024, c.profile);
  return std::make_unique<const Weights>(c, tile);
}

}  // namespace

extern const Body body_f4x4_weights = {
    "f4x4_weights", Suits::kCpus, 2, "winograd/f4x4_weights ops/sum_parts", variants, fit};

}  // namespace clconv::core::winograd
