#include "runtime/probe.hpp"

#include <algorithm>
#include <chrono>

#include "runtime/launch.hpp"

namespace clconv::core {
namespace {

constexpr int kRepeats = 7;

// Independent multiply-adds of a work-item: enough for two units of four cycles, and with both operands within 16 registers
// (16 spill there: 97 instead of 182 GFLOP/s on a 2-core Zen 3, PoCL 3.1, 2026-11).
constexpr int kChains = 12;

// Best wall time in seconds of `work` followed by finish.
template <class Work>
double best_s(cl::CommandQueue& queue, Work&& work) {
  double best = 1e30;
  for (int i = 0; i <= kRepeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    queue.finish();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    if (i > 0) best = std::min(best, taken.count());  // the first one warms up
  }
  return best;
}

}  // namespace

Speeds probe(Device& device) {
  const DeviceProfile& profile = device.profile();
  const bool cpu = profile.family == Family::kCpu;
  const int width = cpu ? static_cast<int>(std::min<std::int64_t>(16, profile.float_width)) : 4;
  const std::int64_t local = cpu ? 1 : std::min<std::int64_t>(256, profile.max_work_group_size);
  const std::string options =
      "-DVW=" + std::to_string(width) + " -DCHAINS=" + std::to_string(kChains);
  cl::CommandQueue queue = device.make_queue();
  Speeds speeds;

  // About 20 ms of arithmetic at the estimated peak, so that the launch does not matter.
  const std::int64_t groups = profile.compute_units * (cpu ? 4 : 16);
  const double per_round = static_cast<double>(groups * local * width) * kChains * 2;
  const int rounds =
      static_cast<int>(std::clamp(profile.peak_gflops * 1e9 * 0.02 / per_round, 1000.0, 1e8));
  cl::Buffer sums =
      allocate(device.context(), groups * local * width * 4, profile.max_allocation_bytes, "probe");
  cl::Kernel fma = device.kernel("probe", "probe_fma", options);
  fma.setArg(0, sums);
  fma.setArg(1, cl_int{rounds});
  fma.setArg(2, 0.999f);
  fma.setArg(3, 0.001f);
  const auto launch = [&](cl::Kernel& kernel, std::int64_t count) {
    queue.enqueueNDRangeKernel(kernel, cl::NullRange,
                               cl::NDRange(static_cast<std::size_t>(count * local)),
                               cl::NDRange(static_cast<std::size_t>(local)));
  };
  speeds.peak_gflops = per_round * rounds / best_s(queue, [&] { launch(fma, groups); }) * 1e-9;

  // Well beyond the caches, within reason.
  const std::int64_t bytes = std::min(
      {std::int64_t{256} << 20, profile.max_allocation_bytes, profile.global_memory_bytes / 8});
  const std::int64_t span = 256;
  const std::int64_t copy_groups = std::max<std::int64_t>(1, bytes / (span * local * width * 4));
  const std::int64_t copied = copy_groups * span * local * width * 4;
  cl::Buffer from = allocate(device.context(), copied, profile.max_allocation_bytes, "probe");
  cl::Buffer to = allocate(device.context(), copied, profile.max_allocation_bytes, "probe");
  queue.enqueueFillBuffer(from, 1.0f, 0, static_cast<std::size_t>(copied));
  cl::Kernel copy = device.kernel("probe", "probe_copy", options);
  copy.setArg(0, from);
  copy.setArg(1, to);
  copy.setArg(2, narrow(span));
  copy.setArg(3, narrow(local));
  speeds.bandwidth_gbs =
      2.0 * static_cast<double>(copied) / best_s(queue, [&] { launch(copy, copy_groups); }) * 1e-9;

  constexpr int kLaunches = 200;
  cl::Kernel nothing = device.kernel("probe", "probe_nothing", options);
  nothing.setArg(0, sums);
  speeds.launch_us = best_s(queue,
                            [&] {
                              for (int i = 0; i < kLaunches; ++i)
                                launch(nothing, 1);
                            }) /
                     kLaunches * 1e6;
  return speeds;
}

}  // namespace clconv::core
