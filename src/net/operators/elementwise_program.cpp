#include "net/operators/elementwise_program.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <sstream>

#include "error.hpp"

namespace clconv::net {
namespace {

Operand input(std::size_t index) {
  return {Operand::Kind::kInput, index};
}

// The row that computes a node of this operator, where an attribute chooses between rows.
std::string row_name(const NodeView& view) {
  const std::string& op = view.node().op;
  if (op == "Gelu") {
    const std::string form = view.attributes().text("approximate", "none");
    if (form == "tanh") return "GeluTanh";
    if (form != "none") {
      view.invalid("attribute 'approximate' is '" + form + "', expected 'none' or 'tanh'");
    }
  }
  if (op == "Mod" && view.attributes().integer("fmod", 0) != 0) return "FloatMod";
  return op;
}

ElementwiseProgram of_row(const NodeView& view, const ElementwiseRow& row) {
  ElementwiseProgram program;
  view.expect_inputs(row.inputs, row.inputs);
  std::vector<Operand> operands;
  for (std::size_t i = 0; i < row.inputs; ++i)
    operands.push_back(input(i));
  for (std::size_t i = 0; i < row.parameter_count(); ++i) {
    const RowParameter& parameter = row.parameters[i];
    operands.push_back(
        program.number(view.attributes().number(parameter.attribute, parameter.otherwise)));
  }
  program.add(row.name, operands);
  return program;
}

// Sum, Mean, Min and Max: from left to right.
ElementwiseProgram of_chain(const NodeView& view, const char* row) {
  ElementwiseProgram program;
  const std::size_t count = view.input_count();
  if (count == 0) view.invalid("has no inputs");
  Operand result = count == 1 ? program.add("Identity", {input(0)}) : input(0);
  for (std::size_t i = 1; i < count; ++i)
    result = program.add(row, {result, input(i)});
  if (view.node().op == "Mean" && count > 1) {
    program.add("Div", {result, program.number(static_cast<float>(count))});
  }
  return program;
}

// Bounds are attributes before opset 11, inputs from then on; the upper one wins where they contradict each other.
ElementwiseProgram of_clip(const NodeView& view) {
  ElementwiseProgram program;
  Operand result = input(0);
  const auto bound = [&](const char* row, std::size_t at, const char* attribute, float none) {
    if (view.opset() < 11) {
      const float value = view.attributes().number(attribute, none);
      if (value != none) result = program.add(row, {result, program.number(value)});
    } else if (view.has_input(at)) {
      result = program.add(row, {result, input(at)});
    }
  };
  view.expect_inputs(1, view.opset() < 11 ? 1 : 3);
  bound("Max", 1, "min", std::numeric_limits<float>::lowest());
  bound("Min", 2, "max", std::numeric_limits<float>::max());
  if (program.statements.empty()) program.add("Identity", {result});
  return program;
}

const char* kStatements = "statements";
const char* kNumbers = "numbers";

std::string text_of(const Statement& statement) {
  std::string text = statement.row->name;
  for (const Operand& operand : statement.operands) {
    const char* kinds[] = {" x", " t", " c"};
    text += kinds[static_cast<int>(operand.kind)] + std::to_string(operand.index);
  }
  return text;
}

Operand operand_of(const NodeView& view, const ElementwiseProgram& program,
                   const std::string& word) {
  const std::string kinds = "xtc";
  const std::size_t kind = word.empty() ? std::string::npos : kinds.find(word[0]);
  const bool digits = word.size() > 1 && word.size() < 6 &&
                      word.find_first_not_of("0123456789", 1) == std::string::npos;
  if (kind == std::string::npos || !digits) view.invalid("'" + word + "' is no operand");
  const Operand operand{static_cast<Operand::Kind>(kind),
                        static_cast<std::size_t>(std::stoul(word.substr(1)))};
  const std::size_t limits[] = {view.input_count(), program.statements.size(),
                                program.numbers.size()};
  if (operand.index >= limits[kind]) view.invalid("operand '" + word + "' does not exist");
  return operand;
}

// Of an Elementwise node. Checked: the graph may be anybody's.
ElementwiseProgram of_attributes(const NodeView& view) {
  ElementwiseProgram program;
  program.numbers = view.attributes().numbers(kNumbers);
  for (const std::string& text : view.attributes().texts(kStatements)) {
    std::istringstream words(text);
    std::string word;
    words >> word;
    Statement statement;
    statement.row = find_elementwise_row(word);
    if (statement.row == nullptr) view.invalid("'" + word + "' is no element-wise operator");
    while (words >> word)
      statement.operands.push_back(operand_of(view, program, word));
    if (statement.operands.size() != statement.row->operands()) {
      view.invalid("statement '" + text + "' has " + std::to_string(statement.operands.size()) +
                   " operands, expected " + std::to_string(statement.row->operands()));
    }
    program.statements.push_back(std::move(statement));
  }
  if (program.statements.empty()) view.invalid("has no statements");
  return program;
}

template <class T>
T run(const ElementwiseProgram& program, const std::vector<T>& inputs, std::vector<T>& results,
      T (*ElementwiseRow::*function)(const T*)) {
  results.clear();
  for (const Statement& statement : program.statements) {
    T values[8];
    for (std::size_t i = 0; i < statement.operands.size(); ++i) {
      const Operand& operand = statement.operands[i];
      values[i] = operand.kind == Operand::Kind::kInput    ? inputs[operand.index]
                  : operand.kind == Operand::Kind::kResult ? results[operand.index]
                                                           : T(program.numbers[operand.index]);
    }
    results.push_back((statement.row->*function)(values));
  }
  return results.back();
}

template <class Member>
std::string missing(const ElementwiseProgram& program, Member member) {
  for (const Statement& statement : program.statements) {
    if (statement.row->*member == nullptr) return statement.row->name;
  }
  return "";
}

}  // namespace

Operand ElementwiseProgram::number(float value) {
  const auto same = std::find_if(numbers.begin(), numbers.end(), [&](float other) {
    return std::memcmp(&other, &value, sizeof value) == 0;  // tells -0 from 0, and finds NaN
  });
  const auto at = static_cast<std::size_t>(same - numbers.begin());
  if (same == numbers.end()) numbers.push_back(value);
  return {Operand::Kind::kNumber, at};
}

Operand ElementwiseProgram::add(const char* row, std::vector<Operand> operands) {
  Statement statement{find_elementwise_row(row), std::move(operands)};
  if (statement.row == nullptr || statement.row->operands() != statement.operands.size()) {
    throw core::Error(core::Code::kInternal, std::string("no element-wise row ") + row);
  }
  statements.push_back(std::move(statement));
  return {Operand::Kind::kResult, statements.size() - 1};
}

std::string ElementwiseProgram::name() const {
  std::string text;
  for (const Statement& statement : statements)
    text += (text.empty() ? "" : "+") + std::string(statement.row->name);
  return text;
}

std::optional<ElementwiseProgram> elementwise_program(const NodeView& view) {
  const Node& node = view.node();
  if (node.domain == kOwnDomain && node.op == "Elementwise") return of_attributes(view);
  if (node.domain.empty()) {
    if (node.op == "Clip") return of_clip(view);
    if (node.op == "Sum" || node.op == "Mean") return of_chain(view, "Add");
    if (node.op == "Min" || node.op == "Max") return of_chain(view, node.op.c_str());
  }
  const ElementwiseRow* row = find_elementwise_row(node.op);
  if (row == nullptr || node.domain != row->domain) return std::nullopt;
  return of_row(view, *find_elementwise_row(row_name(view)));
}

Node elementwise_node(const ElementwiseProgram& program, std::vector<ValueId> inputs,
                      const Shape& shape) {
  Node node;
  node.op = "Elementwise";
  node.domain = kOwnDomain;
  node.name = program.name();
  node.inputs = std::move(inputs);
  std::vector<std::string> texts;
  for (const Statement& statement : program.statements)
    texts.push_back(text_of(statement));
  node.attributes.set(kStatements, texts);
  node.attributes.set(kNumbers, program.numbers);
  node.attributes.set("shape", shape);
  return node;
}

namespace {

// The row of one operand that is Pow by this exponent; null where there is none.
const char* simpler_power(float exponent) {
  if (exponent == 1) return "Identity";
  if (exponent == 2) return "Square";
  if (exponent == 3) return "Cube";
  if (exponent == 0.5f) return "Sqrt";
  if (exponent == -1) return "Reciprocal";
  return nullptr;
}

}  // namespace

SimplifiedProgram simplified(const ElementwiseProgram& program, const NodeView& view) {
  SimplifiedProgram result;
  std::vector<ValueId> kept;
  // An operand of the program as one of the result's.
  const auto placed = [&](const Operand& operand) -> Operand {
    if (operand.kind == Operand::Kind::kResult) return operand;
    if (operand.kind == Operand::Kind::kNumber)
      return result.program.number(program.numbers[operand.index]);
    const ConstantPtr constant = view.constant(operand.index);
    if (constant != nullptr && constant->count() == 1)
      return result.program.number(constant->number(0));
    const ValueId id = view.node().inputs[operand.index];
    const auto found = std::find(kept.begin(), kept.end(), id);
    const Operand place = input(static_cast<std::size_t>(found - kept.begin()));
    if (found == kept.end()) {
      kept.push_back(id);
      result.inputs.push_back(operand.index);
    }
    return place;
  };
  const auto number_of = [&](const Operand& operand) -> std::optional<float> {
    if (operand.kind == Operand::Kind::kNumber) return program.numbers[operand.index];
    if (operand.kind == Operand::Kind::kResult) return std::nullopt;
    const ConstantPtr constant = view.constant(operand.index);
    if (constant == nullptr || constant->count() != 1) return std::nullopt;
    return constant->number(0);
  };
  for (const Statement& statement : program.statements) {
    const char* row = statement.row->name;
    std::vector<Operand> operands = statement.operands;
    if (row == std::string("Pow")) {
      const std::optional<float> exponent = number_of(operands[1]);
      const char* simpler = exponent ? simpler_power(*exponent) : nullptr;
      if (simpler != nullptr) {
        row = simpler;
        operands.pop_back();
      }
    }
    std::transform(operands.begin(), operands.end(), operands.begin(), placed);
    result.program.add(row, operands);
  }
  return result;
}

double run_on_host(const ElementwiseProgram& program, const std::vector<double>& inputs,
                   std::vector<double>& results) {
  return run(program, inputs, results, &ElementwiseRow::numbers);
}
std::int64_t run_on_host(const ElementwiseProgram& program, const std::vector<std::int64_t>& inputs,
                         std::vector<std::int64_t>& results) {
  return run(program, inputs, results, &ElementwiseRow::integers);
}

double flops_of(const ElementwiseProgram& program) {
  double flops = 0;
  for (const Statement& statement : program.statements)
    flops += statement.row->flops;
  return flops;
}

std::string missing_on_integers(const ElementwiseProgram& program) {
  return missing(program, &ElementwiseRow::integers);
}
std::string missing_on_numbers(const ElementwiseProgram& program) {
  return missing(program, &ElementwiseRow::numbers);
}
std::string missing_on_device(const ElementwiseProgram& program) {
  return missing(program, &ElementwiseRow::expression);
}

}  // namespace clconv::net
