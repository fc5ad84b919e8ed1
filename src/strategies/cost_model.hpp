// What work costs. A body says what it does in the terms of this file: cycles of a core's inner loops, which become
// passes, which become a predicted time by a roofline with the parallelism of the launch in it. How long each takes is
// decided here and in the Machine, and nowhere else; docs/calibration.md has the evidence.
#pragma once

#include <initializer_list>

#include "machine/machine.hpp"
#include "ops/gemm.hpp"
#include "problem.hpp"
#include "runtime/device.hpp"

namespace clconv::core {

// ---- cycles of one core -------------------------------------------------------------------------

// `fmas` multiply-adds of whole vectors that do not wait for one another.
double issue_cycles(const Machine& machine, double fmas);
// `steps` times one multiply-add for each of `accumulators` vectors. A sum takes its next product only after the
// latency: fewer than 8 accumulators leave units idle.
double multiply_cycles(const Machine& machine, double steps, double accumulators);

// What loads cost above the rate at best: of whole vectors and of numbers for all lanes, over core.txt; of vectors of
// which most cross a cache line; and of vectors that lie dense in local memory.
constexpr double kUsualLoads = 1.1, kCrossingLoads = 1.2, kDenseLoads = 1.0;
// `loads` from L1.
double load_cycles(const Machine& machine, double loads, double overhead = kUsualLoads);
// `steps` times so many cache lines from L2.
double l2_cycles(const Machine& machine, double steps, double lines);

// The results of a register tile with vectors along the filters, which are stored along the pixels: `blocks` of lanes x
// lanes are transposed, of which `vectors` are stored, in pieces where a tile's pixels are not one row of the result.
double transposing_store_cycles(double blocks, double vectors, bool whole_rows);

// ---- passes -------------------------------------------------------------------------------------

// One launch (or one library call).
struct Pass {
  double flops = 0;
  double efficiency = 1;   // fraction of the device's peak its inner loop reaches when fed
  double bytes = 0;        // read and written in memory
  double work_groups = 1;  // of the launch, about: independent pieces of work
  double launches = 1;
};

// `count` times so many cycles of a core that works with vectors of `width` floats. `efficiency`: the fraction of their
// rate that is reached on CPUs; other devices are not made for such bodies.
Pass vector_pass(const DeviceProfile& profile, double count, double cycles, int width,
                 double efficiency);
// The same with nothing known that takes away from the rate.
constexpr double kFullRate = 1.0;

// Memory traffic only; of 0 bytes there is no launch.
Pass copy_pass(double bytes, double work_groups);

// Time of the passes one after another, in microseconds. Per pass: the slower of arithmetic and memory and a part of
// the other, stretched where the work-groups do not divide evenly among the compute units (arithmetic) or are fewer than
// them (both), plus the cost of its launches: enqueueing, and waiting for threads that wake up.
double predicted_us(const DeviceProfile& profile, std::initializer_list<Pass> passes);

// x, w and y (or their gradients), each once.
double operand_bytes(const Problem& problem);

// As so many bytes in memory: what is moved once and fits a core's share of the last-level cache.
double cached(const Machine& machine, double bytes);

// Does the device fill its vectors with the work-items of a group? A CPU whose native vector has one float. Kernels
// with groups of several items lose less there than where a vector is what an item says.
inline bool vectors_are_items(const DeviceProfile& profile) {
  return profile.family == Family::kCpu && profile.float_width == 1;
}
// How much longer what has one item per work-group takes there, where most of each vector is idle: 2 to 17 times
// (docs/portability.md), beside bodies of many items, which take half of what is predicted.
constexpr double kOneItemOfVector = 12;

// On a GPU, `groups` work-groups of `items` work-items as Pass::work_groups: fewer where the busiest unit has too few
// work-items to fill its schedulers, or to hide latencies.
double filling_groups(const DeviceProfile& profile, const Machine& machine, double groups,
                      double items);

// Of a GPU's peak, what a product of tiles in local memory reaches where a work-item has tm x tn sums: the share of
// multiply-adds among its instructions.
double multiplying_share(const DeviceProfile& profile, int tm, int tn);

// Packing weights of `bytes` into `prepared_bytes`.
double predicted_packing_us(const DeviceProfile& profile, std::int64_t bytes,
                            std::int64_t prepared_bytes);

// Compiling one program where nothing is cached, and a CLBlast routine with its parameters: PoCL 3.1,
// 2-core Zen 5, 2026-11. For choices that weigh the setup; the report has the measured one.
constexpr double kPredictedBuildUs = 0.6e6;
constexpr double kPredictedGemmBuildUs = 5e6;

// One (batched) CLBlast product.
Pass gemm_pass(const DeviceProfile& profile, GemmParameters parameters, const Gemm& gemm);

}  // namespace clconv::core
