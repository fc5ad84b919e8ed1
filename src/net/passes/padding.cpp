// Pad with zeroes in front of a convolution becomes its padding.
#include <algorithm>

#include "net/passes.hpp"
#include "net/passes/convolutions.hpp"

namespace clconv::net::pass {
namespace {

using Integers = std::vector<std::int64_t>;

// Of every dimension: before all, then behind all. Empty where they are not known, or axes are chosen.
Integers pads_of(const Graph& graph, const Node& pad) {
  if (pad.inputs.size() > 3 && pad.inputs[3] != kNoValue) return {};
  if (pad.inputs.size() < 2) return pad.attributes.integers("pads");
  const ConstantPtr& pads = graph.value(pad.inputs[1]).constant;
  return pads != nullptr ? pads->integers : Integers();
}

bool pads_with_zeroes(const Graph& graph, const Node& pad) {
  if (pad.attributes.text("mode", "constant") != "constant") return false;
  if (pad.inputs.size() < 3 || pad.inputs[2] == kNoValue)
    return pad.attributes.number("value", 0) == 0;
  const ConstantPtr& value = graph.value(pad.inputs[2]).constant;
  return value != nullptr && value->count() == 1 && value->number(0) == 0;
}

// Only of the spatial dimensions, and nowhere cut.
bool is_spatial(const Integers& pads, std::size_t rank) {
  if (pads.size() != 2 * rank || rank < 3) return false;
  for (std::size_t d = 0; d < 2; ++d) {
    if (pads[d] != 0 || pads[rank + d] != 0) return false;
  }
  return std::all_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad >= 0; });
}

}  // namespace

void padding(Graph& graph, Changes& changes);
void padding(Graph& graph, Changes& changes) {
  for (Node& pad : graph.nodes) {
    if (pad.op != "Pad" || !pad.domain.empty()) continue;
    Node* user = graph.only_user(pad.outputs[0]);
    if (user == nullptr || user->op != "Conv" || !user->domain.empty()) continue;
    const std::string automatic = user->attributes.text("auto_pad", "NOTSET");
    const std::size_t rank = graph.value(pad.inputs[0]).shape->size();
    const Integers pads = pads_of(graph, pad);
    const bool fits = user->inputs[0] == pad.outputs[0] && pads_with_zeroes(graph, pad) &&
                      is_spatial(pads, rank) && (automatic == "NOTSET" || automatic == "VALID");
    if (!fits) continue;
    const std::size_t spatial = rank - 2;
    Integers of_user(2 * spatial, 0);
    if (automatic == "NOTSET") of_user = user->attributes.integers("pads", of_user);
    for (std::size_t d = 0; d < spatial; ++d) {
      of_user[d] += pads[2 + d];
      of_user[spatial + d] += pads[rank + 2 + d];
    }
    changes.push_back(label(*user) + " takes " + label(pad));
    user->attributes.remove("auto_pad");
    user->attributes.set("pads", of_user);
    user->inputs[0] = pad.inputs[0];
    erase(pad);
  }
  remove_erased(graph);
}

}  // namespace clconv::net::pass
