#include "strategies/implicit_gemm/filter_tile.hpp"

namespace clconv::core::implicit_gemm {

LeastResult::LeastResult(const std::vector<Correlation>& correlations)
    : h(INT64_MAX), w(INT64_MAX) {
  for (const Correlation& c : correlations) {
    h = std::min(h, c.oh);
    w = std::min(w, c.ow);
  }
}

std::optional<Rejection> FilterTile::rejection(const Case& c) const {
  const LeastResult least(c.correlations);
  if (th > least.h) return above("th", th, least.h);
  if (tw > least.w) return above("tw", tw, least.w);
  return over_registers(c.machine, kv * pixels(), vw);
}

std::vector<Argument> filter_arguments(const Operand& operand, const Case& all,
                                       const InputView& view, const FilterTile& tile,
                                       std::int64_t supertile) {
  const Correlation& c = operand.correlation;
  std::vector<Argument> arguments = {{"x", operand.x},
                                     {"packed", operand.packed},
                                     {"b", Region{kBiasSlot}},
                                     {"r", Region{kResidualSlot}},
                                     {"result", Operands(all.problem).result},
                                     {"images", narrow(operand.images)},
                                     {"channels", narrow(c.channels)},
                                     {"taps_h", narrow(c.taps_h)},
                                     {"taps_w", narrow(c.taps_w)},
                                     {"x_image", cl_long{view.image}},
                                     {"plane", cl_long{view.plane}},
                                     {"pitch", narrow(view.pitch)},
                                     {"step", narrow(view.step)},
                                     {"x_offset", cl_long{view.offset(c)}},
                                     {"oh", narrow(c.oh)},
                                     {"ow", narrow(c.ow)},
                                     {"tiles_x", narrow(ceil_div(c.ow, tile.tw))},
                                     {"tiles", narrow(tile.tiles(c))},
                                     {"filters", narrow(c.filters)},
                                     {"blocks_per_group", narrow(operand.blocks.blocks_per_group)},
                                     {"groups", narrow(c.groups)},
                                     {"supertile", narrow(supertile)}};
  for (const Argument& argument : result_arguments(c, operand.first_image))
    arguments.push_back(argument);
  return arguments;
}

}  // namespace clconv::core::implicit_gemm
