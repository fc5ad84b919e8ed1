// tile_half: the tile of body `tile` with products in float16, as float16 pairs. Where that is allowed, on GPUs that
// have the arithmetic. Its kernel is tile's.
#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm/tile_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

// The products of a step are added up in float16: few, for the worst case of the error grows with them.
constexpr Tile kTiles[] = {
    {128, 128, 16, 8, 8},
    {64, 128, 16, 8, 8},
    {64, 64, 16, 8, 4},
    {32, 64, 16, 4, 4},
};

const char* dialect(const DeviceProfile& profile) {
  if (profile.float16 == "ptx") return " -DHALF=1 -DHALF_PTX";
  if (profile.float16 == "rounded") return " -DHALF=1 -DHALF_ROUNDED";
  return " -DHALF=1";
}

// Instructions of a product, as multiplying_share() counts them: those of float32 over those of float16, which come in
// pairs. Twice per step each sum is converted and added to.
double speed(const DeviceProfile& profile, const Tile& tile) {
  constexpr double kPerProduct = 6.5, kPerSum = 2;
  const double sums = tile.tm * tile.tn;
  const double adding = kPerSum * sums / tile.bk;
  return (sums + kPerProduct) / (sums / profile.float16_rate + kPerProduct + adding);
}

TileFactors factors_of(const DeviceProfile& profile, const Tile& tile) {
  TileFactors factors;
  factors.math = Math::kFloat16;
  factors.bytes = 2;
  factors.chunk = tile.bk;
  factors.speed = speed(profile, tile);
  factors.defines = dialect(profile);
  return factors;
}

std::vector<Config> variants(const Case& all) {
  std::vector<Config> configs;
  for (Tile tile : kTiles) {
    tile.ahead = all.machine.loads_ahead;
    if (mostly_empty(tile, all) && tile.bm >= 64) tile.bk = 8;
    add_configs(configs, all, "tile_half", with_distances(tile, all));
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const Tile tile = Tile::from(config);
  if (c.profile.float16.empty()) {
    return Rejection{Reason::kFamily, "device", 0, 0,
                     "the device has no arithmetic in float16 (cl_khr_fp16 with denormals)"};
  }
  return tile_layout(c, tile, factors_of(c.profile, tile));
}

}  // namespace

extern const Body body_tile_half = {
    "tile_half", Suits::kGpus, 3, "implicit_gemm/tile implicit_gemm/tile_pack", variants, fit};

}  // namespace clconv::core::implicit_gemm
