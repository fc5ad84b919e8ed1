// Element-wise operators: all rows of the table, those of several statements, and what is no arithmetic (Identity,
// Dropout, Cast).
#include <algorithm>

#include "net/elements.hpp"
#include "net/lowering.hpp"
#include "net/operator.hpp"
#include "net/operators/elementwise_kernel.hpp"
#include "net/operators/elementwise_program.hpp"
#include "net/operators/elementwise_tiling.hpp"

namespace clconv::net {
namespace {

constexpr std::size_t kMostRank = 8;
// Small constants may broadcast to what no host's memory holds.
constexpr std::int64_t kMostFolded = std::int64_t{1} << 26;
// A kernel takes as many buffers, its output among them.
constexpr std::size_t kMostInputs = LaunchStep::kMostBuffers - 1;

ElementwiseProgram program_of(const NodeView& view) {
  const auto program = elementwise_program(view);
  if (!program) view.invalid("is not element-wise");
  return *program;
}

bool all_constant(const NodeView& view) {
  for (std::size_t i = 0; i < view.input_count(); ++i) {
    if (view.has_input(i) && view.constant(i) == nullptr) return false;
  }
  return true;
}

bool all_integer(const NodeView& view) {
  for (std::size_t i = 0; i < view.input_count(); ++i) {
    if (view.has_input(i) && !is_integer(view.type(i))) return false;
  }
  return true;
}

// Constants are folded on the host, where integers are possible, else the device computes in floats.
void check_types(const NodeView& view, const ElementwiseProgram& program) {
  if (all_constant(view)) {
    const bool integers = all_integer(view);
    const std::string missing =
        integers ? missing_on_integers(program) : missing_on_numbers(program);
    if (missing.empty()) return;
    view.unsupported(missing + " of " + (integers ? "integers" : "floats") + " is not supported");
  }
  const std::string missing = missing_on_device(program);
  if (!missing.empty()) {
    view.unsupported("is supported only where all its inputs are known before the network runs");
  }
  for (std::size_t i = 0; i < view.input_count(); ++i) {
    if (view.has_input(i) && view.constant(i) == nullptr) view.expect_floating(i);
  }
}

Type output_type(const NodeView& view, const ElementwiseProgram& program) {
  const ElementwiseRow& last = *program.statements.back().row;
  if (last.gives_bool) return Type::kBool;
  return view.type(view.node().op == "Where" ? 1 : 0);
}

void infer_elementwise(Inference& inference) {
  const ElementwiseProgram program = program_of(inference);
  // Constants that are no inputs any more may have had ones in front of all other sizes.
  const bool own = inference.node().domain == kOwnDomain;
  Shape shape = own ? inference.attributes().integers("shape") : Shape();
  for (std::size_t i = 0; i < inference.input_count(); ++i) {
    if (inference.has_input(i)) shape = broadcast(shape, inference.shape(i));
  }
  if (shape.size() > kMostRank) {
    inference.unsupported("the result has rank " + std::to_string(shape.size()) +
                          ", at most 8 is supported");
  }
  const bool follows = inference.node().op == "PRelu" || inference.node().op == "Clip";
  if (follows && shape != inference.shape(0)) {
    inference.invalid("the other inputs do not broadcast to input 0, which is " +
                      to_string(inference.shape(0)));
  }
  check_types(inference, program);
  if (simplified(program, inference).inputs.size() > kMostInputs) {
    inference.unsupported("has more than " + std::to_string(kMostInputs) + " inputs");
  }
  inference.output(0, output_type(inference, program), shape);
}

// Integers keep the range of their type: what does not fit loses its upper bits, as in C.
std::int64_t wrapped_to(Type type, std::int64_t value) {
  switch (type) {
    case Type::kUint8: return static_cast<std::uint8_t>(value);
    case Type::kInt8: return static_cast<std::int8_t>(value);
    case Type::kUint16: return static_cast<std::uint16_t>(value);
    case Type::kInt16: return static_cast<std::int16_t>(value);
    case Type::kUint32: return static_cast<std::uint32_t>(value);
    case Type::kInt32: return static_cast<std::int32_t>(value);
    case Type::kBool: return value != 0;
    default: return value;
  }
}

// Which element of an input an element of the output reads.
std::size_t element_of(const Shape& input, const Shape& output, std::int64_t at) {
  std::int64_t result = 0, stride = 1;
  for (std::size_t i = 1; i <= input.size(); ++i) {
    const std::int64_t size = input[input.size() - i];
    const std::int64_t of_output = output[output.size() - i];
    if (size != 1) result += at % of_output * stride;
    stride *= size;
    at /= of_output;
  }
  return static_cast<std::size_t>(result);
}

std::int64_t as_integer(std::int64_t value) {
  return value;
}
std::int64_t as_integer(double value) {
  return truncated(value);
}

template <class T, class Get, class Put>
void fold(Evaluation& evaluation, const ElementwiseProgram& program, Get&& get, Put&& put) {
  const Shape& shape = *evaluation.graph().value(evaluation.node().outputs[0]).shape;
  std::vector<T> values(evaluation.input_count()), results;
  for (std::int64_t at = 0; at < elements(shape); ++at) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!evaluation.has_input(i)) continue;
      const Constant& input = evaluation.constant_input(i);
      values[i] = get(input, element_of(input.shape, shape, at));
    }
    put(run_on_host(program, values, results));
  }
}

