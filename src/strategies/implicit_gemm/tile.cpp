// tile: a work-group's tile of both matrices in local memory, a register tile per work-item. For GPUs.
#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm/gpu_tile.hpp"
#include "strategies/implicit_gemm/packed_weights.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

constexpr Tile kTiles[] = {
    {128, 128, 8, 8, 8},  // the classic SGEMM shape: 256 work-items, 64 accumulators each
    {64, 64, 16, 8,
     8},  // the same by 64 work-items: smaller results, and devices with small work-groups
    {32, 64, 16, 4, 8},  // few filters
    {32, 32, 16, 4, 4},  // small results
};

// A correlation as `tile` divides it.
struct TileGrid {
  std::int64_t pixels, filter_tiles, pixel_tiles, steps, steps_per_part, parts;

  TileGrid(const Tile& tile, const Correlation& c)
      : pixels(c.images * c.oh * c.ow),
        filter_tiles(ceil_div(c.filters, tile.bm)),
        pixel_tiles(ceil_div(pixels, tile.bn)),
        steps(ceil_div(c.reduction(), tile.bk)),
        steps_per_part(std::max<std::int64_t>(1, ceil_div(steps, tile.split))),
        parts(std::max<std::int64_t>(1, ceil_div(steps, steps_per_part))) {}
  std::int64_t work_groups(const Correlation& c) const {
    return filter_tiles * pixel_tiles * c.groups;
  }
  // Of what is summed apart, if it is.
  std::int64_t partial_bytes(const Tile& tile, const Correlation& c) const {
    return tile.split == 1 ? 0 : saturating_product(parts, c.groups * c.filters, pixels, kElement);
  }
};

std::int64_t tile_workspace_bytes(const Tile& tile, const std::vector<Correlation>& correlations,
                                  const DeviceProfile& profile) {
  std::int64_t bytes = 0;
  for (const Correlation& c : correlations) {
    bytes = std::max(bytes, TileGrid(tile, c).partial_bytes(tile, c));
  }
  return bytes == 0 ? 0 : aligned(bytes, profile);
}

// How the kernel reads the input, its GATHER.
int gather_of(const Correlation& c) {
  if (c.channels_last) return c.channels % 4 == 0 && c.reduction() > 0 ? 2 : 0;
  const bool flat = c.reduction() == c.channels && c.sh * c.sw == 1 && c.top == 0 && c.left == 0 &&
                    c.in_h == c.oh && c.in_w == c.ow && c.out_step == 1;
  return flat && c.ow % 4 == 0 ? 1 : 0;
}

// The products of a result in the order in which the kernel counts them.
struct Counters {
  struct Counter {
    std::int64_t end, step;
  };
  Counter outer, middle, inner;

  explicit Counters(const Correlation& c) {
    // Of at least 1, so that the kernel can divide by them; without steps nothing is read.
    const auto least1 = [](std::int64_t n) { return std::max<std::int64_t>(1, n); };
    const Counter rows{least1(c.taps_h), c.dh * c.in_pitch},
        columns{least1(c.taps_w), c.dw * c.in_step}, channels{least1(c.channels), c.in_plane};
    outer = c.channels_last ? rows : channels;
    middle = c.channels_last ? columns : rows;
    inner = c.channels_last ? channels : columns;
  }
};

