// panels: our own product of panels, whose matrices im2col and packing lay out as it wants them. For CPUs.
#include "strategies/im2col_gemm/chunked_layout.hpp"

namespace clconv::core::im2col_gemm {
namespace {

class Panels : public ChunkedLayout {
 public:
  using ChunkedLayout::ChunkedLayout;

  std::unique_ptr<Step> multiply(Device& device, const Chunking& chunk, bool add) const override {
    PanelGemm gemm = chunk.panels(case_.problem);
    gemm.add = add;
    return panel_gemm_step(device, gemm, regions_.a, regions_.b, regions_.c);
  }

  void describe(Candidate& candidate) const override {
    ChunkedLayout::describe(candidate);
    const Problem& p = case_.problem;
    const std::int64_t rows = panel_rows(case_.profile);
    candidate.coverage.filters =
        p.wants_dx() ? ceil_div(chunking_.block, p.kh * p.kw) : chunking_.block;
    if (p.direction == Direction::kBackwardWeights) candidate.coverage.elements = rows;
  }

 protected:
  double multiply_setup_us() const override { return kPredictedBuildUs; }
  Pass multiply_pass() const override {
    // Fraction of peak; PoCL 3.1, 2-core Zen 3 and Zen 5, 2026-11, ResNet's 3x3 and first layers.
    const double efficiency = case_.machine.measured(0.6, 0.75);
    const PanelGemm gemm = chunking_.panels(case_.problem);
    return matrix_pass(real(gemm.batch), real(gemm.m), real(gemm.n), real(gemm.k), efficiency,
                       real(panel_groups(case_.profile, gemm)));
  }
};

// Without the scatter, which takes CPUs ten times as long as the gather.
std::vector<Config> variants(const Case& c) {
  const auto config_of = [&](std::int64_t images, std::int64_t rows) {
    return Cut{images, rows, false}.config("panels", c.problem);
  };
  if (!serves_panels(c.profile)) return {config_of(1, 1)};
  std::vector<Config> configs;
  for (const Chunking& chunking : cuts(c, Product::kPanels))
    configs.push_back(config_of(chunking.images, chunking.rows));
  if (!configs.empty()) return configs;
  const Chunking smallest = smallest_cut(c, Product::kPanels);
  return {config_of(smallest.images, smallest.rows)};
}

Fit fit(const Case& c, const Config& config) {
  const Cut cut = Cut::from(c.problem, config);
  if (!serves_panels(c.profile)) {
    return Rejection{Reason::kFamily, "device", 0, 0,
                     "is for CPUs with vectors, and local memory for the panels"};
  }
  if (auto rejection = cut.rejection(c.problem)) return *rejection;
  const Chunking chunking(c, Product::kPanels, cut.images, cut.rows);
  if (auto rejection = chunking.rejection(c)) return *rejection;
  return std::make_unique<const Panels>(c, chunking, cut.atomic);
}

}  // namespace

extern const Body body_panels = {"panels", Suits::kCpus,
                                 0,        "ops/col2im ops/epilogue ops/gemm ops/im2col ops/pack",
                                 variants, fit};

}  // namespace clconv::core::im2col_gemm
