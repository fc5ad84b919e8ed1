// What a processor is and what work costs on it: the rows of src/machine/ and the terms of the cost model.
#include <doctest/doctest.h>

#include "machine/machine.hpp"
#include "problem.hpp"
#include "runtime/gpus.hpp"
#include "runtime/waking.hpp"
#include "strategies/cost_model.hpp"

using namespace clconv::core;

namespace {

DeviceProfile cpu(std::int64_t float_width, std::int64_t vector_registers) {
  DeviceProfile p;
  p.family = Family::kCpu;
  p.float_width = float_width;
  p.vector_registers = vector_registers;
  p.compute_units = 2;
  p.peak_gflops = 100;
  p.bandwidth_gbs = 20;
  p.launch_us = 3;
  p.cache_bytes = 16 << 20;
  return p;
}

}  // namespace

TEST_CASE("registers are the processor's, at whatever width its vectors are used") {
  CHECK(Machine::of(cpu(16, 32)).registers == 32);
  CHECK(Machine::of(cpu(8, 32)).registers == 32);  // AVX-512 at half its width
  CHECK(Machine::of(cpu(4, 32)).registers == 32);  // NEON
  CHECK(Machine::of(cpu(8, 16)).few_registers());
  CHECK_FALSE(Machine::of(cpu(4, 32)).few_registers());
  // Not known: the row's.
  CHECK(Machine::of(cpu(16, 0)).registers == 32);
  CHECK(Machine::of(cpu(8, 0)).registers == 16);
  CHECK(Machine::of(cpu(8, 16)).measured(1, 2) == 1);
  CHECK(Machine::of(cpu(8, 32)).measured(1, 2) == 2);
}

TEST_CASE(
    "caches are those of the row's processor, and blocking counts on no more L1 than there is") {
  const Machine zen5 = Machine::of(cpu(16, 32)), zen3 = Machine::of(cpu(8, 16));
  CHECK(zen5.l1_bytes == 48 << 10);
  CHECK(zen5.l2_bytes == 1 << 20);
  CHECK(zen3.l1_bytes == 32 << 10);
  CHECK(zen3.l2_bytes == 512 << 10);
  for (const std::int64_t width : {16, 8, 4, 1}) {
    const Machine machine = Machine::of(cpu(width, 0));
    CAPTURE(machine.name);
    CHECK(machine.l1_blocking_bytes <= machine.l1_bytes);
    CHECK(machine.l1_bytes < machine.l2_bytes);
    CHECK(machine.l2_blocking_bytes < machine.last_level_share_bytes);
    CHECK(machine.last_level_bytes == 16 << 20);
  }
}

TEST_CASE("a register tile takes two multiply-adds a cycle, or waits for its sums") {
  const Machine machine = Machine::of(cpu(16, 32));
  CHECK(multiply_cycles(machine, 10, 28) == 140);
  CHECK(multiply_cycles(machine, 10, 8) == 40);
  CHECK(multiply_cycles(machine, 10, 2) == 40);  // a sum takes its next product 4 cycles later
  CHECK(issue_cycles(machine, 20) == 10);
  CHECK(load_cycles(machine, 20, kDenseLoads) == 10);
  CHECK(load_cycles(machine, 20) > load_cycles(machine, 20, kDenseLoads));
  CHECK(l2_cycles(machine, 10, 2) == doctest::Approx(55));
  CHECK(transposing_store_cycles(1, 16, true) < transposing_store_cycles(1, 16, false));
}

TEST_CASE("cycles become the time that they take at the peak, and copies the time of their bytes") {
  DeviceProfile profile = cpu(8, 16);
  const Machine machine = Machine::of(profile);
  profile.family = Family::kGpu;  // no threads that wake up
  CHECK(predicted_us(profile, {copy_pass(20e3, 64)}) == doctest::Approx(1 + 3));
  CHECK(predicted_us(profile, {copy_pass(0, 64)}) == 0);  // no copy, no launch
  profile.family = Family::kCpu;
  profile.compute_units = 1;
  // 1 core with 100 GFLOP/s: 32 FLOPs a cycle, that is 3.125 GHz.
  Pass one = vector_pass(profile, {1, 31250, 8});
  CHECK(predicted_us(profile, {one}) == doctest::Approx(10 + 3));
  one.bytes = 40e3;  // 2 us at 20 GB/s: a part of them is not hidden
  CHECK(predicted_us(profile, {one}) > 10 + 3);
  CHECK(predicted_us(profile, {one}) < 12 + 3);
  one.bytes = 400e3;
  CHECK(predicted_us(profile, {one}) > 20 + 3);
  CHECK(predicted_us(profile, {one}) < 30 + 3);
  CHECK(cached(machine, 1e6) == 0.5e6);
  CHECK(cached(machine, 1e9) == 1e9);
}

