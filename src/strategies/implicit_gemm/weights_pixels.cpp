// weights_pixels: explicit vectors along the pixels of a row, whose lanes are added at the end; a register tile of
// filters and taps. For CPUs.
#include <algorithm>

#include "strategies/implicit_gemm/split_layout.hpp"

namespace clconv::core::implicit_gemm {
namespace {

constexpr std::int64_t kElement = Problem::kFloatBytes;

struct WeightsPixelsTile {
  int mr, tp, tq, vw, split;

  Config config() const {
    return {"weights_pixels", {{"mr", mr}, {"tp", tp}, {"tq", tq}, {"vw", vw}, {"split", split}}};
  }
  static WeightsPixelsTile from(const Config& c) {
    return {c.get("mr", 1, 32), c.get("tp", 1, 32), c.get("tq", 1, 32),
            c.get_power_of_two("vw", 4, 16), c.get("split", 1, INT32_MAX)};
  }
  std::int64_t work_groups(const Problem& p) const {
    return ceil_div(p.kw, tq) * ceil_div(p.kh, tp) * p.c_per_group() *
           ceil_div(p.k_per_group(), mr) * p.g;
  }
  // dy as floats with its rows filled up to whole vectors, masked.
  PaddedPlanes gradient(const Problem& p) const {
    return {p.n * p.k, p.oh(), p.ow(), 0, 0, p.oh(), round_up(p.ow(), vw), 0, p.data_type};
  }
  bool copies_gradient(const Problem& p) const {
    return p.mask || p.ow() % vw != 0 || p.data_type != DataType::kFloat32;
  }
};

// PoCL 3.1, 2-core Zen 5 and Zen 3, 2026-11, over core.txt. Most of the loads cross a cache line, which costs more
// where they come from L2.
constexpr double kNear = 0.85, kBeyondL1 = 0.7;  // fraction of the cycles' rate
constexpr double kVectorsOfStride = 4;           // loads of a vector of x at strides above 1
constexpr TileCycles kLanes{12, 100};            // to add up the lanes of a sum

double efficiency_of(const Machine& machine, const PaddedInput& view, const PaddedPlanes& dy,
                     int filters) {
  const std::int64_t plane_bytes = (view.plane + filters * dy.hp * dy.wp) * kElement;
  return (plane_bytes > 2 * machine.l1_blocking_bytes ? kBeyondL1 : kNear) *
         machine.measured(0.65, 0.9);
}

Pass pass_of(const Case& all, const WeightsPixelsTile& tile, const PaddedInput& view) {
  const Problem& p = all.problem;
  const double vectors = real(ceil_div(p.n * p.oh(), tile.split) * ceil_div(p.ow(), tile.vw));
  const double taps = tile.tp * tile.tq, sums = tile.mr * taps;
  const double loads = vectors * (tile.mr + taps * (p.sw == 1 ? 1 : kVectorsOfStride));
  const double products = independent_cycles(all.machine, vectors * sums, loads, kCrossingLoads);
  const double efficiency = efficiency_of(all.machine, view, tile.gradient(p), tile.mr);
  const double groups = real(tile.work_groups(p) * tile.split);
  return group_pass(all, {groups, products + kLanes.of(sums), tile.vw, efficiency});
}

// Of dy.
Pass packing_pass(const Case& all, const WeightsPixelsTile& tile) {
  const Problem& p = all.problem;
  const double copied = real(p.y_bytes() + tile.gradient(p).bytes());
  return copy_pass(tile.copies_gradient(p) ? cached(all.machine, copied) : 0, real(p.n * p.k));
}

class WeightsPixels : public PaddedInputLayout {
 public:
  WeightsPixels(const Case& c, const WeightsPixelsTile& tile)
      : PaddedInputLayout(c, tile.split, tile.vw),
        tile_(tile),
        gradient_(tile.gradient(c.problem)) {}

 protected:
  std::int64_t gradient_bytes() const override {
    return tile_.copies_gradient(case_.problem) ? gradient_.bytes() : 0;
  }
  std::unique_ptr<Step> copy_gradient(Device& device, const Region& copy) const override {
    return pad_planes(device, gradient_, Region{kDySlot}, mask_of(case_.problem), copy);
  }
  double us() const override {
    return predicted_us(
        case_.profile, {view_.pass(case_), packing_pass(case_, tile_), pass_of(case_, tile_, view_),
                        PartialSums::pass(case_.problem, tile_.split)});
  }
  std::int64_t tile_filters() const override { return tile_.mr; }
  std::int64_t tile_elements() const override { return std::int64_t{tile_.tp} * tile_.tq; }
  std::unique_ptr<Step> multiply(Device& device, const Operands& operands,
                                 const PartialSums& result) const override {
    const Problem& p = case_.problem;
    std::vector<Argument> arguments = first_arguments(operands, "dy", result);
    arguments.insert(arguments.end(),
                     {{"dy_pitch", narrow(gradient_.wp)},
                      {"dy_plane", cl_long{gradient_.hp * gradient_.wp}},
                      {"filters", narrow(p.k_per_group())},
                      {"groups", narrow(p.g)},
                      {"filter_tiles", narrow(ceil_div(p.k_per_group(), tile_.mr))},
                      {"row_tiles", narrow(ceil_div(p.kh, tile_.tp))},
                      {"tap_tiles", narrow(ceil_div(p.kw, tile_.tq))},
                      {"rows_per_part", cl_long{split_.units_per_part}},
                      {"part_stride", result.stride(p)}});
    return std::make_unique<KernelStep>(
        "multiply",
        device.kernel("implicit_gemm/weights_pixels", "weights_pixels",
                      weights_defines(p, tile_.config().defines())),
        arguments, one_item_groups(tile_.work_groups(p) * split_.parts));
  }

 private:
  WeightsPixelsTile tile_;
  PaddedPlanes gradient_;
};

std::vector<Config> variants(const Case& c) {
  const Problem& p = c.problem;
  const int vw = c.machine.lanes;
  const int registers = c.machine.registers;
  std::vector<Config> configs;
  for (const int mr : {1, 2, 4}) {
    if (mr > p.k_per_group()) continue;
    const std::int64_t most = (registers - mr - 1) / mr;
    const int tq = static_cast<int>(std::min(p.kw, most));
    const int tp = static_cast<int>(std::min<std::int64_t>(p.kh, most / tq));
    WeightsPixelsTile tile{mr, tp, tq, vw, 1};
    tile.split = static_cast<int>(parts_for(c.profile, tile.work_groups(p), p.n * p.oh()));
    configs.push_back(tile.config());
  }
  return configs;
}

Fit fit(const Case& c, const Config& config) {
  const WeightsPixelsTile tile = WeightsPixelsTile::from(config);
  const Problem& p = c.problem;
  if (p.sw > 2) return above("sw", p.sw, 2);  // would need a gather per vector
  if (tile.mr > p.k_per_group()) return above("mr", tile.mr, p.k_per_group());
  if (tile.tp > p.kh) return above("tp", tile.tp, p.kh);
  if (tile.tq > p.kw) return above("tq", tile.tq, p.kw);
  if (auto refused = over_registers(c.machine, tile.mr * tile.tp * tile.tq, tile.vw))
    return *refused;
  return std::make_unique<const WeightsPixels>(c, tile);
}

}  // namespace

extern const Body body_weights_pixels = {"weights_pixels",
                                         Suits::kCpusAndLastResort,
                                         2,
                                         "implicit_gemm/weights_pixels ops/pack ops/sum_parts",
                                         variants,
                                         fit};

}  // namespace clconv::core::implicit_gemm
