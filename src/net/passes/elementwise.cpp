// Chains and trees of element-wise operators whose intermediate results nobody else reads become one node, so that
// intermediate results stay in registers: a launch and two passes over memory less for each.
#include <algorithm>

#include "net/operators/batch_normalization.hpp"
#include "net/operators/elementwise_program.hpp"
#include "net/passes.hpp"

namespace clconv::net::pass {
namespace {

// A kernel takes 10 inputs. With 8, prefetchers and registers of today's CPUs keep up.
constexpr std::size_t kMostBuffers = 8;
constexpr std::size_t kMostStatements = 32;

// A program with the values that it reads.
struct Part {
  ElementwiseProgram program;
  std::vector<ValueId> inputs;
};

// Batch normalization without a neighbour stays what it is; here it is a product and a sum with constants.
Part of_batch_normalization(Graph& graph, const NodeView& view) {
  ChannelScale scale = channel_scale(view);
  const Shape shape = view.shape(0);
  const Shape of_channels = channel_shape(shape[1], shape.size());
  const std::string& name = view.node().name;
  Part part;
  part.inputs = {
      view.node().inputs[0],
      graph.add_constant(name + ".factors", constant_of(of_channels, std::move(scale.factors))),
      graph.add_constant(name + ".summands", constant_of(of_channels, std::move(scale.summands)))};
  const auto input = [](std::size_t i) { return Operand{Operand::Kind::kInput, i}; };
  part.program.add("MultiplyAdd", {input(0), input(1), input(2)});
  return part;
}

bool is_batch_normalization(const Node& node) {
  return node.domain.empty() && node.op == "BatchNormalization";
}

// Can the node be a part? It computes floats on the device.
bool is_elementwise(Graph& graph, Node& node) {
  if (node.outputs.size() != 1 || node.inputs.empty()) return false;
  if (!is_floating(graph.value(node.outputs[0]).type)) return false;
  if (is_batch_normalization(node)) return has_known_statistics(NodeView(graph, node));
  const auto program = elementwise_program(NodeView(graph, node));
  return program && missing_on_device(*program).empty();
}

Part part_of(Graph& graph, Node& node) {
  const NodeView view(graph, node);
  if (is_batch_normalization(node)) return of_batch_normalization(graph, view);
  return {*elementwise_program(view), node.inputs};
}

// `outer` with the value that it reads replaced by the program that computes it.
Part joined(const Part& outer, ValueId value, const Part& inner) {
  Part result = inner;
  const std::size_t shift = inner.program.statements.size();
  const auto place_of = [&](ValueId id) {
    const auto found = std::find(result.inputs.begin(), result.inputs.end(), id);
    const auto at = static_cast<std::size_t>(found - result.inputs.begin());
    if (found == result.inputs.end()) result.inputs.push_back(id);
    return Operand{Operand::Kind::kInput, at};
  };
  for (const Statement& statement : outer.program.statements) {
    std::vector<Operand> operands;
    for (const Operand& operand : statement.operands) {
      switch (operand.kind) {
        case Operand::Kind::kNumber:
          operands.push_back(result.program.number(outer.program.numbers[operand.index]));
          break;
        case Operand::Kind::kResult:
          operands.push_back({Operand::Kind::kResult, operand.index + shift});
          break;
        case Operand::Kind::kInput:
          operands.push_back(outer.inputs[operand.index] == value
                                 ? Operand{Operand::Kind::kResult, shift - 1}
                                 : place_of(outer.inputs[operand.index]));
          break;
      }
    }
    result.program.add(statement.row->name, operands);
  }
  return result;
}

// What is left of the inputs when constants are numbers of the kernel.
Part simplified_part(Graph& graph, const Part& part) {
  Node node = elementwise_node(part.program, part.inputs, {});
  const SimplifiedProgram simple = simplified(part.program, NodeView(graph, node));
  Part result{simple.program, {}};
  for (const std::size_t i : simple.inputs)
    result.inputs.push_back(part.inputs[i]);
  return result;
}

// Takes in the nodes that make what the node at `root` reads, and those before them.
class Fusion {
 public:
  Fusion(Graph& graph, Node& root)
      : graph_(graph), root_(root), part_(simplified_part(graph, part_of(graph, root))) {}

  void grow() {
    while (take_one()) {
    }
  }
  const std::vector<Node*>& taken() const { return taken_; }

  // The root becomes the node of the whole; those taken in are left without inputs and outputs.
  std::string finish() {
    std::string change;
    for (auto node = taken_.rbegin(); node != taken_.rend(); ++node) {
      change += (*node)->op + " '" + (*node)->name + "' + ";
      (*node)->inputs.clear();
      (*node)->outputs.clear();
    }
    change += root_.op + " '" + root_.name + "'";
    Node node =
        elementwise_node(part_.program, part_.inputs, *graph_.value(root_.outputs[0]).shape);
    node.name = root_.name;
    node.outputs = root_.outputs;
    root_ = std::move(node);
    return change;
  }

 private:
  bool take_one() {
    for (const ValueId id : part_.inputs) {
      Node* node = candidate(id);
      if (node == nullptr) continue;
      const Part whole = simplified_part(graph_, joined(part_, id, part_of(graph_, *node)));
      if (whole.inputs.size() > kMostBuffers || whole.program.statements.size() > kMostStatements)
        continue;
      part_ = whole;
      taken_.push_back(node);
      return true;
    }
    return false;
  }

  // The node that makes an input, where only the nodes taken so far read it and the shape is the whole's: what is
  // broadcast would be computed many times.
  Node* candidate(ValueId id) {
    Node* node = graph_.producer(id);
    if (node == nullptr || !is_elementwise(graph_, *node)) return nullptr;
    if (graph_.value(id).shape != graph_.value(root_.outputs[0]).shape) return nullptr;
    auto reads = std::count(root_.inputs.begin(), root_.inputs.end(), id);
    for (const Node* taken : taken_)
      reads += std::count(taken->inputs.begin(), taken->inputs.end(), id);
    return graph_.uses(id) == reads ? node : nullptr;
  }

  Graph& graph_;
  Node& root_;
  Part part_;
  std::vector<Node*> taken_;  // in the order in which they were found: from the root backwards
};

}  // namespace

void elementwise(Graph& graph, Changes& changes);
void elementwise(Graph& graph, Changes& changes) {
  for (auto at = graph.nodes.rbegin(); at != graph.nodes.rend(); ++at) {
    if (at->outputs.empty() || !is_elementwise(graph, *at)) continue;
    Fusion fusion(graph, *at);
    fusion.grow();
    if (!fusion.taken().empty()) changes.push_back(fusion.finish());
  }
}

}  // namespace clconv::net::pass
