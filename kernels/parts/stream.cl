// parts: vectors
// Stores that bypass the caches, for results that would leave them before they are read: else each cache line is read
// from memory before it is written. The processor collects what is stored in a few buffers of a line: whole lines do
// best, some half lines well, 8 half lines take twice the time of ordinary stores (2-core Zen 3, 2026-11).
//
//   PUT_STREAMED(streamed, value, pointer)   PUT_V; where `streamed`, past the caches: then `pointer` is aligned
//   IS_ALIGNED(pointer, bytes)               to so many bytes, at least a vector, as streaming needs
//   END_STREAM                               before another thread reads what was stored
//
// Macros: STREAM (0 or 1).

#if STREAM && defined(__x86_64__) && !defined(STORED_AS)
#define IS_ALIGNED(pointer, bytes) ((ulong)(pointer) % (bytes) == 0)
#define PUT_STREAMED(streamed, value, pointer)                                                           \
  if (streamed) {                                                                                        \
    __builtin_nontemporal_store(value, (global floatv*)(pointer));                                       \
  } else {                                                                                               \
    PUT_V(value, pointer);                                                                               \
  }
#define END_STREAM __asm__ volatile("sfence" ::: "memory");
#else
#define IS_ALIGNED(pointer, bytes) 0
#define PUT_STREAMED(streamed, value, pointer) PUT_V(value, pointer);
#define END_STREAM
#endif
