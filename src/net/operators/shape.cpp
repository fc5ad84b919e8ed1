// Operators that only make constants: they run on the host, when shapes are inferred.
#include <algorithm>
#include <cmath>

#include "net/operators/strided.hpp"

namespace clconv::net {
namespace {

void infer_shape(Inference& inference) {
  inference.expect_inputs(1, 1);
  const Shape& shape = inference.shape(0);
  const auto rank = static_cast<std::int64_t>(shape.size());
  const auto bound = [&](const char* name, std::int64_t otherwise) {
    const std::int64_t at = inference.attributes().integer(name, otherwise);
    return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const std::int64_t start = bound("start", 0), end = std::max(start, bound("end", rank));
  const std::vector<std::int64_t> sizes(shape.begin() + start, shape.begin() + end);
  inference.output(0, constant_of({end - start}, sizes));
}

void infer_size(Inference& inference) {
  inference.expect_inputs(1, 1);
  inference.output(0, constant_of({}, std::vector<std::int64_t>{elements(inference.shape(0))}));
}

ConstantPtr value_of(const NodeView& view) {
  const Attributes& attributes = view.attributes();
  if (ConstantPtr value = attributes.constant("value")) return value;
  if (attributes.has("value_float")) {
    return constant_of({}, std::vector<float>{attributes.number("value_float", 0)});
  }
  if (attributes.has("value_int")) {
    return constant_of({}, std::vector<std::int64_t>{attributes.integer("value_int", 0)});
  }
  if (attributes.has("value_floats")) {
    const std::vector<float> values = attributes.numbers("value_floats");
    return constant_of({static_cast<std::int64_t>(values.size())}, values);
  }
  if (attributes.has("value_ints")) {
    const std::vector<std::int64_t> values = attributes.integers("value_ints");
    return constant_of({static_cast<std::int64_t>(values.size())}, values);
  }
  view.unsupported("a constant of strings or a sparse one");
}

void infer_constant(Inference& inference) {
  inference.expect_inputs(0, 0);
  inference.output(0, value_of(inference));
}

void infer_constant_of_shape(Inference& inference) {
  inference.expect_inputs(1, 1);
  const Shape shape = inference.integers(0, "the shape");
  const ConstantPtr value = inference.attributes().constant("value");
  if (value != nullptr && value->count() != 1) {
    inference.invalid("the value is " + to_string(value->shape) + ", not one element");
  }
  const Type type = value != nullptr ? value->type : Type::kFloat32;
  inference.output(0, type, shape);  // checks the sizes
  if (!is_foldable(shape)) {
    inference.unsupported("a constant of shape " + to_string(shape) + " is too large");
  }
  Constant result = zeros(type, shape);
  if (value != nullptr && is_floating(type)) {
    std::fill(result.floats.begin(), result.floats.end(), value->floats[0]);
  } else if (value != nullptr) {
    std::fill(result.integers.begin(), result.integers.end(), value->integers[0]);
  }
  inference.output(0, std::make_shared<Constant>(std::move(result)));
}

constexpr std::int64_t kMostOfRange = std::int64_t{1} << 28;

template <class T>
[[noreturn]] void invalid_range(const NodeView& view, T start, T limit, T delta) {
  view.invalid("a range from " + std::to_string(start) + " to " + std::to_string(limit) + " by " +
               std::to_string(delta));
}

template <class T>
std::int64_t checked_count(const NodeView& view, T count) {
  if (count > static_cast<T>(kMostOfRange)) {
    view.unsupported("a range of " + std::to_string(count) + " numbers");
  }
  return static_cast<std::int64_t>(count);
}

// ceil((limit - start) / delta) numbers, at least 0.
std::vector<float> range(const NodeView& view, double start, double limit, double delta) {
  const double count = std::ceil((limit - start) / delta);
  if (delta == 0 || !std::isfinite(count)) invalid_range(view, start, limit, delta);
  std::vector<float> numbers(
      static_cast<std::size_t>(count > 0 ? checked_count(view, count) : std::int64_t{0}));
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<float>(start + static_cast<double>(i) * delta);
  return numbers;
}

// The same of integers: differences may need 64 bits, which a double does not hold.
std::vector<std::int64_t> range(const NodeView& view, std::int64_t start, std::int64_t limit,
                                std::int64_t delta) {
  if (delta == 0) invalid_range(view, start, limit, delta);
  if (delta > 0 ? start >= limit : start <= limit) return {};
  const auto bits = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
  const std::uint64_t distance = delta > 0 ? bits(limit) - bits(start) : bits(start) - bits(limit);
  const std::uint64_t step = delta > 0 ? bits(delta) : 0 - bits(delta);
  std::vector<std::int64_t> numbers(
      static_cast<std::size_t>(checked_count(view, (distance - 1) / step + 1)));
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<std::int64_t>(bits(start) + i * bits(delta));
  return numbers;
}

void infer_range(Inference& inference) {
  inference.expect_inputs(3, 3);
  for (std::size_t i = 0; i < 3; ++i) {
    if (inference.constant(i) == nullptr) {
      inference.unsupported("'" + inference.input(i).name + "' depends on the data of the inputs");
    }
    if (inference.constant(i)->count() != 1 || inference.type(i) != inference.type(0)) {
      inference.invalid("takes three scalars of one type");
    }
  }
  Constant result;
  result.type = inference.type(0);
  if (is_floating(result.type)) {
    const auto number = [&](std::size_t i) { return double{inference.constant(i)->floats[0]}; };
    result.floats = range(inference, number(0), number(1), number(2));
    result.shape = {static_cast<std::int64_t>(result.floats.size())};
  } else {
    const auto number = [&](std::size_t i) { return inference.constant(i)->integers[0]; };
    result.integers = range(inference, number(0), number(1), number(2));
    result.shape = {static_cast<std::int64_t>(result.integers.size())};
  }
  inference.output(0, std::make_shared<Constant>(std::move(result)));
}

}  // namespace

Operators shape_operators();
Operators shape_operators() {
  return {{"Shape", "", 1, infer_shape, nullptr, nullptr},
          {"Size", "", 1, infer_size, nullptr, nullptr},
          {"Constant", "", 1, infer_constant, nullptr, nullptr},
          {"ConstantOfShape", "", 9, infer_constant_of_shape, nullptr, nullptr},
          {"Range", "", 11, infer_range, nullptr, nullptr}};
}

}  // namespace clconv::net
