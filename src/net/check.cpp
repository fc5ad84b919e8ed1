// Checks a network layer by layer: every convolution against strategy naive on the operands that it has in a run.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "error.hpp"
#include "net/network.hpp"
#include "problem.hpp"
#include "runtime/storage.hpp"

namespace clconv::net {
namespace {

using Values = std::vector<float>;

struct Verdict {
  bool checked = false;
  // Of the element whose difference is largest against its bound.
  double error = 0, bound = 0;
  bool ok = true;
};

class Checker : public NetworkPlan::Observer {
 public:
  explicit Checker(const NetworkPlan& plan)
      : verdicts(plan.lowered().steps.size()),
        plan_(plan),
        queue_(plan.device().make_queue()),
        storage_(plan.options().storage) {}

  void after(std::size_t step, const Memory& memory, double) override {
    const auto* one = dynamic_cast<const ConvolutionStep*>(plan_.lowered().steps[step].get());
    if (one != nullptr && one->weights() != nullptr && one->problem().n > 0)
      verdicts[step] = verdict(*one, memory);
  }

  std::vector<Verdict> verdicts;

 private:
  // What a convolution reads, on the host.
  struct Host {
    Values x, w, b, r, slopes, scale;
  };

  Values read(cl_mem buffer, std::int64_t count) const {
    std::vector<unsigned char> bytes(
        static_cast<std::size_t>(count * core::element_bytes(storage_)));
    core::check(clEnqueueReadBuffer(queue_(), buffer, CL_TRUE, 0, bytes.size(), bytes.data(), 0,
                                    nullptr, nullptr),
                "clEnqueueReadBuffer");
    return core::from_storage(bytes, storage_);
  }
  // Of images that lie `stride` elements apart; 0: one behind the other.
  Values read(cl_mem buffer, std::int64_t count, std::int64_t images, std::int64_t stride) const {
    if (stride == 0) return read(buffer, count);
    const std::int64_t image = count / images;
    const Values all = read(buffer, (images - 1) * stride + image);
    Values values;
    for (std::int64_t i = 0; i < images; ++i) {
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(i * stride);
      values.insert(values.end(), first, first + static_cast<std::ptrdiff_t>(image));
    }
    return values;
  }
  cl::Buffer write(const Values& values, const char* what) const {
    const std::vector<unsigned char> bytes = core::to_storage(values, storage_);
    cl::Buffer buffer =
        core::allocate(plan_.device().context(), static_cast<std::int64_t>(bytes.size()),
                       plan_.device().profile().max_allocation_bytes, what);
    core::check(clEnqueueWriteBuffer(queue_(), buffer(), CL_TRUE, 0, bytes.size(), bytes.data(), 0,
                                     nullptr, nullptr),
                "clEnqueueWriteBuffer");
    return buffer;
  }

  Verdict verdict(const ConvolutionStep& step, const Memory& memory) const;
  Values naive(Problem problem, const Host& host, clconv_plan_info* info) const;
  Values magnitudes(const ConvolutionStep& step, const Host& host) const;

