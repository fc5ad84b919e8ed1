// f2x2_strips, f4x4_strips: as f2x2 and f4x4, in one launch: a work-group transforms a strip of tiles into its local
// memory, multiplies it there and transforms it back. For CPUs.
#include <algorithm>
#include <set>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/winograd/vector_cost.hpp"
#include "strategies/winograd/vector_weights.hpp"

namespace clconv::core::winograd {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;
constexpr std::int64_t kLine = 16;  // floats of a cache line
constexpr int kMostKib = 1 << 20;

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
            c.get("input", 1, kMostKib)};
  }
  std::string defines(const Problem& p) const {
    const Config macros{{"m", m},
                        {"tt", tt},
                        {"bt", bt},
                        {"kv", kv},
                        {"vw", vw},
                        {"input", input},
                        {"channels_last", p.layout == TensorLayout::kNhwc ? 1 : 0}};
    return macros.defines() + " " + epilogue_defines(p);
  }
  Config weights_macros() const { return {{"m", m}, {"kv", kv}, {"vw", vw}}; }

  std::int64_t products() const { return products_of(m); }
  std::int64_t strip() const { return std::int64_t{tt} * bt; }
  std::int64_t block() const { return std::int64_t{vw} * kv; }
  std::int64_t product_bytes() const { return products() * (strip() * block() + vw) * kElement; }
  std::int64_t local_bytes() const {
    constexpr std::int64_t kAlignment = 256;  // of two arrays
    return product_bytes() + std::int64_t{input} * 1024 + kAlignment;
  }
};

// What a tile makes of a problem.
struct StripGeometry : Tiles {
  StripTile tile;
  std::int64_t strips;
  std::int64_t segments;  // rows of tiles that a strip may reach
  std::int64_t pitch;     // floats of a staged row, channels last of a tile in V
  std::int64_t xi_step;   // of V
  std::int64_t blocks_per_group, run_blocks, runs;

  StripGeometry(const Case& all, const StripTile& t)
      : Tiles(all, t.m),
        tile(t),
        strips(ceil_div(tiles, tile.strip())),
        segments(std::min(tile.strip(), 1 + ceil_div(tile.strip() - 1, tiles_x))),
        // Behind the last channel and column a vector has room.
        pitch(odd_lines(c.channels_last ? std::max<std::int64_t>(c.channels, tile.vw)
                                        : tile.m * std::min(tile.strip(), tiles_x) + 2 + tile.vw)),
        xi_step(odd_lines((c.channels_last ? pitch : c.channels) * tile.strip() + tile.vw)),
        blocks_per_group(ceil_div(c.filters, tile.block())),
        run_blocks(ceil_div(blocks_per_group, std::min<std::int64_t>(tile.runs, blocks_per_group))),
        runs(ceil_div(blocks_per_group, run_blocks)) {}

  // An odd number of lines spreads what is stored in turn over the sets of L1.
  static std::int64_t odd_lines(std::int64_t floats) {
    return (ceil_div(floats, kLine) | 1) * kLine;
  }
  std::int64_t work_groups() const { return strips * c.groups * runs; }
  std::int64_t packed_bytes() const {
    return saturating_product(tile.products(), c.groups * blocks_per_group * tile.block(),
                              c.channels, kElement);
  }
  // Of V and of the staged rows, with room for vectors behind the last one.
  std::int64_t input_floats() const {
    const std::int64_t staged =
        c.channels_last ? 0 : (segments * (tile.m + 2) + 1) * pitch + (tile.m + 2) * tile.vw;
    return tile.products() * xi_step + staged;
  }
  // KiB for them. Few sizes, so that a program serves many problems.
  std::int64_t input_kib() const {
    const std::int64_t kib = ceil_div(input_floats() * kElement, 1024);
    for (const std::int64_t size : {64, 128, 256, 384, 512, 768}) {
      if (kib <= size) return size;
    }
    return kib;
  }
};

// Of a group's work on a strip: a tile is transformed for a vector of channels at a time.
double channels_input_cycles(const StripGeometry& geometry) {
  const StripTile& tile = geometry.tile;
  const double transform = tile.m == 2 ? 60 : 150;
  return real(tile.strip()) * real(ceil_div(geometry.c.channels, tile.vw)) * transform;
}

// Planes: a channel's pixels are staged in vectors, then its tiles are transformed in vectors.
double planes_input_cycles(const Machine& machine, const StripGeometry& geometry) {
  constexpr double kSegment = 20;
  const StripTile& tile = geometry.tile;
  const double stage = tile.m == 2 ? machine.measured(28, 30) : machine.measured(40, 45);
  const double transform = tile.m == 2 ? machine.measured(70, 75) : machine.measured(130, 165);
  const double strip = static_cast<double>(tile.strip());
  const double segments = 1 + (strip - 1) / static_cast<double>(geometry.tiles_x);
  const double staged = (strip * tile.m + 2 * segments) / tile.vw + segments / 2;
  return static_cast<double>(geometry.c.channels) *
         (segments * kSegment + staged * stage +
          static_cast<double>(ceil_div(tile.strip(), tile.vw)) * transform);
}

double input_cycles(const Machine& machine, const StripGeometry& geometry) {
  return geometry.c.channels_last ? channels_input_cycles(geometry)
                                  : planes_input_cycles(machine, geometry);
}

