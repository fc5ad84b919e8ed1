// What the sum of a result becomes, and its backward, as rows of tables. A new activation is a value and two rows here,
// its expressions `activate_...` and `backward_...` in kernels/parts/activation.cl and its value in clconv.h; what
// loops over the tables finds it. Knows neither OpenCL nor the library, so that the programs can use it, too.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>

namespace clconv::core {

// relu: max(v, 0). relu6: min(max(v, 0), 6). leaky relu: v < 0 ? slope*v : v. silu: v*sigmoid(v). hard swish:
// v*min(max(v + 3, 0), 6)/6. hard sigmoid: min(max(slope*v + offset, 0), 1). gelu: v*(1 + erf(v/sqrt 2))/2. prelu:
// v < 0 ? slopes[channel]*v : v. NaN stays NaN.
enum class Activation {
  kNone = 0,
  kRelu = 1,
  kRelu6 = 2,
  kLeakyRelu = 3,
  kSilu = 4,
  kHardSwish = 5,
  kHardSigmoid = 6,
  kSigmoid = 7,
  kTanh = 8,
  kGelu = 9,
  kPrelu = 10,
};
constexpr std::size_t kActivations = 11;

struct ActivationRow {
  Activation activation;
  const char*
      word;  // in reports, in plan keys and on the command line, parameters behind it as word:slope:offset
  const char* macro;    // its expression in kernels/parts/activation.cl
  int parameters;       // 0; 1: slope; 2: slope and offset
  float slope, offset;  // of the parameters, the usual ones: ONNX's
  bool slopes;          // it has an operand of them, one per channel of the result
  // |act(a) - act(b)| <= lipschitz * |a - b|, for slopes in [-1, 1].
  double lipschitz;
  double at_zero;  // no less than |act(0)|
  // Error of the expression itself, relative to its result, in units of 2^-24: OpenCL C allows exp 3, tanh 5 and erf 16
  // units in the last place ("Relative error as ULPs").
  double own_error;
  // Its definition. `slope` is the channel's where it has an operand of them.
  double (*value)(double v, double slope, double offset);
};

// NaN stays NaN.
inline double between(double v, double least, double most) {
  return std::min(std::max(v, least), most);
}

constexpr ActivationRow kActivationRows[kActivations] = {
    {Activation::kNone, "none", "activate_none", 0, 0, 0, false, 1, 0, 0,
     [](double v, double, double) { return v; }},
    {Activation::kRelu, "relu", "activate_relu", 0, 0, 0, false, 1, 0, 0,
     [](double v, double, double) { return std::max(v, 0.0); }},
    {Activation::kRelu6, "relu6", "activate_relu6", 0, 0, 0, false, 1, 0, 0,
     [](double v, double, double) { return between(v, 0, 6); }},
    {Activation::kLeakyRelu, "leaky-relu", "activate_leaky_relu", 1, 0.01f, 0, false, 1, 0, 1,
     [](double v, double slope, double) { return v < 0 ? slope * v : v; }},
    {Activation::kSilu, "silu", "activate_silu", 0, 0, 0, false, 1.1, 0, 16,
     [](double v, double, double) { return v / (1 + std::exp(-v)); }},
    {Activation::kHardSwish, "hard-swish", "activate_hard_swish", 0, 0, 0, false, 1.5, 0, 8,
     [](double v, double, double) { return v * between(v + 3, 0, 6) / 6; }},
    {Activation::kHardSigmoid, "hard-sigmoid", "activate_hard_sigmoid", 2, 0.2f, 0.5f, false, 1, 1,
     4, [](double v, double slope, double offset) { return between(slope * v + offset, 0, 1); }},
    {Activation::kSigmoid, "sigmoid", "activate_sigmoid", 0, 0, 0, false, 0.25, 0.5, 16,
     [](double v, double, double) { return 1 / (1 + std::exp(-v)); }},
    {Activation::kTanh, "tanh", "activate_tanh", 0, 0, 0, false, 1, 0, 10,
     [](double v, double, double) { return std::tanh(v); }},
    {Activation::kGelu, "gelu", "activate_gelu", 0, 0, 0, false, 1.13, 0, 32,
     [](double v, double, double) { return v / 2 * (1 + std::erf(v / std::sqrt(2.0))); }},
    {Activation::kPrelu, "prelu", "activate_prelu", 0, 0, 0, true, 1, 0, 1,
     [](double v, double slope, double) { return v < 0 ? slope * v : v; }},
};

// The gradient at v from the one at y = act(v): dy*act'(v), computed from y alone.
struct BackwardRow {
  Activation activation;
  const char* macro;   // its expression in kernels/parts/activation.cl; null: it cannot be computed
  const char* reason;  // why it cannot; else null
  double own_error;    // of the factor and its product with dy, as ActivationRow::own_error
  double most;         // no less than the factor's magnitude where |y| <= 1
};

constexpr const char* kHidden = "y does not tell the derivative";

constexpr BackwardRow kBackwardRows[kActivations] = {
    {Activation::kNone, "backward_none", nullptr, 0, 1},
    {Activation::kRelu, "backward_relu", nullptr, 0, 1},
    {Activation::kRelu6, "backward_relu6", nullptr, 0, 1},
    {Activation::kLeakyRelu, "backward_leaky_relu", nullptr, 1, 1},
    {Activation::kSilu, nullptr, kHidden, 0, 0},
    {Activation::kHardSwish, nullptr, kHidden, 0, 0},
    {Activation::kHardSigmoid, "backward_hard_sigmoid", nullptr, 1, 1},
    {Activation::kSigmoid, "backward_sigmoid", nullptr, 4, 2},
    {Activation::kTanh, "backward_tanh", nullptr, 4, 1},
    {Activation::kGelu, nullptr, kHidden, 0, 0},
    {Activation::kPrelu, nullptr, "its slopes are no operand of a gradient", 0, 0},
};

constexpr bool activations_in_order() {
  for (std::size_t i = 0; i < kActivations; ++i) {
    if (static_cast<std::size_t>(kActivationRows[i].activation) != i) return false;
    if (static_cast<std::size_t>(kBackwardRows[i].activation) != i) return false;
    if ((kBackwardRows[i].macro == nullptr) == (kBackwardRows[i].reason == nullptr)) return false;
  }
  return true;
}
static_assert(activations_in_order(),
              "the rows follow the values of Activation, and each has a backward or the reason");

constexpr const ActivationRow& row_of(Activation activation) {
  return kActivationRows[static_cast<std::size_t>(activation)];
}
constexpr const BackwardRow& backward_of(Activation activation) {
  return kBackwardRows[static_cast<std::size_t>(activation)];
}
constexpr const char* to_string(Activation activation) {
  return row_of(activation).word;
}

}  // namespace clconv::core
