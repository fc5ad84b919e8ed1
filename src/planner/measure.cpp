#include "planner/measure.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>

#include "planner/expected.hpp"
#include "runtime/joined.hpp"
#include "runtime/storage.hpp"
#include "text.hpp"

namespace clconv::core {
namespace {

double steady_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<float> noise(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values)
    v = uniform(engine);
  return values;
}

// An operand to verify on, as stored. For products in float16 or TF32 multiples of a half: then products and sums of a
// few are exact, and a product that is missing shows, which is less than what the rounding of noise may be.
std::vector<unsigned char> operand(const Problem& p, Tensor tensor, Math math) {
  std::vector<float> values = noise(elements_of(p, tensor), static_cast<unsigned>(tensor) + 1);
  if (math != Math::kFloat32) {
    for (float& v : values)
      v = std::round(2 * v) / 2;
  }
  return to_storage(values, p.data_type);
}

// Of the candidate's result on those operands. The derivative of ReLU is exact, too.
double error_to_verify(const Problem& small, const Candidate& candidate) {
  const bool exact = !small.mask || small.masked == Activation::kRelu;
  const double as_float32 = result_error_bound(small, summation_error_bound(small.reduction()));
  return candidate.math != Math::kFloat32 && exact ? as_float32 : candidate.error_bound;
}

}  // namespace

// The buffers of one problem. They hold noise, not zeroes.
struct DeviceLaboratory::Operands {
  Bindings bindings;
  std::vector<cl::Buffer> tensors;
  cl::Buffer workspace;
  std::int64_t workspace_bytes = 0;

  Operands(const Device& device, cl::CommandQueue& queue, const Problem& p) {
    std::vector<Tensor> all = inputs_of(p);
    all.push_back(result_of(p));
    for (const Tensor tensor : all) {
      const std::int64_t bytes = span_bytes_of(p, tensor);
      tensors.push_back(allocate(device.context(), bytes, device.profile().max_allocation_bytes,
                                 std::string(name_of(p, tensor)) + " to measure on"));
      // One 64-byte pattern of noise, repeated, fills a buffer without copying host data; a rest below 64 bytes is
      // zero.
      const std::vector<unsigned char> values =
          to_storage(noise(64 / element_bytes(p.data_type), 7), p.data_type);
      cl_float16 pattern;
      std::memcpy(&pattern, values.data(), sizeof(pattern));
      const std::int64_t whole = bytes / 64 * 64;
      if (whole > 0) {
        queue.enqueueFillBuffer(tensors.back(), pattern, 0, static_cast<std::size_t>(whole));
      }
      if (whole < bytes) {
        queue.enqueueFillBuffer(tensors.back(), cl_uchar{0}, static_cast<std::size_t>(whole),
                                static_cast<std::size_t>(bytes - whole));
      }
      bindings.bind(static_cast<int>(tensor), tensors.back()());
    }
  }

  // Grows the workspace that all trials of the problem share.
  void reserve(const Device& device, std::int64_t bytes) {
    if (bytes <= workspace_bytes) return;
    workspace = cl::Buffer();
    workspace_bytes = 0;
    workspace = allocate(device.context(), bytes, device.profile().max_allocation_bytes,
                         "workspace to measure on");
    workspace_bytes = bytes;
  }
};

class DeviceLaboratory::DeviceTrial : public Trial {
 public:
  DeviceTrial(DeviceLaboratory& laboratory, std::unique_ptr<Executable> executable, double build_us)
      : laboratory_(laboratory), executable_(std::move(executable)), setup_us_(build_us) {}

  double setup_us() const override { return setup_us_; }

  double run_us(int runs) override {
    const bool first = !ran_;
    if (first) join_launches();
    Bindings bindings = laboratory_.bindings(*executable_);
    if (first) prepare(bindings);
    bindings.bind(kPreparedSlot, prepared_());
    const double untimed_us = laboratory_.elapsed_us(executable_->commands(), bindings, 1);
    const double us = laboratory_.elapsed_us(executable_->commands(), bindings, runs);
    // Drivers compile at the first launch, and CLBlast at the first product.
    if (first) setup_us_ += std::max(0.0, untimed_us - us / runs);
    ran_ = true;
    return us;
  }

