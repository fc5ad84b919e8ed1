// tile_tf32: the tile of body `tile` with factors in TF32, multiplied by NVIDIA's matrix units (mma.sync) with float32
// sums. Where TF32 is allowed. Compiled, never run: no device with them could be had. Its kernel is tile's, with
// kernels/parts/matrix_tile.cl.
#include <algorithm>

#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm/tile_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr Tile kTiles[] = {
    {128, 128, 16, 8, 8},
    {64, 128, 16, 8, 8},
    {64, 64, 16, 8, 4},
    {32, 64, 16, 4, 4},
};

// A wave multiplies columns that 32 work-items have one each of, rows in units of 16, 8 products at a time.
constexpr int kColumns = 32, kRows = 16, kProducts = 8;

// What the device says of products in float16 holds for TF32: compute capability 8.0 and later.
const char* defines_of(const DeviceProfile& profile) {
  if (profile.matrix_units == "mma") return " -DMATRIX=5";
  if (profile.matrix_units == "mma rounded") return " -DMATRIX=5 -DMATRIX_ROUNDED";
  return nullptr;
}

// As of tile_matrix. The unit takes twice as long as for float16.
double speed(const DeviceProfile& profile, const Tile& tile) {
  constexpr double kPerProduct = 6.5, kFetching = 9.5, kPerSum = 0.08;
  const double sums = tile.tm * tile.tn;
  const double issued = kFetching + kPerSum * sums;
  return (sums + kPerProduct) / std::max(issued, 2 * sums / profile.matrix_rate);
}

TileFactors factors_of(const DeviceProfile& profile, const Tile& tile, const char* defines) {
  TileFactors factors;
  factors.math = Math::kTf32;
  factors.padding = 8;
  factors.stores_fours = false;
  factors.speed = speed(profile, tile);
  factors.defines = defines;
  return factors;
}

bool divides(const Tile& tile) {
  const int rows = tile.tm * tile.tn;
  return tile.bk % kProducts == 0 && rows % kRows == 0 && tile.bm % rows == 0 &&
         tile.bn % kColumns == 0;
}

std::vector<Config> variants(const Case& all) {
  std::vector<Config> configs;
  for (Tile tile : kTiles) {
    if (mostly_empty(tile, all) && tile.bm >= 64) tile.bk = kProducts;
    add_configs(configs, all, "tile_tf32", with_distances(tile, all));
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const Tile tile = Tile::from(config);
  const char* defines = defines_of(c.profile);
  if (defines == nullptr) {
    return Rejection{Reason::kFamily, "device", 0, 0,
                     "the device has no matrix units for TF32 that are known here (NVIDIA from "
                     "compute capability 8.0 on)"};
  }
  if (!divides(tile)) {
    throw Error(Code::kInvalidArgument,
                "config '" + config.text() + "': the tiles do not divide among the matrix units");
  }
  return tile_layout(c, tile, factors_of(c.profile, tile, defines));
}

}  // namespace

extern const Body body_tile_tf32 = {
    "tile_tf32", Suits::kGpus, 3, "implicit_gemm/tile implicit_gemm/tile_pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
