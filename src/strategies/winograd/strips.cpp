// f2x2_strips, f4x4_strips: as f2x2 and f4x4, in one launch: a work-group transforms a strip of tiles into its local
// memory, multiplies it there and transforms it back. For CPUs.
#include <algorithm>
#include <set>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/winograd/vector_costs.hpp"

namespace clconv::core::winograd {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;
constexpr std::int64_t kLine = 16;  // floats of a cache line

// F(m x m, 3x3), strips of bt times `tt` tiles; `kv` vectors of `vw` filters per block, whose blocks are divided among
// `runs` work-groups per strip; `input` KiB of local memory for what the input becomes.
struct StripTile {
  int m, tt, bt, kv, vw, runs, input;

  Config config() const {
    return {m == 2 ? "f2x2_strips" : "f4x4_strips",
            {{"tt", tt}, {"bt", bt}, {"kv", kv}, {"vw", vw}, {"runs", runs}, {"input", input}}};
  }
  static StripTile from(const Config& c, int m) {
    return {m,
            c.get("tt", 1, 64),
            c.get("bt", 1, 64),
            c.get("kv", 1, 8),
            c.get_power_of_two("vw", 4, 16),
            c.get("runs", 1, INT32_MAX),
            c.get("input", 1, 1 << 20)};
  }
  std::string defines(const Problem& p) const {
    const Config macros{{"m", m}, {"tt", tt}, {"bt", bt}, {"kv", kv}, {"vw", vw}, {"input", input}};
    return macros.defines() + " " + epilogue_defines(p);
  }
  Config weights_macros() const { return {{"m", m}, {"kv", kv}, {"vw", vw}}; }

  std::int64_t products() const { return products_of(m); }
  std::int64_t strip() const { return std::int64_t{tt} * bt; }
  std::int64_t block() const { return std::int64_t{vw} * kv; }
  std::int64_t product_bytes() const { return products() * (strip() * block() + vw) * kElement; }
  std::int64_t local_bytes(std::int64_t input_kib) const {
    constexpr std::int64_t kAlignment = 256;  // of two arrays
    return product_bytes() + input_kib * 1024 + kAlignment;
  }
};

// What a tile makes of a problem.
struct Geometry : Tiles {
  StripTile tile;
  std::int64_t strips;
  std::int64_t segments;  // rows of tiles that a strip may reach
  std::int64_t xi_step;   // of V
  std::int64_t pitch;     // floats of a staged row
  std::int64_t blocks_per_group, run_blocks, runs;

  Geometry(const Case& all, const StripTile& t)
      : Tiles(all, t.m),
        tile(t),
        strips(ceil_div(tiles, tile.strip())),
        segments(std::min(tile.strip(), 1 + ceil_div(tile.strip() - 1, tiles_x))),
        // Odd numbers of lines spread what is stored in turn over the sets of L1. Behind the last channel and column a
        // vector has room.
        xi_step((ceil_div(c.channels * tile.strip() + tile.vw, kLine) | 1) * kLine),
        pitch((ceil_div(tile.m * std::min(tile.strip(), tiles_x) + 2 + tile.vw, kLine) | 1) *
              kLine),
        blocks_per_group(ceil_div(c.filters, tile.block())),
        run_blocks(ceil_div(blocks_per_group, std::min<std::int64_t>(tile.runs, blocks_per_group))),
        runs(ceil_div(blocks_per_group, run_blocks)) {}

