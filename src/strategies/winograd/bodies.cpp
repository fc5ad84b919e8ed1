#include "strategies/winograd/bodies.hpp"

#include "ops/epilogue.hpp"
#include "ops/quotient.hpp"
#include "strategies/cost_model.hpp"

namespace clconv::core::winograd {

std::unique_ptr<Step> transform_gpu_weights(Device& device, const Correlation& c, int m,
                                            std::int64_t padded_filters, std::int64_t local) {
  const Reciprocal of_filters(padded_filters), of_channels(c.channels);
  return std::make_unique<KernelStep>(
      "transform_weights",
      device.kernel("winograd/tile_weights", "winograd_gpu_weights",
                    "-DM=" + std::to_string(m) + " " + storage_define(c.data_type)),
      with_weight_strides({{"weights", Region{kWeightsSlot}},
                           {"packed", Region{kPreparedSlot}},
                           {"filters", narrow(c.filters)},
                           {"channels", narrow(c.channels)},
                           {"channels_reciprocal", of_channels.bits()},
                           {"channels_shift", cl_int{of_channels.shift}},
                           {"groups", narrow(c.groups)},
                           {"padded_filters", narrow(padded_filters)},
                           {"padded_filters_reciprocal", of_filters.bits()},
                           {"padded_filters_shift", cl_int{of_filters.shift}}},
                          c),
      items(c.groups * c.channels * padded_filters, local));
}

std::optional<Rejection> too_many_gpu_weights(const Correlation& c, std::int64_t padded_filters) {
  constexpr std::int64_t kMost = INT32_MAX / 2;  // a multiple of the work-group, too
  const std::int64_t weights = saturating_product(c.groups, c.channels, padded_filters);
  if (weights > kMost) return above("groups*c*k", weights, kMost);
  return std::nullopt;
}

std::vector<Argument> with_weight_strides(std::vector<Argument> arguments, const Correlation& c) {
  arguments.insert(arguments.end(), {{"w_base", cl_long{c.w_base}},
                                     {"w_group", cl_long{c.w_group}},
                                     {"w_filter", cl_long{c.w_filter}},
                                     {"w_channel", cl_long{c.w_channel}},
                                     {"w_row", cl_long{c.w_row}},
                                     {"w_column", cl_long{c.w_column}}});
  return arguments;
}

Region input_of(const Problem& p) {
  return {p.wants_dx() ? kDySlot : kXSlot};
}

Region y_of(const Problem& p) {
  return p.mask ? Region{kYSlot} : input_of(p);
}

std::vector<Argument> input_arguments(const Problem& p, const Correlation& c, const Region& v) {
  return {{"x", input_of(p)},
          {"y", y_of(p)},
          {"V", v},
          {"channels", narrow(c.channels)},
          {"groups", narrow(c.groups)},
          {"in_h", narrow(c.in_h)},
          {"in_w", narrow(c.in_w)},
          {"top", narrow(c.top)},
          {"left", narrow(c.left)}};
}

double input_bytes(const Problem& p) {
  return static_cast<double>(p.wants_dx() ? p.y_bytes() : p.x_bytes());
}

double result_bytes(const Problem& p) {
  return static_cast<double>(bytes_of(p, result_of(p))) * (p.residual || p.accumulate ? 2 : 1);
}

namespace {

// A result is A'[sum over c of U*V]A with U = G g G', V = B' d B. Every one of its (m+2)^2 sums has
// rounding errors like any sum over the channels, relative to |U|*|V|, which A then weighs: rounding
// errors of independent sign grow the sum's bound by the 2-norm of the row of A, times the norms of the rows of
// G and B, worst over the tap and the result's place in its tile. In one dimension that is
//     max over o, t of sqrt(sum over xi of (A[xi][o] * G[xi][t] * |B[:,xi]|_2)^2),
// sqrt(3) for F(2,3), 8.9 for F(4,3) (o = 3, t = 2), squared in two, relative to the largest |input| of the
// tile times the filter's sum of |weights|, per channel. Measured over the suites: far below (see the
// test's margin), since few filters have their weight in that corner.
double error_bound(const Problem& p, int m) {
  constexpr double kAmplification2 = 3.0, kAmplification4 = 79.0;
  const double amplification = m == 2 ? kAmplification2 : kAmplification4;
  // Both transforms add at most 2*(m+2) terms to each sum over the channels.
  const std::int64_t summed = p.wants_dx()                                 ? p.k_per_group()
                              : p.direction == Direction::kBackwardWeights ? p.reduction()
                                                                           : p.c_per_group();
  const std::int64_t terms = summed + 4 * (m + 2);
  return result_error_bound(p, amplification * summation_error_bound(terms));
}

}  // namespace

void describe_transforms(Candidate& candidate, const Problem& p, int m) {
  candidate.error_bound = error_bound(p, m);
  candidate.error_reach = m - 1;
  candidate.predicted_setup_us = kPredictedBuildUs;
}

}  // namespace clconv::core::winograd
