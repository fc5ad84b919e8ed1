// ONNX's AttributeProto as a node's attributes.
#pragma once

#include <string>

#include "net/graph.hpp"
#include "onnx_format.pb.h"

namespace clconv::net {

// Adds the attributes of `proto` to the node; tensors lose their data in the message. `who` names the node in errors.
// Throws Error{kUnsupported} for subgraphs, sparse tensors and types, Error{kInvalidModel} for what contradicts itself.
void add_attributes(onnx_format::NodeProto& proto, const std::string& who,
                    const std::string& folder, Node& node);

}  // namespace clconv::net
