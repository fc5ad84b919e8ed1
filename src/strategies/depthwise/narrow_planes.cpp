#include "strategies/depthwise/narrow_planes.hpp"

#include <algorithm>
#include <cstdlib>

#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {

NarrowTile NarrowTile::from(const Config& c) {
  return {c.get("rb", 1, 16), c.get_power_of_two("vw", 8, 16), c.get("planes", 1, 2)};
}

Config NarrowTile::config(const char* body) const {
  return {body, {{"planes", planes}, {"rb", rb}, {"vw", vw}}};
}

NarrowPlanes::NarrowPlanes(const Problem& p, const NarrowTile& t)
    : tile(t),
      rows(Axis::rows(p)),
      columns(Axis::columns(p)),
      in_h(p.wants_dx() ? p.oh() : p.h),
      in_w(p.wants_dx() ? p.ow() : p.w),
      res_w(p.wants_dx() ? p.w : p.ow()),
      planes(p.wants_dx() ? p.c : p.k),
      sets(ceil_div(planes, t.planes)) {}

std::int64_t NarrowPlanes::bottom() const {
  return (rows.steps - 1) * rows.advance + rows.start + rows.reach - (in_h - 1);
}

std::optional<Rejection> NarrowPlanes::rejection(const Problem& p) const {
  // What the compiler unrolls: multiply-adds of a tile, vectors of the input that it sees.
  constexpr std::int64_t kMostProducts = 1024, kMostVectors = 72, kMostPadding = 32;
  if (p.layout != TensorLayout::kNchw) return unserved("layout", "channels last (nhwc)");
  if (columns.advance > 2) return above("sw", columns.advance, 2);
  if (columns.residues > 2) return above("sw", columns.residues, 2);
  if (rows.residues > 2) return above("sh", rows.residues, 2);
  if (tile.rb > rows.steps) return above("rb", tile.rb, rows.steps);
  const std::int64_t group = tile.vw / tile.planes;  // lanes of a plane
  if (columns.steps > group) return above("columns of results", columns.steps, group);
  if (in_w > group * columns.advance)
    return above("columns of the input", in_w, group * columns.advance);
  // Rows of results run over into the next one only.
  const std::int64_t unused = group * columns.residues - res_w;
  if (unused > res_w) return above("lanes without a result", unused, res_w);
  if (std::abs(columns.start) > kMostPadding)
    return above("columns of padding", std::abs(columns.start), kMostPadding);
  const std::int64_t products = saturating_product(tile.rb, p.kh, p.kw);
  if (products > kMostProducts) return above("multiply-adds of a tile", products, kMostProducts);
  const std::int64_t vectors = saturating_product(rows.input(tile.rb), columns.advance);
  if (vectors > kMostVectors) return above("vectors that a tile sees", vectors, kMostVectors);
  return std::nullopt;
}

std::string NarrowPlanes::defines() const {
  // What only a single tile needs to know.
  const bool one = rows.steps == tile.rb;
  const std::int64_t zero_lanes = tile.vw / tile.planes - ceil_div(in_w, columns.advance);
  return define("TOP", top()) + define("BOTTOM", one ? bottom() : 0) +
         define("LEFT", -columns.start) + define("ONE_TILE", one) +
         define("ZERO_LANES", std::min(zero_lanes, columns.reach));
}

double NarrowPlanes::cycles(const Problem& p) const {
  // Calibrated on PoCL 3.1, 2-core Zen 5, 2026-11.
  constexpr double kRow = 3, kMove = 0.4, kProduct = 0.5;
  const double seen = static_cast<double>(rows.input(tile.rb));
  const double loads = kRow * static_cast<double>(columns.advance);
  const double moves = kMove * static_cast<double>(columns.reach + 1);
  return seen * (loads + moves) + kProduct * static_cast<double>(tile.rb * p.kh * p.kw);
}

}  // namespace clconv::core::depthwise