TEST_CASE("all threads of a launch but the first begin late") {
  DeviceProfile profile = cpu(8, 16);
  // 2 cores with 100 GFLOP/s: 32 FLOPs a cycle each, that is 1.5625 GHz.
  Pass pass = vector_pass(profile, {2, 15625, 8});
  const auto us = [&](double work_groups, double efficiency) {
    pass.work_groups = work_groups;
    pass.efficiency = efficiency;
    return predicted_us(profile, {pass});
  };
  static_assert(kWakeUs == 20);
  CHECK(us(2, 1) == doctest::Approx(10 + 10 + 3));    // the first is done when the second begins
  CHECK(us(2, 0.5) == doctest::Approx(20 + 10 + 3));  // 20 us of the second one are shared
  CHECK(us(2, 2) == doctest::Approx(5 + 5 + 3));
  CHECK(us(1, 1) == doctest::Approx(20 + 3));  // nobody to wait for
  pass.launches = 2;
  CHECK(us(2, 0.5) == doctest::Approx(20 + 2 * 10 + 2 * 3));
}

TEST_CASE("every operand counts once in a problem's traffic") {
  const Problem p = parse_problem("n2c3h8w8k4kh3kw3p1");
  CHECK(operand_bytes(p) == 4.0 * (2 * 3 * 64 + 4 * 3 * 9 + 2 * 4 * 64));
}

TEST_CASE("a GPU's kind is that of its vendor, and a CPU has none") {
  DeviceProfile gpu = cpu(1, 0);
  gpu.family = Family::kGpu;
  const auto lanes = [&](const char* vendor) {
    gpu.vendor = vendor;
    return gpu_kind(gpu).lanes;
  };
  CHECK(lanes("NVIDIA Corporation") == 128);
  CHECK(lanes("Advanced Micro Devices, Inc.") == 64);
  CHECK(lanes("Intel(R) Corporation") == 8);
  CHECK(lanes("ARM") == 32);
  CHECK(lanes("someone else") == 64);
  CHECK(lanes("GenuineIntel") == 64);  // as PoCL names a CPU
  gpu.vendor = "Intel(R) Corporation";
  CHECK(Machine::of(gpu).items_per_unit == 16);
  CHECK(Machine::of(gpu).group_spans_units);
  CHECK(Machine::of(gpu).loads_ahead);
  CHECK(Machine::of(gpu).divides_taps);
  CHECK(std::string(Machine::of(gpu).more_registers).empty());
  gpu.platform = "Intel(R) OpenCL Graphics";
  CHECK_FALSE(std::string(Machine::of(gpu).more_registers).empty());
  gpu.family = Family::kCpu;
  CHECK_FALSE(Machine::of(gpu).loads_ahead);
}

TEST_CASE(
    "work-groups fill a GPU's unit with one wave for each scheduler, and with two hide latencies") {
  DeviceProfile gpu = cpu(1, 0);
  gpu.family = Family::kGpu;
  gpu.compute_units = 10;
  gpu.vendor = "NVIDIA Corporation";
  const auto filled = [&](double groups, double items) {
    return filling_groups(gpu, Machine::of(gpu), groups, items);
  };
  CHECK(filled(10, 256) == 10);
  CHECK(filled(10, 128) == doctest::Approx(7));
  CHECK(filled(20, 128) == 20);  // two together on each unit
  CHECK(filled(5, 128) == doctest::Approx(3.5));
  CHECK(filled(10, 64) == doctest::Approx(3.5));  // half of the schedulers have nothing
  // One of four SIMDs of a compute unit, two of four of a work-group processor.
  gpu.vendor = "Advanced Micro Devices, Inc.";
  gpu.name = "gfx90a";
  CHECK(filled(10, 64) == doctest::Approx(10 * 0.7 / 4));
  gpu.name = "gfx1030";
  CHECK(filled(10, 64) == doctest::Approx(10 * 0.7 / 2));
  // A vector engine of Intel's is a unit: a work-group takes several.
  gpu.vendor = "Intel(R) Corporation";
  CHECK(filled(2, 128) == 16);
}

TEST_CASE("larger tiles of sums multiply more, and less where local memory is memory") {
  DeviceProfile gpu = cpu(1, 0);
  gpu.local_memory_dedicated = true;
  CHECK(multiplying_share(gpu, 8, 8) > multiplying_share(gpu, 8, 4));
  CHECK(multiplying_share(gpu, 8, 4) > multiplying_share(gpu, 4, 4));
  CHECK(multiplying_share(gpu, 8, 8) < 0.9);
  const double dedicated = multiplying_share(gpu, 8, 8);
  gpu.local_memory_dedicated = false;
  CHECK(multiplying_share(gpu, 8, 8) < dedicated / 2);
}
