// Prefetching cache lines on CPUs, to be read (PREFETCH_FAR: into L2 and beyond only) or written. Addresses ahead of
// a loop may lie outside the buffer: prefetching one is no error. OpenCL's prefetch() does nothing on PoCL 3.1.

#if defined(__x86_64__) || defined(__aarch64__)
#define PREFETCH(pointer) __builtin_prefetch((const void*)(ulong)(pointer), 0, 3)
#define PREFETCH_FAR(pointer) __builtin_prefetch((const void*)(ulong)(pointer), 0, 2)
#define PREFETCH_TO_WRITE(pointer) __builtin_prefetch((const void*)(ulong)(pointer), 1, 3)
#else
#define PREFETCH(pointer)
#define PREFETCH_FAR(pointer)
#define PREFETCH_TO_WRITE(pointer)
#endif
