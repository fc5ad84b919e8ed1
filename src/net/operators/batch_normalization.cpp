#include "net/operators/batch_normalization.hpp"

#include <cmath>

#include "net/lowering.hpp"
#include "net/operators/elementwise_kernel.hpp"

namespace clconv::net {
namespace {

// x, then one number per channel each: scale, bias, mean and variance.
void infer_batch_normalization(Inference& inference) {
  inference.expect_inputs(5, 5);
  inference.expect_rank(0, 2, 8);
  inference.expect_floating(0);
  if (inference.attributes().integer("training_mode", 0) != 0) {
    inference.unsupported("training mode is not supported");
  }
  if (inference.attributes().integer("spatial", 1) == 0) {
    inference.unsupported("attribute 'spatial' is 0: statistics per element are not supported");
  }
  for (std::size_t i = 1; i < inference.output_count(); ++i) {
    if (inference.has_output(i)) {
      inference.unsupported("output " + std::to_string(i) + " exists in training only");
    }
  }
  const std::int64_t channels = inference.shape(0)[1];
  for (std::size_t i = 1; i < 5; ++i) {
    inference.expect_floating(i);
    if (inference.shape(i) != Shape{channels}) {
      inference.invalid("input '" + inference.input(i).name + "' is " +
                        to_string(inference.shape(i)) + ", expected one number for each of " +
                        std::to_string(channels) + " channels");
    }
  }
  inference.output(0, inference.type(0), inference.shape(0));
}

Operand input(std::size_t i) {
  return {Operand::Kind::kInput, i};
}

// With statistics that are computed, too: the definition.
void lower_definition(Lowering& lowering) {
  const Shape& shape = lowering.shape(0);
  const Shape of_channels = channel_shape(shape[1], shape.size());
  ElementwiseProgram program;
  const float epsilon = lowering.attributes().number("epsilon", 1e-5f);
  const Operand spread =
      program.add("Sqrt", {program.add("Add", {input(4), program.number(epsilon)})});
  const Operand factor = program.add("Div", {input(1), spread});
  const Operand centred = program.add("Sub", {input(0), input(3)});
  program.add("MultiplyAdd", {centred, factor, input(2)});
  std::vector<ElementwiseSource> sources = {{lowering.in(0), shape, false}};
  for (std::size_t i = 1; i < 5; ++i)
    sources.push_back({lowering.in(i), of_channels, false});
  launch_elementwise(lowering, "BatchNormalization", program, sources, {lowering.out(0), 0}, shape);
}

void lower_batch_normalization(Lowering& lowering) {
  if (!has_known_statistics(lowering)) return lower_definition(lowering);
  const ChannelScale scale = channel_scale(lowering);
  const Shape& shape = lowering.shape(0);
  const Shape of_channels = channel_shape(shape[1], shape.size());
  ElementwiseProgram program;
  program.add("MultiplyAdd", {input(0), input(1), input(2)});
  const std::string& name = lowering.node().name;
  launch_elementwise(lowering, "BatchNormalization", program,
                     {{lowering.in(0), shape, false},
                      {lowering.upload(name + ".factors", scale.factors), of_channels, true},
                      {lowering.upload(name + ".summands", scale.summands), of_channels, true}},
                     {lowering.out(0), 0}, shape);
}

}  // namespace

bool has_known_statistics(const NodeView& view) {
  for (std::size_t i = 1; i < 5; ++i) {
    if (view.constant(i) == nullptr) return false;
  }
  return true;
}

ChannelScale channel_scale(const NodeView& view) {
  ChannelScale result;
  const double epsilon = view.attributes().number("epsilon", 1e-5f);
  const auto of = [&](std::size_t input, std::size_t channel) {
    return double{view.constant(input)->floats[channel]};
  };
  for (std::size_t c = 0; c < static_cast<std::size_t>(view.shape(0)[1]); ++c) {
    const double factor = of(1, c) / std::sqrt(of(4, c) + epsilon);
    result.factors.push_back(static_cast<float>(factor));
    result.summands.push_back(static_cast<float>(of(2, c) - of(3, c) * factor));
  }
  return result;
}

Shape channel_shape(std::int64_t channels, std::size_t rank) {
  Shape shape(rank - 1, 1);
  shape[0] = channels;
  return shape;
}

Operators batch_normalization_operators();
Operators batch_normalization_operators() {
  return {
      {"BatchNormalization", "", 7, infer_batch_normalization, nullptr, lower_batch_normalization}};
}

}  // namespace clconv::net
