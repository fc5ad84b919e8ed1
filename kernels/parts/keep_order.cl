// LLVM moves no load across KEEP_ORDER. It would else load what comes later early, into registers that sums need.

#if defined(__x86_64__) || defined(__aarch64__)
#define KEEP_ORDER __asm__ volatile("" ::: "memory");
#else
#define KEEP_ORDER
#endif
