// Activations and data types: every row of their tables in the epilogue of every strategy.
#include "support/candidates.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

// One problem of each kind that some strategy serves, small and with tails.
const char* const kKinds[] = {"n2c5h9w11k19kh3kw3p1",      "n1c19h7w5k23kh1kw1",
                              "n2c6h11w13k12kh3kw3s2p1g6", "n3c67h1w1k23kh1kw1",
                              "n1c8h10w9k12kh3kw2s2g2",    "n1c3h17w19k9kh5kw5s3p2"};

Problem finished(const char* text, Direction direction, Activation activation) {
  Problem p = parse_problem(text);
  p.direction = direction;
  p.bias = p.residual = true;
  p.activation = activation;
  if (activation == Activation::kHardSigmoid) {
    p.activation_slope = 0.2f;
    p.activation_offset = 0.45f;
  }
  return p;
}

void check_activations(Device& on, std::size_t part, std::size_t parts) {
  std::size_t number = 0;
  for (const ActivationRow& row : kActivationRows) {
    for (const char* text : kKinds) {
      // Transposed convolutions finish as forward ones do, one kind each.
      const bool other = number % 5 == 4;
      if (number++ % parts != part) continue;
      const Problem p =
          finished(text, other ? Direction::kTransposed : Direction::kForward, row.activation);
      check_bodies(on, p, Tensors(p));
    }
  }
}

}  // namespace

TEST_CASE("activations: every one and every strategy, first half") {
  check_activations(device(), 0, thinned(2));
}
TEST_CASE("activations: every one and every strategy, second half") {
  check_activations(device(), 1, thinned(2));
}
TEST_CASE("activations, as a GPU") {
  Device on = pretended_gpu();
  check_activations(on, 0, thinned(4));
}
TEST_CASE("scale: one value per image and channel, in every strategy, behind any activation") {
  const Activation activations[] = {Activation::kNone, Activation::kRelu, Activation::kSilu,
                                    Activation::kHardSigmoid};
  Device gpu = pretended_gpu();
  std::size_t number = 0;
  for (const char* text : kKinds) {
    const bool other = number % 3 == 1;
    Problem p = finished(text, other ? Direction::kTransposed : Direction::kForward,
                         activations[number % std::size(activations)]);
    p.n = 3;
    // Larger than what is copied at once.
    if (number == 5) p = finished("n6c32h64w64k3kh3kw3p1", Direction::kForward, Activation::kRelu);
    p.scale = true;
    if (number == 4) p.data_type = DataType::kFloat16;
    check_bodies(device(), p, Tensors(p));
    if (number == 0) check_bodies(gpu, p, Tensors(p));
    ++number;
  }
}
TEST_CASE("activations, in float16 and bfloat16, NHWC") {
  std::size_t number = 0;
  for (const ActivationRow& row : kActivationRows) {
    Problem p = finished(kKinds[number % 3], Direction::kForward, row.activation);
    p.data_type = number % 2 == 0 ? DataType::kFloat16 : DataType::kBfloat16;
    if (number % 3 != 2) p.layout = TensorLayout::kNhwc;
    check_bodies(device(), p, Tensors(p));
    ++number;
  }
}

// Each body finds the slope of a channel in its own way, in each direction, layout and data type.
TEST_CASE("prelu: slopes of both signs and above 1, in every strategy") {
  Device gpu = pretended_gpu();
  std::size_t number = 0;
  for (const char* text : kKinds) {
    for (const Direction direction : {Direction::kForward, Direction::kTransposed}) {
      for (const bool narrow : {false, true}) {
        if (narrow && text != kKinds[number % 3]) continue;  // each compiles every body again
        Problem p = finished(text, direction, Activation::kPrelu);
        p.bias = number % 3 != 0;
        p.residual = number % 2 == 0;
        if (narrow) p.data_type = number % 4 < 2 ? DataType::kFloat16 : DataType::kBfloat16;
        if (direction == Direction::kForward && number++ % 3 == 1) p.layout = TensorLayout::kNhwc;
        Tensors tensors(p);
        float most = 1;
        for (float& slope : tensors[Tensor::kSlopes]) {
          slope *= 4;  // exact
          most = std::max(most, std::fabs(slope));
        }
        check_bodies(narrow && number % 2 == 0 ? gpu : device(), p, tensors,
                     static_cast<double>(most));
        if (!narrow) check_bodies(gpu, p, tensors, static_cast<double>(most));
      }
    }
  }
}

