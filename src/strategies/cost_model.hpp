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

// Counts, as the cost model multiplies them.
constexpr double real(std::int64_t count) {
  return static_cast<double>(count);
}

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
// `steps` products of a register tile: `loads` and one multiply-add for each of `accumulators`, whichever takes longer.
double product_cycles(const Machine& machine, double steps, double accumulators, double loads,
                      double overhead = kUsualLoads);
// `fmas` multiply-adds that do not wait for one another, or their `loads`.
double independent_cycles(const Machine& machine, double fmas, double loads,
                          double overhead = kUsualLoads);

// Lines per step of weights that L1 does not hold until they are used again: of a block of filters with `step_bytes`
// per step of `steps`.
double far_weight_lines(const Machine& machine, double steps, double step_bytes);

// The results of a register tile with vectors along the filters, which are stored along the pixels: `blocks` of lanes x
// lanes are transposed, of which `vectors` are stored, in pieces where a tile's pixels are not one row of the result.
double transposing_store_cycles(double blocks, double vectors, bool whole_rows);

// Cycles of work that comes `each` time, and once per register tile besides: to store its vectors, to add up the lanes
// of its sums.
struct TileCycles {
  double each, tile;
  constexpr double of(double count) const { return each * count + tile; }
};

// Cycles to copy rows of the input, by their stride: so many per row and per vector (or other unit) of a row. From
// stride 3 on the floats of a vector are copied one by one.
struct RowCopyCycles {
  double row, unit, unit_of_two, number;
  // `rows` rows of `units` units, which have `width` floats each.
  double of(double rows, double units, std::int64_t stride, int width) const {
    const double one = stride == 1 ? unit : stride == 2 ? unit_of_two : number * width;
    return row * rows + rows * units * one;
  }
};

// ---- passes -------------------------------------------------------------------------------------

// The device's peak counts a multiply-add as two operations.
constexpr double kFlopsPerFma = 2;

// One launch (or one library call).
struct Pass {
  double flops = 0;
  double efficiency = 1;   // fraction of the device's peak its inner loop reaches when fed
  double bytes = 0;        // read and written in memory
  double work_groups = 1;  // of the launch, about: independent pieces of work
  double launches = 1;
  bool library = false;  // by a library: never a part of another launch
};

// `count` times so many cycles of a core that works with vectors of `width` floats. `efficiency`: the fraction of their
// rate that is reached on CPUs; other devices are not made for such bodies. kFullRate: nothing is known that takes away
// from the rate.
constexpr double kFullRate = 1.0;
struct VectorWork {
  double count, cycles;
  int width;
  double efficiency = kFullRate;
};
// The rest of a pass.
struct Traffic {
  double bytes = 0, work_groups = 1, launches = 1;
};
Pass vector_pass(const DeviceProfile& profile, const VectorWork& work, const Traffic& traffic = {});

// `flops` at this fraction of the device's peak.
Pass arithmetic_pass(double flops, double efficiency, const Traffic& traffic);

// Memory traffic only; of 0 bytes there is no launch.
Pass copy_pass(double bytes, double work_groups);

// What a library's product leaves to do: launches for the epilogue, and for the mask of dy.
Pass finishing_pass(const Problem& problem);

// A pass that is launched `count` times.
Pass times(Pass pass, double count);

// Time of the passes one after another, in microseconds. Per pass: the slower of arithmetic and memory and a part of
// the other, stretched where the work-groups do not divide evenly among the compute units (arithmetic) or are fewer
// than them (both), plus the cost of its launches: enqueueing, and waiting for threads that wake up.
double predicted_us(const DeviceProfile& profile, std::initializer_list<Pass> passes);

// The share of the taps along an axis that are met by tiles of `tile` results each. Tap 0 of result 0 is at `start` of
// `size`, the next result `stride` and the next tap `distance` behind it.
double share_met_along(std::int64_t results, std::int64_t tile, std::int64_t taps,
                       std::int64_t start, std::int64_t stride, std::int64_t distance,
                       std::int64_t size);

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

// `batch` products of matrices of floats, m x k by k x n.
Pass matrix_pass(double batch, double m, double n, double k, double efficiency, double work_groups);
// One (batched) CLBlast product.
Pass gemm_pass(const DeviceProfile& profile, GemmParameters parameters, const Gemm& gemm);

}  // namespace clconv::core
