// f2x2_tile, f4x4_tile: a work-item per tile in the transforms, around a batch of (m+2)^2 matrix products with tiles in
// local memory. For GPUs.
#include <algorithm>
#include <cmath>

#include "ops/epilogue.hpp"
#include "ops/quotient.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/winograd/bodies.hpp"

namespace clconv::core::winograd {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// F(m x m, 3x3); the products in work-groups of bm filters x bn tiles, bk channels at a time, tm x tn per work-item;
// `strips` times bn tiles per chunk.
struct GpuTile {
  int m, bm, bn, bk, tm, tn, strips;

  Config config() const {
    return {m == 2 ? "f2x2_tile" : "f4x4_tile",
            {{"bm", bm}, {"bn", bn}, {"bk", bk}, {"tm", tm}, {"tn", tn}, {"strips", strips}}};
  }
  static GpuTile from(const Config& c, int m) {
    const GpuTile tile{m,
                       c.get("bm", 4, 256),
                       c.get("bn", 4, 256),
                       c.get("bk", 1, 64),
                       c.get("tm", 4, 16),
                       c.get("tn", 4, 16),
                       c.get("strips", 1, INT32_MAX)};
    // The kernel hands out tiles and copies of them in vectors of 4.
    if (tile.tm % 4 != 0 || tile.tn % 4 != 0 || tile.bm % tile.tm != 0 || tile.bn % tile.tn != 0 ||
        tile.bk * tile.bm % (4 * tile.items()) != 0 ||
        tile.bk * tile.bn % (4 * tile.items()) != 0) {
      throw Error(Code::kInvalidArgument,
                  "config '" + c.text() + "': the tiles do not divide among the work-items");
    }
    return tile;
  }
  std::string defines(const Case& all) const {
    const Config macros{{"m", m}, {"bm", bm}, {"bn", bn}, {"bk", bk}, {"tm", tm}, {"tn", tn}};
    return macros.defines() + " " + epilogue_defines(all.problem) +
           (tm * tn >= 64 ? all.machine.more_registers : "");
  }

  std::int64_t items() const { return std::int64_t{bm / tm} * (bn / tn); }
  // Two pairs of tiles: one is multiplied while the next is fetched.
  std::int64_t local_bytes() const { return std::int64_t{2} * bk * (bm + bn) * kElement; }
  std::optional<Rejection> rejection(const DeviceProfile& profile) const {
    return over_work_group(items(), local_bytes(), profile);
  }
};

// The least of them last.
constexpr GpuTile kTiles[] = {
    {0, 128, 128, 8, 8, 8, 1},  // 256 work-items, 64 accumulators each
    // As many for devices with small work-groups, and for smaller results. With bk=16, ptxas 13.0 spills on sm_80.
    {0, 64, 64, 8, 8, 8, 1},
    {0, 32, 32, 16, 4, 4, 1},  // few filters or tiles
};

struct Geometry : Tiles {
  GpuTile tile;
  std::int64_t pitch;           // of V and products: tiles of a chunk
  std::int64_t padded_filters;  // of U, per group
  std::int64_t batch;           // products of matrices
  std::int64_t packed_bytes, v_bytes, product_bytes;

  Geometry(const Case& all, const GpuTile& t)
      : Tiles(all, t.m),
        tile(t),
        pitch(std::min<std::int64_t>(tile.strips, ceil_div(tiles, tile.bn)) * tile.bn),
        padded_filters(round_up(c.filters, tile.bm)),
        batch(products_of(tile.m) * c.groups),
        packed_bytes(saturating_product(batch, c.channels, padded_filters, kElement)),
        v_bytes(saturating_product(batch, c.channels, pitch, kElement)),
        product_bytes(saturating_product(batch, c.filters, pitch, kElement)) {}

