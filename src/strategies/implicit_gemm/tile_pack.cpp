#include "strategies/implicit_gemm/tile_pack.hpp"

#include <algorithm>

#include "ops/epilogue.hpp"

namespace clconv::core::implicit_gemm {
namespace {

std::string factor_defines(const TilePack& pack) {
  if (pack.factor_bytes == Problem::kFloatBytes) return "";
  return " -DHALF=1 -DTOGETHER=" + std::to_string(pack.products_together);
}

std::unique_ptr<Step> pack_of(Device& device, const DeviceProfile& profile, const Correlation& c,
                              const TilePack& pack, const Region& packed) {
  return std::make_unique<KernelStep>(
      "pack_filters",
      device.kernel("implicit_gemm/tile_pack", "implicit_gemm_pack",
                    "-DBM=" + std::to_string(pack.bm) + " " + storage_define(c.data_type) +
                        factor_defines(pack)),
      std::vector<Argument>{{"weights", Region{kWeightsSlot}},
                            {"packed", packed},
                            {"filters", narrow(c.filters)},
                            {"channels", narrow(pack.channels)},
                            {"taps_h", narrow(std::max<std::int64_t>(1, c.taps_h))},
                            {"taps_w", narrow(std::max<std::int64_t>(1, c.taps_w))},
                            {"together", narrow(pack.together)},
                            {"products", narrow(pack.products)},
                            {"filter_tiles", narrow(pack.tiles(c))},
                            {"all_tiles", narrow(c.groups * pack.tiles(c))},
                            {"w_base", cl_long{c.w_base}},
                            {"w_group", cl_long{c.w_group}},
                            {"w_filter", cl_long{c.w_filter}},
                            {"w_channel", cl_long{c.w_channel}},
                            {"w_row", cl_long{c.w_row}},
                            {"w_column", cl_long{c.w_column}}},
      plane_range(profile, pack.products * pack.bm, c.groups * pack.tiles(c)));
}

}  // namespace

void TileWeights::add_to(Executable& executable, Device& device, const Case& all) const {
  for (std::size_t i = 0; i < packs.size(); ++i) {
    executable.prepare.add(pack_of(device, all.profile, all.correlations[i], packs[i], regions[i]));
  }
  executable.prepared_weights_bytes = bytes;
}

Range plane_range(const DeviceProfile& profile, std::int64_t each, std::int64_t planes) {
  Range range = items(each, std::min<std::int64_t>(64, profile.max_work_group_size));
  range.global[1] = static_cast<std::size_t>(std::min<std::int64_t>(planes, 32768));
  return range;
}

}  // namespace clconv::core::implicit_gemm
