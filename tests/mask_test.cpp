// Masked gradients: the backward of every activation that has one, in every strategy, and by finite differences.
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

// One problem of each kind that some strategy serves, small and with tails.
const char* const kKinds[] = {"n2c5h9w11k19kh3kw3p1",      "n2c19h7w5k23kh1kw1",
                              "n2c6h11w13k12kh3kw3s2p1g6", "n3c67h1w1k23kh1kw1",
                              "n1c8h10w9k12kh3kw2s2g2",    "n2c4h13w18k4kh3kw3p1g4"};
constexpr Direction kGradients[] = {Direction::kBackwardData, Direction::kBackwardWeights,
                                    Direction::kBackwardBias};

Problem masked(const char* text, Direction direction, Activation activation) {
  Problem p = parse_problem(text);
  p.direction = direction;
  p.mask = true;
  p.masked = activation;
  if (activation == Activation::kLeakyRelu) p.activation_slope = 0.125f;
  if (activation == Activation::kHardSigmoid) p.activation_slope = 0.2f;
  return p;
}

// The forward problem whose gradient `p` is, with a bias.
Problem forward_of(const Problem& p) {
  Problem forward = p;
  forward.direction = Direction::kForward;
  forward.mask = forward.accumulate = false;
  forward.activation = p.masked;
  forward.bias = true;
  return forward;
}

// y as a forward execution stores it, of sums that reach beyond all limits of the activations.
Tensors with_results(const Problem& p) {
  Tensors tensors(p);
  const Problem forward = forward_of(p);
  std::vector<float>& y = tensors[Tensor::kY];
  for (float& value : y)
    value = static_cast<float>(activated(forward, 9 * static_cast<double>(value)));
  y = from_storage(to_storage(y, p.data_type), p.data_type);
  return tensors;
}

template <class Visit>
void for_each_backward(Visit&& visit) {
  for (const ActivationRow& row : kActivationRows) {
    CAPTURE(std::string(row.word));
    if (backward_of(row.activation).macro != nullptr && row.activation != Activation::kNone)
      visit(row.activation);
  }
}

// Every `parts`-th of all kinds, directions and activations, from `part` on. With `whole` all kinds and directions of
// sigmoid, which no body can take for a mask of zeroes and ones.
void check_masks(Device& on, DataType type, std::size_t part, std::size_t parts,
                 bool whole = false) {
  std::size_t number = 0;
  for_each_backward([&](Activation activation) {
    for (const char* text : kKinds) {
      for (const Direction direction : kGradients) {
        const bool chosen = whole && activation == Activation::kSigmoid;
        if (number++ % parts != part && !chosen) continue;
        Problem p = masked(text, direction, activation);
        p.data_type = type;
        p.accumulate = number % 2 == 0;
        check_bodies(on, p, with_results(p));
      }
    }
  });
}

// The sum of dy times the forward results, in double precision: its gradients are those of the convolution.
double loss(const Problem& forward, const Tensors& tensors, Tensor moved, std::size_t at,
            double by) {
  const auto value = [&](Tensor tensor, std::size_t i) {
    return static_cast<double>(tensors[tensor][i]) + (tensor == moved && i == at ? by : 0);
  };
  const auto plane = static_cast<std::size_t>(forward.oh() * forward.ow());
  std::vector<double> sums(tensors[Tensor::kY].size());
  for (std::size_t i = 0; i < sums.size(); ++i)
    sums[i] = value(Tensor::kB, i / plane % static_cast<std::size_t>(forward.k));
  for_each_product(forward, [&](std::size_t x, std::size_t w, std::size_t y) {
    sums[y] += value(Tensor::kX, x) * value(Tensor::kW, w);
  });
  double total = 0;
  for (std::size_t i = 0; i < sums.size(); ++i)
    total += static_cast<double>(tensors[Tensor::kDy][i]) * activated(forward, sums[i]);
  return total;
}