 private:
  // Not before it is timed: that compiles its kernels once more.
  void join_launches() {
    const double begin = steady_s();
    join(*executable_, laboratory_.device_, false);
    setup_us_ += (steady_s() - begin) * 1e6;
  }

  void prepare(Bindings& bindings) {
    const std::int64_t bytes = executable_->prepared_weights_bytes;
    if (bytes == 0) return;
    const Device& device = laboratory_.device_;
    prepared_ = allocate(device.context(), bytes, device.profile().max_allocation_bytes,
                         "prepared weights to measure on");
    bindings.bind(kPreparedSlot, prepared_());
    setup_us_ += laboratory_.elapsed_us(executable_->prepare, bindings, 1);
  }

  DeviceLaboratory& laboratory_;
  std::unique_ptr<Executable> executable_;
  double setup_us_;
  cl::Buffer prepared_;
  bool ran_ = false;
};

DeviceLaboratory::DeviceLaboratory(Device& device, Wisdom& wisdom, const WisdomScope& scope,
                                   const Problem& problem, Launches launches)
    : device_(device),
      wisdom_(wisdom),
      scope_(scope),
      problem_(problem),
      launches_(launches),
      queue_(device.make_queue()) {}

DeviceLaboratory::~DeviceLaboratory() = default;

double DeviceLaboratory::now_s() {
  return steady_s();
}

std::unique_ptr<Trial> DeviceLaboratory::build(const Strategy& strategy,
                                               const Candidate& candidate) {
  const double begin = steady_s();
  auto executable = executable_of(strategy, problem_, candidate.config, device_, Launches::kApart);
  const double build_us = (steady_s() - begin) * 1e6;
  return std::make_unique<DeviceTrial>(*this, std::move(executable), build_us);
}

Bindings DeviceLaboratory::bindings(const Executable& executable) {
  if (!operands_) operands_ = std::make_unique<Operands>(device_, queue_, problem_);
  operands_->reserve(device_, executable.workspace_bytes);
  Bindings bindings = operands_->bindings;
  bindings.bind(kWorkspaceSlot, operands_->workspace());
  return bindings;
}

double DeviceLaboratory::elapsed_us(const Sequence& sequence, Bindings& bindings, int runs) {
  queue_.finish();
  const double begin = steady_s();
  for (int i = 0; i < runs; ++i)
    sequence.enqueue(queue_(), bindings, {0, nullptr, nullptr, device_.awake()});
  queue_.finish();
  return (steady_s() - begin) * 1e6;
}

DeviceLaboratory::StandIn DeviceLaboratory::stand_in(const Strategy& strategy,
                                                     const Candidate& candidate) {
  const Problem dense = with_dense_images(problem_);
  for (const Problem& small : stand_ins(dense, candidate.coverage)) {
    try {
      return {small, executable_of(strategy, small, candidate.config, device_, launches_)};
    } catch (const Error& error) {
      // The variant does not accept this size, e.g. it is smaller than its tile: try the next.
      if (error.code() != Code::kInvalidArgument || small == dense) throw;
    }
  }
  throw Error(Code::kInternal, "no problem to verify on");
}