  std::int64_t workspace_bytes(const DeviceProfile& profile) const {
    WorkspaceLayout layout(profile);
    layout.add(v_bytes);
    layout.add(product_bytes);
    return layout.bytes();
  }
  std::int64_t chunks() const { return ceil_div(tiles, pitch); }
  std::int64_t work_groups_of(std::int64_t chunk) const {  // of a product
    return saturating_product(batch, padded_filters / tile.bm, ceil_div(chunk, tile.bn));
  }
};

// Work-items per group of the transforms.
std::int64_t transform_size(const DeviceProfile& profile) {
  return std::min<std::int64_t>(128, profile.max_work_group_size);
}

// `tiles` times `planes` work-items, or fewer that take several planes: drivers limit the groups of the second
// dimension to 65535.
Range transform_range(const DeviceProfile& profile, std::int64_t tiles, std::int64_t planes) {
  Range range = items(tiles, transform_size(profile));
  range.global[1] = static_cast<std::size_t>(std::min<std::int64_t>(planes, 32768));
  return range;
}

// Additions of a transform, by the row and column of a tile of m = 2 or 4, hardly any of them in pairs: a guess of a
// quarter of the peak.
constexpr double kAdditions2 = 32, kAdditions4 = 180, kTransformEfficiency = 0.25;
// Multiply-adds that a float takes which is brought to local memory; a guess.
constexpr double kOfFetch = 4;

// A launch per chunk over `planes` planes of all tiles.
Pass transform_pass(const Case& all, const Geometry& geometry, std::int64_t planes, double bytes) {
  const double tiles = real(geometry.tiles);
  const double flops = (geometry.tile.m == 2 ? kAdditions2 : kAdditions4) * real(planes) * tiles;
  const double work_groups = real(planes) * std::ceil(tiles / real(transform_size(all.profile)));
  return arithmetic_pass(flops, kTransformEfficiency,
                         {bytes, work_groups, real(geometry.chunks())});
}

Pass multiply_pass(const Case& all, const Geometry& geometry, double bytes) {
  const GpuTile& tile = geometry.tile;
  const double work_groups = real(geometry.batch) * real(geometry.padded_filters / tile.bm) *
                             real(ceil_div(geometry.tiles, tile.bn));
  const double flops =
      work_groups * kFlopsPerFma * tile.bm * tile.bn * real(round_up(geometry.c.channels, tile.bk));
  const double fetched = real(tile.bm * tile.bn) / (tile.bm + tile.bn);
  const double efficiency =
      multiplying_share(all.profile, tile.tm, tile.tn) * fetched / (fetched + kOfFetch);
  const double chunks = real(geometry.chunks());
  const double filled =
      filling_groups(all.profile, all.machine, work_groups / chunks, real(tile.items()));
  return arithmetic_pass(flops, efficiency, {bytes, chunks * filled, chunks});
}

double time_us(const Case& all, const Geometry& geometry) {
  const Correlation& c = geometry.c;
  const double element = real(geometry.batch) * kElement, tiles = real(geometry.tiles);
  const double v_bytes = real(c.channels) * tiles * element;
  const double product_bytes = real(c.filters) * tiles * element;
  const double weights = real(geometry.packed_bytes) * real(geometry.chunks());
  return predicted_us(all.profile, {transform_pass(all, geometry, c.groups * c.channels,
                                                   input_bytes(all.problem) + v_bytes),
                                    multiply_pass(all, geometry, v_bytes + product_bytes + weights),
                                    transform_pass(all, geometry, c.groups * c.filters,
                                                   product_bytes + result_bytes(all.problem))});
}

class TileLayout : public Layout {
 public:
  TileLayout(const Case& c, const GpuTile& tile)
      : case_(c), geometry_(c, tile), defines_(tile.defines(c)) {
    WorkspaceLayout layout(c.profile);
    v_ = layout.add(geometry_.v_bytes);
    products_ = layout.add(geometry_.product_bytes);
  }