void evaluate_elementwise(Evaluation& evaluation) {
  if (!evaluation.has_output(0)) return;
  const ElementwiseProgram program = program_of(evaluation);
  const Value& output = evaluation.graph().value(evaluation.node().outputs[0]);
  if (elements(*output.shape) > kMostFolded) {
    if (is_floating(output.type)) return;  // on the device
    evaluation.unsupported("a constant of shape " + to_string(*output.shape) + " is too large");
  }
  auto result = std::make_shared<Constant>();
  result->type = output.type;
  result->shape = *output.shape;
  const auto put = [&](auto value) {
    if (is_integer(result->type)) {
      result->integers.push_back(wrapped_to(result->type, as_integer(value)));
    } else {
      result->floats.push_back(static_cast<float>(value));
    }
  };
  if (all_integer(evaluation)) {
    fold<std::int64_t>(
        evaluation, program,
        [](const Constant& constant, std::size_t i) { return constant.integers[i]; }, put);
  } else {
    fold<double>(
        evaluation, program,
        [](const Constant& constant, std::size_t i) { return double{constant.number(i)}; }, put);
  }
  evaluation.output(0, result);
}

// Constants of floats that are broadcast are small: they keep their precision, and may be repeated.
bool is_small_constant(const Lowering& lowering, std::size_t i) {
  const ConstantPtr constant = lowering.input(i).constant;
  return constant != nullptr && is_floating(constant->type) &&
         lowering.shape(i) != lowering.output_shape(0);
}

void lower_elementwise(Lowering& lowering) {
  const SimplifiedProgram simple = simplified(program_of(lowering), lowering);
  std::vector<Shape> shapes;
  std::vector<bool> may_repeat;
  for (const std::size_t i : simple.inputs) {
    shapes.push_back(lowering.shape(i));
    may_repeat.push_back(lowering.profile().family == core::Family::kCpu &&
                         is_small_constant(lowering, i));
  }
  const Images result = lowering.images_out(0);
  bool apart = result.stride > 0;
  for (const std::size_t i : simple.inputs)
    apart = apart || (!is_small_constant(lowering, i) && lowering.images_in(i).stride > 0);
  const Shape& shape = lowering.output_shape(0);
  const ElementwiseTiling tiling =
      apart ? untiled(shape, shapes) : tiled(shape, shapes, may_repeat);
  std::vector<ElementwiseSource> sources;
  for (std::size_t k = 0; k < shapes.size(); ++k) {
    const std::size_t i = simple.inputs[k];
    ElementwiseSource source{kNoBuffer, tiling.inputs[k], is_small_constant(lowering, i)};
    if (source.float32) {
      const Value& value = lowering.input(i);
      const std::vector<float>& floats = value.constant->floats;
      source.buffer =
          lowering.upload(value.name, tiling.is_repeated[k] ? tiling.repeated(floats) : floats);
    } else {
      const Images input = lowering.images_in(i);
      source.buffer = input.buffer;
      source.image_stride = input.stride;
    }
    sources.push_back(source);
  }
  launch_elementwise(lowering, simple.program.name(), simple.program, sources, result,
                     tiling.output);
}