// Of all products. Every strip brings all weights, at best at the rate of the cache that holds them.
double multiply_cycles_of(const Machine& machine, const StripGeometry& geometry) {
  constexpr double kLastLevelRate = 12;  // bytes per cycle
  const StripTile& tile = geometry.tile;
  const double channels = static_cast<double>(geometry.c.channels);
  const double bytes =
      static_cast<double>(geometry.strips) * static_cast<double>(geometry.packed_bytes());
  const double rate = geometry.packed_bytes() <= machine.l2_blocking_bytes / 2
                          ? static_cast<double>(machine.line_bytes) / machine.l2_line
                          : kLastLevelRate;
  const double products = static_cast<double>(geometry.c.groups * geometry.blocks_per_group *
                                              ceil_div(geometry.tiles, tile.tt) * tile.products()) *
                          matrix_cycles(machine, tile.kv, tile.tt, channels);
  return std::max(products, bytes / rate) + bytes / machine.outer_bytes_per_cycle;
}

Pass pass_of(const Case& all, const StripGeometry& geometry) {
  const StripTile& tile = geometry.tile;
  const Machine& machine = all.machine;
  const double cycles =
      static_cast<double>(geometry.work_groups()) * input_cycles(machine, geometry) +
      multiply_cycles_of(machine, geometry) +
      static_cast<double>(geometry.c.groups * geometry.blocks_per_group) *
          result_cycles(machine, geometry, tile.m, tile.kv, tile.vw, tile.product_bytes());
  Pass pass = vector_pass(all.profile, {1, cycles, tile.vw, kVectorEfficiency});
  pass.work_groups = static_cast<double>(geometry.work_groups());
  // Weights that the last-level cache does not hold come from memory for every strip.
  const double packed = packed_bytes_touched(machine, geometry.packed_bytes());
  const bool held = packed < static_cast<double>(geometry.packed_bytes());
  pass.bytes = input_bytes(all.problem) + result_bytes(all.problem) +
               packed * (held ? 1 : static_cast<double>(geometry.strips));
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
  StripGeometry geometry_;
};

// Tiles of a strip, about: fewer bring the weights too often, more leave L2 (n1c64h128w128k64kh3kw3p1 on one thread:
// 2730 us with 14, 2500 with 28 and 52; 2-core Zen 5, 2026-11-29).
constexpr std::int64_t kLeastStrip = 12, kMostStrip = 60;

template <int kM>
Config config_of(const Case& all, std::int64_t tt, int bt, int kv, std::int64_t runs) {
  StripTile tile{kM, static_cast<int>(tt), bt, kv, all.machine.lanes, static_cast<int>(runs), 1};
  tile.input =
      static_cast<int>(std::min<std::int64_t>(StripGeometry(all, tile).input_kib(), kMostKib));
  return tile.config();
}

// Strips of equal size, as many for each core.
template <int kM>
void add_variants(const Case& all, const Tiles& result, int kv, std::vector<Config>& configs) {
  const std::int64_t units = all.profile.compute_units;
  // Channels last, each tile of V is a pointer: as in implicit_gemm/filters.cpp.
  constexpr std::int64_t kMostPointers = 12;
  std::int64_t most = std::min<std::int64_t>((all.machine.registers - kv - 1) / kv, result.tiles);
  if (result.c.channels_last) most = std::min(most, kMostPointers);
  for (const int bt : {1, 2, 4, 8}) {
    const bool more_than_all = bt > 1 && bt / 2 * most >= result.tiles;
    if (bt * most < std::min(kLeastStrip, result.tiles) || bt * most > kMostStrip || more_than_all)
      continue;
    const std::int64_t strips =
        std::min(result.tiles, round_up(ceil_div(result.tiles, most * bt), units));
    configs.push_back(config_of<kM>(all, ceil_div(ceil_div(result.tiles, strips), bt), bt, kv, 1));
  }
  // Too few tiles for the cores: several work-groups transform each strip.
  const std::int64_t runs =
      std::min(units, ceil_div(result.c.filters, std::int64_t{kv} * all.machine.lanes));
  if (runs > 1 && most == result.tiles) configs.push_back(config_of<kM>(all, most, 1, kv, runs));
}

template <int kM>
std::vector<Config> variants(const Case& all) {
  const Tiles result(all, kM);
  std::vector<Config> configs;
  // With 32 registers 4 vectors x 6 tiles are 4 to 12 % slower than 2 x 14 (docs/experiments.md).
  const int most_vectors = static_cast<int>(all.machine.measured(4, 3));
  for (int kv = 1; kv <= most_vectors; ++kv) {
    if (kv > 1 && (kv - 1) * all.machine.lanes >= result.c.filters) continue;
    add_variants<kM>(all, result, kv, configs);
  }
  return configs;
}

template <int kM>
Fit fit(const Case& c, const Config& config) {
  const StripTile tile = StripTile::from(config, kM);
  if (tile.local_bytes() > c.profile.local_memory_bytes)
    return over_local_memory(tile.local_bytes(), c.profile);
  if (auto refused = over_registers(c.machine, tile.kv * tile.tt, tile.vw)) return *refused;
  const std::int64_t floats = StripGeometry(c, tile).input_floats();
  if (floats > std::int64_t{tile.input} * 256)
    return above("floats of a strip's input", floats, std::int64_t{tile.input} * 256);
  return std::make_unique<const Strips>(c, tile);
}

constexpr const char* kPrograms = "winograd/strips winograd/vectors_weights";

}  // namespace

extern const Body body_f2x2_strips = {"f2x2_strips", Suits::kCpus, 1,
                                      kPrograms,     variants<2>,  fit<2>};
extern const Body body_f4x4_strips = {"f4x4_strips", Suits::kCpus, 2,
                                      kPrograms,     variants<4>,  fit<4>};

}  // namespace clconv::core::winograd
