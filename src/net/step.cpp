#include "net/step.hpp"

#include <algorithm>
#include <cstddef>
#include <set>

#include "error.hpp"

namespace clconv::net {
namespace {

// The name of a parameter, for as long as the process lives: it is checked when the kernel is compiled, and who made it
// may be gone by then.
const char* kept(const char* name) {
  static std::mutex& mutex = *new std::mutex;
  static auto& names = *new std::set<std::string>;
  const std::lock_guard<std::mutex> lock(mutex);
  return names.insert(name).first->c_str();
}

}  // namespace

LaunchStep::LaunchStep(std::string name, core::Kernel kernel,
                       const std::vector<Argument>& arguments, const core::Range& range,
                       double predicted_us)
    : Step(name), predicted_us_(predicted_us) {
  std::vector<core::Argument> bound;
  launch_ = {kernel.text(), kernel.function(), range, {}};
  const auto slot_of = [&](BufferId id) {
    if (slots_.size() == kMostBuffers) {
      throw core::Error(core::Code::kInternal, name + ": a kernel takes too many buffers");
    }
    slots_.push_back(id);
    return core::Region{static_cast<int>(slots_.size()) - 1};
  };
  for (const Argument& argument : arguments) {
    core::Argument one{kept(argument.name), cl_int{0}};
    if (const In* in = std::get_if<In>(&argument.value)) {
      reads_.push_back(in->buffer);
      one.value = slot_of(in->buffer);
      launch_.arguments.emplace_back(Launch::Part{in->buffer, 0});
    } else if (const Out* out = std::get_if<Out>(&argument.value)) {
      writes_.push_back(out->buffer);
      one.value = slot_of(out->buffer);
      launch_.arguments.emplace_back(Launch::Part{out->buffer, 0});
    } else if (const cl_int* integer = std::get_if<cl_int>(&argument.value)) {
      one.value = *integer;
      launch_.arguments.emplace_back(*integer);
    } else if (const cl_long* wide = std::get_if<cl_long>(&argument.value)) {
      one.value = *wide;
      launch_.arguments.emplace_back(*wide);
    } else {
      one.value = std::get<cl_float>(argument.value);
      launch_.arguments.emplace_back(std::get<cl_float>(argument.value));
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

std::vector<Launch> ConvolutionStep::launches() const {
  std::vector<Launch> launches;
  for (std::int64_t i = 0; i < info_.steps; ++i) {
    clconv_launch raw{};
    raw.struct_size = sizeof(raw);
    const clconv_status status = clconv_plan_get_launch(plan_.get(), i, &raw);
    if (status == CLCONV_CONSTRAINT) return {};
    check(status);
    launches.push_back(launch_of(raw, [&](std::size_t operand) { return buffer_of(operand); }));
  }
  return launches;
}

// By the member of clconv_operands that it is.
BufferId ConvolutionStep::buffer_of(std::size_t operand) const {
  const std::pair<std::size_t, BufferId> all[] = {
      {offsetof(clconv_operands, x), operands_.x},
      {offsetof(clconv_operands, b), operands_.bias},
      {offsetof(clconv_operands, y), operands_.y},
      {offsetof(clconv_operands, r), operands_.residual},
      {offsetof(clconv_operands, slopes), operands_.slopes},
      {offsetof(clconv_operands, scale), operands_.scale},
      {offsetof(clconv_operands, w), operands_.prepared ? kNoBuffer : operands_.weights},
      {offsetof(clconv_operands, prepared), operands_.prepared ? operands_.weights : kNoBuffer},
      {offsetof(clconv_operands, workspace), Launch::Part::kWorkspace}};
  for (const auto& [member, buffer] : all) {
    if (member == operand) return buffer;
  }
  return kNoBuffer;
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
