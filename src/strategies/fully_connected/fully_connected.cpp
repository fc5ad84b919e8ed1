// Fully connected layers, to a convolution those whose filter is the image: one product for the whole batch and in
// every direction, since x, w and y lie in memory as its matrices. Bodies of our own for CPUs, and
// for few images on GPUs, which pack nothing; CLBlast for everything else.
#include "strategies/fully_connected/bodies.hpp"

#define CLCONV_FORWARD(X) \
  X(dot)                  \
  X(rows)                 \
  X(clblast)
#define CLCONV_GRADIENTS(X) \
  X(outer)                  \
  X(clblast)

namespace clconv::core {
namespace fully_connected {
CLCONV_FORWARD(CLCONV_DECLARE_BODY)
CLCONV_GRADIENTS(CLCONV_DECLARE_BODY)
}  // namespace fully_connected

namespace {

using namespace fully_connected;

const Bodies& bodies_for(const Problem& p) {
  static const Bodies forward = {CLCONV_FORWARD(CLCONV_BODY)};
  static const Bodies gradients = {CLCONV_GRADIENTS(CLCONV_BODY)};
  return p.direction == Direction::kForward ? forward : gradients;
}

std::optional<Rejection> rejection(const Problem& p) {
  if (p.direction == Direction::kBackwardBias) return not_served(p);
  if (auto refused = too_large(p)) return refused;
  const std::pair<const char*, std::pair<std::int64_t, std::int64_t>> wanted[] = {
      {"kh", {p.kh, p.h}}, {"kw", {p.kw, p.w}}, {"g", {p.g, 1}},   {"pt", {p.pt, 0}},
      {"pl", {p.pl, 0}},   {"pb", {p.pb, 0}},   {"pr", {p.pr, 0}},
  };
  for (const auto& [field, values] : wanted) {
    if (values.first != values.second) return other_than(field, values.first, values.second);
  }
  // An image and a filter in the same order are the same rows, whatever that order is.
  const bool same_order =
      p.c == 1 || p.h * p.w == 1 ||
      (p.layout == TensorLayout::kNhwc) == (p.weights_layout == WeightsLayout::kKrsc);
  return same_order ? storage_not_served(p, {Serves::kNarrow, Serves::kNhwc, Serves::kKrsc})
                    : storage_not_served(p, {Serves::kNarrow});
}

}  // namespace

extern const Strategy strategy_fully_connected;
const Strategy strategy_fully_connected =
    strategy_of_bodies<rejection, bodies_for>("fully_connected");

}  // namespace clconv::core
