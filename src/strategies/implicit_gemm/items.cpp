// items: single floats, a register tile per work-item. For CPUs whose vectors are filled by the work-items of a group.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm/packed_weights.hpp"

namespace clconv::core::implicit_gemm {
namespace {

// A load costs as much as a multiply-add. Half the time of what the model gives `direct`, which is the measured ratio:
// 1.6 and 3.2 ms, n1c16h28w28k32kh3kw3p1; 1.6 and 3.5 ms, n1c128h14w14k128kh1kw1; 5.5 and 12.0 ms,
// n32c32h14w14k64kh2kw2s2p1 (Mesa 22.3, llvmpipe, 2-core Zen 5, 2026-11).
constexpr double kOfLoad = 1, kFed = 1;
constexpr std::int64_t kLanes = 8;  // of a vector, where work-items are its lanes

// `mr` filters of `np` pixels, the sums of a work-item.
struct ItemTile {
  int mr, np;

  Config config() const { return {"items", {{"mr", mr}, {"np", np}}}; }
  static ItemTile from(const Config& c) {
    const ItemTile tile{c.get("mr", 4, 16), c.get("np", 1, 8)};
    if (tile.mr % 4 != 0) {
      throw Error(Code::kInvalidArgument, "config '" + c.text() + "': mr is " +
                                              std::to_string(tile.mr) +
                                              ", expected a multiple of 4");
    }
    return tile;
  }
};

// A correlation as `items` divides it: dimension 0 of the launch and what is left for the other.
struct ItemGrid {
  std::int64_t blocks, lanes, planes;

  ItemGrid(const ItemTile& tile, const Correlation& c)
      : blocks(ceil_div(c.filters, tile.mr)),
        lanes(ceil_div(c.oh * c.ow, tile.np)),
        planes(saturating_product(c.images, c.groups, blocks)) {}
};

class Items : public Layout {
 public:
  Items(const Case& c, const ItemTile& tile)
      : case_(c), tile_(tile), packed_(c.correlations, tile.mr, c.profile) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    for (const Correlation& c : case_.correlations)
      candidate.predicted_us += us_of(c);
    candidate.prepared_weights_bytes = packed_.bytes;
    candidate.predicted_setup_us = kPredictedBuildUs;
    candidate.coverage = coverage_of(case_, tile_.mr, 0);
    candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
    if (!vectors_are_items(case_.profile)) candidate.not_considered = "direct loads vectors here";
  }

  void add_to(Executable& executable, Device& device) const override {
    packed_.add_to(executable, device, case_.correlations);
    for (std::size_t i = 0; i < case_.correlations.size(); ++i) {
      const Correlation& c = case_.correlations[i];
      if (!nothing_to_do(case_.problem, c))
        executable.run.add(multiply(device, c, packed_.regions[i]));
    }
  }

 private:
  // The items of a small plane that have no pixel would be vectors of their own.
  std::int64_t local(const ItemGrid& grid) const {
    return std::min(
        {std::int64_t{64}, round_up(grid.lanes, kLanes), case_.profile.max_work_group_size});
  }

  double us_of(const Correlation& c) const {
    const ItemGrid grid(tile_, c);
    const double items = real(grid.planes * round_up(grid.lanes, local(grid)));
    const double products = tile_.mr * tile_.np;
    const double efficiency = kFed * products / (products + kOfLoad * (tile_.mr + tile_.np));
    const Traffic traffic{bytes_touched(case_.problem, c, packed_.bytes),
                          items / real(local(grid))};
    const double flops = kFlopsPerFma * items * products * real(c.reduction());
    return predicted_us(case_.profile, {arithmetic_pass(flops, efficiency, traffic)});
  }

  std::unique_ptr<Step> multiply(Device& device, const Correlation& c, const Region& packed) const {
    const ItemGrid grid(tile_, c);
    std::vector<Argument> arguments = operand_arguments(case_.problem, packed);
    for (const std::vector<Argument>& more :
         {reduction_arguments(c), view_arguments(c), sizes(c, grid), result_arguments(c, 0)})
      arguments.insert(arguments.end(), more.begin(), more.end());
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/items", "implicit_gemm_items",
                      class_defines(case_.problem, c, tile_.config().defines())),
        with_slopes(case_.problem, arguments), plane_items(grid.lanes, local(grid), grid.planes));
  }

  static std::vector<Argument> reduction_arguments(const Correlation& c) {
    return {{"channels", narrow(c.channels)},
            {"taps_h", narrow(c.taps_h)},
            {"taps_w", narrow(c.taps_w)}};
  }
  static std::vector<Argument> sizes(const Correlation& c, const ItemGrid& grid) {
    return {{"lanes", narrow(grid.lanes)},     {"planes", narrow(grid.planes)},
            {"filters", narrow(c.filters)},    {"groups", narrow(c.groups)},
            {"blocks", narrow(grid.blocks)},   {"in_image", cl_long{c.in_image}},
            {"in_plane", cl_long{c.in_plane}}, {"in_pitch", narrow(c.in_pitch)},
            {"in_step", narrow(c.in_step)}};
  }

  const Case& case_;
  ItemTile tile_;
  PackedWeights packed_;
};

// More filters a work-item were slower or level: their weights are loads, too.
std::vector<Config> variants(const Case&) {
  return {ItemTile{4, 4}.config(), ItemTile{4, 8}.config()};
}

Fit fit(const Case& c, const Config& config) {
  const ItemTile tile = ItemTile::from(config);
  // The kernel counts both dimensions in 31 bits, the pixels of the last work-item among them.
  for (const Correlation& one : c.correlations) {
    const ItemGrid grid(tile, one);
    constexpr std::int64_t kMost = INT32_MAX - 8 * 64;
    if (one.oh * one.ow > kMost) return above("oh*ow", one.oh * one.ow, kMost);
    if (grid.planes > kMost) return above("images times filters", grid.planes, kMost);
  }
  return std::make_unique<const Items>(c, tile);
}

}  // namespace

extern const Body body_items = {"items", Suits::kItems, 1, "implicit_gemm/items ops/pack", variants,
                                fit};

}  // namespace clconv::core::implicit_gemm
