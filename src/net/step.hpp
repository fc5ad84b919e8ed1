// Steps: what a network's plan enqueues, one after another. A step names its buffers by number; a run says which
// memory they are. Nothing is looked up, compiled or allocated when a step is enqueued.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "clconv/clconv.hpp"
#include "net/tensor.hpp"
#include "runtime/launch.hpp"

namespace clconv::net {

// Number of a buffer of a plan.
using BufferId = int;
constexpr BufferId kNoBuffer = -1;

// The memory of one run.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual cl_mem buffer(BufferId id) const = 0;
  // In which activations lie; null: each has a buffer of its own.
  virtual cl_mem arena() const { return nullptr; }
  virtual cl_mem workspace() const = 0;  // of Step::workspace_bytes(); null where no step needs any
};

// One launch of a kernel, as a step enqueues it.
struct Launch {
  // Bytes from the start of a buffer on; kNoBuffer: none. kWorkspace is Memory::workspace().
  struct Part {
    static constexpr BufferId kWorkspace = -3;
    BufferId buffer;
    std::int64_t offset;
  };
  core::ProgramTextPtr program;
  std::string kernel;  // in it
  core::Range range;
  std::vector<std::variant<Part, cl_int, cl_long, cl_float>> arguments;
};

// What a plan of libclconv tells of its launch. `buffer_of` has the buffer of a member of clconv_operands, by its
// offset.
template <class BufferOf>
Launch launch_of(const clconv_launch& raw, BufferOf&& buffer_of) {
  Launch launch{
      std::make_shared<const core::ProgramText>(core::ProgramText{raw.source, raw.options}),
      raw.function,
      {},
      {}};
  for (std::size_t d = 0; d < launch.range.global.size(); ++d) {
    launch.range.global[d] = raw.global_size[d];
    launch.range.local[d] = raw.local_size[d];
  }
  for (std::int64_t a = 0; a < raw.num_arguments; ++a) {
    const clconv_launch_argument& argument = raw.arguments[a];
    switch (argument.kind) {
      case CLCONV_ARGUMENT_BUFFER:
        launch.arguments.emplace_back(
            Launch::Part{buffer_of(argument.operand), argument.offset_bytes});
        break;
      case CLCONV_ARGUMENT_INT:
        launch.arguments.emplace_back(static_cast<cl_int>(argument.integer));
        break;
      case CLCONV_ARGUMENT_LONG:
        launch.arguments.emplace_back(static_cast<cl_long>(argument.integer));
        break;
      default: launch.arguments.emplace_back(argument.number);
    }
  }
  return launch;
}

class Step {
 public:
  explicit Step(std::string name) : name_(std::move(name)) {}
  virtual ~Step() = default;
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  const std::string& name() const { return name_; }
  virtual std::vector<BufferId> reads() const = 0;
  virtual std::vector<BufferId> writes() const = 0;
  virtual std::int64_t workspace_bytes() const { return 0; }
  virtual std::int64_t commands() const { return 1; }  // that enqueue() enqueues
  // Behind `dependencies`, without waiting. Thread-safe.
  virtual void enqueue(cl_command_queue queue, const Memory& memory,
                       const core::Dependencies& dependencies) const = 0;
  // By the model, in microseconds; below 0 where nothing is known.
  virtual double predicted_us() const { return -1; }
  // What its launches need; else enqueue() does.
  virtual void compile() const {}
  // All that it enqueues; empty where that is not launches of kernels alone.
  virtual std::vector<Launch> launches() const { return {}; }

 private:
  std::string name_;
};

// A buffer as a kernel's argument: read, or written (all of the kernel's, as far as it writes).
struct In {
  BufferId buffer;
};
struct Out {
  BufferId buffer;
};
struct Argument {
  const char* name;  // of the kernel's parameter, which is checked
  std::variant<In, Out, cl_int, cl_long, cl_float> value;
};

// One kernel launch. At most kMostBuffers of its arguments are buffers.
class LaunchStep : public Step {
 public:
  static constexpr std::size_t kMostBuffers = core::Bindings::kSlots;

  LaunchStep(std::string name, core::Kernel kernel, const std::vector<Argument>& arguments,
             const core::Range& range, double predicted_us);
  std::vector<BufferId> reads() const override { return reads_; }
  std::vector<BufferId> writes() const override { return writes_; }
  double predicted_us() const override { return predicted_us_; }
  std::vector<Launch> launches() const override { return {launch_}; }
  void compile() const override { step_->compile(); }
  void enqueue(cl_command_queue queue, const Memory& memory,
               const core::Dependencies& dependencies) const override;

 private:
  std::vector<BufferId> reads_, writes_, slots_;
  double predicted_us_;
  Launch launch_;
  mutable std::mutex mutex_;  // arguments are state of the kernel object
  mutable std::unique_ptr<core::KernelStep> step_;
};

// Copies bytes from the start of one buffer to the start of another.
class CopyStep : public Step {
 public:
  CopyStep(std::string name, BufferId from, BufferId to, std::int64_t bytes, double predicted_us);
  std::vector<BufferId> reads() const override { return {from_}; }
  std::vector<BufferId> writes() const override { return {to_}; }
  double predicted_us() const override { return predicted_us_; }
  void enqueue(cl_command_queue queue, const Memory& memory,
               const core::Dependencies& dependencies) const override;

 private:
  BufferId from_, to_;
  std::int64_t bytes_;
  double predicted_us_;
};

// A convolution, transposed convolution or fully connected layer through a plan of libclconv.
class ConvolutionStep : public Step {
 public:
  // Of the problem's operands; kNoBuffer for what it does not take. Weights are constants: `weights` is the tensor as
  // it is, or what clconv_plan_prepare() made of it.
  struct Operands {
    BufferId x = kNoBuffer, weights = kNoBuffer, bias = kNoBuffer, residual = kNoBuffer,
             slopes = kNoBuffer, scale = kNoBuffer, y = kNoBuffer;
    bool prepared = false;
  };

  // `weights` is what the operand was made of; null where it is no constant.
  ConvolutionStep(std::string name, const Problem& problem, Plan plan, const Operands& operands,
                  ConstantPtr weights);
  std::vector<BufferId> reads() const override;
  std::vector<BufferId> writes() const override { return {operands_.y}; }
  std::int64_t workspace_bytes() const override { return info_.workspace_bytes; }
  std::int64_t commands() const override { return info_.steps; }
  double predicted_us() const override;
  std::vector<Launch> launches() const override;
  void enqueue(cl_command_queue queue, const Memory& memory,
               const core::Dependencies& dependencies) const override;

  const Problem& problem() const { return problem_; }
  const Plan& plan() const { return plan_; }
  const clconv_plan_info& info() const { return info_; }
  const Operands& operands() const { return operands_; }
  const ConstantPtr& weights() const { return weights_; }

 private:
  BufferId buffer_of(std::size_t operand) const;

  Problem problem_;
  Plan plan_;
  clconv_plan_info info_;
  Operands operands_;
  ConstantPtr weights_;
};

}  // namespace clconv::net
