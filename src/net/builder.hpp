// Models built by hand, piece by piece, and what a model has, as JSON. Every function throws Error{kInvalidArgument}
// that names the piece, and then leaves the model as it was.
#pragma once

#include <string>
#include <vector>

#include "net/model.hpp"

namespace clconv::net {

// An empty model whose nodes mean what they mean in ONNX's opset `opset`, 7 or more.
Model create_model(std::int64_t opset);

// An input, float32. A size of -1 is open.
void add_input(Model& model, const std::string& name, const Shape& shape);

// A constant; `data` is dense and row-major, of `type`, and may be null where the shape has no elements.
void add_constant(Model& model, const std::string& name, Type type, const Shape& shape,
                  const void* data);

// A node whose inputs are there already. `name` may be empty: one is made up. An empty input or output is an optional
// one that is left out. `attributes` is a JSON object, or empty: integers, numbers with a point or an exponent, texts,
// and lists of them.
void add_node(Model& model, const std::string& op, const std::string& name,
              const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
              const std::string& attributes);

// An output of the network: a value that is there already.
void add_output(Model& model, const std::string& name);

// What clconv_net_model_describe() gives.
std::string describe(const Model& model);

}  // namespace clconv::net
