// f2x2, f4x4: explicit vectors, of tiles in the input's transform and of filters in the products, which stay in local
// memory until they are transformed back. For CPUs.
#include <set>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/winograd/vector_cost.hpp"
#include "strategies/winograd/vector_weights.hpp"

namespace clconv::core::winograd {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

class Vectors : public Layout {
 public:
  Vectors(const Case& c, const VectorTile& tile) : case_(c), geometry_(c, tile) {}

  void describe(Candidate& candidate) const override {
    describe_transforms(candidate, case_.problem, geometry_.tile.m);
    candidate.workspace_bytes = geometry_.workspace_bytes(case_.profile);
    candidate.prepared_weights_bytes = geometry_.packed_bytes();
    candidate.coverage.filters = geometry_.tile.block();
    if (case_.machine.few_registers())
      candidate.coverage.slab_channels =
          slab_channels_within(geometry_.c, case_.machine.slab_channels);
    candidate.predicted_us = predicted_us(
        case_.profile, {input_pass(case_, geometry_), multiply_pass(case_, geometry_)});
  }

  void add_to(Executable& executable, Device& device) const override {
    executable.workspace_bytes = geometry_.workspace_bytes(case_.profile);
    executable.prepared_weights_bytes = geometry_.packed_bytes();
    executable.prepare.add(transform_weights(device, case_.problem, geometry_.c,
                                             geometry_.tile.weights_macros(),
                                             geometry_.blocks_per_group));
    for (std::int64_t first = 0; first < geometry_.tiles; first += geometry_.chunk_tiles) {
      const std::int64_t chunk = std::min(geometry_.chunk_tiles, geometry_.tiles - first);
      executable.run.add(transform_input(device, first, chunk));
      executable.run.add(multiply(device, first, chunk));
    }
  }

 private:
  Region v() const { return {kWorkspaceSlot, 0, geometry_.v_bytes()}; }

  std::unique_ptr<Step> transform_input(Device& device, std::int64_t first,
                                        std::int64_t chunk) const {
    const Correlation& c = geometry_.c;
    const std::int64_t part = ceil_div(chunk, geometry_.parts(chunk, case_.profile));
    std::vector<Argument> arguments = input_arguments(case_.problem, c, v());
    arguments.insert(arguments.end(), {{"tiles_y", narrow(geometry_.tiles_y)},
                                       {"tiles_x", narrow(geometry_.tiles_x)},
                                       {"first_tile", cl_long{first}},
                                       {"tiles", narrow(chunk)},
                                       {"pitch", narrow(geometry_.chunk_pitch)},
                                       {"xi_step", cl_long{geometry_.xi_step}},
                                       {"part_tiles", narrow(part)},
                                       {"in_image", cl_long{c.in_image}}});
    return std::make_unique<KernelStep>(
        "transform_input",
        device.kernel("winograd/vectors_input", "winograd_input",
                      geometry_.tile.input_defines(case_.problem)),
        arguments, one_item_groups(c.groups * c.channels * ceil_div(chunk, part)));
  }

  std::unique_ptr<Step> multiply(Device& device, std::int64_t first, std::int64_t chunk) const {
    const Correlation& c = geometry_.c;
    const std::int64_t strips = ceil_div(chunk, geometry_.tile.strip());
    // Whichever is larger, weights or tiles, should be read once and not per strip or block.
    const bool blocks_inner = geometry_.packed_bytes() <= geometry_.v_bytes();
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("winograd/vectors_multiply", "winograd_multiply",
                      geometry_.tile.multiply_defines(case_.problem)),
        with_slopes(case_.problem,
                    {{"V", v()},
                     {"packed", Region{kPreparedSlot}},
                     {"b", Region{kBiasSlot}},
                     {"r", Region{kResidualSlot}},
                     {"result", Region{static_cast<int>(result_of(case_.problem))}},
                     {"channels", narrow(c.channels)},
                     {"slab", narrow(slab_of(case_.machine, c.channels, geometry_.tile.block()))},
                     {"tiles_y", narrow(geometry_.tiles_y)},
                     {"tiles_x", narrow(geometry_.tiles_x)},
                     {"first_tile", cl_long{first}},
                     {"tiles", narrow(chunk)},
                     {"pitch", narrow(geometry_.chunk_pitch)},
                     {"xi_step", cl_long{geometry_.xi_step}},
                     {"oh", narrow(c.oh)},
                     {"ow", narrow(c.ow)},
                     {"filters", narrow(c.filters)},
                     {"blocks_per_group", narrow(geometry_.blocks_per_group)},
                     {"groups", narrow(c.groups)},
                     {"strips", narrow(strips)},
                     {"blocks_inner", cl_int{blocks_inner ? 1 : 0}},
                     {"out_image", cl_long{c.out_image}}}),
        one_item_groups(geometry_.blocks * strips));
  }

