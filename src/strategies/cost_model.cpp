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

double transposing_store_cycles(double blocks, double vectors, bool whole_rows) {
  return 70 * blocks + vectors * (whole_rows ? 8 : 13);
}

Pass vector_pass(const DeviceProfile& profile, double count, double cycles, int width,
                 double efficiency) {
  constexpr double kFmasPerCycle = 2, kFlopsPerFma = 2;  // of the peak
  constexpr double kOnOthers = 0.02;                     // a guess
  Pass pass;
  pass.flops = count * cycles * kFmasPerCycle * kFlopsPerFma * width;
  pass.efficiency = profile.family == Family::kCpu ? efficiency : kOnOthers;
  return pass;
}

Pass copy_pass(double bytes, double work_groups) {
  Pass pass;
  pass.bytes = bytes;
  pass.work_groups = work_groups;
  pass.launches = bytes > 0 ? 1 : 0;
  return pass;
}

double predicted_us(const DeviceProfile& profile, std::initializer_list<Pass> passes) {
  // Of the shorter of arithmetic and memory this fraction is not hidden behind the longer.
  constexpr double kNotHidden = 0.3;
  const double units = static_cast<double>(profile.compute_units);
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
    total += us + launches * waking_us(profile, us / launches, std::min(units, work_groups)) +
             pass.launches * profile.launch_us;
  }
  return total;
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
  // Instructions of a product besides its tm*tn multiply-adds: docs/gpu.md.
  const double products = tm * tn;
  const double share = products / (1.05 * products + 6.5);
  // What else takes time; and where local memory is memory, each factor comes from there. Guesses.
  return share * (profile.local_memory_dedicated ? 0.9 : 0.3);
}

double predicted_packing_us(const DeviceProfile& profile, std::int64_t bytes,
                            std::int64_t prepared_bytes) {
  Pass pass;
  pass.bytes = static_cast<double>(bytes + prepared_bytes);
  pass.work_groups = pass.bytes / 4096;  // rows of filters, about
  return predicted_us(profile, {pass});
}

Pass gemm_pass(const DeviceProfile& profile, GemmParameters parameters, const Gemm& gemm) {
  const GemmTile tile = gemm_tile(profile, parameters);
  const bool tuned = parameters == GemmParameters::kTuned;
  const double m = static_cast<double>(round_up(gemm.m, tuned ? tile.m : 1));
  const double n = static_cast<double>(round_up(gemm.n, tuned ? tile.n : 1));
  const double k = static_cast<double>(round_up(gemm.k, tuned ? tile.k : 1));
  const double batch = static_cast<double>(gemm.batch);
  Pass pass;
  pass.flops = 2.0 * batch * m * n * k;
  // Fraction of peak; PoCL 3.1, 2-core Zen 5, 2026-11: 200 and 20 of 500 GFLOP/s. GPU: a guess.
  pass.efficiency = profile.family == Family::kGpu ? 0.5 : tuned ? 0.4 : 0.04;
  // Mesa 22.3, llvmpipe, 2-core Zen 5, 2026-11: 1.2 of 12 GFLOP/s and more.
  if (vectors_are_items(profile)) pass.efficiency = 0.12;
  pass.bytes = batch * (m * k + n * k + m * n) * 4.0;
  if (gemm_workspace_bytes(profile, parameters, gemm, false) > 0) pass.bytes *= 2;
  pass.work_groups = batch * std::ceil(m / static_cast<double>(tile.m)) *
                     std::ceil(n / static_cast<double>(tile.n));
  // What a call of the library costs besides, in launches: 25-90 us for products of next to nothing on PoCL, some of it
  // for threads that wake up.
  pass.launches = profile.family == Family::kCpu ? 8 : 2;
  return pass;
}

}  // namespace clconv::core