// The expressions themselves: what they give for one input after another, next to the special ones.
TEST_CASE("activations: values, and what they make of infinities and NaN") {
  const std::vector<float> inputs = {0.0f,   -0.0f, 1.0f,   -1.0f,    3.0f,      -3.0f,
                                     2.5f,   -2.5f, 6.5f,   30.0f,    -30.0f,    90.0f,
                                     -90.0f, 1e30f, -1e30f, INFINITY, -INFINITY, NAN};
  for (const ActivationRow& row : kActivationRows) {
    CAPTURE(std::string(row.word));
    Problem p = finished("n1c1h1w18k1kh1kw1", Direction::kForward, row.activation);
    p.bias = p.residual = false;
    REQUIRE(p.w == static_cast<std::int64_t>(inputs.size()));
    Tensors tensors(p);
    tensors[Tensor::kX] = inputs;
    tensors[Tensor::kW] = {1.0f};
    tensors[Tensor::kSlopes] = {0.3f};
    const Candidate candidate =
        candidates_of(yardstick().offer(p, device().profile(), kNoLimit)).front();
    const std::vector<float> result = run(device(), yardstick(), p, candidate, tensors);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      CAPTURE(inputs[i]);
      const double exact = activated(p, static_cast<double>(inputs[i]), static_cast<double>(0.3f));
      const double actual = static_cast<double>(result[i]);
      if (std::isnan(exact)) {
        CHECK(std::isnan(actual));
      } else if (std::isinf(exact)) {
        CHECK(actual == exact);
      } else {
        const double allowed = candidate.error_bound * std::fabs(static_cast<double>(inputs[i]));
        CHECK(std::fabs(actual - exact) <= std::min(allowed, 1e35) + result_error_floor(p) + 1e-30);
      }
    }
  }
}

TEST_CASE("activations: no less steep anywhere than their rows say") {
  for (const ActivationRow& row : kActivationRows) {
    CAPTURE(std::string(row.word));
    Problem p = finished(kKinds[0], Direction::kForward, row.activation);
    p.activation_slope = 1;
    CHECK(std::fabs(activated(p, 0, 1)) <= row.at_zero);
    double steepest = 0;
    for (double v = -12; v < 12; v += 1e-3) {
      steepest =
          std::max(steepest, std::fabs(activated(p, v + 1e-3, 1) - activated(p, v, 1)) / 1e-3);
    }
    CHECK(steepest <= row.lipschitz + 1e-6);
    CHECK(steepest >= row.lipschitz * 0.95);
  }
}

TEST_CASE("bfloat16: every candidate matches over a part of the edge suite, in all directions") {
  const Offered offered =
      check_suite(device(), "edge", 1e300, 3, thinned(8), kAll, [](Problem& p, std::size_t) {
        p.data_type = DataType::kBfloat16;
        if (p.finishes()) p.activation = Activation::kHardSwish;
      });
  for (const char* served :
       {"implicit_gemm forward", "im2col_gemm forward", "im2col_gemm backward-weights"}) {
    CAPTURE(std::string(served));
    CHECK(offered.count(served) == 1);
  }
}
TEST_CASE("bfloat16, NHWC and as a GPU") {
  check_suite(device(), "edge", 1e300, 2, thinned(9), kForwardOnly, [](Problem& p, std::size_t i) {
    p.data_type = DataType::kBfloat16;
    p.layout = TensorLayout::kNhwc;
    if (i % 2 == 0) p.weights_layout = WeightsLayout::kKrsc;
  });
  Device on = pretended_gpu();
  check_suite(on, "edge", 1e300, 4, thinned(9), kAll,
              [](Problem& p, std::size_t) { p.data_type = DataType::kBfloat16; });
}

TEST_CASE("bfloat16 on the host: to nearest, ties to even, NaN and infinity kept") {
  const auto through = [](float v) { return float_of_bfloat16(bfloat16_of(v)); };
  CHECK(through(1.0f) == 1.0f);
  CHECK(through(1.0f + 0x1p-8f) == 1.0f);                // a tie, to even
  CHECK(through(1.0f + 3 * 0x1p-8f) == 1.0f + 0x1p-6f);  // a tie, to even
  CHECK(through(1.0f + 0x1.01p-8f) == 1.0f + 0x1p-7f);
  CHECK(through(-1.0f - 0x1.01p-8f) == -1.0f - 0x1p-7f);
  CHECK(through(3.4e38f) == INFINITY);
  CHECK(through(-INFINITY) == -INFINITY);
  CHECK(std::isnan(through(NAN)));
  const std::uint32_t quiet_bits_below = 0x7f800001;
  float low_nan;
  std::memcpy(&low_nan, &quiet_bits_below, sizeof(low_nan));
  CHECK(std::isnan(through(low_nan)));
}
