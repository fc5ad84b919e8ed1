// weights_tile: a work-group's tile of filters and patch elements in local memory, a register tile per work-item. For
// GPUs.
#include "ops/quotient.hpp"
#include "strategies/implicit_gemm/gpu_tile.hpp"
#include "strategies/implicit_gemm/split_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr Tile kTiles[] = {{128, 128, 16, 8, 8}, {64, 64, 16, 8, 4}, {32, 64, 16, 4, 4}};
// For devices with work-groups too small for all of them.
constexpr Tile kSmallTile = {32, 32, 16, 4, 4};
// Products of a step of large tiles where factors are not loaded ahead, so that more work-groups share a unit's local
// memory, and where there is too little of it. And of 64x64 with 1x1 filters: with more ptxas 13.0 spills to have one
// more work-group per unit.
constexpr int kFewProducts = 8;
constexpr int kLarge = 64;  // filters

int span_of(const Problem& p) {
  return p.ow() % 4 == 0 ? 4 : p.ow() % 2 == 0 ? 2 : 1;
}
std::int64_t pixels_of(const Problem& p) {
  return p.n * p.oh() * p.ow();
}

// No padding is read.
bool reads_inside(const Problem& p) {
  return !p.padded() && (p.oh() - 1) * p.sh + (p.kh - 1) * p.dh < p.h &&
         (p.ow() - 1) * p.sw + (p.kw - 1) * p.dw < p.w;
}
// 1x1 filters see all pixels of x, which lie there as in dy.
bool is_point(const Problem& p) {
  return reads_inside(p) && p.kh * p.kw == 1 && p.sh * p.sw == 1;
}

// Work-groups of one part.
std::int64_t tile_groups(const Problem& p, const Tile& tile) {
  return ceil_div(p.k_per_group(), tile.bm) * ceil_div(p.c_per_group() * p.kh * p.kw, tile.bn) *
         p.g;
}

class WeightsTile : public SplitLayout {
 public:
  WeightsTile(const Case& c, const Tile& tile, int span)
      : SplitLayout(c, ceil_div(pixels_of(c.problem), tile.bk), tile.split),
        tile_(tile),
        span_(span) {}

  void describe(Candidate& candidate) const override {
    SplitLayout::describe(candidate);
    candidate.coverage.columns_multiple = span_;
  }

 protected:
  double us() const override {
    const Problem& p = case_.problem;
    const Pass pass = tile_.pass(case_, tile_groups(p, tile_), tile_.split,
                                 round_up(pixels_of(p), tile_.bk), operand_bytes(p));
    return predicted_us(case_.profile, {pass, PartialSums::pass(p, tile_.split)});
  }
  std::int64_t tile_filters() const override { return tile_.bm; }
  std::int64_t tile_elements() const override { return tile_.bn; }
  std::unique_ptr<Step> multiply(Device& device, const Operands& operands,
                                 const PartialSums& result) const override {
    const Problem& p = case_.problem;
    std::vector<Argument> arguments = {{"x", operands.x},
                                       {"dy", operands.dy},
                                       {"y_mask", p.mask ? Region{kYSlot} : operands.dy},
                                       {"result", result.region}};
    for (const std::vector<Argument>& more : {filter_arguments(), pixel_arguments()})
      arguments.insert(arguments.end(), more.begin(), more.end());
    // Distances between images, and BK pixels.
    const std::int64_t step = tile_.bk / span_;
    for (const Argument& more :
         {number("x_image", p.c * p.h * p.w), number("dy_others", (p.k - 1) * p.oh() * p.ow()),
          Argument{"step_image", narrow(step / image_spans())},
          Argument{"step_i", narrow(step % image_spans() / spans())},
          Argument{"step_j", narrow(step % spans())}, Argument{"part_stride", result.stride(p)}})
      arguments.push_back(more);
    const auto local = static_cast<std::size_t>(tile_.items());
    return std::make_unique<KernelStep>(
        "multiply", device.kernel("implicit_gemm/weights_tile", "weights_tile", defines()),
        arguments,
        Range{{static_cast<std::size_t>(tile_groups(p, tile_) * split_.parts) * local, 1, 1},
              {local, 1, 1}});
  }

