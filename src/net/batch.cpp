#include "net/batch.hpp"

#include <algorithm>
#include <chrono>

#include "error.hpp"
#include "net/divisible.hpp"
#include "net/forms.hpp"
#include "problem.hpp"
#include "runtime/division.hpp"
#include "runtime/scratch.hpp"

namespace clconv::net {
namespace {

using core::Code;
using core::Error;

// Runs `body` for a device, which errors name, those of clconv.hpp among them.
template <class Body>
auto on_device(std::size_t index, const std::string& name, Body&& body) {
  return core::on_device(index, name, [&] {
    try {
      return body();
    } catch (const clconv::Error& error) {
      throw Error(static_cast<Code>(error.status()), error.what(), error.detail());
    }
  });
}

std::string name_of_device(const Context& context) {
  const std::string name = context.device().getInfo<CL_DEVICE_NAME>();
  return name.substr(0, name.find('\0'));
}

// The shapes of all inputs, for so many images.
std::vector<WantedShape> shapes_for(const std::vector<Edge>& inputs, std::int64_t images) {
  std::vector<WantedShape> shapes;
  for (const Edge& input : inputs) {
    shapes.push_back({input.name, input.shape});
    shapes.back().shape.front() = images;
  }
  return shapes;
}

Graph inferred(Graph graph) {
  graph.sort();
  check_forms(graph);
  infer(graph);
  return graph;
}

// The sum of what is known of the layers: measured times where there are some, else predicted ones; -1 where there is a
// layer of which nothing is known.
double predicted_us(const NetworkPlan& plan) {
  double sum = 0;
  for (const auto& step : plan.lowered().steps) {
    const double us = step->predicted_us();
    if (us < 0) return -1;
    sum += us;
  }
  return sum - plan.spared_us();
}

// The median of a few runs on zeros.
double measured_us(const NetworkPlan& plan) {
  constexpr std::size_t kRuns = 3;
  const core::Device& device = plan.device();
  const cl::CommandQueue queue = device.make_queue();
  std::vector<cl::Buffer> kept;
  const auto buffers = [&](const std::vector<Edge>& edges) {
    std::vector<cl_mem> handles;
    for (const Edge& edge : edges) {
      kept.push_back(core::allocate(device.context(), edge.bytes,
                                    device.profile().max_allocation_bytes, "an operand"));
      if (edge.bytes > 0)
        queue.enqueueFillBuffer(kept.back(), 0.0F, 0, static_cast<std::size_t>(edge.bytes));
      handles.push_back(kept.back()());
    }
    return handles;
  };
  const std::vector<cl_mem> inputs = buffers(plan.inputs()), outputs = buffers(plan.outputs());
  std::vector<double> times;
  for (std::size_t run = 0; run <= kRuns; ++run) {  // the first one warms up
    queue.finish();
    const auto begin = std::chrono::steady_clock::now();
    plan.run(queue(), inputs, outputs, {});
    queue.finish();
    const std::chrono::duration<double, std::micro> us = std::chrono::steady_clock::now() - begin;
    if (run > 0) times.push_back(us.count());
  }
  std::nth_element(times.begin(), times.begin() + kRuns / 2, times.end());
  return times[kRuns / 2];
}

// The images that the caller gave each device.
void check_sum(const std::vector<std::int64_t>& images, std::int64_t n) {
  std::int64_t left = n;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (images[i] < 0 || images[i] > left) {
      throw Error(Code::kInvalidArgument, "images[" + std::to_string(i) + "] is " +
                                              std::to_string(images[i]) + ", expected 0 to " +
                                              std::to_string(left) + ": the inputs have " +
                                              std::to_string(n));
    }
    left -= images[i];
  }
  if (left == 0) return;
  throw Error(Code::kInvalidArgument, "images sum up to " + std::to_string(n - left) +
                                          ", the inputs have " + std::to_string(n));
}

// Every distinct part of the images but all of them, by divisible.hpp.
void check_divisions(Graph& whole, const Model& model, const std::vector<Edge>& inputs,
                     std::vector<std::int64_t> counts) {
  const std::int64_t n = images_of(whole);
  std::sort(counts.begin(), counts.end());
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  for (const std::int64_t images : counts) {
    if (images == 0 || images == n) continue;
    check_images_apart(whole);
    try {
      check_divisible(whole, inferred(with_shapes(model, shapes_for(inputs, images), 0)));
    } catch (const Error& error) {
      const std::string who = std::to_string(images) + " of the " + std::to_string(n) + " images: ";
      throw Error(error.code(), who + error.what(), error.detail());
    }
  }
}

}  // namespace

