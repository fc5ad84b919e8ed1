// How far two CPUs are from each other: nanoseconds until a line that one writes is seen by the other. On a virtual
// machine this changes while programs run: the host moves a virtual CPU to cores behind another last-level cache. What
// one core makes and another reads is then slower to fetch (docs/results.md).
//
// usage: core_distance [CPU CPU]     0 and 1 unless given
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

constexpr int kRounds = 20000, kWarmUp = 1000;

alignas(128) std::atomic<int> turn{0};
std::atomic<bool> failed{false};

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  if (::pthread_setaffinity_np(::pthread_self(), sizeof(set), &set) != 0) failed = true;
}

// Each waits for its number and answers with the next one.
void answer(int cpu) {
  pin(cpu);
  for (int i = 0; i < kRounds; ++i) {
    while (turn.load(std::memory_order_acquire) != 2 * i + 1) {
    }
    turn.store(2 * i + 2, std::memory_order_release);
  }
}

double ask(int cpu) {
  using Clock = std::chrono::steady_clock;
  pin(cpu);
  Clock::time_point begin;
  for (int i = 0; i < kRounds; ++i) {
    if (i == kWarmUp) begin = Clock::now();
    turn.store(2 * i + 1, std::memory_order_release);
    while (turn.load(std::memory_order_acquire) != 2 * i + 2) {
    }
  }
  const std::chrono::duration<double, std::nano> time = Clock::now() - begin;
  return time.count() / (kRounds - kWarmUp) / 2;
}

}  // namespace

int main(int argc, char** argv) {
  const int first = argc > 2 ? std::atoi(argv[1]) : 0, second = argc > 2 ? std::atoi(argv[2]) : 1;
  std::thread other(answer, second);
  const double ns = ask(first);
  other.join();
  if (failed) {
    std::fprintf(stderr, "core_distance: no thread can run on CPU %d and CPU %d\n", first, second);
    return 1;
  }
  std::printf("%.0f ns\n", ns);
  return 0;
}
