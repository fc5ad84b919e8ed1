// How planes are cut to sections whose input fits the stage in local memory. Shared by the bodies `rows` and
// `weights_rows`.
#pragma once

#include <optional>

#include "strategies/body.hpp"
#include "strategies/depthwise/axis.hpp"

namespace clconv::core::depthwise {

struct Sections {
  Axis rows, columns;
  std::int64_t section_h, section_w, sections_x, sections_y;
  std::int64_t pitch, shift, stage_floats, sums_pitch;
  std::int64_t floats;     // of local memory that a section needs
  std::int64_t l1_floats;  // the most that it should, unless a single tile of rows needs more

  std::int64_t in_w;  // columns of a plane of the input
  bool many_registers;

  // `tile_rows`: rows of results computed together; `pieces`: at least so many sections where the plane allows.
  Sections(const Case& c, int vw, std::int64_t tile_rows, std::int64_t pieces);
  std::int64_t in_plane() const { return sections_x * sections_y; }
  // Floats of local memory as compiled in: few sizes, so that few programs serve all planes.
  std::int64_t stage_define() const;
  // Whether the device has that much.
  std::optional<Rejection> rejection(const DeviceProfile& profile) const;
  // Candidate::not_considered.
  const char* not_considered(const DeviceProfile& profile) const;
  // Candidate::coverage: where a plane has several sections, one and the start of the next.
  Coverage coverage() const;
  // Cycles to stage the input of a section.
  double stage_cycles(int vw) const;

 private:
  void lay_out(const Problem& p, int vw, std::int64_t tile_rows, std::int64_t height);
};

}  // namespace clconv::core::depthwise
