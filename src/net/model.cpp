#include "net/model.hpp"

#include <algorithm>

#include "error.hpp"
#include "text.hpp"

namespace clconv::net {
namespace {

using core::Code;
using core::Error;

[[noreturn]] void bad(const std::string& text) {
  throw Error(Code::kInvalidArgument, text);
}

// As the model declares it: open sizes by their names.
std::string declared(const Value& value) {
  std::string text;
  for (std::size_t i = 0; i < value.shape->size(); ++i) {
    const std::int64_t size = (*value.shape)[i];
    const bool named = i < value.size_names.size() && !value.size_names[i].empty();
    text += (i == 0 ? "" : "x") + (size >= 0 ? std::to_string(size)
                                   : named   ? core::cut_line(value.size_names[i], 16)
                                             : std::string("?"));
  }
  return text.empty() ? "scalar" : text;
}

ValueId input_of(const Graph& graph, const WantedShape& wanted, std::size_t position) {
  if (wanted.name.empty()) {
    if (position < graph.inputs.size()) return graph.inputs[position];
    bad("shape " + std::to_string(position) + " is for no input: the model has " +
        std::to_string(graph.inputs.size()));
  }
  std::string names;
  for (const ValueId id : graph.inputs) {
    if (graph.value(id).name == wanted.name) return id;
    names += (names.empty() ? "" : ", ") + graph.value(id).name;
  }
  bad("the model has no input '" + wanted.name + "'; inputs: " + names);
}

void check_wanted(const Value& value, const Shape& wanted) {
  const std::string who =
      "input '" + value.name + "' is " + declared(value) + ", not " + to_string(wanted);
  if (wanted.size() != value.shape->size()) bad(who + ": the ranks differ");
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] < 0) bad("input '" + value.name + "': size " + std::to_string(wanted[i]));
  }
}

}  // namespace

Graph with_shapes(const Model& model, const std::vector<WantedShape>& wanted, std::int64_t batch) {
  if (batch < 0) bad("batch=" + std::to_string(batch) + ": must be at least 0");
  Graph graph = model.graph;
  std::vector<ValueId> given;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const ValueId id = input_of(graph, wanted[i], i);
    check_wanted(graph.value(id), wanted[i].shape);
    graph.value(id).shape = wanted[i].shape;
    given.push_back(id);
  }
  for (const ValueId id : graph.inputs) {
    Value& value = graph.value(id);
    if (std::find(given.begin(), given.end(), id) != given.end()) continue;
    if (!value.shape->empty() && (batch > 0 || value.shape->front() < 0)) {
      value.shape->front() = std::max<std::int64_t>(batch, 1);
    }
    const bool open = std::any_of(value.shape->begin(), value.shape->end(),
                                  [](std::int64_t size) { return size < 0; });
    if (open) {
      bad("input '" + core::cut_name(value.name) + "' is " + declared(value) +
          ": the model leaves sizes open, give its shape in clconv_net_options.shapes "
          "(C++: the shapes of Network)");
    }
  }
  return graph;
}

}  // namespace clconv::net
