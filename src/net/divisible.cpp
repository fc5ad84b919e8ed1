#include "net/divisible.hpp"

#include <algorithm>
#include <vector>

#include "error.hpp"
#include "net/operator.hpp"
#include "text.hpp"

namespace clconv::net {
namespace {

using core::Code;
using core::Error;

// Is one of the axes dimension 0?
bool has_images(const std::vector<std::int64_t>& axes, std::size_t rank) {
  return std::any_of(axes.begin(), axes.end(),
                     [&](std::int64_t axis) { return normalized_axis(axis, rank, true) == 0; });
}

// The attribute `axis` of an operator that computes along it; -1 says the last one.
std::int64_t default_axis(const NodeView& view) {
  const std::string& op = view.node().op;
  if (op == "Gather" || op == "Split") return 0;
  if ((op == "Softmax" || op == "LogSoftmax") && view.opset() < 13) return 1;
  return -1;
}

bool takes_axis(const std::string& op) {
  for (const char* name : {"Concat", "Gather", "LayerNormalization", "LogSoftmax",
                           "LpNormalization", "Softmax", "Split"}) {
    if (op == name) return true;
  }
  return false;
}

// Of each value: does it follow from the inputs? (What follows from their shapes alone is a constant.)
std::vector<bool> following(const Graph& graph) {
  std::vector<bool> follows(graph.values.size(), false);
  for (const ValueId id : graph.inputs)
    follows[static_cast<std::size_t>(id)] = true;
  for (const Node& node : graph.nodes) {
    const bool any = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
      return id != kNoValue && follows[static_cast<std::size_t>(id)];
    });
    for (const ValueId id : node.outputs) {
      if (id != kNoValue && graph.value(id).constant == nullptr)
        follows[static_cast<std::size_t>(id)] = any;
    }
  }
  return follows;
}

// Does the node take results of several images together, or reorder them, where sizes do not show it?
bool mixes_images(const NodeView& view, const std::vector<bool>& follows) {
  const std::string& op = view.node().op;
  if (!view.has_input(0)) return false;
  // All inputs of a Concat lie in its output; of others the first one has the axis.
  const ValueId of = op == "Concat" ? view.node().outputs.front() : view.node().inputs.front();
  const bool of_images = follows[static_cast<std::size_t>(of)];
  if (takes_axis(op) && of_images) {
    return has_images({view.attributes().integer("axis", default_axis(view))},
                      view.shape(0).size());
  }
  if (!of_images) return false;
  if (op == "MeanVarianceNormalization")
    return has_images(view.attributes().integers("axes", {0, 2, 3}), view.shape(0).size());
  if (op == "Tile") return view.integers(1, "repeats").front() != 1;
  if (op != "Slice" || !view.has_input(4)) return false;
  const std::vector<std::int64_t>& steps = view.integers(4, "steps");
  const std::vector<std::int64_t> axes = view.integers_or(3, "axes", {});
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::int64_t axis = axes.empty() ? static_cast<std::int64_t>(i) : axes[i];
    if (steps[i] != 1 && has_images({axis}, view.shape(0).size())) return true;
  }
  return false;
}

// Is a tensor of the whole, of `n` images, made of tensors of the part, of `m` images, one behind the other?
bool grows(const Shape& whole, std::int64_t n, const Shape& part, std::int64_t m) {
  if (whole.empty() || whole.size() != part.size()) return false;
  return whole.front() % n == 0 && whole.front() / n * m == part.front() &&
         std::equal(whole.begin() + 1, whole.end(), part.begin() + 1);
}

}  // namespace

std::int64_t images_of(const Graph& graph) {
  const Value* first = nullptr;
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    if (first == nullptr && !value.shape->empty()) first = &value;
    if (!value.shape->empty() && value.shape->front() == first->shape->front()) continue;
    throw Error(Code::kInvalidArgument,
                "input '" + core::cut_name(value.name) + "' is " + to_string(*value.shape) +
                    ", expected the images as its first size" +
                    (first == nullptr
                         ? ""
                         : ", " + std::to_string(first->shape->front()) + ": input '" +
                               core::cut_name(first->name) + "' is " + to_string(*first->shape)));
  }
  if (first == nullptr) throw Error(Code::kInvalidArgument, "the model has no inputs to divide");
  return first->shape->front();
}

void check_images_apart(Graph& graph) {
  const std::vector<bool> follows = following(graph);
  for (Node& node : graph.nodes) {
    if (mixes_images(NodeView(graph, node), follows))
      unsupported(node, graph, "computes along the images, which a batch divides among devices");
  }
}

void check_divisible(const Graph& whole, const Graph& part) {
  const std::int64_t n = images_of(whole), m = images_of(part);
  const std::vector<bool> follows = following(whole);
  for (const Node& node : whole.nodes) {
    for (const ValueId id : node.outputs) {
      if (id == kNoValue || !follows[static_cast<std::size_t>(id)]) continue;
      const Shape &all = *whole.value(id).shape, &some = *part.value(id).shape;
      if (grows(all, n, some, m)) continue;
      unsupported(node, whole,
                  "its result is " + to_string(all) + " of " + std::to_string(n) + " images and " +
                      to_string(some) + " of " + std::to_string(m) +
                      ", so a batch cannot divide them among devices");
    }
  }
  for (const ValueId id : whole.outputs) {
    const Value& value = whole.value(id);
    if (follows[static_cast<std::size_t>(id)] && value.shape->front() == n) continue;
    throw Error(Code::kUnsupported,
                "output '" + core::cut_name(value.name) + "' is " + to_string(*value.shape) +
                    ", expected the images as its first size, " + std::to_string(n));
  }
}

}  // namespace clconv::net
