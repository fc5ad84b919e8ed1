#include "planner/stand_in.hpp"

#include <algorithm>

namespace clconv::core {
namespace {

std::int64_t shrink_axis(std::int64_t size, std::int64_t out, std::int64_t most,
                         std::int64_t kernel, std::int64_t stride, std::int64_t dilation,
                         std::int64_t padding) {
  if (out <= most) return size;
  // The last step sees as much padding, and leaves as much of the input, as that of the problem does: programs with
  // code for that are the problem's own.
  const std::int64_t least = (most - 1) * stride + dilation * (kernel - 1) + 1 - padding;
  const std::int64_t left = (size + padding - dilation * (kernel - 1) - 1) % stride;
  return std::clamp<std::int64_t>(least + left, 1, size);
}

std::string spaced(const std::string& words) {
  return words.empty() ? "" : " " + words;
}

// One axis of a problem, of which a small one has at most `usual`, unless a tile of the variant needs more: then it has
// as much of the tile and the rest behind it as the problem itself.
struct TiledAxis {
  std::int64_t size, usual, tile;  // of the problem, of a small one, of the variant's tile
  const char* what;

  static constexpr std::int64_t kRest = 3;
  bool whole() const { return tile > 0 && size >= tile; }
  bool rest() const { return tile > 0 && size >= tile + kRest; }
  std::int64_t small() const {
    const std::int64_t covered = rest() ? tile + kRest : whole() ? tile : 0;
    return std::min(size, std::max(usual, covered));
  }
  // What the class of a problem says about it.
  std::string words() const {
    if (tile + kRest <= usual || !whole()) return "";
    return " whole tiles of " + std::to_string(tile) + " " + what + (rest() ? " and a rest" : "");
  }
};

// More filters than most register tiles have, and where channels are tiled, as many channels; two vectors of columns
// and a rest.
constexpr std::int64_t kMostTiled = 35, kMostUntiled = 7, kMostOutputs = 33;

// Of a group.
TiledAxis channels_of(const Problem& p, const Coverage& coverage) {
  const std::int64_t size = p.c_per_group();
  if (p.direction == Direction::kBackwardWeights)
    return {size, kMostTiled, ceil_div(coverage.elements, p.kh * p.kw), "channels"};
  if (p.wants_dx()) return {size, kMostUntiled, coverage.filters, "channels"};
  return {size, std::max(kMostUntiled, coverage.slab_channels), 0, "channels"};
}

TiledAxis filters_of(const Problem& p, const Coverage& coverage) {
  const std::int64_t size = p.k_per_group();
  if (p.wants_dx()) return {size, std::max(kMostTiled, coverage.slab_channels), 0, "filters"};
  return {size, kMostTiled, coverage.filters, "filters"};
}

TiledAxis columns_of(const Problem& p, const Coverage& coverage) {
  if (p.wants_dx()) return {p.w, kMostOutputs * p.sw, coverage.columns, "columns"};
  return {p.ow(), kMostOutputs, coverage.columns, "columns"};
}

TiledAxis rows_of(const Problem& p, const Coverage& coverage) {
  const TiledAxis columns = columns_of(p, coverage);
  const std::int64_t size = p.wants_dx() ? p.h : p.oh();
  const std::int64_t usual = p.wants_dx() ? kMostOutputs * p.sh : kMostOutputs;
  // Of long rows fewer.
  const std::int64_t few = std::max<std::int64_t>(5, usual * columns.usual / columns.small());
  return {size, std::min(usual, few), coverage.rows, "rows"};
}

}  // namespace

Problem small_problem(const Problem& problem, const Coverage& coverage) {
  Problem p = with_dense_images(problem);       // the same programs, and no other arithmetic
  const bool one_pixel = p.oh() * p.ow() == 1;  // then the images are what is tiled
  p.n = std::min<std::int64_t>(p.n, one_pixel ? kMostTiled : 2);
  // For depthwise nhwc, vectors run along the channels.
  const bool tiles_groups = p.layout == TensorLayout::kNhwc && p.c_per_group() == 1;
  p.g = std::min<std::int64_t>(problem.g, tiles_groups ? kMostTiled : 3);
  p.c = p.g * channels_of(problem, coverage).small();
  p.k = p.g * filters_of(problem, coverage).small();
  const std::int64_t rows = rows_of(problem, coverage).small();
  const std::int64_t columns =
      round_up(columns_of(problem, coverage).small(), coverage.columns_multiple);
  const std::int64_t most_h = p.wants_dx() ? kMostOutputs : rows;
  const std::int64_t most_w = p.wants_dx() ? kMostOutputs : columns;
  p.h = shrink_axis(p.h, p.oh(), most_h, p.kh, p.sh, p.dh, p.pt + p.pb);
  p.w = shrink_axis(p.w, p.ow(), most_w, p.kw, p.sw, p.dw, p.pl + p.pr);
  if (p.wants_dx()) {  // then dx is tiled, which with much padding is smaller than dy
    p.h = std::min(problem.h, std::max(p.h, rows));
    p.w = std::min(problem.w, std::max(p.w, columns));
  }
  return p;
}

std::vector<Problem> stand_ins(const Problem& problem, const Coverage& coverage) {
  const Problem least = small_problem(problem, coverage);
  enum Axis : unsigned { kImages = 1, kPixels = 2, kChannels = 4, kFilters = 8, kGroups = 16 };
  constexpr unsigned kAll = kImages | kPixels | kChannels | kFilters | kGroups;
  const auto grown = [&](unsigned axes, std::int64_t factor) {
    const auto size = [&](unsigned axis, std::int64_t from, std::int64_t to) {
      return (axes & axis) != 0 ? std::min(saturating_product(from, factor), to) : from;
    };
    Problem p = least;
    p.n = size(kImages, least.n, problem.n);
    p.h = size(kPixels, least.h, problem.h);
    p.w = size(kPixels, least.w, problem.w);
    p.g = size(kGroups, least.g, problem.g);
    p.c = p.g * size(kChannels, least.c_per_group(), problem.c_per_group());
    p.k = p.g * size(kFilters, least.k_per_group(), problem.k_per_group());
    return p;
  };
  std::vector<Problem> all = {least};
  for (std::int64_t factor = 2; all.back() != problem; factor *= 2) {
    for (const unsigned axes : {unsigned{kImages}, unsigned{kPixels}, unsigned{kChannels},
                                unsigned{kFilters}, unsigned{kGroups}, kAll}) {
      all.push_back(grown(axes, factor));
    }
  }
  // None has more operations than `problem`, which thus stays the last.
  std::stable_sort(all.begin(), all.end(),
                   [](const Problem& a, const Problem& b) { return a.flops() < b.flops(); });
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::string problem_class(const Problem& problem, const Coverage& coverage) {
  const Problem p = small_problem(problem, coverage);
  const std::string slabs = coverage.slab_channels > 0
                                ? " from " + std::to_string(coverage.slab_channels) + " channels on"
                                : "";
  std::string tiles;
  for (const auto& axis : {channels_of, filters_of, rows_of, columns_of})
    tiles += axis(problem, coverage).words();
  const char* grouping = p.g == 1 ? "dense" : p.c_per_group() == 1 ? "depthwise" : "grouped";
  return std::string(to_string(p.direction)) + " " + grouping + slabs + " kernel " +
         std::to_string(p.kh) + "x" + std::to_string(p.kw) + " stride " + std::to_string(p.sh) +
         "x" + std::to_string(p.sw) + " dilation " + std::to_string(p.dh) + "x" +
         std::to_string(p.dw) + (p.padded() ? " padded" : "") +
         (p.oh() * p.ow() == 1 ? " one pixel" : "") + tiles + spaced(epilogue_words(p)) +
         spaced(storage_words(p));
}

}  // namespace clconv::core
