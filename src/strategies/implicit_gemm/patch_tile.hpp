// The register tile of `patches`, and how it divides a result.
#pragma once

#include <algorithm>

#include "strategies/implicit_gemm/packed_weights.hpp"

namespace clconv::core::implicit_gemm {

// How a result is divided: whole images, rows of one, or a part of a row.
struct PatchGrid {
  std::int64_t images = 0, h = 1, w = 1;  // no images: not to be divided
  std::int64_t pitch = 0;                 // floats of a row of patches
  double multiplied = 0;  // pixels of all images, with the padding of vectors and tiles

  std::int64_t tiles_x(const Correlation& c) const { return ceil_div(c.ow, w); }
  std::int64_t tiles(const Correlation& c) const { return tiles_x(c) * ceil_div(c.oh, h); }
  // Tiles of all images and groups.
  std::int64_t all(const Correlation& c) const {
    return tiles(c) * c.groups * ceil_div(c.images, images);
  }
};

struct PatchTile {
  int mr, nv, vw, patch, sums;

  std::int64_t span() const { return std::int64_t{vw} * nv; }
  Config config() const {
    return {"patches", {{"mr", mr}, {"nv", nv}, {"vw", vw}, {"patch", patch}, {"sums", sums}}};
  }
  static PatchTile from(const Config& c) {
    return {c.get("mr", 1, 32), c.get("nv", 1, 32), c.get_power_of_two("vw", 4, 16),
            c.get("patch", 1, 256), c.get("sums", 0, 256)};
  }
  // Are the results of a tile anything but rows that lie one behind the other?
  static bool scatters(const std::vector<Correlation>& correlations) {
    return std::any_of(correlations.begin(), correlations.end(),
                       [](const Correlation& c) { return c.out_step != 1 || c.out_pitch != c.ow; });
  }
  // Channels that are staged at once: all, or as many as leave a span of patches half of L1.
  std::int64_t slab(const Machine& machine, const Correlation& c) const {
    if (sums == 0) return c.channels;
    const std::int64_t products = std::min(
        machine.slab_products, machine.l1_blocking_bytes / 2 /
                                   std::max(span() * Problem::kFloatBytes, machine.line_bytes));
    const std::int64_t most =
        std::max<std::int64_t>(1, products / std::max<std::int64_t>(1, c.taps_h * c.taps_w));
    return ceil_div(c.channels, ceil_div(c.channels, most));
  }
  // The kernel stages rows by vectors of at most this many pixels.
  int stage_width(std::int64_t columns) const {
    return columns > 8 ? vw : columns > 4 ? std::min(8, vw) : 4;
  }
  // Pixels multiplied for `images` times `pixels`.
  double multiplied(std::int64_t images, std::int64_t pixels) const {
    return static_cast<double>(round_up(images * ceil_div(pixels, vw), nv) * vw);
  }

  // Floats that wait for the next slab, of a tile and a block of filters.
  std::int64_t sums_of_a_block(std::int64_t images, std::int64_t pixels) const {
    return mr * round_up(images * round_up(pixels, vw), span());
  }

  // The tile that costs least: pixels multiplied, padding included; with few registers, where these were
  // measured, also weights fetched for each tile, pixels staged for each run of blocks, and the core that waits for the
  // other one's last tile, of which half is left on the average.
  PatchGrid grid(const Case& all, const Correlation& c) const;
  // Work-groups that even out what one core starts later than another.
  std::int64_t wanted_work_groups(const Case& all) const {
    return all.profile.compute_units * (all.machine.few_registers() ? 4 : 2);
  }
  // Blocks of filters that a work-item multiplies its patches with: all that there is room for sums for, where there
  // are tiles enough.
  std::int64_t run(const Case& all, const Correlation& c, const PatchGrid& grid,
                   const FilterBlocks& blocks) const;
};

}  // namespace clconv::core::implicit_gemm
