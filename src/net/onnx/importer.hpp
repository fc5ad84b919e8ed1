// From ONNX's GraphProto to a Graph: values by name, each made once.
#pragma once

#include <string>
#include <unordered_map>

#include "net/graph.hpp"
#include "onnx_format.pb.h"

namespace clconv::net {

class Importer {
 public:
  // `folder` holds external data.
  Importer(std::string folder, std::int64_t opset) : folder_(std::move(folder)) {
    graph_.opset = opset;
  }

  // The graph of the message, which loses its tensors' data. Throws Error{kInvalidModel}, Error{kUnsupported} or
  // Error{kIo}. Once per object.
  Graph graph(onnx_format::GraphProto& proto);

 private:
  // A value that inputs, initializers or a node make: `maker` says who, for the error where the name is taken.
  ValueId make(const std::string& name, const std::string& maker);
  ValueId known(const std::string& name, const std::string& reader) const;

  void add_initializers(onnx_format::GraphProto& proto);
  void add_inputs(const onnx_format::GraphProto& proto);
  void add_nodes(onnx_format::GraphProto& proto);
  // Outputs of all nodes come first: a file may have its nodes in any order.
  void add_node_outputs(const onnx_format::NodeProto& proto, Node& node);
  void add_node_inputs(const onnx_format::NodeProto& proto, Node& node);
  void add_outputs(const onnx_format::GraphProto& proto);

  std::string folder_;
  Graph graph_;
  std::unordered_map<std::string, ValueId> ids_;
};

}  // namespace clconv::net