NetworkBatch::NetworkBatch(std::vector<Context> contexts, std::shared_ptr<const Model> model,
                           NetworkOptions options, const std::vector<std::int64_t>& images)
    : contexts_(std::move(contexts)), model_(std::move(model)), options_(std::move(options)) {
  Graph whole = with_shapes(*model_, options_.shapes, options_.batch);
  images_ = images_of(whole);
  whole = inferred(std::move(whole));
  inputs_ = edges_of(whole, whole.inputs);
  outputs_ = edges_of(whole, whole.outputs);
  if (!images.empty()) check_sum(images, images_);
  options_.batch = 0;  // its images are in the shapes from here on
  for (const Context& context : contexts_) {
    parts_.emplace_back();
    parts_.back().name = name_of_device(context);
  }
  const auto count = static_cast<std::int64_t>(parts_.size());
  std::vector<std::int64_t> counts = images;
  Networks shares(parts_.size());
  if (counts.empty() && (count == 1 || images_ == 0)) {
    counts.assign(parts_.size(), 0);
    counts.front() = images_;
  } else if (counts.empty()) {
    const std::int64_t share = core::ceil_div(images_, count);
    check_divisions(whole, *model_, inputs_, {share});
    const std::vector<double> times = image_times(share, shares);
    counts = core::divide(images_, times);
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      parts_[i].image_us = times[i];
      if (counts[i] != share) shares[i] = nullptr;  // not needed beside the part's own
    }
  }
  check_divisions(whole, *model_, inputs_, counts);
  add_networks(counts, std::move(shares));
  options_.lowering.progress = nullptr;  // whom it tells need not outlive this call
}

std::shared_ptr<Network> NetworkBatch::compiled(std::size_t device, std::int64_t images) const {
  NetworkOptions options = options_;
  options.shapes = shapes_for(inputs_, images);
  return std::make_shared<Network>(Context::shared(contexts_[device].get()), model_, options);
}

// Time of an image on each device, in an equal share of them, whose networks are left in `shares`.
std::vector<double> NetworkBatch::image_times(std::int64_t share, Networks& shares) const {
  std::vector<double> measured, predicted;
  const bool measures = options_.lowering.planning.rigor >= CLCONV_MEASURE;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    on_device(i, parts_[i].name, [&] {
      shares[i] = compiled(i, share);
      const NetworkPlan& plan = shares[i]->first();
      predicted.push_back(predicted_us(plan) / static_cast<double>(share));
      if (measures) measured.push_back(measured_us(plan) / static_cast<double>(share));
    });
  }
  return core::comparable_times(parts_.size(), measured, predicted);
}

void NetworkBatch::add_networks(const std::vector<std::int64_t>& counts, Networks shares) {
  std::int64_t first = 0;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    part.first = first;
    part.images = counts[i];
    first += counts[i];
    // Of no images at all, the first device makes what there is.
    if (part.images == 0 && (images_ > 0 || i > 0)) continue;
    on_device(i, part.name, [&] {
      part.network = shares[i] != nullptr ? shares[i] : compiled(i, part.images);
      const core::Device& device = part.network->device();
      part.queue = device.make_queue();
      part.shares_host_memory = (device.cl().getInfo<CL_DEVICE_TYPE>() & CL_DEVICE_TYPE_CPU) != 0 &&
                                device.cl().getInfo<CL_DEVICE_HOST_UNIFIED_MEMORY>() != CL_FALSE;
    });
  }
}

// ---- one part of a run --------------------------------------------------------------------------

// The buffers of a part for one run. On a CPU that is the host's own they are the host's memory, where it is aligned as
// the device wants it; else copies of it.
class NetworkBatch::Execution {
 public:
  // `inputs` and `outputs` are of all images.
  Execution(const Part& part, const std::vector<const float*>& inputs,
            const std::vector<float*>& outputs)
      : part_(part) {
    const NetworkPlan& plan = part.network->first();
    for (std::size_t i = 0; i < inputs.size(); ++i)  // inputs are only read
      add(plan.inputs()[i], const_cast<float*>(inputs[i]), false);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      add(plan.outputs()[i], outputs[i], true);
  }

