#include "net/convolution.hpp"

#include "error.hpp"
#include "runtime/scratch.hpp"

namespace clconv::net {
namespace {

clconv_activation activation_of(const NodeView& view) {
  const std::string word = view.attributes().text(Epilogue::kActivation, "none");
  for (clconv_activation i = 0; clconv_activation_name(i) != std::string("?"); ++i) {
    if (word == clconv_activation_name(i)) return i;
  }
  throw core::Error(core::Code::kInternal, "unknown activation '" + word + "'");
}

// What the weights are packed from, once. CPUs read it where it is: the graph holds the constant until that is done.
cl::Buffer source_of(Lowering& lowering, const std::string& name, const Constant& weights) {
  const bool as_they_are = lowering.profile().family == core::Family::kCpu &&
                           lowering.storage() == core::DataType::kFloat32 &&
                           !weights.floats.empty();
  if (!as_they_are) return lowering.take_constant(lowering.upload_stored(name, weights.floats));
  return cl::Buffer(lowering.device().context(), CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR,
                    weights.floats.size() * sizeof(float),
                    const_cast<float*>(weights.floats.data()));
}

// The weights as the plan wants them: packed once, now, or as they are.
BufferId weights_for(Lowering& lowering, const Plan& plan, const std::string& name,
                     const Constant& weights, bool& prepared) {
  const std::int64_t bytes = plan.info().prepared_weights_bytes;
  prepared = bytes > 0;
  if (!prepared) return lowering.upload_stored(name, weights.floats);
  const cl::Buffer packed =
      core::allocate(lowering.device().context(), bytes, lowering.profile().max_allocation_bytes,
                     "prepared weights '" + name + "'");
  plan.prepare(lowering.queue(), source_of(lowering, name, weights), packed);
  return lowering.constant(name, packed, bytes);
}

// With the variant chosen for the network, unless it does not build or is not right here: then with the plan's own.
Plan plan_of(Lowering& lowering, const Problem& problem, const PlanOptions& planning) {
  const auto choice = lowering.options().choices.find(problem_key(problem));
  if (choice != lowering.options().choices.end()) {
    PlanOptions chosen = planning;
    chosen.strategy = choice->second.strategy.c_str();
    chosen.config = choice->second.config.c_str();
    try {
      return lowering.context().plan(problem, chosen);
    } catch (const clconv::Error& error) {
      if (error.status() != CLCONV_CONSTRAINT) throw;
    }
  }
  return lowering.context().plan(problem, planning);
}

}  // namespace

std::array<std::int64_t, 2> spatial_sizes(const Shape& shape) {
  return {shape.size() > 3 ? shape[2] : 1, shape.back()};
}

std::array<std::int64_t, 2> window_attribute(const NodeView& view, const char* name,
                                             std::size_t rank, std::int64_t least) {
  const std::vector<std::int64_t> given =
      view.attributes().integers(name, std::vector<std::int64_t>(rank, 1));
  if (given.size() != rank) {
    view.invalid(std::string(name) + " has " + std::to_string(given.size()) +
                 " numbers, expected " + std::to_string(rank));
  }
  for (const std::int64_t number : given) {
    if (number >= least && number <= core::kIndexLimit) continue;
    view.invalid(std::string(name) + " has " + std::to_string(number) + ", expected " +
                 std::to_string(least) + " to " + std::to_string(core::kIndexLimit));
  }
  return {rank > 1 ? given[0] : 1, given.back()};
}

void set_pads(const NodeView& view, std::size_t rank, Window& window) {
  const std::vector<std::int64_t> pads =
      view.attributes().integers("pads", std::vector<std::int64_t>(2 * rank, 0));
  if (pads.size() != 2 * rank) {
    view.invalid("pads has " + std::to_string(pads.size()) + " numbers, expected " +
                 std::to_string(2 * rank));
  }
  for (const std::int64_t pad : pads) {
    if (pad < 0 || pad > core::kIndexLimit) view.unsupported("pads has " + std::to_string(pad));
  }
  window.before = {rank > 1 ? pads[0] : 0, pads[rank - 1]};
  window.after = {rank > 1 ? pads[rank] : 0, pads[2 * rank - 1]};
}

std::string auto_pad(const NodeView& view) {
  const std::string word = view.attributes().text("auto_pad", "NOTSET");
  if (word != "NOTSET" && word != "SAME_UPPER" && word != "SAME_LOWER" && word != "VALID")
    view.invalid("auto_pad is '" + word + "'");
  return word;
}

bool has_activation(const Node& node) {
  return node.attributes.text(Epilogue::kActivation, "none") != "none";
}

bool has_residual(const Node& node) {
  return node.inputs.size() > Epilogue::kResidual && node.inputs[Epilogue::kResidual] != kNoValue;
}

bool has_scale(const Node& node) {
  return node.inputs.size() > Epilogue::kScale && node.inputs[Epilogue::kScale] != kNoValue;
}

Problem with_epilogue(const NodeView& view, Problem problem, core::DataType storage) {
  problem.data_type = static_cast<clconv_data_type>(storage);
  problem.bias = view.has_input(Epilogue::kBias) ? 1 : 0;
  problem.residual = has_residual(view.node()) ? 1 : 0;
  problem.scale = has_scale(view.node()) ? 1 : 0;
  problem.activation = activation_of(view);
  problem.activation_slope = view.attributes().number(Epilogue::kSlope, problem.activation_slope);
  problem.activation_offset =
      view.attributes().number(Epilogue::kOffset, problem.activation_offset);
  return problem;
}

void add_convolution(Lowering& lowering, const Problem& geometry, const ConstantPtr& weights) {
  Problem problem = with_epilogue(lowering, geometry, lowering.storage());
  const Images x = lowering.images_in(0), y = lowering.images_out(0);
  problem.x_image_stride = x.stride;
  problem.y_image_stride = y.stride;
  PlanOptions planning = lowering.options().planning;
  planning.weights_change = weights == nullptr ? 1 : 0;
  planning.launches_apart = 1;  // chain.hpp joins them to the others
  Plan plan = plan_of(lowering, problem, planning);
  ConvolutionStep::Operands operands;
  operands.x = x.buffer;
  operands.y = y.buffer;
  if (problem.bias != 0) operands.bias = lowering.in(Epilogue::kBias);
  if (problem.residual != 0) operands.residual = lowering.in(Epilogue::kResidual);
  if (problem.activation == CLCONV_PRELU) operands.slopes = lowering.in(Epilogue::kSlopes);
  if (problem.scale != 0) operands.scale = lowering.in(Epilogue::kScale);
  operands.weights = weights == nullptr ? lowering.in(1)
                                        : weights_for(lowering, plan, lowering.input(1).name,
                                                      *weights, operands.prepared);
  lowering.add(std::make_unique<ConvolutionStep>(
      problem.direction == CLCONV_TRANSPOSED ? "transposed convolution" : "convolution", problem,
      std::move(plan), operands, weights));
}

}  // namespace clconv::net
