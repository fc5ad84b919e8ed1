// weights_tile: a work-group's tile of filters and patch elements in local memory, a register tile per work-item. For
// GPUs.
#include "ops/quotient.hpp"
#include "strategies/implicit_gemm/gpu_tile.hpp"
#include "strategies/implicit_gemm/split_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr Tile kTiles[] = {{128, 128, 8, 8, 8}, {64, 64, 8, 8, 4}, {32, 64, 16, 4, 4}};
// For devices with work-groups too small for all of them.
constexpr Tile kSmallTile = {32, 32, 16, 4, 4};

// Work-groups of one part.
std::int64_t tile_groups(const Problem& p, const Tile& tile) {
  return ceil_div(p.k_per_group(), tile.bm) * ceil_div(p.c_per_group() * p.kh * p.kw, tile.bn) *
         p.g;
}

class WeightsTile : public SplitLayout {
 public:
  WeightsTile(const Case& c, const Tile& tile)
      : SplitLayout(c, c.problem.n * c.problem.oh() * c.problem.ow(), tile.split), tile_(tile) {}

 protected:
  double us() const override {
    const Problem& p = case_.problem;
    const Pass pass = tile_.pass(case_, tile_groups(p, tile_), tile_.split,
                                 round_up(pixels(), tile_.bk), operand_bytes(p));
    return predicted_us(case_.profile, {pass, PartialSums::pass(p, tile_.split)});
  }
  std::int64_t tile_filters() const override { return tile_.bm; }
  std::int64_t tile_elements() const override { return tile_.bn; }
  std::unique_ptr<Step> multiply(Device& device, const Operands& operands,
                                 const PartialSums& result) const override {
    const Problem& p = case_.problem;
    const std::int64_t image_pixels = p.oh() * p.ow();
    std::vector<Argument> arguments = {{"x", operands.x},
                                       {"dy", operands.dy},
                                       {"y_mask", p.mask ? Region{kYSlot} : operands.dy},
                                       {"result", result.region}};
    for (const std::vector<Argument>& more : {filter_arguments(), pixel_arguments()})
      arguments.insert(arguments.end(), more.begin(), more.end());
    // Distances between images and filters, and BK pixels.
    for (const Argument& more :
         {number("x_image", p.c * p.h * p.w), number("dy_image", p.k * image_pixels),
          number("fetch_step", tile_.items() / tile_.bk * image_pixels),
          Argument{"step_image", narrow(tile_.bk / image_pixels)},
          Argument{"step_i", narrow(tile_.bk % image_pixels / p.ow())},
          Argument{"step_j", narrow(tile_.bk % p.ow())}, Argument{"part_stride", result.stride(p)}})
      arguments.push_back(more);
    const auto local = static_cast<std::size_t>(tile_.items());
    return std::make_unique<KernelStep>(
        "multiply", device.kernel("implicit_gemm/weights_tile", "weights_tile", defines()),
        arguments,
        Range{{static_cast<std::size_t>(tile_groups(p, tile_) * split_.parts) * local, 1, 1},
              {local, 1, 1}});
  }

 private:
  std::int64_t pixels() const { return case_.problem.n * case_.problem.oh() * case_.problem.ow(); }
  std::int64_t taps() const { return case_.problem.kh * case_.problem.kw; }
  // An argument of the kernel's type `number`.
  Argument number(const char* name, std::int64_t value) const {
    if (tile_.wide != 0) return {name, cl_long{value}};
    return {name, narrow(value)};
  }
  std::string defines() const {
    const Problem& p = case_.problem;
    const bool inside = !p.padded() && (p.oh() - 1) * p.sh + (p.kh - 1) * p.dh < p.h &&
                        (p.ow() - 1) * p.sw + (p.kw - 1) * p.dw < p.w;
    const Config macros{{"inside", inside},
                        {"whole", p.k_per_group() % tile_.bm == 0},
                        {"store_fours", p.c_per_group() * taps() % 4 == 0}};
    return weights_defines(p, tile_.defines(case_.machine)) + " " + macros.defines();
  }

