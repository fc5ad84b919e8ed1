// Direct kernels for depthwise convolutions (g = c, any channel multiplier): bodies with explicit vectors over planes
// as they lie or staged in local memory, or along channels that come last, for CPUs; with a few results per work-item
// for GPUs. Nothing is copied in global memory, and weights are packed only for channels that come last.
#include "strategies/depthwise/bodies.hpp"

#define CLCONV_CORRELATIONS(X) \
  X(narrow)                    \
  X(rolling)                   \
  X(pairs)                     \
  X(planes)                    \
  X(masked)                    \
  X(staged_rolling)            \
  X(deinterleaved)             \
  X(columns)                   \
  X(rows)                      \
  X(channels)                  \
  X(staged_channels)           \
  X(fours)                     \
  X(direct)
#define CLCONV_WEIGHTS(X)  \
  X(weights_narrow)        \
  X(weights_rolling)       \
  X(weights_deinterleaved) \
  X(weights_planes)        \
  X(weights_masked)        \
  X(weights_columns)       \
  X(weights_rows)          \
  X(weights_fours)         \
  X(weights_direct)

namespace clconv::core {
namespace depthwise {
CLCONV_CORRELATIONS(CLCONV_DECLARE_BODY)
CLCONV_WEIGHTS(CLCONV_DECLARE_BODY)
}  // namespace depthwise

namespace {

using namespace depthwise;

// In the order of preference: where predictions tie, planes that need no staging.
const Bodies& bodies_for(const Problem& p) {
  static const Bodies correlation = {CLCONV_CORRELATIONS(CLCONV_BODY)};
  static const Bodies weights = {CLCONV_WEIGHTS(CLCONV_BODY)};
  return p.direction == Direction::kBackwardWeights ? weights : correlation;
}

Case case_of(const Problem& p, const DeviceProfile& profile, std::int64_t workspace_limit) {
  // Without the correlations, of which a data gradient has one per phase of the stride: no body needs them.
  return {flattened(p), profile, workspace_limit, {}};
}

std::optional<Rejection> rejection(const Problem& p) {
  if (p.direction == Direction::kBackwardBias) return not_served(p);
  if (auto refused = storage_not_served(p, {Serves::kNarrow, Serves::kNhwc})) return refused;
  if (auto refused = too_large(p)) return refused;
  if (p.g != p.c) return Rejection{Reason::kShape, "g", p.g, p.c, ""};
  return std::nullopt;
}

}  // namespace

extern const Strategy strategy_depthwise;
const Strategy strategy_depthwise = strategy_of_bodies<rejection, bodies_for, case_of>("depthwise");

}  // namespace clconv::core