  std::int64_t work_groups() const { return strips * c.groups * runs; }
  std::int64_t packed_bytes() const {
    return saturating_product(tile.products(), c.groups * blocks_per_group * tile.block(),
                              c.channels, kElement);
  }
  // Of V and of the staged rows, with room for vectors behind the last one.
  std::int64_t input_floats() const {
    return tile.products() * xi_step + (segments * (tile.m + 2) + 1) * pitch +
           (tile.m + 2) * tile.vw;
  }
  // KiB for them, a power of two, so that few programs serve many problems, or what local memory has.
  std::int64_t input_kib(const DeviceProfile& profile) const {
    const std::int64_t kib = ceil_div(input_floats() * kElement, 1024);
    std::int64_t room = 64;
    while (room < kib)
      room *= 2;
    const std::int64_t rest = (profile.local_memory_bytes - tile.local_bytes(0)) / 1024;
    return std::max(kib, std::min(room, rest));
  }
};

// Of a group's work on a strip: a channel's pixels are staged in vectors, then its tiles are transformed in vectors.
double input_cycles(const Geometry& geometry) {
  const StripTile& tile = geometry.tile;
  const double stage = tile.m == 2 ? 10 : 20, transform = tile.m == 2 ? 40 : 90;
  constexpr double kSegment = 20;
  const double segments =
      1 + static_cast<double>(tile.strip() - 1) / static_cast<double>(geometry.tiles_x);
  const double columns = static_cast<double>(tile.strip() * tile.m) + 2 * segments;
  return static_cast<double>(geometry.c.channels) *
         (segments * kSegment + stage * (columns / tile.vw + segments / 2) +
          transform * static_cast<double>(ceil_div(tile.strip(), tile.vw)));
}

Pass pass_of(const Case& all, const Geometry& geometry) {
  const StripTile& tile = geometry.tile;
  const double channels = static_cast<double>(geometry.c.channels);
  const double groups = static_cast<double>(geometry.c.groups);
  const double blocks = groups * static_cast<double>(geometry.blocks_per_group);
  const double strips = static_cast<double>(geometry.strips);
  const double products = static_cast<double>(tile.products());
  const double tiles = static_cast<double>(ceil_div(geometry.tiles, tile.tt));
  const double fetch_cycles = strips * products * channels *
                              static_cast<double>(tile.block() * kElement) /
                              all.machine.outer_bytes_per_cycle;
  const double cycles =
      groups * static_cast<double>(geometry.runs) * strips * input_cycles(geometry) +
      blocks *
          (tiles * products * product_cycles(all.machine, tile.kv, tile.tt, channels) +
           result_cycles(all.machine, geometry, tile.m, tile.kv, tile.vw, tile.product_bytes()) +
           fetch_cycles);
  Pass pass = vector_pass(all.profile, 1, cycles, tile.vw, kVectorEfficiency);
  pass.work_groups = static_cast<double>(geometry.work_groups());
  pass.bytes = input_bytes(all.problem) + result_bytes(all.problem) +
               packed_bytes_touched(all.machine, geometry.packed_bytes());
  return pass;
}

class Strips : public Layout {
 public:
  Strips(const Case& c, const StripTile& tile) : case_(c), geometry_(c, tile) {}

  void describe(Candidate& candidate) const override {
    describe_transforms(candidate, case_.problem, geometry_.tile.m);
    candidate.prepared_weights_bytes = geometry_.packed_bytes();
    // Rows of tiles inside the image, and segments that end within a vector.
    const StripTile& tile = geometry_.tile;
    candidate.coverage = {tile.block(), 3 * tile.m, (tile.vw + 1) * tile.m};
    if (case_.machine.few_registers())
      candidate.coverage.slab_channels =
          slab_channels_within(geometry_.c, case_.machine.slab_channels);
    candidate.predicted_us = predicted_us(case_.profile, {pass_of(case_, geometry_)});
  }

  void add_to(Executable& executable, Device& device) const override {
    const Problem& p = case_.problem;
    executable.prepared_weights_bytes = geometry_.packed_bytes();
    executable.prepare.add(transform_weights(
        device, p, geometry_.c, geometry_.tile.weights_macros(), geometry_.blocks_per_group));
    executable.run.add(std::make_unique<KernelStep>(
        "strips", device.kernel("winograd/strips", "winograd_strips", geometry_.tile.defines(p)),
        with_slopes(p, arguments()), one_item_groups(geometry_.work_groups())));
  }

