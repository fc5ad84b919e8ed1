// Whether PoCL may pin its threads.
#pragma once

namespace clconv::core {

// POCL_AFFINITY=1 makes PoCL 3.1 pin thread i to CPU i, for as many threads as the machine has CPUs, or as
// POCL_MAX_PTHREAD_COUNT says: right only where this process may use all CPUs, they are numbered from 0 without
// gaps, and there are no more threads. In a cpuset without CPU 0 PoCL aborts, and under taskset its threads would
// leave the CPUs that the user gave.
bool may_pin_pocl();

}  // namespace clconv::core
