#include "planner/batch.hpp"

#include <algorithm>
#include <utility>

#include "runtime/division.hpp"
#include "runtime/scratch.hpp"
#include "runtime/storage.hpp"

namespace clconv::core {
namespace {

std::string name_of_device(const Context& context) {
  return context.scope().device;
}

// Sums over the images, so that each part has a share of every element.
bool reduces(const Problem& p) {
  return p.direction == Direction::kBackwardWeights || p.direction == Direction::kBackwardBias;
}

// Does the tensor have a slice of each image?
bool has_images(const Problem& p, Tensor tensor) {
  switch (tensor) {
    case Tensor::kX:
    case Tensor::kY:
    case Tensor::kDx:
    case Tensor::kDy:
    case Tensor::kR: return true;
    case Tensor::kSlopes: return p.scale;
    case Tensor::kW:
    case Tensor::kB:
    case Tensor::kDw:
    case Tensor::kDb: return false;
  }
  return false;
}

// Bytes from one image of a tensor to the next.
std::int64_t image_bytes(const Problem& p, Tensor tensor) {
  if (p.n < 2) return 0;
  return (span_bytes_of(p, tensor) - bytes_of(p, tensor) / p.n) / (p.n - 1);
}

// Time of an image on each device, of an equal share of the images: measured where that is known of all, else
// predicted; equal where one has neither.
std::vector<double> image_times(const std::vector<std::shared_ptr<Context>>& contexts,
                                const Problem& problem, const PlannerOptions& options) {
  Problem share = problem;
  share.n = ceil_div(problem.n, static_cast<std::int64_t>(contexts.size()));
  std::vector<double> measured, predicted;
  for (std::size_t i = 0; i < contexts.size(); ++i) {
    on_device(i, name_of_device(*contexts[i]), [&] {
      const Report report = contexts[i]->explain(share, options);
      if (!report.chosen) throw nothing_error(report);
      const ReportEntry& choice = report.choice();
      const auto n = static_cast<double>(share.n);
      if (choice.measured) measured.push_back(choice.measured->median_us / n);
      if (choice.candidate.predicted_us > 0) predicted.push_back(choice.candidate.predicted_us / n);
    });
  }
  return comparable_times(contexts.size(), measured, predicted);
}

}  // namespace

Batch::Batch(std::vector<std::shared_ptr<Context>> contexts, const Problem& problem,
             const PlannerOptions& options, const std::vector<std::int64_t>& images)
    : problem_(problem) {
  std::vector<double> times(contexts.size(), -1.0);
  if (images.empty() && contexts.size() > 1 && !problem.empty())
    times = image_times(contexts, problem, options);
  std::vector<std::int64_t> counts = images;
  if (counts.empty()) {
    counts = times.front() > 0 ? divide(problem.n, times) : std::vector<std::int64_t>{problem.n};
    counts.resize(contexts.size(), 0);
  }
  add_parts(std::move(contexts), options, counts);
  for (std::size_t i = 0; i < parts_.size(); ++i)
    parts_[i].image_us = times[i];
}

void Batch::add_parts(std::vector<std::shared_ptr<Context>> contexts, const PlannerOptions& options,
                      const std::vector<std::int64_t>& images) {
  std::int64_t first = 0;
  bool has_plan = false;
  for (std::size_t i = 0; i < contexts.size(); ++i) {
    Part part;
    part.name = name_of_device(*contexts[i]);
    part.context = std::move(contexts[i]);
    part.first = first;
    part.problem = problem_;
    part.problem.n = images[i];
    // The first part alone adds to what the result holds: the others are added to it.
    if (reduces(problem_)) part.problem.accumulate = problem_.accumulate && !has_plan;
    first += images[i];
    // Of no images at all, the first device makes the result what it must be.
    if (images[i] > 0 || (problem_.empty() && i == 0)) {
      has_plan = true;
      on_device(i, part.name, [&] {
        part.plan = part.context->plan(part.problem, options);
        part.queue = part.context->device().make_queue();
        const cl::Device& device = part.context->device().cl();
        part.shares_host_memory = (device.getInfo<CL_DEVICE_TYPE>() & CL_DEVICE_TYPE_CPU) != 0 &&
                                  device.getInfo<CL_DEVICE_HOST_UNIFIED_MEMORY>() != CL_FALSE;
      });
    }
    parts_.push_back(std::move(part));
  }
}

template <class Body>
void Batch::on_all(Body&& body) const {
  std::vector<std::size_t> busy;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i].plan != nullptr) busy.push_back(i);
  }
  run_at_once(busy, [&](std::size_t i) {
    const std::lock_guard<std::mutex> turn(*parts_[i].turn);
    on_device(i, parts_[i].name, [&] { body(i); });
  });
}

