#include "runtime/launch.hpp"

#include <mutex>

#include "problem.hpp"

namespace clconv::core {
namespace {

struct SetArgument {
  cl::Kernel& kernel;
  cl_uint index;
  std::vector<std::pair<cl_uint, Region>>& buffers;
  std::vector<std::pair<cl_uint, Number>>& numbers;

  void operator()(const Region& region) const { buffers.emplace_back(index, region); }
  void operator()(const Number& number) const { numbers.emplace_back(index, number); }
  template <class Scalar>
  void operator()(const Scalar& value) const {
    check(clSetKernelArg(kernel(), index, sizeof(value), &value), "clSetKernelArg");
  }
};

// The type that OpenCL C gives a parameter of this kind; of a buffer its last character.
std::string type_of(const Argument& argument) {
  static const char* const kTypes[] = {"*", "float", "int", "long", "float"};
  return kTypes[argument.value.index()];
}

void check_arguments(const cl::Kernel& kernel, const std::vector<Argument>& arguments) {
  const auto wrong = [&](const std::string& what) {
    return Error(Code::kInternal,
                 "kernel " + kernel.getInfo<CL_KERNEL_FUNCTION_NAME>() + ": " + what);
  };
  const auto count = kernel.getInfo<CL_KERNEL_NUM_ARGS>();
  if (count != arguments.size()) {
    throw wrong(std::to_string(arguments.size()) + " arguments for " + std::to_string(count) +
                " parameters");
  }
  for (cl_uint i = 0; i < count; ++i) {
    std::string name, type;
    try {
      name = kernel.getArgInfo<CL_KERNEL_ARG_NAME>(i);
      type = kernel.getArgInfo<CL_KERNEL_ARG_TYPE_NAME>(i);
    } catch (const cl::Error&) {
      return;  // this driver keeps no names
    }
    // Some drivers count the terminating zero.
    name = name.c_str();
    type = type.c_str();
    // PoCL puts this in front of names that built-in functions have, too.
    if (name.rfind("_cl_", 0) == 0) name.erase(0, 4);
    const std::string wanted = type_of(arguments[i]);
    const bool same_type = type == wanted || (wanted == "*" && !type.empty() && type.back() == '*');
    if (name != arguments[i].name || !same_type) {
      throw wrong("parameter " + std::to_string(i) + " is '" + type + " " + name +
                  "', the argument '" + wanted + " " + arguments[i].name + "'");
    }
  }
}

// An event that ends everything in the wait list, for sequences without a command of their own.
void enqueue_marker(cl_command_queue queue, const Dependencies& d) {
  check(clEnqueueMarkerWithWaitList(queue, d.count, d.list, d.done), "clEnqueueMarkerWithWaitList");
}

}  // namespace

Kernel::Kernel(const cl::Kernel& compiled)
    : function_(compiled.getInfo<CL_KERNEL_FUNCTION_NAME>().c_str()), compiled_(compiled) {
  const auto program = compiled.getInfo<CL_KERNEL_PROGRAM>();
  const cl::Device device = program.getInfo<CL_PROGRAM_DEVICES>().front();
  text_ = std::make_shared<const ProgramText>(
      ProgramText{program.getInfo<CL_PROGRAM_SOURCE>(),
                  program.getBuildInfo<CL_PROGRAM_BUILD_OPTIONS>(device)});
}

void Bindings::bind(int slot, const Region& region) {
  const Bound& whole = at(region.slot);
  at(slot) = {whole.buffer, whole.parts, whole.offset + region.offset, region.bytes};
}

cl_mem Bindings::resolve(const Region& region) {
  const Bound& bound = at(region.slot);
  const std::int64_t offset = bound.offset + region.offset;
  if (offset == 0) return bound.buffer;
  const std::int64_t bytes = region.offset == 0 ? bound.bytes : region.bytes;
  return (bound.parts != nullptr ? *bound.parts : own_).get(bound.buffer, offset, bytes);
}

cl_int narrow(std::int64_t value) {
  if (value < INT32_MIN || value > INT32_MAX) {
    throw Error(Code::kInternal, "a size of " + std::to_string(value) + " for an int parameter");
  }
  return static_cast<cl_int>(value);
}

Range items(std::int64_t count, std::int64_t local) {
  return {{static_cast<std::size_t>(round_up(count, local)), 1, 1},
          {static_cast<std::size_t>(local), 1, 1}};
}

KernelStep::KernelStep(std::string name, Kernel kernel, const std::vector<Argument>& arguments,
                       const Range& range)
    : Step(std::move(name)), kernel_(std::move(kernel)), arguments_(arguments), range_(range) {
  if (kernel_.compiled()() != nullptr) make_ready();
}

void KernelStep::make_ready() {
  cl::Kernel kernel = kernel_.ready();
  check_arguments(kernel, arguments_);
  buffers_.clear();
  numbers_.clear();
  cl_uint index = 0;
  for (const Argument& argument : arguments_) {
    std::visit(SetArgument{kernel, index, buffers_, numbers_}, argument.value);
    ++index;
  }
  launched_ = std::move(kernel);
}

void KernelStep::enqueue(cl_command_queue queue, Bindings& bindings, const Dependencies& d) {
  compile();
  for (const auto& [index, region] : buffers_) {
    const cl_mem buffer = bindings.resolve(region);
    check(clSetKernelArg(launched_(), index, sizeof(buffer), &buffer), "clSetKernelArg");
  }
  for (const auto& [index, number] : numbers_) {
    const cl_float value = bindings.value(number);
    check(clSetKernelArg(launched_(), index, sizeof(value), &value), "clSetKernelArg");
  }
  check(clEnqueueNDRangeKernel(queue, launched_(), 3, nullptr, range_.global.data(),
                               range_.local.data(), d.count, d.list, d.done),
        "clEnqueueNDRangeKernel");
}

void FillStep::enqueue(cl_command_queue queue, Bindings& bindings, const Dependencies& d) {
  const cl_uint zero = 0;
  const std::size_t pattern =
      bytes_ % 4 == 0 ? 4 : 1;  // must divide the size: 2-byte elements may be odd
  check(clEnqueueFillBuffer(queue, bindings.resolve(region_), &zero, pattern, 0,
                            static_cast<std::size_t>(bytes_), d.count, d.list, d.done),
        "clEnqueueFillBuffer");
}

bool is_in_order(cl_command_queue queue) {
  cl_command_queue_properties properties = 0;
  check(clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof(properties), &properties, nullptr),
        "clGetCommandQueueInfo");
  return (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) == 0;
}

