#include "strategies/depthwise/plane_tiles.hpp"

#include <algorithm>

#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {
namespace {

// Rows of padding that step `step` sees at the end of an input of `size` rows.
std::int64_t beyond(const Axis& axis, std::int64_t size, std::int64_t step) {
  return step * axis.advance + axis.start + axis.reach - (size - 1);
}

// Steps at the end that see padding, or read it: at stride 2, columns come in pairs.
std::int64_t margin(const Axis& axis, std::int64_t size) {
  const std::int64_t outside = beyond(axis, size, axis.steps - 1) + axis.advance - 1;
  return outside > 0 ? ceil_div(outside, axis.advance) : 0;
}

// By so much the tiles between the first and the last move back, for only the last to see the end.
std::int64_t shift(const Axis& axis, std::int64_t size, std::int64_t tile) {
  const std::int64_t before_last = (ceil_div(axis.steps, tile) - 1) * tile;
  return std::max<std::int64_t>(0, before_last - (axis.steps - margin(axis, size)));
}

// Along one axis, "rows" or "columns".
std::optional<Rejection> axis_rejection(const std::string& name, const Axis& axis,
                                        std::int64_t size, std::int64_t tile) {
  const auto too_many = [&](const char* what, std::int64_t actual, std::int64_t limit) {
    return above((name + what).c_str(), actual, limit);
  };
  if (axis.steps < tile) return too_many(" of a tile", tile, axis.steps);
  if (axis.steps == tile) return std::nullopt;
  const std::int64_t at_end = margin(axis, size);
  const std::int64_t back = shift(axis, size, tile);
  const bool two = axis.steps <= 2 * tile;
  const std::int64_t most_at_end = two ? axis.steps - tile : tile;
  if (at_end > most_at_end) return too_many(" that see padding at the end", at_end, most_at_end);
  // Neither the last tile nor one between sees the start.
  std::int64_t seen = (axis.steps - tile) * axis.advance;
  if (!two) seen = std::min(seen, (tile - back) * axis.advance);
  if (seen + axis.start < 0) return too_many(" of padding at the start", -axis.start, seen);
  return std::nullopt;
}

}  // namespace

PlaneTiles::PlaneTiles(const Problem& p, std::int64_t rows_of_tile, std::int64_t vector_width)
    : tile_rows(rows_of_tile),
      vw(vector_width),
      rows(Axis::rows(p)),
      columns(Axis::columns(p)),
      in_h(p.wants_dx() ? p.oh() : p.h),
      in_w(p.wants_dx() ? p.ow() : p.w) {}

std::int64_t PlaneTiles::bottom() const {
  return beyond(rows, in_h, rows.steps - 1);
}

std::int64_t PlaneTiles::right() const {
  return beyond(columns, in_w, columns.steps - 1);
}

std::optional<Rejection> PlaneTiles::rejection() const {
  const std::int64_t residues = rows.residues * columns.residues;
  if (residues != 1) return other_than("sh*sw", residues, 1);
  if (columns.advance > 2) return above("sw", columns.advance, 2);
  if (columns.advance * vw > in_w) return above("vw", vw, in_w / columns.advance);
  if (auto refused = axis_rejection("rows", rows, in_h, tile_rows)) return refused;
  if (auto refused = axis_rejection("columns", columns, in_w, vw)) return refused;
  if (left() >= vw) return above("columns of padding at the start", left(), vw - 1);
  if (right() + columns.advance > vw)
    return above("columns of padding at the end", right(), vw - columns.advance);
  return std::nullopt;
}

std::string PlaneTiles::defines() const {
  return define("TOP", top()) + define("BOTTOM", bottom()) + define("LEFT", left()) +
         define("RIGHT", right()) + define("ONE_TILE", rows.steps == tile_rows) +
         define("ONE_VECTOR", columns.steps == vw);
}

std::string PlaneTiles::overlap_defines() const {
  return define("SHIFT_H", shift_rows()) + define("SHIFT_W", shift_columns()) +
         define("TWICE_H", round_up(rows.steps, tile_rows) - rows.steps) +
         define("TWICE_W", round_up(columns.steps, vw) - columns.steps);
}

std::int64_t PlaneTiles::shift_rows() const {
  return shift(rows, in_h, tile_rows);
}

std::int64_t PlaneTiles::shift_columns() const {
  return shift(columns, in_w, vw);
}

