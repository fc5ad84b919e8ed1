#include "strategies/cost_model.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/waking.hpp"

namespace clconv::core {

double issue_cycles(const Machine& machine, double fmas) {
  return fmas / machine.fmas_per_cycle;
}

double multiply_cycles(const Machine& machine, double steps, double accumulators) {
  return steps * std::max(machine.fma_latency, issue_cycles(machine, accumulators));
}

double load_cycles(const Machine& machine, double loads, double overhead) {
  return loads / machine.loads_per_cycle * overhead;
}

double l2_cycles(const Machine& machine, double steps, double lines) {
  return steps * machine.l2_line * lines;
}

double product_cycles(const Machine& machine, double steps, double accumulators, double loads,
                      double overhead) {
  return std::max(multiply_cycles(machine, steps, accumulators),
                  load_cycles(machine, steps * loads, overhead));
}

double independent_cycles(const Machine& machine, double fmas, double loads, double overhead) {
  return std::max(issue_cycles(machine, fmas), load_cycles(machine, loads, overhead));
}

double far_weight_lines(const Machine& machine, double steps, double step_bytes) {
  // The other quarter holds pixels.
  const double held_bytes = static_cast<double>(machine.l1_blocking_bytes / 4 * 3);
  return steps * step_bytes > held_bytes ? step_bytes / static_cast<double>(machine.line_bytes) : 0;
}

double transposing_store_cycles(double blocks, double vectors, bool whole_rows) {
  // Over core.txt; PoCL 3.1, 2-core Zen 5, 2026-11.
  constexpr double kTranspose = 70, kStore = 8, kStoreInPieces = 13;
  return kTranspose * blocks + vectors * (whole_rows ? kStore : kStoreInPieces);
}

Pass vector_pass(const DeviceProfile& profile, const VectorWork& work, const Traffic& traffic) {
  constexpr double kFmasPerCycle = 2;  // of the peak
  constexpr double kOnOthers = 0.02;   // a guess
  Pass pass;
  pass.flops = work.count * work.cycles * kFmasPerCycle * kFlopsPerFma * work.width;
  pass.efficiency = profile.family == Family::kCpu ? work.efficiency : kOnOthers;
  pass.bytes = traffic.bytes;
  pass.work_groups = traffic.work_groups;
  pass.launches = traffic.launches;
  return pass;
}

Pass arithmetic_pass(double flops, double efficiency, const Traffic& traffic) {
  Pass pass;
  pass.flops = flops;
  pass.efficiency = efficiency;
  pass.bytes = traffic.bytes;
  pass.work_groups = traffic.work_groups;
  pass.launches = traffic.launches;
  return pass;
}

Pass finishing_pass(const Problem& p) {
  constexpr double kReadAndWritten = 2, kOfMasking = 3;  // tensors: dy and y read, dy written
  const double launches = (p.finishes() ? 1 : 0) + (p.mask ? 1 : 0);
  const double result = static_cast<double>(bytes_of(p, result_of(p)));
  return arithmetic_pass(0, kFullRate,
                         {(p.finishes() ? kReadAndWritten * result : 0) +
                              (p.mask ? kOfMasking * static_cast<double>(p.y_bytes()) : 0),
                          static_cast<double>(p.n * p.k), launches});
}

Pass times(Pass pass, double count) {
  pass.flops *= count;
  pass.bytes *= count;
  pass.launches *= count;
  return pass;
}

Pass copy_pass(double bytes, double work_groups) {
  Pass pass;
  pass.bytes = bytes;
  pass.work_groups = work_groups;
  pass.launches = bytes > 0 ? 1 : 0;
  return pass;
}

namespace {

// Are the launches of all passes one? (runtime/joined.hpp)
bool joined(const DeviceProfile& profile, std::initializer_list<Pass> passes) {
  return has_slow_launches(profile) &&
         std::none_of(passes.begin(), passes.end(), [](const Pass& pass) { return pass.library; });
}

}  // namespace

double predicted_us(const DeviceProfile& profile, std::initializer_list<Pass> passes) {
  // Of the shorter of arithmetic and memory this fraction is not hidden behind the longer.
  constexpr double kNotHidden = 0.3;
  constexpr double kNextTaskUs = 5;  // of a launch that is many
  const double units = static_cast<double>(profile.compute_units);
  const bool one_launch = joined(profile, passes);
  bool first = true;
  double total = 0;
  for (const Pass& pass : passes) {
    const double work_groups = std::max(1.0, pass.work_groups);
    const double waves = std::ceil(work_groups / units);
    const double balance = work_groups / (waves * units);
    const double reach = std::min(1.0, work_groups / units);
    const double compute_us = pass.flops / (profile.peak_gflops * 1e3 * pass.efficiency * balance);
    const double memory_us = pass.bytes / (profile.bandwidth_gbs * 1e3 * reach);
    const double us =
        std::max(compute_us, memory_us) + kNotHidden * std::min(compute_us, memory_us);
    const double launches = std::max(1.0, pass.launches);
    const double wakes = !one_launch ? launches : first ? 1 : 0;
    const double apart = !one_launch ? pass.launches : first ? std::min(1.0, pass.launches) : 0;
    total += us + wakes * waking_us(profile, us / launches, std::min(units, work_groups)) +
             apart * profile.launch_us + (pass.launches - apart) * kNextTaskUs;
    first = first && pass.launches == 0;
  }
  return total;
}

double share_met_along(std::int64_t results, std::int64_t tile, std::int64_t taps,
                       std::int64_t start, std::int64_t stride, std::int64_t distance,
                       std::int64_t size) {
  const std::int64_t tiles = ceil_div(results, tile), step = tile * stride;
  std::int64_t met = 0;
  for (std::int64_t tap = 0; tap < taps; ++tap) {
    const std::int64_t at = start + tap * distance;
    const std::int64_t in_front = -at - (tile - 1) * stride;  // of the input, of the last of a tile
    const std::int64_t first = in_front > 0 ? ceil_div(in_front, step) : 0;
    const std::int64_t last = at < size ? std::min(tiles, ceil_div(size - at, step)) : 0;
    met += std::max<std::int64_t>(0, last - first);
  }
  return real(met) / real(std::max<std::int64_t>(1, tiles * taps));
}

double operand_bytes(const Problem& p) {
  return static_cast<double>(p.x_bytes() + p.w_bytes() + p.y_bytes());
}

double cached(const Machine& machine, double bytes) {
  return bytes > static_cast<double>(machine.last_level_share_bytes) ? bytes : bytes / 2;
}

double filling_groups(const DeviceProfile& profile, const Machine& machine, double groups,
                      double items) {
  const auto busy = static_cast<double>(machine.items_per_unit);
  if (machine.group_spans_units) return groups * items / busy;
  // One wave per scheduler issues so much of the time. A guess.
  constexpr double kOneWave = 0.7;
  const auto units = static_cast<double>(profile.compute_units);
  const double most = std::ceil(groups / units);  // work-groups of the busiest unit
  const double waves = most * items / static_cast<double>(machine.issuing_items);
  const double rate =
      waves < 1 ? kOneWave * waves : std::min(1.0, kOneWave + (1 - kOneWave) * (waves - 1));
  return rate < 1 ? groups / most * rate : groups;
}

double multiplying_share(const DeviceProfile& profile, int tm, int tn) {
  // Instructions of a product besides its tm*tn multiply-adds, per multiply-add and per product: docs/gpu.md.
  constexpr double kPerFma = 1.05, kPerProduct = 6.5;
  // What else takes time; and where local memory is memory, each factor comes from there. Guesses.
  constexpr double kReached = 0.9, kReachedFromMemory = 0.3;
  const double products = tm * tn;
  return products / (kPerFma * products + kPerProduct) *
         (profile.local_memory_dedicated ? kReached : kReachedFromMemory);
}

double predicted_packing_us(const DeviceProfile& profile, std::int64_t bytes,
                            std::int64_t prepared_bytes) {
  constexpr double kBytesOfGroup = 4096;  // rows of filters, about
  const double moved = real(bytes + prepared_bytes);
  return predicted_us(profile, {arithmetic_pass(0, kFullRate, {moved, moved / kBytesOfGroup})});
}

Pass matrix_pass(double batch, double m, double n, double k, double efficiency,
                 double work_groups) {
  return arithmetic_pass(kFlopsPerFma * batch * m * n * k, efficiency,
                         {batch * (m * k + n * k + m * n) * Problem::kFloatBytes, work_groups});
}

Pass gemm_pass(const DeviceProfile& profile, GemmParameters parameters, const Gemm& gemm) {
  // Fractions of peak. PoCL 3.1, 2-core Zen 5, 2026-11: 200 and 20 of 500 GFLOP/s. GPU: a guess. Mesa 22.3, llvmpipe,
  // 2-core Zen 5, 2026-11: 1.2 of 12 GFLOP/s and more.
  constexpr double kTuned = 0.4, kAsItComes = 0.04, kOnGpu = 0.5, kOnItems = 0.12;
  // What a call of the library costs besides, in launches: 25-90 us for products of next to nothing on PoCL, some of it
  // for threads that wake up. GPU: a guess.
  constexpr double kCall = 8, kCallOnGpu = 2;
  constexpr double kCopied = 2;  // times the bytes where operands are copied first
  const GemmTile tile = gemm_tile(profile, parameters);
  const bool tuned = parameters == GemmParameters::kTuned, cpu = profile.family == Family::kCpu;
  const double m = real(round_up(gemm.m, tuned ? tile.m : 1));
  const double n = real(round_up(gemm.n, tuned ? tile.n : 1));
  const double k = real(round_up(gemm.k, tuned ? tile.k : 1));
  const double work_groups =
      real(gemm.batch) * std::ceil(m / real(tile.m)) * std::ceil(n / real(tile.n));
  const double efficiency = vectors_are_items(profile) ? kOnItems
                            : !cpu                     ? kOnGpu
                            : tuned                    ? kTuned
                                                       : kAsItComes;
  Pass pass = matrix_pass(real(gemm.batch), m, n, k, efficiency, work_groups);
  if (gemm_workspace_bytes(profile, parameters, gemm, false) > 0) pass.bytes *= kCopied;
  pass.launches = cpu ? kCall : kCallOnGpu;
  pass.library = true;
  return pass;
}

}  // namespace clconv::core
