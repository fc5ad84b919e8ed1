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

// How many numbers a range has: ceil((limit - start) / delta), at least 0.
std::int64_t range_count(const NodeView& view, double start, double limit, double delta) {
  const double count = std::ceil((limit - start) / delta);
  if (delta == 0 || !std::isfinite(count)) {
    view.invalid("a range from " + std::to_string(start) + " to " + std::to_string(limit) + " by " +
                 std::to_string(delta));
  }
  constexpr double kMost = 1 << 28;
  if (count > kMost) view.unsupported("a range of " + std::to_string(count) + " numbers");
  return count > 0 ? static_cast<std::int64_t>(count) : 0;
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
  const Type type = inference.type(0);
  const auto number = [&](std::size_t i) {
    const Constant& value = *inference.constant(i);
    return is_floating(type) ? static_cast<double>(value.floats[0])
                             : static_cast<double>(value.integers[0]);
  };
  const std::int64_t count = range_count(inference, number(0), number(1), number(2));
  Constant result = zeros(type, {count});
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const double value = number(0) + static_cast<double>(i) * number(2);
    if (is_floating(type)) {
      result.floats[i] = static_cast<float>(value);
    } else {
      result.integers[i] = static_cast<std::int64_t>(value);
    }
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
