// Planes that are read as they lie in memory: results in tiles of `rows` x `vw`, all of them whole.
// kernels/depthwise/planes.cl has the picture. Shared by the bodies `planes`, `masked` and those of their weight
// gradients.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "strategies/body.hpp"
#include "strategies/depthwise/axis.hpp"

namespace clconv::core::depthwise {

struct PlaneTiles {
  std::int64_t tile_rows, vw;  // rows and columns of a tile
  Axis rows, columns;
  std::int64_t in_h, in_w;

  PlaneTiles(const Problem& p, std::int64_t rows_of_tile, std::int64_t vector_width);

  // Why the planes cannot be read so: only the outer tiles may see padding, and less than a vector of it.
  std::optional<Rejection> rejection() const;
  std::int64_t rows_of_tiles() const { return ceil_div(rows.steps, tile_rows); }
  std::int64_t vectors() const { return ceil_div(columns.steps, vw); }
  // The cases at the border. Planes of other sizes have the same program where the last tiles see as much padding.
  std::string defines() const;
  // And where the tiles overlap, for programs with code that depends on it.
  std::string overlap_defines() const;
  // Tiles between the first and the last begin so much earlier.
  std::int64_t shift_rows() const;
  std::int64_t shift_columns() const;
  // Columns of padding beside a row, at its start or its end.
  std::int64_t border() const;
  // Cycles to load and multiply what one tile sees.
  double cycles(const Case& c) const;

  // Bodies that go through a tile column by column of the filter (`masked`, `weights_masked`).
  // As many rows, of `steps`, as leave registers for a column of the filter and `others`: a mask and a vector of the
  // input.
  static int rows_beside_column(const Case& c, std::int64_t steps, std::int64_t others = 2);
  // Where a column of the filter and what it sees are too much to unroll.
  std::optional<Rejection> column_rejection(const Problem& p) const;
  static const char* columns_not_considered(const Machine& machine);
  // Cycles to load and multiply what one tile sees of a column of `taps`; `separated`: at stride 2, too, a vector of
  // the input is one load.
  double column_cycles(std::int64_t taps, bool separated = false) const;

 private:
  // Rows and columns of padding; negative where the results do not see some inside.
  std::int64_t top() const { return -rows.start; }
  std::int64_t left() const { return -columns.start; }
  std::int64_t bottom() const;
  std::int64_t right() const;
};

// What the work-groups of a launch share: bands of tiles. A band is a whole plane, or a part of one where there
// are too few planes.
struct PlaneBands {
  std::int64_t band;   // rows of tiles
  std::int64_t bands;  // of a plane
  std::int64_t all;    // of all planes
  std::int64_t per_work_group;

  // A band has at most `most` rows of tiles.
  PlaneBands(const Case& c, const PlaneTiles& tiles, std::int64_t most = INT64_MAX);
  // Of a program that goes through them.
  std::vector<Argument> arguments(const Problem& p, const PlaneTiles& tiles) const;
};

}  // namespace clconv::core::depthwise
