// Implicit GEMM: gathers patches while multiplying, no im2col matrix in memory. Bodies with
// local-memory tiles for GPUs, bodies with explicit vectors for CPUs. All run on all devices; the family of a
// device says which are offered.
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

// Of 4 floats each row of a tile may be longer than its results.
bool Tile::fits(const DeviceProfile& profile) const {
  const std::int64_t local_bytes =
      std::int64_t{buffers} * bk * (bm + bn + 8) * Problem::kFloatBytes + std::int64_t{bn} * 16;
  return items() <= profile.max_work_group_size && local_bytes <= profile.local_memory_bytes;
}

Config Tile::config() const {
  Config config{{"bm", bm}, {"bn", bn}, {"bk", bk}, {"tm", tm}, {"tn", tn}, {"buffers", buffers}};
  config.set("split", split);
  return config;
}

std::string Tile::defines() const {
  Config config{{"bm", bm}, {"bn", bn}, {"bk", bk}, {"tm", tm}, {"tn", tn}, {"buffers", buffers}};
  config.set("vw", 4);
  return config.defines();
}

double Tile::efficiency() const {
  // Unmeasured: local memory feeds tm*tn multiply-adds from tm + tn words, which is enough at 8x8; a larger
  // tile comes from global memory less often.
  const double reuse = static_cast<double>(tm * tn) / (tm + tn);
  const double fetches = 1.0 / bm + 1.0 / bn;
  return 0.7 * std::min(1.0, reuse / 4) / (1 + 8 * fetches);
}

// Work-items that keep a compute unit busy.
constexpr std::int64_t kItemsPerUnit = 256;

double Tile::filling(std::int64_t groups) const {
  return static_cast<double>(groups) *
         std::min(1.0, static_cast<double>(items()) / static_cast<double>(kItemsPerUnit));
}

int Tile::wanted_split(const DeviceProfile& profile, std::int64_t groups,
                       std::int64_t steps) const {
  constexpr std::int64_t kGroupsPerUnit = 2, kLeastSteps = 8, kMostParts = 16;
  const std::int64_t busy =
      profile.compute_units * kGroupsPerUnit * std::max<std::int64_t>(1, kItemsPerUnit / items());
  const std::int64_t most = std::clamp<std::int64_t>(steps / kLeastSteps, 1, kMostParts);
  return static_cast<int>(std::clamp<std::int64_t>(busy / groups, 1, most));
}

Tile Tile::from(const Config& c) {
  const Tile tile{c.get("bm", 4, 256),    c.get("bn", 4, 256), c.get("bk", 4, 64),
                  c.get("tm", 4, 16),     c.get("tn", 4, 16),  c.get("buffers", 1, 2),
                  c.get("split", 1, 1024)};
  // The fetch loops hand out whole rows and columns.
  const std::int64_t items = tile.items();
  const auto divides = [](std::int64_t a, std::int64_t b) { return a > 0 && b % a == 0; };
  if (!divides(tile.tm, tile.bm) || !divides(tile.tn, tile.bn) || !divides(4, tile.tm) ||
      !divides(4, tile.tn) || !divides(tile.bn, items) || !divides(tile.bk, items) ||
      !divides(4 * items / tile.bn, tile.bk) ||
      !divides(4 * items, std::int64_t{tile.bk} * tile.bm) || !divides(items / tile.bk, tile.bm) ||
      !divides(items / tile.bk, tile.bn)) {
    throw Error(Code::kInvalidArgument,
                "config '" + c.text() + "': the tiles do not divide among the work-items");
  }
  return tile;
}

}  // namespace implicit_gemm

namespace {

// A data gradient is one launch per residue class of the stride; beyond this many naive is as good.
constexpr std::int64_t kMostPhases = 256;

Offer offer(const Problem& p, const DeviceProfile& profile, std::int64_t) {
  if (p.direction == Direction::kBackwardBias) return not_served(p);
  if (auto rejection = storage_not_served(p, {Serves::kNarrow, Serves::kNhwc, Serves::kKrsc})) {
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