  void describe(Candidate& candidate) const override {
    describe_transforms(candidate, case_.problem, geometry_.tile.m);
    candidate.workspace_bytes = geometry_.workspace_bytes(case_.profile);
    candidate.prepared_weights_bytes = geometry_.packed_bytes;
    const GpuTile& tile = geometry_.tile;
    // A square of more than bn tiles.
    const auto side = static_cast<std::int64_t>(std::ceil(std::sqrt(tile.bn))) * tile.m;
    candidate.coverage = {tile.bm, side, side};
    candidate.predicted_us = time_us(case_, geometry_);
  }

  void add_to(Executable& executable, Device& device) const override {
    executable.workspace_bytes = geometry_.workspace_bytes(case_.profile);
    executable.prepared_weights_bytes = geometry_.packed_bytes;
    executable.prepare.add(transform_gpu_weights(device, geometry_.c, geometry_.tile.m,
                                                 geometry_.padded_filters,
                                                 transform_size(case_.profile)));
    for (std::int64_t first = 0; first < geometry_.tiles; first += geometry_.pitch) {
      const std::int64_t chunk = std::min(geometry_.pitch, geometry_.tiles - first);
      executable.run.add(transform_input(device, first, chunk));
      executable.run.add(multiply(device, chunk));
      executable.run.add(transform_output(device, first, chunk));
    }
  }

 private:
  cl::Kernel kernel(Device& device, const char* entry) const {
    return device.kernel("winograd/tile", entry, defines_);
  }

  std::unique_ptr<Step> transform_input(Device& device, std::int64_t first,
                                        std::int64_t chunk) const {
    const Correlation& c = geometry_.c;
    const Reciprocal of_channels(c.channels);
    std::vector<Argument> arguments = input_arguments(case_.problem, c, v_);
    arguments.push_back({"channels_reciprocal", of_channels.bits()});
    arguments.push_back({"channels_shift", cl_int{of_channels.shift}});
    add_tiles(arguments, first, chunk);
    arguments.push_back({"in_image", cl_long{c.in_image}});
    return std::make_unique<KernelStep>(
        "transform_input", kernel(device, "winograd_gpu_input"), arguments,
        transform_range(case_.profile, chunk, c.groups * c.channels));
  }

  std::unique_ptr<Step> multiply(Device& device, std::int64_t chunk) const {
    const Correlation& c = geometry_.c;
    const GpuTile& tile = geometry_.tile;
    return std::make_unique<KernelStep>(
        "multiply", kernel(device, "winograd_gpu_multiply"),
        std::vector<Argument>{{"V", v_},
                              {"packed", Region{kPreparedSlot}},
                              {"products", products_},
                              {"channels", narrow(c.channels)},
                              {"filters", narrow(c.filters)},
                              {"padded_filters", narrow(geometry_.padded_filters)},
                              {"pitch", narrow(geometry_.pitch)},
                              {"strips", narrow(ceil_div(chunk, tile.bn))}},
        items(geometry_.work_groups_of(chunk) * tile.items(), tile.items()));
  }

  std::unique_ptr<Step> transform_output(Device& device, std::int64_t first,
                                         std::int64_t chunk) const {
    const Correlation& c = geometry_.c;
    const Reciprocal of_filters(c.filters);
    std::vector<Argument> arguments = {
        {"products", products_},
        {"b", Region{kBiasSlot}},
        {"r", Region{kResidualSlot}},
        {"result", Region{static_cast<int>(result_of(case_.problem))}},
        {"filters", narrow(c.filters)},
        {"groups", narrow(c.groups)},
        {"oh", narrow(c.oh)},
        {"ow", narrow(c.ow)},
        {"filters_reciprocal", of_filters.bits()},
        {"filters_shift", cl_int{of_filters.shift}}};
    add_tiles(arguments, first, chunk);
    arguments.push_back({"out_image", cl_long{c.out_image}});
    return std::make_unique<KernelStep>(
        "transform_output", kernel(device, "winograd_gpu_output"),
        with_slopes(case_.problem, arguments),
        transform_range(case_.profile, chunk, c.groups * c.filters));
  }

