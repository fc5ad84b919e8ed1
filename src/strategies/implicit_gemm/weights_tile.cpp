// weights_tile: a work-group's tile of filters and patch elements in local memory, a register tile per work-item. For GPUs.
#include "strategies/implicit_gemm/gpu_tile.hpp"
#include "strategies/implicit_gemm/split_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr Tile kTiles[] = {{128, 128, 8, 8, 8}, {64, 64, 8, 8, 8}, {32, 32, 16, 4, 4}};

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
    const std::int64_t work_groups = tile_groups(p, tile_);
    Pass pass;
    pass.work_groups = tile_.filling(work_groups * tile_.split);
    pass.flops = static_cast<double>(work_groups) * 2.0 * tile_.bm * tile_.bn *
                 static_cast<double>(round_up(pixels(), tile_.bk));
    pass.efficiency = tile_.efficiency();
    pass.bytes = operand_bytes(p);
    return predicted_us(case_.profile, {pass, PartialSums::pass(p, tile_.split)});
  }
  std::int64_t tile_filters() const override { return tile_.bm; }
  std::int64_t tile_elements() const override { return tile_.bn; }
  std::unique_ptr<Step> multiply(Device& device, const Operands& operands,
                                 const PartialSums& result) const override {
    const Problem& p = case_.problem;
    const std::int64_t image_pixels = p.oh() * p.ow();
    const auto local = static_cast<std::size_t>(tile_.items());
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/weights_tile", "weights_tile",
                      weights_defines(p, tile_.defines())),
        std::vector<Argument>{
            {"x", operands.x},
            {"dy", operands.dy},
            {"y_mask", p.mask ? Region{kYSlot} : operands.dy},
            {"result", result.region},
            {"channels", narrow(p.c_per_group())},
            {"h", narrow(p.h)},
            {"w", narrow(p.w)},
            {"filters", narrow(p.k_per_group())},
            {"kh", narrow(p.kh)},
            {"kw", narrow(p.kw)},
            {"pt", narrow(p.pt)},
            {"pl", narrow(p.pl)},
            {"oh", narrow(p.oh())},
            {"ow", narrow(p.ow())},
            {"groups", narrow(p.g)},
            {"pixels", cl_long{pixels()}},
            {"pixels_per_part", cl_long{split_.units_per_part}},
            {"filter_tiles", narrow(ceil_div(p.k_per_group(), tile_.bm))},
            {"column_tiles", narrow(ceil_div(p.c_per_group() * p.kh * p.kw, tile_.bn))},
            {"step_image", narrow(tile_.bk / image_pixels)},
            {"step_i", narrow(tile_.bk % image_pixels / p.ow())},
            {"step_j", narrow(tile_.bk % p.ow())},
            {"part_stride", result.stride(p)}},
        Range{{static_cast<std::size_t>(tile_groups(p, tile_) * split_.parts) * local, 1, 1},
              {local, 1, 1}});
  }

 private:
  std::int64_t pixels() const { return case_.problem.n * case_.problem.oh() * case_.problem.ow(); }

  Tile tile_;
};

std::vector<Config> variants(const Case& c) {
  constexpr std::int64_t kLeastPixels = 256;  // of a part
  std::vector<Config> configs;
  for (Tile tile : kTiles) {
    const std::int64_t pixels = c.problem.n * c.problem.oh() * c.problem.ow();
    tile.split =
        static_cast<int>(parts_for(c.profile, tile_groups(c.problem, tile), pixels, kLeastPixels));
    configs.push_back(tile.config("weights_tile"));
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const Tile tile = Tile::from(config);
  if (auto rejection = tile.rejection(c.profile)) return *rejection;
  return std::make_unique<const WeightsTile>(c, tile);
}

}  // namespace

extern const Body body_weights_tile = {
    "weights_tile", Suits::kGpus, 3, "implicit_gemm/weights_tile ops/sum_parts", variants, fit};

}  // namespace clconv::core::implicit_gemm
