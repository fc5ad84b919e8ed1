// Several launches as one (src/runtime/chain_program.hpp): every work-group goes through all tasks, takes items of a
// task as long as there are any, and waits until all of them are done before the next task. Nobody waits for a
// work-group that has not begun: the items of a task are shared among those that are there. So any number of
// work-groups at once will do, one, too, provided that a work-group that has begun goes on without the others.
//
// Each work-group first takes the items of its own part of a task, the same part of every task, so that what it wrote is
// still in its cache; then what others have left of theirs.
//
// `state` holds numbers per task, each in cache lines of its own: items taken of each part, and items done. At its end
// is how many work-groups have left. All are 0 before and afterwards: the last to leave clears them.
//
// What the tasks are stands in a table that the kernel reads: a program knows kernels, not what is made of them.
//
// The built-in functions of GNU C: OpenCL 1.2's have no order among different addresses.

#define APART 32  // ints between two numbers: two cache lines, which a prefetcher fetches in pairs
#define NUMBERS(tasks) ((tasks) * (workers + 1))

// A work-group leaves after so many looks at a task that others do not finish, about 5 ms: they may not run, since
// another program has their cores. They go on without it.
#define PATIENCE 4000000

// Takes a quarter of what is left of a part, so that all end at about the same time; its first item, or -1.
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
#define TASK(name, call)                                                                                   \
  static __attribute__((noinline)) bool name(const int self, const int workers, volatile global int* numbers, \
                                             local char* memory, global const long* at,                    \
                                             global char* const* buffers) {                                \
    const int items = (int)at[1];                                                                          \
    volatile global int* done = numbers + workers * APART;                                                 \
    for (int turn = 0; turn < workers; ++turn) {                                                           \
      const int part = (self + turn) % workers;                                                            \
      const int begin = (int)((long)items * part / workers);                                               \
      const int size = (int)((long)items * (part + 1) / workers) - begin;                                  \
      for (int count, first; (first = take_items(numbers + part * APART, size, &count)) >= 0;) {           \
        for (int item = begin + first; item < begin + first + count; ++item) call;                         \
        __atomic_fetch_add(done, count, __ATOMIC_ACQ_REL);                                                 \
      }                                                                                                    \
    }                                                                                                      \
    return wait_for(done, items);                                                                          \
  }

// All tasks of a table: table[0] is how many, table[1 + i] where the i-th begins, whose first number says of which
// kernel it is. KERNELS: the cases of a switch, which set `done`.
#define ALL_TASKS(KERNELS)                                                                             \
  const int tasks = (int)table[0];                                                                     \
  bool done = true;                                                                                    \
  for (int task = 0; task < tasks && done; ++task) {                                                   \
    volatile global int* numbers = state + NUMBERS(task) * APART;                                      \
    global const long* at = table + table[1 + task];                                                   \
    switch ((int)at[0]) { KERNELS }                                                                    \
  }                                                                                                    \
  if (__atomic_fetch_add(state + NUMBERS(tasks) * APART, 1, __ATOMIC_ACQ_REL) == workers - 1) {        \
    for (int i = 0; i <= NUMBERS(tasks); ++i) state[i * APART] = 0;                                    \
  }
