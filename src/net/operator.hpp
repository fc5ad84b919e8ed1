// The seam of operators: an operator is a row with its name and three functions. Shape inference, constant folding
// and lowering loop over the registry; adding an operator is a row in the list of its file in operators/.
#pragma once

#include <string>
#include <vector>

#include "net/graph.hpp"

namespace clconv::net {

class Lowering;

// An error about a node: "node 'conv1' (Conv, opset 13): text". Code kInvalidModel or kUnsupported.
[[noreturn]] void invalid(const Node& node, const Graph& graph, const std::string& text);
[[noreturn]] void unsupported(const Node& node, const Graph& graph, const std::string& text);

// What an operator's functions are given of a node: its inputs, whose types and shapes are known, and its attributes.
class NodeView {
 public:
  NodeView(Graph& graph, Node& node) : graph_(graph), node_(node) {}

  const Node& node() const { return node_; }
  const Graph& graph() const { return graph_; }
  const Attributes& attributes() const { return node_.attributes; }
  std::int64_t opset() const { return graph_.opset; }

  std::size_t input_count() const { return node_.inputs.size(); }
  std::size_t output_count() const { return node_.outputs.size(); }
  bool has_input(std::size_t i) const {
    return i < node_.inputs.size() && node_.inputs[i] != kNoValue;
  }
  bool has_output(std::size_t i) const {
    return i < node_.outputs.size() && node_.outputs[i] != kNoValue;
  }
  // Of an input that is there: a missing one is Error{kInvalidModel} that names it by its number.
  const Value& input(std::size_t i) const;
  const Shape& shape(std::size_t i) const { return *input(i).shape; }
  Type type(std::size_t i) const { return input(i).type; }
  ConstantPtr constant(std::size_t i) const { return input(i).constant; }
  // The integers of an input that must be known now, as shapes and axes must. Else Error{kUnsupported} that says `what`
  // must be a constant.
  const std::vector<std::int64_t>& integers(std::size_t i, const char* what) const;
  // Of an optional input, else the attribute of that name, else what is given: how opsets moved axes and the like from
  // attributes to inputs.
  std::vector<std::int64_t> integers_or(std::size_t i, const char* name,
                                        const std::vector<std::int64_t>& otherwise) const;

  // Throw Error as the free functions do.
  [[noreturn]] void invalid(const std::string& text) const { net::invalid(node_, graph_, text); }
  [[noreturn]] void unsupported(const std::string& text) const {
    net::unsupported(node_, graph_, text);
  }
  // Throw Error{kInvalidModel} where it does not hold.
  void expect_inputs(std::size_t least, std::size_t most) const;
  void expect_rank(std::size_t i, std::size_t least, std::size_t most) const;
  // An input that the device computes with: float32, float16, bfloat16 or float64 (all become the network's storage).
  void expect_floating(std::size_t i) const;

 protected:
  Graph& graph_;
  Node& node_;
};

// Shape inference of one node: says what its outputs are.
class Inference : public NodeView {
 public:
  using NodeView::NodeView;
  // Type and shape of an output. Ignored for one that is left out.
  void output(std::size_t i, Type type, Shape shape);
  // An output whose value is known now (Shape, Constant): nothing is left to do for it.
  void output(std::size_t i, ConstantPtr constant);
};

// Constant folding of one node all of whose inputs are constants: computes its outputs on the host.
class Evaluation : public NodeView {
 public:
  using NodeView::NodeView;
  const Constant& constant_input(std::size_t i) const { return *input(i).constant; }
  // Of type and shape as inferred; values follow.
  void output(std::size_t i, ConstantPtr constant);
};

struct Operator {
  const char* name;
  const char* domain;  // "" or kOwnDomain
  std::int64_t since;  // the lowest opset whose form of the operator is understood; 1 for own ones
  // Types and shapes of the outputs, with every check of inputs and attributes that the device relies on: what passes
  // here can be lowered.
  void (*infer)(Inference&);
  // Null: constants are not folded, and the node runs on the device.
  void (*evaluate)(Evaluation&);
  // Null: the node must have vanished (its outputs are constants), else it is unsupported.
  void (*lower)(Lowering&);
  // May an input, or output 0 with kOutput, be a range of channels of a larger tensor, so that its images (dimension 0)
  // lie apart? `lower` then asks Lowering::images_in() and images_out() for the distance. Null: no.
  bool (*images_apart)(const NodeView&, std::size_t input) = nullptr;
  static constexpr std::size_t kOutput = ~std::size_t{0};
};

// The rows of one file in operators/; registry.cpp lists them.
using Operators = std::vector<Operator>;

const std::vector<const Operator*>& operators();  // all, by domain and name
const Operator* find_operator(const std::string& domain, const std::string& name);

// Infers types and shapes of all values, folds constants, and removes what is folded. The inputs' shapes must be
// complete. Throws Error{kInvalidModel} or Error{kUnsupported} that names the node, its operator and the opset.
void infer(Graph& graph);

}  // namespace clconv::net
