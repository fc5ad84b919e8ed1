// How planes are cut to tiles whose input fits the stage in local memory. Shared by the bodies `rows` and
// `weights_rows`.
#pragma once

#include <optional>

#include "strategies/body.hpp"
#include "strategies/depthwise/axis.hpp"

namespace clconv::core::depthwise {

struct Tiling {
  Axis rows, columns;
  std::int64_t tile_h, tile_w, tiles_x, tiles_y;
  std::int64_t pitch, shift, stage_floats, sums_pitch;
  std::int64_t floats;     // of local memory that a tile needs
  std::int64_t l1_floats;  // the most that it should, unless a single block of rows needs more

  // `block`: rows of results computed together; `pieces`: at least so many tiles where the plane allows.
  Tiling(const Case& c, int vw, std::int64_t block, std::int64_t pieces);
  std::int64_t tiles() const { return tiles_x * tiles_y; }
  // Floats of local memory as compiled in: few sizes, so that few programs serve all planes.
  std::int64_t stage_define() const;
  // Whether the device has that much.
  std::optional<Rejection> rejection(const DeviceProfile& profile) const;
  // Candidate::not_considered.
  const char* not_considered(const DeviceProfile& profile) const;
  // Candidate::coverage: where a plane has several tiles, one and the start of the next.
  Coverage coverage() const;
  // Cycles to stage the input of a tile.
  double stage_cycles(int vw) const;

 private:
  void lay_out(const Problem& p, int vw, std::int64_t block, std::int64_t height);
};

}  // namespace clconv::core::depthwise