  const NetworkPlan& plan_;
  cl::CommandQueue queue_;
  core::DataType storage_;
};

// Elements of input and result, whatever the direction.
struct Counts {
  std::int64_t x, y, w, b, channels;
};
Counts counts_of(const Problem& problem) {
  const clconv_problem_info info = problem.info();
  const bool transposed = problem.direction == CLCONV_TRANSPOSED;
  const std::int64_t size = core::element_bytes(static_cast<core::DataType>(problem.data_type));
  const std::int64_t x = info.x_bytes / size, y = info.y_bytes / size;
  return {transposed ? y : x, transposed ? x : y, info.w_bytes / size, info.b_bytes / size,
          transposed ? problem.c : problem.k};
}

Values Checker::naive(Problem problem, const Host& host, clconv_plan_info* info) const {
  problem.x_image_stride = problem.y_image_stride = 0;
  PlanOptions options;
  options.strategy = "naive";
  const Plan plan = plan_.context().plan(problem, options);
  const Counts counts = counts_of(problem);
  const cl::Buffer x = write(host.x, "the input of a check"), w = write(host.w, "weights"),
                   y = write(Values(static_cast<std::size_t>(counts.y)), "the result of a check");
  const cl::Buffer b = problem.bias != 0 ? write(host.b, "the bias of a check") : cl::Buffer(),
                   r = problem.residual != 0 ? write(host.r, "the residual of a check")
                                             : cl::Buffer(),
                   slopes = problem.activation == CLCONV_PRELU
                                ? write(host.slopes, "the slopes of a check")
                                : cl::Buffer(),
                   scale = problem.scale != 0 ? write(host.scale, "the scale of a check")
                                              : cl::Buffer();
  clconv_operands raw;
  clconv_operands_init(&raw);
  raw.x = x(), raw.w = w(), raw.b = b(), raw.y = y(), raw.r = r(), raw.slopes = slopes();
  raw.scale = scale();
  clconv::check(clconv_plan_execute(plan.get(), queue_(), &raw, 0, nullptr, nullptr));
  if (info != nullptr) *info = plan.info();
  return read(y(), counts.y);
}

Values absolute(Values values) {
  for (float& value : values)
    value = std::fabs(value);
  return values;
}

// Where neighbours take part (Winograd): over the input channels, the largest magnitude of the whole image times the
// sum of the filter's; and what is added. Bounds what clconv_plan_info::error_reach describes.
Values plane_magnitudes(const Problem& problem, const Values& x, const Values& w, const Values& b,
                        Values r) {
  const bool transposed = problem.direction == CLCONV_TRANSPOSED;
  const clconv_problem_info info = problem.info();
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  const std::size_t inputs = size(transposed ? problem.k : problem.c);
  const std::size_t results = size(transposed ? problem.c : problem.k);
  const std::size_t from = x.size() / (size(problem.n) * inputs),
                    taps = size(problem.kh * problem.kw);
  const std::size_t to = size(transposed ? problem.h * problem.w : info.oh * info.ow);
  const std::size_t groups = size(problem.g), per_group = size(problem.c / problem.g);
  Values sums = std::move(r);
  sums.resize(size(problem.n) * results * to);
  for (std::size_t image = 0; image < size(problem.n); ++image) {
    for (std::size_t in = 0; in < inputs; ++in) {
      const auto plane = x.begin() + static_cast<std::ptrdiff_t>((image * inputs + in) * from);
      const float largest = *std::max_element(plane, plane + static_cast<std::ptrdiff_t>(from));
      const std::size_t group = in / (inputs / groups);
      for (std::size_t out = 0; out < results / groups; ++out) {
        const std::size_t k = transposed ? in : group * (results / groups) + out;
        const std::size_t c = transposed ? out : in % per_group;
        float filter = 0;
        for (std::size_t tap = 0; tap < taps; ++tap)
          filter += w[(k * per_group + c) * taps + tap];
        const std::size_t result = group * (results / groups) + out;
        for (std::size_t pixel = 0; pixel < to; ++pixel)
          sums[(image * results + result) * to + pixel] += largest * filter;
      }
    }
    for (std::size_t i = 0; i < (b.empty() ? 0 : results * to); ++i)
      sums[image * results * to + i] += b[i / to];
  }
  return sums;
}

// What the error bounds are relative to: the sum of the magnitudes added.
Values Checker::magnitudes(const ConvolutionStep& step, const Host& host) const {
  Problem problem = step.problem();
  problem.activation = CLCONV_NO_ACTIVATION;
  problem.scale = 0;
  const Host all{absolute(host.x), absolute(host.w), absolute(host.b), absolute(host.r), {}, {}};
  if (step.info().error_reach > 0) return plane_magnitudes(problem, all.x, all.w, all.b, all.r);
  return naive(problem, all, nullptr);
}

// What the bounds of a plan are multiplied by: they count slopes of PReLU, and scales, as being in [-1, 1].
double steepest(const Values& slopes) {
  double most = 1;
  for (const float slope : slopes)
    most = std::max(most, std::fabs(static_cast<double>(slope)));
  return most;
}

Verdict Checker::verdict(const ConvolutionStep& step, const Memory& memory) const {
  const Problem& problem = step.problem();
  const Counts counts = counts_of(problem);
  const ConvolutionStep::Operands& operands = step.operands();
  Host host;
  host.x = read(memory.buffer(operands.x), counts.x, problem.n, problem.x_image_stride);
  host.w = step.weights()->floats;
  if (problem.bias != 0) host.b = read(memory.buffer(operands.bias), counts.b);
  if (problem.residual != 0) host.r = read(memory.buffer(operands.residual), counts.y);
  if (problem.activation == CLCONV_PRELU)
    host.slopes = read(memory.buffer(operands.slopes), counts.channels);
  if (problem.scale != 0)
    host.scale = read(memory.buffer(operands.scale), problem.n * counts.channels);
  clconv_plan_info reference{};
  reference.struct_size = sizeof(reference);
  const Values wanted = naive(problem, host, &reference);
  const Values sums = magnitudes(step, host);
  const Values got = read(memory.buffer(operands.y), counts.y, problem.n, problem.y_image_stride);
  const double reach = std::max(steepest(host.slopes), steepest(host.scale));
  const double relative = (step.info().error_bound + reference.error_bound) * reach;
  const double floor = (step.info().error_floor + reference.error_floor) * reach;
  Verdict verdict;
  verdict.checked = true;
  double worst = -1;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double bound = relative * static_cast<double>(sums[i]) + floor;
    if (got[i] == wanted[i] || (std::isnan(got[i]) && std::isnan(wanted[i]))) continue;
    const double error = std::fabs(static_cast<double>(got[i]) - static_cast<double>(wanted[i]));
    if (!(error <= bound)) verdict.ok = false;
    if (error / bound > worst) worst = error / bound, verdict.error = error, verdict.bound = bound;
  }
  return verdict;
}

std::vector<std::vector<unsigned char>> bytes_of(const NetworkPlan& plan,
                                                 const cl::CommandQueue& queue,
                                                 const std::vector<cl_mem>& outputs) {
  std::vector<std::vector<unsigned char>> all;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    all.emplace_back(static_cast<std::size_t>(plan.outputs()[i].bytes));
    core::check(clEnqueueReadBuffer(queue(), outputs[i], CL_TRUE, 0, all.back().size(),
                                    all.back().data(), 0, nullptr, nullptr),
                "clEnqueueReadBuffer");
  }
  return all;
}

