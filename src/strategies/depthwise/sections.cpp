#include "strategies/depthwise/sections.hpp"

#include <algorithm>
#include <cmath>

#include "strategies/cost_model.hpp"

namespace clconv::core::depthwise {
namespace {

constexpr std::int64_t kWidest = 512;  // columns of a section
constexpr std::int64_t kElement = Problem::kFloatBytes;

}  // namespace

Sections::Sections(const Case& c, int vw, std::int64_t tile_rows, std::int64_t pieces)
    : rows(Axis::rows(c.problem)),
      columns(Axis::columns(c.problem)),
      l1_floats(c.machine.l1_blocking_bytes / kElement),
      in_w(c.problem.wants_dx() ? c.problem.ow() : c.problem.w),
      many_registers(!c.machine.few_registers()) {
  const Problem& p = c.problem;
  section_w = std::min(round_up(columns.steps, vw), round_up(kWidest, vw));
  while (true) {
    lay_out(p, vw, tile_rows, tile_rows);
    if (floats <= l1_floats || section_w <= vw) break;
    section_w = round_up(section_w / 2, vw);
  }
  // As many rows as fit, in sections of about the same height.
  std::int64_t most = round_up(rows.steps, tile_rows);
  if (floats < l1_floats) {
    const std::int64_t least = floats;
    lay_out(p, vw, tile_rows, 2 * tile_rows);
    most = std::min(most, tile_rows + (l1_floats - least) /
                                          std::max<std::int64_t>(1, floats - least) * tile_rows);
  } else {
    most = tile_rows;
  }
  sections_x = ceil_div(columns.steps, section_w);
  sections_y = std::max(ceil_div(rows.steps, most),
                        std::min(ceil_div(pieces, sections_x), ceil_div(rows.steps, tile_rows)));
  section_h = round_up(ceil_div(rows.steps, sections_y), tile_rows);
  sections_y = ceil_div(rows.steps, section_h);
  lay_out(p, vw, tile_rows, section_h);
}

std::int64_t Sections::stage_define() const {
  std::int64_t size = l1_floats;
  while (size < floats)
    size *= 2;
  return size;
}

std::optional<Rejection> Sections::rejection(const DeviceProfile& profile) const {
  const std::int64_t bytes = stage_define() * kElement;
  if (bytes > profile.local_memory_bytes) return over_local_memory(bytes, profile);
  return std::nullopt;
}

const char* Sections::not_considered(const DeviceProfile& profile) const {
  return floats * kElement > profile.local_memory_bytes / 2
             ? "a section takes more than half of the local memory"
             : nullptr;
}

Coverage Sections::coverage() const {
  Coverage coverage;
  if (in_plane() == 1) return coverage;
  coverage.rows = std::min(section_h, rows.steps) * rows.residues;
  coverage.columns = std::min(section_w, columns.steps) * columns.residues;
  return coverage;
}

double Sections::stage_cycles(int vw) const {
  // Of a row, of a vector of it by stride, and of a float, which are scattered one by one beyond stride 2. Calibrated
  // on PoCL 3.1, 2-core Zen 5, 2026-11.
  constexpr double kRow = 4, kVector = 2.5, kVectorOfTwo = 6, kFloat = 3;
  // At stride 2 with 32 registers, where it was measured again: of a row, of a vector, and where the last pair of
  // vectors is not whole. docs/calibration.md, 2026-11-29.
  constexpr double kPairedRow = 12, kPairedVector = 4, kRest = 6;
  const double input_rows = real(rows.input(section_h));
  const double input_columns = real(columns.input(std::min(section_w, columns.steps)));
  if (columns.advance > 2) return input_rows * input_columns * kFloat;
  if (columns.advance == 2 && many_registers) {
    const double rest = in_w % (2 * vw) != 0 ? kRest : 0;
    return input_rows * (kPairedRow + kPairedVector * input_columns / vw + rest);
  }
  return input_rows *
         (kRow + (columns.advance == 2 ? kVectorOfTwo : kVector) * std::ceil(input_columns / vw));
}

void Sections::lay_out(const Problem& p, int vw, std::int64_t tile_rows, std::int64_t height) {
  const std::int64_t width = std::min(section_w, columns.steps);
  // The first column of the image is stored aligned.
  const std::int64_t border = std::max<std::int64_t>(0, -columns.start) / columns.advance;
  shift = (vw - border % vw) % vw;
  const std::int64_t stored = ceil_div(columns.input(width), columns.advance) + vw;
  const std::int64_t loaded = round_up(width, vw) + columns.reach / columns.advance;
  pitch = round_up(shift + std::max(stored, loaded), vw);
  stage_floats = rows.input(round_up(height, tile_rows)) * columns.advance * pitch;
  sums_pitch = round_up(width, vw);
  const bool multi = p.wants_dx() && p.k > p.c;
  floats =
      stage_floats + vw +
      (multi ? round_up(height, tile_rows) * rows.residues * columns.residues * sums_pitch : 0);
}

}  // namespace clconv::core::depthwise