  void run() {
    try {
      std::vector<cl_mem> inputs, outputs;
      for (Operand& operand : operands_) {
        open(operand);
        (operand.written ? outputs : inputs).push_back(operand.buffer());
      }
      part_.network->first().run(part_.queue(), inputs, outputs, {});
      for (const Operand& operand : operands_) {
        if (operand.written && operand.bytes > 0) collect(operand);
      }
      part_.queue.finish();
    } catch (...) {
      // Nothing touches the caller's memory when this has returned.
      clFinish(part_.queue());
      throw;
    }
  }

 private:
  struct Operand {
    float* host = nullptr;  // of the part's first image
    std::size_t bytes = 0;
    bool written = false, copied = false;
    cl::Buffer buffer;
  };

  void add(const Edge& edge, float* host, bool written) {
    Operand operand;
    operand.bytes = static_cast<std::size_t>(edge.bytes);
    operand.host = host;
    if (part_.first > 0) operand.host += edge.bytes / 4 / part_.images * part_.first;
    operand.written = written;
    operands_.push_back(operand);
  }

  void open(Operand& operand) {
    if (operand.bytes == 0) return;
    const core::Device& device = part_.network->device();
    const auto alignment = static_cast<std::uintptr_t>(device.profile().base_alignment_bytes);
    operand.copied = !part_.shares_host_memory ||
                     reinterpret_cast<std::uintptr_t>(operand.host) % alignment != 0;
    if (!operand.copied) {
      operand.buffer =
          cl::Buffer(device.context(),
                     CL_MEM_USE_HOST_PTR | (operand.written ? CL_MEM_READ_WRITE : CL_MEM_READ_ONLY),
                     operand.bytes, operand.host);
      return;
    }
    operand.buffer = core::allocate(device.context(), static_cast<std::int64_t>(operand.bytes),
                                    device.profile().max_allocation_bytes, "an operand");
    if (!operand.written)
      part_.queue.enqueueWriteBuffer(operand.buffer, CL_FALSE, 0, operand.bytes, operand.host);
  }

  void collect(const Operand& operand) {
    if (operand.copied) {
      part_.queue.enqueueReadBuffer(operand.buffer, CL_FALSE, 0, operand.bytes, operand.host);
      return;
    }
    // The host's memory has the result once it is mapped.
    void* mapped =
        part_.queue.enqueueMapBuffer(operand.buffer, CL_FALSE, CL_MAP_READ, 0, operand.bytes);
    part_.queue.enqueueUnmapMemObject(operand.buffer, mapped);
  }

  const Part& part_;
  std::vector<Operand> operands_;
};

// ---- runs ---------------------------------------------------------------------------------------

void NetworkBatch::run(const std::vector<const float*>& inputs,
                       const std::vector<float*>& outputs) const {
  check(inputs, outputs);
  std::vector<std::size_t> busy;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i].network != nullptr) busy.push_back(i);
  }
  core::run_at_once(busy, [&](std::size_t i) {
    const std::lock_guard<std::mutex> turn(*parts_[i].turn);
    on_device(i, parts_[i].name, [&] { Execution(parts_[i], inputs, outputs).run(); });
  });
}

void NetworkBatch::check(const std::vector<const float*>& inputs,
                         const std::vector<float*>& outputs) const {
  struct Range {
    const std::string& name;
    const float *begin, *end;
  };
  std::vector<Range> ranges;
  const auto add = [&](const char* what, const std::vector<Edge>& edges, const auto& given) {
    if (given.size() != edges.size()) {
      throw Error(Code::kInvalidArgument, std::to_string(given.size()) + " " + what +
                                              " given, the network has " +
                                              std::to_string(edges.size()));
    }
    for (std::size_t i = 0; i < edges.size(); ++i) {
      if (given[i] == nullptr && edges[i].bytes > 0)
        throw Error(Code::kInvalidArgument, "'" + edges[i].name + "' is NULL");
      ranges.push_back({edges[i].name, given[i], given[i] + edges[i].bytes / 4});
    }
  };
  add("inputs", inputs_, inputs);
  add("outputs", outputs_, outputs);
  for (std::size_t i = inputs.size(); i < ranges.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (ranges[i].begin >= ranges[j].end || ranges[j].begin >= ranges[i].end) continue;
      throw Error(Code::kInvalidArgument,
                  "'" + ranges[j].name + "' and '" + ranges[i].name + "' overlap in memory");
    }
  }
}

}  // namespace clconv::net
