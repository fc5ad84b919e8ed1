// What ONNX says about an operator's form from opset to opset: its attributes. What an operator does with them, it says
// itself (operators/); here a model is refused whose attribute nobody would read, and whose opset is newer than we are.
#pragma once

#include "net/graph.hpp"

namespace clconv::net {

// The newest opset whose operators are known. Of an operator that changed since, an older one counts.
constexpr std::int64_t kNewestOpset = 28;

// Of a graph as the model has it: passes give nodes attributes of our own. Throws Error{kUnsupported} where an operator
// may have changed since the newest form of it that is known, Error{kInvalidModel} for an attribute that it does not
// have in the graph's opset. Says nothing about operators of other domains and unknown ones.
void check_forms(const Graph& graph);

// Whether an operator of ONNX's own has a row here. Every one that is supported must.
bool has_form(const std::string& op);

}  // namespace clconv::net
