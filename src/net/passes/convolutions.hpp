// What passes over convolutions have in common: which nodes are convolutions, and where their channels are.
#pragma once

#include <optional>
#include <vector>

#include "net/graph.hpp"

namespace clconv::net::pass {

// Conv, ConvTranspose and FullyConnected: nodes of one output with weights (input 1) and an epilogue.
bool is_convolution(const Node& node);
// The dimension of the result that the bias runs over.
std::size_t channel_axis(const Node& node, const Graph& graph);
std::int64_t channels(const Node& node, const Graph& graph);

// One number per channel from a constant that broadcasts over everything else; none where it does not.
std::optional<std::vector<float>> per_channel(const Node& node, const Graph& graph,
                                              ValueId constant);

// The node is gone: passes call remove_erased() at their end, so that positions stay until then.
void erase(Node& node);
void remove_erased(Graph& graph);

// "Conv 'conv1'".
std::string label(const Node& node);

}  // namespace clconv::net::pass
