// Passes: rewrites of a graph whose shapes are known, each a function in a file of its name in passes/. A pass leaves
// the graph as inference wants it: every new value has its type and shape.
#pragma once

#include <string>
#include <vector>

#include "net/graph.hpp"

namespace clconv::net {

// What one pass did: a line per change, such as "Conv 'conv1' takes BatchNormalization 'bn1'".
using Changes = std::vector<std::string>;

struct Pass {
  const char* name;   // "scales"
  const char* about;  // one line for people
  void (*run)(Graph& graph, Changes& changes);
};

// In the order in which they run.
const std::vector<Pass>& passes();

struct PassReport {
  std::string name;
  Changes changes;
};
// Runs all but those named in `skipped` (comma-separated; an unknown name throws Error{kInvalidArgument}), and removes
// what is unused.
std::vector<PassReport> run_passes(Graph& graph, const std::string& skipped);

}  // namespace clconv::net