  const Case& case_;
  Geometry geometry_;
};

// Tiles of a strip: with more, products no longer fit in L2, and there are few, long work-groups (56 tiles for
// resnet_3x3_56: 255 against 238 us, fastest of a run on a busy 2-core Zen 5; 2026-11).
constexpr std::int64_t kMostStrip = 32;

// All that fill the registers, one strip per chunk.
std::vector<VectorTile> tiles_of_one_strip(const Case& all, int m) {
  const Tiles result(all, m);
  const int vw = all.machine.lanes;
  const int registers = all.machine.registers;
  int vt = 4;
  while (vt < vw && vt < result.tiles_x)
    vt *= 2;
  std::vector<VectorTile> tiles;
  for (int kv = 1; kv <= 4; ++kv) {
    if (kv > 1 && (kv - 1) * vw >= result.c.filters) continue;
    const std::int64_t most = std::min<std::int64_t>((registers - kv - 1) / kv, result.tiles);
    std::set<std::int64_t> sizes = {most, ceil_div(result.tiles, ceil_div(result.tiles, most))};
    if (result.tiles_x <= most) sizes.insert(result.tiles_x);
    for (const std::int64_t tt : sizes) {
      for (const int bt : {1, 2, 4}) {
        if (bt > 1 && (bt / 2 * tt >= result.tiles || bt * tt > kMostStrip)) continue;
        tiles.push_back({m, vt, static_cast<int>(tt), bt, kv, vw, 1});
      }
    }
  }
  return tiles;
}

// Strips of a chunk: as many as fit in the L2 caches, or fewer to keep the workspace limit.
int wanted_strips(const Case& all, VectorTile tile) {
  // Bytes of V that a chunk may have per core: written by one, read by all once per block of filters, it should stay
  // near their L2. With 32 registers twice its size: the transform takes up to 1.5 times as long, but every chunk costs
  // two launches. In us, with chunks of 1, 2 and 4 times the L2: n1c96h160w160k24kh3kw3p1 2495, 2023, 2043,
  // n1c128h132w132k256kh3kw3 8412, 7997, 8742, n1c64h224w224k64kh3kw3p1 6151, 5394, 5105 (2-core Zen 5 with 1 MiB each,
  // 2026-11-29).
  const auto caches = static_cast<std::int64_t>(all.machine.measured(1, 2));
  const Geometry one(all, tile);
  const std::int64_t units = all.profile.compute_units;
  const std::int64_t strip_bytes =
      saturating_product(tile.products(), one.c.groups * one.c.channels, tile.strip(), kElement);
  const std::int64_t wanted =
      std::max(caches * all.machine.l2_blocking_bytes * units / strip_bytes, 2 * units);
  return strips_within(all.workspace_limit - one.packed_bytes(),
                       static_cast<int>(std::min(wanted, ceil_div(one.tiles, tile.strip()))),
                       [&](int strips) {
                         tile.strips = strips;
                         return Geometry(all, tile).workspace_bytes(all.profile);
                       });
}

template <int kM>
Fit fit(const Case& c, const Config& config) {
  const VectorTile tile = VectorTile::from(config, kM);
  if (c.correlations.front().channels_last) return unserved("layout", "channels last (nhwc)");
  if (!tile.fits(c.profile)) return over_local_memory(tile.local_bytes(), c.profile);
  if (auto refused = over_registers(c.machine, tile.kv * tile.tt, tile.vw)) return *refused;
  return std::make_unique<const Vectors>(c, tile);
}

// Where none fits, the one with the least local memory: fit() then says what is needed at least.
template <int kM>
std::vector<Config> variants(const Case& all) {
  std::vector<VectorTile> tiles = tiles_of_one_strip(all, kM);
  const auto fits = [&](const VectorTile& tile) { return tile.fits(all.profile); };
  if (std::none_of(tiles.begin(), tiles.end(), fits)) {
    const auto smaller = [](const VectorTile& a, const VectorTile& b) {
      return a.local_bytes() < b.local_bytes();
    };
    return {std::min_element(tiles.begin(), tiles.end(), smaller)->config()};
  }
  std::vector<Config> configs;
  for (VectorTile& tile : tiles) {
    tile.strips = wanted_strips(all, tile);
    configs.push_back(tile.config());
  }
  return configs;
}

}  // namespace

extern const Body body_f2x2 = {
    "f2x2",      Suits::kCpus,
    2,           "winograd/vectors_input winograd/vectors_multiply winograd/vectors_weights",
    variants<2>, fit<2>};
extern const Body body_f4x4 = {
    "f4x4",      Suits::kCpus,
    2,           "winograd/vectors_input winograd/vectors_multiply winograd/vectors_weights",
    variants<4>, fit<4>};

}  // namespace clconv::core::winograd
