#include "net/operators/elementwise_table.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "error.hpp"
#include "net/elements.hpp"
#include "net/graph.hpp"

namespace clconv::net {
namespace {

using Reals = const double*;
using Ints = const std::int64_t*;
constexpr std::array<RowParameter, 2> kNone = {};

// Wraps, as the integers of a network do, where int64_t must not.
std::int64_t wrapped(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}
std::uint64_t bits(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

void check_divisor(std::int64_t divisor) {
  if (divisor == 0) throw core::Error(core::Code::kInvalidModel, "an integer is divided by 0");
}

// Rounds to 0, as C++ does.
std::int64_t quotient(std::int64_t a, std::int64_t b) {
  check_divisor(b);
  return b == -1 ? wrapped(-bits(a)) : a / b;
}
std::int64_t remainder_of(std::int64_t a, std::int64_t b) {
  check_divisor(b);
  return b == -1 ? 0 : a % b;
}
// Has the divisor's sign.
std::int64_t modulo(std::int64_t a, std::int64_t b) {
  const std::int64_t rest = remainder_of(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) return truncated(std::pow(base, exponent));
  std::uint64_t result = 1, factor = bits(base);
  for (; exponent > 0; exponent /= 2, factor *= factor) {
    if (exponent % 2 == 1) result *= factor;
  }
  return wrapped(result);
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}
double softplus(double x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}
// As the device has it: NaN stays NaN.
double between(double x, double low, double high) {
  return x < low ? low : x > high ? high : x;
}
double lesser(double a, double b) {
  return a < b || std::isnan(a) ? a : b;
}
double greater(double a, double b) {
  return a > b || std::isnan(a) ? a : b;
}

// The widths of names and numbers of inputs line up; expressions and functions follow.
// clang-format off
const std::vector<ElementwiseRow> kUnary = {
    {"Identity", "", 1, 1, kNone, "(a)",
     [](Reals v) { return v[0]; }, [](Ints v) { return v[0]; }},
    {"Neg", "", 1, 1, kNone, "(-(a))",
     [](Reals v) { return -v[0]; }, [](Ints v) { return wrapped(-bits(v[0])); }},
    {"Abs", "", 1, 1, kNone, "fabs(a)",
     [](Reals v) { return std::fabs(v[0]); },
     [](Ints v) { return v[0] < 0 ? wrapped(-bits(v[0])) : v[0]; }},
    {"Sign", "", 1, 1, kNone, "((a) > 0.0f ? 1.0f : (a) < 0.0f ? -1.0f : (a))",
     [](Reals v) { return v[0] > 0 ? 1 : v[0] < 0 ? -1 : v[0]; },
     [](Ints v) { return std::int64_t{v[0] > 0} - std::int64_t{v[0] < 0}; }},
    {"Floor", "", 1, 1, kNone, "floor(a)", [](Reals v) { return std::floor(v[0]); }, nullptr},
    {"Ceil", "", 1, 1, kNone, "ceil(a)", [](Reals v) { return std::ceil(v[0]); }, nullptr},
    // Halves go to the even neighbour.
    {"Round", "", 1, 1, kNone, "rint(a)", [](Reals v) { return std::nearbyint(v[0]); }, nullptr},
    {"Reciprocal", "", 1, 1, kNone, "(1.0f / (a))", [](Reals v) { return 1 / v[0]; }, nullptr, false, 4},
    {"Square", kOwnDomain, 1, 1, kNone, "((a) * (a))",
     [](Reals v) { return v[0] * v[0]; }, nullptr},
    {"Cube", kOwnDomain, 1, 1, kNone, "((a) * (a) * (a))",
     [](Reals v) { return v[0] * v[0] * v[0]; }, nullptr},
    {"Sqrt", "", 1, 1, kNone, "sqrt(a)", [](Reals v) { return std::sqrt(v[0]); }, nullptr, false, 4},
    {"Exp", "", 1, 1, kNone, "exp(a)", [](Reals v) { return std::exp(v[0]); }, nullptr, false, 12},
    {"Log", "", 1, 1, kNone, "log(a)", [](Reals v) { return std::log(v[0]); }, nullptr, false, 19},
    {"Erf", "", 1, 1, kNone, "erf(a)", [](Reals v) { return std::erf(v[0]); }, nullptr, false, 80},
    {"Sin", "", 1, 1, kNone, "elementwise_sin(a)", [](Reals v) { return std::sin(v[0]); }, nullptr, false, 64},
    {"Cos", "", 1, 1, kNone, "elementwise_cos(a)", [](Reals v) { return std::cos(v[0]); }, nullptr, false, 64},
    {"Tan", "", 1, 1, kNone, "elementwise_tan(a)", [](Reals v) { return std::tan(v[0]); }, nullptr, false, 80},
    {"Asin", "", 1, 1, kNone, "asin(a)", [](Reals v) { return std::asin(v[0]); }, nullptr, false, 30},
    {"Acos", "", 1, 1, kNone, "acos(a)", [](Reals v) { return std::acos(v[0]); }, nullptr, false, 30},
    {"Atan", "", 1, 1, kNone, "atan(a)", [](Reals v) { return std::atan(v[0]); }, nullptr, false, 42},
    {"Sinh", "", 1, 1, kNone, "sinh(a)", [](Reals v) { return std::sinh(v[0]); }, nullptr, false, 68},
    {"Cosh", "", 1, 1, kNone, "cosh(a)", [](Reals v) { return std::cosh(v[0]); }, nullptr, false, 68},
    {"Tanh", "", 1, 1, kNone, "activate_tanh(a)", [](Reals v) { return std::tanh(v[0]); }, nullptr, false, 160},
    {"Relu", "", 1, 1, kNone, "activate_relu(a)",
     [](Reals v) { return v[0] < 0 ? 0 : v[0]; }, [](Ints v) { return v[0] < 0 ? 0 : v[0]; }},
    {"Sigmoid", "", 1, 1, kNone, "activate_sigmoid(a)",
     [](Reals v) { return sigmoid(v[0]); }, nullptr, false, 16},
    {"SiLU", kOwnDomain, 1, 1, kNone, "activate_silu(a)",
     [](Reals v) { return v[0] * sigmoid(v[0]); }, nullptr, false, 16},
    {"HardSwish", "", 1, 1, kNone, "activate_hard_swish(a)",
     [](Reals v) { return v[0] * between(v[0] + 3, 0, 6) / 6; }, nullptr},
    {"Gelu", "", 1, 1, kNone, "activate_gelu(a)",
     [](Reals v) { return v[0] * (1 + std::erf(v[0] * std::sqrt(0.5))) / 2; }, nullptr, false, 84},
    {"GeluTanh", kOwnDomain, 1, 1, kNone, "elementwise_gelu_tanh(a)",
     [](Reals v) {
       const double x = v[0];
       return x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))) / 2;
     }, nullptr, false, 168},
    {"Softplus", "", 1, 1, kNone, "elementwise_softplus(a)",
     [](Reals v) { return softplus(v[0]); }, nullptr, false, 32},
    {"Softsign", "", 1, 1, kNone, "((a) / (1.0f + fabs(a)))",
     [](Reals v) { return v[0] / (1 + std::fabs(v[0])); }, nullptr, false, 6},
    {"Mish", "", 1, 1, kNone, "elementwise_mish(a)",
     [](Reals v) { return v[0] * std::tanh(softplus(v[0])); }, nullptr, false, 24},
    {"LeakyRelu", "", 1, 1, {{{"alpha", 0.01f}}}, "((a) < 0.0f ? (p) * (a) : (a))",
     [](Reals v) { return v[0] < 0 ? v[1] * v[0] : v[0]; }, nullptr},
    {"HardSigmoid", "", 1, 1, {{{"alpha", 0.2f}, {"beta", 0.5f}}},
     "CLCONV_BETWEEN((p) * (a) + (q), 0.0f, 1.0f)",
     [](Reals v) { return between(v[1] * v[0] + v[2], 0, 1); }, nullptr},
    {"Elu", "", 1, 1, {{{"alpha", 1.0f}}}, "((a) < 0.0f ? (p) * (exp(a) - 1.0f) : (a))",
     [](Reals v) { return v[0] < 0 ? v[1] * std::expm1(v[0]) : v[0]; }, nullptr, false, 14},
    {"Selu", "", 1, 1, {{{"alpha", 1.67326319f}, {"gamma", 1.05070102f}}},
     "((q) * ((a) < 0.0f ? (p) * (exp(a) - 1.0f) : (a)))",
     [](Reals v) { return v[2] * (v[0] < 0 ? v[1] * std::expm1(v[0]) : v[0]); }, nullptr, false, 14},
    {"Celu", "", 1, 1, {{{"alpha", 1.0f}}}, "((a) < 0.0f ? (p) * (exp((a) / (p)) - 1.0f) : (a))",
     [](Reals v) { return v[0] < 0 ? v[1] * std::expm1(v[0] / v[1]) : v[0]; }, nullptr, false, 18},
    {"ThresholdedRelu", "", 1, 1, {{{"alpha", 1.0f}}}, "((a) <= (p) ? 0.0f : (a))",
     [](Reals v) { return v[0] <= v[1] ? 0 : v[0]; }, nullptr},
    {"Not", "", 1, 1, kNone, nullptr, nullptr,
     [](Ints v) { return std::int64_t{v[0] == 0}; }, true},
};

