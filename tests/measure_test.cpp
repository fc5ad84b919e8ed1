// The laboratory on a device, with an invented strategy that says what was asked of it.
#include "planner/measure.hpp"

#include <chrono>
#include <thread>

#include "doctest/doctest.h"
#include "support/device.hpp"

using namespace clconv::core;
using namespace clconv::test;

namespace {

int prepared = 0, executed = 0;

// Takes host time; the first time as long as a driver that compiles.
class CountingStep : public Step {
 public:
  CountingStep(int& count, int first_ms, int ms)
      : Step("count"), count_(count), first_ms_(first_ms), ms_(ms) {}
  void enqueue(cl_command_queue, Bindings&, const Dependencies&) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(count_ == 0 ? first_ms_ : ms_));
    ++count_;
  }

 private:
  int& count_;
  int first_ms_, ms_;
};

Offer no_offer(const Problem&, const DeviceProfile&, std::int64_t) {
  return Rejection{};
}
std::unique_ptr<Executable> build(const Problem&, const Config&, Device&) {
  auto executable = std::make_unique<Executable>();
  executable->prepared_weights_bytes = 64;
  executable->prepare.add(std::make_unique<CountingStep>(prepared, 30, 30));
  executable->run.add(std::make_unique<CountingStep>(executed, 60, 2));
  return executable;
}
const Strategy kCounting = {"counting", no_offer, build};

}  // namespace

TEST_CASE(
    "every batch follows an untimed run, setup is preparing and what the first run pays for") {
  Wisdom wisdom("");
  DeviceLaboratory laboratory(device(), wisdom, {}, parse_problem("n1c2h4w4k2kh3kw3"),
                              Launches::kJoined);
  const auto trial = laboratory.build(kCounting, Candidate());
  const double build_us = trial->setup_us();
  const double us = trial->run_us(5);
  CHECK(executed == 6);
  CHECK(prepared == 1);
  CHECK(us >= 5 * 2e3);
  CHECK(us < 60e3);
  CHECK(trial->setup_us() >= build_us + 30e3 + 40e3);
  const double setup_us = trial->setup_us();
  trial->run_us(1);
  CHECK(executed == 8);
  CHECK(prepared == 1);  // once
  CHECK(trial->setup_us() == setup_us);
}
