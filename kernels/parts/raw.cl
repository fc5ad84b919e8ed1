// parts: vectors
// Elements that are moved as they are, whatever the storage: `raw` has an element's bits, RAW_V(pointer) is the vector
// of VW of them at any address.
//
// Macros: VW; the storage's (parts/storage.cl).

#ifdef STORED_AS
typedef STORED_AS raw;
#else
typedef float raw;
#endif
#if VW == 1
#define RAW_V(pointer) (*(pointer))
#else
#define RAW_V(pointer) PACKED_OF(VW, pointer)
#endif

inline void move_raw(global const raw* x, global raw* y, const long count) {
  long i = 0;
  for (; i + VW <= count; i += VW)
    RAW_V(y + i) = RAW_V(x + i);
  for (; i < count; ++i)
    y[i] = x[i];
}
