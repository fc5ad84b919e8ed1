#include "planner/context.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include "ops/gemm.hpp"
#include "planner/environment.hpp"
#include "runtime/probe.hpp"
#include "text.hpp"

namespace clconv::core {
namespace {

constexpr std::size_t kMaxOperations = 1024;

// Everything that makes one plan another.
std::string cache_key(const Problem& problem, const PlannerOptions& o) {
  std::string key = to_text(problem) + " " + to_string(problem.direction) + " " +
                    epilogue_words(problem) + " " + storage_words(problem) + " " +
                    std::to_string(problem.input_image()) + " " +
                    std::to_string(problem.result_image()) + " " + to_string(o.rigor) + " " +
                    number_text(o.time_limit_s) + " " + std::to_string(o.workspace_limit) + " " +
                    std::to_string(o.expected_runs) + (o.weights_change ? " changing" : "") +
                    (o.deterministic ? " deterministic" : "") + (o.time_all ? " time_all" : "") +
                    (o.launches_apart ? " apart" : "") + (o.check_later ? " unchecked" : "") + " " +
                    to_string(o.math) + " " + o.strategy + " " + o.config;
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

Launches launches_of(const PlannerOptions& options) {
  if (options.launches_apart) return Launches::kApart;
  return options.weights_change ? Launches::kJoinedWithWeights : Launches::kJoined;
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

// By default a quarter of the device's memory: room for the workspaces of a whole network in flight, while most of the
// memory is left to its weights and activations.
std::int64_t scratch_limit(std::int64_t given, const DeviceProfile& profile) {
  if (given > 0) return given;
  return environment_bytes("CLCONV_SCRATCH_LIMIT", profile.global_memory_bytes / 4);
}

}  // namespace

Context::Context(const cl::Context& context, const cl::Device& device,
                 const ContextOptions& options)
    : Context(context, device, options, query_profile(device)) {}

Context::Context(const cl::Context& context, const cl::Device& device,
                 const ContextOptions& options, const DeviceProfile& profile)
    : device_(context, device, cache_options(options.cache_directory, options.cache_max_bytes),
              profile),
      wisdom_(wisdom_path(options.wisdom_path)),
      scope_{device_.profile().platform + " / " + device_.profile().name, device_.profile().driver,
             "", machine_of(device_)},
      plans_(options.plan_cache_capacity) {
  const auto known = wisdom_.find_speed(speed_scope());
  if (known) device_.set_speeds(known->peak_gflops, known->bandwidth_gbs, known->launch_us);
  device_.scratch().set_limit(scratch_limit(options.scratch_limit_bytes, device_.profile()));
  begin_gemm_use(device_.context()());
}

WisdomScope Context::speed_scope() const {
  WisdomScope scope = scope_;
  scope.kernels = hex(program_hash("probe"));
  return scope;
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
  device_.states().trim();
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
  book.put(SpeedRecord{speed_scope(), speeds.peak_gflops, speeds.bandwidth_gbs, speeds.launch_us});
  wisdom_.add(book);
}

void Context::measure_unknown_speeds() {
  if (speeds_tried_ || device_.profile().measured || is_calibrated(device_.profile())) return;
  speeds_tried_ = true;
  try {
    const Speeds speeds = speeds_in_this_process(device_);
    device_.set_speeds(speeds.peak_gflops, speeds.bandwidth_gbs, speeds.launch_us);
    WisdomBook book;
    book.put(
        SpeedRecord{speed_scope(), speeds.peak_gflops, speeds.bandwidth_gbs, speeds.launch_us});
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
  WisdomScope scope = scope_;
  if (options.math != Math::kFloat32) scope.math = to_string(options.math);
  Remembered remembered;
  remembered.record = wisdom_.find(problem, scope);
  if (!remembered.record) remembered.hint = wisdom_.find_hint(problem, scope);
  Report report =
      clconv::core::plan(problem, profile, effective, strategies(), remembered, laboratory);
  report.device = scope_.device;
  report.driver = scope_.driver;
  const WisdomRecord learned = to_wisdom(report, scope);
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
  DeviceLaboratory laboratory(device_, wisdom_, scope_, problem, launches_of(options));
  return search(problem, options, &laboratory);
}

std::shared_ptr<const Plan> Context::plan(const Problem& problem, const PlannerOptions& options) {
  problem.validate();
  const std::string key = cache_key(problem, options);
  if (auto known = plans_.find(key)) return known;
  const std::lock_guard<std::mutex> lock(plan_mutex_);
  if (auto known = plans_.find(key)) return known;  // another thread's, meanwhile
  DeviceLaboratory laboratory(device_, wisdom_, scope_, problem, launches_of(options));
  // Whoever checks later takes the launches as text: they become a part of another program.
  const bool as_text = options.check_later && options.rigor < Rigor::kMeasure;
  const Device::TextOnly text_only(as_text);
  if (options.check_later) laboratory.check_later();
  Report report = search(problem, options, &laboratory);
  if (!report.chosen) throw nothing_error(report);
  auto made = std::make_shared<const Plan>(device_, std::move(report), launches_of(options));
  plans_.put(key, made);
  return made;
}

void Context::check(const Plan& plan, const RunLaunches& run) {
  const std::lock_guard<std::mutex> lock(plan_mutex_);
  const Report& report = plan.report();
  const ReportEntry& choice = report.choice();
  if (choice.strategy->yardstick) return;
  DeviceLaboratory laboratory(device_, wisdom_, scope_, report.problem, Launches::kApart);
  const Device::TextOnly text_only(run != nullptr);
  const auto wrong = laboratory.check(*choice.strategy, choice.candidate, run);
  if (!wrong) return;
  plans_.clear();  // it is one of them
  throw Error(Code::kConstraint, "the plan for " + to_text(report.problem) + ", strategy " +
                                     choice.strategy->name + " " + choice.candidate.config.text() +
                                     ": " + to_text(*wrong));
}

std::shared_ptr<const Executable> Context::operation(const std::string& key,
                                                     const std::function<Executable()>& make) {
  const std::lock_guard<std::mutex> lock(operations_mutex_);
  const auto known = operations_.find(key);
  if (known != operations_.end()) return known->second;
  if (operations_.size() >= kMaxOperations) operations_.clear();
  return operations_[key] = std::make_shared<const Executable>(make());
}

}  // namespace clconv::core
