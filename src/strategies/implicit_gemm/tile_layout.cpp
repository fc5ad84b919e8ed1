// The layout of bodies whose kernel is implicit_gemm/tile.cl.
#include "strategies/implicit_gemm/tile_layout.hpp"

#include <algorithm>

#include "ops/epilogue.hpp"
#include "ops/quotient.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm/correlation_bodies.hpp"
#include "strategies/implicit_gemm/tile_pack.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

// Work-items of a work-group of the other kernels.
constexpr std::int64_t kItemsOfGroup = 64;

// How the kernel reads the input, its GATHER.
enum Gather { kElements = 0, kFourPixels = 1, kFourChannels = 2, kTapOfEach = 3 };

bool mostly_empty(const Tile& tile, const Correlation& c) {
  return 5 * c.channels < 4 * round_up(c.channels, tile.bk);
}

Gather gather_of(const Tile& tile, const Correlation& c) {
  if (c.reduction() == 0) return kElements;
  const std::int64_t taps = c.taps_h * c.taps_w;
  if (taps > 1 && mostly_empty(tile, c)) return kTapOfEach;
  if (c.channels_last) return c.channels % 4 == 0 ? kFourChannels : kElements;
  return input_fours(c) ? kFourPixels : kElements;
}

// A correlation as `tile` divides it.
struct TileGrid {
  Gather gather;
  std::int64_t channels;  // 0: no tap meets the results, whose one step multiplies zeroes
  std::int64_t pixels, filter_tiles, pixel_tiles, together, steps, steps_per_part, parts;

  TileGrid(const Tile& tile, const Correlation& c)
      : gather(gather_of(tile, c)),
        channels(c.reduction() == 0 ? 0 : c.channels),
        pixels(c.images * c.oh * c.ow),
        filter_tiles(ceil_div(c.filters, tile.bm)),
        pixel_tiles(ceil_div(pixels, tile.bn)),
        together(gather == kTapOfEach ? c.channels : tile.bk),
        steps(channels == 0          ? 1
              : gather == kTapOfEach ? ceil_div(c.reduction(), tile.bk)
                                     : ceil_div(c.channels, tile.bk) * c.taps_h * c.taps_w),
        steps_per_part(ceil_div(steps, tile.split)),
        parts(ceil_div(steps, steps_per_part)) {}
  std::int64_t work_groups(const Correlation& c) const {
    return filter_tiles * pixel_tiles * c.groups;
  }
  // Of what is summed apart, if it is.
  std::int64_t partial_bytes(const Tile& tile, const Correlation& c) const {
    return tile.split == 1 ? 0 : saturating_product(parts, c.groups * c.filters, pixels, kElement);
  }
  TilePack pack(const Tile& tile, const TileFactors& factors) const {
    return {tile.bm, channels, together, steps * tile.bk, factors.bytes, factors.together};
  }
};

// Distances within a step, or pixels, that 32 bits do not hold.
bool needs_wide(const Tile& tile, const Correlation& c) {
  const std::int64_t channels = std::max<std::int64_t>(tile.bk, c.channels);
  const std::int64_t distance = saturating_product(channels, c.in_plane) +
                                saturating_product(c.taps_h, c.dh, c.in_pitch) +
                                saturating_product(c.taps_w, c.dw, c.in_step);
  return distance >= kNarrowLimit || c.images * c.oh * c.ow + tile.bn >= kNarrowLimit;
}
bool needs_wide(const Tile& tile, const std::vector<Correlation>& correlations) {
  return std::any_of(correlations.begin(), correlations.end(),
                     [&](const Correlation& c) { return needs_wide(tile, c); });
}

std::int64_t tile_workspace_bytes(const Tile& tile, const Case& all) {
  std::int64_t bytes = 0;
  for (const Correlation& c : all.correlations)
    bytes = std::max(bytes, TileGrid(tile, c).partial_bytes(tile, c));
  return bytes == 0 ? 0 : aligned(bytes, all.profile);
}

