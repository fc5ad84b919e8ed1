#include "strategies/implicit_gemm/patch_tile.hpp"

namespace clconv::core::implicit_gemm {

PatchGrid PatchTile::grid(const Case& all, const Correlation& c) const {
  constexpr double kWeightsInPixels = 8, kStagingInFilters = 8;
  constexpr std::int64_t kMostImages = 8;
  const std::int64_t line = all.machine.line_bytes / Problem::kFloatBytes;
  const std::int64_t products =
      std::max<std::int64_t>(1, slab(all.machine, c) * c.taps_h * c.taps_w);
  // More pixels than this are no gain, only more to consider.
  constexpr std::int64_t kMostPixels = 8192;
  const std::int64_t most = std::min(kMostPixels, std::int64_t{patch} * 256 / products);
  PatchGrid best;
  double least = 0;
  const auto consider = [&](std::int64_t images, std::int64_t h, std::int64_t w) {
    const std::int64_t image = round_up(h * w, vw);
    const std::int64_t end = (images - 1) * image + (h - 1) * w + round_up(w, stage_width(w));
    std::int64_t pitch = round_up(std::max({images * image, end, span()}), vw);
    // A power of two would put the lines of a span into few sets of L1.
    if (sums > 0 && pitch % (2 * line) == 0) pitch += line;
    if (pitch > most || (sums > 0 && sums_of_a_block(images, h * w) > sums * 256)) return;
    // The last tile of each kind is smaller.
    const auto in_rows = [&](std::int64_t n, std::int64_t rows) {
      return static_cast<double>(c.ow / w) * multiplied(n, rows * w) +
             multiplied(n, rows * (c.ow % w));
    };
    const auto in_images = [&](std::int64_t n) {
      return static_cast<double>(c.oh / h) * in_rows(n, h) + in_rows(n, c.oh % h);
    };
    const double pixels =
        static_cast<double>(c.images / images) * in_images(images) + in_images(c.images % images);
    const PatchGrid grid{images, h, w, pitch, pixels};
    double cost = pixels;
    if (all.machine.few_registers()) {
      const double tiles = static_cast<double>(grid.all(c));
      const double runs = std::max(1.0, static_cast<double>(wanted_work_groups(all)) / tiles);
      const double staging = runs * kStagingInFilters / static_cast<double>(c.filters);
      cost = pixels * static_cast<double>(c.groups) * (1 + staging) + kWeightsInPixels * tiles +
             multiplied(images, h * w) / (2 * runs);
    }
    if (best.images > 0 && cost >= least) return;
    best = grid;
    least = cost;
  };
  for (std::int64_t images = 1; images <= std::min(c.images, kMostImages); ++images)
    consider(images, c.oh, c.ow);
  for (std::int64_t h = std::min(c.oh - 1, most / c.ow); h >= 1; --h)
    consider(1, h, c.ow);
  for (std::int64_t w = std::min(most, c.ow - 1) / span() * span(); w > 0; w -= span())
    consider(1, 1, w);
  return best;
}

std::int64_t PatchTile::run(const Case& all, const Correlation& c, const PatchGrid& grid,
                            const FilterBlocks& blocks) const {
  const std::int64_t blocks_per_group = blocks.blocks_per_group;
  std::int64_t runs = std::min(blocks_per_group, ceil_div(wanted_work_groups(all), grid.all(c)));
  if (sums > 0) {
    const std::int64_t fitting = sums * 256 / sums_of_a_block(grid.images, grid.h * grid.w);
    runs = std::max(runs, ceil_div(blocks_per_group, fitting));
  }
  return ceil_div(blocks_per_group, runs);
}

}  // namespace clconv::core::implicit_gemm
