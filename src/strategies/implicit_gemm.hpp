// The two halves of implicit_gemm: results that are correlations of an input with filters (forward,
// data gradient, transposed) and the weight gradient. Private to the strategy.
#pragma once

#include "strategies/strategy.hpp"

namespace clconv::core::implicit_gemm {

// Of one region in a workspace of its own.
std::int64_t aligned(std::int64_t bytes, const DeviceProfile& profile);
// The best `most` by predicted time, in that order.
std::vector<Candidate> best_of(std::vector<Candidate> candidates, std::size_t most);

// The tile of the GPU bodies (see parts/local_tile.cl): a work-group computes bm x bn results, a work-item tm x tn of
// them, bk products at a time through local memory, whose next ones come meanwhile with `buffers` = 2. The reduction is
// split among `split` work-groups.
struct Tile {
  int bm, bn, bk, tm, tn, buffers = 2, split = 1;

  std::int64_t items() const { return std::int64_t{bm / tm} * (bn / tn); }
  bool fits(const DeviceProfile& profile) const;
  Config config() const;
  std::string defines() const;
  // Fraction of a device's peak its loop reaches where there are work-groups enough.
  double efficiency() const;
  // `groups` work-groups as the cost model counts them, which takes one to fill a compute unit.
  double filling(std::int64_t groups) const;
  // The split that gives a device enough work-groups, `groups` of `steps` being what there is without; 1: not wanted.
  int wanted_split(const DeviceProfile& profile, std::int64_t groups, std::int64_t steps) const;
  // Throws Error{kInvalidArgument} where the tiles do not divide among the work-items.
  static Tile from(const Config& config);
};

std::vector<Candidate> correlation_candidates(const Problem& problem, const DeviceProfile& profile);
std::unique_ptr<const Executable> build_correlation(const Problem& problem, const Config& config,
                                                    Device& device);

std::vector<Candidate> weights_candidates(const Problem& problem, const DeviceProfile& profile);
std::unique_ptr<const Executable> build_weights(const Problem& problem, const Config& config,
                                                Device& device);

}  // namespace clconv::core::implicit_gemm
