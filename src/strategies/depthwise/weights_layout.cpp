#include "strategies/depthwise/weights_layout.hpp"

#include <algorithm>

#include "ops/reduce.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {

WeightsTile WeightsTile::widest(const Case& c, int vw) {
  const Problem& p = c.problem;
  const std::int64_t all = p.kh * p.kw;
  const std::int64_t registers = c.machine.registers;
  // dy and an x besides the sums.
  const std::int64_t taps =
      all <= registers - 4 ? all : std::min<std::int64_t>(p.kw, registers - 4);
  // As many rows as registers are left for, up to 4; a much dilated filter shares nothing between them.
  const bool shares = taps == all && p.kh > 1 && (p.kh - 1) * p.dh * p.kw <= 64;
  const std::int64_t rows = shares ? std::clamp<std::int64_t>(registers - 3 - taps, 1, 4) : 1;
  return {static_cast<int>(rows), static_cast<int>(taps), vw};
}

WeightsTile WeightsTile::from(const Config& c) {
  return {c.get("rows", 1, 8), c.get("taps", 1, 64), c.get_power_of_two("vw", 4, 16)};
}

Config WeightsTile::config(const char* body) const {
  return {body, {{"rows", rows}, {"taps", taps}, {"vw", vw}}};
}

std::optional<Rejection> WeightsTile::rejection(const Problem& p) const {
  if (all_taps(p)) return std::nullopt;
  if (taps > p.kw) return above("taps", taps, p.kw);
  if (rows > 1) return above("rows", rows, 1);
  return std::nullopt;
}

WeightsLayout::WeightsLayout(const Case& c, const Config& config, const WeightsTile& tile,
                             std::int64_t units, std::int64_t work_groups)
    : case_(c), config_(config), tile_(tile), units_(units), work_groups_(work_groups) {
  const std::int64_t enough = 2 * c.profile.compute_units;
  const std::int64_t wanted =
      work_groups >= enough ? 1 : std::min(units, ceil_div(enough, work_groups));
  units_per_part_ = ceil_div(units, wanted);
  parts_ = ceil_div(units, units_per_part_);
}

std::int64_t WeightsLayout::partial_bytes() const {
  return parts_ > 1 ? saturating_product(parts_, case_.problem.w_elements(), kElement) : 0;
}

double WeightsLayout::lane_cycles() const {
  constexpr double kLanesOfTap = 16;  // cycles; PoCL 3.1, 2-core Zen 5, 2026-11
  return kLanesOfTap * tile_.taps;
}

void WeightsLayout::describe(Candidate& candidate) const {
  const Problem& p = case_.problem;
  constexpr double kWorkGroup = 100;  // cycles; PoCL 3.1, 2-core Zen 5, 2026-11
  const double work_groups = real(work_groups_ * parts_);
  const double cycles = kWorkGroup + lane_cycles() + real(units_per_part_) * unit_cycles();
  const Pass multiply = vector_pass(case_.profile, {work_groups, cycles, tile_.vw},
                                    {cached(case_.machine, operand_bytes(p)), work_groups});
  const Pass sum = copy_pass(real(partial_bytes()), 1);
  describe_as(candidate, p, predicted_us(case_.profile, {multiply, sum}));
  WorkspaceLayout workspace(case_.profile);
  if (parts_ > 1) workspace.add(partial_bytes());
  candidate.workspace_bytes = workspace.bytes();
}

void WeightsLayout::add_to(Executable& executable, Device& device) const {
  const Problem& p = case_.problem;
  WorkspaceLayout workspace(case_.profile);
  Region result{kDwSlot};
  Problem multiplied = p;
  if (parts_ > 1) {
    result = workspace.add(partial_bytes());
    multiplied.accumulate = false;  // sum_parts does it
  }
  executable.workspace_bytes = workspace.bytes();
  executable.run.add(
      multiply(device, class_defines(multiplied, config_) + define("PARTS", parts_ > 1), result));
  if (parts_ > 1) {
    executable.run.add(sum_parts(device, p.w_elements(), parts_, p.accumulate, result, Mask(),
                                 Region{kDwSlot}, p.data_type));
  }
}

std::vector<Argument> staged_arguments(const Problem& p, const Sections& t, const Region& result,
                                       std::int64_t all_sections, std::int64_t sections_per_part) {
  return {{"x", Region{kXSlot}},
          {"dy", Region{kDySlot}},
          {"y_mask", p.mask ? Region{kYSlot} : Region{kDySlot}},
          {"result", result},
          {"groups", narrow(p.c)},
          {"filters", narrow(p.k / p.c)},
          {"in_h", narrow(p.h)},
          {"in_w", narrow(p.w)},
          {"in_size", cl_long{p.x_elements()}},
          {"dy_size", cl_long{p.y_elements()}},
          {"top", narrow(t.rows.start)},
          {"left", narrow(t.columns.start)},
          {"oh", narrow(p.oh())},
          {"ow", narrow(p.ow())},
          {"section_h", narrow(t.section_h)},
          {"section_w", narrow(t.section_w)},
          {"sections_x", narrow(t.sections_x)},
          {"sections", narrow(t.in_plane())},
          {"all_sections", cl_long{all_sections}},
          {"sections_per_part", cl_long{sections_per_part}},
          {"pitch", narrow(t.pitch)},
          {"shift", narrow(t.shift)},
          {"part_stride", cl_long{p.w_elements()}}};
}

}  // namespace clconv::core::depthwise