// ---- one part of a run --------------------------------------------------------------------------

// The buffers of a part for one run. On a CPU that is the host's own they are the host's memory, not copies of it.
class Batch::Execution {
 public:
  // `result`: where the part's share of a sum goes; null: to its place in the caller's result.
  Execution(const Problem& whole, const Part& part, const HostTensors& tensors,
            const Weights* weights, unsigned char* result)
      : part_(part), weights_(weights) {
    for (const Tensor tensor : inputs_of(part.problem)) {
      if (tensor != Tensor::kW || weights == nullptr) add(whole, tensor, tensors);
    }
    add(whole, result_of(part.problem), tensors);
    operands_.back().written = true;
    operands_.back().read = part.problem.accumulate;
    if (result != nullptr) operands_.back().host = result;
  }

  void run() {
    const bool copies = !part_.shares_host_memory;
    try {
      open(copies);
      try {
        execute();
      } catch (const Error& error) {
        // Nothing was enqueued. Strategies that use CLBlast want more alignment than the caller's memory may have.
        if (error.code() != Code::kInvalidArgument || copies) throw;
        open(true);
        execute();
      }
      collect();
    } catch (...) {
      // Nothing touches the caller's memory when this has returned.
      clFinish(part_.queue());
      throw;
    }
  }

 private:
  struct Operand {
    Tensor tensor = Tensor::kX;
    unsigned char* host = nullptr;
    std::int64_t bytes = 0;
    std::int64_t image = 0, pitch = 0;  // bytes of an image, and to the next
    bool written = false, read = true, copied = false;
    cl::Buffer buffer;
    bool dense() const { return image == pitch || bytes == image; }
  };

  void add(const Problem& whole, Tensor tensor, const HostTensors& tensors) {
    Operand operand;
    operand.tensor = tensor;
    operand.host = tensors[static_cast<std::size_t>(tensor)];
    operand.bytes = span_bytes_of(part_.problem, tensor);
    if (has_images(whole, tensor) && !whole.empty()) {
      operand.image = bytes_of(whole, tensor) / whole.n;
      operand.pitch = image_bytes(whole, tensor);
      operand.host += part_.first * operand.pitch;
    }
    operands_.push_back(operand);
  }

  void open(bool copies) {
    const Device& device = part_.context->device();
    for (Operand& operand : operands_) {
      if (operand.bytes == 0) continue;
      // What lies between the images of the result belongs to others: it is not even written with what it was.
      operand.copied = copies || (operand.written && !operand.dense());
      const auto bytes = static_cast<std::size_t>(operand.bytes);
      if (!operand.copied) {
        operand.buffer = cl::Buffer(
            device.context(),
            CL_MEM_USE_HOST_PTR | (operand.written ? CL_MEM_READ_WRITE : CL_MEM_READ_ONLY), bytes,
            operand.host);
        continue;
      }
      operand.buffer = allocate(device.context(), operand.bytes,
                                device.profile().max_allocation_bytes, "an operand");
      if (operand.read)
        part_.queue.enqueueWriteBuffer(operand.buffer, CL_FALSE, 0, bytes, operand.host);
    }
  }

  void execute() {
    Operands operands;
    for (const Operand& operand : operands_)
      operands.tensors[static_cast<std::size_t>(operand.tensor)] = operand.buffer();
    if (weights_ != nullptr) {
      operands.tensors[static_cast<std::size_t>(Tensor::kW)] = weights_->w();
      operands.prepared = weights_->prepared();
    }
    part_.plan->execute(part_.queue(), operands, {});
  }

  void collect() {
    const Operand& result = operands_.back();
    const auto bytes = static_cast<std::size_t>(result.bytes);
    if (bytes > 0 && !result.copied) {
      // The host's memory has the result once it is mapped.
      void* mapped = part_.queue.enqueueMapBuffer(result.buffer, CL_FALSE, CL_MAP_READ, 0, bytes);
      part_.queue.enqueueUnmapMemObject(result.buffer, mapped);
    } else if (bytes > 0 && result.dense()) {
      part_.queue.enqueueReadBuffer(result.buffer, CL_FALSE, 0, bytes, result.host);
    } else if (bytes > 0) {
      const cl::array<cl::size_type, 3> origin{0, 0, 0};
      const cl::array<cl::size_type, 3> region{static_cast<std::size_t>(result.image),
                                               static_cast<std::size_t>(part_.problem.n), 1};
      const auto pitch = static_cast<std::size_t>(result.pitch);
      part_.queue.enqueueReadBufferRect(result.buffer, CL_FALSE, origin, origin, region, pitch, 0,
                                        pitch, 0, result.host);
    }
    part_.queue.finish();
  }

