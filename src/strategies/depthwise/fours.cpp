// fours: forward convolution in either layout and data gradient at stride 1, four neighbouring results of a few rows
// per work-item, with vectors; channels last four channels of each, with packed weights. For GPUs.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "ops/pack.hpp"
#include "ops/quotient.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/depthwise/bodies.hpp"

namespace clconv::core::depthwise {
namespace {

constexpr int kFour = 4;
// What is unrolled: more taps, or columns and rows of the input, want more registers than a work-item has.
constexpr std::int64_t kMostTaps = 25, kMostColumns = 16, kMostRows = 16;

// The problem as the kernel sees it, a forward convolution.
struct FoursGrid {
  bool nhwc, data;
  std::int64_t in_h, in_w, res_h, res_w, pt, pl;
  std::int64_t planes,
      per_channel;             // planes of results, of which so many have one plane of the input
  std::int64_t columns, rows;  // of the input that a work-item meets
  std::int64_t quads, row_tiles, items;

  FoursGrid(const Problem& p, int ty)
      : nhwc(p.layout == TensorLayout::kNhwc),
        data(p.wants_dx()),
        in_h(data ? p.oh() : p.h),
        in_w(data ? p.ow() : p.w),
        res_h(data ? p.h : p.oh()),
        res_w(data ? p.w : p.ow()),
        pt(data ? (p.kh - 1) * p.dh - p.pt : p.pt),
        pl(data ? (p.kw - 1) * p.dw - p.pl : p.pl),
        planes(nhwc   ? ceil_div(p.c, kFour)
               : data ? p.c
                      : p.k),
        per_channel(data ? 1 : p.k / p.c),
        columns((kFour - 1) * p.sw + (p.kw - 1) * p.dw + 1),
        rows((ty - 1) * p.sh + (p.kh - 1) * p.dh + 1),
        quads(ceil_div(res_w, kFour)),
        row_tiles(ceil_div(res_h, ty)),
        items(saturating_product(p.n * planes, row_tiles, quads)) {}
};

class FoursLayout : public Layout {
 public:
  FoursLayout(const Case& c, const Config& config, int ty)
      : case_(c),
        config_(config),
        ty_(ty),
        grid_(c.problem, ty),
        local_(std::min<std::int64_t>(64, c.profile.max_work_group_size)),
        taps_(taps_of(c.problem)),
        packing_(taps_, taps_.filters) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    const double lanes = grid_.nhwc ? kFour : 1;
    const double products = lanes * kFour * ty_ * static_cast<double>(p.kh * p.kw);
    const double items = static_cast<double>(round_up(grid_.items, local_));
    Pass pass;
    pass.flops = 2.0 * items * products;
    // Instructions beside the multiply-adds, docs/gpu.md: 100 of a work-item, those of a row of the input, of its
    // columns and of the results. What waits for loads waits for memory, which the model counts apart.
    constexpr double kItem = 100, kRow = 12;
    const double others = kItem + static_cast<double>(grid_.rows * grid_.columns) * lanes / 2 +
                          kRow * static_cast<double>(grid_.rows) + 3 * lanes * kFour * ty_;
    pass.efficiency = products / (products + others);
    pass.bytes = operand_bytes(p);
    pass.work_groups = items / static_cast<double>(case_.machine.items_per_unit);
    describe_as(candidate, p, predicted_us(case_.profile, {pass}));
    if (grid_.nhwc) candidate.prepared_weights_bytes = packing_.bytes();
    candidate.coverage.rows = ty_;
    candidate.coverage.columns = kFour;
  }

  void add_to(Executable& executable, Device& device) const override {
    Region packed{kWeightsSlot};
    if (grid_.nhwc) {
      packed = {kPreparedSlot, 0, packing_.bytes()};
      executable.prepared_weights_bytes = packed.bytes;
      executable.prepare.add(pack_filters(device, taps_, packing_, Region{kWeightsSlot}, packed));
    }
    executable.run.add(std::make_unique<KernelStep>(
        "depthwise", device.kernel("depthwise/fours", "depthwise_fours", defines()),
        with_slopes(case_.problem, arguments(packed)), items(grid_.items, local_)));
  }

