// Implicit GEMM: gathers patches while multiplying, no im2col matrix in memory. Bodies with local-memory tiles for
// GPUs, bodies with explicit vectors for CPUs; one list for correlations (forward, data gradient, transposed), one
// for the weight gradient.
#include <algorithm>

#include "strategies/implicit_gemm/correlation_bodies.hpp"
#include "strategies/implicit_gemm/weights_bodies.hpp"

#define CLCONV_CORRELATIONS(X) \
  X(filters)                   \
  X(slabs)                     \
  X(pixels)                    \
  X(patches)                   \
  X(staged_pixels)             \
  X(phases)                    \
  X(staged_phases)             \
  X(in_place)                  \
  X(tile)                      \
  X(tile_half)                 \
  X(tile_matrix)               \
  X(tile_tf32)                 \
  X(direct)                    \
  X(items)
#define CLCONV_WEIGHTS(X) \
  X(weights_filters)      \
  X(weights_pixels)       \
  X(weights_planes)       \
  X(weights_patches)      \
  X(weights_sections)     \
  X(weights_taps)         \
  X(weights_tile)

namespace clconv::core {
namespace implicit_gemm {
CLCONV_CORRELATIONS(CLCONV_DECLARE_BODY)
CLCONV_WEIGHTS(CLCONV_DECLARE_BODY)
}  // namespace implicit_gemm

namespace {

using namespace implicit_gemm;

const Bodies& bodies_for(const Problem& p) {
  static const Bodies correlation = {CLCONV_CORRELATIONS(CLCONV_BODY)};
  static const Bodies weights = {CLCONV_WEIGHTS(CLCONV_BODY)};
  return p.direction == Direction::kBackwardWeights ? weights : correlation;
}

Case case_of(const Problem& p, const DeviceProfile& profile, std::int64_t workspace_limit) {
  return {p.direction == Direction::kBackwardWeights ? flattened(p) : p, profile, workspace_limit};
}

// A data gradient is one launch per residue class of the stride; beyond this many naive is as good.
constexpr std::int64_t kMostPhases = 256;

std::optional<Rejection> rejection(const Problem& p) {
  if (p.direction == Direction::kBackwardBias) return not_served(p);
  if (auto refused = storage_not_served(p, {Serves::kNarrow, Serves::kNhwc, Serves::kKrsc}))
    return refused;
  if (auto refused = too_large(p)) return refused;
  // Channels last, offsets within an image's rows reach over all channels.
  const std::int64_t image = saturating_product(p.h + p.pt + p.pb, p.w + p.pl + p.pr, p.c, p.kh);
  if (p.layout == TensorLayout::kNhwc && image > kIndexLimit)
    return Rejection{Reason::kTooLarge, "h*w*c*kh with padding", image, kIndexLimit, ""};
  const std::int64_t phases = saturating_product(std::min(p.sh, p.h), std::min(p.sw, p.w));
  if (p.wants_dx() && phases > kMostPhases)
    return Rejection{Reason::kTooLarge, "sh*sw", phases, kMostPhases, ""};
  return std::nullopt;
}

}  // namespace

extern const Strategy strategy_implicit_gemm;
const Strategy strategy_implicit_gemm =
    strategy_of_bodies<rejection, bodies_for, case_of>("implicit_gemm");

}  // namespace clconv::core
