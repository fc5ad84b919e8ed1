// Running candidates as the tests do: poisoned and guarded buffers, and the promises that a candidate makes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "doctest/doctest.h"
#include "planner/measure.hpp"
#include "strategies/strategy.hpp"
#include "support/device.hpp"
#include "support/reference.hpp"
#include "support/suites.hpp"

namespace clconv::test {

using namespace clconv::core;

constexpr std::int64_t kNoLimit = std::int64_t{1} << 40;

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Runs one candidate with everything poisoned and guarded; the result.
inline std::vector<float> run(Device& on, const Strategy& strategy, const Problem& p,
                              const Candidate& candidate, const Tensors& tensors,
                              Launches launches = Launches::kApart) {
  const auto executable = executable_of(strategy, p, candidate.config, on, launches);
  CHECK(executable->workspace_bytes == candidate.workspace_bytes);
  CHECK(executable->prepared_weights_bytes == candidate.prepared_weights_bytes);
  std::vector<std::pair<Tensor, GuardedBuffer>> inputs;
  Bindings bindings;
  for (const Tensor tensor : inputs_of(p)) {
    inputs.emplace_back(tensor, GuardedBuffer(tensors[tensor], p.data_type));
    bindings.bind(static_cast<int>(tensor), inputs.back().second.get());
  }
  GuardedBuffer result(bytes_of(p, result_of(p)));
  if (p.accumulate) result.write(tensors[result_of(p)], p.data_type);
  bindings.bind(static_cast<int>(result_of(p)), result.get());
  GuardedBuffer workspace(candidate.workspace_bytes), prepared(candidate.prepared_weights_bytes);
  bindings.bind(kWorkspaceSlot, workspace.get());
  bindings.bind(kPreparedSlot, prepared.get());
  if (executable->joined_with_weights.empty()) {
    executable->prepare.enqueue(queue()(), bindings, {});
    executable->commands().enqueue(queue()(), bindings, {});
  } else {
    executable->joined_with_weights.enqueue(queue()(), bindings, {});
  }
  queue().finish();
  for (auto& [tensor, buffer] : inputs) {
    CHECK(buffer.intact());
    CHECK(same_bits(buffer.read(p.data_type), tensors[tensor]));
  }
  CHECK(result.intact());
  CHECK(workspace.intact());
  CHECK(prepared.intact());
  return result.read(p.data_type);
}

// The largest error in units of what the candidate promises; infinite for NaN.
inline double worst(const std::vector<float>& result, const Reference& reference,
                    double error_bound, double error_floor = 0) {
  const double least = std::max(error_floor, 1e-30);
  double worst_ratio = 0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double error = std::fabs(static_cast<double>(result[i]) - reference.result[i]);
    const double allowed = error_bound * reference.magnitude[i] + least;
    worst_ratio = std::isnan(error) ? INFINITY : std::max(worst_ratio, error / allowed);
  }
  return worst_ratio;
}

// The reference with the magnitudes that the candidate's bound is relative to.
class Expected {
 public:
  Expected(const Problem& p, const Tensors& tensors)
      : problem_(p), tensors_(tensors), by_reach_{{0, reference(p, tensors)}} {}

  const Reference& operator()(const Candidate& candidate) {
    const int reach = candidate.error_reach;
    const auto found = by_reach_.find(reach);
    if (found != by_reach_.end()) return found->second;
    return by_reach_
        .emplace(reach,
                 Reference{by_reach_.at(0).result, magnitude_within(problem_, tensors_, reach)})
        .first->second;
  }

 private:
  const Problem& problem_;
  const Tensors& tensors_;
  std::map<int, Reference> by_reach_;
};

// Which body a config belongs to, as far as its keys tell.
inline std::string keys_of(const std::string& config) {
  std::string keys;
  for (const char letter : config)
    if (std::isalpha(static_cast<unsigned char>(letter)) != 0 || letter == ',') keys += letter;
  return keys;
}

inline double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  }
  return sum;
}

