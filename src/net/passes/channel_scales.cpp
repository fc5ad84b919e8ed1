// Products with one value per image and channel become epilogues of the convolutions in front of them, which nobody
// else reads. So the scale of a squeeze-and-excitation stays, as it is computed from what it scales (docs/networks.md);
// what comes from elsewhere, such as a style or a gate, does not.
#include <algorithm>

#include "net/convolution.hpp"
#include "net/passes.hpp"
#include "net/passes/convolutions.hpp"

namespace clconv::net::pass {
namespace {

// One value per image and channel of the result, known only when the network runs. Constants go into the weights.
bool is_scale(const Graph& graph, ValueId id, const Node& convolution) {
  const Value& scale = graph.value(id);
  const Shape& result = *graph.value(convolution.outputs[0]).shape;
  if (scale.constant != nullptr || scale.shape->size() != result.size()) return false;
  Shape wanted = result;
  if (convolution.op != "FullyConnected") std::fill(wanted.begin() + 2, wanted.end(), 1);
  return *scale.shape == wanted;
}

bool can_take(Graph& graph, const Node& convolution, const Node& product) {
  return is_convolution(convolution) && !has_scale(convolution) &&
         convolution.attributes.text(Epilogue::kActivation, "none") != "prelu" &&
         graph.uses(convolution.outputs[0]) == 1 &&
         *graph.value(convolution.outputs[0]).shape == *graph.value(product.outputs[0]).shape;
}

// The later of two convolutions that can moves to the place of the product, where both operands are known.
void take_scale(Graph& graph, Node& product, Changes& changes) {
  if (product.op != "Mul" || !product.domain.empty()) return;
  Node* taker = nullptr;
  std::size_t other = 0;
  for (const std::size_t i : {0u, 1u}) {
    Node* producer = graph.producer(product.inputs[i]);
    if (producer == nullptr || producer < taker || !can_take(graph, *producer, product)) continue;
    if (!is_scale(graph, product.inputs[1 - i], *producer)) continue;
    taker = producer;
    other = 1 - i;
  }
  if (taker == nullptr) return;
  changes.push_back(label(*taker) + " takes " + label(product));
  Node fused = std::move(*taker);
  erase(*taker);
  fused.inputs.resize(std::max(fused.inputs.size(), Epilogue::kScale + 1), kNoValue);
  fused.inputs[Epilogue::kScale] = product.inputs[other];
  fused.outputs = product.outputs;
  product = std::move(fused);
}

}  // namespace

void channel_scales(Graph& graph, Changes& changes);
void channel_scales(Graph& graph, Changes& changes) {
  for (Node& node : graph.nodes)
    take_scale(graph, node, changes);
  remove_erased(graph);
}

}  // namespace clconv::net::pass
