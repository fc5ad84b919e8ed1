#include "planner/context.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>

#include "ops/gemm.hpp"
#include "planner/measure.hpp"
#include "runtime/buffers.hpp"
#include "runtime/files.hpp"
#include "runtime/probe.hpp"
#include "text.hpp"

namespace clconv::core {
namespace {

constexpr std::size_t kMaxOperations = 1024;

// Everything that makes one plan another.
std::string cache_key(const Problem& problem, const PlannerOptions& o) {
  std::string key =
      to_text(problem) + " " + to_string(problem.direction) + " " + epilogue_words(problem) + " " +
      storage_words(problem) + " " + to_string(o.rigor) + " " + number_text(o.time_limit_s) + " " +
      std::to_string(o.workspace_limit) + " " + std::to_string(o.expected_runs) +
      (o.weights_change ? " changing" : "") + (o.deterministic ? " deterministic" : "") +
      (o.time_all ? " time_all" : "") + " " + o.strategy + " " + o.config;
  for (const auto* list : {&o.allow, &o.deny}) {
    key += " |";
    for (const std::string& name : *list)
      key += " " + name;
  }
  // No other choice by itself, but the report names what made it.
  for (const auto& [name, value] : o.environment)
    key += " " + name + "=" + value;
  return key;
}

// Contexts of one process on one device agree, also without wisdom.
Speeds speeds_in_this_process(Device& device) {
  static std::mutex& mutex = *new std::mutex;
  static auto& known = *new std::map<std::string, Speeds>;
  const DeviceProfile& p = device.profile();
  const std::string key =
      p.platform + "|" + p.name + "|" + p.driver + "|" + std::to_string(p.compute_units);
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = known.find(key);
  return found != known.end() ? found->second : known[key] = quick_probe(device);
}

}  // namespace

namespace {

// Of a batch of 0, whatever was chosen: gradients that sum over the batch are 0, or what they were.
std::unique_ptr<const Executable> executable_of_nothing(const Problem& p) {
  auto executable = std::make_unique<Executable>();
  const Tensor result = result_of(p);
  if (bytes_of(p, result) > 0 && !p.accumulate) {
    executable->run.add(
        std::make_unique<FillStep>("zero", Region{static_cast<int>(result)}, bytes_of(p, result)));
  }
  return executable;
}

// Throws Error{kInvalidArgument}.
std::int64_t parse_bytes(const std::string& value) {
  std::int64_t bytes = 0;
  const char* last = value.data() + value.size();
  const auto [end, error] = std::from_chars(value.data(), last, bytes);
  if (error != std::errc() || end != last || bytes < 0) {
    throw Error(Code::kInvalidArgument, "'" + value + "' is not a number of bytes");
  }
  return bytes;
}

// A quarter of the device's memory: workspaces of a whole network in flight, and no more than a part of what its
// weights and activations have.
std::int64_t scratch_limit(std::int64_t given, const DeviceProfile& profile) {
  if (given > 0) return given;
  const std::string value = environment("CLCONV_SCRATCH_LIMIT");
  if (value.empty()) return profile.global_memory_bytes / 4;
  try {
    return parse_bytes(value);
  } catch (const Error& error) {
    throw Error(error.code(),
                std::string("environment variable CLCONV_SCRATCH_LIMIT: ") + error.what());
  }
}

}  // namespace

// ---- Plan ---------------------------------------------------------------------------------------

Plan::Plan(Device& device, Report report, std::unique_ptr<const Executable> executable)
    : device_(device),
      report_(std::move(report)),
      executable_(std::move(executable)),
      who_("the plan for " + to_text(report_.problem)) {}

std::int64_t Plan::packed_offset() const {
  return round_up(executable_->workspace_bytes, device_.profile().base_alignment_bytes);
}

std::int64_t Plan::workspace_bytes(bool prepared) const {
  if (prepared || executable_->prepared_weights_bytes == 0) return executable_->workspace_bytes;
  return packed_offset() + executable_->prepared_weights_bytes;
}

Bindings Plan::bind(const Operands& operands, std::int64_t workspace_bytes) const {
  const Problem& p = report_.problem;
  const bool prepared = executable_->prepared_weights_bytes > 0 && operands.prepared != nullptr;
  Bindings bindings;
  std::vector<BufferUse> uses;
  uses.reserve(kTensors + 2);
  const auto bind_tensor = [&](Tensor tensor, Access access) {
    const cl_mem buffer = operands.tensors[static_cast<std::size_t>(tensor)];
    uses.push_back({name_of(p, tensor), buffer, bytes_of(p, tensor), access});
    bindings.bind(static_cast<int>(tensor), buffer);
  };
  for (const Tensor tensor : inputs_of(p)) {
    if (tensor != Tensor::kW || !prepared) bind_tensor(tensor, Access::kRead);
  }
  bind_tensor(result_of(p), p.accumulate ? Access::kUpdate : Access::kWrite);
  if (prepared) {
    if (operands.prepared == operands.tensors[static_cast<std::size_t>(Tensor::kW)]) {
      throw Error(
          Code::kInvalidArgument,
          "buffers prepared and w are one: prepared is what clconv_plan_prepare() has written");
    }
    uses.push_back({"prepared", operands.prepared, executable_->prepared_weights_bytes});
    bindings.bind(kPreparedSlot, operands.prepared);
  }
  if (operands.workspace != nullptr) {
    // Also where this plan needs none: another strategy's would.
    uses.push_back({"workspace", operands.workspace, std::max<std::int64_t>(1, workspace_bytes),
                    Access::kUpdate});
  }
  bindings.bind(kWorkspaceSlot, operands.workspace);
  check_buffers(device_, uses, who_);
  return bindings;
}

void Plan::prepare(cl_command_queue queue, cl_mem weights, cl_mem prepared,
                   const Dependencies& dependencies) const {
  check_queue(device_, queue);
  check_wait_list(device_, dependencies.count, dependencies.list);
  check_buffers(
      device_,
      {{"w", weights, executable_->prepared_weights_bytes > 0 ? report_.problem.w_bytes() : 0},
       {"prepared", prepared, executable_->prepared_weights_bytes, Access::kWrite}},
      who_);
  Bindings bindings;
  bindings.bind(kWeightsSlot, weights);
  bindings.bind(kPreparedSlot, prepared);
  executable_->prepare.enqueue(queue, bindings, dependencies);
}

void Plan::execute(cl_command_queue queue, const Operands& operands, const Dependencies& d) const {
  const bool in_order = check_queue(device_, queue);
  check_wait_list(device_, d.count, d.list);
  const bool packs = executable_->prepared_weights_bytes > 0 && operands.prepared == nullptr;
  const std::int64_t bytes = workspace_bytes(!packs);
  Bindings bindings = bind(operands, bytes);
  Dependencies first{d.count, d.list, nullptr, device_.awake()};
  std::vector<cl_event> waits;
  ScratchPool::Lease lease;
  if (operands.workspace == nullptr && bytes > 0) {
    lease = device_.scratch().borrow(bytes, queue, in_order);
    bindings.bind(kWorkspaceSlot, lease.buffer(), lease.parts());
    if (lease.wait_for() != nullptr) {
      waits.assign(d.list, d.list + d.count);
      waits.push_back(lease.wait_for());
      first = {static_cast<cl_uint>(waits.size()), waits.data(), nullptr, device_.awake()};
    }
  }
  cl::Event packed;
  if (packs) {
    const Region place{kWorkspaceSlot, packed_offset(), executable_->prepared_weights_bytes};
    bindings.bind(kPreparedSlot, place);
    cl_event event = nullptr;
    if (!in_order) first.done = &event;
    executable_->prepare.enqueue(queue, in_order, bindings, first);
    packed = cl::Event(event);
    first = {in_order ? 0U : 1U, in_order ? nullptr : &packed(), nullptr, device_.awake()};
  }
  // A borrowed workspace needs the event too: another queue may have it when the work is over.
  cl_event event = nullptr;
  if (d.done != nullptr || lease) first.done = &event;
  executable_->run.enqueue(queue, in_order, bindings, first);
  const cl::Event done(event);
  if (lease) lease.enqueued(done());
  if (d.done != nullptr) {
    check(clRetainEvent(done()), "clRetainEvent");
    *d.done = done();
  }
}

std::vector<StepTime> Plan::profile(const Operands& operands) const {
  Bindings bindings = bind(operands, executable_->workspace_bytes);
  cl::CommandQueue queue = device_.make_queue(CL_QUEUE_PROFILING_ENABLE);
  const bool packs = executable_->prepared_weights_bytes > 0 && operands.prepared == nullptr;
  const std::int64_t limit = device_.profile().max_allocation_bytes;
  cl::Buffer workspace, packed;
  if (operands.workspace == nullptr) {
    workspace = allocate(device_.context(), executable_->workspace_bytes, limit, "workspace");
    bindings.bind(kWorkspaceSlot, workspace());
  }
  std::vector<StepTime> times;
  if (packs) {
    packed = allocate(device_.context(), executable_->prepared_weights_bytes, limit, "weights");
    bindings.bind(kPreparedSlot, packed());
    times = executable_->prepare.profile(queue(), bindings);
  }
  for (StepTime& time : executable_->run.profile(queue(), bindings))
    times.push_back(std::move(time));
  return times;
}

// ---- Context ------------------------------------------------------------------------------------

Context::Context(const cl::Context& context, const cl::Device& device,
                 const ContextOptions& options)
    : Context(context, device, options, query_profile(device)) {}

Context::Context(const cl::Context& context, const cl::Device& device,
                 const ContextOptions& options, const DeviceProfile& profile)
    : device_(context, device, cache_options(options.cache_directory, options.cache_max_bytes),
              profile),
      wisdom_(wisdom_path(options.wisdom_path)),
      scope_{device_.profile().platform + " / " + device_.profile().name, device_.profile().driver,
             hex(kernels_hash()), machine_of(device_)},
      plans_(options.plan_cache_capacity) {
  const auto known = wisdom_.find_speed(scope_);
  if (known) device_.set_speeds(known->peak_gflops, known->bandwidth_gbs, known->launch_us);
  device_.scratch().set_limit(scratch_limit(options.scratch_limit_bytes, device_.profile()));
  begin_gemm_use(device_.context()());
}

Context::~Context() {
  end_gemm_use(device_.context()());
}

void Context::trim() {
  plans_.clear();
  {
    const std::lock_guard<std::mutex> lock(operations_mutex_);
    operations_.clear();
  }
  device_.scratch().trim();
  device_.programs().trim();
  trim_gemm_cache(device_.context()());
}

void Context::measure_speeds() {
  const std::lock_guard<std::mutex> lock(plan_mutex_);
  const Speeds speeds = probe(device_);
  device_.set_speeds(speeds.peak_gflops, speeds.bandwidth_gbs, speeds.launch_us);
  // Plans made so far were chosen by other speeds.
  plans_.clear();
  WisdomBook book;
  book.put(SpeedRecord{scope_, speeds.peak_gflops, speeds.bandwidth_gbs, speeds.launch_us});
  wisdom_.add(book);
}

void Context::measure_unknown_speeds() {
  if (speeds_tried_ || device_.profile().measured || is_calibrated(device_.profile())) return;
  speeds_tried_ = true;
  try {
    const Speeds speeds = speeds_in_this_process(device_);
    device_.set_speeds(speeds.peak_gflops, speeds.bandwidth_gbs, speeds.launch_us);
    WisdomBook book;
    book.put(SpeedRecord{scope_, speeds.peak_gflops, speeds.bandwidth_gbs, speeds.launch_us});
    wisdom_.add(book);
  } catch (const std::exception& error) {
    speeds_note_ =
        std::string("the device's speeds are guessed, measuring them failed: ") + error.what();
  }
}

Report Context::search(const Problem& problem, const PlannerOptions& options,
                       Laboratory* laboratory) {
  const auto begin = std::chrono::steady_clock::now();
  measure_unknown_speeds();
  const DeviceProfile& profile = device_.profile();
  PlannerOptions effective = options;
  // The workspace is one buffer.
  effective.workspace_limit = std::min(options.workspace_limit, profile.max_allocation_bytes);
  Memory memory;
  memory.record = wisdom_.find(problem, scope_);
  memory.hint = memory.record ? memory.record : wisdom_.find_hint(problem, scope_);
  Report report = clconv::core::plan(problem, profile, effective, strategies(), memory, laboratory);
  report.device = scope_.device;
  report.driver = scope_.driver;
  const WisdomRecord learned = to_wisdom(report, scope_);
  if (!learned.candidates.empty()) {
    WisdomBook book;
    book.put(learned);
    wisdom_.add(book);
  }
  report.notes = wisdom_.notes();
  if (!speeds_note_.empty()) report.notes.push_back(speeds_note_);
  report.planning_us =
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
  return report;
}

Report Context::explain(const Problem& problem, const PlannerOptions& options) {
  problem.validate();
  const std::lock_guard<std::mutex> lock(plan_mutex_);
  if (options.rigor < Rigor::kMeasure) return search(problem, options, nullptr);
  DeviceLaboratory laboratory(device_, wisdom_, scope_, problem);
  return search(problem, options, &laboratory);
}

std::shared_ptr<const Plan> Context::plan(const Problem& problem, const PlannerOptions& options) {
  problem.validate();
  const std::string key = cache_key(problem, options);
  if (auto known = plans_.find(key)) return known;
  const std::lock_guard<std::mutex> lock(plan_mutex_);
  if (auto known = plans_.find(key)) return known;  // another thread's, meanwhile
  DeviceLaboratory laboratory(device_, wisdom_, scope_, problem);
  Report report = search(problem, options, &laboratory);
  if (!report.chosen) throw Error(Code::kConstraint, why_nothing(report));
  auto executable = problem.empty() ? executable_of_nothing(problem)
                                    : report.choice().strategy->build(
                                          problem, report.choice().candidate.config, device_);
  auto made = std::make_shared<const Plan>(device_, std::move(report), std::move(executable));
  plans_.put(key, made);
  return made;
}

std::shared_ptr<const Operation> Context::operation(const std::string& key,
                                                    const std::function<Operation()>& make) {
  const std::lock_guard<std::mutex> lock(operations_mutex_);
  const auto known = operations_.find(key);
  if (known != operations_.end()) return known->second;
  if (operations_.size() >= kMaxOperations) operations_.clear();
  return operations_[key] = std::make_shared<const Operation>(make());
}

// ---- environment --------------------------------------------------------------------------------

PlannerOptions with_environment(PlannerOptions options, const OpenChoices& open) {
  const bool strategy_open =
      open.strategy && options.strategy.empty() && options.allow.empty() && options.deny.empty();
  const auto take = [&](const char* name, bool applies, const auto& use) {
    const std::string value = environment(name);
    if (!applies || value.empty()) return;
    try {
      options.environment[name] = use(value);
    } catch (const Error& error) {
      throw Error(error.code(), std::string("environment variable ") + name + ": " + error.what());
    }
  };
  // Each gives the value as the report spells it.
  take("CLCONV_RIGOR", open.rigor, [&](const std::string& value) {
    options.rigor = parse_rigor(value);
    return to_string(options.rigor);
  });
  take("CLCONV_STRATEGY", strategy_open,
       [&](const std::string& value) { return options.strategy = find_strategy(value).name; });
  take("CLCONV_WORKSPACE_LIMIT", open.workspace_limit, [&](const std::string& value) {
    options.workspace_limit = parse_bytes(value);
    return value;
  });
  return options;
}

}  // namespace clconv::core