const std::vector<ElementwiseRow> kOfSeveral = {
    {"Add", "", 7, 2, kNone, "((a) + (b))",
     [](Reals v) { return v[0] + v[1]; }, [](Ints v) { return wrapped(bits(v[0]) + bits(v[1])); }},
    {"Sub", "", 7, 2, kNone, "((a) - (b))",
     [](Reals v) { return v[0] - v[1]; }, [](Ints v) { return wrapped(bits(v[0]) - bits(v[1])); }},
    {"Mul", "", 7, 2, kNone, "((a) * (b))",
     [](Reals v) { return v[0] * v[1]; }, [](Ints v) { return wrapped(bits(v[0]) * bits(v[1])); }},
    {"Div", "", 7, 2, kNone, "((a) / (b))",
     [](Reals v) { return v[0] / v[1]; }, [](Ints v) { return quotient(v[0], v[1]); }, false, 4},
    {"MultiplyAdd", kOwnDomain, 1, 3, kNone, "MULTIPLY_ADD(a, b, c)",
     [](Reals v) { return v[0] * v[1] + v[2]; }, nullptr},
    {"Pow", "", 7, 2, kNone, "pow(a, b)",
     [](Reals v) { return std::pow(v[0], v[1]); }, [](Ints v) { return power(v[0], v[1]); }, false, 1100},
    // NaN wins, as in ONNX. `|` takes the results of comparisons, of scalars and of vectors.
    {"Min", "", 1, 2, kNone, "((((a) < (b)) | ((a) != (a))) ? (a) : (b))",
     [](Reals v) { return lesser(v[0], v[1]); }, [](Ints v) { return std::min(v[0], v[1]); }},
    {"Max", "", 1, 2, kNone, "((((a) > (b)) | ((a) != (a))) ? (a) : (b))",
     [](Reals v) { return greater(v[0], v[1]); }, [](Ints v) { return std::max(v[0], v[1]); }},
    {"PRelu", "", 7, 2, kNone, "((a) < 0.0f ? (b) * (a) : (a))",
     [](Reals v) { return v[0] < 0 ? v[1] * v[0] : v[0]; }, nullptr},
    {"Mod", "", 10, 2, kNone, nullptr, nullptr, [](Ints v) { return modulo(v[0], v[1]); }},
    // Mod with attribute fmod: the dividend's sign.
    {"FloatMod", kOwnDomain, 1, 2, kNone, "fmod(a, b)",
     [](Reals v) { return std::fmod(v[0], v[1]); },
     [](Ints v) { return remainder_of(v[0], v[1]); }, false, 57},
    {"Equal", "", 7, 2, kNone, nullptr,
     [](Reals v) { return double(v[0] == v[1]); },
     [](Ints v) { return std::int64_t{v[0] == v[1]}; }, true},
    {"Less", "", 7, 2, kNone, nullptr,
     [](Reals v) { return double(v[0] < v[1]); },
     [](Ints v) { return std::int64_t{v[0] < v[1]}; }, true},
    {"LessOrEqual", "", 12, 2, kNone, nullptr,
     [](Reals v) { return double(v[0] <= v[1]); },
     [](Ints v) { return std::int64_t{v[0] <= v[1]}; }, true},
    {"Greater", "", 7, 2, kNone, nullptr,
     [](Reals v) { return double(v[0] > v[1]); },
     [](Ints v) { return std::int64_t{v[0] > v[1]}; }, true},
    {"GreaterOrEqual", "", 12, 2, kNone, nullptr,
     [](Reals v) { return double(v[0] >= v[1]); },
     [](Ints v) { return std::int64_t{v[0] >= v[1]}; }, true},
    {"And", "", 7, 2, kNone, nullptr, nullptr,
     [](Ints v) { return std::int64_t{v[0] != 0 && v[1] != 0}; }, true},
    {"Or", "", 7, 2, kNone, nullptr, nullptr,
     [](Ints v) { return std::int64_t{v[0] != 0 || v[1] != 0}; }, true},
    {"Xor", "", 7, 2, kNone, nullptr, nullptr,
     [](Ints v) { return std::int64_t{(v[0] != 0) != (v[1] != 0)}; }, true},
    {"Where", "", 9, 3, kNone, "((a) != 0.0f ? (b) : (c))",
     [](Reals v) { return v[0] != 0 ? v[1] : v[2]; },
     [](Ints v) { return v[0] != 0 ? v[1] : v[2]; }},
};
// clang-format on

}  // namespace

const std::vector<ElementwiseRow>& elementwise_rows() {
  static const std::vector<ElementwiseRow> rows = [] {
    std::vector<ElementwiseRow> all = kUnary;
    all.insert(all.end(), kOfSeveral.begin(), kOfSeveral.end());
    return all;
  }();
  return rows;
}

const ElementwiseRow* find_elementwise_row(const std::string& name) {
  static const std::map<std::string, const ElementwiseRow*> by_name = [] {
    std::map<std::string, const ElementwiseRow*> map;
    for (const ElementwiseRow& row : elementwise_rows())
      map[row.name] = &row;
    return map;
  }();
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : found->second;
}

}  // namespace clconv::net