// Of several images, each of more than one element, which no input broadcasts along.
bool elementwise_images_apart(const NodeView& view, std::size_t input) {
  const Shape& shape = *view.graph().value(view.node().outputs[0]).shape;
  if (shape.size() < 2 || shape.front() < 2 || elements(shape, 1, shape.size()) < 2) return false;
  return input == Operator::kOutput || view.shape(input) == shape;
}

// The output is the input, without a step where the memory allows.
void lower_same(Lowering& lowering) {
  const BufferId from = lowering.in(0);
  const std::int64_t bytes = lowering.bytes_of(lowering.output_shape(0));
  if (lowering.may_alias(from, 0, bytes)) {
    lowering.alias(0, from);
  } else if (bytes > 0) {
    lowering.copy("copy", from, lowering.out(0), bytes);
  } else {
    lowering.out(0);
  }
}

void infer_identity(Inference& inference) {
  inference.expect_inputs(1, 1);
  if (inference.constant(0) != nullptr) {
    inference.output(0, inference.constant(0));
    return;
  }
  inference.expect_floating(0);
  inference.output(0, inference.type(0), inference.shape(0));
}

// Trained: nothing is dropped. The mask, where somebody asks for it, is known.
void infer_dropout(Inference& inference) {
  inference.expect_inputs(1, 3);
  if (inference.has_input(2)) {
    const ConstantPtr training = inference.constant(2);
    if (training == nullptr || training->count() != 1 || training->number(0) != 0) {
      inference.unsupported("training mode is not supported");
    }
  }
  if (inference.constant(0) != nullptr) {
    inference.output(0, inference.constant(0));
  } else {
    inference.expect_floating(0);
    inference.output(0, inference.type(0), inference.shape(0));
  }
  if (!inference.has_output(1)) return;
  auto mask = std::make_shared<Constant>();
  mask->type = Type::kBool;
  mask->shape = inference.shape(0);
  mask->integers.assign(static_cast<std::size_t>(mask->count()), 1);
  inference.output(1, mask);
}

Type wanted_type(const NodeView& view) {
  return static_cast<Type>(view.attributes().integer("to", 0));
}

// On the device all floating types are one, the storage.
void infer_cast(Inference& inference) {
  inference.expect_inputs(1, 1);
  const Type to = wanted_type(inference);
  if (element_bytes(to) == 0) {
    inference.unsupported("type " + std::to_string(static_cast<int>(to)) + " is not supported");
  }
  if (inference.constant(0) == nullptr) {
    inference.expect_floating(0);
    if (!is_floating(to)) {
      inference.unsupported(std::string("a cast to ") + to_string(to) +
                            " is supported only where the value is known before the network runs");
    }
  }
  inference.output(0, to, inference.shape(0));
}

void evaluate_cast(Evaluation& evaluation) {
  const Constant& from = evaluation.constant_input(0);
  auto result = std::make_shared<Constant>();
  result->type = wanted_type(evaluation);
  result->shape = from.shape;
  const auto count = static_cast<std::size_t>(from.count());
  for (std::size_t i = 0; i < count; ++i) {
    if (is_floating(result->type)) {
      result->floats.push_back(from.number(i));
    } else if (result->type == Type::kBool) {
      result->integers.push_back(from.number(i) != 0);
    } else {
      const std::int64_t value =
          is_floating(from.type) ? truncated(double{from.floats[i]}) : from.integers[i];
      result->integers.push_back(wrapped_to(result->type, value));
    }
  }
  evaluation.output(0, result);
}

}  // namespace

Operators elementwise_operators();
Operators elementwise_operators() {
  Operators all = {
      {"Identity", "", 1, infer_identity, nullptr, lower_same},
      {"Dropout", "", 7, infer_dropout, nullptr, lower_same},
      {"Cast", "", 6, infer_cast, evaluate_cast, lower_same},
      {"Elementwise", kOwnDomain, 1, infer_elementwise, evaluate_elementwise, lower_elementwise,
       elementwise_images_apart},
  };
  for (const char* name : {"Clip", "Sum", "Mean"})
    all.push_back({name, "", 6, infer_elementwise, evaluate_elementwise, lower_elementwise,
                   elementwise_images_apart});
  for (const ElementwiseRow& row : elementwise_rows()) {
    if (row.name == std::string("Identity")) continue;
    all.push_back({row.name, row.domain, row.since, infer_elementwise, evaluate_elementwise,
                   lower_elementwise, elementwise_images_apart});
  }
  return all;
}

}  // namespace clconv::net
