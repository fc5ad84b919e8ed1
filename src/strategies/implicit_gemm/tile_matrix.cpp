// tile_matrix: the tile of body `tile` with factors in float16, multiplied by the GPU's matrix units with float32 sums:
// NVIDIA's mma.sync, AMD's mfma and wmma, Intel's XMX. Where float16 is allowed. Compiled, never run: no device with them could be had. Its
// kernel is tile's, with kernels/parts/matrix_tile.cl.
#include <algorithm>
#include <string>

#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm/tile_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr Tile kTiles[] = {
    {128, 128, 32, 8, 8},
    {64, 128, 32, 8, 8},
    {64, 64, 32, 8, 4},
    {32, 64, 32, 4, 4},
};

// A multiplication by the unit takes so many products.
constexpr int kProducts = 16;

// As kernels/parts/matrix_tile.cl has it: work-items of a wave, columns that it multiplies, rows of one multiplication,
// products that lie together.
struct Unit {
  const char* name;
  int lanes, columns, rows, together;
  const char* defines;
};
constexpr Unit kUnits[] = {
    {"mma", 32, 32, 16, 2, " -DMATRIX=1 -DHALF_PTX"},
    {"mfma", 64, 64, 16, 4, " -DMATRIX=2"},
    {"xmx", 8, 32, 8, 2, " -DMATRIX=3"},
    {"wmma", 32, 32, 16, 4, " -DMATRIX=4"},
    {"mma rounded", 32, 32, 16, 2, " -DMATRIX=1 -DMATRIX_ROUNDED -DHALF_ROUNDED"},
    {"mfma rounded", 64, 64, 16, 4, " -DMATRIX=2 -DMATRIX_ROUNDED -DHALF_ROUNDED"},
    {"xmx rounded", 8, 32, 8, 2, " -DMATRIX=3 -DMATRIX_ROUNDED -DHALF_ROUNDED"},
    {"wmma rounded", 32, 32, 16, 4, " -DMATRIX=4 -DMATRIX_ROUNDED -DHALF_ROUNDED"},
};

const Unit* unit_of(const DeviceProfile& profile) {
  const auto* found = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& unit) {
    return profile.matrix_units == unit.name;
  });
  return found == std::end(kUnits) ? nullptr : found;
}

// Instructions of a product that the unit does not multiply with, for tm*tn sums of a work-item: docs/gpu.md.
double speed(const DeviceProfile& profile, const Tile& tile) {
  constexpr double kPerProduct = 6.5, kFetching = 7, kPerSum = 0.025;
  const double sums = tile.tm * tile.tn;
  const double issued = kFetching + kPerSum * sums;
  return (sums + kPerProduct) / std::max(issued, sums / profile.matrix_rate);
}

TileFactors factors_of(const DeviceProfile& profile, const Unit& unit, const Tile& tile) {
  TileFactors factors;
  factors.math = Math::kFloat16;
  factors.bytes = 2;
  factors.together = unit.together;
  factors.padding = 8;
  factors.stores_fours = false;
  factors.speed = speed(profile, tile);
  factors.defines = unit.defines;
  return factors;
}

// Does a work-group's tile divide among its waves?
bool divides(const Tile& tile, const Unit& unit) {
  const int rows = tile.tm * tile.tn * unit.lanes / unit.columns;
  return tile.bk % kProducts == 0 && rows > 0 && rows % unit.rows == 0 && tile.bm % rows == 0 &&
         tile.bn % unit.columns == 0;
}

std::vector<Config> variants(const Case& all) {
  std::vector<Config> configs;
  const Unit* unit = unit_of(all.profile);
  for (Tile tile : kTiles) {
    if (unit != nullptr && !divides(tile, *unit)) continue;
    if (mostly_empty(tile, all)) tile.bk = kProducts;
    add_configs(configs, all, "tile_matrix", with_distances(tile, all));
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const Tile tile = Tile::from(config);
  const Unit* unit = unit_of(c.profile);
  if (unit == nullptr) {
    return Rejection{Reason::kFamily, "device", 0, 0,
                     "the device has no matrix units that are known here (NVIDIA from compute "
                     "capability 8.0 on, AMD CDNA and RDNA 3, Intel Xe-HPG)"};
  }
  if (!divides(tile, *unit)) {
    throw Error(Code::kInvalidArgument,
                "config '" + config.text() + "': the tiles do not divide among the matrix units");
  }
  return tile_layout(c, tile, factors_of(c.profile, *unit, tile));
}

}  // namespace

extern const Body body_tile_matrix = {
    "tile_matrix", Suits::kGpus, 3, "implicit_gemm/tile implicit_gemm/tile_pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
