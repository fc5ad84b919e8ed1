// What passes do to graphs beside their own patterns.
#pragma once

#include "net/graph.hpp"

namespace clconv::net {

// Whoever reads the node's first output reads its first input instead. An output of the network keeps its value, which
// the input's producer then makes. False, and nothing is changed, where that cannot be: the input is the network's, a
// constant or another output. Else the node's outputs are unused.
bool bypass(Graph& graph, Node& node);

// The node that makes the value and whose only reader is one input of one node; else null.
Node* inner_producer(Graph& graph, ValueId id);

}  // namespace clconv::net
