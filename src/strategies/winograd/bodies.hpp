// What the bodies of Winograd share. Each computes F(m x m, 3x3): y = A'[(G g G') * (B' d B)]A per tile of m x m
// results, the products summed over the channels before A.
#pragma once

#include <iterator>
#include <memory>
#include <vector>

#include "ops/correlation.hpp"
#include "strategies/body.hpp"

namespace clconv::core::winograd {

// Matrix products of a tile.
constexpr std::int64_t products_of(int m) {
  return std::int64_t{m + 2} * (m + 2);
}

// The tiles of m x m results of a problem.
struct Tiles {
  Correlation c;
  std::int64_t tiles_y, tiles_x, tiles;  // per column and row of an image; of all images

  Tiles(const Case& all, int m)
      : c(all.correlations.front()),
        tiles_y(ceil_div(c.oh, m)),
        tiles_x(ceil_div(c.ow, m)),
        tiles(c.images * tiles_y * tiles_x) {}
};

// The step of kernels/winograd/tile_weights.cl: `filters` per group, padded, in work-groups of `local`.
std::unique_ptr<Step> transform_gpu_weights(Device& device, const Correlation& c, int m,
                                            std::int64_t padded_filters, std::int64_t local);
// It counts groups * channels * padded filters in 31 bits.
std::optional<Rejection> too_many_gpu_weights(const Correlation& c, std::int64_t padded_filters);

// The arguments, and where the kernels find weight (f, channel, u, v) of a group.
std::vector<Argument> with_weight_strides(std::vector<Argument> arguments, const Correlation& c);

Region input_of(const Problem& p);
// Of the mask.
Region y_of(const Problem& p);

// The first arguments of both transforms of the input.
std::vector<Argument> input_arguments(const Problem& p, const Correlation& c, const Region& v);

// Bytes of x or dy.
double input_bytes(const Problem& p);
// And of the result with what it is computed from besides sums.
double result_bytes(const Problem& p);

// What all candidates of one m have in common.
void describe_transforms(Candidate& candidate, const Problem& p, int m);

// The configs of those tiles that the device can run; where there are none, of the last, for which fit() says why.
template <class Tile, std::size_t kTiles, class ConfigOf>
std::vector<Config> configs_of(const Tile (&tiles)[kTiles], const DeviceProfile& profile,
                               ConfigOf&& config_of) {
  std::vector<Config> configs;
  for (const Tile& tile : tiles) {
    if (!tile.rejection(profile)) configs.push_back(config_of(tile));
  }
  if (configs.empty()) configs.push_back(config_of(*std::prev(std::end(tiles))));
  return configs;
}

// Strips per chunk: `strips`, halved until the memory that `bytes_of` gives keeps the limit; 1 where none does.
template <class BytesOf>
int strips_within(std::int64_t workspace_limit, int strips, BytesOf&& bytes_of) {
  while (strips > 1 && bytes_of(strips) > workspace_limit)
    strips /= 2;
  return strips;
}

}  // namespace clconv::core::winograd
