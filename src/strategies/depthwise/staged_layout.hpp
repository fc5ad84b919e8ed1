// The common course of `rows` and `columns`: tiles of the input are staged in local memory with their padding, and
// work-groups share the tiles.
#pragma once

#include "strategies/body.hpp"
#include "strategies/depthwise/tiling.hpp"

namespace clconv::core::depthwise {

class StagedLayout : public Layout {
 public:
  StagedLayout(const Case& c, const Config& config, int vw, const Tiling& tiling);
  void describe(Candidate& candidate) const override;

 protected:
  // Of a core, for all filters of a tile.
  virtual double tile_cycles() const = 0;
  // What both kernels take, but for the slopes.
  std::vector<Argument> arguments() const;
  Range range() const;

  // Planes of the input that a result sums, and of results that a plane of the input has.
  std::int64_t channels() const;
  std::int64_t filters() const;
  // Vectors of steps in a row of a tile.
  double vectors() const;

  const Case& case_;
  Config config_;
  int vw_;
  Tiling tiling_;

 private:
  std::int64_t all_tiles_;  // of all planes
  std::int64_t per_work_group_;
};

// Tiles of so many that the compute units have two each, where planes are few.
Tiling plane_tiling(const Case& c, int vw, std::int64_t block);

}  // namespace clconv::core::depthwise
