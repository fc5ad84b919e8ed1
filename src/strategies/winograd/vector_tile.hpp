// The tiles of `f2x2` and `f4x4`, and how they divide a problem.
#pragma once

#include <algorithm>

#include "ops/epilogue.hpp"
#include "ops/mask.hpp"
#include "strategies/winograd/bodies.hpp"

namespace clconv::core::winograd {

// F(m x m, 3x3), `vt` lanes of tiles going in; per work-group of the products `bt` times `tt` tiles and `kv` vectors of
// `vw` filters; `strips` of bt*tt tiles per chunk.
struct VectorTile {
  int m, vt, tt, bt, kv, vw, strips;

  Config config() const {
    return {m == 2 ? "f2x2" : "f4x4",
            {{"vt", vt}, {"tt", tt}, {"bt", bt}, {"kv", kv}, {"vw", vw}, {"strips", strips}}};
  }
  static VectorTile from(const Config& c, int m) {
    const VectorTile tile{m,
                          c.get("vt", 4, 16),
                          c.get("tt", 1, 64),
                          c.get("bt", 1, 64),
                          c.get("kv", 1, 8),
                          c.get_power_of_two("vw", 4, 16),
                          c.get("strips", 1, INT32_MAX)};
    const auto power = [](int value) { return (value & (value - 1)) == 0; };
    if (!power(tile.vt) || !power(tile.vw)) {
      throw Error(Code::kInvalidArgument,
                  "config '" + c.text() + "': vt and vw must be powers of two");
    }
    return tile;
  }
  // Of the three kernels, each what matters to it.
  Config weights_macros() const { return {{"m", m}, {"kv", kv}, {"vw", vw}}; }
  std::string input_defines(const Problem& p) const {
    return Config{{"m", m}, {"vt", vt}, {"vw", vw}}.defines() + " " + storage_define(p.data_type) +
           mask_of(p).defines;
  }
  std::string multiply_defines(Problem p) const {
    p.mask = false;
    return Config{{"m", m}, {"tt", tt}, {"bt", bt}, {"kv", kv}, {"vw", vw}}.defines() + " " +
           epilogue_defines(p);
  }

  std::int64_t products() const { return products_of(m); }
  std::int64_t strip() const { return std::int64_t{tt} * bt; }
  std::int64_t block() const { return std::int64_t{vw} * kv; }
  std::int64_t local_bytes() const {
    return products() * (strip() * block() + vw) * Problem::kFloatBytes;
  }
  bool fits(const DeviceProfile& profile) const {
    return local_bytes() <= profile.local_memory_bytes;
  }
};

// What a tile makes of a problem.
struct Geometry : Tiles {
  static constexpr std::int64_t kLine = 16;  // floats of a cache line

  VectorTile tile;
  std::int64_t chunk_tiles, chunk_pitch, xi_step;  // in V
  std::int64_t blocks_per_group, blocks;

  Geometry(const Case& all, const VectorTile& t)
      : Tiles(all, t.m),
        tile(t),
        chunk_tiles(std::min<std::int64_t>(tile.strips, ceil_div(tiles, tile.strip())) *
                    tile.strip()),
        // Room for the last vector.
        chunk_pitch(round_up(chunk_tiles + tile.vt, kLine)),
        // An odd number of lines: the transform stores one of each xi in turn, and they are not to fall into
        // one set of the cache (twice the time for 64 channels of 56x56; 2-core Zen 5, 2026-11).
        xi_step((c.channels * chunk_pitch / kLine | 1) * kLine),
        blocks_per_group(ceil_div(c.filters, tile.block())),
        blocks(c.groups * blocks_per_group) {}

  std::int64_t chunks() const { return ceil_div(tiles, chunk_tiles); }
  std::int64_t v_bytes() const {
    return saturating_product(tile.products(), c.groups, xi_step, Problem::kFloatBytes);
  }
  std::int64_t workspace_bytes(const DeviceProfile& profile) const {
    WorkspaceLayout layout(profile);
    layout.add(v_bytes());
    return layout.bytes();
  }
  std::int64_t packed_bytes() const {
    return saturating_product(tile.products(), blocks * tile.block(), c.channels,
                              Problem::kFloatBytes);
  }
  // Work-groups per plane of the input transform.
  std::int64_t parts(std::int64_t chunk, const DeviceProfile& profile) const {
    const std::int64_t wanted = ceil_div(4 * profile.compute_units, c.groups * c.channels);
    return std::clamp<std::int64_t>(wanted, 1, ceil_div(chunk, tiles_x));
  }
};

}  // namespace clconv::core::winograd
