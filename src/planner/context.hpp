// Context: a device with what was learned about it, and the plans made on it. What clconv.h hands out as an opaque
// handle.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "planner/measure.hpp"
#include "planner/plan.hpp"
#include "planner/plan_cache.hpp"
#include "planner/planner.hpp"
#include "planner/wisdom_file.hpp"
#include "runtime/device.hpp"
#include "runtime/executable.hpp"

namespace clconv::core {

struct ContextOptions {
  std::string cache_directory;       // "" = environment or default, "off" = none
  std::int64_t cache_max_bytes = 0;  // 0 = default
  std::string wisdom_path;           // "" = environment or default, "off" = none
  std::size_t plan_cache_capacity = 256;
  std::int64_t scratch_limit_bytes =
      0;  // 0 = CLCONV_SCRATCH_LIMIT, else a quarter of the device's memory
};

class Context {
 public:
  Context(const cl::Context& context, const cl::Device& device, const ContextOptions& options);

  // As if the device were what `profile` says: how planning for others is tested.
  Context(const cl::Context& context, const cl::Device& device, const ContextOptions& options,
          const DeviceProfile& profile);

  ~Context();

  Device& device() { return device_; }
  const WisdomScope& scope() const { return scope_; }
  Wisdom& wisdom() { return wisdom_; }

  // The plan for a problem, from the cache if the same was asked before. One search at a time: two
  // would disturb each other's measurements. Throws nothing_error() if nothing can run.
  std::shared_ptr<const Plan> plan(const Problem& problem, const PlannerOptions& options);

  // Checks what the plan has chosen, as planning does without PlannerOptions::check_later, with the launches enqueued
  // by `run`. Remembered; of what is trusted nothing is run. Throws Error{kConstraint} where it is wrong: then no plan
  // has it any more.
  void check(const Plan& plan, const RunLaunches& run);

  // The search without the plan: also where nothing can run. With rigor up to kEstimate nothing is
  // compiled.
  Report explain(const Problem& problem, const PlannerOptions& options);

  // Measures the device's speeds, uses them from now on and keeps them in the wisdom.
  void measure_speeds();

  // Gives back what can be made again: scratch, compiled programs, cached plans and operations, CLBlast's cache.
  // Plans that somebody holds and work that is enqueued go on.
  void trim();
  std::int64_t cached_plans() const { return static_cast<std::int64_t>(plans_.size()); }

  // A public operation: `make()`, kept under `key`.
  std::shared_ptr<const Executable> operation(const std::string& key,
                                              const std::function<Executable()>& make);

 private:
  // On a device that the model was not calibrated on: measures its speeds once, in milliseconds, before they are
  // first needed. A failure is a note. Under plan_mutex_.
  void measure_unknown_speeds();
  WisdomScope speed_scope() const;
  Report search(const Problem& problem, const PlannerOptions& options, Laboratory* laboratory);

  Device device_;
  Wisdom wisdom_;
  WisdomScope scope_;

  std::mutex plan_mutex_;
  bool speeds_tried_ = false;
  std::string speeds_note_;
  PlanCache plans_;

  std::mutex operations_mutex_;
  std::unordered_map<std::string, std::shared_ptr<const Executable>> operations_;
};

}  // namespace clconv::core
