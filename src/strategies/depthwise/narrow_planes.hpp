// Planes whose rows of results fit one vector, or half of one, so that taps see the input moved by lanes.
// kernels/parts/depthwise_narrow.cl has the picture. Shared by the bodies `narrow` and `weights_narrow`.
#pragma once

#include <optional>
#include <string>

#include "strategies/body.hpp"
#include "strategies/depthwise/axis.hpp"

namespace clconv::core::depthwise {

struct NarrowTile {
  int rb, vw;  // steps of a tile of results, floats of a vector
  int planes;  // of a vector

  static NarrowTile from(const Config& c);
  Config config(const char* body) const;
};

struct NarrowPlanes {
  NarrowTile tile;
  Axis rows, columns;
  std::int64_t in_h, in_w;
  std::int64_t res_w;   // columns of results
  std::int64_t planes;  // of results in an image
  std::int64_t sets;    // of the planes of an image that a vector holds

  NarrowPlanes(const Problem& p, const NarrowTile& t);
  // Why planes cannot be read so.
  std::optional<Rejection> rejection(const Problem& p) const;
  std::string defines() const;
  // Cycles to load and multiply what one tile sees.
  double cycles(const Problem& p) const;
  std::int64_t rows_of_tiles() const { return ceil_div(rows.steps, tile.rb); }

 private:
  // Rows of padding; negative where the results do not see some inside.
  std::int64_t top() const { return -rows.start; }
  std::int64_t bottom() const;
};

}  // namespace clconv::core::depthwise