 private:
  std::int64_t spans() const { return case_.problem.ow() / span_; }  // of a row
  std::int64_t image_spans() const { return case_.problem.oh() * spans(); }
  std::int64_t taps() const { return case_.problem.kh * case_.problem.kw; }
  // An argument of the kernel's type `number`.
  Argument number(const char* name, std::int64_t value) const {
    if (tile_.wide != 0) return {name, cl_long{value}};
    return {name, narrow(value)};
  }
  std::string defines() const {
    const Problem& p = case_.problem;
    const Config macros{{"span", span_},
                        {"full", pixels_of(p) % tile_.bk == 0},
                        {"inside", reads_inside(p)},
                        {"point", is_point(p)},
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
    const Reciprocal of_spans(spans()), of_image(image_spans());
    return {{"oh", narrow(p.oh())},
            {"ow", narrow(p.ow())},
            {"spans", narrow(spans())},
            {"spans_reciprocal", of_spans.bits()},
            {"spans_shift", cl_int{of_spans.shift}},
            {"image_spans", narrow(image_spans())},
            {"image_spans_reciprocal", of_image.bits()},
            {"image_spans_shift", cl_int{of_image.shift}},
            {"image_pixels", narrow(p.oh() * p.ow())},
            {"groups", narrow(p.g)},
            number("all_spans", p.n * image_spans()),
            number("spans_per_part", split_.units_per_part * (tile_.bk / span_)),
            {"filter_tiles", narrow(ceil_div(p.k_per_group(), tile_.bm))},
            {"column_tiles", narrow(ceil_div(p.c_per_group() * taps(), tile_.bn))}};
  }

  Tile tile_;
  int span_;  // neighbouring pixels of a row that a work-item fetches at once
};

bool needs_wide(const Problem& p) {
  const std::int64_t pixels = pixels_of(p);
  // Columns, which may lie in the padding, and pixels up to the end of the last part.
  const std::int64_t beyond = (p.h + p.pt + p.pb + p.kh * p.dh) * (p.w + p.pl + p.pr) * 256;
  return saturating_product(p.n, p.c, p.h, p.w) + beyond >= kNarrowLimit ||
         saturating_product(p.k, pixels) + 256 * p.oh() * p.ow() >= kNarrowLimit ||
         2 * pixels >= kNarrowLimit;
}

// What the lines of the tiles are longer, of two steps.
std::int64_t line_bytes(const Tile& tile) {
  return std::int64_t{2} * tile.bk * 8 * Problem::kFloatBytes;
}

std::vector<Config> variants(const Case& c) {
  constexpr std::int64_t kLeastPixels = 256;  // of a part
  std::vector<Config> configs;
  const auto add = [&](Tile tile) {
    tile.ahead = c.machine.loads_ahead;
    const bool scarce = tile.ahead == 0 || tile.rejection(c.profile, line_bytes(tile)) ||
                        (tile.bm == kLarge && is_point(c.problem));
    if (scarce && tile.bm >= kLarge) tile.bk = kFewProducts;
    const std::int64_t steps = ceil_div(pixels_of(c.problem), tile.bk);
    tile.split = static_cast<int>(
        parts_for(c.profile, tile_groups(c.problem, tile), steps, kLeastPixels / tile.bk));
    tile.wide = needs_wide(c.problem);
    Config config = tile.config("weights_tile");
    config.set("span", span_of(c.problem));
    configs.push_back(config);
  };
  for (const Tile& tile : kTiles)
    add(tile);
  if (c.profile.max_work_group_size < kTiles[1].items()) add(kSmallTile);
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const Tile tile = Tile::from(config);
  const int span = config.get_power_of_two("span", 1, 4);
  if (tile.bk % 8 != 0) {
    throw Error(Code::kInvalidArgument,
                "config '" + config.text() + "': bk is not a multiple of 8");
  }
  if (auto rejection = tile.rejection(c.profile, line_bytes(tile))) return *rejection;
  if (tile.wide == 0 && needs_wide(c.problem)) return other_than("wide", 0, 1);
  if (c.problem.ow() % span != 0) return other_than("ow % span", c.problem.ow() % span, 0);
  return std::make_unique<const WeightsTile>(c, tile, span);
}

}  // namespace

extern const Body body_weights_tile = {
    "weights_tile", Suits::kGpus, 3, "implicit_gemm/weights_tile ops/sum_parts", variants, fit};

}  // namespace clconv::core::implicit_gemm