// The device under test as if it were such a CPU.
inline DeviceProfile as_cpu(DeviceProfile profile, std::int64_t float_width,
                            std::int64_t vector_registers) {
  profile.family = Family::kCpu;
  profile.float_width = float_width;
  profile.vector_registers = vector_registers;
  profile.local_memory_bytes = 512 << 10;
  return profile;
}

// What a strategy offers that is considered without rigor `exhaustive`; none where it does not apply.
inline std::vector<Candidate> candidates_of(const Offer& offer) {
  const auto* offers = std::get_if<Offers>(&offer);
  return offers == nullptr ? std::vector<Candidate>() : shortlist(offers->candidates);
}

// Why a strategy offers nothing: its own reason, or of its bodies for the device the one that needs least.
inline Rejection refusal_of(const Offer& offer) {
  if (const auto* rejection = std::get_if<Rejection>(&offer)) return *rejection;
  const Offers& offers = std::get<Offers>(offer);
  CHECK(offers.candidates.empty());
  std::optional<Rejection> least;
  for (const LeftOut& body : offers.left_out) {
    if (body.reason.code == Reason::kFamily) continue;
    if (!least || body.reason.actual < least->actual) least = body.reason;
  }
  REQUIRE(least.has_value());
  return *least;
}
inline bool refuses(const Offer& offer) {
  return candidates_of(offer).empty();
}

// Calls `visit(strategy, candidate)` for all that is offered for `p` on `on`.
template <class Visit>
inline void for_each_candidate(Device& on, const Problem& p, std::int64_t limit, Visit&& visit) {
  for (const Strategy* strategy : strategies()) {
    for (const Candidate& candidate : candidates_of(strategy->offer(p, on.profile(), limit))) {
      CAPTURE(to_text(p));
      CAPTURE(std::string(to_string(p.direction)));
      CAPTURE(std::string(strategy->name));
      CAPTURE(candidate.config.text());
      CAPTURE(epilogue_words(p));
      CAPTURE(storage_words(p));
      visit(*strategy, candidate);
    }
  }
}

// The first candidate of every body: bodies differ in how they finish, or see a gradient, their variants do not.
// `steepness`: how much larger errors may be than promised, of slopes that no promise knows.
inline void check_bodies(Device& on, const Problem& p, const Tensors& tensors,
                         double steepness = 1) {
  Expected expected(p, tensors);
  std::set<std::string> seen;
  for_each_candidate(on, p, kNoLimit, [&](const Strategy& strategy, const Candidate& candidate) {
    if (!seen.insert(strategy.name + keys_of(candidate.config.text())).second) return;
    const auto result = run(on, strategy, p, candidate, tensors);
    CHECK(worst(result, expected(candidate), candidate.error_bound * steepness,
                (result_error_floor(p) + candidate.error_floor) * steepness) <= 1.0);
  });
  CHECK(seen.size() > 1);
}

// The problem in a direction, plain or with all that can be added to it.
inline Problem in_direction(Problem p, Direction direction, bool decorated) {
  p.direction = direction;
  const bool epilogue = direction == Direction::kForward || direction == Direction::kTransposed;
  p.bias = p.residual = decorated && epilogue;
  if (p.bias) p.activation = Activation::kRelu;
  p.mask = p.accumulate = decorated && !epilogue;
  return p;
}

using Offered = std::set<std::string>;