  const Part& part_;
  const Weights* weights_;
  std::vector<Operand> operands_;  // the result is the last
};

// ---- runs ---------------------------------------------------------------------------------------

void Batch::prepare(const unsigned char* w) {
  if (w == nullptr && problem_.w_bytes() > 0) throw Error(Code::kInvalidArgument, "w is NULL");
  auto kept = std::make_shared<std::vector<Weights>>(parts_.size());
  on_all([&](std::size_t i) {
    const Part& part = parts_[i];
    const Device& device = part.context->device();
    const std::int64_t limit = device.profile().max_allocation_bytes,
                       bytes = part.problem.w_bytes(),
                       prepared_bytes = part.plan->candidate().prepared_weights_bytes;
    Weights& weights = (*kept)[i];
    weights.w = allocate(device.context(), bytes, limit, "the weights");
    part.queue.enqueueWriteBuffer(weights.w, CL_TRUE, 0, static_cast<std::size_t>(bytes), w);
    if (prepared_bytes == 0) return;
    weights.prepared = allocate(device.context(), prepared_bytes, limit, "prepared weights");
    part.plan->prepare(part.queue(), weights.w(), weights.prepared(), {});
    part.queue.finish();
    weights.w = cl::Buffer();
  });
  const std::lock_guard<std::mutex> lock(weights_mutex_);
  weights_ = std::move(kept);
}

void Batch::check(const HostTensors& tensors, bool weights_kept) const {
  const Tensor result = result_of(problem_);
  std::vector<Tensor> uses = inputs_of(problem_);
  uses.push_back(result);
  const auto begin = [&](Tensor t) { return tensors[static_cast<std::size_t>(t)]; };
  for (const Tensor tensor : uses) {
    const bool kept = tensor == Tensor::kW && weights_kept;
    if (begin(tensor) != nullptr || kept || bytes_of(problem_, tensor) == 0) continue;
    throw Error(Code::kInvalidArgument,
                std::string(name_of(problem_, tensor)) + " is NULL" +
                    (tensor == Tensor::kW ? ", and clconv_batch_prepare() was not called" : ""));
  }
  const auto end = [&](Tensor t) { return begin(t) + span_bytes_of(problem_, t); };
  for (const Tensor tensor : uses) {
    if (tensor == result || begin(tensor) == nullptr) continue;
    if (begin(tensor) < end(result) && begin(result) < end(tensor)) {
      throw Error(Code::kInvalidArgument, std::string(name_of(problem_, tensor)) + " and " +
                                              name_of(problem_, result) + " overlap in memory");
    }
  }
}

void Batch::run(const HostTensors& tensors) const {
  std::shared_ptr<const std::vector<Weights>> kept;
  if (tensors[static_cast<std::size_t>(Tensor::kW)] == nullptr) {
    const std::lock_guard<std::mutex> lock(weights_mutex_);
    kept = weights_;
  }
  check(tensors, kept != nullptr);
  unsigned char* const result = tensors[static_cast<std::size_t>(result_of(problem_))];
  const auto busy = std::count_if(parts_.begin(), parts_.end(),
                                  [](const Part& part) { return part.plan != nullptr; });
  const bool sums = reduces(problem_) && busy > 1;
  const auto result_bytes = static_cast<std::size_t>(bytes_of(problem_, result_of(problem_)));
  std::vector<std::vector<unsigned char>> partial(parts_.size());
  on_all([&](std::size_t i) {
    if (sums) {
      partial[i].resize(result_bytes);
      if (parts_[i].problem.accumulate) std::copy_n(result, result_bytes, partial[i].begin());
    }
    Execution(problem_, parts_[i], tensors, kept != nullptr ? &(*kept)[i] : nullptr,
              sums ? partial[i].data() : nullptr)
        .run();
  });
  if (sums) add_up(partial, result);
}

// In the order of the devices: equal inputs give equal bits.
void Batch::add_up(const std::vector<std::vector<unsigned char>>& partial,
                   unsigned char* result) const {
  const auto size = static_cast<std::size_t>(element_bytes(problem_.data_type));
  const auto bytes = static_cast<std::size_t>(bytes_of(problem_, result_of(problem_)));
  for (std::size_t at = 0; at < bytes; at += size) {
    float sum = 0;
    bool first = true;
    for (const auto& share : partial) {
      if (share.empty()) continue;
      const float value = stored_value(&share[at], problem_.data_type);
      sum = first ? value : sum + value;
      first = false;
    }
    store_value(sum, problem_.data_type, result + at);
  }
}

}  // namespace clconv::core
