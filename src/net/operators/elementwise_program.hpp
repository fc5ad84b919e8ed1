// What an element-wise node computes, as a program: statements over its inputs, numbers and earlier results, each a row
// of the table. One form for single operators (Clip, Sum of five) and for what the pass `elementwise` makes of many.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/operator.hpp"
#include "net/operators/elementwise_table.hpp"

namespace clconv::net {

struct Operand {
  enum class Kind { kInput, kResult, kNumber };
  Kind kind = Kind::kInput;
  std::size_t index = 0;  // of the node's inputs, of the statements, of the numbers
};

struct Statement {
  const ElementwiseRow* row = nullptr;
  std::vector<Operand> operands;  // inputs of the row, then its parameters
};

// The last statement's result is the program's.
struct ElementwiseProgram {
  std::vector<Statement> statements;
  std::vector<float> numbers;

  Operand number(float value);
  Operand add(const char* row, std::vector<Operand> operands);
  // "Add+Clip+Mul", for people.
  std::string name() const;
};

// The program of a node: none where the operator is not element-wise. Inputs keep their numbers. Attributes are not
// checked beyond their kinds.
std::optional<ElementwiseProgram> elementwise_program(const NodeView& view);

// The node kOwnDomain.Elementwise that computes the program of these inputs, which broadcast to `shape`; its outputs
// are the caller's to set.
Node elementwise_node(const ElementwiseProgram& program, std::vector<ValueId> inputs,
                      const Shape& shape);

// The program as it is lowered: inputs that are constants of one number are numbers, Pow by a number that has a simpler
// form is that, and what is not read or comes twice is dropped.
struct SimplifiedProgram {
  ElementwiseProgram program;
  std::vector<std::size_t> inputs;  // of the node, by their positions in the program
};
SimplifiedProgram simplified(const ElementwiseProgram& program, const NodeView& view);

// On the host, for one element of each input, where every row has that function. `results` is memory for the
// statements' results, so that none is allocated per element.
double run_on_host(const ElementwiseProgram& program, const std::vector<double>& inputs,
                   std::vector<double>& results);
std::int64_t run_on_host(const ElementwiseProgram& program, const std::vector<std::int64_t>& inputs,
                         std::vector<std::int64_t>& results);
// Per element, on the device.
double flops_of(const ElementwiseProgram& program);
// The name of the first row that has no such function; empty where all do.
std::string missing_on_integers(const ElementwiseProgram& program);
std::string missing_on_numbers(const ElementwiseProgram& program);
std::string missing_on_device(const ElementwiseProgram& program);

}  // namespace clconv::net
