// Threads of libraries on cores of their own. Where they float, the scheduler often wakes one on its
// creator's core, and both take turns at half the speed or, spinning, at a twentieth: what POCL_AFFINITY=1
// prevents in PoCL, for the others.
#pragma once

#include <sched.h>

#include <vector>

namespace clconv::bench {

// Threads that everybody gets: as many as the process may use cores.
int thread_count();

// All threads of this process.
std::vector<pid_t> threads();

// Puts the process's other threads, but for the `known` ones, on cores from the second on.
void pin_threads(const std::vector<pid_t>& known = {});

// Puts the calling thread on core `index`, round about.
void pin_this_thread(int index);

// While this lives, the calling thread stays on the first core, beside those pinned above.
class OnFirstCore {
 public:
  OnFirstCore();
  ~OnFirstCore();
  OnFirstCore(const OnFirstCore&) = delete;
  OnFirstCore& operator=(const OnFirstCore&) = delete;

 private:
  cpu_set_t before_;
};

}  // namespace clconv::bench
