// The element-wise operators of arithmetic, one row each: inference, folding, kernels and the fusion of chains loop
// over them. Knows nothing of shapes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace clconv::net {

// An attribute of the operator, which the expression takes as a number.
struct RowParameter {
  const char* attribute = nullptr;  // null: none
  float otherwise = 0;
};

struct ElementwiseRow {
  const char* name;
  const char* domain;  // "" is ONNX's own, else kOwnDomain
  std::int64_t since;  // opset
  std::size_t inputs;  // that one element depends on
  std::array<RowParameter, 2> parameters;
  // OpenCL C of floats and of vectors of floats: a, b, c are the inputs, p and q the parameters. It may use
  // parts/elementwise.cl. Null: on the host only.
  const char* expression;
  // The same on the host, of the inputs and the parameters behind them. `integers` is null for what is not defined, or
  // not needed, on integers.
  double (*numbers)(const double* v);
  std::int64_t (*integers)(const std::int64_t* v);
  bool gives_bool = false;
  // Floating-point operations that take a CPU as long as the expression; docs/calibration.md says on which.
  double flops = 1;

  std::size_t parameter_count() const {
    return parameters[1].attribute != nullptr ? 2u : parameters[0].attribute != nullptr ? 1u : 0u;
  }
  std::size_t operands() const { return inputs + parameter_count(); }
};

const std::vector<ElementwiseRow>& elementwise_rows();
// Null where there is none. Names are unique over both domains.
const ElementwiseRow* find_elementwise_row(const std::string& name);

}  // namespace clconv::net
