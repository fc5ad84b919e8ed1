#include "strategies/im2col_gemm/chunking.hpp"

#include <algorithm>

namespace clconv::core::im2col_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// Every chunk is three to five steps of its own.
constexpr std::int64_t kMaxChunks = 1024;

// With chunks of rows, a pixel of dx would be rounded to float16 once per chunk that adds to it.
bool can_cut_rows(const Problem& p) {
  return !p.wants_dx() || p.data_type == DataType::kFloat32;
}

}  // namespace

bool can_scatter(const Problem& p) {
  return p.wants_dx() && p.data_type == DataType::kFloat32;
}

std::int64_t patch_of(const Problem& p) {
  return p.c_per_group() * p.kh * p.kw;
}

Chunking::Chunking(const Case& c, Product whose, std::int64_t images_per_chunk,
                   std::int64_t rows_per_chunk)
    : product(whose), images(images_per_chunk), rows(rows_per_chunk) {
  const Problem& p = c.problem;
  const std::int64_t columns = p.wants_dx() ? patch_of(p) : p.k_per_group();
  GemmTile tile = {1, 1, 1};
  if (own()) tile = {panel_rows(c.profile), panel_columns(c.profile, columns), 1};
  if (product == Product::kClblastTuned) tile = gemm_tile(c.profile, parameters());
  pixels = saturating_product(images, rows, p.ow());
  const bool weights = p.direction == Direction::kBackwardWeights;
  m = round_up(weights ? patch_of(p) : pixels, tile.m);
  n = round_up(columns, tile.n);
  block = own() ? tile.n : n;
  k = round_up(weights ? pixels : p.wants_dx() ? p.k_per_group() : patch_of(p), tile.k);
}

Gemm Chunking::gemm(const Problem& p) const {
  Gemm gemm;
  gemm.transpose_b = true;
  gemm.m = gemm.lda = gemm.ldc = m;
  gemm.n = gemm.ldb = n;
  gemm.k = k;
  gemm.batch = p.g;
  return gemm;
}

std::int64_t Chunking::a_bytes(const Problem& p) const {
  return saturating_product(p.g, k, m, kElement);
}
std::int64_t Chunking::b_bytes(const Problem& p) const {
  return saturating_product(p.g, k, n, kElement);
}
std::int64_t Chunking::c_bytes(const Problem& p) const {
  return saturating_product(p.g, n, m, kElement);
}

Chunking::Regions Chunking::layout(const Case& c) const {
  const Problem& p = c.problem;
  WorkspaceLayout layout(c.profile);
  Regions regions;
  regions.a = layout.add(a_bytes(p));
  if (b_is_weights(p)) {
    regions.prepared_bytes = b_bytes(p);
    regions.b = {kPreparedSlot, 0, regions.prepared_bytes};
  } else {
    regions.b = layout.add(b_bytes(p));
  }
  regions.c = layout.add(c_bytes(p));
  // The batched routine for groups takes no temporary of ours; it allocates what it needs.
  const bool temporary = p.g == 1 && !own();
  regions.temporary =
      layout.add(temporary ? gemm_workspace_bytes(c.profile, parameters(), gemm(p), false) : 0);
  regions.workspace_bytes = layout.bytes();
  return regions;
}

std::optional<Rejection> Chunking::rejection(const Case& c) const {
  const Problem& p = c.problem;
  const std::int64_t largest_bytes = std::max({a_bytes(p), b_bytes(p), c_bytes(p)});
  if (largest_bytes > kElement * INT32_MAX)
    return above("elements of a matrix", largest_bytes / kElement, INT32_MAX);
  const Regions needs = layout(c);
  if (needs.total_bytes() > c.workspace_limit)
    return over_limit(needs.workspace_bytes, needs.prepared_bytes, c.workspace_limit);
  return std::nullopt;
}

Chunking smallest_cut(const Case& c, Product product) {
  const Problem& p = c.problem;
  if (p.n > kMaxChunks) return {c, product, ceil_div(p.n, kMaxChunks), p.oh()};
  const std::int64_t rows =
      can_cut_rows(p) ? ceil_div(p.oh(), std::max<std::int64_t>(1, kMaxChunks / p.n)) : p.oh();
  return {c, product, 1, rows};
}

std::vector<Chunking> cuts(const Case& c, Product product) {
  const Problem& p = c.problem;
  const auto cut = [&](std::int64_t images, std::int64_t rows) {
    return Chunking(c, product, images, rows);
  };
  const auto fits = [&](const Chunking& chunking) { return !chunking.rejection(c); };
  if (!fits(smallest_cut(c, product))) return {};
  const std::int64_t images = largest(p.n, [&](std::int64_t i) { return fits(cut(i, p.oh())); });
  if (images == 0 || cut(images, p.oh()).chunks(p) > kMaxChunks)
    return {cut(1, largest(p.oh(), [&](std::int64_t r) { return fits(cut(1, r)); }))};
  // Many images at once make a large product of small planes; one at a time stays in the cache.
  if (images > 1 && p.n <= kMaxChunks) return {cut(images, p.oh()), cut(1, p.oh())};
  return {cut(images, p.oh())};
}

Cut Cut::from(const Problem& p, const Config& config) {
  // A config made for a larger problem of the class just has fewer chunks here.
  return {std::min<std::int64_t>(p.n, config.get("images", 1, INT32_MAX)),
          std::min<std::int64_t>(p.oh(), config.get("rows", 1, INT32_MAX)),
          p.wants_dx() && config.get("atomic", 0, 1) == 1};
}

Config Cut::config(const char* body, const Problem& p) const {
  Config config{body, {{"images", static_cast<int>(images)}, {"rows", static_cast<int>(rows)}}};
  if (p.wants_dx()) config.set("atomic", atomic ? 1 : 0);
  return config;
}

std::optional<Rejection> Cut::rejection(const Problem& p) const {
  // More than one image needs all of its rows, and so do narrow gradients.
  if (rows < p.oh() && (images > 1 || !can_cut_rows(p))) return other_than("rows", rows, p.oh());
  // dx is zeroed as one piece before.
  if (atomic && p.result_image() * p.n != p.x_elements())
    return unserved("atomic", "atomic with images of the result that lie apart");
  if (atomic && !can_scatter(p)) return unserved("atomic", row_of(p.data_type).name);
  return std::nullopt;
}

}  // namespace clconv::core::im2col_gemm
