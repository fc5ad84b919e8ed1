#include "strategies/implicit_gemm/register_tile_layout.hpp"

namespace clconv::core::implicit_gemm {

RegisterTileLayout::RegisterTileLayout(const Case& c, const Config& config, std::int64_t block,
                                       std::int64_t wanted, bool floats, InputView::Padding padding,
                                       std::int64_t zero_rows)
    : case_(c),
      config_(config),
      view_(c, wanted, floats, padding),
      packed_(c.correlations, block, c.profile, 1, zero_rows) {}

void RegisterTileLayout::describe(Candidate& candidate) const {
  const Problem& p = case_.problem;
  double us = 0;
  for (std::size_t i = 0; i < case_.correlations.size(); ++i)
    us += predicted_us(case_.profile, {multiply_pass(case_.correlations[i], packed_.blocks[i])});
  candidate.workspace_bytes = view_.workspace_bytes(case_.profile);
  candidate.prepared_weights_bytes = packed_.bytes;
  candidate.error_bound = result_error_bound(p, summation_error_bound(p.reduction()));
  candidate.predicted_us = predicted_us(case_.profile, {view_.pass()}) + us;
  candidate.predicted_setup_us = kPredictedBuildUs;
  candidate.coverage = coverage_of(case_, packed_.blocks.front().block, tile_columns());
}

void RegisterTileLayout::add_to(Executable& executable, Device& device) const {
  packed_.add_to(executable, device, case_.correlations);
  view_.add_to(executable, device, case_.problem,
               [&](const Region& x, std::int64_t first_image, std::int64_t images) {
                 for (std::size_t i = 0; i < case_.correlations.size(); ++i) {
                   const Correlation& c = case_.correlations[i];
                   if (nothing_to_do(case_.problem, c)) continue;
                   executable.run.add(multiply(
                       device, {c, packed_.blocks[i], packed_.regions[i], x, first_image, images}));
                 }
               });
}

}  // namespace clconv::core::implicit_gemm
