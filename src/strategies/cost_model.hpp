// Predicted times: a roofline with the parallelism of the launch in it. The strategies say what a
// pass does; how long that takes on a device is decided here and nowhere else.
#pragma once

#include <initializer_list>

#include "ops/gemm.hpp"
#include "runtime/device.hpp"

namespace clconv::core {

// One launch (or one library call).
struct Pass {
  double flops = 0;
  double efficiency = 1;   // fraction of the device's peak its inner loop reaches when fed
  double bytes = 0;        // read and written in memory
  double work_groups = 1;  // of the launch, about: independent pieces of work
  double launches = 1;
};

// Time of the passes one after another, in microseconds. Per pass: the slower of arithmetic and memory, stretched where
// the work-groups do not divide evenly among the compute units (arithmetic) or are fewer than them (both), plus the
// cost of its launches.
double predicted_us(const DeviceProfile& profile, std::initializer_list<Pass> passes);

// Does the device fill its vectors with the work-items of a group? A CPU whose native vector has one float. Kernels
// with groups of several items lose less there than where a vector is what an item says.
inline bool vectors_are_items(const DeviceProfile& profile) {
  return profile.family == Family::kCpu && profile.float_width == 1;
}

// As so many bytes in memory: what is moved once and fits a core's share of the last cache, which moves twice the bytes
// that memory does (PoCL 3.1, 2-core Zen 5, 2026-11).
double cached(double bytes);

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