  // Where the chunk's tiles lie.
  void add_tiles(std::vector<Argument>& arguments, std::int64_t first, std::int64_t chunk) const {
    const Reciprocal of_y(geometry_.tiles_y), of_x(geometry_.tiles_x);
    const std::int64_t line = first / geometry_.tiles_x;
    arguments.insert(arguments.end(), {{"tiles_y", narrow(geometry_.tiles_y)},
                                       {"tiles_y_reciprocal", of_y.bits()},
                                       {"tiles_y_shift", cl_int{of_y.shift}},
                                       {"tiles_x", narrow(geometry_.tiles_x)},
                                       {"tiles_x_reciprocal", of_x.bits()},
                                       {"tiles_x_shift", cl_int{of_x.shift}},
                                       {"first_x", narrow(first % geometry_.tiles_x)},
                                       {"first_y", narrow(line % geometry_.tiles_y)},
                                       {"first_image", cl_long{line / geometry_.tiles_y}},
                                       {"tiles", narrow(chunk)},
                                       {"pitch", narrow(geometry_.pitch)}});
  }

  const Case& case_;
  Geometry geometry_;
  std::string defines_;
  Region v_, products_;
};

// Strips of a chunk: as many as fit in half the last-level cache, but enough to fill the device, or fewer to keep the
// workspace limit. Unmeasured on a GPU.
int wanted_strips(const Case& all, GpuTile tile) {
  constexpr std::int64_t kWorkGroupsPerUnit = 2;
  const Geometry one(all, tile);
  const std::int64_t cached = all.profile.cache_bytes / 2 / (one.v_bytes + one.product_bytes);
  const std::int64_t busy =
      all.profile.compute_units * kWorkGroupsPerUnit * all.machine.items_per_unit / tile.items();
  const std::int64_t filling = ceil_div(busy, one.batch * (one.padded_filters / tile.bm));
  const std::int64_t wanted =
      std::clamp<std::int64_t>(std::max(cached, filling), 1, ceil_div(one.tiles, tile.bn));
  return strips_within(all.workspace_limit - one.packed_bytes, static_cast<int>(wanted),
                       [&](int strips) {
                         tile.strips = strips;
                         return Geometry(all, tile).workspace_bytes(all.profile);
                       });
}

template <int kM>
std::vector<Config> variants(const Case& all) {
  return configs_of(kTiles, all.profile, [&](GpuTile tile) {
    tile.m = kM;
    tile.strips = wanted_strips(all, tile);
    return tile.config();
  });
}

template <int kM>
Fit fit(const Case& c, const Config& config) {
  const GpuTile tile = GpuTile::from(config, kM);
  if (c.correlations.front().channels_last) return unserved("layout", "channels last (nhwc)");
  if (auto rejection = tile.rejection(c.profile)) return *rejection;
  const Geometry geometry(c, tile);
  // Counted in 31 bits, from the first tile of a row on.
  const std::int64_t most_tiles = INT32_MAX - geometry.tiles_x;
  if (geometry.pitch > most_tiles) return above("tiles of a chunk", geometry.pitch, most_tiles);
  const std::int64_t work_groups = geometry.work_groups_of(geometry.pitch);
  if (work_groups > INT32_MAX) return above("work-groups", work_groups, INT32_MAX);
  if (auto rejection = too_many_gpu_weights(geometry.c, geometry.padded_filters)) return *rejection;
  return std::make_unique<const TileLayout>(c, tile);
}

}  // namespace

// F(2x2) is for who wants it more exact; of the faster one the model may well mistake the tile.
extern const Body body_f2x2_tile = {
    "f2x2_tile", Suits::kGpus, 1, "winograd/tile winograd/tile_weights", variants<2>, fit<2>};
extern const Body body_f4x4_tile = {
    "f4x4_tile", Suits::kGpus, 2, "winograd/tile winograd/tile_weights", variants<4>, fit<4>};

}  // namespace clconv::core::winograd
