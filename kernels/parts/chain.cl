// Several launches as one (src/runtime/chain_program.hpp). Each launch becomes a task, and each work-group of it, of
// one work-item, an item of the task. Every work-group of the chain goes through all tasks: it takes items as long as
// there are any, and goes on to the next task when all items are done. Since items belong to nobody, no work-group
// waits for one that has not begun: any number of them may run at a time, even one. But a work-group that has taken
// items must make progress while others wait for it.
//
// The items of a task are divided into as many shares as there are work-groups. Each work-group begins with its own
// share, which has the same place in every task, so that what it wrote is still in its cache. Then it helps with the
// shares of the others.
//
// `state` has counters, each in cache lines of its own: for each task the items taken of each share and the items done,
// and behind them the number of work-groups that have left. All are 0 before a run and after it: the last work-group to
// leave clears them.
//
// What the tasks are stands in a table that the kernel reads: a program knows kernels, not what is made of them.
//
// The atomic functions are GNU C's, because those of OpenCL 1.2 do not order accesses to different addresses.

#define COUNTER_INTS 32  // from one counter to the next: two cache lines, which a prefetcher fetches in pairs
#define COUNTERS(tasks) ((tasks) * (workers + 1))

// So many looks at a task that does not end, about 5 ms, and a work-group leaves. Those that it waits for may have lost
// their cores to another program, and perhaps get this one. They finish the tasks without it.
#define PATIENCE 4000000

// Takes a quarter of what is left of a share, so that all end at about the same time; returns its first item, or -1.
static inline int take_items(volatile global int* taken, const int items, int* count) {
  int first = __atomic_load_n(taken, __ATOMIC_RELAXED);
  do {
    if (first >= items) return -1;
    *count = max((items - first) / 4, 1);
  } while (!__atomic_compare_exchange_n(taken, &first, first + *count, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
  return first;
}

// False if it took too long.
static inline bool wait_for(volatile global int* done, const int items) {
  for (int looks = 0; __atomic_load_n(done, __ATOMIC_ACQUIRE) < items; ++looks) {
    if (looks == PATIENCE) return false;
  }
  return true;
}

// Function `name`: the task that `at` describes, of a kernel whose item is `call`. at[1] is how many items it has; what
// follows are the kernel's arguments, buffers as their number in `buffers` and an offset. False if it took too long.
#define TASK(name, call)                                                                                     \
  static __attribute__((noinline)) bool name(const int self, const int workers, volatile global int* taken,  \
                                             local char* memory, global const long* at,                      \
                                             global char* const* buffers) {                                  \
    const int items = (int)at[1];                                                                            \
    volatile global int* done = taken + workers * COUNTER_INTS;                                              \
    for (int turn = 0; turn < workers; ++turn) {                                                             \
      const int share = (self + turn) % workers;                                                             \
      const int begin = (int)((long)items * share / workers);                                                \
      const int size = (int)((long)items * (share + 1) / workers) - begin;                                   \
      for (int count, first; (first = take_items(taken + share * COUNTER_INTS, size, &count)) >= 0;) {       \
        for (int item = begin + first; item < begin + first + count; ++item) call;                           \
        __atomic_fetch_add(done, count, __ATOMIC_ACQ_REL);                                                   \
      }                                                                                                      \
    }                                                                                                        \
    return wait_for(done, items);                                                                            \
  }

// All tasks of a table: table[0] is how many, table[1 + i] where the i-th begins, whose first number says of which
// kernel it is. KERNELS: the cases of a switch, which set `done`.
#define ALL_TASKS(KERNELS)                                                                               \
  const int tasks = (int)table[0];                                                                       \
  bool done = true;                                                                                      \
  for (int task = 0; task < tasks && done; ++task) {                                                     \
    volatile global int* taken = state + COUNTERS(task) * COUNTER_INTS;                                  \
    global const long* at = table + table[1 + task];                                                     \
    switch ((int)at[0]) { KERNELS }                                                                      \
  }                                                                                                      \
  if (__atomic_fetch_add(state + COUNTERS(tasks) * COUNTER_INTS, 1, __ATOMIC_ACQ_REL) == workers - 1) {  \
    for (int i = 0; i <= COUNTERS(tasks); ++i) state[i * COUNTER_INTS] = 0;                              \
  }
