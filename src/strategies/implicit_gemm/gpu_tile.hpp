// The tile of the bodies for GPUs.
#pragma once

#include "strategies/body.hpp"
#include "strategies/cost_model.hpp"

namespace clconv::core::implicit_gemm {

// How a tile keeps its factors in local memory and multiplies them: kernels/parts/tile_factors.cl. As it stands,
// float32.
struct TileFactors {
  Math math = Math::kFloat32;
  std::int64_t bytes = Problem::kFloatBytes;  // of a factor, in packed weights, too
  int together = 1;                           // products of a filter, or a pixel, that lie together
  int padding = 0;  // filters and pixels that a row in local memory has room for besides
  int chunk = 0;    // products that are added up in float16 before they are in float32; 0: none
  bool stores_fours = true;  // a work-item has four results that lie together
  double speed = 1;          // multiplies so many times as fast as in float32
  std::string defines = "";
};

// kernels/parts/local_tile.cl has the picture: a work-group computes bm x bn results, a work-item tm x tn of them, bk
// products at a time through local memory. With `ahead` a work-item loads the factors of the next product while it
// multiplies those of this one. The reduction is split among `split` work-groups. `wide`: distances in the tensors need
// 64 bits.
struct Tile {
  int bm, bn, bk, tm, tn, ahead = 0, wide = 0, split = 1;

  std::int64_t items() const { return std::int64_t{bm / tm} * (bn / tn); }
  // Needs more work-items or local memory than the device has; `others`: bytes of it besides the tiles.
  std::optional<Rejection> rejection(const DeviceProfile& profile, std::int64_t others,
                                     const TileFactors& factors = TileFactors()) const;
  Config config(const char* body) const;
  // Macros and build options.
  std::string defines(const Machine& machine) const;
  // Of `work_groups` work-groups in `parts` parts each, which multiply `products` times, at TileFactors::speed.
  Pass pass(const Case& c, std::int64_t work_groups, std::int64_t parts, std::int64_t products,
            double bytes, double speed = 1) const;
  // Fraction of a device's peak its loop reaches where there are work-groups enough.
  double efficiency(const DeviceProfile& profile) const;
  // `groups` work-groups as the cost model counts them, which takes one to fill a compute unit.
  double filling(const Case& c, std::int64_t groups) const;
  // The split that gives a device enough work-groups, `groups` of `steps` being what there is without; 1: not wanted.
  int wanted_split(const Case& c, std::int64_t groups, std::int64_t steps) const;
  // Throws Error{kInvalidArgument} where the tiles do not divide among the work-items.
  static Tile from(const Config& config);
};

// Are four neighbouring pixels of the input four neighbouring results', aligned: one tap, no padding?
bool input_fours(const Correlation& c);
// Do four neighbouring results lie together, aligned: pixels, or with channels last filters?
bool store_fours(const Correlation& c);

// Elements that 32 bits can address: `wide` is needed beyond.
constexpr std::int64_t kNarrowLimit = std::int64_t{1} << 31;

}  // namespace clconv::core::implicit_gemm
