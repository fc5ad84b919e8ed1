// Implicit GEMM: gathers patches while multiplying, no im2col matrix in memory. Bodies with
// local-memory tiles for GPUs, bodies with explicit vectors for CPUs. All run on all devices; the cost
// model knows which suits which family, so the planner's choice follows from the profile.
#include "strategies/implicit_gemm.hpp"

#include <algorithm>

namespace clconv::core {
namespace implicit_gemm {

std::int64_t aligned(std::int64_t bytes, const DeviceProfile& profile) {
  WorkspaceLayout layout(profile);
  layout.add(bytes);
  return layout.bytes();
}

std::vector<Candidate> best_of(std::vector<Candidate> candidates, std::size_t most) {
  std::stable_sort(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.predicted_us < b.predicted_us; });
  candidates.resize(std::min(candidates.size(), most));
  return candidates;
}

bool Tile::fits(const DeviceProfile& profile) const {
  const std::int64_t local_bytes =
      (std::int64_t{bk} * (bm + 1) + std::int64_t{bk} * bn) * Problem::kFloatBytes;
  return items() <= profile.max_work_group_size && local_bytes <= profile.local_memory_bytes;
}

Tile Tile::from(const Config& config) {
  const Tile tile{config.get("bm", 1, 256), config.get("bn", 1, 256), config.get("bk", 1, 64),
                  config.get("tm", 1, 16), config.get("tn", 1, 16)};
  // The fetch loops hand out whole rows and columns.
  if (tile.bm % tile.tm != 0 || tile.bn % tile.tn != 0 || tile.items() % tile.bn != 0 ||
      tile.items() % tile.bk != 0 || tile.bk % (tile.items() / tile.bn) != 0 ||
      tile.bm % (tile.items() / tile.bk) != 0) {
    throw Error(Code::kInvalidArgument,
                "config '" + config.text() + "': the tiles do not divide among the work-items");
  }
  return tile;
}

}  // namespace implicit_gemm

namespace {

// A data gradient is one launch per residue class of the stride; beyond this many naive is as good.
constexpr std::int64_t kMostPhases = 256;

Offer offer(const Problem& p, const DeviceProfile& profile, std::int64_t) {
  if (p.direction == Direction::kBackwardBias) return not_served(p);
  if (auto rejection =
          storage_not_served(p, {Serves::kHalf, Serves::kNhwc, Serves::kKrsc, Serves::kResidual})) {
    return *rejection;
  }
  if (auto rejection = too_large(p)) return *rejection;
  // Channels last, offsets within an image's rows reach over all channels.
  const std::int64_t image = saturating_product(p.h + p.pt + p.pb, p.w + p.pl + p.pr, p.c, p.kh);
  if (p.layout == TensorLayout::kNhwc && image > kIndexLimit) {
    return Rejection{Reason::kTooLarge, "h*w*c*kh with padding", image, kIndexLimit, ""};
  }
  const std::int64_t phases = saturating_product(std::min(p.sh, p.h), std::min(p.sw, p.w));
  if (p.wants_dx() && phases > kMostPhases) {
    return Rejection{Reason::kTooLarge, "sh*sw", phases, kMostPhases, ""};
  }
  return p.direction == Direction::kBackwardWeights
             ? implicit_gemm::weights_candidates(p, profile)
             : implicit_gemm::correlation_candidates(p, profile);
}

std::unique_ptr<const Executable> build(const Problem& p, const Config& config, Device& device) {
  return p.direction == Direction::kBackwardWeights
             ? implicit_gemm::build_weights(p, config, device)
             : implicit_gemm::build_correlation(p, config, device);
}

}  // namespace

extern const Strategy strategy_implicit_gemm = {"implicit_gemm", offer, build};

}  // namespace clconv::core
