#include <algorithm>

#include "clconv/clconv.hpp"
#include "error.hpp"
#include "net/operator.hpp"
#include "text.hpp"

namespace clconv::net {
namespace {

using core::Code;
using core::Error;

// The extent of a tensor stays within this, so that bytes and sums of a few sizes fit 64 bits.
constexpr std::int64_t kMostExtent = std::int64_t{1} << 40;
// Elements that folding may make in all: a few bytes of a hostile file can ask for any number.
constexpr std::int64_t kMostFolded = std::int64_t{1} << 29;

std::string subject(const Node& node, const Graph& graph) {
  const std::string domain = node.domain.empty() ? "" : node.domain + ".";
  return "node '" + core::cut_name(node.name) + "' (" + core::cut_name(domain + node.op) +
         ", opset " + std::to_string(graph.opset) + ")";
}

// All there, and at least one: a node without inputs is no question of folding.
bool all_constant(const Graph& graph, const Node& node) {
  return !node.inputs.empty() &&
         std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
           return id == kNoValue || graph.value(id).constant != nullptr;
         });
}

bool outputs_known(const Graph& graph, const Node& node) {
  return std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
    return id == kNoValue || graph.value(id).constant != nullptr;
  });
}

// Elements of the outputs that are, or are about to be, constants.
std::int64_t elements_of_outputs(const Graph& graph, const Node& node) {
  std::int64_t count = 0;
  for (const ValueId id : node.outputs)
    count += id == kNoValue ? 0 : elements(*graph.value(id).shape);
  return count;
}

// `left`: of kMostFolded.
void infer_node(Graph& graph, Node& node, std::int64_t& left) {
  const Operator* op = find_operator(node.domain, node.op);
  if (op == nullptr) unsupported(node, graph, "this operator is not supported");
  if (node.domain.empty() && graph.opset < op->since) {
    unsupported(node, graph, "supported from opset " + std::to_string(op->since) + " on");
  }
  try {
    Inference inference(graph, node);
    op->infer(inference);
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      if (!graph.value(id).shape) inference.invalid("has no output '" + graph.value(id).name + "'");
    }
    const bool known = outputs_known(graph, node);
    const bool folds = op->evaluate != nullptr && all_constant(graph, node) && !known;
    if (known || folds) left -= elements_of_outputs(graph, node);
    if (left < 0) {
      inference.unsupported("constants that follow from constants would have more than " +
                            std::to_string(kMostFolded) + " elements in all");
    }
    if (folds) {
      Evaluation evaluation(graph, node);
      op->evaluate(evaluation);
    }
  } catch (const Error& error) {
    const std::string text = error.what();
    const std::string who = subject(node, graph);
    if (text.rfind(who, 0) == 0) throw;
    throw Error(error.code(), who + ": " + text, error.detail());
  } catch (const clconv::Error& error) {
    // Of libclconv, about a convolution that the model's sizes make impossible.
    const auto code = static_cast<Code>(error.status());
    throw Error(code == Code::kInvalidProblem ? Code::kInvalidModel : code,
                subject(node, graph) + ": " + error.what(), error.detail());
  }
}

}  // namespace

void invalid(const Node& node, const Graph& graph, const std::string& text) {
  throw Error(Code::kInvalidModel, subject(node, graph) + ": " + text);
}

void unsupported(const Node& node, const Graph& graph, const std::string& text) {
  throw Error(Code::kUnsupported, subject(node, graph) + ": " + text);
}

const Value& NodeView::input(std::size_t i) const {
  if (!has_input(i)) invalid("input " + std::to_string(i) + " is missing");
  return graph_.value(node_.inputs[i]);
}

const std::vector<std::int64_t>& NodeView::integers(std::size_t i, const char* what) const {
  const Value& value = input(i);
  if (value.constant == nullptr) {
    unsupported(std::string(what) + " ('" + value.name + "') depend on the data of the inputs");
  }
  if (!is_integer(value.constant->type)) {
    invalid(std::string(what) + " ('" + value.name + "') are of type " +
            to_string(value.constant->type) + ", not integers");
  }
  return value.constant->integers;
}

std::vector<std::int64_t> NodeView::integers_or(std::size_t i, const char* name,
                                                const std::vector<std::int64_t>& otherwise) const {
  if (has_input(i)) return integers(i, name);
  return attributes().integers(name, otherwise);
}

void NodeView::expect_inputs(std::size_t least, std::size_t most) const {
  const std::size_t count = node_.inputs.size();
  if (count >= least && count <= most) return;
  invalid("has " + std::to_string(count) + " inputs, expected " + std::to_string(least) +
          (most == least ? "" : " to " + std::to_string(most)));
}

void NodeView::expect_rank(std::size_t i, std::size_t least, std::size_t most) const {
  const std::size_t rank = shape(i).size();
  if (rank >= least && rank <= most) return;
  invalid("input '" + input(i).name + "' is " + to_string(shape(i)) + ", expected rank " +
          std::to_string(least) + (most == least ? "" : " to " + std::to_string(most)));
}

void NodeView::expect_floating(std::size_t i) const {
  if (is_floating(type(i))) return;
  unsupported("input '" + input(i).name + "' is " + to_string(type(i)) +
              ": on the device, only floating types are supported");
}

void Inference::output(std::size_t i, Type type, Shape shape) {
  if (!has_output(i)) return;
  for (const std::int64_t size : shape) {
    if (size < 0) invalid("an output would be " + to_string(shape));
  }
  if (extent(shape) > kMostExtent) {
    invalid("an output of shape " + to_string(shape) + " is too large");
  }
  Value& value = graph_.value(node_.outputs[i]);
  value.type = type;
  value.shape = std::move(shape);
}

void Inference::output(std::size_t i, ConstantPtr constant) {
  if (!has_output(i)) return;
  output(i, constant->type, constant->shape);
  graph_.value(node_.outputs[i]).constant = std::move(constant);
}

void Evaluation::output(std::size_t i, ConstantPtr constant) {
  if (!has_output(i)) return;
  Value& value = graph_.value(node_.outputs[i]);
  if (constant->type != value.type || constant->shape != *value.shape) {
    throw Error(Code::kInternal, "folding gives " + std::string(to_string(constant->type)) + " " +
                                     to_string(constant->shape) + ", not " + to_string(value.type) +
                                     " " + to_string(*value.shape));
  }
  value.constant = std::move(constant);
}

void infer(Graph& graph) {
  for (const Value& value : graph.values) {  // inputs and constants
    if (!value.shape || extent(*value.shape) <= kMostExtent) continue;
    throw Error(Code::kInvalidModel,
                "'" + value.name + "' is " + to_string(*value.shape) + ": too large");
  }
  std::int64_t left = kMostFolded;
  for (Node& node : graph.nodes)
    infer_node(graph, node, left);
  graph.remove_nodes([&](const Node& node) { return outputs_known(graph, node); });
}

}  // namespace clconv::net