class TileLayout : public Layout {
 public:
  TileLayout(const Case& c, const Tile& tile)
      : case_(c),
        tile_(tile),
        packed_(c.correlations, tile.bm, c.profile, tile.bk),
        workspace_bytes_(tile_workspace_bytes(tile, c.correlations, c.profile)) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    for (const Correlation& c : case_.correlations)
      candidate.predicted_us += us_of(c);
    candidate.workspace_bytes = workspace_bytes_;
    candidate.prepared_weights_bytes = packed_.bytes;
    candidate.predicted_setup_us = kPredictedBuildUs;
    candidate.coverage = coverage_of(case_, tile_.bm, 0);
    candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  }

  void add_to(Executable& executable, Device& device) const override {
    packed_.add_to(executable, device, case_.correlations);
    executable.workspace_bytes = workspace_bytes_;
    for (std::size_t i = 0; i < case_.correlations.size(); ++i) {
      const Correlation& c = case_.correlations[i];
      if (nothing_to_do(case_.problem, c)) continue;
      executable.run.add(multiply(device, c, packed_.regions[i]));
      if (tile_.split > 1) executable.run.add(fold(device, c));
    }
  }

 private:
  double us_of(const Correlation& c) const {
    const TileGrid grid(tile_, c);
    Pass pass;
    pass.work_groups = tile_.filling(grid.work_groups(c) * grid.parts);
    pass.flops = static_cast<double>(grid.work_groups(c)) * 2.0 * tile_.bm * tile_.bn *
                 static_cast<double>(grid.steps * tile_.bk);
    pass.efficiency = tile_.efficiency();
    pass.bytes = bytes_touched(case_.problem, c, packed_.bytes);
    Pass fold;
    fold.launches = tile_.split > 1 ? 1 : 0;
    fold.bytes = 2.0 * static_cast<double>(grid.partial_bytes(tile_, c));
    fold.work_groups = static_cast<double>(c.groups * c.filters * grid.pixels) / 64;
    return predicted_us(case_.profile, {pass, fold});
  }
  std::string defines(const Correlation& c) const {
    return class_defines(case_.problem, c, tile_.defines()) +
           " -DGATHER=" + std::to_string(gather_of(c)) +
           (tile_.split > 1 ? " -DPARTIAL=1" : " -DPARTIAL=0");
  }
  Region partial() const { return {kWorkspaceSlot, 0, workspace_bytes_}; }

  std::unique_ptr<Step> multiply(Device& device, const Correlation& c, const Region& packed) const {
    const Problem& p = case_.problem;
    const TileGrid grid(tile_, c);
    const auto [outer, middle, inner] = Counters(c);
    // FETCH_ROWS of the kernel.
    const std::int64_t fetch =
        gather_of(c) == 0 ? tile_.items() / tile_.bn : 4 * tile_.items() / tile_.bn;
    const Operands operands(p);
    const auto local = static_cast<std::size_t>(tile_.items());
    std::vector<Argument> arguments = {{"x", operands.input},
                                       {"y_mask", p.mask ? operands.mask : operands.input},
                                       {"packed", packed},
                                       {"b", Region{kBiasSlot}},
                                       {"r", Region{kResidualSlot}},
                                       {"result", operands.result},
                                       {"partial", partial()},
                                       {"outer", narrow(outer.end)},
                                       {"middle", narrow(middle.end)},
                                       {"inner", narrow(inner.end)},
                                       {"outer_step", cl_long{outer.step}},
                                       {"middle_step", cl_long{middle.step}},
                                       {"inner_step", cl_long{inner.step}},
                                       {"fetch_outer", narrow(fetch / (middle.end * inner.end))},
                                       {"fetch_middle", narrow(fetch / inner.end % middle.end)},
                                       {"fetch_inner", narrow(fetch % inner.end)},
                                       {"steps", narrow(grid.steps)},
                                       {"steps_per_part", narrow(grid.steps_per_part)},
                                       {"in_h", narrow(c.in_h)},
                                       {"in_w", narrow(c.in_w)},
                                       {"top", narrow(c.top)},
                                       {"left", narrow(c.left)},
                                       {"oh", narrow(c.oh)},
                                       {"ow", narrow(c.ow)},
                                       {"filters", narrow(c.filters)},
                                       {"groups", narrow(c.groups)},
                                       {"pixels", cl_long{grid.pixels}},
                                       {"filter_tiles", narrow(grid.filter_tiles)},
                                       {"pixel_tiles", cl_long{grid.pixel_tiles}},
                                       {"in_image", cl_long{c.in_image}},
                                       {"in_group", cl_long{c.channels * c.in_plane}},
                                       {"in_pitch", cl_long{c.in_pitch}},
                                       {"in_step", narrow(c.in_step)}};
    for (const Argument& argument : result_arguments(c, 0))
      arguments.push_back(argument);
    return std::make_unique<KernelStep>(
        "multiply", device.kernel("implicit_gemm/tile", "implicit_gemm_tile", defines(c)),
        with_slopes(case_.problem, arguments),
        Range{{static_cast<std::size_t>(grid.work_groups(c) * grid.parts) * local, 1, 1},
              {local, 1, 1}});
  }

  std::unique_ptr<Step> fold(Device& device, const Correlation& c) const {
    const TileGrid grid(tile_, c);
    std::vector<Argument> arguments = {{"partial", partial()},
                                       {"b", Region{kBiasSlot}},
                                       {"r", Region{kResidualSlot}},
                                       {"result", Operands(case_.problem).result},
                                       {"parts", narrow(grid.parts)},
                                       {"all_filters", narrow(c.groups * c.filters)},
                                       {"pixels", cl_long{grid.pixels}},
                                       {"oh", narrow(c.oh)},
                                       {"ow", narrow(c.ow)}};
    for (const Argument& argument : result_arguments(c, 0))
      arguments.push_back(argument);
    return std::make_unique<KernelStep>(
        "fold", device.kernel("implicit_gemm/tile", "implicit_gemm_fold", defines(c)),
        with_slopes(case_.problem, arguments),
        items(c.groups * c.filters * grid.pixels,
              std::min<std::int64_t>(64, device.profile().max_work_group_size)));
  }

  const Case& case_;
  Tile tile_;
  PackedWeights packed_;
  std::int64_t workspace_bytes_;
};

// All tiles, and those of them whose reduction is worth splitting.
std::vector<Config> variants(const Case& all) {
  std::vector<Config> configs;
  for (Tile tile : kTiles) {
    configs.push_back(tile.config("tile"));
    const TileGrid grid(tile, all.correlations.front());
    tile.split =
        tile.wanted_split(all.profile, grid.work_groups(all.correlations.front()), grid.steps);
    if (tile.split > 1) configs.push_back(tile.config("tile"));
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const Tile tile = Tile::from(config);
  if (auto rejection = tile.rejection(c.profile)) return *rejection;
  return std::make_unique<const TileLayout>(c, tile);
}

}  // namespace

extern const Body body_tile = {"tile",   Suits::kGpus, 3, "implicit_gemm/tile ops/pack",
                               variants, fit};

}  // namespace clconv::core::implicit_gemm
