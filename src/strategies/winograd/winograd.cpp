// Winograd's minimal filtering for 3x3 filters at stride 1: the input of a chunk of tiles is transformed into the
// workspace, multiplied and transformed back, chunk after chunk; in two launches on CPUs, in three on GPUs, or all in
// one kernel through local memory.
#include "strategies/winograd/bodies.hpp"

#define CLCONV_BODIES(X) \
  X(f2x2)                \
  X(f4x4)                \
  X(f2x2_strips)         \
  X(f4x4_strips)         \
  X(f2x2_fused)          \
  X(f2x2_tile)           \
  X(f4x4_tile)
#define CLCONV_WEIGHTS_BODIES(X) X(f4x4_weights)

namespace clconv::core {
namespace winograd {
CLCONV_BODIES(CLCONV_DECLARE_BODY)
CLCONV_WEIGHTS_BODIES(CLCONV_DECLARE_BODY)
}  // namespace winograd

namespace {

using namespace winograd;

const Bodies& bodies_for(const Problem& p) {
  static const Bodies bodies = {CLCONV_BODIES(CLCONV_BODY)};
  static const Bodies of_weights = {CLCONV_WEIGHTS_BODIES(CLCONV_BODY)};
  return p.direction == Direction::kBackwardWeights ? of_weights : bodies;
}

std::optional<Rejection> rejection(const Problem& p) {
  const bool weights = p.direction == Direction::kBackwardWeights;
  if (p.direction != Direction::kForward && !p.wants_dx() && !weights) return not_served(p);
  if (auto refused = storage_not_served(p, {Serves::kNarrow, Serves::kNhwc, Serves::kKrsc}))
    return refused;
  if (auto refused = too_large(p)) return refused;
  const std::pair<const char*, std::pair<std::int64_t, std::int64_t>> wanted[] = {
      {"kh", {p.kh, 3}}, {"kw", {p.kw, 3}}, {"sh", {p.sh, 1}},
      {"sw", {p.sw, 1}}, {"dh", {p.dh, 1}}, {"dw", {p.dw, 1}}};
  for (const auto& [field, values] : wanted) {
    if (weights && *field == 'd') continue;  // it takes any dilation
    if (values.first != values.second) return other_than(field, values.first, values.second);
  }
  return std::nullopt;
}

}  // namespace

extern const Strategy strategy_winograd;
const Strategy strategy_winograd = strategy_of_bodies<rejection, bodies_for>("winograd");

}  // namespace clconv::core