 private:
  std::vector<Argument> arguments() const {
    const Problem& p = case_.problem;
    const Correlation& c = geometry_.c;
    return {{"x", input_of(p)},
            {"y", y_of(p)},
            {"packed", Region{kPreparedSlot}},
            {"b", Region{kBiasSlot}},
            {"r", Region{kResidualSlot}},
            {"result", Region{static_cast<int>(result_of(p))}},
            {"channels", narrow(c.channels)},
            {"slab", narrow(slab_of(case_.machine, c.channels, geometry_.tile.block()))},
            {"in_h", narrow(c.in_h)},
            {"in_w", narrow(c.in_w)},
            {"top", narrow(c.top)},
            {"left", narrow(c.left)},
            {"in_end", cl_long{c.input_span()}},
            {"tiles_y", narrow(geometry_.tiles_y)},
            {"tiles_x", narrow(geometry_.tiles_x)},
            {"tiles", cl_long{geometry_.tiles}},
            {"xi_step", narrow(geometry_.xi_step)},
            {"pitch", narrow(geometry_.pitch)},
            {"oh", narrow(c.oh)},
            {"ow", narrow(c.ow)},
            {"filters", narrow(c.filters)},
            {"blocks_per_group", narrow(geometry_.blocks_per_group)},
            {"groups", narrow(c.groups)},
            {"runs", narrow(geometry_.runs)},
            {"run_blocks", narrow(geometry_.run_blocks)},
            {"in_image", cl_long{c.in_image}},
            {"out_image", cl_long{c.out_image}}};
  }

  const Case& case_;
  Geometry geometry_;
};

// Register tiles that fill the registers, one to four per strip; strips of equal size, the same number for each core.
template <int kM>
std::vector<Config> variants(const Case& all) {
  const Tiles result(all, kM);
  const int vw = all.machine.lanes;
  const std::int64_t units = all.profile.compute_units;

  std::vector<Config> configs;
  for (int kv = 1; kv <= 4; ++kv) {
    if (kv > 1 && (kv - 1) * vw >= result.c.filters) continue;
    const std::int64_t most =
        std::min<std::int64_t>((all.machine.registers - kv - 1) / kv, result.tiles);
    for (const int bt : {1, 2, 4}) {
      if (bt > 1 && bt / 2 * most >= result.tiles) continue;
      const std::int64_t strips = ceil_div(result.tiles, most * bt);
      const std::int64_t even = std::min(result.tiles, round_up(strips, units));
      const std::int64_t level = ceil_div(ceil_div(result.tiles, even), bt);
      const std::int64_t blocks = ceil_div(result.c.filters, std::int64_t{kv} * vw);
      for (const std::int64_t tt : std::set<std::int64_t>{most, level}) {
        StripTile tile{kM, static_cast<int>(tt), bt, kv, vw, 1, 1};
        tile.input = static_cast<int>(
            std::min<std::int64_t>(Geometry(all, tile).input_kib(all.profile), 1 << 20));
        configs.push_back(tile.config());
        // Too few strips for the cores: several work-groups transform each.
        const std::int64_t runs = std::min(blocks, units);
        if (runs > 1 && strips < 4 * units) {
          tile.runs = static_cast<int>(runs);
          configs.push_back(tile.config());
        }
      }
    }
  }
  return configs;
}

template <int kM>
Fit fit(const Case& c, const Config& config) {
  const StripTile tile = StripTile::from(config, kM);
  if (tile.local_bytes(tile.input) > c.profile.local_memory_bytes)
    return over_local_memory(tile.local_bytes(tile.input), c.profile);
  if (auto refused = over_registers(c.machine, tile.kv * tile.tt, tile.vw)) return *refused;
  const std::int64_t floats = Geometry(c, tile).input_floats();
  if (floats > std::int64_t{tile.input} * 256)
    return above("floats of a strip's input", floats, std::int64_t{tile.input} * 256);
  return std::make_unique<const Strips>(c, tile);
}

constexpr const char* kPrograms = "winograd/strips winograd/vectors_weights";

}  // namespace

extern const Body body_f2x2_strips = {"f2x2_strips", Suits::kCpus, 2,
                                      kPrograms,     variants<2>,  fit<2>};
extern const Body body_f4x4_strips = {"f4x4_strips", Suits::kCpus, 2,
                                      kPrograms,     variants<4>,  fit<4>};

}  // namespace clconv::core::winograd