class TileLayout : public Layout {
 public:
  TileLayout(const Case& c, const Tile& tile, const TileFactors& factors)
      : case_(c),
        tile_(tile),
        factors_(factors),
        weights_(c,
                 [&](const Correlation& one) { return TileGrid(tile, one).pack(tile, factors); }),
        workspace_bytes_(tile_workspace_bytes(tile, c)) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    for (const Correlation& c : case_.correlations)
      candidate.predicted_us += us_of(c);
    candidate.workspace_bytes = workspace_bytes_;
    candidate.prepared_weights_bytes = weights_.bytes;
    candidate.predicted_setup_us = kPredictedBuildUs;
    candidate.coverage = coverage_of(case_, tile_.bm, 0);
    candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
    if (factors_.math == Math::kFloat16) multiplies_float16(candidate, p, factors_.chunk);
    if (factors_.math == Math::kTf32) multiplies_tf32(candidate, p);
  }

  void add_to(Executable& executable, Device& device) const override {
    weights_.add_to(executable, device, case_);
    executable.workspace_bytes = workspace_bytes_;
    for (std::size_t i = 0; i < case_.correlations.size(); ++i) {
      const Correlation& c = case_.correlations[i];
      if (nothing_to_do(case_.problem, c)) continue;
      executable.run.add(multiply(device, c, weights_.regions[i]));
      if (tile_.split > 1) executable.run.add(fold(device, c));
    }
  }

 private:
  double us_of(const Correlation& c) const {
    const TileGrid grid(tile_, c);
    const Pass pass = tile_.pass(case_, grid.work_groups(c), grid.parts, grid.steps * tile_.bk,
                                 bytes_touched(case_.problem, c, weights_.bytes), factors_.speed);
    // Parts are written and read again. Without parts there are no bytes and no launch.
    const Pass fold = copy_pass(2.0 * real(grid.partial_bytes(tile_, c)),
                                real(c.groups * c.filters * grid.pixels) / real(kItemsOfGroup));
    return predicted_us(case_.profile, {pass, fold});
  }
  std::string defines(const Correlation& c) const {
    const Config macros{{"gather", gather_of(tile_, c)},
                        {"partial", tile_.split > 1},
                        {"one_tap", c.taps_h * c.taps_w == 1},
                        {"divide_taps", case_.machine.divides_taps},
                        {"whole", c.reduction() > 0 && c.channels % tile_.bk == 0},
                        {"store_fours", factors_.stores_fours && store_fours(c)}};
    return class_defines(case_.problem, c, tile_.defines(case_.machine)) + " " + macros.defines() +
           factors_.defines;
  }
  cl::Kernel kernel(Device& device, const char* entry, const Correlation& c) const {
    return device.kernel("implicit_gemm/tile", entry, defines(c));
  }
  Region partial() const { return {kWorkspaceSlot, 0, workspace_bytes_}; }
  // An argument of the kernel's type `number`.
  Argument number(const char* name, std::int64_t value) const {
    if (tile_.wide != 0) return {name, cl_long{value}};
    return {name, narrow(value)};
  }

  // The order of products and the distances between them.
  std::vector<Argument> product_arguments(const Correlation& c, const TileGrid& grid) const {
    const std::int64_t taps_h = std::max<std::int64_t>(1, c.taps_h);
    const std::int64_t taps_w = std::max<std::int64_t>(1, c.taps_w);
    const std::int64_t column = c.dw * c.in_step, row = c.dh * c.in_pitch;
    const Reciprocal of_taps(taps_h * taps_w), of_row(taps_w);
    const bool each = grid.gather == kTapOfEach;
    const std::int64_t back = (taps_w - 1) * column;
    // FETCH_ROWS of the kernel.
    const bool fours = grid.gather == kFourPixels || grid.gather == kFourChannels;
    const std::int64_t fetch = (fours ? 4 : 1) * tile_.items() / tile_.bn;
    return {{"channels", narrow(grid.channels)},
            {"taps_h", narrow(taps_h)},
            {"taps_w", narrow(taps_w)},
            number("column_step", column),
            number("row_step", each ? row : row - back),
            number("block_step", tile_.bk * c.in_plane - (taps_h - 1) * row - back),
            number("fetch_step", fetch * c.in_plane),
            {"fetch_tap_row", narrow(fetch / (taps_w * c.channels))},
            {"fetch_tap_column", narrow(fetch / c.channels % taps_w)},
            {"fetch_channel", narrow(fetch % c.channels)},
            {"steps", narrow(grid.steps)},
            {"steps_per_part", narrow(grid.steps_per_part)},
            {"taps_reciprocal", of_taps.bits()},
            {"taps_shift", cl_int{of_taps.shift}},
            {"taps_w_reciprocal", of_row.bits()},
            {"taps_w_shift", cl_int{of_row.shift}}};
  }

  std::vector<Argument> pixel_arguments(const Correlation& c, const TileGrid& grid) const {
    const std::int64_t image_pixels = c.oh * c.ow;
    const Reciprocal of_image(image_pixels);
    return {{"image_pixels_reciprocal", of_image.bits()},
            {"image_pixels_shift", cl_int{of_image.shift}},
            {"filters", narrow(c.filters)},
            {"groups", narrow(c.groups)},
            number("pixels", grid.pixels),
            {"filter_tiles", narrow(grid.filter_tiles)},
            number("pixel_tiles", grid.pixel_tiles),
            {"in_image", cl_long{c.in_image}},
            number("in_plane", c.in_plane),
            {"in_pitch", cl_long{c.in_pitch}},
            {"in_step", narrow(c.in_step)}};
  }

  std::unique_ptr<Step> multiply(Device& device, const Correlation& c, const Region& packed) const {
    const Problem& p = case_.problem;
    const TileGrid grid(tile_, c);
    std::vector<Argument> arguments = operand_arguments(p, packed);
    arguments.push_back({"partial", partial()});
    for (const std::vector<Argument>& more : {product_arguments(c, grid), view_arguments(c),
                                              pixel_arguments(c, grid), result_arguments(c, 0)})
      arguments.insert(arguments.end(), more.begin(), more.end());
    const auto local = static_cast<std::size_t>(tile_.items());
    return std::make_unique<KernelStep>(
        "multiply", kernel(device, "implicit_gemm_tile", c), with_slopes(p, arguments),
        Range{{static_cast<std::size_t>(grid.work_groups(c) * grid.parts) * local, 1, 1},
              {local, 1, 1}});
  }

  std::unique_ptr<Step> fold(Device& device, const Correlation& c) const {
    const TileGrid grid(tile_, c);
    const Reciprocal of_row(c.ow), of_image(c.oh * c.ow);
    std::vector<Argument> arguments = {{"partial", partial()},
                                       {"b", Region{kBiasSlot}},
                                       {"r", Region{kResidualSlot}},
                                       {"result", Operands(case_.problem).result},
                                       {"parts", narrow(grid.parts)},
                                       {"all_filters", narrow(c.groups * c.filters)},
                                       number("pixels", grid.pixels),
                                       {"ow", narrow(c.ow)},
                                       {"ow_reciprocal", of_row.bits()},
                                       {"ow_shift", cl_int{of_row.shift}},
                                       {"image_pixels", narrow(c.oh * c.ow)},
                                       {"image_pixels_reciprocal", of_image.bits()},
                                       {"image_pixels_shift", cl_int{of_image.shift}}};
    for (const Argument& argument : result_arguments(c, 0))
      arguments.push_back(argument);
    return std::make_unique<KernelStep>(
        "fold", kernel(device, "implicit_gemm_fold", c), with_slopes(case_.problem, arguments),
        plane_range(case_.profile, grid.pixels, c.groups * c.filters));
  }

  const Case& case_;
  Tile tile_;
  TileFactors factors_;
  TileWeights weights_;
  std::int64_t workspace_bytes_;
};

}  // namespace

Tile with_distances(Tile tile, const Case& all) {
  tile.wide = needs_wide(tile, all.correlations);
  return tile;
}

void add_configs(std::vector<Config>& configs, const Case& all, const char* body, Tile tile) {
  configs.push_back(tile.config(body));
  const Correlation& c = all.correlations.front();
  const TileGrid grid(tile, c);
  tile.split = tile.wanted_split(all, grid.work_groups(c), grid.steps);
  if (tile.split > 1) configs.push_back(tile.config(body));
}

bool mostly_empty(const Tile& tile, const Case& all) {
  return mostly_empty(tile, all.correlations.front());
}

Fit tile_layout(const Case& c, const Tile& tile, const TileFactors& factors) {
  if (auto rejection = tile.rejection(c.profile, 0, factors)) return *rejection;
  if (tile.wide == 0 && needs_wide(tile, c.correlations)) return other_than("wide", 0, 1);
  return std::make_unique<const TileLayout>(c, tile, factors);
}

}  // namespace clconv::core::implicit_gemm
