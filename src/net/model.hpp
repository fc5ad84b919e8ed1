// Model: a graph as it was imported or built, and what is made of it for given shapes.
#pragma once

#include <string>
#include <vector>

#include "net/graph.hpp"

namespace clconv::net {

struct Model {
  Graph graph;
  std::string producer;  // what wrote the file
};

// A shape asked for: of the input of that name, or of that position where the name is empty.
struct WantedShape {
  std::string name;
  Shape shape;
};

// The model's graph with complete shapes of its inputs: those wanted, else the model's, whose open first size becomes
// `batch` (0: 1) and whose first size becomes `batch` where that is above 0. Throws Error{kInvalidArgument} that names
// the input, its shape and what is wrong.
Graph with_shapes(const Model& model, const std::vector<WantedShape>& wanted, std::int64_t batch);

// Reads an ONNX model. `folder` is where external data lies; empty: nowhere. Throws Error{kInvalidModel},
// Error{kUnsupported} or Error{kIo}.
Model import_onnx(const void* bytes, std::size_t size, const std::string& folder);
bool has_importer();

}  // namespace clconv::net
