// Activations that a model spells out, such as x*min(max(x + 3, 0), 6)/6 or 0.5*x*(1 + erf(x/sqrt 2)), become one node.
// What nodes multiply and divide is looked at as one product, so that the order does not matter.
#include <algorithm>
#include <cmath>
#include <optional>

#include "net/passes.hpp"
#include "net/passes/rewrite.hpp"

namespace clconv::net::pass {
namespace {

// Exporters round their constants to float16 at worst.
bool is_about(double value, double wanted) {
  return std::fabs(value - wanted) <= 1e-3 * std::fabs(wanted);
}

bool is(const Node* node, const char* op) {
  return node != nullptr && node->domain.empty() && node->op == op;
}

class Matcher {
 public:
  explicit Matcher(Graph& graph) : graph_(graph) {}

  struct Found {
    const char* op;
    const char* domain;
    ValueId x;
    std::vector<std::pair<const char*, float>> attributes;
  };

  // What the node computes of one value, if it is an activation.
  std::optional<Found> match(const Node& node) const {
    if (is(&node, "Log")) {
      const ValueId x = of_softplus(node);
      if (x != kNoValue) return Found{"Softplus", "", x, {}};
    }
    if (!is(&node, "Mul") && !is(&node, "Div")) return std::nullopt;
    Product product;
    collect(node, product);
    if (product.factors.size() == 1) return match_one(product);
    if (product.factors.size() != 2) return std::nullopt;
    for (const std::size_t first : {0u, 1u}) {
      const auto found =
          match_two(product.factors[first], product.factors[1 - first], product.scale);
      if (found) return found;
    }
    return std::nullopt;
  }

 private:
  struct Product {
    double scale = 1;
    std::vector<ValueId> factors;
  };

  Node* inner(ValueId id) const { return inner_producer(graph_, id); }

  std::optional<double> number(ValueId id) const {
    if (id == kNoValue) return std::nullopt;
    const ConstantPtr constant = graph_.value(id).constant;
    if (constant == nullptr || constant->count() != 1) return std::nullopt;
    return double{constant->number(0)};
  }

  void collect(const Node& node, Product& product) const {
    const auto second = number(node.inputs[1]);
    if (is(&node, "Div")) {
      if (second) product.scale /= *second;
      collect(node.inputs[0], product);
      if (!second) product.factors.push_back(kNoValue);  // no product
      return;
    }
    collect(node.inputs[0], product);
    collect(node.inputs[1], product);
  }
  void collect(ValueId id, Product& product) const {
    const auto constant = number(id);
    if (constant) {
      product.scale *= *constant;
      return;
    }
    const Node* node = inner(id);
    if (is(node, "Mul") || is(node, "Div")) return collect(*node, product);
    product.factors.push_back(id);
  }
  Product product_of(ValueId id) const {
    Product product;
    collect(id, product);
    return product;
  }

  // x, where the value is x + wanted; else kNoValue.
  ValueId of_sum(ValueId id, double wanted) const {
    const Node* node = inner(id);
    if (!is(node, "Add")) return kNoValue;
    for (const std::size_t at : {0u, 1u}) {
      const auto summand = number(node->inputs[at]);
      if (summand && is_about(*summand, wanted)) return node->inputs[1 - at];
    }
    return kNoValue;
  }

  // x, where the value is min(max(x + 3, 0), 6).
  ValueId of_ramp(ValueId id) const {
    const Node* node = inner(id);
    if (!is(node, "Clip")) return kNoValue;
    const auto bound = [&](std::size_t at, const char* attribute) -> double {
      if (graph_.opset < 11) return double{node->attributes.number(attribute, NAN)};
      return at < node->inputs.size() ? number(node->inputs[at]).value_or(NAN) : NAN;
    };
    if (bound(1, "min") != 0 || !is_about(bound(2, "max"), 6)) return kNoValue;
    return of_sum(node->inputs[0], 3);
  }

  // x, where the node is log(1 + exp(x)).
  ValueId of_softplus(const Node& node) const {
    if (is(&node, "Softplus")) return node.inputs[0];
    if (!is(&node, "Log")) return kNoValue;
    const ValueId exponential = of_sum(node.inputs[0], 1);
    const Node* exp = inner(exponential);
    return is(exp, "Exp") ? exp->inputs[0] : kNoValue;
  }