  std::vector<Argument> filter_arguments() const {
    const Problem& p = case_.problem;
    const Reciprocal of_kw(p.kw), of_taps(taps());
    return {{"channels", narrow(p.c_per_group())},
            {"h", narrow(p.h)},
            {"w", narrow(p.w)},
            {"filters", narrow(p.k_per_group())},
            {"kw", narrow(p.kw)},
            {"kw_reciprocal", of_kw.bits()},
            {"kw_shift", cl_int{of_kw.shift}},
            {"taps", narrow(taps())},
            {"taps_reciprocal", of_taps.bits()},
            {"taps_shift", cl_int{of_taps.shift}},
            {"pt", narrow(p.pt)},
            {"pl", narrow(p.pl)}};
  }
  std::vector<Argument> pixel_arguments() const {
    const Problem& p = case_.problem;
    const std::int64_t image_pixels = p.oh() * p.ow();
    const Reciprocal of_ow(p.ow()), of_image(image_pixels);
    return {{"oh", narrow(p.oh())},
            {"ow", narrow(p.ow())},
            {"ow_reciprocal", of_ow.bits()},
            {"ow_shift", cl_int{of_ow.shift}},
            {"image_pixels", narrow(image_pixels)},
            {"image_pixels_reciprocal", of_image.bits()},
            {"image_pixels_shift", cl_int{of_image.shift}},
            {"groups", narrow(p.g)},
            number("pixels", pixels()),
            number("pixels_per_part", split_.units_per_part),
            {"filter_tiles", narrow(ceil_div(p.k_per_group(), tile_.bm))},
            {"column_tiles", narrow(ceil_div(p.c_per_group() * taps(), tile_.bn))}};
  }

  Tile tile_;
};

bool needs_wide(const Problem& p) {
  const std::int64_t pixels = p.n * p.oh() * p.ow();
  // Columns, which may lie beyond the last one or in the padding, and pixels up to the end of the last part.
  const std::int64_t beyond = (p.h + p.pt + p.pb + p.kh * p.dh) * (p.w + p.pl + p.pr) * 256;
  return saturating_product(p.n, p.c, p.h, p.w) + beyond >= kNarrowLimit ||
         saturating_product(p.k, pixels) + 256 * p.oh() * p.ow() >= kNarrowLimit ||
         2 * pixels >= kNarrowLimit;
}

std::vector<Config> variants(const Case& c) {
  constexpr std::int64_t kLeastPixels = 256;  // of a part
  std::vector<Config> configs;
  const auto add = [&](Tile tile) {
    const std::int64_t pixels = c.problem.n * c.problem.oh() * c.problem.ow();
    tile.split =
        static_cast<int>(parts_for(c.profile, tile_groups(c.problem, tile), pixels, kLeastPixels));
    tile.ahead = c.machine.loads_ahead;
    tile.wide = needs_wide(c.problem);
    configs.push_back(tile.config("weights_tile"));
  };
  for (const Tile& tile : kTiles)
    add(tile);
  if (c.profile.max_work_group_size < kTiles[1].items()) add(kSmallTile);
  return configs;
}

// What the lines of the tiles are longer, of two steps.
std::int64_t line_bytes(const Tile& tile) {
  return std::int64_t{2} * tile.bk * 8 * Problem::kFloatBytes;
}

Fit fit(const Case& c, const Config& config) {
  const Tile tile = Tile::from(config);
  if (auto rejection = tile.rejection(c.profile, line_bytes(tile))) return *rejection;
  if (tile.wide == 0 && needs_wide(c.problem)) return other_than("wide", 0, 1);
  return std::make_unique<const WeightsTile>(c, tile);
}

}  // namespace

extern const Body body_weights_tile = {
    "weights_tile", Suits::kGpus, 3, "implicit_gemm/weights_tile ops/sum_parts", variants, fit};

}  // namespace clconv::core::implicit_gemm