// Every candidate for `p` against the reference; without mask and epilogue also the adjoint identities:
// <conv(x,w), dy> == <x, dx> == <w, dw>, which need no reference.
inline void check_problem(Device& on, const Problem& p, Offered& offered) {
  const Tensors tensors(p);
  Expected expected(p, tensors);
  Problem forward = p;
  forward.direction = Direction::kForward;
  forward.mask = forward.accumulate = false;
  double inner = 0, scale = 0;
  const bool identity =
      !p.mask && !p.finishes() && p.plain_storage() && p.direction != Direction::kBackwardBias;
  if (identity) {
    const Reference y = reference(forward, tensors);
    for (std::size_t i = 0; i < y.result.size(); ++i) {
      inner += y.result[i] * static_cast<double>(tensors[Tensor::kDy][i]);
      scale += y.magnitude[i];
    }
  }
  const Tensor dual = p.direction == Direction::kForward ? Tensor::kDy
                      : p.wants_dx()                     ? Tensor::kX
                                                         : Tensor::kW;
  for_each_candidate(on, p, kNoLimit, [&](const Strategy& strategy, const Candidate& candidate) {
    offered.insert(std::string(strategy.name) + " " + to_string(p.direction));
    const auto result = run(on, strategy, p, candidate, tensors);
    const Reference& within = expected(candidate);
    CHECK(worst(result, within, candidate.error_bound,
                result_error_floor(p) + candidate.error_floor) <= 1.0);
    // Every config can be verified on the small problem of its class.
    CHECK_NOTHROW(strategy.build(small_problem(p, candidate.coverage), candidate.config, on));
    if (identity) {
      const double sum = candidate.error_reach == 0 ? scale
                                                    : std::accumulate(within.magnitude.begin(),
                                                                      within.magnitude.end(), 0.0);
      CHECK(std::fabs(dot(result, tensors[dual]) - inner) <= candidate.error_bound * sum + 1e-30);
    }
  });
}

// Tests take their time for compiling. What repeats the main tests on another kind of device or data type takes every
// second of its problems, unless the environment says CLCONV_TEST_ALL=1.
inline std::size_t thinned(std::size_t parts) {
  const char* all = std::getenv("CLCONV_TEST_ALL");
  return all != nullptr && std::string(all) == "1" ? parts : 2 * parts;
}

// A part of a suite (every `parts`-th problem from `part` on) in some directions: forward plain and with
// bias and ReLU; the gradients alternately plain and with all that can be added, which halves the compiling.
// `change` makes another problem of each, forward alternately, too.
inline Offered check_suite(Device& on, const std::string& name, double max_flops, std::size_t part,
                           std::size_t parts, const std::vector<Direction>& directions,
                           const std::function<void(Problem&, std::size_t)>& change = nullptr) {
  Offered offered;
  const auto problems = suite(name, max_flops);
  for (std::size_t i = part; i < problems.size(); i += parts) {
    for (const Direction direction : directions) {
      for (const bool decorated : {false, true}) {
        // One of the two suffices for what differs little from another direction.
        if (direction == Direction::kTransposed && !decorated) continue;
        const bool gradient =
            direction != Direction::kForward && direction != Direction::kTransposed;
        if ((gradient || (change && direction == Direction::kForward)) &&
            decorated != (i / parts % 2 == 1)) {
          continue;
        }
        Problem p = in_direction(problems[i].problem, direction, decorated);
        if (change) change(p, i / parts);
        check_problem(on, p, offered);
      }
    }
  }
  return offered;
}

inline const std::vector<Direction> kForwardOnly = {Direction::kForward};
inline const std::vector<Direction> kData = {Direction::kBackwardData, Direction::kTransposed};
inline const std::vector<Direction> kWeights = {Direction::kBackwardWeights,
                                                Direction::kBackwardBias};
inline const std::vector<Direction> kGeometric = {Direction::kForward, Direction::kBackwardData,
                                                  Direction::kTransposed};
inline const std::vector<Direction> kAll = {Direction::kForward, Direction::kBackwardData,
                                            Direction::kBackwardWeights, Direction::kBackwardBias,
                                            Direction::kTransposed};

// The device under test as if it were another: the same kernels with other vector widths, and the
// bodies and launches meant for GPUs.
inline Device pretending(const std::function<void(DeviceProfile&)>& change) {
  DeviceProfile profile = device().profile();
  change(profile);
  return Device(device().context(), device().cl(), cache_options("", 0), profile);
}

inline Device pretended_gpu() {
  return pretending([](DeviceProfile& p) {
    p.family = Family::kGpu;
    p.float_width = 1;
    p.vector_registers = 0;
    p.max_work_group_size = 128;
  });
}

}  // namespace clconv::test