 private:
  std::string defines() const {
    const bool fours = grid_.res_w % kFour == 0 && case_.problem.result_image() % kFour == 0;
    return class_defines(case_.problem, config_) + define("STORE_FOURS", fours);
  }

  std::vector<Argument> arguments(const Region& packed) const {
    const Problem& p = case_.problem;
    const Operands operands(p);
    const Reciprocal of_planes(grid_.planes), of_channel(grid_.per_channel);
    const Reciprocal of_row_tiles(grid_.row_tiles), of_quads(grid_.quads);
    return {{"x", operands.input},
            {"y_mask", operands.mask},
            {"weights", Region{kWeightsSlot}},
            {"packed", packed},
            {"b", Region{kBiasSlot}},
            {"r", Region{kResidualSlot}},
            {"result", operands.result},
            {"planes", narrow(grid_.planes)},
            {"planes_reciprocal", of_planes.bits()},
            {"planes_shift", cl_int{of_planes.shift}},
            {"per_channel", narrow(grid_.per_channel)},
            {"per_channel_reciprocal", of_channel.bits()},
            {"per_channel_shift", cl_int{of_channel.shift}},
            {"in_h", narrow(grid_.in_h)},
            {"in_w", narrow(grid_.in_w)},
            {"pt", narrow(grid_.pt)},
            {"pl", narrow(grid_.pl)},
            {"res_h", narrow(grid_.res_h)},
            {"res_w", narrow(grid_.res_w)},
            {"row_tiles", narrow(grid_.row_tiles)},
            {"row_tiles_reciprocal", of_row_tiles.bits()},
            {"row_tiles_shift", cl_int{of_row_tiles.shift}},
            {"quads", narrow(grid_.quads)},
            {"quads_reciprocal", of_quads.bits()},
            {"quads_shift", cl_int{of_quads.shift}},
            {"items", narrow(grid_.items)},
            {"in_image", cl_long{p.input_image()}},
            {"out_image", cl_long{p.result_image()}}};
  }

  const Case& case_;
  Config config_;
  int ty_;  // rows of results of a work-item
  FoursGrid grid_;
  std::int64_t local_;
  Correlation taps_;
  FilterBlocks packing_;  // only with channels last
};

// More rows share what is read, fewer give a small problem more work-items.
std::vector<Config> variants(const Case& c) {
  std::vector<Config> configs;
  const Problem& p = c.problem;
  // Channels last, filters whose weights are not kept in registers would be read once more for each row.
  const int most = p.layout == TensorLayout::kNchw ? 4 : p.kh * p.kw <= 9 ? 2 : 1;
  for (int ty = 1; ty <= most; ty *= 2) {
    const bool helps = ty <= p.h && FoursGrid(p, ty).rows <= kMostRows;
    if (ty == 1 || helps) configs.push_back({"fours", {{"ty", ty}}});
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const Problem& p = c.problem;
  const int ty = config.get("ty", 1, 8);
  const FoursGrid grid(p, ty);
  if ((grid.nhwc || grid.data) && p.k != p.c) return other_than("k", p.k, p.c);
  if (grid.nhwc && p.c % kFour != 0) return other_than("c % 4", p.c % kFour, 0);
  // A data gradient has taps of its own for each residue class of rows and columns.
  if (grid.data && p.sh * p.sw != 1) return other_than("sh*sw", p.sh * p.sw, 1);
  if (p.kh * p.kw > kMostTaps) return above("kh*kw", p.kh * p.kw, kMostTaps);
  if (grid.columns > kMostColumns) return above("3*sw + (kw-1)*dw + 1", grid.columns, kMostColumns);
  if (grid.rows > kMostRows) return above("(ty-1)*sh + (kh-1)*dh + 1", grid.rows, kMostRows);
  constexpr std::int64_t kMostItems = INT32_MAX - 64;
  if (grid.items > kMostItems) return above("fours of results", grid.items, kMostItems);
  return std::make_unique<const FoursLayout>(c, config, ty);
}

}  // namespace

extern const Body body_fours = {"fours",  Suits::kGpus, 1, "depthwise/fours ops/pack",
                                variants, fit};

}  // namespace clconv::core::depthwise