// The gradient that the device computes against central differences of the loss, element by element.
void check_differences(const Problem& p) {
  constexpr double kStep = 1e-6;
  const Problem forward = forward_of(p);
  Tensors tensors(p);
  tensors[Tensor::kB] = Tensors(forward)[Tensor::kB];  // k numbers; a data gradient's own has c
  for (float& x : tensors[Tensor::kX])
    x *= 4;  // so that sums reach beyond all limits of the activations
  const Reference result = reference(forward, tensors);
  std::transform(result.result.begin(), result.result.end(), tensors[Tensor::kY].begin(),
                 [](double y) { return static_cast<float>(y); });
  const Tensor moved = p.direction == Direction::kBackwardData      ? Tensor::kX
                       : p.direction == Direction::kBackwardWeights ? Tensor::kW
                                                                    : Tensor::kB;
  std::vector<double> expected(tensors[moved].size());
  double largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    expected[i] =
        (loss(forward, tensors, moved, i, kStep) - loss(forward, tensors, moved, i, -kStep)) /
        (2 * kStep);
    largest = std::max(largest, std::fabs(expected[i]));
  }
  CHECK(largest > 0);
  std::set<std::string> seen;
  for_each_candidate(
      device(), p, kNoLimit, [&](const Strategy& strategy, const Candidate& candidate) {
        if (!seen.insert(strategy.name + keys_of(candidate.config.text())).second) return;
        const auto gradient = run(device(), strategy, p, candidate, tensors);
        double worst = 0;
        for (std::size_t i = 0; i < expected.size(); ++i)
          worst = std::max(worst, std::fabs(static_cast<double>(gradient[i]) - expected[i]));
        CHECK(worst <= 1e-4 * largest);
      });
  CHECK(seen.size() > 1);
}

}  // namespace

// Coprime to the kinds and directions, so that all of them meet.
TEST_CASE("masks: the backward of every activation, and sigmoid's in every strategy") {
  check_masks(device(), DataType::kFloat32, 0, 11, true);
}
TEST_CASE("masks, in float16 and bfloat16") {
  check_masks(device(), DataType::kFloat16, 0, 13);
  check_masks(device(), DataType::kBfloat16, 1, 13);
}
TEST_CASE("masks, as a GPU") {
  Device on = pretended_gpu();
  check_masks(on, DataType::kFloat32, 2, 13, true);
  check_masks(on, DataType::kFloat16, 3, 13);
}

TEST_CASE("masks: gradients are those that finite differences give") {
  std::size_t number = 0;
  for_each_backward([&](Activation activation) {
    for (const Direction direction : kGradients) {
      for (const char* text :
           {"n2c3h6w7k4kh3kw3p1", "n2c4h5w6k3kh1kw1", "n2c3h8w9k3kh3kw3s2p1g3"}) {
        if (number++ % thinned(1) == 0) check_differences(masked(text, direction, activation));
      }
    }
  });
}

// Where v is below 0, a leaky ReLU with slope 0 gives -0: it is masked out as by ReLU.
TEST_CASE("masks: leaky ReLU with slope 0 is ReLU, and 1 - y*y keeps its accuracy next to 1") {
  Problem p = masked("n1c1h1w4k1kh1kw1", Direction::kBackwardData, Activation::kLeakyRelu);
  p.activation_slope = 0;
  Tensors tensors(p);
  tensors[Tensor::kW] = {1.0f};
  tensors[Tensor::kDy] = {1.0f, 2.0f, 3.0f, 4.0f};
  tensors[Tensor::kY] = {-0.0f, 0.0f, 1e-30f, 2.0f};
  const auto candidate = [&] {
    return candidates_of(yardstick().offer(p, device().profile(), kNoLimit)).front();
  };
  CHECK(run(device(), yardstick(), p, candidate(), tensors) ==
        std::vector<float>{0.0f, 0.0f, 3.0f, 4.0f});
  p.masked = Activation::kTanh;
  const float near = 1 - 0x1p-20f;
  tensors[Tensor::kY] = {near, -near, 1.0f, 0.0f};
  const auto result = run(device(), yardstick(), p, candidate(), tensors);
  const auto exact = static_cast<float>(1 - static_cast<double>(near) * static_cast<double>(near));
  CHECK(std::fabs(result[0] - exact) <= exact * 0x1p-22f);
  CHECK(std::fabs(result[1] - 2 * exact) <= exact * 0x1p-21f);
  CHECK(result[2] == 0.0f);
  CHECK(result[3] == 4.0f);
}
