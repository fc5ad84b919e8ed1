#include "runtime/probe.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>

#include "runtime/launch.hpp"

namespace clconv::core {
namespace {

// Independent multiply-adds of a work-item: enough for two units of four cycles, and with both operands within 16
// registers (16 spill there: 97 instead of 182 GFLOP/s on a 2-core Zen 3, PoCL 3.1, 2026-11).
constexpr int kChains = 12;

// What is measured, on how much of it.
struct Effort {
  int repeats;          // after one that warms up
  double enough_s;      // a launch that takes so long needs no more work
  std::int64_t bytes;   // copied at most
  double flops_s;       // first try: so many seconds of arithmetic at the estimated peak
  std::int64_t copied;  // first try, bytes
  int launches;         // first try
};
constexpr Effort kFull = {7, 0, std::int64_t{256} << 20, 0.02, std::int64_t{256} << 20, 200};
// Where the estimated peak says nothing: llvmpipe and Intel's runtime report no clock.
constexpr Effort kGrowing = {7, 0.02, std::int64_t{256} << 20, 0, std::int64_t{1} << 20, 200};
constexpr Effort kQuick = {2, 0.002, std::int64_t{64} << 20, 0, std::int64_t{1} << 20, 8};

// A launch of the quick probe is not made longer than this.
constexpr double kLongestLaunch = 0.02;
// Mesa's llvmpipe leaves a kernel's loops after 65,535 iterations (22.3): devices that nobody measured get fewer.
constexpr double kSafeRounds = 32768;

double once_s(cl::CommandQueue& queue, const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  queue.finish();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

class Probe {
 public:
  Probe(Device& device, const Effort& effort)
      : device_(device),
        profile_(device.profile()),
        effort_(effort),
        cpu_(profile_.family == Family::kCpu),
        width_(cpu_ ? static_cast<int>(std::min<std::int64_t>(16, profile_.float_width)) : 4),
        local_(cpu_ ? 1 : std::min<std::int64_t>(256, profile_.max_work_group_size)),
        options_("-DVW=" + std::to_string(width_) + " -DCHAINS=" + std::to_string(kChains) +
                 (cpu_ ? " -DALIGNED=0" : " -DALIGNED=1")),
        queue_(device.make_queue()) {}

  Speeds measure() {
    Speeds speeds;
    if (effort_.enough_s > 0) enough_s_ = enough();
    speeds.peak_gflops = arithmetic() * 1e-9;
    speeds.bandwidth_gbs = copying() * 1e-9;
    speeds.launch_us = launching() * 1e6;
    return speeds;
  }

 private:
  // Several times what a launch takes by itself, or that would be measured instead.
  double enough() {
    cl::Kernel nothing = device_.kernel("probe", "probe_nothing", options_);
    const cl::Buffer sums = buffer(4);
    nothing.setArg(0, sums);
    const double latency = best_s([&] { launch(nothing, arithmetic_groups()); });
    return std::clamp(8 * latency, effort_.enough_s, kLongestLaunch);
  }

  std::int64_t arithmetic_groups() const { return profile_.compute_units * (cpu_ ? 4 : 16); }

  cl::Buffer buffer(std::int64_t bytes) const {
    return allocate(device_.context(), bytes, profile_.max_allocation_bytes, "probe");
  }
  void launch(cl::Kernel& kernel, std::int64_t groups) {
    queue_.enqueueNDRangeKernel(kernel, cl::NullRange,
                                cl::NDRange(static_cast<std::size_t>(groups * local_)),
                                cl::NDRange(static_cast<std::size_t>(local_)));
  }

  // Best wall time in seconds of `work`.
  double best_s(const std::function<void()>& work) {
    double best = once_s(queue_, work);
    if (effort_.repeats > 0) best = 1e30;  // the first one warms up
    for (int i = 0; i < effort_.repeats; ++i)
      best = std::min(best, once_s(queue_, work));
    return best;
  }

  // Work per second of work(amount), in units of `amount`. Four times as much as long as a launch is too short.
  double rate(double amount, double most, const std::function<void(double)>& work) {
    once_s(queue_, [&] { work(amount); });
    while (amount < most && once_s(queue_, [&] { work(amount); }) < enough_s_)
      amount = std::min(most, amount * 4);
    return amount / best_s([&] { work(amount); });
  }

  double arithmetic() {
    const std::int64_t groups = arithmetic_groups();
    const double per_round = static_cast<double>(groups * local_ * width_) * kChains * 2;
    const double most = is_calibrated(profile_) ? 1e8 : kSafeRounds;
    const double rounds = std::clamp(profile_.peak_gflops * 1e9 * effort_.flops_s / per_round,
                                     effort_.enough_s > 0 ? 16.0 : 1000.0, most);
    const cl::Buffer sums = buffer(groups * local_ * width_ * 4);
    cl::Kernel fma = device_.kernel("probe", "probe_fma", options_);
    fma.setArg(0, sums);
    fma.setArg(2, 0.999f);
    fma.setArg(3, 0.001f);
    return per_round * rate(std::floor(rounds), effort_.enough_s > 0 ? most : 0, [&](double count) {
             fma.setArg(1, static_cast<cl_int>(count));
             launch(fma, groups);
           });
  }

  double copying() {
    // Well beyond the caches, within reason.
    const std::int64_t bytes =
        std::min({effort_.bytes, profile_.max_allocation_bytes, profile_.global_memory_bytes / 8});
    // A large GPU wants thousands of work-groups.
    const std::int64_t span = cpu_ ? 256 : 8;
    const std::int64_t group_bytes = span * local_ * width_ * 4;
    const auto groups_of = [&](std::int64_t b) {
      return std::max<std::int64_t>(1, b / group_bytes);
    };
    const std::int64_t most = groups_of(bytes);
    const cl::Buffer from = buffer(most * group_bytes), to = buffer(most * group_bytes);
    cl::Kernel copy = device_.kernel("probe", "probe_copy", options_);
    copy.setArg(0, from);
    copy.setArg(1, to);
    copy.setArg(2, narrow(span));
    copy.setArg(3, narrow(local_));
    std::int64_t filled = 0;
    const double groups =
        static_cast<double>(std::min(most, groups_of(std::min(bytes, effort_.copied))));
    return 2.0 * static_cast<double>(group_bytes) *
           rate(groups, effort_.enough_s > 0 ? static_cast<double>(most) : 0, [&](double count) {
             const auto part = static_cast<std::int64_t>(count);
             // Pages that nothing was written to are all the same one.
             if (filled < part) {
               queue_.enqueueFillBuffer(from, 1.0f, 0,
                                        static_cast<std::size_t>(part * group_bytes));
               filled = part;
               launch(copy, part);
               queue_.finish();
             }
             launch(copy, part);
           });
  }

  double launching() {
    cl::Kernel nothing = device_.kernel("probe", "probe_nothing", options_);
    const cl::Buffer sums = buffer(4);
    nothing.setArg(0, sums);
    return 1 / rate(effort_.launches, effort_.enough_s > 0 ? 200 : 0, [&](double count) {
             for (int i = 0; i < static_cast<int>(count); ++i)
               launch(nothing, 1);
           });
  }

  Device& device_;
  const DeviceProfile& profile_;
  const Effort& effort_;
  const bool cpu_;
  const int width_;
  const std::int64_t local_;
  const std::string options_;
  cl::CommandQueue queue_;
  double enough_s_ = 0;
};

}  // namespace

Speeds probe(Device& device) {
  return Probe(device, is_calibrated(device.profile()) ? kFull : kGrowing).measure();
}

Speeds quick_probe(Device& device) {
  return Probe(device, kQuick).measure();
}

}  // namespace clconv::core
