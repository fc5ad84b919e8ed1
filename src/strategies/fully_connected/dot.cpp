// dot: forward, the reduction along the rows of w and x. Explicit vectors along it, nothing packed.
#include <algorithm>

#include "ops/epilogue.hpp"
#include "ops/pack.hpp"
#include "strategies/fully_connected/bodies.hpp"

namespace clconv::core::fully_connected {
namespace {

// Rows of w and of x in registers, floats of a vector.
struct DotTile {
  int mr, nr, vw;

  Config config() const { return {"dot", {{"mr", mr}, {"nr", nr}, {"vw", vw}}}; }
  static DotTile from(const Config& c) {
    return {c.get("mr", 1, 8), c.get("nr", 1, 8), width_of(c)};
  }
};

constexpr double kLanesOfVector =
    8;  // cycles to add up the lanes of a sum; PoCL 3.1, 2-core Zen 5, 2026-11
constexpr double kReadAndWritten = 1.5;  // bytes per byte of a copy as floats, of half as many
constexpr double kBytesOfGroup = 4096;   // that a work-group copies, about

class Dot : public Layout {
 public:
  Dot(const Case& c, const DotTile& tile) : case_(c), tile_(tile) {}

  void describe(Candidate& candidate) const override {
    const Problem& p = case_.problem;
    describe_product(candidate, p);
    const auto [mr, nr, vw] = tile_;
    const std::int64_t images = images_per_item();
    const double cycles =
        tile_cycles(case_.machine, ceil_div(columns_of(p), vw), mr * nr, mr + nr) +
        kLanesOfVector * mr * nr;
    const Pass pass = product_pass(case_, real(row_tiles() * ceil_div(p.n, images)),
                                   cycles * real(ceil_div(std::min(images, p.n), nr)), vw);
    const double copied = kReadAndWritten * real(copy_bytes());
    const Pass copy = copy_pass(copied, copied / kBytesOfGroup);
    candidate.predicted_us = predicted_us(case_.profile, {copy, pass});
    candidate.workspace_bytes = workspace_bytes();
  }

  void add_to(Executable& executable, Device& device) const override {
    executable.workspace_bytes = workspace_bytes();
    if (copy_bytes() > 0) executable.run.add(copy(device));
    executable.run.add(multiply(device));
  }

 private:
  std::int64_t row_tiles() const { return ceil_div(case_.problem.k, tile_.mr); }
  // Of x, as floats.
  std::int64_t copy_bytes() const {
    const Problem& p = case_.problem;
    return p.data_type != DataType::kFloat32 && p.n > 1 ? p.x_elements() * Problem::kFloatBytes : 0;
  }
  std::int64_t workspace_bytes() const {
    WorkspaceLayout layout(case_.profile);
    layout.add(copy_bytes());
    return layout.bytes();
  }
  Region copied() const { return {kWorkspaceSlot, 0, copy_bytes()}; }
  // All where there are rows enough to divide the work by: w is then read once.
  std::int64_t images_per_item() const {
    // Work-groups per compute unit that even out what one takes longer than another.
    constexpr std::int64_t kWorkGroupsPerUnit = 4;
    const std::int64_t wanted =
        ceil_div(case_.profile.compute_units * kWorkGroupsPerUnit, row_tiles());
    return round_up(ceil_div(case_.problem.n, wanted), tile_.nr);
  }

  std::unique_ptr<Step> copy(Device& device) const {
    const Problem& p = case_.problem;
    PaddedPlanes rows;
    rows.planes = p.n;
    rows.in_w = rows.wp = columns_of(p);
    rows.data_type = p.data_type;
    rows.gap = p.input_image() - columns_of(p);
    return pad_planes(device, rows, Region{kXSlot}, Mask(), copied());
  }

  std::unique_ptr<Step> multiply(Device& device) const {
    const Problem& p = case_.problem;
    const bool copies = copy_bytes() > 0;
    const std::int64_t images = images_per_item();
    return std::make_unique<KernelStep>(
        "fully_connected",
        device.kernel("fully_connected/dot", "fully_connected_dot",
                      defines_of(p, tile_.config()) + " -DX_FLOATS=" + (copies ? "1" : "0")),
        with_slopes(p, {{"x", copies ? copied() : Region{kXSlot}},
                        {"w", Region{kWeightsSlot}},
                        {"b", Region{kBiasSlot}},
                        {"r", Region{kResidualSlot}},
                        {"y", Region{kYSlot}},
                        {"images", narrow(p.n)},
                        {"c", narrow(columns_of(p))},
                        {"k", narrow(p.k)},
                        {"images_per_item", narrow(images)},
                        {"x_image", cl_long{copies ? columns_of(p) : p.input_image()}},
                        {"y_image", cl_long{p.result_image()}}}),
        Range{{static_cast<std::size_t>(row_tiles()),
               static_cast<std::size_t>(ceil_div(p.n, images)), 1},
              {1, 1, 1}});
  }

  const Case& case_;
  DotTile tile_;
};

// Register tiles that fill the vector registers, or for one row what reads fastest.
std::vector<Config> variants(const Case& all) {
  const int width = all.machine.lanes;
  if (all.problem.n == 1) return {DotTile{8, 1, width}.config()};
  if (all.machine.few_registers()) return {DotTile{2, 4, width}.config()};
  // Of float16, w is what costs to load.
  const bool half = all.problem.data_type != DataType::kFloat32;
  return {half ? DotTile{4, 6, width}.config() : DotTile{6, 4, width}.config()};
}

Fit fit(const Case& c, const Config& config) {
  const DotTile tile = DotTile::from(config);
  if (auto refused = over_registers(c.machine, tile.mr * tile.nr, tile.vw)) return *refused;
  return std::make_unique<const Dot>(c, tile);
}

}  // namespace

extern const Body body_dot = {"dot",    Suits::kCpus, 1, "fully_connected/dot ops/pack",
                              variants, fit};

}  // namespace clconv::core::fully_connected