bool deterministic(const NetworkPlan& plan) {
  const auto& steps = plan.lowered().steps;
  return std::all_of(steps.begin(), steps.end(), [](const auto& step) {
    const auto* convolution = dynamic_cast<const ConvolutionStep*>(step.get());
    return convolution == nullptr || convolution->info().deterministic != 0;
  });
}

// Does a run give the bits that are in `outputs`, which the steps gave one by one?
bool runs_as_its_steps(const NetworkPlan& plan, const std::vector<cl_mem>& inputs,
                       const std::vector<cl_mem>& outputs) {
  const cl::CommandQueue queue = plan.device().make_queue();
  const auto wanted = bytes_of(plan, queue, outputs);
  plan.run(queue(), inputs, outputs, {});
  return bytes_of(plan, queue, outputs) == wanted;
}

}  // namespace

std::string check(const NetworkPlan& plan, const std::vector<cl_mem>& inputs,
                  const std::vector<cl_mem>& outputs) {
  Checker checker(plan);
  plan.run_observed(inputs, outputs, checker);
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(report(plan));
  std::size_t step = 0;
  bool ok = true;
  for (auto& layer : json["layers"]) {
    for (auto& one : layer["steps"]) {
      const Verdict& verdict = checker.verdicts[step++];
      if (!verdict.checked) continue;
      one["error"] = verdict.error;
      one["error_bound"] = verdict.bound;
      one["ok"] = verdict.ok;
      ok = ok && verdict.ok;
    }
  }
  if (deterministic(plan)) {
    json["run_as_steps"] = runs_as_its_steps(plan, inputs, outputs);
    ok = ok && json["run_as_steps"];
  }
  json["ok"] = ok;
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace clconv::net
