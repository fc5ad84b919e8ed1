#include "strategies/winograd/vector_cost.hpp"

#include <cmath>

namespace clconv::core::winograd {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// Of all tiles, transformed.
double v_bytes_touched(const Geometry& geometry) {
  return real(geometry.tile.products()) * real(geometry.c.groups * geometry.c.channels) *
         real(geometry.tiles) * kElement;
}

// Cycles to transform a vector of tiles (2-core Zen 3 and Zen 5, 2026-11). With 16 registers what is transformed waits
// in memory.
double transform_cycles(const Machine& machine, int m) {
  return m == 2 ? machine.measured(200, 120) : machine.measured(600, 400);
}

// Cycles to fetch the weights of a block of filters for `strips` strips: each brings them from an outer cache (2-core
// Zen 3: 14 bytes a cycle from the last one, half of it while multiplying; resnet_3x3_14 0.88 ms with one strip, 1.05
// with two).
double fetch_cycles(const Machine& machine, const Geometry& geometry, double strips) {
  const VectorTile& tile = geometry.tile;
  return strips * real(tile.products()) * real(geometry.c.channels) *
         real(tile.block() * kElement) / machine.outer_bytes_per_cycle;
}

}  // namespace

double matrix_cycles(const Machine& machine, int kv, int tt, double channels) {
  constexpr TileCycles kStore{1, 20};
  // With 16 registers 3 vectors x 4 tiles have the fewest loads to their multiply-adds and chains to spare: 0.80 ms for
  // resnet_3x3_28, which takes 0.84 with 2 x 6 and 0.94 with 4 x 2 (2-core Zen 3, 2026-11).
  constexpr double kWaiting = 1.12, kMostOperands = 7, kLeastAccumulators = 12;
  const double loop = machine.measured(0.7, 0);  // cycles per channel
  const double accumulators = kv * tt, operands = kv + tt;
  const bool waits =
      machine.few_registers() && (operands > kMostOperands || accumulators < kLeastAccumulators);
  return product_cycles(machine, channels, accumulators, operands) * (waits ? kWaiting : 1.0) +
         loop * channels + kStore.of(accumulators);
}

double result_cycles(const Machine& machine, const Tiles& tiles, int m, int kv, int vw,
                     std::int64_t local_bytes) {
  constexpr double kTransform2 = 30, kTransform4 = 150;  // of a tile, for m = 2 and 4
  constexpr double kStoreOfFloat = 6;
  const double beyond_l1 = std::max(0.0, 1 - real(machine.l1_bytes) / real(local_bytes));
  const double tile_cycles =
      (m == 2 ? kTransform2 : kTransform4) + beyond_l1 * machine.l2_vector * real(products_of(m));
  const double vectors =
      real(tiles.c.images * tiles.tiles_y) * std::ceil(real(tiles.tiles_x) / (real(vw) / m));
  return kv * (real(tiles.tiles) * tile_cycles + vectors * m * kStoreOfFloat * vw);
}

double packed_bytes_touched(const Machine& machine, std::int64_t packed_bytes) {
  constexpr double kCached = 0.25;  // a guess
  return real(packed_bytes) * (packed_bytes <= machine.last_level_bytes / 2 ? kCached : 1.0);
}

Pass input_pass(const Case& all, const Geometry& geometry) {
  const VectorTile& tile = geometry.tile;
  const double planes = real(geometry.c.groups * geometry.c.channels);
  const double vectors = planes * real(geometry.c.images * geometry.tiles_y) *
                         real(ceil_div(geometry.tiles_x, tile.vt));
  const double chunks = real(geometry.chunks());
  const double work_groups =
      planes * real(geometry.parts(geometry.chunk_tiles, all.profile)) * chunks;
  return vector_pass(all.profile,
                     {vectors, transform_cycles(all.machine, tile.m), tile.vw, kVectorEfficiency},
                     {v_bytes_touched(geometry) + input_bytes(all.problem), work_groups, chunks});
}

Pass multiply_pass(const Case& all, const Geometry& geometry) {
  const VectorTile& tile = geometry.tile;
  const double strips = real(ceil_div(geometry.tiles, tile.strip()));
  const double tiles = real(ceil_div(geometry.tiles, tile.tt)), blocks = real(geometry.blocks);
  const double matrix = matrix_cycles(all.machine, tile.kv, tile.tt, real(geometry.c.channels));
  const double products = tiles * real(tile.products()) * matrix;
  const double results =
      result_cycles(all.machine, geometry, tile.m, tile.kv, tile.vw, tile.local_bytes());
  const double cycles = products + results + fetch_cycles(all.machine, geometry, strips);
  const double bytes = v_bytes_touched(geometry) + result_bytes(all.problem) +
                       packed_bytes_touched(all.machine, geometry.packed_bytes());
  const Traffic traffic{bytes, strips * blocks, real(geometry.chunks())};
  return vector_pass(all.profile, {blocks, cycles, tile.vw, kVectorEfficiency}, traffic);
}

}  // namespace clconv::core::winograd