std::vector<float> DeviceLaboratory::result_of_small(const Executable& executable,
                                                     const Problem& small, Math math,
                                                     const RunLaunches& run) {
  const std::int64_t limit = device_.profile().max_allocation_bytes;
  const auto buffer = [&](std::int64_t bytes) {
    return allocate(device_.context(), bytes, limit, "verifying");
  };
  std::vector<cl::Buffer> buffers;
  Bindings bindings;
  const Tensor result = result_of(small);
  std::vector<unsigned char> stored;
  std::vector<Tensor> all = inputs_of(small);
  all.push_back(result);
  for (const Tensor tensor : all) {
    stored = operand(small, tensor, math);
    // NaN shows elements that are not written, unless the result is added to.
    if (tensor == result && !small.accumulate) {
      const auto count = static_cast<std::size_t>(elements_of(small, tensor));
      stored = to_storage(std::vector<float>(count, std::nanf("")), small.data_type);
    }
    buffers.push_back(buffer(bytes_of(small, tensor)));
    queue_.enqueueWriteBuffer(buffers.back(), CL_TRUE, 0, stored.size(), stored.data());
    bindings.bind(static_cast<int>(tensor), buffers.back()());
  }
  const cl::Buffer workspace = buffer(executable.workspace_bytes);
  const cl::Buffer prepared = buffer(executable.prepared_weights_bytes);
  bindings.bind(kWorkspaceSlot, workspace());
  bindings.bind(kPreparedSlot, prepared());
  executable.prepare.enqueue(queue_(), bindings, {});
  if (!run || !run(queue_, executable.run, bindings))
    executable.commands().enqueue(queue_(), bindings, {});
  queue_.enqueueReadBuffer(buffers.back(), CL_TRUE, 0, stored.size(), stored.data());
  return from_storage(stored, small.data_type);
}

// By the host, or by naive.
std::vector<float> DeviceLaboratory::expected_of_small(const Problem& small, Math math) {
  if (!has_expected_result(small))
    return result_of_small(*yardstick().build(small, Config(), device_), small, math);
  std::map<Tensor, std::vector<float>> operands;
  for (const Tensor tensor : inputs_of(small))
    operands[tensor] = from_storage(operand(small, tensor, math), small.data_type);
  return expected_result(small, operands);
}

std::optional<Rejection> DeviceLaboratory::verify(const Strategy& strategy,
                                                  const Candidate& candidate) {
  return check(strategy, candidate, {});
}

std::optional<Rejection> DeviceLaboratory::check(const Strategy& strategy,
                                                 const Candidate& candidate,
                                                 const RunLaunches& run) {
  if (problem_.n == 0) return std::nullopt;  // nothing is computed, and nothing learnt
  const std::string config = candidate.config.text();
  const std::string kind = problem_class(problem_, candidate.coverage);
  WisdomScope scope = scope_;
  scope.kernels = programs_hash(strategy, candidate.config);
  const auto known = wisdom_.find_trust(strategy.name, config, kind, scope);
  if (known && known->trusted) return std::nullopt;
  if (known) return Rejection{Reason::kWrongResult, "wisdom", 0, 0, known->text};
  if (check_later_) return std::nullopt;

  const auto [small, executable] = stand_in(strategy, candidate);
  const std::vector<float> expected = expected_of_small(small, candidate.math);
  const std::vector<float> actual = result_of_small(*executable, small, candidate.math, run);
  // Operands lie in [-1, 1]: what is added has magnitudes of at most 1, for each product, the bias, the residual and
  // what was there. A mask multiplies products.
  const double bound = error_to_verify(small, candidate) +
                       result_error_bound(small, summation_error_bound(small.reduction()));
  const double allowed = bound * (3.0 + static_cast<double>(small.reduction()) *
                                            (small.mask ? backward_of(small.masked).most : 1)) +
                         2 * result_error_floor(small) + candidate.error_floor;
  TrustRecord record{strategy.name, config, kind, scope, true, ""};
  for (std::size_t i = 0; i < actual.size() && record.trusted; ++i) {
    const double error =
        std::fabs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    if (error <= allowed) continue;
    record.trusted = false;
    record.text = "wrong result on " + to_text(small) + ": " + name_of(small, result_of(small)) +
                  "[" + std::to_string(i) + "] is " + number_text(actual[i]) + ", expected " +
                  number_text(expected[i]);
  }
  WisdomBook book;
  book.put(record);
  wisdom_.add(book);
  if (record.trusted) return std::nullopt;
  return Rejection{Reason::kWrongResult, "verify", 0, 0, record.text};
}

}  // namespace clconv::core
