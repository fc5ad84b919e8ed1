// Devices that the model was not calibrated on, and what of a device is optional.
#include "doctest/doctest.h"
#include "planner/context.hpp"
#include "runtime/probe.hpp"
#include "support/device.hpp"
#include "support/queues.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

DeviceProfile calibrated_profile() {
  DeviceProfile p = query_profile(device().cl());
  p.family = Family::kCpu;
  p.platform = "Portable Computing Language";
  p.float_width = 16;
  p.vector_registers = 0;
  return p;
}

DeviceProfile unknown_profile(const std::string& name) {
  DeviceProfile p = calibrated_profile();
  p.platform = "A platform that no calibration knows";
  p.name = name;
  return p;
}

ContextOptions without_wisdom() {
  ContextOptions options;
  options.wisdom_path = "off";
  return options;
}

}  // namespace

TEST_CASE("calibrated are PoCL's CPU devices with vectors of 8 and 16 floats, and no others") {
  DeviceProfile p = calibrated_profile();
  CHECK(is_calibrated(p));
  p.float_width = 8;
  p.vector_registers = 0;
  CHECK(is_calibrated(p));
  p.float_width = 4;
  p.vector_registers = 0;
  CHECK_FALSE(is_calibrated(p));
  p.float_width = 16;
  p.vector_registers = 0;
  p.family = Family::kGpu;
  CHECK_FALSE(is_calibrated(p));
  CHECK_FALSE(is_calibrated(unknown_profile("any")));
}

TEST_CASE("before the first estimate an unknown device is measured, a calibrated one is not") {
  const Problem problem = parse_problem("n1c8h14w14k16kh3kw3p1");
  const DeviceProfile known = calibrated_profile(), unknown = unknown_profile("first estimate");
  Context calibrated(device().context(), device().cl(), without_wisdom(), known);
  calibrated.explain(problem, {});
  CHECK_FALSE(calibrated.device().profile().measured);
  CHECK(calibrated.device().profile().peak_gflops == known.peak_gflops);

  Context first(device().context(), device().cl(), without_wisdom(), unknown);
  CHECK_FALSE(first.device().profile().measured);  // not when it is made
  CHECK(first.explain(problem, {}).notes.empty());
  const DeviceProfile& measured = first.device().profile();
  CHECK(measured.measured);
  CHECK(measured.peak_gflops != unknown.peak_gflops);
  // Another context of the process plans on the same numbers.
  Context second(device().context(), device().cl(), without_wisdom(), unknown);
  second.plan(problem, {});
  CHECK(second.device().profile().peak_gflops == measured.peak_gflops);
  CHECK(second.device().profile().launch_us == measured.launch_us);
}

// Other programs may slow one of the two down by any factor, but hardly five times in a row.
TEST_CASE("the quick probe finds what the full one finds, within what a busy machine allows") {
  const auto near = [](double quick, double full, double factor) {
    return quick > full / factor && quick < full * factor;
  };
  bool found = false;
  for (int attempt = 0; attempt < 5 && !found; ++attempt) {
    const Speeds full = probe(device()), quick = quick_probe(device());
    CAPTURE(attempt);
    INFO("GFLOP/s: ", quick.peak_gflops, ", ", full.peak_gflops);
    INFO("GB/s: ", quick.bandwidth_gbs, ", ", full.bandwidth_gbs);
    INFO("launch, us: ", quick.launch_us, ", ", full.launch_us);
    // What the quick one copies may lie in a cache.
    found = near(quick.peak_gflops, full.peak_gflops, 8) &&
            near(quick.bandwidth_gbs, full.bandwidth_gbs, 16) && quick.launch_us > 0 &&
            quick.launch_us < full.launch_us * 20;
    if (attempt == 4) CHECK(found);
  }
}

TEST_CASE("the kinds of queue are those the device makes") {
  const auto kinds = queue_kinds(device().cl());
  CHECK(kinds.size() == (has_out_of_order_queues(device().cl()) ? 2U : 1U));
  for (const cl_command_queue_properties kind : kinds)
    CHECK_NOTHROW(device().make_queue(kind));
}

TEST_CASE("products and sums are right with and without fused multiply-adds") {
  for (const char* options : {"", "-DNO_FMA"}) {
    cl::Kernel kernel =
        device().kernel("probe", "probe_fma", std::string("-DVW=1 -DCHAINS=1 ") + options);
    GuardedBuffer sums(64 * 4);
    kernel.setArg(0, cl::Buffer(sums.get(), true));
    kernel.setArg(1, cl_int{3});
    kernel.setArg(2, 2.0f);
    kernel.setArg(3, 1.0f);
    queue().enqueueNDRangeKernel(kernel, cl::NullRange, cl::NDRange(64), cl::NDRange(1));
    const auto found = sums.read();
    // ((i * 2 + 1) * 2 + 1) * 2 + 1
    for (std::size_t i = 0; i < 64; ++i)
      CHECK(found[i] == static_cast<float>(8 * i + 7));
    CHECK(sums.intact());
  }
}
