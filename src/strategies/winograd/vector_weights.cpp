#include "strategies/winograd/vector_weights.hpp"

#include <algorithm>

#include "ops/epilogue.hpp"

namespace clconv::core::winograd {

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
      one_item_groups(c.groups * blocks_per_group *
                      ceil_div(c.channels, macros.get_power_of_two("vw", 4, 16))));
}

}  // namespace clconv::core::winograd