void Sequence::enqueue(cl_command_queue queue, bool in_order, Bindings& bindings,
                       const Dependencies& d, std::vector<cl::Event>* events) const {
  if (steps_.empty()) {
    if (d.done != nullptr || d.count > 0) enqueue_marker(queue, d);
    return;
  }
  const std::lock_guard<std::mutex> lock(*mutex_);
  cl::Event previous;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const bool last = i + 1 == steps_.size();
    const bool chained = i > 0 && !in_order;
    const cl_event before = previous();
    cl_event done = nullptr;
    const bool wanted = (last && d.done != nullptr) || (!last && !in_order) || events != nullptr ||
                        d.awake != nullptr;
    Dependencies step;
    step.count = i == 0 ? d.count : (chained ? 1 : 0);
    step.list = i == 0 ? d.list : (chained ? &before : nullptr);
    step.done = wanted ? &done : nullptr;
    steps_[i]->enqueue(queue, bindings, step);
    previous = cl::Event(done);
    if (d.awake != nullptr) d.awake->launched(done);
    if (events != nullptr) events->push_back(previous);
  }
  if (d.done != nullptr) {
    check(clRetainEvent(previous()), "clRetainEvent");
    *d.done = previous();
  }
}

std::vector<StepTime> Sequence::profile(cl_command_queue queue, Bindings& bindings) const {
  std::vector<cl::Event> events;
  enqueue(queue, is_in_order(queue), bindings, {}, &events);
  check(clFinish(queue), "clFinish");
  std::vector<StepTime> times;
  cl_ulong previous_end = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    // From the end of the step before: a GEMM's event covers only the last of its kernels.
    const cl_ulong start = events[i].getProfilingInfo<CL_PROFILING_COMMAND_START>();
    const cl_ulong end = events[i].getProfilingInfo<CL_PROFILING_COMMAND_END>();
    const cl_ulong from = i == 0 ? start : previous_end;
    times.push_back({steps_[i]->name(), static_cast<double>(end - from) * 1e-3});
    previous_end = end;
  }
  return times;
}

}  // namespace clconv::core
