// The two halves of implicit_gemm: results that are correlations of an input with filters (forward,
// data gradient, transposed) and the weight gradient. Private to the strategy.
#pragma once

#include "strategies/strategy.hpp"

namespace clconv::core::implicit_gemm {

// Of one region in a workspace of its own.
std::int64_t aligned(std::int64_t bytes, const DeviceProfile& profile);
// The best `most` by predicted time, in that order.
std::vector<Candidate> best_of(std::vector<Candidate> candidates, std::size_t most);

// The tile of the GPU bodies: a work-group computes bm x bn results, a work-item tm x tn of them, bk products at a
// time through local memory.
struct Tile {
  int bm, bn, bk, tm, tn;

  std::int64_t items() const { return std::int64_t{bm / tm} * (bn / tn); }
  bool fits(const DeviceProfile& profile) const;
  Config config() const { return {{"bm", bm}, {"bn", bn}, {"bk", bk}, {"tm", tm}, {"tn", tn}}; }
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
