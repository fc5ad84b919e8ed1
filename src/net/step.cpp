#include "net/step.hpp"

#include "error.hpp"

namespace clconv::net {

LaunchStep::LaunchStep(std::string name, cl::Kernel kernel, const std::vector<Argument>& arguments,
                       const core::Range& range, double predicted_us)
    : Step(name), predicted_us_(predicted_us) {
  std::vector<core::Argument> bound;
  const auto slot_of = [&](BufferId id) {
    if (slots_.size() == kMostBuffers) {
      throw core::Error(core::Code::kInternal, name + ": a kernel takes too many buffers");
    }
    slots_.push_back(id);
    return core::Region{static_cast<int>(slots_.size()) - 1};
  };
  for (const Argument& argument : arguments) {
    core::Argument one{argument.name, cl_int{0}};
    if (const In* in = std::get_if<In>(&argument.value)) {
      reads_.push_back(in->buffer);
      one.value = slot_of(in->buffer);
    } else if (const Out* out = std::get_if<Out>(&argument.value)) {
      writes_.push_back(out->buffer);
      one.value = slot_of(out->buffer);
    } else if (const cl_int* integer = std::get_if<cl_int>(&argument.value)) {
      one.value = *integer;
    } else if (const cl_long* wide = std::get_if<cl_long>(&argument.value)) {
      one.value = *wide;
    } else {
      one.value = std::get<cl_float>(argument.value);
    }
    bound.push_back(one);
  }
  step_ = std::make_unique<core::KernelStep>(std::move(name), std::move(kernel), bound, range);
}

void LaunchStep::enqueue(cl_command_queue queue, const Memory& memory,
                         const core::Dependencies& dependencies) const {
  core::Bindings bindings;
  for (std::size_t slot = 0; slot < slots_.size(); ++slot)
    bindings.bind(static_cast<int>(slot), memory.buffer(slots_[slot]));
  const std::lock_guard<std::mutex> lock(mutex_);
  step_->enqueue(queue, bindings, dependencies);
}

CopyStep::CopyStep(std::string name, BufferId from, BufferId to, std::int64_t bytes,
                   double predicted_us)
    : Step(std::move(name)), from_(from), to_(to), bytes_(bytes), predicted_us_(predicted_us) {}

void CopyStep::enqueue(cl_command_queue queue, const Memory& memory,
                       const core::Dependencies& dependencies) const {
  core::check(clEnqueueCopyBuffer(queue, memory.buffer(from_), memory.buffer(to_), 0, 0,
                                  static_cast<std::size_t>(bytes_), dependencies.count,
                                  dependencies.list, dependencies.done),
              "clEnqueueCopyBuffer");
}

ConvolutionStep::ConvolutionStep(std::string name, const Problem& problem, Plan plan,
                                 const Operands& operands, ConstantPtr weights)
    : Step(std::move(name)),
      problem_(problem),
      plan_(std::move(plan)),
      info_(plan_.info()),
      operands_(operands),
      weights_(std::move(weights)) {}

std::vector<BufferId> ConvolutionStep::reads() const {
  std::vector<BufferId> all;
  for (const BufferId id : {operands_.x, operands_.weights, operands_.bias, operands_.residual,
                            operands_.slopes, operands_.scale}) {
    if (id != kNoBuffer) all.push_back(id);
  }
  return all;
}

double ConvolutionStep::predicted_us() const {
  return info_.measured_us >= 0 ? info_.measured_us : info_.predicted_us;
}

void ConvolutionStep::enqueue(cl_command_queue queue, const Memory& memory,
                              const core::Dependencies& dependencies) const {
  const auto of = [&](BufferId id) { return id == kNoBuffer ? nullptr : memory.buffer(id); };
  clconv_operands raw;
  clconv_operands_init(&raw);
  // A transposed convolution's input and result are those of clconv_operands, too: x and y.
  raw.x = of(operands_.x);
  raw.b = of(operands_.bias);
  raw.y = of(operands_.y);
  raw.r = of(operands_.residual);
  raw.slopes = of(operands_.slopes);
  raw.scale = of(operands_.scale);
  (operands_.prepared ? raw.prepared : raw.w) = of(operands_.weights);
  raw.workspace = info_.workspace_bytes > 0 ? memory.workspace() : nullptr;
  check(clconv_plan_execute(plan_.get(), queue, &raw, dependencies.count, dependencies.list,
                            dependencies.done));
}

}  // namespace clconv::net