double PlaneTiles::cycles(const Case& c) const {
  // Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11. Two loads at stride 2 are shuffled; forward,
  // where less is computed meanwhile, it takes longer with vectors of 16.
  constexpr double kTile = 5, kLoad = 0.6, kProduct = 0.45;
  constexpr double kLoadOfTwo = 2.3, kLoadOfTwoForward = 5, kFar = 1.3;
  constexpr std::int64_t kNearColumns = 64;
  // With 16 registers (2-core Zen 3): more taps than 3x3 spill.
  constexpr double kFewLoad = 0.4, kFewLoadOfTwo = 1, kFewLoadOfTwoForward = 1.3;
  constexpr double kFewProduct = 0.3, kSpilledProduct = 0.7;
  constexpr double kConverted = 0.3;  // elements of 16 bits
  constexpr std::int64_t kFewTaps = 9;
  const Problem& p = c.problem;
  const bool forward = p.direction != Direction::kBackwardWeights;
  const bool two = columns.advance == 2;
  // Vectors of 16 where the input has more columns: measured, cause not established (docs/calibration.md).
  const double far = vw == 16 && in_w > kNearColumns ? kFar : 1;
  double load = two ? (forward && vw == 16 ? kLoadOfTwoForward : kLoadOfTwo) * far : kLoad;
  double product = kProduct;
  if (c.machine.few_registers()) {
    if (two) load = forward ? kFewLoadOfTwoForward : kFewLoadOfTwo;
    if (!two && !forward) load = kFewLoad;
    if (!forward) product = kFewProduct;
    if (p.kh * p.kw > kFewTaps) product = kSpilledProduct;
    if (forward && p.data_type != DataType::kFloat32) load += kConverted;
  }
  const double loads = static_cast<double>(rows.input(tile_rows) * p.kw);
  const double products = static_cast<double>(tile_rows * p.kh * p.kw);
  return kTile + load * loads + product * products;
}

std::int64_t PlaneTiles::border() const {
  return std::max<std::int64_t>({left(), right(), 0});
}

int PlaneTiles::rows_beside_column(const Case& c, std::int64_t steps, std::int64_t others) {
  constexpr std::int64_t kMost = 8;
  const std::int64_t most =
      std::clamp<std::int64_t>(c.machine.registers - others - c.problem.kh, 1, kMost);
  return static_cast<int>(ceil_div(steps, ceil_div(steps, most)));
}

std::optional<Rejection> PlaneTiles::column_rejection(const Problem& p) const {
  constexpr std::int64_t kMostTaps = 9, kMostRows = 64;
  if (p.kh > kMostTaps) return above("kh", p.kh, kMostTaps);
  const std::int64_t seen = rows.input(tile_rows);
  if (seen > kMostRows) return above("rows that a tile sees", seen, kMostRows);
  return std::nullopt;
}

const char* PlaneTiles::columns_not_considered(const Machine& machine) {
  return machine.few_registers() ? nullptr : "its speed is not known with 32 vector registers";
}

double PlaneTiles::column_cycles(std::int64_t taps, bool separated) const {
  // PoCL 3.1, 2-core Zen 3, 2026-11: per column; per vector of the input, which takes longer where rows are far apart,
  // or is taken from two; per multiply-add, of which the most is done meanwhile.
  constexpr double kColumn = 3, kLoad = 1, kLoadFar = 1.9, kLoadOfTwo = 2.4, kProduct = 0.5;
  constexpr std::int64_t kNearColumns = 16;
  const double in_place = columns.advance == 2  ? kLoadOfTwo
                          : in_w > kNearColumns ? kLoadFar
                                                : kLoad;
  const double load = separated ? kLoad : in_place;
  return kColumn + std::max(load * static_cast<double>(rows.input(tile_rows)),
                            kProduct * static_cast<double>(tile_rows * taps));
}

PlaneBands::PlaneBands(const Case& c, const PlaneTiles& tiles, std::int64_t most) {
  const std::int64_t planes = c.problem.n * (c.problem.wants_dx() ? c.problem.c : c.problem.k);
  // More than `rows` has: the second of two threads often wakes up when the first is half through.
  const std::int64_t wanted = 2 * kWorkGroupsPerUnit * c.profile.compute_units;
  const std::int64_t rows = tiles.rows_of_tiles();
  const std::int64_t least = ceil_div(rows, std::min(rows, most));
  band = ceil_div(rows, std::max(least, std::min(rows, ceil_div(wanted, planes))));
  bands = ceil_div(rows, band);
  all = planes * bands;
  per_work_group = ceil_div(all, wanted);
}

std::vector<Argument> PlaneBands::arguments(const Problem& p, const PlaneTiles& tiles) const {
  const Operands operands(p);
  return {{"x", operands.input},
          {"y_mask", operands.mask},
          {"weights", Region{kWeightsSlot}},
          {"b", Region{kBiasSlot}},
          {"r", Region{kResidualSlot}},
          {"result", operands.result},
          {"groups", narrow(p.c)},
          {"filters", narrow(p.k / p.c)},
          {"in_h", narrow(tiles.in_h)},
          {"in_w", narrow(tiles.in_w)},
          {"res_h", narrow(tiles.rows.steps)},
          {"res_w", narrow(tiles.columns.steps)},
          {"shift_h", narrow(tiles.shift_rows())},
          {"shift_w", narrow(tiles.shift_columns())},
          {"band", narrow(band)},
          {"bands", narrow(bands)},
          {"all_bands", cl_long{all}},
          {"bands_per_work_group", cl_long{per_work_group}},
          {"in_image", cl_long{p.input_image()}},
          {"out_image", cl_long{p.result_image()}}};
}

}  // namespace clconv::core::depthwise
