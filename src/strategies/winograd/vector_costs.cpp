#include "strategies/winograd/vector_costs.hpp"

#include <algorithm>
#include <cmath>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"

namespace clconv::core::winograd {

double product_cycles(const Machine& machine, int kv, int tt, double channels) {
  constexpr double kStore = 1, kTile = 20;
  const double accumulators = kv * tt;
  // With 16 registers 3 vectors x 4 tiles have the fewest loads to their multiply-adds and chains to spare: 0.80 ms for
  // resnet_3x3_28, which takes 0.84 with 2 x 6 and 0.94 with 4 x 2 (2-core Zen 3, 2026-11).
  const double waiting = machine.few_registers() && (kv + tt > 7 || accumulators < 12) ? 1.12 : 1.0;
  return std::max(multiply_cycles(machine, channels, accumulators),
                  load_cycles(machine, channels * (kv + tt))) *
             waiting +
         machine.measured(0.7, 0) * channels + kStore * accumulators + kTile;
}

double result_cycles(const Machine& machine, const Tiles& tiles, int m, int kv, int vw,
                     std::int64_t local_bytes) {
  constexpr double kStoreOfFloat = 6;
  const double beyond_l1 =
      std::max(0.0, 1 - static_cast<double>(machine.l1_bytes) / static_cast<double>(local_bytes));
  const double tile_cycles =
      (m == 2 ? 30 : 150) + beyond_l1 * machine.l2_vector * static_cast<double>(products_of(m));
  const double run = static_cast<double>(vw) / m;
  const double runs = static_cast<double>(tiles.c.images * tiles.tiles_y) *
                      std::ceil(static_cast<double>(tiles.tiles_x) / run);
  return kv * (static_cast<double>(tiles.tiles) * tile_cycles + runs * m * kStoreOfFloat * vw);
}

double packed_bytes_touched(const Machine& machine, std::int64_t packed_bytes) {
  return static_cast<double>(packed_bytes) *
         (packed_bytes <= machine.last_level_bytes / 2 ? 0.25 : 1.0);
}

std::int64_t slab_of(const Machine& machine, std::int64_t channels, std::int64_t block) {
  constexpr std::int64_t kLine = 16;  // floats of a cache line
  if (!machine.few_registers()) return channels;
  const std::int64_t most =
      std::min(machine.slab_channels,
               machine.l1_blocking_bytes / 2 / ((block + kLine) * Problem::kFloatBytes));
  return ceil_div(channels, ceil_div(channels, most));
}

std::unique_ptr<Step> transform_weights(Device& device, const Problem& p, const Correlation& c,
                                        const Config& macros, std::int64_t blocks_per_group) {
  return std::make_unique<KernelStep>(
      "transform_weights",
      device.kernel("winograd/vectors_weights", "winograd_weights",
                    macros.defines() + " " + storage_define(p.data_type)),
      with_weight_strides({{"weights", Region{kWeightsSlot}},
                           {"packed", Region{kPreparedSlot}},
                           {"filters", narrow(c.filters)},
                           {"channels", narrow(c.channels)},
                           {"blocks_per_group", narrow(blocks_per_group)}},
                          c),
      one_item_groups(c.groups * blocks_per_group * c.channels));
}

}  // namespace clconv::core::winograd