  // Is the value `scale` times `x`?
  bool is_scaled(ValueId id, double scale, ValueId x) const {
    const Product product = product_of(id);
    return product.factors == std::vector<ValueId>{x} && is_about(product.scale, scale);
  }
  bool is_cube(ValueId id, double scale, ValueId x) const {
    const Product product = product_of(id);
    if (!is_about(product.scale, scale)) return false;
    if (product.factors == std::vector<ValueId>{x, x, x}) return true;
    if (product.factors.size() != 1) return false;
    const Node* node = inner(product.factors[0]);
    return is(node, "Pow") && node->inputs[0] == x && number(node->inputs[1]).value_or(0) == 3;
  }
  // Is the value sqrt(2/pi)*(x + 0.044715*x^3)?
  bool is_gelu_polynomial(ValueId id, ValueId x) const {
    const Product product = product_of(id);
    if (product.factors.size() != 1 || !is_about(product.scale, 0.7978845608)) return false;
    const Node* sum = inner(product.factors[0]);
    if (!is(sum, "Add")) return false;
    for (const std::size_t at : {0u, 1u}) {
      if (sum->inputs[at] == x && is_cube(sum->inputs[1 - at], 0.044715, x)) return true;
    }
    return false;
  }

  // scale * min(max(x + 3, 0), 6)
  std::optional<Found> match_one(const Product& product) const {
    const ValueId x = of_ramp(product.factors[0]);
    if (x == kNoValue || !is_about(product.scale, 1.0 / 6)) return std::nullopt;
    return Found{"HardSigmoid", "", x, {{"alpha", 1.0f / 6}, {"beta", 0.5f}}};
  }

  // scale * x * other
  std::optional<Found> match_two(ValueId x, ValueId other, double scale) const {
    if (x == kNoValue || other == kNoValue) return std::nullopt;
    if (is_about(scale, 1.0 / 6) && of_ramp(other) == x) return Found{"HardSwish", "", x, {}};
    if (is_about(scale, 0.5)) return match_gelu(x, other);
    if (scale != 1) return std::nullopt;
    const Node* node = inner(other);
    if (node == nullptr || !node->domain.empty() || node->inputs.empty()) return std::nullopt;
    if (node->op == "Sigmoid" && node->inputs[0] == x) return Found{"SiLU", kOwnDomain, x, {}};
    if (node->op == "HardSigmoid" && node->inputs[0] == x &&
        is_about(double{node->attributes.number("alpha", 0.2f)}, 1.0 / 6) &&
        is_about(double{node->attributes.number("beta", 0.5f)}, 0.5)) {
      return Found{"HardSwish", "", x, {}};
    }
    if (node->op != "Tanh") return std::nullopt;
    const Node* softplus = inner(node->inputs[0]);
    if (softplus == nullptr || of_softplus(*softplus) != x) return std::nullopt;
    return Found{"Mish", "", x, {}};
  }

  // 0.5 * x * (1 + erf(x/sqrt 2)), or with tanh of a polynomial
  std::optional<Found> match_gelu(ValueId x, ValueId other) const {
    const Node* function = inner(of_sum(other, 1));
    if (is(function, "Erf") && is_scaled(function->inputs[0], std::sqrt(0.5), x))
      return Found{"Gelu", "", x, {}};
    if (is(function, "Tanh") && is_gelu_polynomial(function->inputs[0], x))
      return Found{"GeluTanh", kOwnDomain, x, {}};
    return std::nullopt;
  }

  Graph& graph_;
};

bool is_unused(const Graph& graph, const Node& node) {
  return std::all_of(node.outputs.begin(), node.outputs.end(),
                     [&](ValueId id) { return id == kNoValue || graph.uses(id) == 0; });
}

}  // namespace

void activations(Graph& graph, Changes& changes);
void activations(Graph& graph, Changes& changes) {
  const Matcher matcher(graph);
  // From the end: the whole of an activation before a part of it that is one, too. What only a replaced node read is
  // then met afterwards, and reads nothing any more.
  for (auto at = graph.nodes.rbegin(); at != graph.nodes.rend(); ++at) {
    Node& node = *at;
    if (is_unused(graph, node)) {
      node.inputs.clear();
      continue;
    }
    const auto found = matcher.match(node);
    if (!found || graph.value(found->x).shape != graph.value(node.outputs[0]).shape) continue;
    changes.push_back(std::string(found->op) + " '" + node.name + "'");
    node.op = found->op;
    node.domain = found->domain;
    node.inputs = {found->x};
    node.attributes = Attributes();
    for (const auto& [name, value] : found->attributes)
      node.attributes.set(name, value);
  }
}

}  // namespace clconv::net::pass
